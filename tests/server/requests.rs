//! Rows 1–27 and 32–34: what a request must look like, and what one gets that does not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use temaki::codec::ProstCodec;
use temaki::server::Methods;
use temaki::{Request, Response, Server, Streaming};

use crate::support::*;

const ECHO: &str = "/test.Kit/Echo";

/// Asks with these headers and one message; the handler must not have run.
async fn refused(server: &TestServer, fields: &[(&str, &str)]) -> Answer {
    let started = server.probe.counts().started;
    let mut peer = server.peer().await;
    peer.call(1, fields, "anyone there?").await;
    let answer = peer.answer(1).await;
    assert_eq!(
        server.probe.counts().started,
        started,
        "a handler ran for {fields:?}"
    );
    answer
}

/// Asks with these headers and one message; the handler must have answered.
async fn served(server: &TestServer, fields: &[(&str, &str)]) {
    let mut peer = server.peer().await;
    peer.call(1, fields, "anyone there?").await;
    assert_eq!(peer.answer(1).await.expect_one(), "anyone there?");
}

#[tokio::test]
async fn b01_content_type_that_is_not_grpc_gets_415() {
    let server = TestServer::start(Server::builder()).await;
    for odd in [
        "application/grpcfoo",
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grp",
        "application/json",
        "text/html",
        "application/x-grpc",
        "",
    ] {
        let answer = refused(&server, &request_but(ECHO, "content-type", Some(odd))).await;
        assert_eq!(answer.http_status(), "415", "{odd:?}");
        assert!(answer.is_trailers_only, "END_STREAM at once: {odd:?}");
        assert_eq!(answer.status(), None, "not in gRPC's words: {odd:?}");
    }
}

#[tokio::test]
async fn b02_content_type_absent_gets_415() {
    let server = TestServer::start(Server::builder()).await;
    let answer = refused(&server, &request_but(ECHO, "content-type", None)).await;
    assert_eq!(
        (answer.http_status(), answer.is_trailers_only),
        ("415", true)
    );
}

#[tokio::test]
async fn b03_content_types_of_grpc_are_accepted() {
    let server = TestServer::start(Server::builder()).await;
    for fine in [
        "application/grpc",
        "application/grpc+proto",
        "APPLICATION/GRPC",
        "Application/Grpc+Proto",
        "application/grpc;charset=utf-8",
        "application/grpc; charset=utf-8",
        "application/grpc+proto;charset=utf-8",
    ] {
        served(&server, &request_but(ECHO, "content-type", Some(fine))).await;
    }
    for unknown in ["application/grpc+json", "application/grpc+thrift"] {
        let answer = refused(&server, &request_but(ECHO, "content-type", Some(unknown))).await;
        let message = answer.expect_status(code::UNIMPLEMENTED);
        assert!(message.contains(unknown), "{message}");
    }
}

#[tokio::test]
async fn b04_method_not_post_gets_405() {
    let server = TestServer::start(Server::builder()).await;
    for method in [
        "GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "post", "BREW",
    ] {
        let answer = refused(&server, &request_but(ECHO, ":method", Some(method))).await;
        assert_eq!(answer.http_status(), "405", "{method}");
        assert_eq!(answer.headers.get("allow"), Some("POST"), "{method}");
        assert!(answer.is_trailers_only, "{method}");
    }
}

#[tokio::test]
async fn b05_te_trailers_missing_is_tolerated() {
    let server = TestServer::start(Server::builder()).await;
    served(&server, &request_but(ECHO, "te", None)).await;
}

#[tokio::test]
async fn b06_unknown_service_and_method_are_told_apart() {
    let server = TestServer::start(Server::builder()).await;
    let rows = [
        (
            "/test.Kit/Absent",
            "the service test.Kit has no method Absent here",
        ),
        ("/test.Other/Echo", "no service test.Other is served here"),
        (
            "/",
            "the path names no method; expected /package.Service/Method",
        ),
        (
            "/test.Kit",
            "the path names no method; expected /package.Service/Method",
        ),
    ];
    for (path, expected) in rows {
        let answer = refused(&server, &request(path)).await;
        assert_eq!(
            answer.expect_status(code::UNIMPLEMENTED),
            expected,
            "{path}"
        );
        assert!(answer.is_trailers_only, "{path}");
    }
}

