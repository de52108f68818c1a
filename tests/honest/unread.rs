//! Readers that lag, that stop, that go: what came for them is kept within the windows, and costs nobody else anything.
//!
//! Guards: what lies unread is bounded by the windows alone, however small its frames are (`conn/inbox.rs`); DATA
//! that nobody can take is bounded by 8 MiB a server's connection and 64 MiB a client's (`conn/unread.rs`); a
//! client's `max_unread_bytes`, a server's `max_buffered_bytes`. The peers here fill windows and stay within them.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::server::Methods;
use temaki::{
    Channel, Code, Endpoint, Request, Response, ResponseStream, Server, Status, Streaming,
};
use tokio::sync::Semaphore;

use crate::*;

type Stream = Request<Streaming<Bytes>>;

/// The service `test.Lag`:
///
/// | method | does |
/// |---|---|
/// | `Late` | client streaming; reads nothing before it may, then all, and answers with how many there were |
/// | `Deaf` | bidi; lets go of its requests at once, and answers twice: at once, and when it may |
struct Lag {
    /// A gate that stays open.
    may: Semaphore,
}

impl Default for Lag {
    fn default() -> Self {
        Self {
            may: Semaphore::new(0),
        }
    }
}

impl Lag {
    fn open(&self) {
        self.may.add_permits(1);
    }

    async fn pass(&self) {
        drop(self.may.acquire().await.expect("a gate"));
    }
}

fn lag(lag: &Arc<Lag>) -> Methods<Lag> {
    let mut methods = Methods::new("test.Lag", lag.clone());
    methods.client_streaming(
        "Late",
        BytesCodec,
        |lag: Arc<Lag>, request: Stream| async move {
            lag.pass().await;
            let (mut messages, mut count) = (request.into_inner(), 0);
            while messages.message().await?.is_some() {
                count += 1;
                if count % 64 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            Ok(Response::new(Bytes::from(count.to_string())))
        },
    );
    methods.bidi_streaming(
        "Deaf",
        BytesCodec,
        |lag: Arc<Lag>, request: Stream| async move {
            drop(request);
            Ok(Response::new(ResponseStream::new(async move |mut out| {
                out.send(Bytes::from("one")).await?;
                lag.pass().await;
                out.send(Bytes::from("two")).await
            })))
        },
    );
    methods
}

fn path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

async fn echo(channel: &Channel, message: Bytes) -> Result<Bytes, Status> {
    let call = channel.unary(path("/test.Kit/Echo"), BytesCodec, Request::new(message));
    soon("an answer", call).await.map(Response::into_inner)
}

async fn open(channel: &Channel, method: &'static str, request: &'static str) -> Streaming<Bytes> {
    let request = Request::new(Bytes::from(request));
    let call = channel.server_streaming(path(method), BytesCodec, request);
    soon("a stream", call).await.expect("a stream").into_inner()
}

/// A channel over a pipe, and the raw server at its other end.
async fn piped(endpoint: Endpoint) -> (Channel, Peer) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (channel, peer) = tokio::join!(endpoint.connect_with_io(ours), Peer::server(theirs, &[]));
    (channel.expect("a channel"), peer)
}

/// Messages of 10 to 40 bytes, a frame each, on these streams in turn, within the windows.
async fn small_messages(peer: &mut Peer, streams: &[u32], count: usize) {
    for n in 0..count {
        for &stream in streams {
            let small = message(vec![b'm'; 10 + n % 31]);
            peer.data_within_windows(stream, 0, &small).await;
        }
    }
}

