//! Where connections come from: several services behind one listener, several listeners before one server,
//! sockets of the file system.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use temaki::codec::BytesCodec;
use temaki::server::{Methods, TcpIncoming, UnixIncoming};
use temaki::{ConnectInfo, Request, Response, Server};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;

use crate::support::server::kit;
use crate::support::{self, *};

const ECHO: &str = "/test.Kit/Echo";

/// A service of one method, `Name`, which answers with the service's name and the user at the other end.
fn named(name: &'static str) -> Methods<()> {
    let mut methods = Methods::new(name, Arc::new(()));
    methods.unary(
        "Name",
        BytesCodec,
        move |_, request: Request<Bytes>| async move {
            let info = request.connect_info().expect("a connection");
            let user = info.unix_peer.map(|peer| peer.uid);
            let is_tcp = info.remote_addr.is_some();
            Ok(Response::new(Bytes::from(format!(
                "{name} {is_tcp} {user:?}"
            ))))
        },
    );
    methods
}

/// A path for a socket that nobody else uses.
fn socket_path(name: &str) -> std::path::PathBuf {
    let name = format!("temaki-test-{}-{name}.sock", std::process::id());
    std::env::temp_dir().join(name)
}

#[tokio::test]
async fn several_services_share_a_port() {
    let builder = Server::builder()
        .add_service(named("test.One"))
        .add_optional_service(Some(named("test.Two")))
        .add_optional_service(None::<Methods<()>>);
    let server = TestServer::start(builder).await;
    let mut peer = server.peer().await;
    for (stream, path, name) in [
        (1, "/test.One/Name", "test.One"),
        (3, "/test.Two/Name", "test.Two"),
    ] {
        peer.call(stream, &request(path), "").await;
        let answer = peer.answer(stream).await.expect_one();
        assert_eq!(answer, format!("{name} true None"));
    }
    peer.call(5, &request(ECHO), "a").await;
    assert_eq!(peer.answer(5).await.expect_one(), "a");
}

#[tokio::test]
async fn a_service_added_twice_is_refused_before_anything_listens() {
    let twice = || {
        Server::builder()
            .add_service(named("test.One"))
            .add_service(named("test.One"))
    };
    let error = twice()
        .serve("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("test.One was added twice"),
        "{error}"
    );
    let (_, theirs) = tokio::io::duplex(64);
    let error = twice()
        .serve_connection(theirs, ConnectInfo::default())
        .await;
    assert!(error.is_err());
}

#[tokio::test]
async fn a_method_registered_twice_is_refused() {
    let mut methods = named("test.One");
    methods.unary(
        "Name",
        BytesCodec,
        |_, request: Request<Bytes>| async move { Ok(Response::new(request.into_inner())) },
    );
    let error = Server::builder().add_service(methods).into_acceptor();
    let text = error.expect_err("refused").to_string();
    assert!(
        text.contains("/test.One/Name was registered twice"),
        "{text}"
    );
}

/// Where there is no room, one that was never used makes room; one that was does not, and the newcomer hears of it.
#[tokio::test(start_paused = true)]
async fn d13_connections_over_the_limit_are_told_so() {
    let server = Pipes::start(Server::builder().max_connections(1));
    let mut unused = server.peer().await;
    let mut used = server.peer().await;
    unused.expect_goaway(NO_ERROR).await;
    unused.expect_goaway(NO_ERROR).await;
    unused.expect_closed().await;
    used.call(1, &request(ECHO), "a").await;
    assert_eq!(used.answer(1).await.expect_one(), "a");
    tokio::time::sleep(Duration::from_secs(290)).await;
    let began = tokio::time::Instant::now();
    let mut refused = Peer::silent(server.pipe(64 * 1024));
    refused.expect_closed().await;
    assert!(began.elapsed() < Duration::from_millis(1), "at once");
    used.call(3, &request(ECHO), "b").await;
    assert_eq!(used.answer(3).await.expect_one(), "b");
    // Five minutes without a call.
    tokio::time::sleep(Duration::from_secs(302)).await;
    let mut newcomer = server.peer().await;
    used.expect_goaway(NO_ERROR).await;
    newcomer.call(1, &request(ECHO), "c").await;
    assert_eq!(newcomer.answer(1).await.expect_one(), "c");
}