#[tokio::test]
async fn b07_path_is_matched_exactly() {
    let mut bare = Methods::new("Bare", Arc::new(()));
    bare.unary(
        "Length",
        ProstCodec::default(),
        |_, request: Request<String>| async move {
            let length = request.get_ref().len();
            Ok(Response::new(length as u64))
        },
    );
    let server = TestServer::start(Server::builder().add_service(bare)).await;
    served(&server, &request(ECHO)).await;
    for near in [
        "/test.kit/Echo",
        "/test.Kit/echo",
        "/TEST.KIT/ECHO",
        "/test.Kit/Echo/",
        "//test.Kit/Echo",
        "/test.Kit//Echo",
        "/test.Kit/./Echo",
        "/x/../test.Kit/Echo",
        "/test.Kit/%45cho",
        "/test%2EKit/Echo",
        "/Kit/Echo",
        "/test.Bare/Length",
    ] {
        let answer = refused(&server, &request(near)).await;
        answer.expect_status(code::UNIMPLEMENTED);
    }
    // A service without a package is `/Service/Method`.
    let mut peer = server.peer().await;
    peer.call(1, &request("/Bare/Length"), b"\x0a\x03abc").await;
    assert_eq!(peer.answer(1).await.expect_one(), &b"\x08\x03"[..]);
}

#[tokio::test]
async fn b08_grpc_timeout_out_of_its_grammar_is_refused() {
    let server = TestServer::start(Server::builder()).await;
    for bad in [
        "123456789S", // nine digits
        "S",          // no digit
        "5",          // no unit
        "5s",         // no such unit
        "5M5S",       // two
        "+5S",        // a sign
        "-1S",
        "5 S",
        "1.5S",
        "0x5S",
        "1e3m",
        "٥S", // a digit, but not one of ASCII
        "",
    ] {
        let fields = request_with(ECHO, &[("grpc-timeout", bad)]);
        let answer = refused(&server, &fields).await;
        let message = answer.expect_status(code::INTERNAL);
        assert!(message.contains("grpc-timeout"), "{bad:?}: {message}");
        assert!(answer.is_trailers_only, "{bad:?}");
    }
    for fine in ["99999999n", "20000000u", "20000m", "00000020S", "20M", "1H"] {
        served(&server, &request_with(ECHO, &[("grpc-timeout", fine)])).await;
    }
}

#[tokio::test]
async fn b09_the_longest_timeout_is_served() {
    let server = TestServer::start(Server::builder()).await;
    // 11,415 years, further than some clocks go.
    served(
        &server,
        &request_with(ECHO, &[("grpc-timeout", "99999999H")]),
    )
    .await;
}

#[tokio::test]
async fn b10_deadline_that_has_passed_runs_no_handler() {
    let server = TestServer::start(Server::builder()).await;
    for passed in ["0n", "0S", "0H", "00000000m", "1n"] {
        let fields = request_with(ECHO, &[("grpc-timeout", passed)]);
        let answer = refused(&server, &fields).await;
        answer.expect_status(code::DEADLINE_EXCEEDED);
        assert!(answer.is_trailers_only, "{passed}");
    }
}

//= GRPC-DEADLINE-SERVER  type=test
#[tokio::test]
async fn b11_deadline_drops_the_handler_and_says_so() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let soon = [("grpc-timeout", "150m")];
    // Before the headers.
    peer.call(1, &request_with("/test.Kit/Hang", &soon), "")
        .await;
    let answer = peer.answer(1).await;
    answer.expect_status(code::DEADLINE_EXCEEDED);
    assert!(answer.is_trailers_only);
    // In the middle of the answer.
    peer.call(3, &request_with("/test.Kit/Stay", &soon), "one")
        .await;
    let answer = peer.answer(3).await;
    answer.expect_status(code::DEADLINE_EXCEEDED);
    assert_eq!(answer.messages(), ["one"]);
    // In the middle of the request; then RST_STREAM(NO_ERROR), since it goes on.
    peer.headers(5, 0, &request_with("/test.Kit/Join", &soon))
        .await;
    peer.data(5, 0, &message("one")).await;
    let answer = peer.answer(5).await;
    answer.expect_status(code::DEADLINE_EXCEEDED);
    peer.expect_reset(5, NO_ERROR).await;
    // In the middle of a message.
    peer.headers(7, 0, &request_with(ECHO, &soon)).await;
    peer.data(7, 0, &message("one")[..6]).await;
    peer.answer(7).await.expect_status(code::DEADLINE_EXCEEDED);
    server.probe.until_idle().await;
}

