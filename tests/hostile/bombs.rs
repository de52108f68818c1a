//! Decompression bombs: a payload of a few kilobytes becomes a message of gigabytes, and a server that decompresses first and looks
//! at the length then is out of memory; or it looks in time, and all its threads inflate for seconds.
//!
//! Guard: a message is bounded while it grows; a long one is inflated in steps with others in between, and of all long ones of the process
//! only a few at a time, while the rest wait as payloads (`compression/inflate.rs`). A zstd window above 8 MiB is refused
//! (`compression/zstd.rs`).

use super::support::coded::*;
use crate::*;

/// Every stream that one connection may have.
const AT_ONCE: u32 = 256;

/// What each payload would become.
const LEN: usize = 32 << 20;

/// 256 bombs at once, in each coding: each ends its call, together they hold little, and the neighbour has its responses.
#[tokio::test]
async fn bombs_end_their_own_calls_and_hold_little() {
    let _alone = alone().await;
    let server = Apart::measured(Server::builder().accept_compressed_all());
    for (coding, payload) in CODINGS {
        let bomb = coded(payload(&vec![0; LEN]));
        let neighbour = Neighbour::at(server.addr).await;
        let mut peer = server.peer(&[]).await;
        let before = temaki_heap::watched();
        temaki_heap::take_peak();
        let fields = request_with("/test.Kit/Join", &[("grpc-encoding", coding)]);
        for stream in streams(AT_ONCE) {
            peer.headers(stream, 0, &fields).await;
            peer.data_within_windows(stream, END_STREAM, &bomb).await;
        }
        for stream in streams(AT_ONCE) {
            let answer = peer.answer(stream).await;
            let text = answer.expect_status(code::RESOURCE_EXHAUSTED);
            assert!(text.contains("max_decoding_message_size"), "{text}");
        }
        let held = temaki_heap::take_peak() - before;
        println!("{AT_ONCE} bombs in {coding}: {} KiB held", held / KIB);
        // The payloads, the messages of those whose turn it is, and their windows.
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as isize;
        assert!(
            held < (AT_ONCE as isize) * bomb.len() as isize + cores * 20 * MIB,
            "{held}"
        );
        neighbour.stays_well().await;
    }
}

/// A client has them from a hostile server.
#[tokio::test]
async fn bombs_end_the_calls_of_a_client() {
    let server = RawServer::bind().await;
    let channel = Channel::connect_lazy(server.target())
        .unwrap()
        .accept_compressed_all();
    let mut peer = None;
    let mut stream = 1;
    for (coding, payload) in CODINGS {
        let bomb = coded(payload(&vec![0; LEN]));
        let mut calls = Vec::new();
        for _ in 0..16 {
            let channel = channel.clone();
            calls.push(tokio::spawn(async move {
                let path = PathAndQuery::from_static("/test.Kit/Echo");
                let request = Request::new(Bytes::new());
                channel.unary(path, BytesCodec, request).await
            }));
        }
        let peer = match &mut peer {
            Some(peer) => peer,
            none => none.insert(server.accept().await),
        };
        for _ in 0..16 {
            peer.expect_headers(stream).await;
            let fields = [response(), vec![("grpc-encoding", coding)]].concat();
            peer.headers(stream, 0, &fields).await;
            peer.data_within_windows(stream, 0, &bomb).await;
            stream += 2;
        }
        for call in calls {
            let status = soon("a status", call).await.unwrap().unwrap_err();
            assert_eq!(status.code(), temaki::Code::ResourceExhausted, "{status}");
        }
    }
}

/// A call that is reset while it waits for its turn, or inflates, leaves nothing.
#[tokio::test]
async fn bombs_that_are_reset_leave_nothing() {
    let server = TestServer::start(Server::builder().accept_compressed_all()).await;
    let bomb = coded(gzip(&vec![0; LEN]));
    for _ in 0..4 {
        let mut peer = server.peer().await;
        let fields = request_with("/test.Kit/Join", &[("grpc-encoding", "gzip")]);
        for stream in streams(64) {
            peer.headers(stream, 0, &fields).await;
            peer.data_within_windows(stream, END_STREAM, &bomb).await;
        }
        server
            .probe
            .until("the handlers", |counts| counts.live > 0)
            .await;
        drop(peer);
        server.probe.until_idle().await;
    }
    let mut peer = server.peer().await;
    let fields = request_with("/test.Kit/Join", &[("grpc-encoding", "gzip")]);
    peer.headers(1, 0, &fields).await;
    peer.data(1, END_STREAM, &coded(gzip(&vec![0; 1 << 20])))
        .await;
    assert_eq!(peer.answer(1).await.expect_one().len(), 1 << 20);
}
