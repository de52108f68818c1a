//! Rows 53, 55–59 and 72, the server's half: what an answer says of how its call ended.

use std::sync::Arc;

use bytes::Bytes;
use temaki::codec::BytesCodec;
use temaki::metadata::MetadataMap;
use temaki::server::Methods;
use temaki::{Code, Request, Response, Server, Status};

use crate::support::*;

/// `test.Ends/Now` ends with the status that `end` makes.
async fn server_that_ends(end: impl Fn(Bytes) -> Status + Send + Sync + 'static) -> TestServer {
    let mut methods = Methods::new("test.Ends", Arc::new(end));
    methods.unary(
        "Now",
        BytesCodec,
        |end: Arc<_>, request: Request<Bytes>| async move {
            Err::<Response<Bytes>, _>(end(request.into_inner()))
        },
    );
    methods.server_streaming(
        "Later",
        BytesCodec,
        |end: Arc<_>, request: Request<Bytes>| async move {
            let end = end(request.into_inner());
            let messages = [Ok(Bytes::from("first")), Err(end)];
            Ok(Response::new(futures_util::stream::iter(messages)))
        },
    );
    TestServer::start(Server::builder().add_service(methods)).await
}

#[tokio::test]
async fn b53_every_status_travels_under_http_200() {
    let server =
        server_that_ends(|number| Status::new(Code::from_i32(i32::from(number[0])), "told")).await;
    let mut peer = server.peer().await;
    let mut stream = 1;
    for number in 0..=16 {
        for path in ["/test.Ends/Now", "/test.Ends/Later"] {
            peer.call(stream, &request(path), [number]).await;
            let answer = peer.answer(stream).await;
            // It asks for HTTP 200 and for the code without leading zeros, which is b55.
            answer.expect_status(u32::from(number));
            assert_eq!(answer.is_trailers_only, path == "/test.Ends/Now");
            stream += 2;
        }
    }
    // What is not gRPC is told in HTTP's words alone.
    peer.headers(
        stream,
        END_STREAM,
        &request_but("/test.Ends/Now", ":method", Some("GET")),
    )
    .await;
    let answer = peer.answer(stream).await;
    assert_eq!((answer.http_status(), answer.status()), ("405", None));
}

#[tokio::test]
async fn b55_trailers_hold_one_status_in_decimal() {
    let server = server_that_ends(|_| {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-status", "0".parse().unwrap());
        metadata.insert("grpc-message", "fine".parse().unwrap());
        Status::with_metadata(Code::Unauthenticated, "who?", metadata)
    })
    .await;
    let mut peer = server.peer().await;
    for (stream, path) in [(1, "/test.Ends/Now"), (3, "/test.Ends/Later")] {
        peer.call(stream, &request(path), "").await;
        let answer = peer.answer(stream).await;
        assert_eq!(answer.trailers.all("grpc-status"), ["16"], "{path}");
        assert_eq!(answer.trailers.all("grpc-message"), ["who?"], "{path}");
    }
}

#[tokio::test]
async fn b56_bad_percent_kept() {
    // A message that looks escaped and is not is what a status from a careless peer holds.
    let server =
        server_that_ends(|text| Status::not_found(String::from_utf8_lossy(&text).into_owned()))
            .await;
    let mut peer = server.peer().await;
    let rows = [
        ("100%", "100%25"),
        ("%zz", "%25zz"),
        ("%41", "%2541"),
        ("%", "%25"),
        ("caf\u{fffd}", "caf%EF%BF%BD"),
    ];
    for (index, (text, escaped)) in rows.into_iter().enumerate() {
        let stream = 2 * index as u32 + 1;
        peer.call(stream, &request("/test.Ends/Now"), text).await;
        let answer = peer.answer(stream).await;
        assert_eq!(answer.expect_status(code::NOT_FOUND), escaped);
    }
}

#[tokio::test]
async fn b57_message_is_escaped_byte_by_byte() {
    let server =
        server_that_ends(|text| Status::not_found(String::from_utf8_lossy(&text).into_owned()))
            .await;
    let mut peer = server.peer().await;
    let rows = [
        (
            "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
            "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A",
        ),
        (" !\"#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~", ""), // stays as it is
        ("%", "%25"),
        ("\u{0}\u{1f}\u{7f}", "%00%1F%7F"),
    ];
    for (index, (text, escaped)) in rows.into_iter().enumerate() {
        let stream = 2 * index as u32 + 1;
        let expected = if escaped.is_empty() { text } else { escaped };
        peer.call(stream, &request("/test.Ends/Now"), text).await;
        let answer = peer.answer(stream).await;
        assert_eq!(answer.expect_status(code::NOT_FOUND), expected);
    }
}