//= GRPC-DEADLINE-SERVER  type=test
#[tokio::test]
async fn b11_deadline_of_a_blocked_answer_is_a_reset() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server
        .peer_with(&[(setting::INITIAL_WINDOW_SIZE, 10)])
        .await;
    peer.credits = false;
    let fields = request_with("/test.Kit/Endless", &[("grpc-timeout", "150m")]);
    peer.call(1, &fields, "ping").await;
    peer.expect_headers(1).await;
    assert_eq!(
        peer.expect_data(1).await.len(),
        10,
        "as much as was asked for"
    );
    peer.expect_reset(1, CANCEL).await;
    server.probe.until_idle().await;
}

/// A caller who takes all that it is sent hears how the call ended.
#[tokio::test]
async fn b11_deadline_of_an_answer_that_flows_is_told() {
    let limit = Duration::from_millis(100);
    let server = TestServer::start(Server::builder().timeout(limit)).await;
    let mut peer = server.peer().await;
    for stream in [1, 3, 5, 7, 9] {
        peer.call(stream, &request("/test.Kit/Endless"), vec![b'x'; 10_000])
            .await;
        let answer = peer.answer(stream).await;
        answer.expect_status(code::DEADLINE_EXCEEDED);
        assert!(answer.messages().len() > 1, "whole messages, and many");
    }
    server.probe.until_idle().await;
}

#[tokio::test]
async fn b11_the_servers_own_timeout_is_a_deadline_too() {
    let limit = Duration::from_millis(150);
    let server = TestServer::start(Server::builder().timeout(limit)).await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Kit/Hang"), "").await;
    peer.answer(1).await.expect_status(code::DEADLINE_EXCEEDED);
    // The earlier of both counts.
    let fields = request_with("/test.Kit/Hang", &[("grpc-timeout", "1H")]);
    peer.call(3, &fields, "").await;
    peer.answer(3).await.expect_status(code::DEADLINE_EXCEEDED);
    server.probe.until_idle().await;
}

#[tokio::test]
async fn b12_encoding_that_cannot_be_read_is_unimplemented() {
    let server = TestServer::start(Server::builder()).await;
    for unknown in ["gzip", "deflate", "zstd", "nonsense", "gzip, identity", ""] {
        let fields = request_with(ECHO, &[("grpc-encoding", unknown)]);
        let answer = refused(&server, &fields).await;
        let message = answer.expect_status(code::UNIMPLEMENTED);
        let accepted = answer.trailers.get("grpc-accept-encoding");
        let accepted = accepted.expect("what can be read");
        assert!(
            !accepted.split(',').any(|name| name.trim() == unknown),
            "{unknown:?} is not among {accepted:?}"
        );
        assert!(message.contains(accepted), "for people, too: {message}");
    }
}

//= COMP-FLAG-NO-HEADER  type=test
//= GRPC-LPM-NO-ENCODING  type=test
#[tokio::test]
async fn b13_compressed_flag_without_an_encoding_is_internal() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let mut stream = 1;
    for more in [&[][..], &[("grpc-encoding", "identity")]] {
        for path in [ECHO, "/test.Kit/Join"] {
            peer.headers(stream, 0, &request_with(path, more)).await;
            peer.data(stream, END_STREAM, &prefixed(1, "packed")).await;
            let answer = peer.answer(stream).await;
            let message = answer.expect_status(code::INTERNAL);
            assert!(message.contains("grpc-encoding"), "{message}");
            stream += 2;
        }
    }
}

#[tokio::test]
async fn b14_flag_that_is_neither_0_nor_1_is_internal() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let mut stream = 1;
    for flag in [2, 3, 0x80, 0xff] {
        for path in [ECHO, "/test.Kit/Join"] {
            peer.headers(stream, 0, &request(path)).await;
            peer.data(stream, END_STREAM, &prefixed(flag, "odd")).await;
            let answer = peer.answer(stream).await;
            answer.expect_status(code::INTERNAL);
            stream += 2;
        }
    }
    assert!(server.probe.next_end().await.is_err());
}

