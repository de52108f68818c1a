//! Who made a status, in every way that a call can end: [`Origin`], the code, the source, and a text that
//! tells what happened.

mod support;

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use support::*;
use temaki::codec::BytesCodec;
use temaki::{Channel, Code, Endpoint, Origin, Request, Status};

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
