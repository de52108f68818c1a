//! A server alone in a thread, and a neighbour who must not notice what is done to it: what tests of hostile and of
//! honest peers have in common.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::server::{Handshake, TcpIncoming};
use temaki::{Channel, Request, Server};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard, oneshot};

use super::server::kit;
use super::*;

/// Waits until no other test measures memory.
pub async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// Runs in a thread of its own, in a runtime that has no other.
pub fn thread_of<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(work)
    })
}

/// A server with the kit, alone in a thread.
pub struct Apart {
    pub addr: SocketAddr,
    pub probe: Probe,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Apart {
    pub fn start<H: Handshake<TcpStream>>(builder: Server<H>) -> Self {
        Self::with(builder, || {})
    }

    /// The same; what it takes from the heap is counted.
    pub fn measured<H: Handshake<TcpStream>>(builder: Server<H>) -> Self {
        Self::with(builder, temaki_heap::watch_this_thread)
    }

    fn with<H: Handshake<TcpStream>>(builder: Server<H>, begin: fn()) -> Self {
        let probe = Probe::default();
        let server = builder.add_service(kit(&probe));
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = thread_of(async move {
            begin();
            let incoming = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
            tell.send(incoming.local_addr().unwrap()).unwrap();
            let stopped = async { drop(stopped.await) };
            let served = server.serve_with_incoming_shutdown(incoming, stopped);
            served.await.unwrap();
        });
        Self {
            addr: told.recv().unwrap(),
            probe,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub async fn peer(&self, values: &[(u16, u32)]) -> Peer {
        Peer::client(connect(self.addr).await, values).await
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        drop(self.stop.take());
        let thread = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            thread.unwrap().unwrap();
        }
    }
}

/// A socket on which nothing was said.
pub async fn connect(addr: SocketAddr) -> TcpStream {
    let socket = soon("a connection", TcpStream::connect(addr)).await;
    let socket = socket.expect("a connection");
    socket.set_nodelay(true).expect("TCP_NODELAY");
    socket
}

/// A well-behaved caller on a connection and in a thread of its own, who must not notice an attack.
pub struct Neighbour {
    stop: Arc<AtomicBool>,
    /// How long each call took.
    calls: JoinHandle<Vec<Duration>>,
}

impl Neighbour {
    /// It makes so many calls at least, so that what holds for all of them holds for more than 99.9 %.
    const CALLS: usize = 1000;

    pub async fn at(addr: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (begun, has_begun) = oneshot::channel();
        let stopped = stop.clone();
        let calls = thread_of(async move {
            let channel = soon("a channel", Channel::connect(format!("http://{addr}")));
            let channel = channel.await.unwrap();
            call(&channel).await;
            begun.send(()).unwrap();
            let mut took = Vec::new();
            while took.len() < Self::CALLS || !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                call(&channel).await;
                took.push(began.elapsed());
            }
            took
        });
        let begun = soon("the neighbour's first answer", has_begun).await;
        begun.expect("a neighbour");
        Self { stop, calls }
    }

    /// Every one of its calls has been answered, up to now, and most in no time.
    pub async fn stays_well(self) {
        self.stop.store(true, Ordering::Relaxed);
        // It ends: each of its calls has a time limit.
        let calls = tokio::task::spawn_blocking(|| self.calls.join()).await;
        let mut took = calls.unwrap().expect("every call is answered");
        took.sort();
        let (count, p99) = (took.len(), took[took.len() * 99 / 100]);
        println!("beside it {count} calls were answered, 99 % of them within {p99:?}");
        // 100 ms where there is a machine to run on; here they may have to wait for one.
        assert!(p99 < Duration::from_secs(5), "{p99:?}");
    }
}

pub async fn call(channel: &Channel) {
    let path = PathAndQuery::from_static("/test.Kit/Hello");
    let call = channel.unary(path, BytesCodec, Request::new(Bytes::from_static(b"hello")));
    let answer = soon("a neighbour's answer", call).await;
    assert_eq!(answer.expect("an answer").into_inner(), "hello");
}

/// Says `frames` and hears the server cut the connection with this reason.
pub async fn cut(peer: &mut Peer, frames: &[u8], reason: u32) {
    // The server may close before it has read everything.
    let _ = peer.try_raw(frames).await;
    peer.expect_goaway(reason).await;
    peer.expect_closed().await;
}

/// HEADERS of a call, as bytes.
pub fn headers(stream: u32, flags: u8, method: &str) -> Vec<u8> {
    let path = format!("/test.Kit/{method}");
    let block = hpack::encode(&request(&path));
    frame::encode(kind::HEADERS, END_HEADERS | flags, stream, &block)
}

/// The streams that a client may open, in their order.
pub fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|n| 2 * n + 1)
}