#[tokio::test]
async fn b16_encoding_announced_and_not_used() {
    let server = TestServer::start(Server::builder()).await;
    let fields = request_with(ECHO, &[("grpc-encoding", "identity")]);
    served(&server, &fields).await;
}

#[tokio::test]
async fn b19_an_answer_is_in_an_encoding_that_its_caller_reads() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let offers = [
        "gzip",
        "gzip,identity",
        "identity",
        "",
        ",,",
        "nonsense;q=1",
    ];
    for (index, offered) in offers.into_iter().enumerate() {
        let stream = 2 * index as u32 + 1;
        let fields = request_with(ECHO, &[("grpc-accept-encoding", offered)]);
        peer.call(stream, &fields, "a").await;
        let answer = peer.answer(stream).await;
        assert_eq!(answer.expect_one(), "a", "{offered:?}");
        let encoding = answer.headers.get("grpc-encoding");
        assert!(matches!(encoding, None | Some("identity")), "{offered:?}");
    }
}

//= CODE-TOO-LARGE  type=test
#[tokio::test]
async fn b20_message_over_the_limit_is_refused_by_its_prefix() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let too_long = [&[0][..], &(4 * 1024 * 1024 + 1_u32).to_be_bytes()].concat();
    for (stream, path) in [(1, ECHO), (3, "/test.Kit/Join"), (5, "/test.Kit/Repeat")] {
        peer.headers(stream, 0, &request(path)).await;
        peer.data(stream, 0, &too_long).await;
        let answer = peer.answer(stream).await;
        let message = answer.expect_status(code::RESOURCE_EXHAUSTED);
        assert!(message.contains("4194304"), "it names the limit: {message}");
        peer.expect_reset(stream, NO_ERROR).await;
    }
    // One byte less is served, on the same connection.
    let largest = vec![7; 4 * 1024 * 1024];
    peer.headers(7, 0, &request(ECHO)).await;
    peer.data_within_windows(7, END_STREAM, &message(&largest))
        .await;
    assert!(peer.answer(7).await.expect_one() == largest);
}

#[tokio::test]
async fn b20_the_fallback_has_limits_of_its_own() {
    let echo =
        |request: Request<Streaming<Bytes>>| async move { Ok(Response::new(request.into_inner())) };
    let limited = Server::builder()
        .fallback_max_decoding_message_size(4)
        .fallback(echo)
        .fallback_max_encoding_message_size(3);
    let generous = Server::builder()
        .fallback(echo)
        .fallback_max_decoding_message_size(5 * 1024 * 1024);
    const MIB: usize = 1024 * 1024;
    let rows = [
        (
            Server::builder().fallback(echo),
            4 * MIB,
            Ok(()),
            "as services, by default",
        ),
        (
            Server::builder().fallback(echo),
            4 * MIB + 1,
            Err("4194304"),
            "a byte more",
        ),
        (generous, 5 * MIB, Ok(()), "more, where it is allowed"),
    ];
    for (builder, size, expected, why) in rows {
        let server = TestServer::start(builder).await;
        let mut peer = server.peer().await;
        peer.headers(1, 0, &request("/any.Service/Echo")).await;
        let whole = message(vec![7; size]);
        match expected {
            Ok(()) => {
                peer.data_within_windows(1, END_STREAM, &whole).await;
                assert_eq!(peer.answer(1).await.expect_one().len(), size, "{why}");
            }
            Err(limit) => {
                peer.data(1, 0, &whole[..5]).await;
                let answer = peer.answer(1).await;
                let message = answer.expect_status(code::RESOURCE_EXHAUSTED);
                assert!(message.contains(limit), "{why}: {message}");
            }
        }
    }
    let server = TestServer::start(limited).await;
    let mut peer = server.peer().await;
    let rows = [
        (1, "abc", code::OK, ""),
        (
            3,
            "abcd",
            code::RESOURCE_EXHAUSTED,
            "max_encoding_message_size",
        ),
        (
            5,
            "abcde",
            code::RESOURCE_EXHAUSTED,
            "max_decoding_message_size",
        ),
    ];
    for (stream, text, code, names) in rows {
        peer.call(stream, &request("/any.Service/Echo"), text).await;
        let answer = peer.answer(stream).await;
        let message = answer.expect_status(code);
        assert!(message.contains(names), "{text}: {message}");
    }
    // The services beside it have their own.
    peer.call(7, &request(ECHO), "abcdef").await;
    assert_eq!(peer.answer(7).await.expect_one(), "abcdef");
}

