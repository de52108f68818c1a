//! A client with far more calls than its server takes: the mirror of rapid reset and of streams over the limit. What
//! expires, or is dropped, while it waits for a stream never leaves; what is dropped just after it has left is reset a
//! few at a time. So the server counts next to nothing, and its neighbours on the connection live.

use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::{Channel, Code, Request};

use crate::*;

fn path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

async fn channel(server: &TestServer) -> Channel {
    let connect = Channel::connect(format!("http://{}", server.addr));
    soon("a channel", connect).await.expect("a channel")
}

/// The first message of a stream that stays.
async fn neighbour(channel: &Channel) -> temaki::Streaming<Bytes> {
    let request = Request::new(Bytes::from("here"));
    let answers = channel.server_streaming(path("/test.Kit/Stay"), BytesCodec, request);
    let mut answers = soon("a stream", answers)
        .await
        .expect("a stream")
        .into_inner();
    let first = soon("a message", answers.message()).await;
    assert_eq!(first.expect("a message").expect("one"), "here");
    answers
}

#[tokio::test]
async fn c05_two_thousand_calls_to_hung_handlers_expire_and_a_stream_beside_them_lives() {
    let server = TestServer::start(Server::builder()).await;
    let channel = channel(&server).await;
    let mut beside = neighbour(&channel).await;
    let calls = (0..2_000).map(|_| {
        let channel = channel.clone();
        tokio::spawn(async move {
            let mut request = Request::new(Bytes::from("a"));
            request.set_timeout(Duration::from_millis(100));
            channel
                .unary(path("/test.Kit/Hang"), BytesCodec, request)
                .await
        })
    });
    for call in calls.collect::<Vec<_>>() {
        let status = soon("a call to end", call)
            .await
            .expect("a task")
            .unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    }
    let echo = channel.unary(
        path("/test.Kit/Hello"),
        BytesCodec,
        Request::new(Bytes::new()),
    );
    soon("an answer", echo).await.expect("an answer");
    let more = tokio::time::timeout(Duration::ZERO, beside.message()).await;
    assert!(more.is_err(), "the neighbour waits on: {more:?}");
}

#[tokio::test]
async fn d02_two_hundred_calls_dropped_in_one_poll_do_no_harm() {
    let server = TestServer::start(Server::builder()).await;
    let channel = channel(&server).await;
    let mut beside = neighbour(&channel).await;
    for _ in 0..5 {
        let calls = (0..200).map(|_| {
            let request = Request::new(Bytes::from("a"));
            Box::pin(channel.unary(path("/test.Kit/Hang"), BytesCodec, request))
        });
        let mut calls: Vec<_> = calls.collect();
        for call in &mut calls {
            let first = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(first.is_pending());
        }
        drop(calls);
        let echo = channel.unary(
            path("/test.Kit/Hello"),
            BytesCodec,
            Request::new(Bytes::new()),
        );
        soon("an answer", echo).await.expect("an answer");
    }
    let more = tokio::time::timeout(Duration::ZERO, beside.message()).await;
    assert!(more.is_err(), "the neighbour waits on: {more:?}");
    server
        .probe
        .until("all handlers to be gone", |counts| counts.live == 1)
        .await;
}
