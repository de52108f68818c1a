//! Code of the user's that panics, at every place where it runs in a task of the server's: its own call ends with
//! INTERNAL, or its own connection, and nobody else's.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use temaki::codec::{BytesCodec, Codec};
use temaki::server::{CallEnd, CallStart, ConnectionEnd, DrainReport, Methods, Observer};
use temaki::{ConnectInfo, Connected, Request, Response, Server, Status, Streaming};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use crate::support::*;

/// Panics when it is dropped.
struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a drop that panics, as it was told to");
        }
    }
}

/// Bytes as they are, until the text says which step panics.
#[derive(Default)]
struct Odd(&'static str);

impl Odd {
    fn step(&self, step: &str) {
        assert_ne!(self.0, step, "as it was told to");
    }
}

impl Clone for Odd {
    fn clone(&self) -> Self {
        self.step("clone");
        Self(self.0)
    }
}

/// A message that may not be dropped in peace.
struct Message(
    Bytes,
    #[allow(dead_code, reason = "it is there to be dropped")] Option<Brittle>,
);

impl Codec for Odd {
    type Encode = Message;
    type Decode = Message;

    fn encoded_len(&self, item: &Message) -> usize {
        self.step("encoded_len");
        item.0.len()
    }

    fn encode(&self, item: &Message, buf: &mut BytesMut) -> Result<(), Status> {
        self.step("encode");
        buf.extend_from_slice(&item.0);
        Ok(())
    }

    fn decode(&self, payload: &mut Bytes) -> Result<Message, Status> {
        self.step("decode");
        let brittle = (self.0 == "drop of the request").then(|| Brittle);
        Ok(Message(std::mem::take(payload), brittle))
    }
}

/// An error that cannot be shown, nor dropped.
#[derive(Debug)]
struct Unspeakable(#[allow(dead_code, reason = "it is there to be dropped")] Brittle);

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("an error that cannot be shown, as it was told to")
    }
}

impl std::fmt::Debug for Brittle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Brittle")
    }
}

impl std::error::Error for Unspeakable {}

/// One method of each shape, for each step that may panic.
const STEPS: [&str; 8] = [
    "clone",
    "encoded_len",
    "encode",
    "decode",
    "drop of the request",
    "drop of the handler",
    "drop of the message",
    "the handler",
];

fn odd(service: &'static str, step: &'static str) -> Methods<()> {
    let mut methods = Methods::new(service, Arc::new(()));
    let at = move |here: &str| (step == here).then(|| Brittle);
    let answer = move |request: Message| async move {
        let Message(bytes, brittle) = request;
        drop(brittle);
        let _held = at("drop of the handler");
        assert_ne!(step, "the handler", "as it was told to");
        Ok::<_, Status>(Message(bytes, at("drop of the message")))
    };
    let first = |mut requests: Streaming<Message>| async move {
        requests
            .message()
            .await?
            .ok_or_else(|| Status::internal("no message"))
    };
    methods.unary(
        "Unary",
        Odd(step),
        move |_, request: Request<Message>| async move {
            Ok(Response::new(answer(request.into_inner()).await?))
        },
    );
    methods.server_streaming(
        "Down",
        Odd(step),
        move |_, request: Request<Message>| async move {
            let messages = futures_util::stream::once(answer(request.into_inner()));
            Ok(Response::new(messages))
        },
    );
    methods.client_streaming(
        "Up",
        Odd(step),
        move |_, request: Request<Streaming<Message>>| async move {
            let message = first(request.into_inner()).await?;
            Ok(Response::new(answer(message).await?))
        },
    );
    methods.bidi_streaming(
        "Both",
        Odd(step),
        move |_, request: Request<Streaming<Message>>| async move {
            let messages = async move { answer(first(request.into_inner()).await?).await };
            Ok(Response::new(futures_util::stream::once(messages)))
        },
    );
    methods
}

#[tokio::test]
async fn s08_whatever_panics_in_a_call_ends_it_with_internal() {
    let names: Vec<&'static str> = (0..STEPS.len())
        .map(|n| &*Box::leak(format!("test.Odd{n}").into_boxed_str()))
        .collect();
    let mut builder = Server::builder();
    for (name, step) in names.iter().zip(STEPS) {
        builder = builder.add_service(odd(name, step));
    }
    let server = TestServer::start(builder).await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Kit/Hang"), "").await;
    server.probe.until_started(1).await;
    let mut stream = 1;
    for (name, step) in names.iter().zip(STEPS) {
        for method in ["Unary", "Down", "Up", "Both"] {
            stream += 2;
            peer.call(stream, &request(&format!("/{name}/{method}")), "a")
                .await;
            let answer = peer.answer(stream).await;
            // A codec is cloned for streams of requests alone.
            if step == "clone" && matches!(method, "Unary" | "Down") {
                assert_eq!(answer.expect_one(), "a", "{method}, {step}");
                continue;
            }
            let message = answer.expect_status(code::INTERNAL);
            assert_eq!(message, "the handler panicked", "{method}, {step}");
        }
    }
    peer.expect_nothing(1).await;
}

