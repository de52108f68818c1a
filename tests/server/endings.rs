//! Rows 28–31: a call that its caller, its connection or its handler ends before its time. A request stream
//! tells which it was by [`Status::origin`], and no answer that broke looks complete.

use std::time::Duration;

use temaki::{Code, Origin, Server};

use crate::support::*;

const HANG: &str = "/test.Kit/Hang";
const JOIN: &str = "/test.Kit/Join";
const BOTH: &str = "/test.Kit/Both";

/// Opens a request stream on `stream`, and sends one message of it.
async fn open(peer: &mut Peer, stream: u32, path: &str) {
    peer.headers(stream, 0, &request(path)).await;
    peer.data(stream, 0, &message("one")).await;
}

#[tokio::test]
async fn b28_a_reset_ends_the_request_stream_with_an_error() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let rows = [
        (CANCEL, Code::Cancelled),
        (NO_ERROR, Code::Internal),
        (INTERNAL_ERROR, Code::Internal),
        (REFUSED_STREAM, Code::Unavailable),
        (ENHANCE_YOUR_CALM, Code::ResourceExhausted),
        (0x77, Code::Unknown), // a reason that nobody knows
    ];
    let mut stream = 1;
    for (reason, code) in rows {
        for path in [JOIN, BOTH] {
            let started = server.probe.counts().started;
            open(&mut peer, stream, path).await;
            server.probe.until_started(started + 1).await;
            peer.reset(stream, reason).await;
            let status = server.probe.next_end().await.unwrap_err();
            assert_eq!(
                (status.code(), status.origin()),
                (code, Origin::Reset(reason)),
                "{path}: {status:?}"
            );
            stream += 2;
        }
    }
    server.probe.until_idle().await;
    peer.call(stream, &request("/test.Kit/Echo"), "next").await;
    assert_eq!(
        peer.answer(stream).await.expect_one(),
        "next",
        "the connection stands"
    );
}

#[tokio::test]
async fn b28_a_reset_drops_the_handler() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    // While it computes, after the whole request was read.
    peer.call(1, &request(HANG), "").await;
    server.probe.until_started(1).await;
    peer.reset(1, CANCEL).await;
    server.probe.until_idle().await;
    // While it does not read what comes.
    open(&mut peer, 3, "/test.Kit/Unread").await;
    server.probe.until_started(2).await;
    peer.reset(3, CANCEL).await;
    server.probe.until_idle().await;
    // While it answers, and waits for nothing.
    peer.call(5, &request("/test.Kit/Stay"), "a").await;
    peer.expect_headers(5).await;
    peer.reset(5, CANCEL).await;
    server.probe.until_idle().await;
    // While it answers, and waits for window.
    peer.credits = false;
    peer.call(7, &request("/test.Kit/Endless"), "a".repeat(10_000))
        .await;
    peer.expect_headers(7).await;
    peer.reset(7, CANCEL).await;
    server.probe.until_idle().await;
    // Before it was ever run: half a message came.
    peer.headers(9, 0, &request(HANG)).await;
    peer.data(9, 0, &message("one")[..6]).await;
    peer.reset(9, CANCEL).await;
    peer.ping().await;
    assert_eq!(server.probe.counts().started, 4);
}

/// HEADERS, and then these frames of DATA, with END_STREAM, and RST_STREAM: all that Node.js says of a call
/// that it cancels, in one segment.
fn cancelled_at_once(stream: u32, path: Option<&str>, data: &[u8]) -> Vec<u8> {
    let headers = path.map(|path| {
        let block = hpack::encode(&request(path));
        encode(kind::HEADERS, END_HEADERS, stream, &block)
    });
    [
        headers.unwrap_or_default(),
        encode(kind::DATA, END_STREAM, stream, data),
        encode(kind::RST_STREAM, 0, stream, &CANCEL.to_be_bytes()),
    ]
    .concat()
}