/// A listener whose handshakes fail, twenty times a second, beside those that do not.
#[tokio::test(start_paused = true)]
async fn d04_an_error_of_one_connection_holds_up_no_other() {
    let (give, mut given) = tokio::sync::mpsc::unbounded_channel();
    let incoming = futures_util::stream::poll_fn(move |cx| given.poll_recv(cx));
    let server = Server::builder().add_service(kit(&Probe::default()));
    let served = tokio::spawn(server.serve_with_incoming(incoming));
    for n in 0..200 {
        let kind = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof][n % 2];
        give.send(Err(std::io::Error::new(kind, "a TLS handshake")))
            .unwrap();
        if n % 20 == 0 {
            let began = tokio::time::Instant::now();
            let (ours, theirs) = tokio::io::duplex(1024);
            give.send(Ok(theirs)).unwrap();
            let mut peer = Peer::client(ours, &[]).await;
            peer.call(1, &request(ECHO), "a").await;
            assert_eq!(peer.answer(1).await.expect_one(), "a");
            assert!(
                began.elapsed() < Duration::from_millis(1),
                "after {n} errors"
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    served.abort();
}

/// A listener that has nothing but errors, and never has to wait for one.
#[tokio::test(start_paused = true)]
async fn d04_a_listener_of_errors_does_not_spin() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = asked.clone();
    let incoming = futures_util::stream::poll_fn(move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let error = std::io::Error::new(ErrorKind::InvalidData, "a TLS handshake");
        std::task::Poll::Ready(Some(Err::<tokio::io::DuplexStream, _>(error)))
    });
    let served = tokio::spawn(Server::builder().serve_with_incoming(incoming));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let asked = asked.load(std::sync::atomic::Ordering::Relaxed);
    assert!((100..=200).contains(&asked), "{asked} in ten seconds");
    served.abort();
}

/// As tonic's: it returns, and what has come lives on. The variant with a shutdown waits.
#[tokio::test]
async fn p02_when_incoming_ends_its_connections_live_on() {
    let server = || Server::builder().add_service(kit(&Probe::default()));
    let once = |io| futures_util::stream::iter([Ok::<_, std::io::Error>(io)]);
    let (ours, theirs) = tokio::io::duplex(1024);
    let served = server().serve_with_incoming(once(theirs));
    soon("the end of incoming", served).await.unwrap();
    let mut peer = Peer::client(ours, &[]).await;
    for stream in [1, 3] {
        peer.call(stream, &request(ECHO), "a").await;
        assert_eq!(peer.answer(stream).await.expect_one(), "a");
    }
    drop(peer);

    let (ours, theirs) = tokio::io::duplex(1024);
    let waits = server().serve_with_incoming_shutdown(once(theirs), std::future::pending());
    let waits = tokio::spawn(waits);
    let mut peer = Peer::client(ours, &[]).await;
    peer.call(1, &request(ECHO), "a").await;
    assert_eq!(peer.answer(1).await.expect_one(), "a");
    assert!(!waits.is_finished());
    drop(peer);
    soon("the last connection", waits).await.unwrap().unwrap();
}

/// Who serves in a runtime without a clock hears of it, at once and once.
#[test]
fn s23_a_runtime_without_a_clock_is_told_at_serve() {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_io().build().unwrap();
    let server = || Server::builder().add_service(kit(&Probe::default()));
    let text = |serve: &dyn Fn()| {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(serve));
        let payload = caught.expect_err("a panic");
        let text = payload.downcast_ref::<String>().cloned();
        text.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()))
    };
    let none = || futures_util::stream::pending::<std::io::Result<tokio::io::DuplexStream>>();
    let ways: [&dyn Fn(); 4] =
        [
            &|| drop(runtime.block_on(server().serve_at("127.0.0.1:0"))),
            &|| drop(runtime.block_on(server().serve_with_incoming(none()))),
            &|| {
                drop(runtime.block_on(
                    server().serve_with_incoming_shutdown(none(), std::future::ready(())),
                ))
            },
            &|| {
                let (_ours, theirs) = tokio::io::duplex(64);
                let info = temaki::ConnectInfo::default();
                drop(runtime.block_on(server().serve_connection(theirs, info)));
            },
        ];
    for serve in ways {
        let text = text(serve).expect("a text");
        assert!(text.contains("timers are disabled"), "{text}");
    }
}

