//! Rows 45 to 64: what a client makes of an answer, however it is put.

use bytes::Bytes;
use temaki::{Code, Origin, Response, Status};

use crate::kit::*;
use crate::support::*;

/// An answer of these headers, one message, and these trailers.
async fn say(peer: &mut Peer, stream: u32, head: &[(&str, &str)], tail: &[(&str, &str)]) {
    peer.headers(stream, 0, head).await;
    peer.data(stream, 0, &message("b")).await;
    peer.headers(stream, END_STREAM, tail).await;
}

/// What a caller makes of a Trailers-Only answer with these fields.
async fn trailers_only(fields: &[(&str, &str)]) -> Result<Response<Bytes>, Status> {
    let headers = response_with(fields);
    reply_to_unary(async |peer: &mut Peer, stream| {
        peer.headers(stream, END_STREAM, &headers).await;
    })
    .await
}

//= GRPC-HDR-LIMIT  type=test
#[tokio::test]
async fn b45_response_headers_over_the_limit_end_their_call_alone() {
    let knobs = |endpoint: temaki::Endpoint| endpoint.http2_max_header_list_size(4096);
    let (channel, mut peer) = connected_with(knobs, &[]).await;
    let announced = peer.settings.get(&setting::MAX_HEADER_LIST_SIZE);
    assert_eq!(announced, Some(&4096), "the limit is announced");
    let neighbour = unary(&channel, "n");
    let beside = peer.expect_call("n").await;
    for size in [4096, 8192, 4 * 4096 - 200] {
        let call = unary(&channel, "a");
        let stream = peer.expect_call("a").await;
        let large = "x".repeat(size);
        let fields = response_with(&[("x-large", &large)]);
        peer.headers(stream, 0, &fields).await;
        peer.expect_reset(stream, PROTOCOL_ERROR).await;
        let status = failed(call).await;
        assert_eq!(status.code(), Code::Internal, "{size}: {status:?}");
        let text = status.message();
        assert!(text.contains("http2_max_header_list_size"), "{text}");
    }
    // Below it all is well, and the neighbour has felt nothing.
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    let large = "x".repeat(3900);
    say(
        &mut peer,
        stream,
        &response_with(&[("x-large", &large)]),
        &[("grpc-status", "0")],
    )
    .await;
    let answer = ended(call).await.unwrap();
    assert_eq!(answer.metadata().get("x-large").unwrap().len(), 3900);
    peer.respond(beside, "still here").await;
    assert_eq!(answered(neighbour).await, "still here");
}

/// `h2` drops the fields that do not fit, and says nothing of it: what stood before them counts.
#[tokio::test]
async fn b45_trailers_over_the_limit_keep_what_fits() {
    let knobs = |endpoint: temaki::Endpoint| endpoint.http2_max_header_list_size(4096);
    let (channel, mut peer) = connected_with(knobs, &[]).await;
    let large = "x".repeat(8192);
    #[rustfmt::skip]
    let rows: [(&[(&str, &str)], _, &str); 3] = [
        (&[("grpc-status", "5"), ("grpc-message", "why"), ("x-large", &large)], Code::NotFound, "the status came first"),
        (&[("grpc-status", "5"), ("grpc-message", &large)], Code::NotFound, "its message is what does not fit"),
        (&[("x-large", &large), ("grpc-status", "0")], Code::Unknown, "the status is lost"),
    ];
    for (trailers, code, why) in rows {
        let call = unary(&channel, "a");
        let stream = peer.expect_call("a").await;
        say(&mut peer, stream, &response(), trailers).await;
        let status = failed(call).await;
        assert_eq!(status.code(), code, "{why}: {status:?}");
    }
    peer.expect_nothing(0).await;
}

/// More than four times the limit is taken for an attack; the next call finds another connection.
#[tokio::test]
async fn b45_header_lists_four_times_over_the_limit_end_the_connection() {
    let server = RawServer::bind().await;
    let endpoint = temaki::Endpoint::new(server.target()).unwrap();
    let channel = endpoint.http2_max_header_list_size(4096).connect_lazy();
    let call = unary(&channel, "a");
    let mut peer = server.accept().await;
    let stream = peer.expect_call("a").await;
    let large = "x".repeat(4 * 4096 + 1);
    let block = hpack::encode(&response_with(&[("x-large", &large)]));
    let (first, second) = block.split_at(16_000);
    peer.frame(kind::HEADERS, 0, stream, first).await;
    peer.frame(kind::CONTINUATION, END_HEADERS, stream, second)
        .await;
    let status = failed(call).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
    let call = unary(&channel, "again");
    let mut peer = server.accept().await;
    let stream = peer.expect_call("again").await;
    peer.respond(stream, "b").await;
    assert_eq!(answered(call).await, "b");
}