#[tokio::test]
async fn s08_what_a_status_or_a_response_carries_may_panic_when_it_is_dropped() {
    let mut methods = Methods::new("test.Odd", Arc::new(()));
    methods.unary("Status", BytesCodec, |_, _: Request<Bytes>| async move {
        Err::<Response<Bytes>, _>(Status::from_error(Box::new(Unspeakable(Brittle))))
    });
    methods.unary(
        "Response",
        BytesCodec,
        |_, request: Request<Bytes>| async move {
            #[derive(Clone)]
            struct Held(#[allow(dead_code, reason = "it is there to be dropped")] Arc<Brittle>);
            let mut response = Response::new(request.into_inner());
            response.extensions_mut().insert(Held(Arc::new(Brittle)));
            Ok(response)
        },
    );
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Kit/Hang"), "").await;
    server.probe.until_started(1).await;
    peer.call(3, &request("/test.Odd/Status"), "a").await;
    let answer = peer.answer(3).await;
    assert_ne!(answer.trailers.get("grpc-status"), Some("0"));
    peer.call(5, &request("/test.Odd/Response"), "a").await;
    assert_eq!(peer.answer(5).await.expect_one(), "a");
    peer.expect_nothing(1).await;
}

/// Panics at every hook.
struct Loud(Arc<AtomicUsize>);

impl Loud {
    fn tell(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("an observer that panics, as it was told to");
    }
}

impl Observer for Loud {
    fn connection_opened(&self, _: &ConnectInfo) {
        self.tell();
    }
    fn connection_closed(&self, _: &ConnectInfo, _: &ConnectionEnd<'_>) {
        self.tell();
    }
    fn listener_failed(&self, _: &(dyn std::error::Error + 'static)) {
        self.tell();
    }
    fn call_started(&self, _: &CallStart<'_>) {
        self.tell();
    }
    fn call_ended(&self, _: &CallEnd<'_>) {
        self.tell();
    }
    fn draining(&self) {
        self.tell();
    }
    fn drained(&self, _: &DrainReport) {
        self.tell();
    }
}

#[tokio::test]
async fn s08_an_observer_that_panics_hurts_nobody() {
    let told = Arc::new(AtomicUsize::new(0));
    let server = TestServer::start(Server::builder().observer(Loud(told.clone()))).await;
    let mut neighbour = server.peer().await;
    neighbour.call(1, &request("/test.Kit/Gate"), "late").await;
    server.probe.until_started(1).await;
    let mut peer = server.peer().await;
    for (stream, path) in [(1, "Echo"), (3, "Items"), (5, "Join"), (7, "Both")] {
        peer.call(stream, &request(&format!("/test.Kit/{path}")), "1")
            .await;
        peer.answer(stream).await.expect_status(code::OK);
    }
    peer.call(9, &request("/test.Kit/Nothing"), "").await;
    peer.answer(9).await.expect_status(code::UNIMPLEMENTED);
    drop(peer);
    server.probe.open_gate(1);
    assert_eq!(neighbour.answer(1).await.expect_one(), "late");
    drop(neighbour);
    let report = server.stop().await;
    assert_eq!(report.total.cut, 0);
    // Two connections, six calls, and the drain: each of them twice.
    assert_eq!(told.load(Ordering::SeqCst), 2 * (2 + 6 + 1));
}

/// A pipe that panics at one step.
struct OddIo {
    io: DuplexStream,
    step: &'static str,
    _brittle: Option<Brittle>,
}

impl OddIo {
    fn at(&self, step: &str) {
        assert_ne!(self.step, step, "as it was told to");
    }
}

impl Connected for OddIo {
    fn connect_info(&self) -> ConnectInfo {
        self.at("connect_info");
        ConnectInfo::default()
    }
}

impl AsyncRead for OddIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        dst: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.at("read");
        Pin::new(&mut self.io).poll_read(cx, dst)
    }
}

impl AsyncWrite for OddIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        src: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.at("write");
        Pin::new(&mut self.io).poll_write(cx, src)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.at("flush");
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.at("shutdown");
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What `incoming` gives next; `None` panics.
type Given = Option<Result<OddIo, Box<dyn std::error::Error + Send + Sync>>>;

