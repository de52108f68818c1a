//! What interceptors see and change of a call, on the wire: for the whole server and for one service, plain
//! and asynchronous.

use std::sync::{Arc, Mutex};

use temaki::interceptor::InterceptedCall;
use temaki::metadata::MetadataMap;
use temaki::{AsyncInterceptor, Code, Request, Response, Server, Status};
use temaki_protos::helloworld::greeter_server::{Greeter, GreeterServer};
use temaki_protos::helloworld::{HelloReply, HelloRequest};

use crate::support::*;

const HELLO: &str = "/helloworld.Greeter/SayHello";
const ECHO: &str = "/test.Kit/Echo";

/// What interceptors found out of the caller.
#[derive(Clone)]
struct Caller(String);

/// Greets with what interceptors left in metadata and extensions.
struct Echo;

impl Greeter for Echo {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let caller = request.extensions().get::<Caller>();
        let caller = caller.map_or("nobody", |caller| &caller.0);
        let path = request.metadata().get_all("x-path").iter();
        let path: Vec<_> = path
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        if request.get_ref().name == "fail" {
            return Err(Status::not_found("as asked"));
        }
        let message = format!("{caller} by {}", path.join(" "));
        let mut response = Response::new(HelloReply { message });
        response
            .metadata_mut()
            .insert("x-head", "handler".parse().unwrap());
        response
            .trailers_mut()
            .insert("x-tail", "handler".parse().unwrap());
        Ok(response)
    }
}

/// A plain interceptor that leaves its name in the metadata.
fn step(name: &'static str) -> impl Fn(Request<()>) -> Result<Request<()>, Status> + Clone {
    move |mut request| {
        let metadata = request.metadata_mut();
        metadata.append("x-path", name.parse().unwrap());
        Ok(request)
    }
}

/// A plain interceptor that lets in who has a token.
fn authenticate(mut request: Request<()>) -> Result<Request<()>, Status> {
    let Some(token) = request.metadata().get("authorization") else {
        let mut metadata = MetadataMap::new();
        metadata.insert("www-authenticate", "Bearer".parse().unwrap());
        return Err(Status::with_metadata(
            Code::Unauthenticated,
            "no token",
            metadata,
        ));
    };
    let caller = Caller(token.to_str().unwrap_or("?").to_owned());
    request.extensions_mut().insert(caller);
    Ok(request)
}

/// The request message with this name.
fn hello(name: &str) -> Vec<u8> {
    [&[10, name.len() as u8], name.as_bytes()].concat()
}

#[tokio::test]
async fn plain_ones_change_metadata_add_extensions_and_refuse() {
    let service = GreeterServer::with_interceptor(Echo, authenticate);
    let builder = Server::builder()
        .interceptor(step("first"))
        .interceptor(step("second"))
        .add_service(service);
    let server = TestServer::start(builder).await;
    let mut peer = server.peer().await;
    let fields = request_with(HELLO, &[("authorization", "Ada")]);
    peer.call(1, &fields, hello("")).await;
    let reply = peer.answer(1).await.expect_one();
    assert_eq!(reply, hello("Ada by first second"));
    // A refusal: its status and metadata are sent, the handler does not run.
    peer.call(3, &request(HELLO), hello("")).await;
    let answer = peer.answer(3).await;
    assert_eq!(answer.expect_status(16), "no token");
    assert!(answer.is_trailers_only);
    assert_eq!(answer.trailers.get("www-authenticate"), Some("Bearer"));
    // The service beside it has none of its own.
    peer.call(5, &request(ECHO), "a").await;
    assert_eq!(peer.answer(5).await.expect_one(), "a");
}

#[tokio::test]
async fn a_refusal_needs_no_message_of_the_request() {
    let builder = Server::builder().interceptor(authenticate);
    let server = TestServer::start(builder).await;
    let mut peer = server.peer().await;
    for (stream, path) in [(1, ECHO), (3, "/test.Kit/Join")] {
        peer.headers(stream, 0, &request(path)).await;
        peer.answer(stream).await.expect_status(16);
        peer.expect_reset(stream, NO_ERROR).await;
    }
    assert_eq!(server.probe.counts().started, 0);
}