#[tokio::test]
async fn b28_a_reset_after_the_end_of_the_request_drops_the_handler() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    // It has all of its request, and waits.
    let mut stream = 1;
    for path in [HANG, "/test.Kit/Unread", "/test.Kit/Stay"] {
        let started = server.probe.counts().started;
        peer.call(stream, &request(path), "a").await;
        server.probe.until_started(started + 1).await;
        peer.reset(stream, CANCEL).await;
        server.probe.until_idle().await;
        stream += 2;
    }
    // It has not been run when the reset comes. One that waits is dropped at its first wait; what it says before
    // that, its caller does not hear.
    for path in [HANG, "/test.Kit/Echo", "/test.Kit/Unread", "/test.Kit/Stay"] {
        let all = cancelled_at_once(stream, Some(path), &message("a"));
        peer.raw(&all).await;
        peer.expect_nothing(stream).await;
        server.probe.until_idle().await;
        stream += 2;
    }
}

#[tokio::test]
async fn b28_a_reset_after_the_end_of_the_request_is_no_clean_end() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let mut stream = 1;
    let cancelled = async |why: &str| {
        let status = server.probe.next_end().await.expect_err(why);
        assert_eq!(
            (status.code(), status.origin()),
            (Code::Cancelled, Origin::Reset(CANCEL)),
            "{why}: {status:?}"
        );
        server.probe.until_idle().await;
    };
    for path in [JOIN, BOTH] {
        for last in [&message("two")[..], b""] {
            // The handler waits for more.
            let started = server.probe.counts().started;
            open(&mut peer, stream, path).await;
            server.probe.until_started(started + 1).await;
            peer.ping().await;
            peer.raw(&cancelled_at_once(stream, None, last)).await;
            cancelled(path).await;
            stream += 2;
            // It has not been run. The answering half of `Both`, which reads, never is.
            peer.raw(&cancelled_at_once(stream, Some(path), last)).await;
            match path {
                JOIN => cancelled(path).await,
                _ => {
                    peer.expect_nothing(stream).await;
                    assert_eq!(server.probe.counts().started, started + 1);
                }
            }
            stream += 2;
        }
    }
}

/// A handler may give its request stream to a task that outlives it.
#[tokio::test]
async fn b28_a_request_stream_that_was_given_away_has_no_clean_end_either() {
    let probe = Probe::default();
    let mut methods = temaki::server::Methods::new("test.Away", std::sync::Arc::new(probe.clone()));
    methods.client_streaming(
        "Read",
        temaki::codec::BytesCodec,
        |probe: std::sync::Arc<Probe>,
         request: temaki::Request<temaki::Streaming<bytes::Bytes>>| async move {
            let reader = probe.clone();
            let _running = probe.enter();
            tokio::spawn(async move {
                let mut messages = request.into_inner();
                reader.pass_gate().await;
                let end = loop {
                    match messages.message().await {
                        Ok(Some(_)) => {}
                        Ok(None) => break Ok(()),
                        Err(status) => break Err(status),
                    }
                };
                reader.ended(end);
            });
            std::future::pending::<()>().await;
            Ok(temaki::Response::new(bytes::Bytes::new()))
        },
    );
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let mut peer = server.peer().await;
    for (stream, reads_before) in [(1, true), (3, false)] {
        open(&mut peer, stream, "/test.Away/Read").await;
        if reads_before {
            probe.open_gate(1);
        }
        probe
            .until("the handler to wait", |counts| counts.live == 1)
            .await;
        peer.ping().await;
        peer.raw(&cancelled_at_once(stream, None, b"")).await;
        probe.until_idle().await;
        if !reads_before {
            probe.open_gate(1);
        }
        let status = probe.next_end().await.expect_err("a call that is over");
        assert_eq!(status.origin(), Origin::Reset(CANCEL), "{status:?}");
    }
    // A clean end is one for such a task too.
    probe.open_gate(1);
    open(&mut peer, 5, "/test.Away/Read").await;
    peer.data(5, END_STREAM, b"").await;
    probe.next_end().await.unwrap();
}

//= GRPC-CONN-FAIL  type=test
#[tokio::test]
async fn b29_a_lost_connection_cancels_its_calls() {
    let server = TestServer::start(Server::builder()).await;
    for path in [JOIN, BOTH] {
        let mut peer = server.peer().await;
        let started = server.probe.counts().started;
        open(&mut peer, 1, path).await;
        peer.call(3, &request(HANG), "").await;
        peer.call(5, &request("/test.Kit/Stay"), "a").await;
        server.probe.until_started(started + 3).await;
        drop(peer);
        let status = server.probe.next_end().await.unwrap_err();
        assert_eq!(
            (status.code(), status.origin()),
            (Code::Cancelled, Origin::Transport),
            "{path}: {status:?}"
        );
        server.probe.until_idle().await;
    }
}