#[tokio::test]
async fn b46_trailers_only_is_one_status_and_its_metadata_is_trailing() {
    let fields = [
        ("grpc-encoding", "gzip"),
        ("grpc-status", "5"),
        ("grpc-message", "no such user"),
        ("x-shard", "7"),
    ];
    let status = trailers_only(&fields).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "no such user")
    );
    assert_eq!(status.origin(), Origin::Peer);
    let keys: Vec<_> = status
        .metadata()
        .keys()
        .map(|key| format!("{key:?}"))
        .collect();
    assert_eq!(keys.len(), 1, "no content-type, no grpc-anything: {keys:?}");
    assert_eq!(status.metadata().get("x-shard").unwrap(), "7");

    // A stream that ends well before its first message.
    let (channel, mut peer) = connected().await;
    let call = server_streaming(&channel, "a");
    let stream = peer.expect_call("a").await;
    let fields = response_with(&[("grpc-status", "0"), ("x-shard", "7")]);
    peer.headers(stream, END_STREAM, &fields).await;
    let answer = ended(call).await.unwrap();
    assert!(answer.metadata().is_empty(), "it is trailing metadata");
    let mut messages = answer.into_inner();
    assert_eq!(next(&mut messages).await.unwrap(), None);
    let trailers = messages.trailers().await.unwrap().unwrap();
    assert_eq!(trailers.get("x-shard").unwrap(), "7");
    assert_eq!(trailers.len(), 1);
}

#[tokio::test]
async fn b47_a_status_in_headers_that_a_body_follows_counts_for_nothing() {
    let head = response_with(&[("grpc-status", "5"), ("grpc-message", "ignored")]);
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        say(peer, stream, &head, &[("grpc-status", "0")]).await;
    });
    assert_eq!(answer.await.unwrap().into_inner(), "b");
    // Even if no status comes after it.
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        say(peer, stream, &head, &[("x-other", "1")]).await;
    });
    assert_eq!(answer.await.unwrap_err().code(), Code::Unknown);
    // An empty body with END_STREAM is a body, and then there are no trailers.
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        peer.headers(stream, 0, &head).await;
        peer.data(stream, END_STREAM, b"").await;
    });
    assert_eq!(answer.await.unwrap_err().code(), Code::Internal);
}

#[tokio::test]
async fn b48_of_two_statuses_the_trailers_one_counts() {
    let head = response_with(&[("grpc-status", "5")]);
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        say(peer, stream, &head, &[("grpc-status", "9")]).await;
    });
    assert_eq!(answer.await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn b49_trailers_without_a_status_are_unknown() {
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        say(peer, stream, &response(), &[("grpc-message", "lost")]).await;
    });
    let status = answer.await.unwrap_err();
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Unknown, Origin::Protocol)
    );
    let status = trailers_only(&[("x-other", "1")]).await.unwrap_err();
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Unknown, Origin::Protocol)
    );
}

#[tokio::test]
async fn b50_a_stream_without_trailers_never_ended_well() {
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        peer.headers(stream, 0, &response()).await;
        peer.data(stream, END_STREAM, &message("b")).await;
    });
    let status = answer.await.unwrap_err();
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Internal, Origin::Protocol)
    );

    let (channel, mut peer) = connected().await;
    let call = server_streaming(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.headers(stream, 0, &response()).await;
    peer.data(stream, END_STREAM, &message("b")).await;
    let mut messages = opened(call).await;
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "b");
    assert_eq!(broken(&mut messages).await.code(), Code::Internal);
    assert_eq!(
        next(&mut messages).await.unwrap(),
        None,
        "an error comes once"
    );
}

#[tokio::test]
async fn b51_http_statuses_without_a_grpc_status() {
    #[rustfmt::skip]
    let rows = [
        ("400", Code::Internal), ("401", Code::Unauthenticated), ("403", Code::PermissionDenied), ("404", Code::Unimplemented),
        ("429", Code::Unavailable), ("502", Code::Unavailable), ("503", Code::Unavailable), ("504", Code::Unavailable),
        ("201", Code::Unknown), ("302", Code::Unknown), ("405", Code::Unknown), ("409", Code::Unknown), ("415", Code::Unknown), ("500", Code::Unknown),
    ];
    let (channel, mut peer) = connected().await;
    for (http, code) in rows {
        // Alone, and with a page.
        for page in ["", "<h1>sorry</h1>"] {
            let call = unary(&channel, "a");
            let stream = peer.expect_call("a").await;
            let fields = [(":status", http), ("content-type", "text/html")];
            if page.is_empty() {
                peer.headers(stream, END_STREAM, &fields).await;
            } else {
                peer.headers(stream, 0, &fields).await;
                peer.data(stream, END_STREAM, page.as_bytes()).await;
            }
            let status = failed(call).await;
            assert_eq!(status.code(), code, "{http}: {status:?}");
            assert_eq!(status.origin(), Origin::Http(http.parse().unwrap()));
            let text = status.message();
            assert!(text.contains(http) && text.contains(page), "{text}");
        }
    }
}

