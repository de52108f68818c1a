//! temaki's server under test, with a service whose handlers a test holds by their strings.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use temaki::codec::BytesCodec;
use temaki::server::{DrainReport, Handshake, Methods, TcpIncoming};
use temaki::{ConnectInfo, Request, Response, ResponseStream, Server, Status, Streaming};
use tokio::io::DuplexStream;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

use super::peer::Peer;
use super::soon;

/// What handlers of the [`kit`] tell the test, and what it tells them.
#[derive(Clone)]
pub struct Probe {
    counts: Arc<watch::Sender<Counts>>,
    /// How the last request stream ended that a handler has read: the status, or a clean end.
    ends: Arc<watch::Sender<Vec<Result<(), Status>>>>,
    /// Handlers of `Gate` wait here.
    gate: Arc<Semaphore>,
}

/// Handlers, by how far they have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ever started.
    pub started: u64,
    /// Running now.
    pub live: u64,
    /// The most that ran at once.
    pub peak: u64,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            counts: Arc::new(watch::Sender::default()),
            ends: Arc::new(watch::Sender::default()),
            gate: Arc::new(Semaphore::new(0)),
        }
    }
}

/// One running handler, counted until it is dropped.
pub struct Running(Arc<watch::Sender<Counts>>);

impl Probe {
    /// A handler begins.
    pub fn enter(&self) -> Running {
        self.counts.send_modify(|counts| {
            counts.started += 1;
            counts.live += 1;
            counts.peak = counts.peak.max(counts.live);
        });
        Running(self.counts.clone())
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Waits until the counts are as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Counts) -> bool) -> Counts {
        let mut counts = self.counts.subscribe();
        *soon(what, counts.wait_for(wanted)).await.expect("a probe")
    }

    /// Waits until no handler runs.
    pub async fn until_idle(&self) {
        self.until("the handlers to be dropped", |counts| counts.live == 0)
            .await;
    }

    /// Waits until `n` handlers have started, ever.
    pub async fn until_started(&self, n: u64) {
        self.until("handlers to start", |counts| counts.started >= n)
            .await;
    }

    /// Lets `n` handlers of `Gate` go on.
    pub fn open_gate(&self, n: usize) {
        self.gate.add_permits(n);
    }

    /// Waits at the gate.
    pub async fn pass_gate(&self) {
        self.gate.acquire().await.expect("a gate").forget();
    }

    /// A request stream has ended like this. Of those that nobody asks for, the first thousand are kept.
    pub fn ended(&self, end: Result<(), Status>) {
        self.ends.send_modify(|ends| {
            if ends.len() < 1000 {
                ends.push(end);
            }
        });
    }

    /// Waits for the next request stream to end; tells how.
    pub async fn next_end(&self) -> Result<(), Status> {
        let mut ends = self.ends.subscribe();
        soon(
            "a request stream to end",
            ends.wait_for(|ends| !ends.is_empty()),
        )
        .await
        .expect("a probe");
        let mut first = None;
        self.ends.send_modify(|ends| first = Some(ends.remove(0)));
        first.expect("an end")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.live -= 1);
    }
}

