//! Tiny DATA frames: a window of 512 KiB in pieces of one byte is half a million frames, each of which costs a
//! queue far more than its byte. Among large frames on another stream each holds on to a read buffer of 8 KiB
//! besides: 10,000 of them held 82 MiB.
//!
//! Guard: `h2` charges an unread frame of under 256 bytes what it lacks of 256 to a budget, and large frames pay back;
//! so it stops this attack only when it is made without art, and cuts honest clients that send many small messages. Its
//! budget is out of reach here. What is not read is copied together instead (`conn/inbox.rs`): it costs what
//! the window says, and nobody is cut.

use std::sync::Arc;
use std::task::Poll;

use temaki::server::Methods;
use temaki::{Response, Streaming};

use crate::*;

/// The service `test.Sink`, whose one method reads everything and keeps nothing.
fn sink() -> Methods<()> {
    let mut methods = Methods::new("test.Sink", Arc::new(()));
    methods.client_streaming(
        "Sink",
        BytesCodec,
        |_, request: Request<Streaming<Bytes>>| async move {
            let mut messages = request.into_inner();
            while messages.message().await?.is_some() {}
            Ok(Response::new(Bytes::new()))
        },
    );
    methods
}

/// Sends `frames` tiny frames on a stream that nobody reads, with `large` bytes on another that is read between each
/// two; what is the most that the server held?
async fn held(frames: usize, large: usize) -> isize {
    let server = Apart::measured(Server::builder().add_service(sink()));
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    peer.headers(1, 0, &request("/test.Kit/Unread")).await;
    peer.headers(3, 0, &request("/test.Sink/Sink")).await;
    server.probe.until_started(1).await;
    peer.ping().await;
    let before = temaki_heap::watched();
    temaki_heap::take_peak();
    let tiny = frame::encode(kind::DATA, 0, 1, b"x");
    if large == 0 {
        peer.raw(&tiny.repeat(frames)).await;
    } else {
        let large = message(vec![b'l'; large]);
        for _ in 0..frames {
            peer.data_within_windows(3, 0, &large).await;
            peer.raw(&tiny).await;
        }
        peer.data(3, END_STREAM, b"").await;
        peer.answer(3).await.expect_one();
    }
    peer.ping().await;
    let held = temaki_heap::take_peak() - before;
    println!("{frames} tiny frames: {} KiB held at most", held / KIB);
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "unread", "nobody is cut");
    neighbour.stays_well().await;
    held
}

#[tokio::test]
async fn s05_a_window_full_of_one_byte_frames_holds_little() {
    let _alone = alone().await;
    let held = held(500_000, 0).await;
    assert!(held < 4 * MIB, "{held} bytes");
}

#[tokio::test]
async fn s05_one_byte_frames_among_large_ones_hold_no_buffers() {
    let _alone = alone().await;
    let held = held(5_000, 8_000).await;
    assert!(held < 4 * MIB, "{held} bytes");
}

/// A call that was polled once and is never polled again: nobody can take its DATA, which is counted.
#[tokio::test]
async fn s05_a_server_that_floods_a_call_which_nobody_polls_is_cut() {
    let _alone = alone().await;
    let server = RawServer::bind().await;
    let target = server.target();
    let (channel, mut peer) = tokio::join!(Channel::connect(&*target), server.accept());
    let channel = channel.expect("a channel");
    let path = PathAndQuery::from_static("/test.Kit/Echo");
    let request = Request::new(Bytes::from("hello"));
    let mut call = Box::pin(channel.unary(path, BytesCodec, request));
    let once = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending()));
    assert!(once.await);
    let (stream, _) = peer.expect_request().await;
    let neighbours = channel.clone();
    let neighbour = tokio::spawn(async move {
        let path = PathAndQuery::from_static("/test.Kit/Hang");
        neighbours
            .unary(path, BytesCodec, Request::new(Bytes::new()))
            .await
    });
    peer.expect_request().await;
    peer.headers(stream, 0, &response()).await;
    let flood = frame::encode(kind::DATA, 0, stream, b"x").repeat(1000);
    let mut sent = 0;
    while sent < 500 && peer.try_raw(&flood).await.is_ok() {
        sent += 1;
        tokio::task::yield_now().await;
    }
    assert!(
        (200..400).contains(&sent),
        "64 MiB are 261,120 frames: {sent},000"
    );
    let status = soon("the end", neighbour)
        .await
        .expect("no panic")
        .expect_err("no answer");
    drop(call);
    assert_eq!(status.code(), temaki::Code::Unavailable);
    assert!(
        status.message().contains("calls that nobody polls"),
        "{status}"
    );
}