/// The spec's table says INTERNAL in newer copies; older ones, and the Connect suite, UNKNOWN. So do we.
#[tokio::test]
async fn b52_http_431_is_unknown() {
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        peer.headers(stream, END_STREAM, &[(":status", "431")])
            .await;
    });
    let status = answer.await.unwrap_err();
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Unknown, Origin::Http(431))
    );
}

#[tokio::test]
async fn b53_a_grpc_status_wins_over_the_http_status() {
    let end = [("grpc-status", "8"), ("grpc-message", "quota")];
    let odd = [(":status", "503"), ("content-type", "application/grpc")];
    // In one block, and in trailers.
    let once = reply_to_unary(async |peer: &mut Peer, stream| {
        peer.headers(stream, END_STREAM, &[odd, end].concat()).await;
    });
    let twice = reply_to_unary(async |peer: &mut Peer, stream| {
        peer.headers(stream, 0, &odd).await;
        peer.headers(stream, END_STREAM, &end).await;
    });
    for answer in [once.await, twice.await] {
        let status = answer.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::ResourceExhausted, "quota")
        );
        assert_eq!(status.origin(), Origin::Peer);
    }
}

#[tokio::test]
async fn b54_what_is_not_grpc_is_quoted_not_decoded() {
    let (channel, mut peer) = connected().await;
    #[rustfmt::skip]
    let rows = [
        (Some("text/html; charset=utf-8"), Code::Unknown),
        (Some("application/grpcfoo"), Code::Unknown),
        (Some("application/grpc-web+proto"), Code::Unknown),
        (Some("application/json"), Code::Unknown),
        (Some(""), Code::Unknown),
        (None, Code::Unknown),
        (Some("application/grpc+json"), Code::Internal),
    ];
    for (content_type, code) in rows {
        let call = unary(&channel, "a");
        let stream = peer.expect_call("a").await;
        let mut fields = vec![(":status", "200")];
        fields.extend(content_type.map(|value| ("content-type", value)));
        peer.headers(stream, 0, &fields).await;
        // A body that is longer than anybody wants to read, and does not end.
        peer.data(stream, 0, b"<h1>Please log in</h1>").await;
        peer.data(stream, 0, &[b' '; 1000]).await;
        let status = failed(call).await;
        assert_eq!(status.code(), code, "{content_type:?}: {status:?}");
        assert_eq!(status.origin(), Origin::Protocol);
        let text = status.message();
        assert!(text.contains("Please log in"), "{text}");
        assert!(
            text.contains(content_type.unwrap_or("no content-type")),
            "{text}"
        );
        assert!(text.len() < 1000, "{text}");
        peer.expect_reset(stream, CANCEL).await;
    }
    // Case and parameters are none of it.
    for content_type in ["application/grpc+proto", "APPLICATION/GRPC; charset=utf-8"] {
        let call = unary(&channel, "a");
        let stream = peer.expect_call("a").await;
        let head = [(":status", "200"), ("content-type", content_type)];
        say(&mut peer, stream, &head, &[("grpc-status", "0")]).await;
        assert_eq!(answered(call).await, "b", "{content_type}");
    }
}

#[tokio::test]
async fn b55_what_is_no_code_is_unknown_and_kept_for_people() {
    for number in [
        "17",
        "05",
        "-1",
        "+5",
        " 5",
        "0x5",
        "ok",
        "4294967296",
        "00",
        "",
    ] {
        let fields = [("grpc-status", number), ("grpc-message", "why")];
        let status = trailers_only(&fields).await.unwrap_err();
        assert_eq!(status.code(), Code::Unknown, "{number:?}");
        assert_eq!(status.origin(), Origin::Peer);
        let text = status.message();
        assert_eq!(text, format!("why (grpc-status {number})"));
    }
}

