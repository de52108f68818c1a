//! What runs between accepting a connection and HTTP/2: a handshake that is made up here. Each of its odd ways harms its
//! own connection only.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use temaki::codec::BytesCodec;
use temaki::server::{ConnectionEnd, Handshake, Methods, Observer, Plain};
use temaki::{ConnectInfo, Request, Response, Server, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::support::server::kit;
use crate::support::{self, *};

const ECHO: &str = "/test.Kit/Echo";

/// What the handshake has learned of the peer.
#[derive(Clone)]
struct Tenant(u8);

/// An IO of another type than the one that was accepted.
struct Wrapped(DuplexStream);

/// Its client says in one byte what the handshake does:
///
/// | byte | the handshake |
/// |---|---|
/// | `o` | is over: the next byte is the tenant |
/// | `w` | waits for a permit, and is over |
/// | `l` | lasts 6 seconds, and is over |
/// | `f` | fails |
/// | `p` | panics |
/// | `n` | never ends |
/// | `d` | never ends, and panics when it is dropped |
#[derive(Clone)]
struct MadeUp(Arc<Semaphore>);

impl Default for MadeUp {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("a handshake that panics when it is dropped, as it was asked to");
    }
}

impl Handshake<DuplexStream> for MadeUp {
    type Io = Wrapped;

    async fn handshake(
        &self,
        mut io: DuplexStream,
        mut info: ConnectInfo,
    ) -> Result<(Wrapped, ConnectInfo), Box<dyn Error + Send + Sync>> {
        match io.read_u8().await? {
            b'o' => {}
            b'w' => self.0.acquire().await?.forget(),
            b'l' => sleep(Duration::from_secs(6)).await,
            b'f' => return Err("a handshake that fails, as it was asked to".into()),
            b'p' => panic!("a handshake that panics, as it was asked to"),
            b'd' => {
                let _brittle = Brittle;
                std::future::pending().await
            }
            _ => std::future::pending().await,
        }
        info.extensions.insert(Tenant(io.read_u8().await?));
        Ok((Wrapped(io), info))
    }
}

impl AsyncRead for Wrapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wrapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The ends of connections: the reason, the tenant, the error and its source.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<String>>>);

impl Observer for Ends {
    fn connection_closed(&self, connection: &ConnectInfo, end: &ConnectionEnd<'_>) {
        let tenant = connection.extensions.get().map(|Tenant(tenant)| *tenant);
        let source = end.error.and_then(|error| error.source());
        let line = format!(
            "{} {tenant:?} {} / {}",
            end.reason.as_str(),
            end.error.map_or(String::new(), ToString::to_string),
            source.map_or(String::new(), ToString::to_string),
        );
        self.0.lock().unwrap().push(line);
    }
}

