//! Log injection: what a peer sends ends up in somebody's terminal or log. Line breaks forge log lines, escape
//! sequences take over a terminal, a bad encoding makes a careless reader lose the status behind it.
//!
//! Guard: `h2` refuses CR, LF and NUL in header values; `grpc-message` is decoded leniently and never costs the
//! code; a `Status` shown to people has its control characters escaped and is cut at 4 KiB. What a server
//! repeats of a path is percent-encoded on the wire.

use crate::*;

#[tokio::test]
async fn a_servers_message_cannot_forge_a_line_nor_hide_its_code() {
    let rows = [
        ("a%0Aforged: line", "a\nforged: line"),
        ("%1B[2Jgone", "\u{1b}[2Jgone"),
        ("%FF%FE not text", "\u{fffd}\u{fffd} not text"),
        ("100%", "100%"),
        ("%zz%4", "%zz%4"),
    ];
    let server = RawServer::bind().await;
    let (channel, mut peer) = tokio::join!(Channel::connect(server.target()), server.accept());
    let channel = channel.unwrap();
    for (sent, text) in rows {
        let call = tokio::spawn({
            let channel = channel.clone();
            async move {
                let path = PathAndQuery::from_static("/test.Kit/Echo");
                channel
                    .unary(path, BytesCodec, Request::new(Bytes::new()))
                    .await
            }
        });
        let (stream, _) = peer.expect_request().await;
        let mut only = response();
        only.extend([("grpc-status", "5"), ("grpc-message", sent)]);
        peer.headers(stream, END_STREAM, &only).await;
        let status = soon("the status", call).await.unwrap().unwrap_err();
        assert_eq!(status.code(), temaki::Code::NotFound, "{sent}");
        assert_eq!(status.message(), text);
        for shown in [format!("{status}"), format!("{status:?}")] {
            let plain = !shown.chars().any(char::is_control);
            assert!(plain, "control characters are escaped: {shown:?}");
        }
    }
    let long = temaki::Status::not_found("x".repeat(100_000)).to_string();
    assert!(long.len() <= 4096 + 100, "cut for logs: {}", long.len());
}

#[tokio::test]
async fn a_path_comes_back_without_control_characters() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    // What no URI may hold is refused by h2, on its stream.
    for (stream, path) in [(1, "/a\nb/c"), (3, "/a\u{1b}[2J/c"), (5, "/a\0/c")] {
        peer.headers(stream, END_STREAM, &request(path)).await;
        match peer.next(stream).await {
            Some(Frame::Reset { code, .. }) => assert_eq!(code, PROTOCOL_ERROR, "{path:?}"),
            Some(Frame::Headers { fields, .. }) => {
                assert_eq!(fields.get(":status"), Some("400"), "{path:?}");
            }
            other => panic!("{path:?}: {other:?}"),
        }
    }
    peer.headers(7, END_STREAM, &request("/a%0Ab/c%1B")).await;
    let answer = peer.answer(7).await;
    let text = answer.expect_status(code::UNIMPLEMENTED);
    assert!(text.contains("a%250Ab"), "as it was sent, escaped: {text}");
}
