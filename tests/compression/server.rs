//! A server, and a raw client.

use temaki::server::Methods;

use crate::*;

/// A server that reads everything and writes gzip.
async fn server() -> TestServer {
    let builder = Server::builder().accept_compressed_all();
    TestServer::start(builder.send_compressed(CompressionEncoding::Gzip)).await
}

fn request_in<'a>(path: &'a str, coding: &'a str) -> Vec<(&'a str, &'a str)> {
    request_with(path, &[("grpc-encoding", coding)])
}

//= GRPC-LPM-FRESH-CONTEXT  type=test
#[tokio::test]
async fn b16_b17_b18_each_coding_is_read_in_each_kind_of_call() {
    let server = server().await;
    let mut peer = server.peer().await;
    let mut stream = 1;
    let message_of = long();
    for (coding, payload) in CODINGS {
        let one = coded(payload(&message_of));
        let plain = message("as it is");
        peer.headers(stream, 0, &request_in(ECHO, coding)).await;
        peer.data(stream, END_STREAM, &one).await;
        let answer = peer.answer(stream).await;
        assert_eq!(answer.expect_one(), message_of, "{coding}");
        let offered = answer.headers.get("grpc-accept-encoding").expect("a list");
        assert!(offered.contains(coding), "b17: {offered}");
        assert_eq!(
            answer.headers.get("grpc-encoding"),
            None,
            "nothing was asked for"
        );
        // The same message again, so that a window that was kept would be noticed; and one that is not compressed.
        for path in ["/test.Kit/Join", "/test.Kit/Both"] {
            stream += 2;
            peer.headers(stream, 0, &request_in(path, coding)).await;
            for (bytes, flags) in [(&one, 0), (&plain, 0), (&one, END_STREAM)] {
                peer.data(stream, flags, bytes).await;
            }
            let answer = peer.answer(stream).await;
            answer.expect_status(code::OK);
            let expected = [&message_of[..], b"as it is", &message_of].concat();
            assert!(answer.messages().concat() == expected, "{coding} {path}");
        }
        stream += 2;
    }
}

//= COMP-UNSUPPORTED  type=test
#[tokio::test]
async fn b12_what_is_not_enabled_is_unimplemented_and_the_text_names_the_remedy() {
    let gzip_alone = Server::builder().accept_compressed(CompressionEncoding::Gzip);
    for (builder, accepted) in [
        (Server::builder(), "identity"),
        (gzip_alone, "gzip,identity"),
    ] {
        let server = TestServer::start(builder).await;
        let mut peer = server.peer().await;
        for (stream, coding) in [(1, "zstd"), (3, "deflate"), (5, "br")] {
            peer.headers(stream, 0, &request_in(ECHO, coding)).await;
            peer.data(stream, END_STREAM, &coded("whatever")).await;
            let answer = peer.answer(stream).await;
            let text = answer.expect_status(code::UNIMPLEMENTED);
            assert!(text.contains("accept_compressed_all()"), "{text}");
            assert!(text.contains(coding), "{text}");
            let offered = answer.headers.get("grpc-accept-encoding");
            assert_eq!(offered, Some(accepted));
        }
        assert_eq!(server.probe.counts().started, 0);
    }
}

//= COMP-CORRUPT  type=test
#[tokio::test]
async fn b13_b14_b15_what_is_corrupt_or_not_announced_is_internal() {
    let server = server().await;
    let mut peer = server.peer().await;
    let mut stream = 1;
    for (coding, payload) in CODINGS {
        let good = payload(&long());
        let rows: [(Bytes, Option<&str>, &str); 5] = [
            (coded(&good), None, "a flag, and no coding"),
            (coded(&good), Some("identity"), "the same in many words"),
            (prefixed(2, &good), Some(coding), "an unknown flag"),
            (coded(&good[..good.len() / 2]), Some(coding), "half of it"),
            (coded("nonsense"), Some(coding), "something else"),
        ];
        for (bytes, encoding, why) in rows {
            for path in [ECHO, "/test.Kit/Join"] {
                let mut fields = request(path);
                fields.extend(encoding.map(|name| ("grpc-encoding", name)));
                peer.headers(stream, 0, &fields).await;
                peer.data(stream, END_STREAM, &bytes).await;
                let answer = peer.answer(stream).await;
                assert_eq!(answer.status(), Some("13"), "{coding}: {why}");
                stream += 2;
            }
        }
    }
    // What failed leaves the connection, and the next message, as they were.
    peer.headers(stream, 0, &request_in(ECHO, "gzip")).await;
    peer.data(stream, END_STREAM, &coded(gzip(b"well"))).await;
    assert_eq!(peer.answer(stream).await.expect_one(), "well");
}