#[tokio::test]
async fn b29_a_connection_in_error_cancels_its_calls() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    open(&mut peer, 1, JOIN).await;
    peer.call(3, &request(HANG), "").await;
    server.probe.until_started(2).await;
    // DATA on stream 0 is an error of the whole connection (RFC 9113 §6.1).
    peer.frame(kind::DATA, 0, 0, b"x").await;
    peer.expect_goaway(PROTOCOL_ERROR).await;
    peer.expect_closed().await;
    let status = server.probe.next_end().await.unwrap_err();
    assert_eq!(status.origin(), Origin::Protocol, "{status:?}");
    server.probe.until_idle().await;
}

#[tokio::test]
async fn b29_the_ends_of_a_request_stream_are_told_apart() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    // In good order.
    open(&mut peer, 1, JOIN).await;
    peer.data(1, END_STREAM, b"").await;
    assert!(server.probe.next_end().await.is_ok());
    // By a deadline, which is the server's own clock's.
    let fields = request_with(JOIN, &[("grpc-timeout", "100m")]);
    peer.headers(3, 0, &fields).await;
    let status = server.probe.next_end().await.unwrap_err();
    assert_eq!(
        (status.code(), status.origin()),
        (Code::DeadlineExceeded, Origin::LocalDeadline)
    );
    // By a message that breaks off.
    peer.headers(5, 0, &request(JOIN)).await;
    peer.data(5, END_STREAM, &message("one")[..7]).await;
    let status = server.probe.next_end().await.unwrap_err();
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Internal, Origin::Protocol)
    );
    // By a message that is too large for us.
    peer.headers(7, 0, &request(JOIN)).await;
    peer.data(7, 0, &[0, 0xff, 0, 0, 0]).await;
    let status = server.probe.next_end().await.unwrap_err();
    assert_eq!(
        (status.code(), status.origin()),
        (Code::ResourceExhausted, Origin::LocalLimit)
    );
    // By its caller.
    open(&mut peer, 9, JOIN).await;
    peer.reset(9, CANCEL).await;
    let status = server.probe.next_end().await.unwrap_err();
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Cancelled, Origin::Reset(CANCEL))
    );
    // With its connection.
    open(&mut peer, 11, JOIN).await;
    server.probe.until_started(6).await;
    drop(peer);
    let status = server.probe.next_end().await.unwrap_err();
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Cancelled, Origin::Transport)
    );
}

//= GRPC-EARLY-CLOSE-SERVER  type=test
#[tokio::test]
async fn b30_an_answer_before_the_end_of_the_request() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    // A handler that reads nothing.
    open(&mut peer, 1, "/test.Kit/Early").await;
    assert_eq!(peer.answer(1).await.expect_one(), "early");
    peer.expect_reset(1, NO_ERROR).await;
    // A request that is refused by its head alone.
    peer.headers(3, 0, &request("/test.Kit/Absent")).await;
    let answer = peer.answer(3).await;
    answer.expect_status(code::UNIMPLEMENTED);
    peer.expect_reset(3, NO_ERROR).await;
    // What the caller sent before it heard of it harms nobody.
    peer.data(1, 0, &message("two")).await;
    peer.data(3, END_STREAM, &message("two")).await;
    peer.call(5, &request("/test.Kit/Echo"), "next").await;
    assert_eq!(peer.answer(5).await.expect_one(), "next");
    // A whole request was there: no reset.
    peer.headers(7, 0, &request("/test.Kit/Early")).await;
    peer.data(7, END_STREAM, &message("one")).await;
    assert_eq!(peer.answer(7).await.expect_one(), "early");
    peer.expect_nothing(7).await;
}