#[tokio::test]
async fn c01_streams_read_for_one_message_and_dropped_leave_the_connection_alone() {
    let (channel, mut peer) = piped(Endpoint::from_static("http://localhost")).await;
    let neighbour = tokio::spawn({
        let channel = channel.clone();
        async move { echo(&channel, Bytes::from("slow")).await }
    });
    let (first, _) = peer.expect_request().await;
    peer.headers(first, 0, &response()).await;
    let server = tokio::spawn(async move {
        for _ in 0..3_000 {
            let (stream, _) = peer.expect_request().await;
            peer.headers(stream, 0, &response()).await;
            peer.expect_body(stream).await;
            peer.data(stream, 0, &message("one")).await;
            peer.expect_reset(stream, CANCEL).await;
            // All of it was on its way.
            let late =
                frame::encode(kind::DATA, 0, stream, &message("sixteen bytes ..")).repeat(50);
            peer.raw(&late).await;
        }
        peer.data(first, 0, &message("slow")).await;
        peer.headers(first, END_STREAM, &[("grpc-status", "0")])
            .await;
        peer
    });
    for _ in 0..3_000 {
        let mut answers = open(&channel, "/test.Kit/Repeat", "").await;
        let one = soon("a message", answers.message()).await;
        assert_eq!(one.expect("no error").expect("a message"), "one");
    }
    let slow = soon("the neighbour", neighbour).await.expect("no panic");
    assert_eq!(slow.expect("an answer"), "slow");
    assert!(server.await.expect("a server").closed().is_none());
}

#[tokio::test]
async fn c01_streams_of_our_own_server_are_dropped_too() {
    let server = TestServer::start(Server::builder()).await;
    let target = format!("http://{}", server.addr);
    let channel = Channel::connect(&*target).await.expect("a channel");
    let mut watch = open(&channel, "/test.Kit/Stay", "here").await;
    for _ in 0..30 {
        let calls = (0..100).map(|_| async {
            let mut answers = open(&channel, "/test.Kit/Repeat", "3000 16").await;
            assert!(answers.message().await.expect("no error").is_some());
        });
        join_all(calls).await;
        echo(&channel, Bytes::from("still here"))
            .await
            .expect("an answer");
    }
    assert!(watch.message().await.expect("no error").is_some());
}