/// The service `test.Kit`, whose messages are plain bytes:
///
/// | method | does |
/// |---|---|
/// | `Echo` | unary; answers with the request |
/// | `Hello` | unary; the same, and the probe does not hear of it |
/// | `Gate` | unary; the same, after [`Probe::open_gate`] |
/// | `Hang` | unary; never answers |
/// | `Fail` | unary; answers with status NOT_FOUND and the request as its message |
/// | `Panic` | unary; panics at once |
/// | `PanicLater` | unary; panics after the gate, by when it runs in a task of its own |
/// | `Repeat` | server streaming; the request is two numbers, `count size`: so many messages of that size |
/// | `Items` | the same, as a `Stream` instead of a `ResponseStream` |
/// | `Endless` | server streaming; messages as large as the request, for ever |
/// | `Stay` | server streaming; answers with the request once, and stays open |
/// | `PanicMid` | server streaming; the same, and then panics, after the gate |
/// | `Join` | client streaming; answers with all messages, end to end |
/// | `Early` | client streaming; answers `early` before it has read anything |
/// | `Unread` | client streaming; never reads, and answers after the gate |
/// | `Both` | bidi; answers each message with itself |
pub fn kit(probe: &Probe) -> Methods<Probe> {
    let mut methods = Methods::new("test.Kit", Arc::new(probe.clone()));
    let codec = BytesCodec;
    methods.unary(
        "Echo",
        codec,
        |probe: Arc<Probe>, request: Request<Bytes>| async move {
            let _running = probe.enter();
            Ok(Response::new(request.into_inner()))
        },
    );
    methods.unary("Hello", codec, |_, request: Request<Bytes>| async move {
        Ok(Response::new(request.into_inner()))
    });
    methods.unary(
        "Gate",
        codec,
        |probe: Arc<Probe>, request: Request<Bytes>| async move {
            let _running = probe.enter();
            probe.pass_gate().await;
            Ok(Response::new(request.into_inner()))
        },
    );
    methods.unary(
        "Hang",
        codec,
        |probe: Arc<Probe>, _: Request<Bytes>| async move {
            let _running = probe.enter();
            std::future::pending::<()>().await;
            Ok(Response::new(Bytes::new()))
        },
    );
    methods.unary(
        "Fail",
        codec,
        |probe: Arc<Probe>, request: Request<Bytes>| async move {
            let _running = probe.enter();
            let message = String::from_utf8_lossy(request.get_ref()).into_owned();
            Err::<Response<Bytes>, _>(Status::not_found(message))
        },
    );
    methods.unary(
        "Panic",
        codec,
        |probe: Arc<Probe>, request: Request<Bytes>| async move {
            let _running = probe.enter();
            if request.get_ref().is_empty() {
                return Ok(Response::new(Bytes::new()));
            }
            panic!("a handler that panics at once, as it was told to")
        },
    );
    methods.unary(
        "PanicLater",
        codec,
        |probe: Arc<Probe>, request: Request<Bytes>| async move {
            let _running = probe.enter();
            probe.pass_gate().await;
            if request.get_ref().is_empty() {
                return Ok(Response::new(Bytes::new()));
            }
            panic!("a handler that panics late, as it was told to")
        },
    );
    methods.server_streaming(
        "Repeat",
        codec,
        |probe: Arc<Probe>, request: Request<Bytes>| async move {
            let (count, size) = count_and_size(request.get_ref());
            Ok(Response::new(ResponseStream::new(async move |mut out| {
                let _running = probe.enter();
                for _ in 0..count {
                    out.send(Bytes::from(vec![b'r'; size])).await?;
                }
                Ok(())
            })))
        },
    );
    methods.server_streaming(
        "Items",
        codec,
        |probe: Arc<Probe>, request: Request<Bytes>| async move {
            let (count, size) = count_and_size(request.get_ref());
            let running = probe.enter();
            let items = (0..count).map(move |_| {
                let _ = &running;
                Ok(Bytes::from(vec![b'r'; size]))
            });
            Ok(Response::new(futures_util::stream::iter(items)))
        },
    );
    methods.server_streaming(
        "Endless",
        codec,
        |probe: Arc<Probe>, request: Request<Bytes>| async move {
            Ok(Response::new(ResponseStream::new(async move |mut out| {
                let _running = probe.enter();
                loop {
                    out.send(request.get_ref().clone()).await?;
                }
            })))
        },
    );
    methods.server_streaming(
        "Stay",
        codec,
        |probe: Arc<Probe>, request: Request<Bytes>| async move {
            Ok(Response::new(ResponseStream::new(async move |mut out| {
                let _running = probe.enter();
                out.send(request.into_inner()).await?;
                std::future::pending().await
            })))
        },
    );
    methods.server_streaming(
        "PanicMid",
        codec,
        |probe: Arc<Probe>, request: Request<Bytes>| async move {
            Ok(Response::new(ResponseStream::new(async move |mut out| {
                let _running = probe.enter();
                out.send(request.into_inner()).await?;
                probe.pass_gate().await;
                if probe.counts().started > 0 {
                    panic!("a stream that panics in the middle, as it was told to");
                }
                Ok(())
            })))
        },
    );
    type Stream = Request<Streaming<Bytes>>;
    methods.client_streaming(
        "Join",
        codec,
        |probe: Arc<Probe>, request: Stream| async move {
            let _running = probe.enter();
            let mut joined = Vec::new();
            let mut messages = request.into_inner();
            loop {
                match messages.message().await {
                    Ok(Some(message)) => joined.extend_from_slice(&message),
                    Ok(None) => break,
                    Err(status) => {
                        probe.ended(Err(status.clone()));
                        return Err(status);
                    }
                }
            }
            probe.ended(Ok(()));
            Ok(Response::new(Bytes::from(joined)))
        },
    );
    methods.client_streaming("Early", codec, |probe: Arc<Probe>, _: Stream| async move {
        let _running = probe.enter();
        Ok(Response::new(Bytes::from("early")))
    });
    methods.client_streaming(
        "Unread",
        codec,
        |probe: Arc<Probe>, request: Stream| async move {
            let _running = probe.enter();
            probe.pass_gate().await;
            drop(request);
            Ok(Response::new(Bytes::from("unread")))
        },
    );
    methods.bidi_streaming(
        "Both",
        codec,
        |probe: Arc<Probe>, request: Stream| async move {
            let mut messages = request.into_inner();
            Ok(Response::new(ResponseStream::new(async move |mut out| {
                let _running = probe.enter();
                loop {
                    match messages.message().await {
                        Ok(Some(message)) => out.send(message).await?,
                        Ok(None) => break,
                        Err(status) => {
                            probe.ended(Err(status.clone()));
                            return Err(status);
                        }
                    }
                }
                probe.ended(Ok(()));
                Ok(())
            })))
        },
    );
    methods
}

