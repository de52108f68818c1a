//! Generated text that is checked in compiles as well as text in `OUT_DIR` does, without the
//! generator, and no lint of the crate around it reaches it. `tests/codegen/output.rs` writes the files.

#![deny(warnings, missing_docs, unreachable_pub, clippy::pedantic)]

/// Every group of clippy's, and what rustc allows by default. The order of items alone is not theirs to be silent about: that is said
/// of the module around them.
#[deny(
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::restriction,
    let_underscore_drop,
    missing_copy_implementations,
    missing_debug_implementations,
    single_use_lifetimes,
    trivial_casts,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results
)]
#[expect(
    clippy::arbitrary_source_item_ordering,
    clippy::blanket_clippy_restriction_lints,
    reason = "the first is said of this module, the second of the list above"
)]
#[path = "../golden"]
pub mod generated {
    /// Comments of all kinds, and what is deprecated.
    #[path = "comments.rs"]
    pub mod comments;
    /// The options of fields and types.
    #[path = "fields.rs"]
    pub mod fields;
    /// The example of the documentation.
    #[path = "helloworld.rs"]
    pub mod helloworld;
    /// Names that are taken.
    #[path = "odd.type.rs"]
    pub mod odd;
    /// Groups, defaults and extensions.
    #[path = "old.rs"]
    pub mod old;
    /// Packages in packages.
    #[path = "nested/nested.rs"]
    pub mod packages;
    /// The same with a body for each method, a codec by its path, and a client that cannot connect.
    #[path = "stubs.rs"]
    pub mod stubs;
    /// `Timestamp` and its family.
    #[path = "well_known.rs"]
    pub mod well_known;
}

use generated::{fields, helloworld, odd, stubs};
use helloworld::greeter_client::{GreeterCalls, GreeterClient};
use helloworld::greeter_server::{Greeter, GreeterServer};
use helloworld::{HelloReply, HelloRequest};
use temaki::{Code, Request, Response, ResponseStream, Status, Streaming};

fn greeting(name: &str) -> HelloReply {
    let message = format!("Hello {name}!");
    HelloReply { message }
}

/// As the documentation shows it: a plain `async fn` for each method.
struct MyGreeter;

impl Greeter for MyGreeter {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(greeting(&request.into_inner().name)))
    }

    type SayHelloEverywhereStream = ResponseStream<HelloReply>;

    async fn say_hello_everywhere(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<Self::SayHelloEverywhereStream>, Status> {
        let name = request.into_inner().name;
        Ok(Response::new(ResponseStream::new(async move |mut out| {
            out.send(greeting(&name)).await
        })))
    }
}

/// Nothing to implement: every method answers UNIMPLEMENTED.
struct Nothing;

impl stubs::greeter_server::Greeter for Nothing {}

//= GRPC-SERVICE-NAME  type=test
#[test]
fn servers_are_made_of_implementations() {
    let server = temaki::Server::builder()
        .add_service(GreeterServer::new(MyGreeter))
        .add_service(odd::http_nothing_server::HttpNothingServer::new(NoMethods));
    drop(server);
    let _ = stubs::greeter_server::GreeterServer::new(Nothing);
    assert_eq!(
        helloworld::greeter_server::SERVICE_NAME,
        "helloworld.Greeter"
    );
    assert_eq!(
        temaki_protos::user::user_service_server::SERVICE_NAME,
        "UserService",
        "a file without a package"
    );
}

struct NoMethods;

impl odd::http_nothing_server::HttpNothing for NoMethods {}

/// A mock answers the calls that a test needs.
#[derive(Clone, Debug)]
struct Mock;

impl GreeterCalls for Mock {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(greeting(&request.into_inner().name)))
    }
}

#[tokio::test]
async fn a_mock_stands_in_for_a_channel() {
    let client = GreeterClient::new(Mock);
    let name = "Ada".to_owned();
    let reply = client.say_hello(HelloRequest { name }).await.unwrap();
    assert_eq!(reply.into_inner().message, "Hello Ada!");

    let other: Result<Response<Streaming<HelloReply>>, Status> =
        client.say_hello_everywhere(HelloRequest::default()).await;
    let status = other.err().unwrap();
    assert_eq!(
        status.code(),
        Code::Unimplemented,
        "what the mock leaves out"
    );
    assert!(
        status
            .message()
            .contains("/helloworld.Greeter/SayHelloEverywhere"),
        "{status}"
    );
}

#[test]
fn calls_may_be_made_from_any_task() {
    fn sendable<T: Send>(_: &T) {}
    let client = GreeterClient::new(Mock);
    sendable(&client.say_hello(HelloRequest::default()));
}

impl std::fmt::Debug for fields::Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a secret")
    }
}

fn has_default<T: Default>() {}

/// The types that the options ask for, and what those types show.
#[test]
fn options_of_fields_and_types_are_in_the_types() {
    use fields::{Kind, Parcel, Secret, parcel::Item};
    use std::collections::BTreeMap;

    let item = Item {
        grams: 3,
        slips: BTreeMap::from([(1, vec![2])]),
    };
    let parcel = Parcel {
        content: bytes::Bytes::from_static(b"books"),
        stamp: vec![1],
        items: BTreeMap::from([("a".to_owned(), item.clone())]),
        kind: Kind::Letter.into(),
        heaviest: Some(Box::new(item)),
        sender: None,
    };
    let shown = format!("{parcel:?}");
    assert!(
        shown.contains("items: {\"a\": Item { grams: 3, slips: {1: [2]} }}"),
        "{shown}"
    );
    assert_eq!(format!("{:?}", Secret::default()), "a secret");
    has_default::<fields::post_server::PostMethods>();
    has_default::<fields::post_client::PostClient<()>>();
}

/// The two sides of a service, over a pipe.
#[tokio::test]
async fn client_and_server_understand_each_other() {
    let (here, there) = tokio::io::duplex(64 * 1024);
    let server = temaki::Server::builder().add_service(GreeterServer::new(MyGreeter));
    let info = temaki::ConnectInfo::default();
    tokio::spawn(async move { server.serve_connection(there, info).await });
    let endpoint = temaki::Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_io(here).await.unwrap();

    let client = GreeterClient::new(channel.clone());
    let ada = || HelloRequest {
        name: "Ada".to_owned(),
    };
    let reply = client.say_hello(ada()).await.unwrap();
    assert_eq!(reply.into_inner(), greeting("Ada"));
    let mut replies = client
        .say_hello_everywhere(ada())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(replies.message().await.unwrap(), Some(greeting("Ada")));
    assert_eq!(replies.message().await.unwrap(), None);

    let stranger = odd::status_client::StatusClient::new(channel);
    let status = stranger.get(odd::Empty {}).await.err().unwrap();
    assert_eq!(status.code(), Code::Unimplemented, "{status}");
}