/// One connection over whatever carries bytes, in a task of the user's; its future says how it ended.
#[tokio::test]
async fn a_connection_served_by_itself_tells_how_it_ended() {
    let probe = Probe::default();
    let (ours, served) = support::server::pipe(Server::builder(), &probe, 64 * 1024);
    let mut peer = Peer::client(ours, &[]).await;
    peer.call(1, &request(ECHO), "a").await;
    assert_eq!(peer.answer(1).await.expect_one(), "a");
    drop(peer);
    soon("the end", served)
        .await
        .unwrap()
        .expect("in good order");

    let rows: [(&[u8], &str); 3] = [
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00",
            "a TLS client spoke to a plaintext port",
        ),
        (
            b"POST / HTTP/1.1\r\nhost: a\r\n\r\n",
            "an HTTP/1.1 client spoke to a gRPC port",
        ),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x01\x04\x00\x00\x00\x00\x00x",
            "the peer broke HTTP/2",
        ),
    ];
    for (first, expected) in rows {
        let (ours, served) = support::server::pipe(Server::builder(), &probe, 64 * 1024);
        let mut peer = Peer::silent(ours);
        peer.raw(first).await;
        let error = soon("the end", served).await.unwrap().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.kind(), temaki::ErrorKind::Connection);
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_said_so() {
    let taken = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    let at_it = Server::builder().serve(addr).await.unwrap_err();
    let by_name = format!("localhost:{}", addr.port());
    let by_name = Server::builder().serve_at(by_name).await;
    // A machine may have an IPv6 address by that name, which is free.
    let errors = [Some(at_it), by_name.err()];
    for error in errors.into_iter().flatten() {
        assert_eq!(error.kind(), temaki::ErrorKind::Bind);
        let text = error.to_string();
        assert!(text.starts_with("cannot listen at "), "{text}");
        assert!(text.contains(&addr.to_string()), "{text}");
        let source = std::error::Error::source(&error).expect("the system's reason");
        assert!(text.contains(&source.to_string()), "{text}");
    }
    let no_name = Server::builder().serve_at("no port").await.unwrap_err();
    assert_eq!(no_name.kind(), temaki::ErrorKind::Bind);
}

/// tonic's calls with tonic's arguments, so that what moves here compiles.
#[tokio::test]
async fn builder_takes_what_tonics_does() {
    let builder = temaki::transport::Server::builder()
        .timeout(Duration::from_secs(60))
        .concurrency_limit_per_connection(32)
        .initial_stream_window_size(Some(1 << 20))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(None)
        .max_concurrent_streams(Some(7))
        .max_frame_size(Some(1 << 20))
        .http2_max_header_list_size(Some(8192))
        .http2_keepalive_interval(Some(Duration::from_secs(60)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(60)))
        .tcp_keepalive_interval(Some(Duration::from_secs(10)))
        .max_connection_age(Duration::from_secs(3600))
        .max_connection_age_grace(Duration::from_secs(60));
    let server = TestServer::start(builder).await;
    let mut peer = server.peer().await;
    peer.call(1, &request(ECHO), "a").await;
    assert_eq!(peer.answer(1).await.expect_one(), "a");
    let announced = [
        (setting::MAX_CONCURRENT_STREAMS, 7),
        (setting::INITIAL_WINDOW_SIZE, 1 << 20),
        (setting::MAX_FRAME_SIZE, 1 << 20),
        (setting::MAX_HEADER_LIST_SIZE, 8192),
    ];
    for (setting, value) in announced {
        assert_eq!(peer.settings.get(&setting), Some(&value), "{setting:#x}");
    }
}

