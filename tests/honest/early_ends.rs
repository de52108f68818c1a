//! What comes late for calls that the other side has ended: uploads that are answered early, calls that expire.
//!
//! The guard beside them is the one against MadeYouReset: streams that a peer's faults make us reset, 1,024 at once.
//! `h2` counts what comes late as such faults, for a connection's lifetime. None of it is held against these peers.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::{Code, Endpoint, Request};
use tokio::time::sleep;

use crate::*;

/// Two thousand uploads are answered at once, with two frames of each still under way, which come so late.
async fn uploads_answered_early(late: Duration, at_once: u32) {
    let probe = Probe::default();
    let builder = Server::builder().max_concurrent_streams(at_once);
    let (ours, served) = server::pipe(builder, &probe, 64 * 1024);
    let mut peer = Peer::client(ours, &[]).await;
    let all: Vec<u32> = (0..2000).map(|n| 2 * n + 1).collect();
    for streams in all.chunks(at_once as usize) {
        for stream in streams {
            peer.headers(*stream, 0, &request("/test.Kit/Early")).await;
        }
        for stream in streams {
            assert_eq!(peer.answer(*stream).await.expect_one(), "early");
        }
        sleep(late).await;
        for stream in streams {
            peer.data(*stream, 0, &[0; 1024]).await;
            peer.data(*stream, END_STREAM, &[0; 1024]).await;
        }
    }
    peer.call(4001, &request("/test.Kit/Echo"), "still here")
        .await;
    assert_eq!(peer.answer(4001).await.expect_one(), "still here");
    assert!(!served.is_finished());
}

#[tokio::test(start_paused = true)]
async fn d01_uploads_that_are_answered_early_do_no_harm() {
    for late in [0.1, 20.0] {
        uploads_answered_early(Duration::from_secs_f64(late), 200).await;
    }
    uploads_answered_early(Duration::from_secs(1), 2000).await;
}

/// The same, where the server's own limit on time ends them.
#[tokio::test(start_paused = true)]
async fn d01_uploads_that_time_out_do_no_harm() {
    let probe = Probe::default();
    let builder = Server::builder().timeout(Duration::from_millis(100));
    let (ours, _served) = server::pipe(builder, &probe, 64 * 1024);
    let mut peer = Peer::client(ours, &[]).await;
    let all: Vec<u32> = (0..2000).map(|n| 2 * n + 1).collect();
    for streams in all.chunks(200) {
        for stream in streams {
            peer.headers(*stream, 0, &request("/test.Kit/Join")).await;
        }
        for stream in streams {
            let answer = peer.answer(*stream).await;
            assert_eq!(answer.trailers.get("grpc-status"), Some("4"));
        }
        for stream in streams {
            peer.data(*stream, 0, &[0; 1024]).await;
            peer.data(*stream, END_STREAM, &[0; 1024]).await;
        }
    }
    peer.call(4001, &request("/test.Kit/Hello"), "still here")
        .await;
    assert_eq!(peer.answer(4001).await.expect_one(), "still here");
}

/// Of 200 calls each. A debug build has a third of the work.
const ROUNDS: usize = if cfg!(debug_assertions) { 15 } else { 50 };

/// Calls whose deadline passes at both ends: the server's answer to each comes when the client has forgotten it.
#[tokio::test(start_paused = true)]
async fn c02_calls_that_expire_at_both_ends_do_no_harm() {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let theirs = std::sync::Mutex::new(Some(theirs));
    let connector = move |_| {
        let theirs = theirs.lock().unwrap().take();
        async move { theirs.ok_or_else(|| std::io::Error::other("there is one connection only")) }
    };
    let channel = Endpoint::from_static("http://test").connect_with_connector_lazy(connector);
    let call = move |limit: Option<Duration>| {
        let (channel, mut request) = (channel.clone(), Request::new(Bytes::from_static(b"a")));
        if let Some(limit) = limit {
            request.set_timeout(limit);
        }
        let path = PathAndQuery::from_static("/test.Kit/Any");
        tokio::spawn(async move { channel.unary(path, BytesCodec, request).await })
    };
    let first = call(None);
    let mut peer = Peer::server(ours, &[]).await;
    let (stream, _) = peer.expect_request().await;
    let expired = [response(), vec![("grpc-status", "4")]].concat();
    for _ in 0..ROUNDS {
        let calls: Vec<_> = (0..200)
            .map(|_| call(Some(Duration::from_millis(50))))
            .collect();
        let mut streams = Vec::new();
        for _ in &calls {
            streams.push(peer.expect_request().await.0);
        }
        for call in calls {
            let status = call.await.unwrap().expect_err("a deadline");
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        }
        for stream in streams {
            peer.headers(stream, END_STREAM, &expired).await;
        }
    }
    // All have expired, and the call that was there before them is answered.
    peer.headers(stream, 0, &response()).await;
    peer.data(stream, 0, &message("still here")).await;
    peer.headers(stream, END_STREAM, &[("grpc-status", "0")])
        .await;
    let answer = soon("the first call", first)
        .await
        .unwrap()
        .expect("an answer");
    assert_eq!(answer.into_inner(), "still here");
}
