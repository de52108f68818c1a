//! Every knob takes every duration: a server that it suits serves, and none panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use temaki::server::TcpIncoming;
use temaki::{Channel, Endpoint, Request, Server};
use tokio::sync::oneshot;

use crate::support::*;

type Knob<T> = (&'static str, fn(T, Duration) -> T);

const SERVERS: [Knob<Server>; 13] = [
    ("timeout", Server::timeout),
    ("handlers_in_place", Server::handlers_in_place),
    ("http2_keepalive_interval", |server, it| {
        server.http2_keepalive_interval(Some(it))
    }),
    ("http2_keepalive_timeout", |server, it| {
        server
            .http2_keepalive_interval(Some(it))
            .http2_keepalive_timeout(it)
    }),
    (
        "http2_keepalive_permit_interval",
        Server::http2_keepalive_permit_interval,
    ),
    ("handshake_timeout", Server::handshake_timeout),
    ("stall_timeout", Server::stall_timeout),
    ("max_connection_age", Server::max_connection_age),
    ("max_connection_age_grace", |server, it| {
        server
            .max_connection_age(Duration::from_millis(1))
            .max_connection_age_grace(it)
    }),
    ("max_connection_idle", Server::max_connection_idle),
    ("drain_timeout", Server::drain_timeout),
    ("tcp_keepalive", |server, it| server.tcp_keepalive(Some(it))),
    ("tcp_keepalive_interval", |server, it| {
        server
            .tcp_keepalive(Some(it))
            .tcp_keepalive_interval(Some(it))
    }),
];

const ENDPOINTS: [Knob<Endpoint>; 6] = [
    ("timeout", Endpoint::timeout),
    ("connect_timeout", Endpoint::connect_timeout),
    (
        "http2_keep_alive_interval",
        Endpoint::http2_keep_alive_interval,
    ),
    ("keep_alive_timeout", |endpoint, it| {
        endpoint
            .http2_keep_alive_interval(it)
            .keep_alive_timeout(it)
    }),
    ("tcp_keepalive", |endpoint, it| {
        endpoint.tcp_keepalive(Some(it))
    }),
    ("tcp_keepalive_interval", |endpoint, it| {
        endpoint
            .tcp_keepalive(Some(it))
            .tcp_keepalive_interval(Some(it))
    }),
];

const DURATIONS: [Duration; 4] = [
    Duration::MAX,
    Duration::from_secs(u64::MAX / 2),
    Duration::from_nanos(1),
    Duration::ZERO,
];

/// Counts the panics of this test's thread, on which all of its tasks run.
fn panics() -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, ours) = (count.clone(), std::thread::current().id());
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == ours {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        before(info);
    }));
    count
}

/// One call and one drain, whatever becomes of them.
async fn use_both(
    server: Server,
    endpoint: impl FnOnce(String) -> Endpoint,
    timeout: Option<Duration>,
    patience: Duration,
) -> bool {
    let probe = Probe::default();
    let incoming = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
    let addr = incoming.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = server.add_service(server::kit(&probe));
    let served = tokio::spawn(server.serve_with_incoming_shutdown(incoming, async {
        drop(stopped.await);
    }));
    let channel: Channel = endpoint(format!("http://{addr}")).connect_lazy();
    let path = http::uri::PathAndQuery::from_static("/test.Kit/Echo");
    let mut request = Request::new(bytes::Bytes::from_static(b"a"));
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let call = channel.unary(path, temaki::codec::BytesCodec, request);
    let answered = tokio::time::timeout(patience, call).await;
    drop((channel, stop));
    soon("the drain", served).await.unwrap().unwrap();
    matches!(answered, Ok(Ok(_)))
}

#[tokio::test]
async fn s12_no_knob_panics_for_any_duration() {
    let panics = panics();
    let endpoint = |target: String| Endpoint::from_shared(target).unwrap();
    for it in DURATIONS {
        let is_long = it > Duration::from_secs(1);
        // What is too short to serve fails; how is not asked here.
        let patience = Duration::from_millis(if is_long { 10_000 } else { 100 });
        for (name, turn) in SERVERS {
            let answered = use_both(turn(Server::builder(), it), endpoint, None, patience).await;
            assert!(answered || !is_long, "{name} {it:?}");
            assert_eq!(panics.load(Ordering::SeqCst), 0, "{name} {it:?}");
        }
        for (name, turn) in ENDPOINTS {
            let turned = |target| turn(endpoint(target), it);
            let answered = use_both(Server::builder(), turned, None, patience).await;
            assert!(answered || !is_long, "{name} {it:?}");
            assert_eq!(panics.load(Ordering::SeqCst), 0, "{name} {it:?}");
        }
        let answered = use_both(Server::builder(), endpoint, Some(it), patience).await;
        assert!(answered || !is_long, "a call's own {it:?}");
        assert_eq!(panics.load(Ordering::SeqCst), 0, "a call's own {it:?}");
    }
}