#[tokio::test]
async fn c03_eight_readers_lag_behind_small_messages_beside_an_active_one() {
    let (channel, mut peer) = piped(Endpoint::from_static("http://localhost")).await;
    let may = Arc::new(Semaphore::new(0));
    let mut readers = Vec::new();
    for n in 0..8 {
        let (channel, may) = (channel.clone(), may.clone());
        readers.push(tokio::spawn(async move {
            let mut answers = open(&channel, "/test.Kit/Repeat", "").await;
            let mut count = 0;
            if n % 2 == 0 {
                // Half of them have waited before they lag.
                assert!(answers.message().await.expect("no error").is_some());
                count += 1;
            }
            drop(may.acquire().await.expect("a gate"));
            while answers.message().await.expect("no error").is_some() {
                count += 1;
                if count % 500 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            count
        }));
    }
    let mut streams = Vec::new();
    for _ in 0..8 {
        let (stream, _) = peer.expect_request().await;
        peer.headers(stream, 0, &response()).await;
        streams.push(stream);
    }
    let active = tokio::spawn(async move {
        for _ in 0..20 {
            echo(&channel, Bytes::from("hi")).await.expect("an answer");
        }
    });
    for _ in 0..20 {
        small_messages(&mut peer, &streams, 500).await;
        let (stream, _) = peer.expect_request().await;
        peer.headers(stream, 0, &response()).await;
        peer.data(stream, 0, &message("hi")).await;
        peer.headers(stream, END_STREAM, &[("grpc-status", "0")])
            .await;
    }
    active.await.expect("calls that are answered");
    may.add_permits(1);
    // More than what the windows let through before anybody read.
    small_messages(&mut peer, &streams, 6_000).await;
    for stream in streams {
        peer.headers(stream, END_STREAM, &[("grpc-status", "0")])
            .await;
    }
    for reader in readers {
        assert_eq!(
            soon("all messages", reader).await.expect("no panic"),
            16_000
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d03_eight_handlers_lag_behind_small_messages_beside_an_active_call() {
    let gate = Arc::new(Lag::default());
    let server = TestServer::start(Server::builder().add_service(lag(&gate))).await;
    let mut peer = server.peer().await;
    let streams: Vec<u32> = (0..8).map(|n| 2 * n + 1).collect();
    for &stream in &streams {
        peer.headers(stream, 0, &request("/test.Lag/Late")).await;
    }
    for n in 0..20 {
        small_messages(&mut peer, &streams, 500).await;
        let stream = 101 + 2 * n;
        peer.call(stream, &request("/test.Kit/Echo"), "hi").await;
        assert_eq!(peer.answer(stream).await.expect_one(), "hi");
    }
    gate.open();
    small_messages(&mut peer, &streams, 6_000).await;
    for &stream in &streams {
        peer.data(stream, END_STREAM, b"").await;
        assert_eq!(peer.answer(stream).await.expect_one(), "16000");
    }
}

#[tokio::test]
async fn s04_a_handler_that_lets_go_of_its_requests_is_sent_heartbeats_for_ever() {
    let gate = Arc::new(Lag::default());
    let server = TestServer::start(Server::builder().add_service(lag(&gate))).await;
    let mut peer = server.peer().await;
    peer.headers(1, 0, &request("/test.Lag/Deaf")).await;
    peer.expect_headers(1).await;
    assert_eq!(peer.expect_data(1).await, message("one"));
    // Twice what a window holds.
    small_messages(&mut peer, &[1], 50_000).await;
    peer.call(3, &request("/test.Kit/Echo"), "hi").await;
    assert_eq!(peer.answer(3).await.expect_one(), "hi");
    gate.open();
    assert_eq!(peer.expect_data(1).await, message("two"));
    peer.expect_trailers(1).await;
}

#[tokio::test]
async fn s04_a_held_call_says_more_than_a_window_to_a_handler_that_let_go() {
    let gate = Arc::new(Lag::default());
    let server = TestServer::start(Server::builder().add_service(lag(&gate))).await;
    // The smallest windows, and few large messages as well as many small ones.
    let target = format!("http://{}", server.addr);
    let channel = Channel::connect(&*target).await.expect("a channel");
    let mut call = channel.start::<BytesCodec>(path("/test.Lag/Deaf"), BytesCodec);
    for n in 0..3_000 {
        let beat = Bytes::from(vec![b'b'; if n % 100 == 0 { 100_000 } else { 20 }]);
        soon("room for a heartbeat", call.send(beat))
            .await
            .expect("no error");
    }
    assert_eq!(
        call.message().await.expect("no error").expect("an answer"),
        "one"
    );
    echo(&channel, Bytes::from("hi")).await.expect("an answer");
    gate.open();
    assert_eq!(
        call.message().await.expect("no error").expect("an answer"),
        "two"
    );
    assert!(call.message().await.expect("status OK").is_none());
}

#[tokio::test]
async fn c15_sixteen_unread_streams_do_not_stop_a_unary_call() {
    let server = TestServer::start(Server::builder()).await;
    let target = format!("http://{}", server.addr);
    let channel = Channel::connect(&*target).await.expect("a channel");
    let mut unread = Vec::new();
    for _ in 0..64 {
        unread.push(open(&channel, "/test.Kit/Endless", "a message of some size").await);
    }
    for _ in 0..50 {
        assert_eq!(
            echo(&channel, Bytes::from("x")).await.expect("an answer"),
            "x"
        );
    }
    for answers in &mut unread {
        for _ in 0..100 {
            assert!(answers.message().await.expect("no error").is_some());
        }
    }
}

#[tokio::test]
async fn c15_the_longest_unread_stream_ends_and_names_the_knob() {
    let endpoint = Endpoint::from_static("http://localhost").max_unread_bytes(600_000);
    let (channel, mut peer) = piped(endpoint).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let (answers, stream) = tokio::join!(open(&channel, "/test.Kit/Repeat", ""), async {
            let (stream, _) = peer.expect_request().await;
            peer.headers(stream, 0, &response()).await;
            stream
        });
        streams.push((answers, stream));
    }
    let kilobyte = message(vec![b'k'; 1000]);
    for (index, count) in [(0, 200), (1, 400), (2, 200)] {
        for _ in 0..count {
            peer.data(streams[index].1, 0, &kilobyte).await;
        }
    }
    peer.ping().await;
    for (index, (answers, stream)) in streams.iter_mut().enumerate() {
        if index == 1 {
            let status = loop {
                match soon("the end", answers.message()).await {
                    Ok(message) => assert!(message.is_some(), "no clean end"),
                    Err(status) => break status,
                }
            };
            assert_eq!(status.code(), Code::ResourceExhausted);
            assert!(status.message().contains("max_unread_bytes"), "{status}");
            continue;
        }
        peer.headers(*stream, END_STREAM, &[("grpc-status", "0")])
            .await;
        let mut count = 0;
        while soon("a message", answers.message())
            .await
            .expect("it lives")
            .is_some()
        {
            count += 1;
        }
        assert_eq!(count, 200);
    }
}

#[tokio::test]
async fn s02_conversations_and_waiting_calls_never_keep_back_the_whole_window() {
    for (method, count) in [
        ("/test.Kit/Both", 17),
        ("/test.Kit/Both", 200),
        ("/test.Kit/Hang", 200),
    ] {
        let builder = Server::builder().initial_connection_window_size(65_535);
        let server = TestServer::start(builder).await;
        let mut peer = server.peer().await;
        for n in 0..count {
            let stream = 2 * n + 1;
            peer.headers(stream, 0, &request(method)).await;
            let end = if method.ends_with("Hang") {
                END_STREAM
            } else {
                0
            };
            peer.data_within_windows(stream, end, &message([b'x'; 4000]))
                .await;
        }
        let last = 2 * count + 1;
        peer.headers(last, 0, &request("/test.Kit/Echo")).await;
        let large = message([b'l'; 60_000]);
        soon("credit", peer.data_within_windows(last, END_STREAM, &large)).await;
        assert_eq!(peer.answer(last).await.expect_one().len(), 60_000);
    }
}

#[tokio::test]
async fn s02_a_client_with_a_small_window_keeps_nothing_back() {
    let server = TestServer::start(Server::builder()).await;
    let endpoint = Endpoint::new(format!("http://{}", server.addr)).expect("a target");
    let endpoint = endpoint.initial_connection_window_size(65_535);
    let channel = endpoint.connect().await.expect("a channel");
    let mut calls = Vec::new();
    for _ in 0..200 {
        let mut call = channel.start::<BytesCodec>(path("/test.Kit/Both"), BytesCodec);
        call.send(Bytes::from(vec![b'x'; 4000]))
            .await
            .expect("no error");
        let answer = soon("an answer", call.message()).await.expect("no error");
        assert_eq!(answer.expect("a message").len(), 4000);
        calls.push(call);
    }
    let large = Bytes::from(vec![b'l'; 60_000]);
    assert_eq!(
        echo(&channel, large.clone()).await.expect("an answer"),
        large
    );
}

#[tokio::test]
async fn max_buffered_bytes_sheds_what_is_over_and_never_health() {
    let mut health = Methods::new("grpc.health.v1.Health", Arc::new(()));
    health.unary(
        "Check",
        BytesCodec,
        |_, request: Request<Bytes>| async move { Ok(Response::new(request.into_inner())) },
    );
    let builder = Server::builder()
        .max_buffered_bytes(1_000_000)
        .add_service(health);
    let server = TestServer::start(builder).await;
    let (mut one, mut two) = (server.peer().await, server.peer().await);
    let whole = message(vec![b'w'; 900_000]);
    for peer in [&mut one, &mut two] {
        peer.headers(1, 0, &request("/test.Kit/Echo")).await;
    }
    one.data_within_windows(1, 0, &whole[..800_000]).await;
    one.ping().await;
    two.data_within_windows(1, 0, &whole[..500_000]).await;
    let answer = two.answer(1).await;
    assert!(
        answer
            .expect_status(code::RESOURCE_EXHAUSTED)
            .contains("max_buffered_bytes")
    );
    two.call(3, &request("/grpc.health.v1.Health/Check"), "")
        .await;
    two.answer(3).await.expect_status(code::OK);
    // Who was there first is served, and then there is room again.
    one.data_within_windows(1, END_STREAM, &whole[800_000..])
        .await;
    assert_eq!(one.answer(1).await.expect_one().len(), 900_000);
    two.headers(5, 0, &request("/test.Kit/Echo")).await;
    two.data_within_windows(5, END_STREAM, &whole).await;
    assert_eq!(two.answer(5).await.expect_one().len(), 900_000);
}
