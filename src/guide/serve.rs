//! How to serve.
//!
//! # A handler
//!
//! ```no_run
//! # use temaki_protos::helloworld;
//! use helloworld::greeter_server::{Greeter, GreeterServer};
//! use helloworld::{HelloReply, HelloRequest};
//! use temaki::{Request, Response, Server, Status};
//!
//! struct MyGreeter;
//!
//! impl Greeter for MyGreeter {
//!     async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
//!         let name = request.into_inner().name;
//!         if name.is_empty() {
//!             return Err(Status::invalid_argument("name is empty"));
//!         }
//!         Ok(Response::new(HelloReply { message: format!("Hello {name}!") }))
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let addr = "127.0.0.1:50051".parse()?;
//!     Server::builder().add_service(GreeterServer::new(MyGreeter)).serve(addr).await?;
//!     Ok(())
//! }
//! ```
//!
//! All calls share the one `MyGreeter`, so what they change stands behind a lock, or is a handle such as a pool of connections.
//! The handler's future must be `Send`.
//!
//! A handler may wait as long as it likes. It must not block the thread: use `tokio::task::spawn_blocking` for a password hash, a
//! large file, or a database that has no `async` interface. A handler that panics ends its own call with INTERNAL; the other calls go
//! on.
//!
//! # What a handler can ask its request
//!
//! | method | returns |
//! |---|---|
//! | [`get_ref`](crate::Request::get_ref), [`into_inner`](crate::Request::into_inner) | the message |
//! | [`metadata`](crate::Request::metadata) | what the client sent beside the message |
//! | [`remaining`](crate::Request::remaining) | the time left until the deadline, `None` without a deadline |
//! | [`remote_addr`](crate::Request::remote_addr) | the client's address, over TCP |
//! | [`method_path`](crate::Request::method_path) | `/helloworld.Greeter/SayHello` |
//! | [`extensions`](crate::Request::extensions) | what an interceptor left for the handler |
//!
//! # Limits
//!
//! Each limit of [`Server`](crate::Server) has a finite default. `SECURITY.md` lists all of them. Those that you are likely to set:
//!
//! ```
//! use std::time::Duration;
//! use temaki::Server;
//!
//! let server = Server::builder()
//!     .timeout(Duration::from_secs(30)) // of each call; no limit by default
//!     .max_concurrent_calls(2_000) // of the whole server; no limit by default
//!     .max_connection_idle(Duration::from_secs(300)); // no limit by default
//! # drop(server);
//! ```
//!
//! A message may have 4 MiB by default. The generated server changes it for one service:
//! `GreeterServer::new(MyGreeter).max_decoding_message_size(64 << 20)`.
//!
//! # Another listener
//!
//! [`Server::serve_with_incoming`](crate::Server::serve_with_incoming) serves the connections of any stream: a
//! [`TcpIncoming`](crate::server::TcpIncoming) on port 0 (its `local_addr` says which port it is), a
//! [`UnixIncoming`](crate::server::UnixIncoming), or your own, for example one that makes TLS handshakes.
//! [`Server::serve_connection`](crate::Server::serve_connection) serves one connection.
