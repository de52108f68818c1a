//! A channel and its connection, when things happen faster than one looks, or stop without a word.

use std::future::Future;
use std::time::Duration;

use crate::support::*;
use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::client::ConnectivityState::{
    self, Connecting, Idle, Ready, Shutdown, TransientFailure,
};
use temaki::codec::BytesCodec;
use temaki::{Channel, Code, Endpoint, Request, Response, Status};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

async fn echo(channel: &Channel) -> Result<Bytes, Status> {
    let path = PathAndQuery::from_static("/test.Kit/Echo");
    let call = channel.unary(path, BytesCodec, Request::new(Bytes::from("hello")));
    soon("an answer", call).await.map(Response::into_inner)
}

async fn serve_one(peer: &mut Peer) {
    let (stream, _) = peer.expect_request().await;
    peer.expect_body(stream).await;
    peer.headers(stream, 0, &response()).await;
    peer.data(stream, 0, &message("hello")).await;
    peer.headers(stream, END_STREAM, &[("grpc-status", "0")])
        .await;
}

async fn until(states: &mut watch::Receiver<ConnectivityState>, wanted: ConnectivityState) {
    let seen = states.wait_for(|state| *state == wanted);
    soon("a state", seen)
        .await
        .expect("the channel's last word is SHUTDOWN");
}

