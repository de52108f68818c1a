//! Who made a status, in every way that a call can end: [`Origin`], the code, the source, and a text that
//! tells what happened.

use std::error::Error as _;
use std::future::Future as _;
use std::time::Duration;

use crate::support::*;
use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::{BytesCodec, Codec};
use temaki::metadata::MetadataMap;
use temaki::{Channel, Code, Endpoint, Origin, Request, ResponseStream, Server, Status};
use temaki_protos::helloworld::HelloRequest;
use temaki_protos::helloworld::greeter_client::{GreeterCalls, GreeterClient};

async fn call(channel: &Channel, timeout: Option<Duration>) -> Status {
    let mut request = Request::new(Bytes::from("hello"));
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let path = PathAndQuery::from_static("/test.Kit/Any");
    let call = channel.unary(path, BytesCodec, request);
    soon("the status", call).await.expect_err("it fails")
}

/// What the peer does to a call.
#[derive(Clone, Copy, Debug)]
enum Does {
    Trailers,
    Http,
    Reset,
    /// Turns it away, each time it comes.
    GoAway,
    Nothing,
    TooLong,
    NoStatus,
    BadPrefix,
    BreaksHttp2,
    Vanishes,
}

async fn act(peer: &mut Peer, does: Does, server: &RawServer) {
    let (stream, _) = peer.expect_request().await;
    match does {
        Does::Trailers => {
            let trailers = [("grpc-status", "5"), ("grpc-message", "no such thing")];
            let head = [&response()[..], &trailers].concat();
            peer.headers(stream, END_STREAM, &head).await;
        }
        Does::Http => {
            let head = [(":status", "503"), ("content-type", "text/html")];
            peer.headers(stream, 0, &head).await;
            peer.data(stream, END_STREAM, b"<h1>overloaded</h1>").await;
        }
        Does::Reset => peer.reset(stream, INTERNAL_ERROR).await,
        Does::GoAway => {
            peer.goaway(0, NO_ERROR).await;
            *peer = server.accept().await;
            peer.expect_request().await;
            peer.goaway(0, NO_ERROR).await;
        }
        Does::Nothing => {}
        Does::TooLong => {
            peer.headers(stream, 0, &response()).await;
            peer.data(stream, 0, &message(vec![0; 101])).await;
        }
        Does::NoStatus => {
            peer.headers(stream, 0, &response()).await;
            peer.data(stream, END_STREAM, &message("an answer")).await;
        }
        Does::BadPrefix => {
            peer.headers(stream, 0, &response()).await;
            peer.data(stream, 0, &prefixed(7, "what is this")).await;
        }
        Does::BreaksHttp2 => peer.data(0, 0, b"DATA without a stream").await,
        Does::Vanishes => *peer = Peer::silent(tokio::io::duplex(1).0),
    }
}

#[tokio::test]
async fn a_status_tells_who_made_it() {
    use Does::*;
    // (what the peer does, code, origin, has a source, what the text tells)
    #[rustfmt::skip]
    let rows = [
        (Trailers, Code::NotFound, Origin::Peer, false, "no such thing"),
        (Http, Code::Unavailable, Origin::Http(503), false, "overloaded"),
        (Reset, Code::Internal, Origin::Reset(INTERNAL_ERROR), true, "RST_STREAM INTERNAL_ERROR"),
        (GoAway, Code::Unavailable, Origin::GoAway(NO_ERROR), true, "GOAWAY NO_ERROR"),
        (Nothing, Code::DeadlineExceeded, Origin::LocalDeadline, false, "deadline passed"),
        (TooLong, Code::ResourceExhausted, Origin::LocalLimit, false, "101"),
        (NoStatus, Code::Internal, Origin::Protocol, false, "expected grpc-status"),
        (BadPrefix, Code::Internal, Origin::Protocol, false, "compressed-flag"),
        (BreaksHttp2, Code::Unavailable, Origin::Protocol, true, "the peer broke HTTP/2"),
        (Vanishes, Code::Unavailable, Origin::Transport, true, "connection was lost: "),
    ];
    for (does, code, origin, has_source, text) in rows {
        let server = RawServer::bind().await;
        let endpoint = Endpoint::new(server.target()).unwrap();
        let (channel, peer) = tokio::join!(endpoint.connect(), server.accept());
        let (channel, mut peer) = (channel.unwrap().max_decoding_message_size(100), peer);
        let timeout = matches!(does, Nothing).then_some(Duration::from_millis(50));
        let (status, ()) = tokio::join!(call(&channel, timeout), act(&mut peer, does, &server));
        assert_eq!(
            (status.code(), status.origin()),
            (code, origin),
            "{does:?}: {status}"
        );
        assert_eq!(
            status.source().is_some(),
            has_source,
            "{does:?}: {status:?}"
        );
        assert!(status.message().contains(text), "{does:?}: {status}");
        assert!(
            !status.message().contains("transport error"),
            "{does:?}: {status}"
        );
    }
}

#[tokio::test]
async fn a_status_tells_why_there_is_no_connection() {
    let port = RawServer::bind().await;
    let target = port.target();
    drop(port);
    let channel = Endpoint::new(target.clone()).unwrap().connect_lazy();
    let status = call(&channel, None).await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.origin(), Origin::Transport);
    assert!(status.message().contains("refused"), "{status}");
    // The system's own word is at the end of the chain.
    let mut cause = status.source();
    let refused = std::iter::from_fn(|| {
        let found = cause?;
        cause = found.source();
        Some(found)
    })
    .filter_map(|error| error.downcast_ref::<std::io::Error>())
    .any(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
    assert!(refused, "{status:?}");

    let error = Endpoint::new(target).unwrap().connect().await.unwrap_err();
    let cause = error
        .source()
        .and_then(|error| error.downcast_ref::<std::io::Error>());
    assert_eq!(
        cause.map(std::io::Error::kind),
        Some(std::io::ErrorKind::ConnectionRefused)
    );
}

