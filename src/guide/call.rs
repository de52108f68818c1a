//! How to call a server.
//!
//! # One call
//!
//! ```no_run
//! # use temaki_protos::helloworld;
//! use helloworld::{HelloRequest, greeter_client::GreeterClient};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = GreeterClient::connect("http://127.0.0.1:50051").await?;
//!     let response = client.say_hello(HelloRequest { name: "Ada".into() }).await?;
//!     println!("{}", response.into_inner().message);
//!     Ok(())
//! }
//! ```
//!
//! A method takes the message alone, or a [`Request`](crate::Request) around it where the call has a deadline or metadata. It
//! returns a [`Response`](crate::Response), or the [`Status`](crate::Status) that the call ended with: see
//! [`errors`](super::errors).
//!
//! # One connection for many calls
//!
//! A client is a handle of a [`Channel`](crate::Channel). Its methods take `&self`, a clone costs one reference count, and all
//! clones share one connection. So make one client, and clone it into each task:
//!
//! ```no_run
//! # use temaki_protos::helloworld;
//! # use helloworld::{HelloRequest, greeter_client::GreeterClient};
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use temaki::Channel;
//!
//! let channel = Channel::connect("http://127.0.0.1:50051").await?;
//! let greeter = GreeterClient::new(channel.clone()); // a second service: another client, the same channel
//! for number in 0..10 {
//!     let greeter = greeter.clone();
//!     tokio::spawn(async move { greeter.say_hello(HelloRequest { name: number.to_string() }).await });
//! }
//! # Ok(()) }
//! ```
//!
//! # Settings
//!
//! An [`Endpoint`](crate::Endpoint) has the settings of a channel. Each setting has a finite default except the time of a call,
//! which you should set:
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use temaki::Endpoint;
//!
//! let channel = Endpoint::new("http://127.0.0.1:50051")?
//!     .timeout(Duration::from_secs(5)) // of each call
//!     .connect_timeout(Duration::from_secs(3)) // of each attempt to connect
//!     .wait_for_ready(true) // calls wait for a connection until their deadline
//!     .connect_lazy(); // connects at the first call
//! # Ok(()) }
//! ```
//!
//! # When there is no connection
//!
//! | situation | a call |
//! |---|---|
//! | the first attempt to connect is under way | waits for it |
//! | the last attempt failed | fails at once with UNAVAILABLE, and the text says why |
//! | the same, with `wait_for_ready` | waits until there is a connection, or until the call's deadline |
//! | the server closes the connection in good order | moves to a new connection, unless a handler has seen the call |
//! | the connection breaks | fails with UNAVAILABLE |
//!
//! The channel connects again by itself. The pauses between attempts grow from 1 s to 120 s;
//! [`Channel::reset_connect_backoff`](crate::Channel::reset_connect_backoff) ends a pause.
//!
//! `connect` waits for the first connection and fails without it. `connect_lazy` does not wait.