#[tokio::test]
async fn b21_message_that_is_no_protobuf_is_internal() {
    let mut texts = Methods::new("test.Texts", Arc::new(()));
    let codec = ProstCodec::<String, String>::default();
    texts.unary("Echo", codec, |_, request: Request<String>| async move {
        Ok(Response::new(request.into_inner()))
    });
    let server = TestServer::start(Server::builder().add_service(texts)).await;
    let mut peer = server.peer().await;
    let rows: [(u32, &[u8], &str); 5] = [
        (1, b"\x0a\x05abc", "field 1 is longer than the message"),
        (3, b"\x0a", "a tag without its value"),
        (
            5,
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            "a tag without end",
        ),
        (7, b"\x0f", "wire type 7"),
        (9, b"\x0a\x02\xc3\x28", "a string that is no UTF-8"),
    ];
    for (stream, bytes, why) in rows {
        peer.call(stream, &request("/test.Texts/Echo"), bytes).await;
        let answer = peer.answer(stream).await;
        let message = answer.expect_status(code::INTERNAL);
        assert!(message.contains("decode"), "{why}: {message}");
    }
    peer.call(11, &request("/test.Texts/Echo"), b"\x0a\x02hi")
        .await;
    assert_eq!(peer.answer(11).await.expect_one(), &b"\x0a\x02hi"[..]);
}

//= CODE-CARDINALITY  type=test
#[tokio::test]
async fn b22_no_request_message_is_unimplemented() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    for (stream, path) in [(1, ECHO), (5, "/test.Kit/Repeat")] {
        peer.headers(stream, END_STREAM, &request(path)).await;
        peer.answer(stream).await.expect_status(code::UNIMPLEMENTED);
        peer.headers(stream + 2, 0, &request(path)).await;
        peer.data(stream + 2, END_STREAM, b"").await;
        let answer = peer.answer(stream + 2).await;
        let message = answer.expect_status(code::UNIMPLEMENTED);
        assert!(message.contains("0 messages"), "{message}");
    }
    assert_eq!(server.probe.counts().started, 0);
}

//= CODE-CARDINALITY  type=test
#[tokio::test]
async fn b23_two_request_messages_are_unimplemented() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let two = [message("one"), message("two")].concat();
    for (stream, path) in [(1, ECHO), (7, "/test.Kit/Repeat")] {
        // In one frame.
        peer.headers(stream, 0, &request(path)).await;
        peer.data(stream, END_STREAM, &two).await;
        // In two, the second with the end.
        peer.headers(stream + 2, 0, &request(path)).await;
        peer.data(stream + 2, 0, &two[..8]).await;
        peer.expect_nothing(stream + 2).await;
        peer.data(stream + 2, END_STREAM, &two[8..]).await;
        // In two, and no end.
        peer.headers(stream + 4, 0, &request(path)).await;
        peer.data(stream + 4, 0, &two[..8]).await;
        peer.data(stream + 4, 0, &two[8..]).await;
        for stream in [stream, stream + 2, stream + 4] {
            let answer = peer.answer(stream).await;
            let message = answer.expect_status(code::UNIMPLEMENTED);
            assert!(message.contains("more than 1"), "{message}");
        }
        peer.expect_reset(stream + 4, NO_ERROR).await;
    }
    assert_eq!(server.probe.counts().started, 0);
}

#[tokio::test]
async fn b24_truncated_message_is_internal() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let mut stream = 1;
    let whole = message("truncated");
    for path in [ECHO, "/test.Kit/Repeat", "/test.Kit/Join", "/test.Kit/Both"] {
        for cut in [1, 4, 5, whole.len() - 1] {
            peer.headers(stream, 0, &request(path)).await;
            peer.data(stream, END_STREAM, &whole[..cut]).await;
            peer.answer(stream).await.expect_status(code::INTERNAL);
            stream += 2;
        }
    }
    // The handler of a request stream has seen an error, and no end.
    for _ in 0..8 {
        let status = server.probe.next_end().await.unwrap_err();
        assert_eq!(status.code(), temaki::Code::Internal, "{status:?}");
    }
    // Truncation after a whole message is no better, in one frame or in two.
    for path in [ECHO, "/test.Kit/Join"] {
        let tail = [&whole[..], &whole[..7]].concat();
        peer.headers(stream, 0, &request(path)).await;
        peer.data(stream, END_STREAM, &tail).await;
        peer.answer(stream).await.expect_status(code::INTERNAL);
        peer.headers(stream + 2, 0, &request(path)).await;
        peer.data(stream + 2, 0, &tail[..whole.len()]).await;
        peer.data(stream + 2, END_STREAM, &tail[whole.len()..])
            .await;
        let answer = peer.answer(stream + 2).await;
        answer.expect_status(code::INTERNAL);
        stream += 4;
    }
}

