//! Memory, for nothing: connections that idle, streams that are open and say nothing, calls that wait. None of it
//! is an attack; ten thousand of them are.
//!
//! Guard: a peer that says little is read without a buffer; buffers grow with use and are given back in quiet times
//! (`conn/io.rs`); a call is one small future, and a waiting call one task.

use crate::*;

/// If there are descriptors enough; a debug build has a tenth of the work.
const CONNECTIONS: usize = if cfg!(debug_assertions) {
    1_000
} else {
    10_000
};
const CALLS: u32 = CONNECTIONS as u32;

/// What the system has given the process; `h2` asks for 28 KiB a connection and touches a third of it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_connection_holds_18_kib_and_takes_no_time() {
    let test = "memory::an_idle_connection_holds_18_kib_and_takes_no_time";
    let Some(descriptors) = process::alone_with(test, CONNECTIONS + 100) else {
        return;
    };
    let connections = CONNECTIONS.min(descriptors - 100);
    let server = child::serve("true");
    let neighbour = Neighbour::at(server.addr).await;
    let before = server.resident();
    let mut peers = Vec::new();
    for _ in 1..connections {
        let mut peer = Peer::client(connect(server.addr).await, &[]).await;
        peer.ping().await;
        peers.push(peer);
    }
    let each = (server.resident() - before) / peers.len() as isize;
    println!("{connections} connections that have shaken hands: {each} bytes each");
    // With fewer, what the process has for itself weighs more.
    let spare = if connections < 10_000 { KIB / 2 } else { 0 };
    assert!(each <= 18 * KIB + spare, "{each} bytes");
    neighbour.stays_well().await;
    // The tables of `h2` for streams and headers stay for the next call.
    for peer in &mut peers {
        peer.call(1, &request("/test.Kit/Echo"), "hello").await;
        peer.answer(1).await.expect_one();
    }
    let each = (server.resident() - before) / peers.len() as isize;
    println!("after a first call: {each} bytes each");
    assert!(each <= 24 * KIB, "{each} bytes");
    // And when they have looked after themselves once or twice, they sleep, and take no time at all.
    let sleeping = async {
        loop {
            let before = server.ticks();
            tokio::time::sleep(Duration::from_millis(1100)).await;
            if server.ticks() - before <= 1 {
                return;
            }
        }
    };
    soon("a second in which nothing happens", sleeping).await;
}

#[tokio::test]
async fn an_open_stream_and_a_waiting_call_hold_less_than_4_kib() {
    let _alone = alone().await;
    let server = Apart::measured(Server::builder());
    for (method, end) in [
        ("Both", 0),
        ("Join", 0),
        ("Stay", END_STREAM),
        ("Hang", END_STREAM),
    ] {
        let each = each_of(&server, method, end, 250).await;
        println!("{method}, open and waiting: {each} bytes");
        assert!(each <= 4 * KIB, "{method}: {each} bytes");
    }
}

#[tokio::test]
async fn ten_thousand_waiting_calls_hold_less_than_4_kib_each() {
    let _alone = alone().await;
    let server = Apart::measured(Server::builder().max_concurrent_streams(CALLS));
    let neighbour = Neighbour::at(server.addr).await;
    let each = each_of(&server, "Hang", END_STREAM, CALLS).await;
    println!("{CALLS} calls that wait: {each} bytes each");
    assert!(each <= 4 * KIB, "{each} bytes");
    neighbour.stays_well().await;
}

/// What the server holds for each of `count` calls that are open on one connection.
async fn each_of(server: &Apart, method: &str, end: u8, count: u32) -> isize {
    let mut peer = server.peer(&[]).await;
    // The connection's own buffers and tables grow first, and are not what is asked for.
    for stream in streams(250) {
        peer.call(stream, &request("/test.Kit/Echo"), "hello").await;
        peer.answer(stream).await;
    }
    let before = temaki_heap::watched();
    let path = format!("/test.Kit/{method}");
    for stream in streams(250 + count).skip(250) {
        peer.headers(stream, 0, &request(&path)).await;
        peer.data(stream, end, &message("hello")).await;
    }
    let all = |counts: &server::Counts| counts.live == u64::from(count);
    server.probe.until("the handlers", all).await;
    peer.ping().await;
    let each = (temaki_heap::watched() - before) / count as isize;
    drop(peer);
    server.probe.until_idle().await;
    each
}
