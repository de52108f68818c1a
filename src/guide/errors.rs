//! How to report a failure, and how to find out which side failed.
//!
//! # Report one
//!
//! A handler returns a [`Status`](crate::Status): a code for programs, a text for people. There is a function for each code:
//!
//! ```
//! use temaki::{Code, Status};
//!
//! fn find(name: &str) -> Result<u32, Status> {
//!     Err(Status::not_found(format!("there is no user {name:?}")))
//! }
//! let status = find("Ada").unwrap_err();
//! assert_eq!(status.code(), Code::NotFound);
//! assert_eq!(status.to_string(), r#"code NOT_FOUND: there is no user "Ada""#);
//! ```
//!
//! | code | for | should the client try again? |
//! |---|---|---|
//! | `invalid_argument` | a request that is wrong whatever the state of the system | no |
//! | `failed_precondition` | a request that the state of the system forbids now | not before that state changes |
//! | `not_found`, `already_exists` | what they say | no |
//! | `unauthenticated`, `permission_denied` | the client is not known; it is known and may not | with other credentials |
//! | `resource_exhausted` | a quota, a size, an overload | later, or with less |
//! | `unavailable` | the service is not there at the moment | yes, after a pause |
//! | `internal` | a fault of the server | no |
//!
//! [`Status::with_details`](crate::Status::with_details) adds bytes for programs, by convention an encoded `google.rpc.Status`.
//!
//! Do not put an error of your database into the text: clients see it. [`Status::set_source`](crate::Status::set_source) keeps the
//! cause on this side, for your log.
//!
//! # Find out which side failed
//!
//! The code alone does not say whether the server returned it or this side made it. [`Status::origin`](crate::Status::origin) does:
//!
//! ```
//! # use temaki_protos::helloworld;
//! # use helloworld::{HelloRequest, greeter_client::GreeterClient};
//! use temaki::{Channel, Code, Origin};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let free = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let target = format!("http://{}", free.local_addr()?);
//! # drop(free);
//! let client = GreeterClient::new(Channel::connect_lazy(target)?); // nobody listens there
//! let status = client.say_hello(HelloRequest::default()).await.unwrap_err();
//! assert_eq!(status.code(), Code::Unavailable);
//! assert_eq!(status.origin(), Origin::Transport);
//! println!("{status}"); // says what was tried, and what the system said
//! # Ok(()) }
//! ```
//!
//! | origin | the status was made by |
//! |---|---|
//! | `Peer` | the server: its handler or its gRPC library |
//! | `Application` | code of yours: an interceptor, a mock |
//! | `LocalDeadline` | this side, because the deadline passed |
//! | `LocalLimit` | this side, because of a limit that the text names |
//! | `Transport` | this side, because there is no connection or it broke; `source()` has the cause |
//! | `Reset`, `GoAway` | this side, because the peer ended the stream or the connection |
//! | `Http` | this side, because something answered that does not speak gRPC: a proxy, for example |
//! | `Protocol` | this side, because the peer broke the rules of gRPC |
//!
//! # Pass one on
//!
//! A handler that calls another server may return that server's error with `?`. Code, message and details are sent on. The other
//! server's metadata stays behind, unless you call [`Status::forward_metadata`](crate::Status::forward_metadata).
//!
//! # Errors outside of a call
//!
//! Listening, connecting, and reading a target give an [`Error`](crate::Error). Its text is one sentence with its causes;
//! [`Error::kind`](crate::Error::kind) is for programs.
