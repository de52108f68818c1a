//! A write that fails must end its connection, whichever it is.
//!
//! `h2` is told that every write succeeds, since its bytes go into a buffer first; so it is on the loop to
//! see that one failed. Here the n-th write of a connection fails, for every n there is, on each way that a
//! connection can go; the other end goes on listening, and would do so for ever. Time is tokio's, held
//! still, and runs only while everybody waits.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::{Channel, Code, ConnectInfo, Connected, Endpoint, Request, Server, Status};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::oneshot;

use crate::support::*;

/// A pipe that takes `good` writes and no more. Reading from it goes on.
struct Failing {
    io: DuplexStream,
    good: usize,
    writes: Arc<AtomicUsize>,
}

impl Failing {
    /// The pipe, its other end, and how many writes were tried.
    fn after(good: usize) -> (Self, DuplexStream, Arc<AtomicUsize>) {
        let (io, other) = tokio::io::duplex(64 * 1024);
        let writes = Arc::new(AtomicUsize::new(0));
        let failing = Self {
            io,
            good,
            writes: writes.clone(),
        };
        (failing, other, writes)
    }
}

impl AsyncWrite for Failing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.writes.load(Ordering::Relaxed) >= self.good {
            self.writes.store(self.good + 1, Ordering::Relaxed);
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = std::task::ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl Connected for Failing {
    fn connect_info(&self) -> ConnectInfo {
        ConnectInfo::default()
    }
}

/// What a raw client says on one of the ways. `Err` when the server has closed.
type Talk<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + 'a>>;

/// Asks `talk` of a server whose n-th write fails, for every n; tells how many writes there were.
async fn for_every_write(
    builder: impl Fn() -> Server,
    talk: impl for<'a> Fn(&'a mut Caller, &'a Probe, oneshot::Sender<()>) -> Talk<'a>,
) -> usize {
    for good in 0.. {
        let probe = Probe::default();
        let (failing, ours, writes) = Failing::after(good);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = builder().add_service(server::kit(&probe));
        let incoming = stream::iter([Ok::<_, io::Error>(failing)]);
        let stopped = async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let served = tokio::spawn(server.serve_with_incoming_shutdown(incoming, stopped));
        let mut caller = Caller(Peer::silent(ours));
        let talked = talk(&mut caller, &probe, stop).await;
        let failed = writes.load(Ordering::Relaxed) > good;
        if !failed {
            talked.unwrap_or_else(|error| panic!("no write failed, but {error}"));
            drop(caller); // its socket closes
        }
        // Where a write has failed, this end is still open: the server ends by itself.
        let report = soon(&format!("the end after {good} writes"), served).await;
        report.unwrap().unwrap();
        probe.until_idle().await;
        if !failed {
            return good;
        }
    }
    unreachable!("a conversation has an end")
}

/// A raw client to whom the end of the connection is no surprise.
struct Caller(Peer);

impl Caller {
    async fn hello(&mut self) -> io::Result<()> {
        self.0.try_raw(PREFACE).await?;
        self.say(kind::SETTINGS, 0, 0, &[]).await?;
        self.hear(0).await.map(drop)
    }

    async fn say(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let frame = frame::encode(kind, flags, stream, payload);
        self.0.try_raw(&frame).await
    }

    async fn call(&mut self, stream: u32, method: &str, bytes: &str) -> io::Result<()> {
        let path = format!("/test.Kit/{method}");
        let head = hpack::encode(&request(&path));
        self.say(kind::HEADERS, END_HEADERS, stream, &head).await?;
        self.say(kind::DATA, END_STREAM, stream, &message(bytes))
            .await
    }

    async fn hear(&mut self, stream: u32) -> io::Result<Frame> {
        let closed = io::ErrorKind::UnexpectedEof;
        self.0.next(stream).await.ok_or_else(|| closed.into())
    }

    /// Hears a stream to its trailers, or to its reset.
    async fn hear_all(&mut self, stream: u32) -> io::Result<()> {
        loop {
            match self.hear(stream).await? {
                Frame::Headers { end: true, .. } | Frame::Reset { .. } => return Ok(()),
                _ => {}
            }
        }
    }