#[tokio::test]
async fn b25_data_frames_and_messages_need_not_align() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let join = request("/test.Kit/Join");
    let three = [message("one"), message(""), message("three")].concat();

    // Many messages in one frame.
    peer.headers(1, 0, &join).await;
    peer.data(1, END_STREAM, &three).await;
    assert_eq!(peer.answer(1).await.expect_one(), "onethree");

    // A frame for each byte.
    peer.headers(3, 0, &join).await;
    for byte in &three {
        peer.data(3, 0, &[*byte]).await;
    }
    peer.data(3, END_STREAM, b"").await;
    assert_eq!(peer.answer(3).await.expect_one(), "onethree");

    // Padding: its length, the data, as many zeros.
    peer.headers(5, 0, &join).await;
    for part in [&three[..3], &three[3..]] {
        let padded = [&[9], part, &[0; 9]].concat();
        peer.frame(kind::DATA, PADDED, 5, &padded).await;
    }
    peer.frame(kind::DATA, PADDED | END_STREAM, 5, &[3, 0, 0, 0])
        .await;
    assert_eq!(peer.answer(5).await.expect_one(), "onethree");

    // Empty frames in the middle.
    peer.headers(7, 0, &join).await;
    peer.data(7, 0, b"").await;
    peer.data(7, 0, &three[..6]).await;
    peer.data(7, 0, b"").await;
    peer.data(7, END_STREAM, &three[6..]).await;
    assert_eq!(peer.answer(7).await.expect_one(), "onethree");

    // Other frames in between: credit, and a type that nobody knows.
    peer.headers(9, 0, &join).await;
    peer.data(9, 0, &three[..6]).await;
    peer.frame(0x99, 0xff, 9, b"whatever").await;
    peer.window_update(9, 1).await;
    peer.data(9, END_STREAM, &three[6..]).await;
    assert_eq!(peer.answer(9).await.expect_one(), "onethree");
}

#[tokio::test]
async fn b25_prefix_cut_at_every_offset() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let two = [message("first"), message("second")].concat();
    let mut stream = 1;
    for first in 0..=two.len() {
        for second in first..=two.len() {
            peer.headers(stream, 0, &request("/test.Kit/Both")).await;
            peer.data(stream, 0, &two[..first]).await;
            peer.data(stream, 0, &two[first..second]).await;
            peer.data(stream, END_STREAM, &two[second..]).await;
            let answer = peer.answer(stream).await;
            answer.expect_status(0);
            assert_eq!(answer.messages(), ["first", "second"], "{first}, {second}");
            stream += 2;
        }
    }
}

#[tokio::test]
async fn b26_zero_length_message_is_a_message() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    peer.call(1, &request(ECHO), "").await;
    let answer = peer.answer(1).await;
    answer.expect_status(0);
    assert_eq!(answer.body, &[0, 0, 0, 0, 0][..]);
    peer.headers(3, 0, &request("/test.Kit/Both")).await;
    peer.data(3, END_STREAM, &[0; 10]).await;
    let answer = peer.answer(3).await;
    answer.expect_status(0);
    assert_eq!(answer.messages(), ["", ""]);
}