/// Settings and GOAWAY of a server, in one piece.
fn settings_and_goaway() -> Vec<u8> {
    let goaway = [0u32.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
    [
        frame::encode(frame::kind::SETTINGS, 0, 0, &[]),
        frame::encode(frame::kind::GOAWAY, 0, 0, &goaway),
    ]
    .concat()
}

#[tokio::test]
async fn a_goaway_right_behind_settings_leaves_no_dead_connection() {
    let server = RawServer::bind().await;
    let channel = Endpoint::new(server.target()).unwrap().connect_lazy();
    let call = echo(&channel);
    let serve = async {
        let mut first = server.accept_silent().await;
        first.write_all(&settings_and_goaway()).await.unwrap();
        let mut second = server.accept().await;
        serve_one(&mut second).await;
        (first, second)
    };
    let (answer, _held) = tokio::join!(call, serve);
    assert_eq!(answer.unwrap(), "hello");
    assert_eq!(channel.state(), Ready);
}

#[tokio::test]
async fn a_server_that_turns_each_connection_away_is_not_asked_without_a_pause() {
    let server = RawServer::bind().await;
    let channel = Endpoint::new(server.target()).unwrap().connect_lazy();
    let call = echo(&channel);
    let serve = async {
        let mut first = server.accept_silent().await;
        first.write_all(&settings_and_goaway()).await.unwrap();
        let mut second = server.accept_silent().await;
        second.write_all(&settings_and_goaway()).await.unwrap();
        (first, second)
    };
    let (answer, _held) = tokio::join!(call, serve);
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(
        status.message().contains("as soon as it is made"),
        "{status}"
    );
    assert!(status.message().contains("GOAWAY NO_ERROR"), "{status}");
    assert_eq!(channel.state(), TransientFailure);
}

/// A server that has enough connections speaks HTTP/2, and says why it takes no more.
#[tokio::test]
async fn c21_what_a_server_says_that_turns_a_connection_away_is_told() {
    let goaway = [
        &0u32.to_be_bytes()[..],
        &ENHANCE_YOUR_CALM.to_be_bytes(),
        b"too many connections",
    ];
    let goaway = frame::encode(frame::kind::GOAWAY, 0, 0, &goaway.concat());
    let settings = frame::encode(frame::kind::SETTINGS, 0, 0, &[]);
    for said in [[&settings[..], &goaway].concat(), goaway.to_vec()] {
        let server = RawServer::bind().await;
        let channel = Endpoint::new(server.target()).unwrap().connect_lazy();
        let serve = async {
            loop {
                let mut peer = server.accept_silent().await;
                peer.write_all(&said).await.unwrap();
                peer.shutdown().await.unwrap();
            }
        };
        let status = tokio::select! {
            answer = echo(&channel) => answer.unwrap_err(),
            () = serve => unreachable!("it goes on"),
        };
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        let expected = "GOAWAY ENHANCE_YOUR_CALM \"too many connections\"";
        assert!(status.message().contains(expected), "{status}");
        assert!(!status.message().contains("does not speak"), "{status}");
    }
}

#[tokio::test]
async fn connect_ends_although_the_connection_is_lost_at_once() {
    for _ in 0..20 {
        let server = RawServer::bind().await;
        let endpoint = Endpoint::new(server.target()).unwrap();
        let serve = async {
            let mut first = server.accept_silent().await;
            first.write_all(&settings_and_goaway()).await.unwrap();
            first.shutdown().await.unwrap();
        };
        let (channel, ()) = tokio::join!(soon("connect", endpoint.connect()), serve);
        // There was a connection; or, if the socket's end was seen first, the reason why there was none.
        if let Err(error) = channel {
            assert!(error.to_string().contains("cannot connect"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_as_long_as_there_is_no_connection() {
    let channel = Endpoint::from_static("http://test").connect_with_connector_lazy(|_| async {
        Err::<tokio::io::DuplexStream, _>(std::io::Error::other("no way"))
    });
    assert_eq!(channel.state(), Idle);
    for _ in 0..3 {
        let status = echo(&channel).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains("no way"), "{status}");
        assert_eq!(channel.state(), TransientFailure);
        tokio::time::sleep(Duration::from_secs(1000)).await;
    }
}

#[tokio::test]
async fn a_connector_that_panics_is_an_attempt_that_failed() {
    let channel = Endpoint::from_static("http://test").connect_with_connector_lazy(|_| async {
        if std::hint::black_box(true) {
            panic!("as it was told to");
        }
        Err::<tokio::io::DuplexStream, _>(std::io::Error::other("never"))
    });
    let status = echo(&channel).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("panicked"), "{status}");
}

#[test]
fn a_runtime_that_stops_leaves_a_channel_that_another_can_use() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    // While it connects.
    let (first, second) = (runtime(), runtime());
    let server = second.block_on(RawServer::bind());
    let channel = Endpoint::new(server.target()).unwrap().connect_lazy();
    let mut states = channel.watch_state();
    let call = channel.clone();
    first.spawn(async move { echo(&call).await });
    first.block_on(until(&mut states, Connecting));
    let silent = second.block_on(server.accept_silent());
    first.shutdown_background();
    second.block_on(until(&mut states, Idle));
    drop(silent);

    // While it is connected.
    let third = runtime();
    let connected = third.spawn({
        let channel = channel.clone();
        async move { echo(&channel).await }
    });
    let held = second.block_on(async {
        let mut peer = server.accept().await;
        serve_one(&mut peer).await;
        peer
    });
    assert_eq!(third.block_on(connected).unwrap().unwrap(), "hello");
    third.shutdown_background();
    second.block_on(until(&mut states, Idle));
    drop(held);

    second.block_on(async {
        let serve = async {
            let mut peer = server.accept().await;
            serve_one(&mut peer).await;
            peer
        };
        let (answer, _peer) = tokio::join!(echo(&channel), serve);
        assert_eq!(answer.unwrap(), "hello");
    });
}

#[tokio::test]
async fn the_last_channel_closes_the_connection_after_its_calls() {
    let server = RawServer::bind().await;
    let endpoint = Endpoint::new(server.target()).unwrap();
    let (channel, mut peer) = tokio::join!(endpoint.connect(), server.accept());
    let channel = channel.unwrap();
    let mut states = channel.watch_state();
    assert_eq!(*states.borrow(), Ready);
    let path = PathAndQuery::from_static("/test.Kit/Stay");
    let call = tokio::spawn({
        let channel = channel.clone();
        async move {
            let request = Request::new(Bytes::from("hello"));
            channel.server_streaming(path, BytesCodec, request).await
        }
    });
    let (stream, _) = peer.expect_request().await;
    peer.expect_body(stream).await;
    peer.headers(stream, 0, &response()).await;
    let mut answers = soon("headers", call).await.unwrap().unwrap().into_inner();
    drop(channel);
    until(&mut states, Shutdown).await;
    assert!(states.changed().await.is_err(), "nothing comes after it");
    // The call goes on.
    peer.data(stream, 0, &message("one")).await;
    assert_eq!(answers.message().await.unwrap().unwrap(), "one");
    peer.headers(stream, END_STREAM, &[("grpc-status", "0")])
        .await;
    assert!(answers.message().await.unwrap().is_none());
    drop(answers);
    let last = peer.expect_closed().await;
    assert!(
        matches!(last[..], [Frame::GoAway { code: NO_ERROR, .. }]),
        "{last:?}"
    );
}

// What an endpoint is told.

#[tokio::test]
async fn a_channel_says_what_its_endpoint_was_told() {
    let server = RawServer::bind().await;
    let endpoint = Endpoint::new(server.target()).unwrap();
    let endpoint = endpoint.origin("https://shop.example:8443".parse().unwrap());
    let endpoint = endpoint.tcp_keepalive(Some(INTERVAL));
    let endpoint = endpoint.tcp_keepalive_interval(Some(INTERVAL));
    let (channel, mut peer) = tokio::join!(endpoint.connect(), server.accept());
    let channel = channel.unwrap();
    let serve = async {
        let (_, head) = peer.expect_request().await;
        assert_eq!(head.get(":scheme"), Some("https"));
        assert_eq!(head.get(":authority"), Some("shop.example:8443"));
        drop(peer);
    };
    let (answer, ()) = tokio::join!(echo(&channel), serve);
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_channel_connects_from_the_address_it_was_told() {
    let server = RawServer::bind().await;
    let endpoint = Endpoint::new(server.target()).unwrap();
    let local = endpoint.clone().local_address(Some([127, 0, 0, 2].into()));
    // Linux has all of 127.0.0.0/8; other systems say that they have not.
    if let Err(error) = std::net::TcpListener::bind("127.0.0.2:0") {
        let error = error.kind();
        assert_eq!(error, std::io::ErrorKind::AddrNotAvailable);
        return;
    }
    let (channel, from) = tokio::join!(local.connect(), async {
        server.accept_silent().await.peer_addr().unwrap().ip()
    });
    assert_eq!(from, std::net::IpAddr::from([127, 0, 0, 2]));
    assert!(channel.is_err(), "the peer said nothing and went away");

    let other = endpoint.local_address(Some(std::net::Ipv6Addr::LOCALHOST.into()));
    let error = soon("an error", other.connect()).await.unwrap_err();
    assert!(error.to_string().contains("local_address"), "{error}");
}

#[tokio::test]
async fn a_connector_is_asked_at_once_or_when_there_is_need() {
    let refuse = |_| async { Err::<tokio::io::DuplexStream, _>(std::io::Error::other("no way")) };
    let endpoint = Endpoint::from_static("http://test");
    let channel = endpoint.connect_with_connector_lazy(refuse);
    assert_eq!(channel.state(), Idle);
    let error = endpoint.connect_with_connector(refuse).await.unwrap_err();
    assert!(error.to_string().contains("no way"), "{error}");
}

// Keepalive.

const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(20);

/// A channel with keepalive over a pipe, for a test whose clock is its own.
async fn kept_alive() -> (Channel, Peer) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let endpoint = Endpoint::from_static("http://test")
        .http2_keep_alive_interval(INTERVAL)
        .keep_alive_timeout(TIMEOUT);
    let (channel, peer) = tokio::join!(endpoint.connect_with_io(ours), Peer::server(theirs, &[]));
    (channel.unwrap(), peer)
}

/// Waits as [`soon`] does, but by a clock that runs by itself while nobody else has anything to do.
async fn later<F: Future>(work: F) -> F::Output {
    let hour = Duration::from_secs(3600);
    tokio::time::timeout(hour, work)
        .await
        .expect("it does not hang")
}

async fn expect_ping(peer: &mut Peer) -> [u8; 8] {
    match peer.next(0).await {
        Some(Frame::Ping { ack: false, opaque }) => opaque,
        other => peer.fail(&format!("PING; came {other:?}")),
    }
}

fn hang(channel: &Channel) -> tokio::task::JoinHandle<Result<Response<Bytes>, Status>> {
    let (channel, path) = (channel.clone(), PathAndQuery::from_static("/test.Kit/Hang"));
    tokio::spawn(async move {
        channel
            .unary(path, BytesCodec, Request::new(Bytes::new()))
            .await
    })
}

//= GRPC-PING-CLIENT  type=test
#[tokio::test(start_paused = true)]
async fn b79_b80_keepalive_asks_on_after_bytes_that_came_before_an_answer() {
    let (channel, mut peer) = kept_alive().await;
    peer.acks = false;
    let call = hang(&channel);
    let (stream, _) = peer.expect_request().await;
    peer.headers(stream, 0, &response()).await;
    for _ in 0..3 {
        let opaque = expect_ping(&mut peer).await;
        // Something else comes first, and the answer in a piece of its own, after a look at the bytes.
        peer.data(stream, 0, &[]).await;
        tokio::time::sleep(INTERVAL / 2).await;
        peer.frame(frame::kind::PING, ACK, 0, &opaque).await;
    }
    expect_ping(&mut peer).await;
    let status = later(call).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}

#[tokio::test(start_paused = true)]
async fn b80_a_connection_without_calls_is_not_asked() {
    let (_channel, mut peer) = kept_alive().await;
    tokio::time::sleep(INTERVAL * 10).await;
    peer.expect_nothing(0).await;
}

//= KEEPALIVE-DOUBLE  type=test
#[tokio::test(start_paused = true)]
async fn b82_too_many_pings_doubles_the_interval_of_the_next_connection() {
    let (pipes, mut accepted) = tokio::sync::mpsc::unbounded_channel();
    let channel = Endpoint::from_static("http://test")
        .http2_keep_alive_interval(INTERVAL)
        .connect_with_connector_lazy(move |_| {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            let sent = pipes.send(theirs);
            async move { sent.map(|()| ours).map_err(std::io::Error::other) }
        });
    let mut expected = INTERVAL;
    for _ in 0..3 {
        let call = hang(&channel);
        let pipe = soon("a connection", accepted.recv()).await.unwrap();
        let mut peer = Peer::server(pipe, &[]).await;
        peer.acks = false;
        peer.credits = false; // it would be a sign of life
        let (stream, _) = peer.expect_request().await;
        peer.expect_body(stream).await;
        let begin = tokio::time::Instant::now();
        tokio::time::sleep(expected - Duration::from_secs(1)).await;
        expect_ping(&mut peer).await;
        assert!(
            begin.elapsed() >= expected,
            "by the clock that stands still"
        );
        let goaway = [
            &1u32.to_be_bytes()[..],
            &ENHANCE_YOUR_CALM.to_be_bytes(),
            b"too_many_pings",
        ];
        peer.frame(frame::kind::GOAWAY, 0, 0, &goaway.concat())
            .await;
        drop(peer);
        let status = soon("the end", call).await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        expected *= 2;
    }
}
