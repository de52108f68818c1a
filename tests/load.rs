//! Load: many calls on one connection, many connections, and everything back where it was afterwards.
//!
//! ```sh
//! cargo test --release --test load      # 10,000 calls, 1,000 connections
//! cargo test --test load                # a tenth of it
//! ```
//!
//! Client and server are one process, so a connection takes two descriptors: 2,200 are needed in all. Each test has
//! a process to itself, in which it counts them. If this user may not have as many, `ulimit -n 4096` before it is
//! what is missing.

#![cfg(unix)]

#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::server::{ConnectionEnd, Observer};
use temaki::{Channel, ConnectInfo, Endpoint, Request, Server};
use tokio::task::JoinSet;

use support::*;

#[global_allocator]
static HEAP: temaki_heap::Counting = temaki_heap::Counting;

/// A debug build has a tenth of the work.
const SCALE: usize = if cfg!(debug_assertions) { 10 } else { 1 };
const CALLS: usize = 10_000 / SCALE;
const CONNECTIONS: usize = 1_000 / SCALE;
const CALLS_EACH: usize = 10;

/// Two for each connection, and what the process has anyway.
const DESCRIPTORS: usize = 2 * CONNECTIONS + 200;

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_the_limit_of_streams_wait_their_turn() {
    let test = "calls_beyond_the_limit_of_streams_wait_their_turn";
    leaves_nothing_behind(test, Server::builder(), async |server| {
        let calls = server.probe.counts().started + CALLS as u64;
        let channel = channel(server).await;
        let queued = queue(&channel, CALLS);
        let full = |counts: &server::Counts| counts.live == 256;
        server.probe.until("256 handlers", full).await;
        server.probe.open_gate(CALLS);
        all_answered(queued).await;
        let counts = server.probe.counts();
        assert_eq!(counts.started, calls);
        assert_eq!(counts.peak, 256, "never more than the limit");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_calls_run_at_once_where_the_limit_lets_them() {
    let test = "all_calls_run_at_once_where_the_limit_lets_them";
    let builder = Server::builder().max_concurrent_streams(CALLS as u32);
    leaves_nothing_behind(test, builder, async |server| {
        let channel = channel(server).await;
        let queued = queue(&channel, CALLS);
        let all = |counts: &server::Counts| counts.live == CALLS as u64;
        server.probe.until("all handlers at once", all).await;
        server.probe.open_gate(CALLS);
        all_answered(queued).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_connections_leave_nothing_behind() {
    let test = "a_thousand_connections_leave_nothing_behind";
    leaves_nothing_behind(test, Server::builder(), connections).await;
}

/// Nor do they wait for a timer before they go: by a clock that only waiting moves, two seconds are far too many.
#[tokio::test(start_paused = true)]
async fn connections_go_without_waiting_for_a_timer() {
    let gauge = Gauge::default();
    let server = Pipes::start(Server::builder().observer(gauge.clone()));
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        let endpoint = Endpoint::try_from("http://test").unwrap();
        let channel = endpoint.connect_with_io(server.pipe(64 * 1024)).await;
        channels.push(channel.unwrap());
    }
    let mut calls = JoinSet::new();
    for (n, channel) in channels.iter().enumerate() {
        for _ in 0..CALLS_EACH {
            let channel = channel.clone();
            calls.spawn(async move { call(&channel, "/test.Kit/Echo", n).await });
        }
    }
    all_answered(calls).await;
    assert_eq!(gauge.open(), CONNECTIONS as isize);
    drop(channels);
    let closing = tokio::time::Instant::now();
    while gauge.open() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(closing.elapsed() < Duration::from_secs(2), "{gauge:?}");
    }
    assert_eq!(server.probe.counts().live, 0);
}

/// Connections that a server has.
#[derive(Clone, Debug, Default)]
struct Gauge(Arc<AtomicIsize>);

impl Gauge {
    fn open(&self) -> isize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Observer for Gauge {
    fn connection_opened(&self, _: &ConnectInfo) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn connection_closed(&self, _: &ConnectInfo, _: &ConnectionEnd<'_>) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Does `work` three times: twice for the warm-up, since what a runtime keeps for good, it has then. After the
/// third, no handler is left, descriptors are as many as before the first connection, and memory is within 10 % of
/// what it was.
async fn leaves_nothing_behind(test: &str, builder: Server, work: impl AsyncFn(&TestServer)) {
    let Some(descriptors_allowed) = process::alone_with(test, DESCRIPTORS) else {
        return;
    };
    assert!(
        descriptors_allowed >= DESCRIPTORS,
        "{DESCRIPTORS} descriptors are needed; say `ulimit -n 4096` first"
    );
    let server = TestServer::start(builder).await;
    let open = descriptors();
    work(&server).await;
    work(&server).await;
    let before = at_rest(&server, open, isize::MAX).await;
    work(&server).await;
    let closing = Instant::now();
    let after = at_rest(&server, open, before + before / 10).await;
    // It should take less than two seconds, and took half of one; a busy machine has its time.
    let took = closing.elapsed();
    println!("{before} bytes before, {after} after {took:?}; {open} descriptors");
}

async fn channel(server: &TestServer) -> Channel {
    let target = format!("http://{}", server.addr);
    soon("a channel", Channel::connect(target)).await.unwrap()
}

async fn call(channel: &Channel, method: &'static str, n: usize) {
    let path = PathAndQuery::from_static(method);
    let message = Bytes::from(n.to_string());
    let request = Request::new(message.clone());
    let answer = channel.unary(path, BytesCodec, request).await;
    let answer = answer.unwrap_or_else(|status| panic!("call {n}: {status}"));
    assert_eq!(answer.into_inner(), message);
}

/// So many calls at the gate of one connection, all at once from the caller's side.
fn queue(channel: &Channel, calls: usize) -> JoinSet<()> {
    let mut queued = JoinSet::new();
    for n in 0..calls {
        let channel = channel.clone();
        queued.spawn(async move { call(&channel, "/test.Kit/Gate", n).await });
    }
    queued
}

async fn all_answered(mut calls: JoinSet<()>) {
    while let Some(end) = soon("an answer", calls.join_next()).await {
        end.unwrap();
    }
}

async fn connections(server: &TestServer) {
    let mut callers = JoinSet::new();
    for n in 0..CONNECTIONS {
        let channel = channel(server).await;
        callers.spawn(async move {
            let mut calls = JoinSet::new();
            for m in 0..CALLS_EACH {
                let channel = channel.clone();
                calls.spawn(async move {
                    call(&channel, "/test.Kit/Echo", n * CALLS_EACH + m).await;
                });
            }
            all_answered(calls).await;
            channel
        });
    }
    // All are open until the last one has been answered.
    let mut open = Vec::new();
    while let Some(channel) = soon("a caller", callers.join_next()).await {
        open.push(channel.unwrap());
    }
    assert_eq!(open.len(), CONNECTIONS);
}

/// Waits until no handler is left, descriptors are as many as before, and the heap has no more than `bytes` and no
/// longer shrinks. Gives the heap's bytes.
async fn at_rest(server: &TestServer, open: usize, bytes: isize) -> isize {
    let rest = async {
        let mut last = isize::MAX;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = temaki_heap::all();
            let is_idle = server.probe.counts().live == 0 && descriptors() == open;
            if is_idle && now <= bytes && now >= last - last / 100 {
                return now;
            }
            last = now;
        }
    };
    tokio::time::timeout(PATIENCE, rest)
        .await
        .unwrap_or_else(|_| {
            let (now, live) = (descriptors(), server.probe.counts().live);
            let held = temaki_heap::all();
            panic!(
                "not back: {live} handlers; {now} descriptors, wanted {open}; {held} bytes, wanted {bytes} at most"
            )
        })
}

/// Descriptors that are open; 0 where the system does not say.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