#[tokio::test]
async fn b56_a_message_that_cannot_be_read_keeps_its_code() {
    #[rustfmt::skip]
    let rows: [(&[u8], &str); 8] = [
        (b"100%", "100%"),
        (b"%", "%"),
        (b"%%41", "%A"),
        (b"%zz%4", "%zz%4"),
        (b"caf%C3%A9", "café"),
        (b"caf%C3", "caf\u{fffd}"),
        (b"caf\xe9", "caf\u{fffd}"),
        (b"%ff%fe", "\u{fffd}\u{fffd}"),
    ];
    for (sent, expected) in rows {
        let answer = reply_to_unary(async |peer: &mut Peer, stream| {
            let fields = [
                (&b":status"[..], &b"200"[..]),
                (b"content-type", b"application/grpc"),
                (b"grpc-status", b"5"),
                (b"grpc-message", sent),
            ];
            peer.headers(stream, END_STREAM, &fields).await;
        });
        let status = answer.await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.message(), expected);
    }
}

#[tokio::test]
async fn b57_an_escaped_message_is_read_as_it_was_meant() {
    let text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let sparse =
        "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A";
    for sent in [sparse, &escaped, &escaped.to_lowercase()] {
        let fields = [("grpc-status", "2"), ("grpc-message", sent)];
        let status = trailers_only(&fields).await.unwrap_err();
        assert_eq!(status.message(), text);
    }
}

#[tokio::test]
async fn b59_details_that_cannot_be_read_are_left_out() {
    // A google.rpc.Status of code 9, which the grpc-status beside it contradicts.
    let contradicting = "CAk";
    #[rustfmt::skip]
    let rows: [(&str, &[u8]); 5] = [
        ("CAUSA3doeQ", b"\x08\x05\x12\x03why"),
        ("CAUSA3doeQ==", b"\x08\x05\x12\x03why"),
        (contradicting, b"\x08\x09"),
        ("not base64!", b""),
        ("", b""),
    ];
    for (sent, details) in rows {
        let fields = [
            ("grpc-status", "5"),
            ("grpc-message", "why"),
            ("grpc-status-details-bin", sent),
        ];
        let status = trailers_only(&fields).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, "why"),
            "{sent}"
        );
        assert_eq!(status.details(), details, "{sent}");
    }
}

//= COMP-FLAG-NO-HEADER  type=test
//= GRPC-LPM-NO-ENCODING  type=test
#[tokio::test]
async fn b60_an_encoding_that_was_not_offered_is_internal() {
    let (channel, mut peer) = connected().await;
    for encoding in ["gzip", "zstd", "nonsense"] {
        let call = unary(&channel, "a");
        let stream = peer.expect_call("a").await;
        peer.headers(stream, 0, &response_with(&[("grpc-encoding", encoding)]))
            .await;
        peer.data(stream, 0, &prefixed(1, b"whatever")).await;
        let status = failed(call).await;
        assert_eq!(
            (status.code(), status.origin()),
            (Code::Internal, Origin::Protocol)
        );
        assert!(status.message().contains(encoding), "{status}");
        peer.expect_reset(stream, CANCEL).await;
    }
    // A flag without an encoding, and a flag that is none.
    for flag in [1, 2, 255] {
        let call = unary(&channel, "a");
        let stream = peer.expect_call("a").await;
        peer.headers(stream, 0, &response()).await;
        peer.data(stream, 0, &prefixed(flag, b"b")).await;
        let status = failed(call).await;
        assert_eq!(
            (status.code(), status.origin()),
            (Code::Internal, Origin::Protocol)
        );
        peer.expect_reset(stream, CANCEL).await;
    }
    // `identity` is no encoding.
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    let head = response_with(&[("grpc-encoding", "identity")]);
    say(&mut peer, stream, &head, &[("grpc-status", "0")]).await;
    assert_eq!(answered(call).await, "b");
}

/// The answers of a unary call and of one that streams its requests are read by the same code; both are
/// asked.
#[tokio::test]
async fn b61_ok_without_a_message_is_unimplemented() {
    let (channel, mut peer) = connected().await;
    for is_streaming in [false, true] {
        for is_trailers_only in [false, true] {
            let call = if is_streaming {
                client_streaming(&channel, vec![])
            } else {
                unary(&channel, "a")
            };
            let (stream, _) = peer.expect_request().await;
            if is_trailers_only {
                let fields = response_with(&[("grpc-status", "0")]);
                peer.headers(stream, END_STREAM, &fields).await;
            } else {
                peer.headers(stream, 0, &response()).await;
                peer.ok(stream).await;
            }
            let status = failed(call).await;
            assert_eq!(
                (status.code(), status.origin()),
                (Code::Unimplemented, Origin::Protocol)
            );
            assert!(status.message().contains("0 messages"), "{status}");
        }
    }
}

