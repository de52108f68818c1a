//! How to do a thing: a page for each, with code that compiles.
//!
//! | page | answers |
//! |---|---|
//! | [`call`] | How do I connect, make a call, and share the connection? |
//! | [`serve`] | How do I write a handler, and which limits does my server have? |
//! | [`stream`] | How do I send and read many messages in one call? |
//! | [`errors`] | How do I report a failure, and how do I find out which side failed? |
//! | [`deadlines`] | How do I limit the time of a call, and how do I cancel one? |
//! | [`metadata`] | How do I send and read headers and trailers, on each call or on one? |
//! | [`compression`] | How do I compress messages, and read compressed ones? |
//! | [`stopping`] | How do I stop a server without losing a call? |
//! | [`tls`] | How do I serve and call in TLS, and replace certificates? |
//! | [`testing`] | How do I test a client without a server, and a server without a port? |
//!
//! # Before the first page
//!
//! Each page uses Rust code that is generated from a `.proto` file. The generator runs in your crate's `build.rs` and needs no
//! `protoc`:
//!
//! ```ignore
//! fn main() -> Result<(), temaki::codegen::Error> {
//!     temaki::codegen::compile_protos("proto/helloworld.proto")
//! }
//! ```
//!
//! The crate then includes the generated code by the name of the package:
//!
//! ```ignore
//! mod helloworld {
//!     temaki::include_proto!("helloworld");
//! }
//! ```
//!
//! For the service `Greeter`, the module has these items:
//!
//! | item | is |
//! |---|---|
//! | `HelloRequest`, `HelloReply` | the messages, as structs |
//! | `greeter_server::Greeter` | the trait that a server implements |
//! | `greeter_server::GreeterServer` | that trait's implementation as a service, for [`Server::add_service`](crate::Server::add_service) |
//! | `greeter_client::GreeterClient` | the client, with one method for each method of the service |
//! | `greeter_client::GreeterCalls` | the trait that a mock implements |
//!
//! How the code works inside is another question: the [map of the source](crate#floors) begins there.

pub mod call;
pub mod compression;
pub mod deadlines;
pub mod errors;
pub mod metadata;
pub mod serve;
pub mod stopping;
pub mod stream;
pub mod testing;
pub mod tls;