#[tokio::test]
async fn a_status_of_the_application_stays_its_own() {
    let channel = Endpoint::from_static("http://localhost:1").connect_lazy();
    let channel = channel.with_interceptor(|_: Request<()>| -> Result<Request<()>, Status> {
        Err(Status::failed_precondition("not today"))
    });
    let status = call(&channel, None).await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.origin(), Origin::Application);
}

/// A codec of the library's user that refuses to write.
#[derive(Clone, Copy, Default)]
struct Refuses;
impl Codec for Refuses {
    type Encode = ();
    type Decode = Bytes;

    fn encoded_len(&self, _: &()) -> usize {
        0
    }

    fn encode(&self, (): &(), _: &mut bytes::BytesMut) -> Result<(), Status> {
        Err(Status::invalid_argument("not like this"))
    }

    fn decode(&self, payload: &mut Bytes) -> Result<Bytes, Status> {
        Ok(std::mem::take(payload))
    }
}

struct NothingMocked;
impl GreeterCalls for NothingMocked {}

/// What this side alone makes of a call. The limits have the origin of limits, and nothing else has it.
#[tokio::test]
async fn a_status_that_is_made_here_tells_why() {
    let server = TestServer::start(Server::builder()).await;
    let target = format!("http://{}", server.addr);
    let channel = Endpoint::new(target).unwrap().connect().await.unwrap();
    let path = || PathAndQuery::from_static("/test.Kit/Join");
    let mut rows = Vec::new();

    let encoding = channel.clone().max_encoding_message_size(4);
    rows.push((
        "a message over max_encoding_message_size",
        call(&encoding, None).await,
        (Code::ResourceExhausted, Origin::LocalLimit),
    ));
    let mut request = Request::new(Bytes::new());
    let large = "v".repeat(70_000).parse().unwrap();
    request.metadata_mut().insert("x-large", large);
    let too_large = channel.unary(path(), BytesCodec, request);
    rows.push((
        "metadata over what the peer takes",
        too_large.await.unwrap_err(),
        (Code::ResourceExhausted, Origin::LocalLimit),
    ));
    rows.push((
        "a deadline that has passed",
        call(&channel, Some(Duration::ZERO)).await,
        (Code::DeadlineExceeded, Origin::LocalDeadline),
    ));
    let refused = channel.unary(path(), Refuses, Request::new(()));
    rows.push((
        "a codec of the application's that refuses",
        refused.await.unwrap_err(),
        (Code::InvalidArgument, Origin::Application),
    ));
    let panics = channel
        .clone()
        .with_interceptor(|_: Request<()>| -> Result<Request<()>, Status> { panic!("on purpose") });
    rows.push((
        "an interceptor that panics",
        call(&panics, None).await,
        (Code::Internal, Origin::Library),
    ));
    let mut held = channel.start(path(), BytesCodec);
    held.half_close().await.unwrap();
    rows.push((
        "a message after half_close",
        held.send(Bytes::new()).await.unwrap_err(),
        (Code::Internal, Origin::Library),
    ));
    let (sender, mut receiver) = channel.start(path(), BytesCodec).split();
    drop(sender);
    rows.push((
        "a sender that is dropped",
        soon("the status", receiver.message()).await.unwrap_err(),
        (Code::Cancelled, Origin::Library),
    ));
    let (mut sender, mut receiver) = channel
        .start(PathAndQuery::from_static("/test.Kit/Missing"), BytesCodec)
        .with_metadata(MetadataMap::new())
        .split();
    let refused = soon("the status", receiver.message()).await.unwrap_err();
    assert_eq!(refused.origin(), Origin::Peer, "the server's own Library");
    rows.push((
        "a message after the end",
        sender.send(Bytes::new()).await.unwrap_err(),
        (Code::Cancelled, Origin::Library),
    ));
    let unmocked = GreeterClient::new(NothingMocked);
    rows.push((
        "a call that the mock has not",
        unmocked
            .say_hello(HelloRequest::default())
            .await
            .unwrap_err(),
        (Code::Unimplemented, Origin::Library),
    ));
    let (kept, keep) = std::sync::mpsc::channel();
    let stream = ResponseStream::<Bytes>::new(async move |sink| {
        kept.send(sink).unwrap();
        Ok(())
    });
    let mut stream = std::pin::pin!(Some(stream));
    let mut polled = stream.as_mut().as_pin_mut().unwrap();
    std::future::poll_fn(|cx| futures_core::Stream::poll_next(polled.as_mut(), cx)).await;
    stream.set(None);
    let mut sink = keep.recv().unwrap();
    rows.push((
        "a sink without its stream",
        sink.send(Bytes::new()).await.unwrap_err(),
        (Code::Cancelled, Origin::Library),
    ));
    let apart = std::thread::spawn(|| {
        let channel = Endpoint::from_static("http://localhost:1").connect_lazy();
        let path = PathAndQuery::from_static("/test.Kit/Any");
        let call = channel.unary(path, BytesCodec, Request::new(Bytes::new()));
        std::pin::pin!(call).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    });
    let std::task::Poll::Ready(no_runtime) = apart.join().unwrap() else {
        panic!("there is nothing to wait for");
    };
    rows.push((
        "no runtime",
        no_runtime.unwrap_err(),
        (Code::Unavailable, Origin::Library),
    ));

    for (what, status, expected) in rows {
        assert_eq!(
            (status.code(), status.origin()),
            expected,
            "{what}: {status}"
        );
    }
}