#[tokio::test]
async fn b58_an_oversized_status_is_cut_and_its_code_arrives() {
    let server = server_that_ends(|which| {
        let mut metadata = MetadataMap::new();
        metadata.insert("x-big", "v".repeat(5_000).parse().unwrap());
        match which[0] {
            0 => Status::not_found("ü".repeat(50_000)),
            1 => Status::with_details(Code::NotFound, "kept", vec![7; 50_000].into()),
            _ => Status::with_details_and_metadata(
                Code::NotFound,
                "kept",
                vec![7; 5_000].into(),
                metadata,
            ),
        }
    })
    .await;
    let mut peer = server.peer().await;
    let mut stream = 1;
    for which in 0..3 {
        for path in ["/test.Ends/Now", "/test.Ends/Later"] {
            peer.call(stream, &request(path), [which]).await;
            let answer = peer.answer(stream).await;
            let message = answer.expect_status(code::NOT_FOUND);
            let fields = answer.trailers.0.iter();
            let size: usize = fields
                .map(|(name, value)| name.len() + value.len() + 32)
                .sum();
            assert!(size <= 8 * 1024, "{which}: {size} bytes");
            match which {
                0 => assert!(
                    message.len() > 7_000 && message.len() % "%C3%BC".len() == 0,
                    "cut between two characters: {} bytes",
                    message.len()
                ),
                1 => assert_eq!(
                    (message, answer.trailers.names().len()),
                    ("kept", {
                        // Status and message, and what a Trailers-Only answer has besides.
                        if answer.is_trailers_only { 4 } else { 2 }
                    })
                ),
                _ => {
                    assert_eq!(message, "kept");
                    assert!(answer.trailers.get("x-big").is_some());
                    assert!(answer.trailers.get("grpc-status-details-bin").is_none());
                }
            }
            stream += 2;
        }
    }
}

/// `test.Big/One` and `test.Big/Many` answer with `x` in as much metadata as the request says, before the
/// message and behind it.
async fn server_with_much_to_say() -> TestServer {
    fn answer<T>(sizes: &Bytes, message: T) -> Response<T> {
        let sizes = std::str::from_utf8(sizes).unwrap().split(' ');
        let mut sizes = sizes.map(|size| size.parse().unwrap());
        let mut response = Response::new(message);
        let mut metadata = |map: &mut MetadataMap| {
            let size: usize = sizes.next().unwrap();
            if size > 0 {
                // With what HTTP/2 adds for each of them.
                let (half, rest) = (size / 2, size - size / 2);
                for value in [half - 33, rest - 33] {
                    map.append("x", "v".repeat(value).parse().unwrap());
                }
                map.insert("grpc-status", "0".parse().unwrap());
            }
        };
        metadata(response.metadata_mut());
        metadata(response.trailers_mut());
        response
    }
    let mut methods = Methods::new("test.Big", Arc::new(()));
    methods.unary("One", BytesCodec, |_, request: Request<Bytes>| async move {
        Ok(answer(request.get_ref(), Bytes::from("first")))
    });
    methods.server_streaming(
        "Many",
        BytesCodec,
        |_, request: Request<Bytes>| async move {
            let messages = futures_util::stream::iter([Ok(Bytes::from("first"))]);
            Ok(answer(request.get_ref(), messages))
        },
    );
    TestServer::start(Server::builder().add_service(methods)).await
}

#[tokio::test]
async fn b58_metadata_that_is_too_large_is_sent_whole_or_fails_its_call() {
    const MOST: usize = 8_000; // gRPC's own fields stand beside it
    let server = server_with_much_to_say().await;
    let mut peer = server.peer().await;
    let size = |fields: &Fields| -> usize {
        let fields = fields.0.iter();
        fields
            .map(|(name, value)| name.len() + value.len() + 32)
            .sum()
    };
    let rows = [
        (0, 0, None, "none"),
        (MOST, MOST, None, "as much as fits"),
        (MOST + 1, 0, Some("response metadata"), "a byte more before"),
        (0, MOST + 1, Some("trailing metadata"), "a byte more behind"),
        (50_000, 50_000, Some("response metadata"), "far too much"),
    ];
    let mut stream = 1;
    for (before, behind, refused, why) in rows {
        for path in ["/test.Big/One", "/test.Big/Many"] {
            let sizes = format!("{before} {behind}");
            peer.call(stream, &request(path), sizes).await;
            let answer = peer.answer(stream).await;
            assert!(size(&answer.headers) <= 8 * 1024, "{why}");
            assert!(size(&answer.trailers) <= 8 * 1024, "{why}");
            match refused {
                None => {
                    assert_eq!(answer.expect_one(), "first", "{why}");
                    let sent = |size: usize| if size > 0 { 2 } else { 0 };
                    assert_eq!(answer.headers.all("x").len(), sent(before), "{why}");
                    assert_eq!(answer.trailers.all("x").len(), sent(behind), "{why}");
                }
                Some(what) => {
                    let message = answer.expect_status(code::RESOURCE_EXHAUSTED);
                    assert!(message.contains(what), "{why}: {message}");
                    assert_eq!(answer.is_trailers_only, before > MOST, "{why}");
                    assert!(answer.trailers.all("x").is_empty(), "{why}");
                }
            }
            stream += 2;
        }
    }
}