#[tokio::test]
async fn b20_the_limit_holds_for_the_payload_and_for_the_message() {
    let server = server().await;
    let mut peer = server.peer().await;
    let most = vec![0; 4 << 20];
    let more = vec![0; (4 << 20) + 1];
    let mut stream = 1;
    for (coding, payload) in CODINGS {
        for (message, expected) in [(&most, code::OK), (&more, code::RESOURCE_EXHAUSTED)] {
            peer.headers(stream, 0, &request_in("/test.Kit/Join", coding))
                .await;
            peer.data(stream, END_STREAM, &coded(payload(message)))
                .await;
            let answer = peer.answer(stream).await;
            let text = answer.expect_status(expected);
            if expected != code::OK {
                assert!(text.contains("max_decoding_message_size"), "{text}");
            }
            stream += 2;
        }
    }
}

#[tokio::test]
async fn a_zstd_window_above_8_mib_is_refused() {
    let server = server().await;
    let mut peer = server.peer().await;
    let rows = [
        (13 << 3, code::OK),
        (13 << 3 | 1, code::RESOURCE_EXHAUSTED),
        (0xff, code::RESOURCE_EXHAUSTED),
    ];
    for (stream, (window, expected)) in [1, 3, 5].into_iter().zip(rows) {
        peer.headers(stream, 0, &request_in(ECHO, "zstd")).await;
        peer.data(
            stream,
            END_STREAM,
            &coded(zstd_with_window(window, &long())),
        )
        .await;
        peer.answer(stream).await.expect_status(expected);
    }
}

//= COMP-ASYMMETRIC  type=test
#[tokio::test]
async fn b19_the_response_is_in_a_coding_that_the_client_listed_or_as_it_is() {
    let server = server().await;
    let mut peer = server.peer().await;
    let short = b"short".to_vec();
    let rows: [(&str, &[u8], bool, &str); 5] = [
        ("gzip", &long(), true, "listed, and long enough"),
        ("identity, deflate, gzip", &long(), true, "among others"),
        ("zstd", &long(), false, "what the server does not write"),
        ("", &long(), false, "nothing"),
        ("gzip", &short, false, "too short to gain anything"),
    ];
    for (stream, (theirs, request_of, is_coded, why)) in [1, 3, 5, 7, 9].into_iter().zip(rows) {
        let fields = request_with(ECHO, &[("grpc-accept-encoding", theirs)]);
        peer.headers(stream, 0, &fields).await;
        peer.data(stream, END_STREAM, &message(request_of)).await;
        let answer = peer.answer(stream).await;
        answer.expect_status(code::OK);
        let expected = theirs.contains("gzip").then_some("gzip");
        assert_eq!(answer.headers.get("grpc-encoding"), expected, "{why}");
        assert_eq!(answer.body[0], u8::from(is_coded), "{why}");
        let found = match is_coded {
            true => gunzip(&answer.body[5..]),
            false => answer.body[5..].to_vec(),
        };
        assert_eq!(found, request_of, "{why}");
    }
}