/// The request of `Repeat`.
fn count_and_size(request: &[u8]) -> (usize, usize) {
    let text = String::from_utf8_lossy(request);
    let mut numbers = text.split(' ').filter_map(|number| number.parse().ok());
    (numbers.next().unwrap_or(1), numbers.next().unwrap_or(1))
}

/// A server on a free port, with the [`kit`] and whatever its builder already held.
pub struct TestServer {
    pub addr: SocketAddr,
    pub probe: Probe,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<DrainReport>,
}

impl TestServer {
    /// Starts it. Dropping it cuts everything.
    pub async fn start(builder: Server) -> Self {
        let probe = Probe::default();
        let incoming = TcpIncoming::bind("127.0.0.1:0").await.expect("a port");
        let addr = incoming.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let server = builder.add_service(kit(&probe));
        let task = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            let served = server.serve_with_incoming_shutdown(incoming, stopped);
            served.await.expect("a server")
        });
        Self {
            addr,
            probe,
            stop: Some(stop),
            task,
        }
    }

    /// A raw client that has shaken hands.
    pub async fn peer(&self) -> Peer {
        self.peer_with(&[]).await
    }

    /// The same, with these SETTINGS.
    pub async fn peer_with(&self, values: &[(u16, u32)]) -> Peer {
        Peer::client(self.socket().await, values).await
    }

    /// A socket on which nothing was said.
    pub async fn socket(&self) -> TcpStream {
        let connected = soon("a connection", TcpStream::connect(self.addr)).await;
        let socket = connected.expect("a connection");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        socket
    }

    /// Begins to drain.
    pub fn begin_stop(&mut self) {
        self.stop.take();
    }

    /// Drains, and waits for the end.
    pub async fn stop(mut self) -> DrainReport {
        self.begin_stop();
        let task = std::mem::replace(&mut self.task, tokio::spawn(std::future::pending()));
        let report = soon("the server to stop", task).await;
        report.expect("a server that ends in good order")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection over a pipe in memory with room for `size` bytes each way: the test's end, and how the
/// server says the connection ended.
pub fn pipe<H: Handshake<DuplexStream>>(
    builder: Server<H>,
    probe: &Probe,
    size: usize,
) -> (DuplexStream, JoinHandle<Result<(), temaki::Error>>) {
    let (ours, theirs) = tokio::io::duplex(size);
    let server = builder.add_service(kit(probe));
    let served = server.serve_connection(theirs, ConnectInfo::default());
    (ours, tokio::spawn(served))
}
