//! Malformed messages: flags that do not exist, a message that ends too early, none where one is due, two where
//! one is. A server that takes the first and ignores the rest can be made to see another request than the proxy
//! before it saw.
//!
//! Guard: each is an error, and the handler of a unary method does not run (`wire/length_prefixed.rs`,
//! `call/reader.rs`, `server/request.rs`).

use crate::*;

//= GRPC-LPM-NO-ENCODING  type=test
//= COMP-FLAG-NO-HEADER  type=test
//= CODE-CARDINALITY  type=test
#[tokio::test]
async fn no_handler_runs_for_a_malformed_message() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    let two = [message("one"), message("two")].concat();
    let rows: [(&[u8], u32, &str); 9] = [
        (
            &prefixed(1, "a"),
            code::INTERNAL,
            "compressed, but by what?",
        ),
        (&prefixed(2, "a"), code::INTERNAL, "a flag of 2"),
        (&prefixed(255, "a"), code::INTERNAL, "a flag of 255"),
        (b"\0\0\0", code::INTERNAL, "cut in the prefix"),
        (b"\0\0\0\0\x09short", code::INTERNAL, "cut in the message"),
        (b"", code::UNIMPLEMENTED, "no message"),
        (&two, code::UNIMPLEMENTED, "two messages"),
        (
            b"\0\0\0\0\x01a\0",
            code::INTERNAL,
            "a message and the beginning of another",
        ),
        (
            b"\0\0\0\0\x01a\x07\0\0\0\0",
            code::INTERNAL,
            "a message and a broken one",
        ),
    ];
    for (stream, (bytes, expected, why)) in streams(rows.len() as u32).zip(rows) {
        peer.headers(stream, 0, &request("/test.Kit/Echo")).await;
        peer.data(stream, END_STREAM, bytes).await;
        let answer = peer.answer(stream).await;
        assert_eq!(
            answer.status(),
            Some(expected.to_string().as_str()),
            "{why}: {answer:?}"
        );
        assert_eq!(server.probe.counts().started, 0, "{why}");
    }
    neighbour.stays_well().await;
}