impl Ends {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// `Tenant` gives what the handshake has learned.
fn who() -> Methods<()> {
    let mut methods = Methods::new("test.Who", Arc::new(()));
    methods.unary(
        "Tenant",
        BytesCodec,
        |_, request: Request<Bytes>| async move {
            let info = request.connect_info().expect("a connection");
            let Some(Tenant(tenant)) = info.extensions.get() else {
                return Err(Status::unauthenticated("no tenant"));
            };
            Ok(Response::new(Bytes::from(vec![*tenant])))
        },
    );
    methods
}

/// A pipe on which the handshake was asked for this.
async fn ask(server: &Pipes, bytes: &[u8]) -> DuplexStream {
    let mut io = server.pipe(64 * 1024);
    io.write_all(bytes).await.unwrap();
    io
}

/// Waits until the server closes `io`, which has said nothing before.
async fn until_closed(mut io: DuplexStream) {
    assert_eq!(
        io.read_u8().await.unwrap_err().kind(),
        io::ErrorKind::UnexpectedEof
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_handshake_learns_reaches_handlers_and_observers() {
    let ends = Ends::default();
    let builder = Server::builder().add_service(who()).observer(ends.clone());
    let server = Pipes::start(builder.handshake(Arc::new(MadeUp::default())));
    for tenant in [b'7', b'8'] {
        let mut peer = Peer::client(ask(&server, &[b'o', tenant]).await, &[]).await;
        peer.call(1, &request("/test.Who/Tenant"), "").await;
        assert_eq!(peer.answer(1).await.expect_one(), vec![tenant]);
        peer.shutdown().await;
        peer.expect_closed().await;
        // The server's half of the connection ends behind what the peer sees of it.
        sleep(Duration::from_millis(1)).await;
        assert_eq!(ends.take(), [format!("done Some({tenant})  / ")]);
    }
}

#[tokio::test(start_paused = true)]
async fn no_handshake_delays_another_connection_nor_the_listener() {
    let (ends, made_up) = (Ends::default(), MadeUp::default());
    let builder = Server::builder().observer(ends.clone());
    let server = Pipes::start(builder.handshake(made_up.clone()));
    let began = Instant::now();
    let silent = server.pipe(1024);
    let waits = ask(&server, b"w").await;
    let never = ask(&server, b"n").await;
    let brittle = ask(&server, b"d").await;
    until_closed(ask(&server, b"f").await).await;
    until_closed(ask(&server, b"p").await).await;
    let mut peer = Peer::client(ask(&server, b"o1").await, &[]).await;
    peer.call(1, &request(ECHO), "a").await;
    assert_eq!(peer.answer(1).await.expect_one(), "a");
    assert_eq!(began.elapsed(), Duration::ZERO, "nobody has waited");
    assert_eq!(
        ends.take(),
        [
            "handshake None the handshake before HTTP/2 failed: a handshake that fails, as it was asked to / a handshake that fails, as it was asked to",
            "panicked None the connection's IO or its handshake panicked / ",
        ]
    );
    sleep(Duration::from_secs(5)).await;
    made_up.0.add_permits(1);
    let mut waited = waits;
    waited.write_all(b"2").await.unwrap();
    let mut waited = Peer::client(waited, &[]).await;
    waited.call(1, &request(ECHO), "b").await;
    assert_eq!(waited.answer(1).await.expect_one(), "b");
    assert_eq!(ends.take(), [""; 0]);
    for io in [silent, never, brittle] {
        until_closed(io).await;
    }
    assert_eq!(began.elapsed().as_secs(), 10, "that is handshake_timeout");
    sleep(Duration::from_millis(1)).await;
    let late = "timed_out None the handshake before HTTP/2 did not end within handshake_timeout / ";
    let mut told = ends.take();
    told.sort();
    assert_eq!(told[1..], [late, late]);
    assert!(
        told[0].starts_with("panicked None"),
        "the one that panics when it is dropped: {told:?}"
    );
    peer.call(3, &request(ECHO), "c").await;
    assert_eq!(peer.answer(3).await.expect_one(), "c");
}

/// The limit is for both together: a slow handshake leaves less time for the preface.
#[tokio::test(start_paused = true)]
async fn handshake_timeout_is_the_limit_for_the_handshake_and_the_preface_together() {
    let ends = Ends::default();
    let server = Pipes::start(
        Server::builder()
            .observer(ends.clone())
            .handshake(MadeUp::default()),
    );
    let began = Instant::now();
    until_closed(ask(&server, b"l1").await).await;
    assert_eq!(began.elapsed().as_secs(), 10);
    sleep(Duration::from_millis(1)).await;
    let late = "the HTTP/2 preface and SETTINGS did not come within handshake_timeout";
    assert_eq!(ends.take(), [format!("timed_out Some({}) {late} / ", b'1')]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_gives_handshakes_a_moment() {
    let made_up = MadeUp::default();
    let mut server = Pipes::start(Server::builder().handshake(made_up.clone()));
    let never = ask(&server, b"n").await;
    let mut soon_over = ask(&server, b"w").await;
    sleep(Duration::from_millis(1)).await;
    let began = Instant::now();
    server.begin_stop();
    sleep(Duration::from_millis(100)).await;
    made_up.0.add_permits(1);
    soon_over.write_all(b"1").await.unwrap();
    let mut peer = Peer::client(soon_over, &[]).await;
    peer.expect_goaway(NO_ERROR).await;
    until_closed(never).await;
    assert_eq!(began.elapsed().as_millis(), 500);
    peer.shutdown().await;
    server.ended().await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_dropped_drops_its_handshakes() {
    let server = Pipes::start(Server::builder().handshake(MadeUp::default()));
    let (never, silent) = (ask(&server, b"n").await, server.pipe(1024));
    sleep(Duration::from_millis(1)).await;
    let began = Instant::now();
    drop(server);
    until_closed(never).await;
    until_closed(silent).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// A full server: a handshake that has run for two seconds makes room, and one that has just begun does not.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_makes_room() {
    let ends = Ends::default();
    let builder = Server::builder().max_connections(1).observer(ends.clone());
    let server = Pipes::start(builder.handshake(MadeUp::default()));
    let never = ask(&server, b"n").await;
    sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    let mut peer = Peer::client(ask(&server, b"o1").await, &[]).await;
    until_closed(never).await;
    peer.call(1, &request(ECHO), "a").await;
    assert_eq!(peer.answer(1).await.expect_one(), "a");
    assert_eq!(began.elapsed(), Duration::ZERO);
    let told = ends.take();
    assert!(told[0].starts_with("crowded None"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn one_server_has_listeners_with_different_handshakes() {
    let server = || Server::builder().add_service(kit(&Probe::default()));
    let made_up = server()
        .handshake(MadeUp::default())
        .into_acceptor()
        .unwrap();
    let plain = made_up.clone().handshake(Plain);
    let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
    ours.write_all(b"o1").await.unwrap();
    let behind = tokio::spawn(async move {
        made_up
            .serve_connection(theirs, ConnectInfo::default())
            .await
    });
    let mut peer = Peer::client(ours, &[]).await;
    peer.call(1, &request(ECHO), "a").await;
    assert_eq!(peer.answer(1).await.expect_one(), "a");
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let without =
        tokio::spawn(async move { plain.serve_connection(theirs, ConnectInfo::default()).await });
    let mut other = Peer::client(ours, &[]).await;
    other.call(1, &request(ECHO), "b").await;
    assert_eq!(other.answer(1).await.expect_one(), "b");
    for peer in [&mut peer, &mut other] {
        peer.shutdown().await;
    }
    support::soon("both to end", async {
        assert!(behind.await.unwrap().is_ok());
        assert!(without.await.unwrap().is_ok());
    })
    .await;
    let (mut ours, theirs) = tokio::io::duplex(64);
    ours.write_all(b"f").await.unwrap();
    let alone = server().handshake(MadeUp::default());
    let error = alone
        .serve_connection(theirs, ConnectInfo::default())
        .await
        .unwrap_err();
    let said = "the handshake before HTTP/2 failed: a handshake that fails, as it was asked to";
    assert_eq!(error.to_string(), said);
    assert!(error.source().is_some());
}
