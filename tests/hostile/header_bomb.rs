//! HPACK bomb: a large header is put into the compression table once, and then named by one byte, thousands of
//! times; a few KiB on the wire are megabytes of headers. Its plain sister is the header list that is just large.
//!
//! Guard: `max_header_list_size` 16 KiB, counted by `h2` after decompression. A request over it is answered HTTP
//! 431 on its own stream, without the handler and without a gRPC status (`h2` answers by itself); one four times
//! over it is an attack, and the connection ends with GOAWAY ENHANCE_YOUR_CALM.

use crate::*;

/// A header literal that goes into the table (RFC 7541 §6.2.1).
fn indexed_literal(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0x40];
    for text in [name, value] {
        hpack::integer(text.len(), &mut block);
        block.extend_from_slice(text.as_bytes());
    }
    block
}

#[tokio::test]
async fn a_header_named_thousands_of_times_is_cut_at_the_first_block() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    let mut block = hpack::encode(&request("/test.Kit/Hang"));
    block.extend(indexed_literal("x-bomb", &"b".repeat(3000)));
    // Index 62 is the newest entry of the table: one byte stands for 3 KiB.
    block.extend([0x80 | 62; 8000]);
    let bomb = frame::encode(kind::HEADERS, END_HEADERS, 1, &block);
    cut(&mut peer, &bomb, ENHANCE_YOUR_CALM).await;
    assert_eq!(server.probe.counts().started, 0);
    neighbour.stays_well().await;
}

//= GRPC-HDR-LIMIT  type=test
#[tokio::test]
async fn a_large_header_list_fails_its_stream_and_no_other() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Kit/Gate"), "a neighbour")
        .await;
    server.probe.until_started(1).await;
    let large = "v".repeat(20_000);
    peer.headers(
        3,
        END_STREAM,
        &request_with("/test.Kit/Echo", &[("x-large", &large)]),
    )
    .await;
    assert_eq!(peer.answer(3).await.http_status(), "431");
    // Many small fields are counted with 32 bytes each: 600 of them are 16 KiB, whatever is in them.
    let many = vec![("x", ""); 600];
    peer.headers(5, END_STREAM, &request_with("/test.Kit/Echo", &many))
        .await;
    assert_eq!(peer.answer(5).await.http_status(), "431");
    // Just within the limit.
    let fits = "v".repeat(15_500);
    peer.call(
        7,
        &request_with("/test.Kit/Echo", &[("x-large", &fits)]),
        "hi",
    )
    .await;
    assert_eq!(peer.answer(7).await.expect_one(), "hi");
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "a neighbour");
}