/// Sees each step of a call and changes what may be changed.
#[derive(Clone)]
struct Log {
    name: &'static str,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Log {
    fn say(&self, line: String) {
        self.lines
            .lock()
            .unwrap()
            .push(format!("{}: {line}", self.name));
    }
}

impl AsyncInterceptor for Log {
    async fn request(&self, mut request: Request<()>) -> Result<Request<()>, Status> {
        tokio::task::yield_now().await;
        self.say(format!("request {}", request.method_path().unwrap_or("?")));
        request
            .extensions_mut()
            .insert(Caller(self.name.to_owned()));
        request
            .metadata_mut()
            .append("x-path", self.name.parse().unwrap());
        Ok(request)
    }

    fn response(&self, call: &InterceptedCall, metadata: &mut MetadataMap) {
        let found = metadata
            .get("x-head")
            .map(|value| value.to_str().unwrap().to_owned());
        self.say(format!("response {} {found:?}", call.path()));
        metadata.insert("x-head", self.name.parse().unwrap());
        metadata.insert("grpc-encoding", "gzip".parse().unwrap());
    }

    fn trailers(&self, call: &InterceptedCall, status: &Status, trailers: &mut MetadataMap) {
        let caller = &call.extensions().get::<Caller>().expect("the last one's").0;
        let code = status.code().name();
        let found = trailers
            .get("x-tail")
            .map(|value| value.to_str().unwrap().to_owned());
        self.say(format!("trailers {code} {found:?} for {caller}"));
        trailers.insert("x-tail", self.name.parse().unwrap());
        trailers.insert("grpc-status", "0".parse().unwrap());
    }
}

fn logged() -> (Server, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let log = |name| Log {
        name,
        lines: lines.clone(),
    };
    let service = GreeterServer::with_async_interceptor(Echo, log("inner"));
    let builder = Server::builder()
        .async_interceptor(log("outer"))
        .add_service(service);
    (builder, lines)
}

#[tokio::test]
async fn asynchronous_ones_see_the_answer_from_the_inside_out() {
    let (builder, lines) = logged();
    let server = TestServer::start(builder).await;
    let mut peer = server.peer().await;
    peer.call(1, &request(HELLO), hello("")).await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.expect_one(), hello("inner by outer inner"));
    assert_eq!(answer.headers.all("x-head"), ["outer"]);
    assert_eq!(answer.trailers.all("x-tail"), ["outer"]);
    assert_eq!(
        answer.headers.get("grpc-encoding"),
        None,
        "names of gRPC's own stay its own"
    );
    assert_eq!(
        std::mem::take(&mut *lines.lock().unwrap()),
        [
            "outer: request /helloworld.Greeter/SayHello",
            "inner: request /helloworld.Greeter/SayHello",
            "inner: response /helloworld.Greeter/SayHello Some(\"handler\")",
            "outer: response /helloworld.Greeter/SayHello Some(\"inner\")",
            "inner: trailers OK Some(\"handler\") for inner",
            "outer: trailers OK Some(\"inner\") for inner",
        ]
    );
    // A call that fails has no response metadata, and trailers all the same.
    peer.call(3, &request(HELLO), hello("fail")).await;
    let answer = peer.answer(3).await;
    assert_eq!(answer.expect_status(code::NOT_FOUND), "as asked");
    assert_eq!(answer.trailers.all("grpc-status"), ["5"]);
    assert_eq!(answer.trailers.all("x-tail"), ["outer"]);
    assert_eq!(
        lines.lock().unwrap()[2..],
        [
            "inner: trailers NOT_FOUND None for inner",
            "outer: trailers NOT_FOUND Some(\"inner\") for inner",
        ]
    );
}

