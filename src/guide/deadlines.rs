//! How to limit the time of a call, and how to cancel one.
//!
//! # Set a deadline
//!
//! ```no_run
//! # use temaki_protos::helloworld;
//! # use helloworld::{HelloRequest, greeter_client::GreeterClient};
//! # async fn run(client: GreeterClient) -> Result<(), temaki::Status> {
//! use std::time::Duration;
//! use temaki::{Code, Request};
//!
//! let mut request = Request::new(HelloRequest { name: "Ada".into() });
//! request.set_timeout(Duration::from_secs(2));
//! match client.say_hello(request).await {
//!     Err(status) if status.code() == Code::DeadlineExceeded => println!("too late: {status}"),
//!     other => println!("{}", other?.get_ref().message),
//! }
//! # Ok(()) }
//! ```
//!
//! | limit | set by | holds for |
//! |---|---|---|
//! | of one call | [`Request::set_timeout`](crate::Request::set_timeout), [`Call::with_timeout`](crate::Call::with_timeout) | this call |
//! | of a channel | [`Endpoint::timeout`](crate::Endpoint::timeout) | each call of the channel |
//! | of a server | [`Server::timeout`](crate::Server::timeout) | each call, whatever its client asks for |
//!
//! The earliest of them counts. It covers everything: the wait for a connection, interceptors, the request, the handler, and each message
//! of a stream up to the trailers. By default there is no limit: set one, since a client without deadlines may wait for ever.
//!
//! # What happens when the time is up
//!
//! The client ends the call by its own clock, whatever the server does: DEADLINE_EXCEEDED, with a text that says how far the call
//! came. The time left is sent along as `grpc-timeout`, so the server ends the call by its own clock as well. It drops the handler at
//! the place where the handler waits.
//!
//! A handler that should stop early looks at [`Request::remaining`](crate::Request::remaining).
//!
//! # A deadline that travels
//!
//! A handler that calls another server should not give that call more time than it has itself. A request that is made from the one
//! being served by [`map`](crate::Request::map) takes the time that is left along:
//!
//! ```
//! # use temaki_protos::helloworld;
//! # use helloworld::{HelloReply, HelloRequest, greeter_client::GreeterClient};
//! use temaki::{Request, Response, Status};
//!
//! async fn pass_on(next: &GreeterClient, request: Request<String>) -> Result<Response<HelloReply>, Status> {
//!     next.say_hello(request.map(|name| HelloRequest { name })).await
//! }
//! ```
//!
//! The metadata travels too. If the first client cancels, the handler is dropped, and with it the call to the next server.
//!
//! # Cancel
//!
//! Drop the future of the call, its [`Streaming`](crate::Streaming), or its [`Call`](crate::Call). The server receives
//! RST_STREAM(CANCEL) and drops the handler. Use `tokio::select!`, or abort the task:
//!
//! ```no_run
//! # use temaki_protos::helloworld;
//! # use helloworld::{HelloRequest, greeter_client::GreeterClient};
//! # async fn run(client: GreeterClient) {
//! tokio::select! {
//!     result = client.say_hello(HelloRequest::default()) => println!("{result:?}"),
//!     _ = tokio::signal::ctrl_c() => println!("cancelled"), // the call is dropped here
//! }
//! # }
//! ```
//!
//! A handler does not see that it was cancelled: it is dropped. What must not stop half-way belongs into a task of its own
//! (`tokio::spawn`), and what must be cleaned up belongs into a `Drop`.