//= CODE-CARDINALITY  type=test
#[tokio::test]
async fn b62_two_messages_where_one_is_due_are_unimplemented() {
    let (channel, mut peer) = connected().await;
    for is_streaming in [false, true] {
        for is_one_frame in [false, true] {
            let call = if is_streaming {
                client_streaming(&channel, vec![])
            } else {
                unary(&channel, "a")
            };
            let (stream, _) = peer.expect_request().await;
            peer.headers(stream, 0, &response()).await;
            if is_one_frame {
                let two = [message("b"), message("c")].concat();
                peer.data(stream, 0, &two).await;
            } else {
                peer.data(stream, 0, &message("b")).await;
                peer.data(stream, 0, &message("c")).await;
            }
            let status = failed(call).await;
            assert_eq!(
                (status.code(), status.origin()),
                (Code::Unimplemented, Origin::Protocol)
            );
            assert!(status.message().contains("more than 1"), "{status}");
        }
    }
}

/// How an answer's end comes: with its message or after it, and as what.
#[derive(Clone, Copy, Debug)]
enum End {
    Trailers(&'static str),
    EmptyData,
    Reset,
}

#[tokio::test]
async fn b62_an_answer_is_the_same_however_its_frames_are_cut_and_when_they_come() {
    let whole = message("b");
    let two = [whole.clone(), message("c")].concat();
    let cuts: [&[&[u8]]; 6] = [
        &[&whole],
        &[&whole[..3], &whole[3..]],
        &[&whole[..5], &whole[5..]],
        &[&two],
        &[&whole, &two[whole.len()..]],
        &[&two[..whole.len() + 2], &two[whole.len() + 2..]],
    ];
    let ends = [
        End::Trailers("0"),
        End::Trailers("9"),
        End::EmptyData,
        End::Reset,
    ];
    let (channel, mut peer) = connected().await;
    for (cut, pieces) in cuts.into_iter().enumerate() {
        for end in ends {
            // With a pause, whoever waits for the answer looks between any two frames.
            for pause in [false, true] {
                let call = unary(&channel, "a");
                let stream = peer.expect_call("a").await;
                peer.headers(stream, 0, &response()).await;
                for piece in pieces {
                    if pause {
                        peer.ping().await;
                    }
                    peer.data(stream, 0, piece).await;
                }
                if pause {
                    peer.ping().await;
                }
                match end {
                    End::Trailers(code) => {
                        peer.headers(stream, END_STREAM, &[("grpc-status", code)])
                            .await;
                    }
                    End::EmptyData => peer.data(stream, END_STREAM, b"").await,
                    End::Reset => peer.reset(stream, INTERNAL_ERROR).await,
                }
                let answer = ended(call).await;
                let found = answer.as_ref().map_err(Status::code);
                let what = format!("cut {cut}, {end:?}, pause {pause}: {answer:?}");
                match (cut < 3, end) {
                    (true, End::Trailers("0")) => {
                        assert_eq!(found.expect(&what).get_ref(), "b", "{what}");
                    }
                    (true, End::Trailers(_)) => {
                        assert_eq!(found.unwrap_err(), Code::FailedPrecondition, "{what}");
                    }
                    (true, _) => assert_eq!(found.unwrap_err(), Code::Internal, "{what}"),
                    // `h2` throws away what a reset stream has not been asked for.
                    (false, End::Reset) => assert!(found.is_err(), "{what}"),
                    (false, _) => {
                        assert_eq!(found.unwrap_err(), Code::Unimplemented, "{what}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn b63_an_error_wins_over_the_message_before_it() {
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        let head = response_with(&[("x-head", "1")]);
        let tail = [
            ("grpc-status", "9"),
            ("grpc-message", "too late"),
            ("x-tail", "2"),
        ];
        say(peer, stream, &head, &tail).await;
    });
    let status = answer.await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::FailedPrecondition, "too late")
    );
    assert_eq!(status.origin(), Origin::Peer);
    // There is no response to hold the headers, so the status has both.
    assert_eq!(status.metadata().get("x-head").unwrap(), "1");
    assert_eq!(status.metadata().get("x-tail").unwrap(), "2");
}

//= GRPC-RES-1XX  type=test
#[tokio::test]
async fn b64_interim_responses_are_skipped() {
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        for interim in ["100", "103", "199"] {
            let fields = [(":status", interim), ("x-interim", "1")];
            peer.headers(stream, 0, &fields).await;
        }
        say(peer, stream, &response(), &[("grpc-status", "0")]).await;
    });
    let answer = answer.await.unwrap();
    assert_eq!(answer.metadata().len(), 0);
    assert_eq!(answer.into_inner(), "b");
}