/// A server whose connections the test makes itself.
struct Accepting {
    give: mpsc::UnboundedSender<Given>,
    probe: Probe,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<DrainReport>,
}

impl Accepting {
    fn start(builder: Server) -> Self {
        let (give, mut given) = mpsc::unbounded_channel::<Given>();
        let incoming = futures_util::stream::poll_fn(move |cx| {
            let next = std::task::ready!(given.poll_recv(cx));
            Poll::Ready(next.map(|next| next.expect("a stream that panics, as it was told to")))
        });
        let probe = Probe::default();
        let acceptor = builder
            .add_service(server::kit(&probe))
            .into_acceptor()
            .unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(acceptor.serve_with_incoming_shutdown(incoming, async {
            drop(stopped.await);
        }));
        Self {
            give,
            probe,
            stop,
            served,
        }
    }

    fn connect(&self, step: &'static str) -> DuplexStream {
        let (ours, io) = tokio::io::duplex(64 * 1024);
        let brittle = (step == "drop").then(|| Brittle);
        assert!(
            self.give
                .send(Some(Ok(OddIo {
                    io,
                    step,
                    _brittle: brittle
                })))
                .is_ok()
        );
        ours
    }
}

#[tokio::test]
async fn s08_an_io_that_panics_ends_its_own_connection() {
    let server = Accepting::start(Server::builder());
    let mut neighbour = Peer::client(server.connect(""), &[]).await;
    neighbour.call(1, &request("/test.Kit/Gate"), "late").await;
    server.probe.until_started(1).await;
    for step in ["connect_info", "read", "write", "flush", "shutdown", "drop"] {
        let mut peer = Peer::silent(server.connect(step));
        let _ = peer.try_raw(PREFACE).await;
        let _ = peer.try_raw(&encode(kind::SETTINGS, 0, 0, &[])).await;
        if matches!(step, "shutdown" | "drop") {
            peer.expect_settings().await;
            peer.goaway(0, NO_ERROR).await;
            let _ = peer.shutdown().await;
        }
        peer.expect_closed().await;
    }
    // Errors that cannot be shown or dropped are of one connection as well.
    let odd: Box<dyn std::error::Error + Send + Sync> = Box::new(Unspeakable(Brittle));
    assert!(server.give.send(Some(Err(odd))).is_ok());
    let mut peer = Peer::client(server.connect(""), &[]).await;
    peer.call(1, &request("/test.Kit/Echo"), "a").await;
    assert_eq!(peer.answer(1).await.expect_one(), "a");
    server.probe.open_gate(1);
    assert_eq!(neighbour.answer(1).await.expect_one(), "late");
    drop((peer, neighbour, server.stop));
    soon("the end", server.served).await.unwrap();
}

/// Writes down that it was told of the listener.
struct Told(Arc<AtomicBool>);

impl Observer for Told {
    fn listener_failed(&self, error: &(dyn std::error::Error + 'static)) {
        assert!(error.to_string().contains("panicked"), "{error}");
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn s08_a_listener_that_panics_leaves_its_connections_alone() {
    let told = Arc::new(AtomicBool::new(false));
    let server = Accepting::start(Server::builder().observer(Told(told.clone())));
    let mut peer = Peer::client(server.connect(""), &[]).await;
    peer.call(1, &request("/test.Kit/Gate"), "late").await;
    server.probe.until_started(1).await;
    assert!(server.give.send(None).is_ok());
    soon("the listener's end", server.give.closed()).await;
    peer.call(3, &request("/test.Kit/Echo"), "a").await;
    assert_eq!(peer.answer(3).await.expect_one(), "a");
    assert!(told.load(Ordering::SeqCst));
    drop(server.stop);
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "late");
    let report = soon("the end", server.served).await.unwrap();
    assert_eq!((report.total.finished, report.total.cut), (1, 0));
}

/// With the last clone the services go.
#[tokio::test]
async fn s08_a_service_that_panics_when_it_is_dropped_costs_nobody_the_report() {
    let mut methods: Methods<Brittle> = Methods::new("test.Brittle", Arc::new(Brittle));
    methods.unary(
        "Echo",
        BytesCodec,
        |_, request: Request<Bytes>| async move { Ok(Response::new(request.into_inner())) },
    );
    let acceptor = Server::builder()
        .add_service(methods)
        .into_acceptor()
        .unwrap();
    let none = futures_util::stream::empty::<io::Result<DuplexStream>>();
    let report = acceptor.serve_with_incoming_shutdown(none, async {}).await;
    assert_eq!(report.total.finished, 0);
}