#[tokio::test]
async fn they_see_every_end_and_add_to_its_trailers() {
    let (builder, lines) = logged();
    let server = TestServer::start(builder).await;
    server.probe.open_gate(1);
    let mut peer = server.peer().await;
    let soon = [("grpc-timeout", "100m")];
    let rows = [
        (ECHO, &[][..], "a", code::OK, "OK"),
        ("/test.Kit/Repeat", &[], "3 1", code::OK, "OK"),
        ("/test.Kit/Both", &[], "a", code::OK, "OK"),
        ("/test.Kit/Fail", &[], "a", code::NOT_FOUND, "NOT_FOUND"),
        // What the library makes up.
        ("/test.Kit/Panic", &[], "a", code::INTERNAL, "INTERNAL"),
        (
            "/test.Kit/Hang",
            &soon,
            "a",
            code::DEADLINE_EXCEEDED,
            "DEADLINE_EXCEEDED",
        ),
        (
            "/test.Kit/Stay",
            &soon,
            "a",
            code::DEADLINE_EXCEEDED,
            "DEADLINE_EXCEEDED",
        ),
        ("/test.Kit/PanicMid", &[], "a", code::INTERNAL, "INTERNAL"),
    ];
    let mut stream = 1;
    for (path, more, text, code, name) in rows {
        peer.call(stream, &request_with(path, more), text).await;
        let answer = peer.answer(stream).await;
        answer.expect_status(code);
        assert_eq!(answer.trailers.all("x-tail"), ["outer"], "{path}");
        let lines = std::mem::take(&mut *lines.lock().unwrap());
        assert_eq!(
            lines.last().unwrap(),
            &format!("outer: trailers {name} None for outer")
        );
        stream += 2;
    }
    // A call that names no method is nobody's.
    peer.call(stream, &request("/test.Kit/Absent"), "a").await;
    peer.answer(stream).await.expect_status(code::UNIMPLEMENTED);
    assert!(lines.lock().unwrap().is_empty());
}

/// Adds to the trailers, and counts the ends that it sees.
#[derive(Clone, Default)]
struct Adds(Arc<Mutex<Vec<String>>>);

impl AsyncInterceptor for Adds {
    fn trailers(&self, _: &InterceptedCall, status: &Status, trailers: &mut MetadataMap) {
        let private = trailers.get("x-private").is_some();
        let line = format!("{} {private}", status.code().name());
        self.0.lock().unwrap().push(line);
        trailers.insert("x-added", "1".parse().unwrap());
    }
}

/// The way from the one that adds to the handler: what a header of the request says happens there.
struct Gateway {
    /// What another server said.
    received: Status,
}

impl AsyncInterceptor for Gateway {
    async fn request(&self, request: Request<()>) -> Result<Request<()>, Status> {
        let what = request.metadata().get("x-end");
        match what.map(|what| what.to_str().unwrap()) {
            None => Ok(request),
            Some("refuse") => Err(Status::permission_denied("as asked")),
            Some("relay") => Err(self.received.clone()),
            Some("forward") => Err(self.received.clone().forward_metadata()),
            Some("panic") => panic!("an interceptor that panics, as it was told to"),
            Some(_) => std::future::pending().await,
        }
    }
}

/// A status with metadata, as it comes from another server.
async fn received() -> Status {
    let listener = RawServer::bind().await;
    let target = listener.target();
    let connecting = tokio::spawn(async move { temaki::Channel::connect(target.as_str()).await });
    let mut upstream = listener.accept().await;
    let channel = soon("a channel", connecting).await.unwrap().unwrap();
    let path = http::uri::PathAndQuery::from_static("/up.Stream/Call");
    let request = Request::new(bytes::Bytes::new());
    let call = channel.unary(path, temaki::codec::BytesCodec, request);
    let answer = async {
        let (stream, _) = upstream.expect_request().await;
        let end = [
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-status", "10"),
            ("x-private", "1"),
        ];
        upstream.headers(stream, END_STREAM, &end).await;
    };
    soon("an answer", async { tokio::join!(call, answer).0 })
        .await
        .unwrap_err()
}