/// A status may say OK, and is a success then, with trailing metadata of its own: a proxy passes them on so.
#[tokio::test]
async fn b58_a_status_that_says_ok_loses_no_metadata_either() {
    let server = server_that_ends(|text| {
        let mut metadata = MetadataMap::new();
        let size = usize::from(text[0]) * 1_000 - 33;
        metadata.insert("x", "v".repeat(size).parse().unwrap());
        Status::with_metadata(Code::Ok, "", metadata)
    })
    .await;
    let mut peer = server.peer().await;
    for (stream, path) in [(1, "/test.Ends/Now"), (5, "/test.Ends/Later")] {
        peer.call(stream, &request(path), [8]).await;
        let answer = peer.answer(stream).await;
        answer.expect_status(code::OK);
        assert!(answer.trailers.get("x").is_some(), "{path}");
        peer.call(stream + 2, &request(path), [9]).await;
        let answer = peer.answer(stream + 2).await;
        answer.expect_status(code::RESOURCE_EXHAUSTED);
    }
}

#[tokio::test]
async fn b59_details_are_bytes_and_no_more_to_the_server() {
    // By convention they are a google.rpc.Status; these are not, and arrive as they are.
    let server =
        server_that_ends(|details| Status::with_details(Code::NotFound, "see details", details))
            .await;
    let mut peer = server.peer().await;
    let rows: [(&[u8], Option<&str>); 4] = [
        (&[0, 159, 146, 150], Some("AJ+Slg")), // unpadded
        (&[8, 3], Some("CAM")),                // code 3, where grpc-status says 5
        (b"abc", Some("YWJj")),
        (b"", None),
    ];
    for (index, (details, sent)) in rows.into_iter().enumerate() {
        let stream = 2 * index as u32 + 1;
        peer.call(stream, &request("/test.Ends/Now"), details).await;
        let answer = peer.answer(stream).await;
        answer.expect_status(code::NOT_FOUND);
        assert_eq!(answer.trailers.get("grpc-status-details-bin"), sent);
    }
}

/// The codes that statuscodes.md leaves to applications.
const NOT_THE_LIBRARYS: [&str; 7] = ["3", "5", "6", "9", "10", "11", "15"];

/// Whatever it is sent, the library itself never speaks in the application's codes.
///
/// The conversations are random, from a generator that always gives the same ones: a head with up to three
/// odd fields, and a body of odd frames. The service behind them never fails.
#[tokio::test]
async fn b72_library_made_errors_never_use_the_applications_codes() {
    const CONVERSATIONS: u32 = 400;
    let odd_fields = [
        ("content-type", "application/grpc+json"),
        ("content-type", "text/plain"),
        ("grpc-timeout", "1n"),
        ("grpc-timeout", "-1S"),
        ("grpc-encoding", "gzip"),
        ("grpc-encoding", "identity"),
        ("grpc-accept-encoding", ",,;"),
        (":method", "GET"),
        (":path", "/test.Kit/Absent"),
        (":path", "/test.Other/Echo"),
        (":path", "*"),
        (":path", "/test.Kit/Echo?x=1"),
        (":path", "/test.Kit/Join"),
        (":path", "/test.Kit/Both"),
        (":path", "/test.Kit/Repeat"),
        (":path", "/test.Kit/Panic"),
        ("x-odd-bin", "!!!"),
        ("host", "elsewhere"),
        ("te", "trailers"),
    ];
    let bodies: [&[u8]; 9] = [
        b"",
        &[0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 1, b'1'],
        &[1, 0, 0, 0, 1, b'1'],
        &[2, 0, 0, 0, 1, b'1'],
        &[255; 16],
        &[0, 0, 0, 0, 9, b'1'],
        &[0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        // xorshift64: nothing more is asked of it than to be different each time.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    for conversation in 0..CONVERSATIONS {
        let stream = 2 * conversation + 1;
        let mut fields = request("/test.Kit/Echo");
        for _ in 0..random(4) {
            let odd = odd_fields[random(odd_fields.len())];
            match fields.iter_mut().find(|field| field.0 == odd.0) {
                Some(field) => field.1 = odd.1,
                None => fields.push(odd),
            }
        }
        peer.headers(stream, 0, &fields).await;
        peer.data(stream, 0, bodies[random(bodies.len())]).await;
        peer.data(stream, END_STREAM, bodies[random(bodies.len())])
            .await;
        let status = loop {
            match peer.next(stream).await {
                Some(Frame::Headers {
                    end: true, fields, ..
                }) => match fields.get("grpc-status") {
                    Some(status) => break status.to_owned(),
                    None => break format!("HTTP {}", fields.get(":status").unwrap_or("none")),
                },
                Some(Frame::Reset { code, .. }) => break name(code),
                Some(_) => {}
                None => peer.fail("the connection to stand"),
            }
        };
        assert!(
            !NOT_THE_LIBRARYS.contains(&status.as_str()),
            "grpc-status {status} for {fields:?}"
        );
        *seen.entry(status).or_default() += 1;
    }
    for expected in ["0", "4", "12", "13", "HTTP 405", "HTTP 415"] {
        assert!(
            seen.contains_key(expected),
            "the conversations are odd enough: {seen:?}"
        );
    }
}