#[tokio::test]
async fn b31_a_panic_is_told_and_is_never_a_clean_end() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    peer.call(1, &request(HANG), "").await;
    server.probe.until_started(1).await;
    // In the connection's task, and in a task of its own.
    server.probe.open_gate(1);
    for (stream, path) in [(3, "/test.Kit/Panic"), (5, "/test.Kit/PanicLater")] {
        peer.call(stream, &request(path), "a").await;
        let answer = peer.answer(stream).await;
        // Nothing of the panic's own text leaves the process.
        let message = answer.expect_status(code::INTERNAL);
        assert_eq!(message, "the handler panicked", "{path}");
        assert!(answer.is_trailers_only, "{path}");
    }
    // In the middle of an answer.
    peer.call(7, &request("/test.Kit/PanicMid"), "a").await;
    peer.expect_headers(7).await;
    assert_eq!(peer.expect_data(7).await, message("a"));
    server.probe.open_gate(1);
    let trailers = peer.expect_trailers(7).await;
    assert_eq!(trailers.get("grpc-status"), Some("13"));
    server
        .probe
        .until("the handlers to be dropped", |counts| counts.live == 1)
        .await;
    peer.expect_nothing(1).await;
    peer.call(9, &request("/test.Kit/Echo"), "next").await;
    assert_eq!(peer.answer(9).await.expect_one(), "next");
}

/// The stream of a [`ResponseStream`](temaki::ResponseStream) panics in `poll_next`; so may anybody's.
#[tokio::test]
async fn b31_a_stream_that_panics_is_no_end_of_its_answer() {
    let mut methods = temaki::server::Methods::new("test.Broken", std::sync::Arc::new(()));
    methods.server_streaming(
        "Count",
        temaki::codec::BytesCodec,
        |_, _: temaki::Request<bytes::Bytes>| async move {
            let mut left = 3;
            Ok(temaki::Response::new(futures_util::stream::poll_fn(
                move |_| {
                    left -= 1;
                    assert!(left > 0, "a stream that panics, as it was told to");
                    std::task::Poll::Ready(Some(Ok(bytes::Bytes::from("m"))))
                },
            )))
        },
    );
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Broken/Count"), "").await;
    let answer = peer.answer(1).await;
    answer.expect_status(code::INTERNAL);
}

/// A codec whose answers cannot be encoded, and one that cannot decode: a programming error, in both.
#[derive(Clone, Default)]
struct Broken {
    decodes: bool,
}

impl temaki::codec::Codec for Broken {
    type Encode = bytes::Bytes;
    type Decode = bytes::Bytes;

    fn encode(&self, _: &bytes::Bytes, _: &mut bytes::BytesMut) -> Result<(), temaki::Status> {
        panic!("a codec that panics, as it was told to")
    }

    fn decode(&self, payload: &mut bytes::Bytes) -> Result<bytes::Bytes, temaki::Status> {
        assert!(self.decodes, "a codec that panics, as it was told to");
        Ok(std::mem::take(payload))
    }
}

/// An interceptor that panics where a header of the request says so.
struct Fragile;

impl temaki::AsyncInterceptor for Fragile {
    async fn request(
        &self,
        mut request: temaki::Request<()>,
    ) -> Result<temaki::Request<()>, temaki::Status> {
        let at = request.metadata().get("x-panic");
        let at = at.map_or(String::new(), |at| at.to_str().unwrap().to_owned());
        assert_ne!(at, "request");
        request.extensions_mut().insert(at);
        Ok(request)
    }

    fn response(
        &self,
        call: &temaki::interceptor::InterceptedCall,
        _: &mut temaki::metadata::MetadataMap,
    ) {
        assert_ne!(call.extensions().get::<String>().unwrap(), "response");
    }

    fn trailers(
        &self,
        call: &temaki::interceptor::InterceptedCall,
        _: &temaki::Status,
        _: &mut temaki::metadata::MetadataMap,
    ) {
        assert_ne!(call.extensions().get::<String>().unwrap(), "trailers");
    }
}

