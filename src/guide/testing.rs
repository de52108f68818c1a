//! How to test a client without a server, and a server without a port.
//!
//! # A mock under a generated client
//!
//! Implement the generated trait `…Calls` with the methods that the test is about. Each other method fails with UNIMPLEMENTED.
//!
//! ```
//! # use temaki_protos::helloworld;
//! use helloworld::greeter_client::{GreeterCalls, GreeterClient};
//! use helloworld::{HelloReply, HelloRequest};
//! use temaki::{Request, Response, Status};
//!
//! struct Mock;
//! impl GreeterCalls for Mock {
//!     async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
//!         assert_eq!(request.get_ref().name, "Ada");
//!         Err(Status::unavailable("try again"))
//!     }
//! }
//!
//! /// The code under test is generic over the calls.
//! async fn greeting<C: GreeterCalls>(client: &GreeterClient<C>) -> String {
//!     match client.say_hello(HelloRequest { name: "Ada".into() }).await {
//!         Ok(response) => response.into_inner().message,
//!         Err(_) => "nobody is at home".into(),
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! assert_eq!(greeting(&GreeterClient::new(Mock)).await, "nobody is at home");
//! # }
//! ```
//!
//! A stream for a mock comes from [`Streaming::from_stream`](crate::Streaming::from_stream).
//!
//! # A handler as a function
//!
//! A handler is an `async fn` of a trait. Call it: no server is needed.
//!
//! ```
//! # use temaki_protos::helloworld;
//! # use helloworld::{HelloReply, HelloRequest};
//! use helloworld::greeter_server::Greeter;
//! use temaki::{Request, Response, Status};
//!
//! # struct MyGreeter;
//! # impl Greeter for MyGreeter {
//! #     async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
//! #         Ok(Response::new(HelloReply { message: format!("Hello {}!", request.into_inner().name) }))
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let response = MyGreeter.say_hello(Request::new(HelloRequest { name: "Ada".into() })).await;
//! assert_eq!(response.unwrap().get_ref().message, "Hello Ada!");
//! # }
//! ```
//!
//! # Both ends in memory
//!
//! A pipe takes the place of the network. Everything else is real: HTTP/2, deadlines, limits, interceptors.
//!
//! ```
//! # use temaki_protos::helloworld;
//! # use helloworld::{HelloReply, HelloRequest, greeter_client::GreeterClient};
//! # use helloworld::greeter_server::{Greeter, GreeterServer};
//! use temaki::{ConnectInfo, Endpoint, Server};
//!
//! # use temaki::{Request, Response, Status};
//! # struct MyGreeter;
//! # impl Greeter for MyGreeter {
//! #     async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
//! #         Ok(Response::new(HelloReply { message: format!("Hello {}!", request.into_inner().name) }))
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (near, far) = tokio::io::duplex(64 * 1024);
//! let server = Server::builder().add_service(GreeterServer::new(MyGreeter));
//! tokio::spawn(server.serve_connection(far, ConnectInfo::default()));
//!
//! let channel = Endpoint::new("http://in-memory")?.connect_with_io(near).await?;
//! let client = GreeterClient::new(channel);
//! let response = client.say_hello(HelloRequest { name: "Ada".into() }).await?;
//! assert_eq!(response.get_ref().message, "Hello Ada!");
//! # Ok(()) }
//! ```
//!
//! # A real port
//!
//! Bind port 0, so that tests can run at the same time, and ask the listener for its port:
//!
//! ```no_run
//! # use temaki::Server;
//! # async fn run(server: Server) -> Result<(), Box<dyn std::error::Error>> {
//! use temaki::server::TcpIncoming;
//!
//! let incoming = TcpIncoming::bind("127.0.0.1:0").await?;
//! let target = format!("http://{}", incoming.local_addr()?);
//! tokio::spawn(server.serve_with_incoming(incoming));
//! # drop(target);
//! # Ok(()) }
//! ```
