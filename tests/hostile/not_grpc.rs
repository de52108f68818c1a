//! Not gRPC at all: a browser's form, a GET that a cache repeats, a JSON post. A server that runs its handler for
//! those can be driven from any web page.
//!
//! Guard: only POST (else HTTP 405) and only `content-type: application/grpc` (else HTTP 415) get to a handler
//! (`head.rs`); HTTP/1.1 and TLS on this port are told apart by their first bytes, and the connection ends.

use crate::*;

#[tokio::test]
async fn no_handler_runs_for_what_is_not_grpc() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    let path = "/test.Kit/Echo";
    let mut rows = Vec::new();
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        rows.push((request_but(path, ":method", Some(method)), "405"));
    }
    for kind in [
        "text/html",
        "text/plain",
        "application/json",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "application/grpcfoo",
        "application/grpc-web",
    ] {
        rows.push((request_but(path, "content-type", Some(kind)), "415"));
    }
    rows.push((request_but(path, "content-type", None), "415"));
    for (stream, (fields, expected)) in streams(rows.len() as u32).zip(&rows) {
        peer.call(stream, fields, "run me").await;
        let answer = peer.answer(stream).await;
        assert_eq!(answer.http_status(), *expected, "{fields:?}");
    }
    assert_eq!(server.probe.counts().started, 0);
    neighbour.stays_well().await;
}

#[tokio::test]
async fn another_protocol_ends_its_connection() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let rows: [&[u8]; 4] = [
        b"GET /test.Kit/Echo HTTP/1.1\r\nHost: test\r\n\r\n",
        b"POST /test.Kit/Echo HTTP/1.1\r\nContent-Type: application/grpc\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello of some length",
        b"SSH-2.0-OpenSSH_9.6 and then some more of it\r\n",
    ];
    for bytes in rows {
        let mut peer = Peer::silent(connect(server.addr).await);
        peer.raw(bytes).await;
        peer.expect_closed().await;
    }
    neighbour.stays_well().await;
    assert_eq!(server.probe.counts().started, 0);
}