#[tokio::test]
async fn one_server_has_several_listeners_and_one_drain() {
    let probe = Probe::default();
    let path = socket_path("several");
    let tcp = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let unix = UnixIncoming::bind(&path).unwrap();
    let acceptor = Server::builder()
        .add_service(kit(&probe))
        .into_acceptor()
        .unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let first = tokio::spawn(acceptor.clone().serve_with_incoming(tcp));
    let second = tokio::spawn(acceptor.serve_with_incoming_shutdown(unix, async {
        drop(stopped.await);
    }));

    let mut over_tcp = Peer::client(TcpStream::connect(addr).await.unwrap(), &[]).await;
    let mut over_unix = Peer::client(UnixStream::connect(&path).await.unwrap(), &[]).await;
    for peer in [&mut over_tcp, &mut over_unix] {
        peer.call(1, &request("/test.Kit/Gate"), "a").await;
    }
    probe.until_started(2).await;
    drop(stop);
    for peer in [&mut over_tcp, &mut over_unix] {
        peer.expect_goaway(NO_ERROR).await;
    }
    probe.open_gate(2);
    for peer in [&mut over_tcp, &mut over_unix] {
        assert_eq!(peer.answer(1).await.expect_one(), "a");
        peer.expect_closed().await;
    }
    let reports = soon("both to end", async {
        (first.await.unwrap(), second.await.unwrap())
    });
    let (first, second) = reports.await;
    assert_eq!(first, second, "the report is of both together");
    assert_eq!((first.total.finished, first.total.cut), (2, 0));
    assert!(TcpStream::connect(addr).await.is_err());
    assert!(!path.exists(), "the socket's file is removed");
}

/// A listener that ends is no reason for the others to stop.
#[tokio::test]
async fn a_listener_that_ends_leaves_the_others_serving() {
    let probe = Probe::default();
    let acceptor = Server::builder()
        .add_service(kit(&probe))
        .into_acceptor()
        .unwrap();
    let none = futures_util::stream::empty::<std::io::Result<TcpStream>>();
    acceptor.clone().serve_with_incoming(none).await;
    let tcp = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let served = tokio::spawn(acceptor.serve_with_incoming(tcp));
    let mut peer = Peer::client(TcpStream::connect(addr).await.unwrap(), &[]).await;
    peer.call(1, &request(ECHO), "a").await;
    assert_eq!(peer.answer(1).await.expect_one(), "a");
    // Dropping the future cuts what it serves.
    served.abort();
    peer.expect_closed().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_tells_its_peer_and_keeps_its_permissions() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let path = socket_path("mode");
    let incoming = UnixIncoming::bind_with_mode(&path, 0o600).unwrap();
    let file = std::fs::metadata(&path).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let server = Server::builder().add_service(named("test.One"));
    let served = tokio::spawn(server.serve_with_incoming(incoming));
    let mut peer = Peer::client(UnixStream::connect(&path).await.unwrap(), &[]).await;
    peer.call(1, &request("/test.One/Name"), "").await;
    let ours = file.uid();
    assert_eq!(
        peer.answer(1).await.expect_one(),
        format!("test.One false Some({ours})")
    );
    served.abort();
    peer.expect_closed().await;
    assert!(!path.exists(), "the file is removed with the listener");
}

#[cfg(unix)]
#[tokio::test]
async fn only_a_stale_socket_file_is_replaced() {
    let path = socket_path("stale");
    // Somebody listens: it is his.
    let first = UnixIncoming::bind(&path).unwrap();
    let error = UnixIncoming::bind(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    drop(first);
    // Nobody does, but the file is there, as after a kill.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(UnixIncoming::bind(&path).unwrap());
    assert!(!path.exists());
    // It is no socket: it is not touched.
    std::fs::write(&path, "precious").unwrap();
    let error = UnixIncoming::bind(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();
}

/// Taking over a path while its old owner still drains must not lose the new owner's file.
#[cfg(unix)]
#[tokio::test]
async fn a_unix_listener_removes_no_file_but_its_own() {
    let path = socket_path("own");
    let old = UnixIncoming::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap(); // an operator, or a successor, makes room
    let new = UnixIncoming::bind(&path).unwrap();
    drop(old);
    assert!(path.exists(), "it is the new listener's");
    drop(new);
    assert!(!path.exists());
}
