//! How to send and read metadata: headers before the messages, trailers after them.
//!
//! # On one call
//!
//! ```no_run
//! # use temaki_protos::helloworld;
//! # use helloworld::{HelloRequest, greeter_client::GreeterClient};
//! # async fn run(client: GreeterClient) -> Result<(), Box<dyn std::error::Error>> {
//! use temaki::Request;
//!
//! let mut request = Request::new(HelloRequest { name: "Ada".into() });
//! request.metadata_mut().insert("x-request-id", "4711".parse()?);
//! let response = client.say_hello(request).await?;
//! let served_by = response.metadata().get("x-served-by"); // headers
//! let rows = response.trailers().get("x-rows"); // trailers
//! # let _ = (served_by, rows);
//! # Ok(()) }
//! ```
//!
//! # In a handler
//!
//! ```
//! use temaki::{Request, Response, Status};
//!
//! async fn say_hello(request: Request<String>) -> Result<Response<String>, Status> {
//!     let id = request.metadata().get("x-request-id").and_then(|id| id.to_str().ok());
//!     println!("request {}", id.unwrap_or("without an id"));
//!     let mut response = Response::new("Hello!".to_owned());
//!     response.metadata_mut().insert("x-served-by", "node-7".parse().map_err(|_| Status::internal("not ASCII"))?);
//!     Ok(response)
//! }
//! ```
//!
//! A handler that fails puts metadata on its [`Status`](crate::Status::metadata_mut); it is sent in the trailers.
//!
//! # Names and values
//!
//! | | rule |
//! |---|---|
//! | a name | lower-case letters, digits, `_`, `-` and `.` |
//! | a name that begins with `grpc-` | belongs to gRPC: it is not sent and not seen |
//! | a value | printable ASCII; [`insert`](crate::metadata::MetadataMap::insert), [`get`](crate::metadata::MetadataMap::get) |
//! | a value of bytes | its name ends in `-bin`; [`insert_bin`](crate::metadata::MetadataMap::insert_bin), [`get_bin`](crate::metadata::MetadataMap::get_bin) |
//! | several values of one name | [`append`](crate::metadata::MetadataMap::append), [`get_all`](crate::metadata::MetadataMap::get_all); they keep their order |
//! | all of a call's metadata | 16 KiB at a server by default; see `SECURITY.md` |
//! | a secret | [`set_sensitive`](crate::metadata::MetadataValue::set_sensitive): shown as `[redacted]`. `authorization` and `cookie` are sensitive by themselves |
//!
//! ```
//! use temaki::metadata::{BinaryMetadataValue, MetadataMap};
//!
//! let mut metadata = MetadataMap::new();
//! metadata.insert_bin("trace-bin", BinaryMetadataValue::from_bytes(&[1, 2, 3]));
//! let trace = metadata.get_bin("trace-bin").unwrap();
//! assert_eq!(trace.to_bytes().unwrap(), &[1, 2, 3][..]);
//! ```
//!
//! # On each call
//!
//! An interceptor adds a token to each call of a client, or checks one before each handler of a server:
//!
//! ```no_run
//! # use temaki_protos::helloworld;
//! # use helloworld::greeter_client::GreeterClient;
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use temaki::{Channel, Request, Server, Status, metadata::AsciiMetadataValue};
//!
//! let token: AsciiMetadataValue = "Bearer some-token".parse()?;
//! let channel = Channel::connect("http://127.0.0.1:50051").await?;
//! let client = GreeterClient::with_interceptor(channel, move |mut request: Request<()>| {
//!     request.metadata_mut().insert("authorization", token.clone());
//!     Ok(request)
//! });
//!
//! fn check(request: Request<()>) -> Result<Request<()>, Status> {
//!     match request.metadata().get("authorization") {
//!         Some(token) if token == "Bearer some-token" => Ok(request),
//!         _ => Err(Status::unauthenticated("the token is missing or not known")),
//!     }
//! }
//! let server = Server::builder().interceptor(check);
//! # drop((client, server));
//! # Ok(()) }
//! ```
//!
//! An [`AsyncInterceptor`](crate::AsyncInterceptor) may wait, and it also sees the response's metadata, the trailers and the status.
//! `examples/interceptors.rs` has both kinds on both sides.