    /// Hears until the other side closes, which is what it should do.
    async fn hear_close(&mut self) -> io::Result<()> {
        while self.0.next_where(|_| true).await.is_some() {}
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_sees_every_write_that_fails_while_it_answers() {
    let writes = for_every_write(Server::builder, |caller, probe, _| {
        Box::pin(async move {
            caller.hello().await?;
            caller.call(1, "Hang", "").await?;
            caller.call(3, "Stay", "here").await?;
            caller.hear(3).await?;
            caller.call(5, "Echo", "small").await?;
            caller.hear_all(5).await?;
            caller.call(7, "Repeat", "3 100000").await?;
            caller.hear_all(7).await?;
            caller.call(9, "Gate", "later").await?;
            probe.open_gate(1);
            caller.hear_all(9).await?;
            caller.call(11, "Panic", "now").await?;
            caller.hear_all(11).await
        })
    })
    .await;
    assert!(writes > 10, "{writes} writes");
}

#[tokio::test(start_paused = true)]
async fn a_server_sees_every_write_that_fails_in_a_drain() {
    let writes = for_every_write(Server::builder, |caller, probe, stop| {
        Box::pin(async move {
            caller.hello().await?;
            caller.call(1, "Gate", "last").await?;
            probe.until_started(1).await;
            let _ = stop.send(());
            caller.hear(0).await?; // GOAWAY
            probe.open_gate(1);
            caller.hear_all(1).await?;
            caller.hear_close().await
        })
    })
    .await;
    assert!(writes > 3, "{writes} writes");
}

/// The calls that are open when a connection comes of age, or is found to be idle.
#[tokio::test(start_paused = true)]
async fn a_server_sees_every_write_that_fails_when_time_is_up() {
    let aged = || {
        let server = Server::builder().max_connection_age(Duration::from_secs(5));
        server.max_connection_age_grace(Duration::from_secs(5))
    };
    let writes = for_every_write(aged, |caller, _, _| {
        Box::pin(async move {
            caller.hello().await?;
            caller.call(1, "Hang", "").await?;
            caller.hear(0).await?; // GOAWAY
            caller.hear_close().await
        })
    })
    .await;
    assert!(writes > 2, "{writes} writes");

    let idle = || Server::builder().max_connection_idle(Duration::from_secs(5));
    let writes = for_every_write(idle, |caller, _, _| {
        Box::pin(async move {
            caller.hello().await?;
            caller.call(1, "Echo", "").await?;
            caller.hear_all(1).await?;
            caller.hear_close().await
        })
    })
    .await;
    assert!(writes > 3, "{writes} writes");
}

#[tokio::test(start_paused = true)]
async fn a_server_sees_every_write_that_fails_while_it_keeps_alive() {
    let pings = || Server::builder().http2_keepalive_interval(Some(Duration::from_secs(2)));
    let writes = for_every_write(pings, |caller, _, _| {
        Box::pin(async move {
            caller.hello().await?;
            caller.call(1, "Hang", "").await?;
            caller.0.acks = false;
            for _ in 0..3 {
                let Frame::Ping { ack: false, opaque } = caller.hear(0).await? else {
                    return Err(io::Error::other("not a PING"));
                };
                caller.say(kind::PING, ACK, 0, &opaque).await?;
            }
            Ok(())
        })
    })
    .await;
    assert!(writes > 4, "{writes} writes");
}

#[tokio::test(start_paused = true)]
async fn a_server_sees_every_write_that_fails_when_its_peer_breaks_http2() {
    let writes = for_every_write(Server::builder, |caller, probe, _| {
        Box::pin(async move {
            caller.hello().await?;
            caller.call(1, "Hang", "").await?;
            probe.until_started(1).await;
            caller.say(kind::DATA, 0, 0, b"for no stream").await?;
            caller.hear(0).await?; // GOAWAY
            caller.hear_close().await
        })
    })
    .await;
    assert!(writes > 1, "{writes} writes");
}

/// Whatever a client was doing when its n-th write failed: each call ends, and says UNAVAILABLE.
#[tokio::test(start_paused = true)]
async fn a_client_sees_every_write_that_fails() {
    for good in 0.. {
        let probe = Probe::default();
        let (failing, theirs, writes) = Failing::after(good);
        let server = Server::builder().add_service(server::kit(&probe));
        let served = tokio::spawn(server.serve_connection(theirs, ConnectInfo::default()));
        let endpoint = Endpoint::from_static("http://pipe");
        let connected = soon("a connection", endpoint.connect_with_io(failing)).await;
        let ends = match connected {
            Ok(channel) => converse(channel).await,
            Err(_) => Vec::new(),
        };
        let failed = writes.load(Ordering::Relaxed) > good;
        for end in ends {
            match end {
                Ok(()) => {}
                Err(status) if failed => assert_eq!(status.code(), Code::Unavailable, "{status}"),
                Err(status) => panic!("no write failed, but {status}"),
            }
        }
        let _ = soon("the server's end", served).await.unwrap();
        probe.until_idle().await;
        if !failed {
            assert!(good > 8, "{good} writes");
            return;
        }
    }
}

/// Calls of each shape, one of them open beside all the others; how each ended.
async fn converse(channel: Channel) -> Vec<Result<(), Status>> {
    let path = |method: &str| -> PathAndQuery { format!("/test.Kit/{method}").parse().unwrap() };
    let gate = tokio::spawn({
        let (channel, path) = (channel.clone(), path("Hang"));
        async move {
            let mut request = Request::new(Bytes::new());
            request.set_timeout(Duration::from_secs(10));
            channel.unary(path, BytesCodec, request).await.map(drop)
        }
    });
    let unary = async {
        let message = Bytes::from(vec![1; 200_000]);
        let call = channel.unary(path("Echo"), BytesCodec, Request::new(message));
        call.await.map(drop)
    };
    let upload = async {
        let messages = stream::iter(vec![Bytes::from(vec![2; 50_000]); 4]);
        let call = channel.client_streaming(path("Join"), BytesCodec, Request::new(messages));
        call.await.map(drop)
    };
    let conversation = async {
        let mut call = channel.start::<BytesCodec>(path("Both"), BytesCodec);
        for _ in 0..3 {
            // If it fails, the receiver knows why.
            let _ = call.send(Bytes::from_static(b"to and fro")).await;
            call.message().await?;
        }
        call.half_close().await?;
        call.message().await.map(drop)
    };
    let (unary, upload) = (soon("unary", unary).await, soon("upload", upload).await);
    let conversation = soon("conversation", conversation).await;
    // It ends with the connection, or at its deadline.
    let gate = match soon("the open call", gate).await.unwrap() {
        Err(status) if status.code() == Code::DeadlineExceeded => Ok(()),
        other => other,
    };
    vec![unary, upload, conversation, gate]
}