#[tokio::test]
async fn one_call_and_one_message_of_a_stream_may_be_sent_as_they_are() {
    let mut methods = Methods::new("test.Some", std::sync::Arc::new(()))
        .send_compressed(CompressionEncoding::Gzip)
        .compression_threshold(10);
    methods.unary("Plain", BytesCodec, |_, request: Request<Bytes>| async {
        let mut response = Response::new(request.into_inner());
        response.disable_compression();
        Ok(response)
    });
    methods.server_streaming("Sink", BytesCodec, |_, request: Request<Bytes>| async {
        let message = request.into_inner();
        Ok(Response::new(temaki::ResponseStream::new(
            async move |mut out| {
                out.send(message.clone()).await?;
                out.send_as_is(message.clone()).await?;
                out.send(message).await
            },
        )))
    });
    methods.server_streaming("Stream", BytesCodec, |_, request: Request<Bytes>| async {
        let message = request.into_inner();
        let messages = (0..3).map(move |n| match n {
            1 => Ok(temaki::codec::send_as_is(message.clone())),
            _ => Ok::<_, Status>(message.clone()),
        });
        Ok(Response::new(futures_util::stream::iter(messages)))
    });
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let mut peer = server.peer().await;
    let rows = [
        ("Plain", &[0][..]),
        ("Sink", &[1, 0, 1]),
        ("Stream", &[1, 0, 1]),
    ];
    for (stream, (method, flags)) in [1, 3, 5].into_iter().zip(rows) {
        let path = format!("/test.Some/{method}");
        let fields = request_with(&path, &[("grpc-accept-encoding", "gzip")]);
        peer.headers(stream, 0, &fields).await;
        peer.data(stream, END_STREAM, &message([7; 100])).await;
        let answer = peer.answer(stream).await;
        answer.expect_status(code::OK);
        let encoding = answer.headers.get("grpc-encoding");
        assert_eq!(encoding, (method != "Plain").then_some("gzip"), "{method}");
        assert_eq!(flags_of(answer), flags, "{method}");
    }
}

/// The Compressed-Flag of each message.
fn flags_of(answer: Answer) -> Vec<u8> {
    let (mut body, mut found) = (answer.body, Vec::new());
    while !body.is_empty() {
        found.push(body[0]);
        let len = u32::from_be_bytes(body[1..5].try_into().unwrap());
        body = body.split_off(5 + len as usize);
    }
    found
}

/// A mark is for the message that was marked. In a call that compresses nothing it has no meaning, and a message that never leaves takes
/// its mark along.
#[tokio::test]
async fn a_mark_to_send_as_is_never_meets_another_message() {
    use futures_util::{StreamExt, future, stream};
    use temaki::codec::send_as_is;

    let mut methods = Methods::new("test.Some", std::sync::Arc::new(()))
        .send_compressed(CompressionEncoding::Gzip)
        .compression_threshold(10);
    methods.unary("One", BytesCodec, |_, request: Request<Bytes>| async {
        Ok(Response::new(request.into_inner()))
    });
    methods.server_streaming("Marked", BytesCodec, |_, request: Request<Bytes>| async {
        let messages = stream::iter([request.into_inner()]);
        let messages = messages.map(|message| Ok::<_, Status>(send_as_is(message)));
        Ok(Response::new(messages))
    });
    methods.server_streaming("Dropped", BytesCodec, |_, request: Request<Bytes>| async {
        let messages = stream::iter([request.into_inner()]);
        let messages = messages.map(|message| Ok::<_, Status>(send_as_is(message)));
        Ok(Response::new(messages.filter(|_| future::ready(false))))
    });
    methods.server_streaming("Plain", BytesCodec, |_, request: Request<Bytes>| async {
        let messages = stream::iter([request.into_inner()]);
        Ok(Response::new(messages.map(Ok::<_, Status>)))
    });
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let mut peer = server.peer().await;
    let mut stream = 1;
    for marking in ["Marked", "Dropped"] {
        for reads in ["identity", "gzip"] {
            for next in ["One", "Plain"] {
                for (method, reads) in [(marking, reads), (next, "gzip")] {
                    let path = format!("/test.Some/{method}");
                    let fields = request_with(&path, &[("grpc-accept-encoding", reads)]);
                    peer.headers(stream, 0, &fields).await;
                    peer.data(stream, END_STREAM, &message([7; 100])).await;
                    let answer = peer.answer(stream).await;
                    answer.expect_status(code::OK);
                    if method == next {
                        assert_eq!(flags_of(answer), [1], "{next} after {marking}, {reads}");
                    }
                    stream += 2;
                }
            }
        }
    }
}
