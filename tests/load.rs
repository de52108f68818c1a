//! Load: many calls on one connection, many connections, and everything back where it was afterwards.
//!
//! ```sh
//! cargo test --release --test load      # 10,000 calls, 1,000 connections
//! cargo test --test load                # a tenth of it
//! ```
//!
//! Client and server are one process, so a connection takes two descriptors: 2,200 are needed in all. Where fewer
//! are allowed, the test runs once more in a process with more of them; if that is refused, `ulimit -n 4096`
//! before it is what is missing.

#[path = "support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::{Channel, Request, Server};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

use support::*;

#[global_allocator]
static HEAP: temaki_heap::Counting = temaki_heap::Counting;

/// A debug build has a tenth of the work.
const SCALE: usize = if cfg!(debug_assertions) { 10 } else { 1 };
const CALLS: usize = 10_000 / SCALE;
const CONNECTIONS: usize = 1_000 / SCALE;
const CALLS_EACH: usize = 10;

/// One test at a time: they look at what the whole process holds.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
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

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_the_limit_of_streams_wait_their_turn() {
    let _alone = alone().await;
    let server = TestServer::start(Server::builder()).await;
    let channel = channel(&server).await;
    let calls = queue(&channel, CALLS);
    let full = |counts: &server::Counts| counts.live == 256;
    server.probe.until("256 handlers", full).await;
    server.probe.open_gate(CALLS);
    all_answered(calls).await;
    let counts = server.probe.counts();
    assert_eq!(counts.started, CALLS as u64);
    assert_eq!(counts.peak, 256, "never more than the limit");
    server.probe.until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_calls_run_at_once_where_the_limit_lets_them() {
    let _alone = alone().await;
    let limit = CALLS as u32;
    let server = TestServer::start(Server::builder().max_concurrent_streams(limit)).await;
    let channel = channel(&server).await;
    let calls = queue(&channel, CALLS);
    let all = |counts: &server::Counts| counts.live == CALLS as u64;
    server.probe.until("all handlers at once", all).await;
    server.probe.open_gate(CALLS);
    all_answered(calls).await;
    server.probe.until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_connections_leave_nothing_behind() {
    let _alone = alone().await;
    if !descriptors_suffice("a_thousand_connections_leave_nothing_behind") {
        return;
    }
    let server = TestServer::start(Server::builder()).await;
    // Whatever the server opens when it begins to accept is open once it has accepted.
    drop(channel(&server).await);
    let open = descriptors();
    // Twice for the warm-up: what a runtime keeps for good, it has then.
    connections(&server).await;
    connections(&server).await;
    let rest = at_rest(&server, open, isize::MAX);
    let before = soon("the warm-up to be over", rest).await;
    connections(&server).await;
    let closing = Instant::now();
    let rest = at_rest(&server, open, before + before / 10);
    // It should take less than two seconds, and took half of one; a busy machine has its time.
    let after = tokio::time::timeout(PATIENCE, rest).await;
    let after = after.unwrap_or_else(|_| {
        let (now, live) = (descriptors(), server.probe.counts().live);
        let bytes = temaki_heap::all();
        panic!(
            "not back: {live} handlers; {now} descriptors, wanted {open}; {bytes} bytes, wanted {before}"
        )
    });
    let took = closing.elapsed();
    println!("{before} bytes before, {after} after {took:?}; {open} descriptors");
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
    let mut last = isize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = temaki_heap::all();
        let is_idle = server.probe.counts().live == 0 && descriptors() <= open;
        if is_idle && now <= bytes && now >= last - last / 100 {
            return now;
        }
        last = now;
    }
}

/// Descriptors that are open; 0 where the system does not say.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Whether there are descriptors enough here. If not, the test has been run in another process.
fn descriptors_suffice(test: &str) -> bool {
    const RAISED: &str = "TEMAKI_DESCRIPTORS_RAISED";
    let needed = CONNECTIONS * 2 + 200;
    let shell = |script: &str| {
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg(script);
        shell
    };
    let Ok(limit) = shell("ulimit -Sn").output() else {
        return true; // no such shell, no such limit
    };
    let limit = String::from_utf8_lossy(&limit.stdout).trim().parse();
    if limit.unwrap_or(usize::MAX) >= needed {
        return true;
    }
    assert!(
        std::env::var_os(RAISED).is_none(),
        "{needed} descriptors are needed; say `ulimit -n 4096` first"
    );
    let script = format!("ulimit -Sn {needed}; exec \"$0\" {test} --exact --nocapture");
    let mut again = shell(&script);
    again.arg(std::env::current_exe().unwrap()).env(RAISED, "1");
    let status = again.status().unwrap();
    assert!(
        status.success(),
        "in a process with more descriptors: {status}"
    );
    false
}