/// Whatever of the user's code panics: its call ends, and its neighbours go on.
#[tokio::test]
async fn b31_a_panic_beside_the_handler_ends_no_other_call() {
    let mut methods = temaki::server::Methods::new("test.Broken", std::sync::Arc::new(()));
    for (name, decodes) in [("Encode", true), ("Decode", false)] {
        let codec = Broken { decodes };
        methods.unary(
            name,
            codec,
            |_, request: temaki::Request<bytes::Bytes>| async move {
                Ok(temaki::Response::new(request.into_inner()))
            },
        );
    }
    let builder = Server::builder()
        .add_service(methods)
        .async_interceptor(Fragile);
    let server = TestServer::start(builder).await;
    let mut peer = server.peer().await;
    peer.call(1, &request(HANG), "").await;
    server.probe.until_started(1).await;
    let rows = [
        ("/test.Broken/Encode", ""),
        ("/test.Broken/Decode", ""),
        ("/test.Kit/Echo", "request"),
        ("/test.Kit/Echo", "response"),
        ("/test.Kit/Echo", "trailers"),
        ("/test.Kit/Fail", "trailers"),
        ("/test.Kit/Repeat", "trailers"),
    ];
    for (index, (path, at)) in rows.into_iter().enumerate() {
        let stream = 2 * index as u32 + 3;
        peer.call(stream, &request_with(path, &[("x-panic", at)]), "1")
            .await;
        let answer = peer.answer(stream).await;
        let message = answer.expect_status(code::INTERNAL);
        assert_eq!(message, "the handler panicked", "{path} {at}");
    }
    peer.expect_nothing(1).await;
}

/// Panics when it is dropped.
struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        assert!(
            std::thread::panicking(),
            "a drop that panics, as it was told to"
        );
    }
}

/// Messages as they are, of a type that cannot be dropped in peace.
#[derive(Clone, Default)]
struct BrittleCodec;

impl temaki::codec::Codec for BrittleCodec {
    type Encode = (bytes::Bytes, Brittle);
    type Decode = bytes::Bytes;

    fn encode(
        &self,
        item: &(bytes::Bytes, Brittle),
        buf: &mut bytes::BytesMut,
    ) -> Result<(), temaki::Status> {
        buf.extend_from_slice(&item.0);
        Ok(())
    }

    fn decode(&self, payload: &mut bytes::Bytes) -> Result<bytes::Bytes, temaki::Status> {
        Ok(std::mem::take(payload))
    }
}

/// What a handler leaves behind is the user's as well.
#[tokio::test]
async fn b31_a_panic_in_a_drop_ends_no_other_call() {
    let mut methods = temaki::server::Methods::new("test.Brittle", std::sync::Arc::new(()));
    methods.unary(
        "Message",
        BrittleCodec,
        |_, request: temaki::Request<bytes::Bytes>| async move {
            Ok(temaki::Response::new((request.into_inner(), Brittle)))
        },
    );
    methods.server_streaming(
        "Stream",
        temaki::codec::BytesCodec,
        |_, request: temaki::Request<bytes::Bytes>| async move {
            let (brittle, mut message) = (Brittle, Some(request.into_inner()));
            Ok(temaki::Response::new(futures_util::stream::poll_fn(
                move |_| {
                    let _held = &brittle;
                    std::task::Poll::Ready(message.take().map(Ok))
                },
            )))
        },
    );
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let mut peer = server.peer().await;
    peer.call(1, &request(HANG), "").await;
    server.probe.until_started(1).await;
    // The answer is complete before its stream is dropped; a message is dropped before its end.
    peer.call(3, &request("/test.Brittle/Stream"), "a").await;
    assert_eq!(peer.answer(3).await.expect_one(), "a");
    peer.call(5, &request("/test.Brittle/Message"), "a").await;
    let answer = peer.answer(5).await;
    assert_eq!(answer.expect_status(code::INTERNAL), "the handler panicked");
    peer.expect_nothing(1).await;
    peer.call(7, &request("/test.Kit/Echo"), "next").await;
    assert_eq!(peer.answer(7).await.expect_one(), "next");
}

/// A handler that the drain's force ends is dropped, and its caller hears of it.
#[tokio::test]
async fn b31_the_force_of_a_drain_drops_the_handlers() {
    let builder = Server::builder().drain_timeout(Duration::from_millis(50));
    let server = TestServer::start(builder).await;
    let mut peer = server.peer().await;
    peer.call(1, &request(HANG), "").await;
    peer.call(3, &request("/test.Kit/Stay"), "a").await;
    open(&mut peer, 5, "/test.Kit/Unread").await;
    server.probe.until_started(3).await;
    let probe = server.probe.clone();
    let report = server.stop().await;
    assert_eq!((report.total.finished, report.total.cut), (0, 3));
    probe.until_idle().await;
    for frame in peer.expect_closed().await {
        let ended = matches!(frame, Frame::Headers { end: true, .. });
        assert!(!ended, "no answer looks complete: {frame:?}");
    }
}