#[tokio::test]
async fn what_earlier_ones_add_goes_out_in_every_ending() {
    let (adds, received) = (Adds::default(), received().await);
    let relayed = received.clone();
    let mut methods = temaki::server::Methods::new("test.Relay", Arc::new(()));
    methods.unary(
        "Fail",
        temaki::codec::BytesCodec,
        move |_, _: Request<bytes::Bytes>| {
            std::future::ready(Err::<Response<bytes::Bytes>, _>(relayed.clone()))
        },
    );
    let builder = Server::builder()
        .add_service(methods)
        .async_interceptor(adds.clone())
        .interceptor(|request: Request<()>| Ok(request))
        .async_interceptor(Gateway { received });
    let server = TestServer::start(builder).await;
    let mut peer = server.peer().await;
    #[rustfmt::skip]
    let rows = [
        // path, what happens on the way, status, whether the other server's metadata goes on
        (ECHO, "", "OK", false, "a success"),
        ("/test.Kit/Repeat", "", "OK", false, "a stream"),
        ("/test.Kit/Fail", "", "NOT_FOUND", false, "the handler's error"),
        ("/test.Relay/Fail", "", "ABORTED", false, "another server's error, from the handler"),
        ("/test.Kit/Panic", "", "INTERNAL", false, "a panic of the handler"),
        (ECHO, "refuse", "PERMISSION_DENIED", false, "a refusal"),
        (ECHO, "relay", "ABORTED", false, "a refusal in another server's words"),
        (ECHO, "forward", "ABORTED", true, "with its metadata, as it was told to"),
        (ECHO, "panic", "INTERNAL", false, "a panic on the way"),
        (ECHO, "wait", "DEADLINE_EXCEEDED", false, "a deadline on the way"),
        ("/test.Kit/Join", "refuse", "PERMISSION_DENIED", false, "of a stream of requests"),
    ];
    for (index, (path, end, name, private, why)) in rows.into_iter().enumerate() {
        let stream = 2 * index as u32 + 1;
        let mut fields = request_with(path, &[("grpc-timeout", "10S")]);
        if end == "wait" {
            fields = request_with(path, &[("grpc-timeout", "100m")]);
        }
        if !end.is_empty() {
            fields.push(("x-end", end));
        }
        peer.call(stream, &fields, "1").await;
        let answer = peer.answer(stream).await;
        let code = answer.status().expect("a status").parse().unwrap();
        assert_eq!(Code::from_i32(code).name(), name, "{why}");
        assert_eq!(answer.trailers.all("x-added"), ["1"], "{why}: {answer:?}");
        let goes_on = answer.trailers.get("x-private").is_some();
        assert_eq!(goes_on, private, "{why}");
        let seen = std::mem::take(&mut *adds.0.lock().unwrap());
        assert_eq!(seen, [format!("{name} {private}")], "{why}: seen once");
    }
}

/// Waits for what never comes.
struct Never;

impl AsyncInterceptor for Never {
    async fn request(&self, _: Request<()>) -> Result<Request<()>, Status> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn waiting_counts_against_the_deadline_and_ends_with_the_call() {
    let server = TestServer::start(Server::builder().async_interceptor(Never)).await;
    let mut peer = server.peer().await;
    let soon = [("grpc-timeout", "100m")];
    peer.call(1, &request_with(ECHO, &soon), "a").await;
    peer.answer(1).await.expect_status(code::DEADLINE_EXCEEDED);
    peer.call(3, &request(ECHO), "a").await;
    peer.reset(3, CANCEL).await;
    peer.expect_nothing(3).await;
    assert_eq!(server.probe.counts().started, 0);
    drop(peer);
    assert_eq!(
        server.stop().await.total.cut,
        0,
        "nothing is left to be cut"
    );
}