//= GRPC-REQ-EOS  type=test
#[tokio::test]
async fn b27_half_close_on_data_on_empty_data_or_on_headers() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    // On the last DATA.
    peer.call(1, &request(ECHO), "a").await;
    assert_eq!(peer.answer(1).await.expect_one(), "a");
    // On an empty DATA after it; until then the call is not answered.
    peer.headers(3, 0, &request(ECHO)).await;
    peer.data(3, 0, &message("b")).await;
    peer.expect_nothing(3).await;
    assert_eq!(
        server.probe.counts().started,
        1,
        "a second message could come"
    );
    peer.data(3, END_STREAM, b"").await;
    assert_eq!(peer.answer(3).await.expect_one(), "b");
    // On HEADERS: no message at all, which is a request stream of none.
    peer.headers(5, END_STREAM, &request("/test.Kit/Join"))
        .await;
    assert_eq!(peer.answer(5).await.expect_one(), "");
    peer.headers(7, END_STREAM, &request("/test.Kit/Both"))
        .await;
    let answer = peer.answer(7).await;
    answer.expect_status(0);
    assert_eq!(answer.body, "");
    // HTTP/2 lets a request have trailers. gRPC has no use for them, and no quarrel.
    peer.headers(9, 0, &request(ECHO)).await;
    peer.data(9, 0, &message("c")).await;
    peer.headers(9, END_STREAM, &[("x-checksum", "1")]).await;
    assert_eq!(peer.answer(9).await.expect_one(), "c");
}

//= GRPC-HDR-LIMIT  type=test
#[tokio::test]
async fn b32_request_headers_over_the_limit_get_431() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    assert_eq!(
        peer.settings.get(&setting::MAX_HEADER_LIST_SIZE),
        Some(&16_384),
        "the limit is announced"
    );
    peer.headers(1, 0, &request("/test.Kit/Hang")).await;
    let large = "x".repeat(20_000);
    let fields = request_with(ECHO, &[("x-large", &large)]);
    // In two frames, since a frame holds 16 KiB.
    let block = hpack::encode(&fields);
    let (first, second) = block.split_at(16_000);
    peer.frame(kind::HEADERS, END_STREAM, 3, first).await;
    peer.frame(kind::CONTINUATION, END_HEADERS, 3, second).await;
    let answer = peer.answer(3).await;
    assert_eq!(
        (answer.http_status(), answer.is_trailers_only),
        ("431", true)
    );
    // Just below it all is well, and the neighbour has felt nothing.
    let large = "x".repeat(15_000);
    peer.call(5, &request_with(ECHO, &[("x-large", &large)]), "a")
        .await;
    assert_eq!(peer.answer(5).await.expect_one(), "a");
    peer.expect_nothing(1).await;
    assert_eq!(server.probe.counts().started, 1);
}

#[tokio::test]
async fn b33_headers_of_http1_and_two_authorities_are_malformed() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let rows: [(u32, &[(&str, &str)]); 7] = [
        (1, &[("connection", "keep-alive")]),
        (3, &[("transfer-encoding", "chunked")]),
        (5, &[("upgrade", "h2c")]),
        (7, &[("keep-alive", "1")]),
        (9, &[("te", "gzip")]),
        (11, &[(":authority", "other")]),
        (13, &[(":path", "/test.Kit/Fail")]),
    ];
    for (stream, odd) in rows {
        peer.call(stream, &request_with(ECHO, odd), "").await;
        peer.expect_reset(stream, PROTOCOL_ERROR).await;
    }
    // Two `host` headers are two authorities as well; to HTTP/2 they are ordinary headers.
    let hosts = [("host", "a"), ("host", "b")];
    let answer = refused(&server, &request_with(ECHO, &hosts)).await;
    assert_eq!(answer.http_status(), "400");
    served(&server, &request_with(ECHO, &[("host", "test")])).await;
    assert_eq!(server.probe.counts().started, 1);
}

#[tokio::test]
async fn b34_streams_over_the_limit_are_refused() {
    let server = TestServer::start(Server::builder().max_concurrent_streams(2)).await;
    let mut peer = server.peer().await;
    assert_eq!(
        peer.settings.get(&setting::MAX_CONCURRENT_STREAMS),
        Some(&2)
    );
    for stream in [1, 3, 5] {
        peer.call(stream, &request("/test.Kit/Gate"), "a").await;
    }
    peer.expect_reset(5, REFUSED_STREAM).await;
    assert_eq!(server.probe.counts().started, 2);
    server.probe.open_gate(1);
    let first = peer.answer(1).await;
    first.expect_status(0);
    // There is room again.
    server.probe.open_gate(2);
    peer.call(7, &request("/test.Kit/Gate"), "b").await;
    assert_eq!(peer.answer(7).await.expect_one(), "b");
    peer.answer(3).await.expect_status(0);
    assert_eq!(server.probe.counts().peak, 2);
}
