//! Windows and drains, with a raw peer that counts what comes: nobody is starved, and no byte stays behind.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::{Channel, Request, Server};
use tokio::sync::oneshot;

use crate::support::*;

const BOTH: &str = "/test.Kit/Both";

/// Capacity that is granted to a stream is taken from the whole connection at once; a stream that kept some
/// while it has nothing to say would starve its neighbours, and the smallest window starves first.
#[tokio::test]
async fn a_hundred_idle_streams_leave_the_connections_window_to_the_active_one() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let idle: Vec<u32> = (0..100).map(|n| n * 2 + 1).collect();
    for &stream in &idle {
        peer.headers(stream, 0, &request(BOTH)).await;
        peer.data(stream, 0, &message("hello")).await;
        peer.expect_headers(stream).await;
        assert_eq!(peer.expect_data(stream).await, message("hello"));
    }
    // From here on they say nothing, and the window is what this peer has given back: 65,535 bytes.
    peer.call(201, &request("/test.Kit/Repeat"), "100 10000")
        .await;
    let answer = peer.answer(201).await;
    answer.expect_status(0);
    assert_eq!(answer.messages().len(), 100);
    for &stream in &idle {
        peer.data(stream, END_STREAM, &message("bye")).await;
        let answer = peer.next(stream).await;
        assert!(matches!(answer, Some(Frame::Data { .. })), "{answer:?}");
        peer.expect_trailers(stream).await;
    }
}

#[tokio::test]
async fn a_hundred_idle_uploads_leave_the_connections_window_to_the_active_one() {
    let server = RawServer::bind().await;
    let (channel, peer) = tokio::join!(Channel::connect(server.target()), server.accept());
    let (channel, mut peer) = (channel.unwrap(), peer);
    let mut idle = Vec::new();
    for _ in 0..100 {
        let mut call = channel.start::<BytesCodec>(PathAndQuery::from_static(BOTH), BytesCodec);
        call.send(Bytes::from_static(b"hello")).await.unwrap();
        let (stream, _) = peer.expect_request().await;
        assert_eq!(peer.expect_data(stream).await, message("hello"));
        idle.push(call);
    }
    let large = Bytes::from(vec![7; 1 << 20]);
    let active = tokio::spawn({
        let (channel, large) = (channel.clone(), large.clone());
        async move {
            let path = PathAndQuery::from_static("/test.Kit/Echo");
            channel.unary(path, BytesCodec, Request::new(large)).await
        }
    });
    let (stream, _) = peer.expect_request().await;
    assert!(peer.expect_body(stream).await == message(&large));
    peer.headers(stream, 0, &response()).await;
    peer.data(stream, 0, &message("thanks")).await;
    peer.headers(stream, END_STREAM, &[("grpc-status", "0")])
        .await;
    let response = soon("the answer", active).await.unwrap().unwrap();
    assert_eq!(response.into_inner(), "thanks");
}

/// What was answered before and during a drain arrives whole, also through a pipe that holds a kilobyte and
/// whose other end reads nothing before the server was told to stop.
#[tokio::test]
async fn bytes_queued_at_shutdown_all_arrive() {
    let probe = Probe::default();
    let (ours, theirs) = tokio::io::duplex(1024);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder().add_service(server::kit(&probe));
    let incoming = stream::iter([Ok::<_, io::Error>(theirs)]);
    let served = tokio::spawn(server.serve_with_incoming_shutdown(incoming, async {
        drop(stopped.await);
    }));
    let mut peer = Peer::client(ours, &[]).await;
    let answer = vec![b'a'; 3000];
    for n in 0..20 {
        let path = ["/test.Kit/Echo", "/test.Kit/Gate"][n as usize % 2];
        peer.call(n * 2 + 1, &request(path), &answer).await;
    }
    probe.until_started(20).await;
    drop(stop);
    probe.open_gate(10);
    for n in 0..20 {
        assert_eq!(peer.answer(n * 2 + 1).await.expect_one(), answer);
    }
    //= GRPC-GOAWAY-SEND  type=test
    assert_eq!(peer.expect_goaway(NO_ERROR).await, (1 << 31) - 1);
    assert_eq!(peer.expect_goaway(NO_ERROR).await, 39, "the last it served");
    assert_eq!(peer.expect_closed().await, [], "nothing but what was asked");
    let report = soon("the server to stop", served).await.unwrap().unwrap();
    assert_eq!(report.total.cut, 0, "{report}");
}
