//! Rows 35–44, the server's half: what of a request's headers a handler sees, and what of its own it can
//! send.

use std::sync::Arc;

use bytes::Bytes;
use temaki::codec::BytesCodec;
use temaki::metadata::{MetadataKey, MetadataMap, MetadataValue};
use temaki::server::Methods;
use temaki::{Code, Request, Response, Server, Status};

use crate::support::*;

/// What the service does with the metadata of a request: looks at it, and makes that of the answer.
type Do = dyn Fn(&MetadataMap) -> MetadataMap + Send + Sync;

/// `test.Meta/Ok` answers with it in headers and trailers, `test.Meta/Fail` in the trailers of an error.
async fn server_with(
    what: impl Fn(&MetadataMap) -> MetadataMap + Send + Sync + 'static,
) -> TestServer {
    let what: Arc<Do> = Arc::new(what);
    let mut methods = Methods::new("test.Meta", Arc::new(what));
    methods.unary(
        "Ok",
        BytesCodec,
        |what, request: Request<Bytes>| async move {
            let metadata = what(request.metadata());
            let mut response = Response::new(request.into_inner());
            *response.trailers_mut() = metadata.clone();
            *response.metadata_mut() = metadata;
            Ok(response)
        },
    );
    methods.unary(
        "Fail",
        BytesCodec,
        |what, request: Request<Bytes>| async move {
            let metadata = what(request.metadata());
            Err::<Response<Bytes>, _>(Status::with_metadata(Code::NotFound, "as asked", metadata))
        },
    );
    TestServer::start(Server::builder().add_service(methods)).await
}

/// Calls both methods, with more headers; the header blocks that hold what the service made.
async fn blocks(server: &TestServer, more: &[(&str, &[u8])]) -> [Fields; 3] {
    let mut peer = server.peer().await;
    let fields = |path| {
        let usual = request(path).into_iter();
        let usual = usual.map(|(name, value)| (name, value.as_bytes()));
        usual.chain(more.iter().copied()).collect::<Vec<_>>()
    };
    peer.call(1, &fields("/test.Meta/Ok"), "").await;
    let ok = peer.answer(1).await;
    ok.expect_status(0);
    peer.call(3, &fields("/test.Meta/Fail"), "").await;
    let failed = peer.answer(3).await;
    failed.expect_status(code::NOT_FOUND);
    [ok.headers, ok.trailers, failed.trailers]
}

/// A service that sends back what came.
async fn echo() -> TestServer {
    server_with(Clone::clone).await
}

#[tokio::test]
async fn b35_binary_values_are_read_padded_or_not_and_written_without() {
    let server = server_with(|metadata| {
        let found = metadata.get_all_bin("x-raw-bin");
        let mut answer = MetadataMap::new();
        for value in found.iter() {
            let bytes = value.to_bytes().expect("base64");
            answer.append_bin("x-raw-bin", MetadataValue::from_bytes(&bytes));
        }
        answer
    })
    .await;
    let rows: [(&[u8], &str); 5] = [
        (b"AAE=", "AAE"), // 0, 1
        (b"AAE", "AAE"),
        (b"AA==", "AA"),
        (b"/+8=", "/+8"), // the standard alphabet, not that of URLs
        (b"", ""),
    ];
    for (sent, expected) in rows {
        for block in blocks(&server, &[("x-raw-bin", sent)]).await {
            assert_eq!(block.all("x-raw-bin"), [expected]);
        }
    }
}

#[tokio::test]
async fn b36_binary_values_are_split_at_commas_before_they_are_decoded() {
    let server = server_with(|metadata| {
        let found = metadata.get_all_bin("x-raw-bin").iter();
        let bytes = found.map(|value| value.to_bytes().expect("base64"));
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let mut answer = MetadataMap::new();
        let joined = text.collect::<Vec<_>>().join("|");
        answer.insert("x-found", joined.parse().unwrap());
        answer
    })
    .await;
    let one: &[(&str, &[u8])] = &[("x-raw-bin", b"YQ==,YmI")];
    let two: &[(&str, &[u8])] = &[("x-raw-bin", b"YQ"), ("x-raw-bin", b"YmI,Yw==")];
    for (sent, expected) in [(one, "a|bb"), (two, "a|bb|c")] {
        for block in blocks(&server, sent).await {
            assert_eq!(block.get("x-found"), Some(expected));
        }
    }
}

#[tokio::test]
async fn b37_binary_value_that_is_no_base64_fails_nobody() {
    let server = server_with(|metadata| {
        let value = metadata.get_bin("x-raw-bin").expect("it is there");
        assert!(value.to_bytes().is_err(), "and says what it is");
        metadata.clone()
    })
    .await;
    for bad in [&b"!!!"[..], b"A", b"AAE=AAE=", b"A A", b"\xff"] {
        for block in blocks(&server, &[("x-raw-bin", bad)]).await {
            assert_eq!(
                block.bytes("x-raw-bin"),
                Some(bad),
                "it is sent on as it is"
            );
        }
    }
}

#[tokio::test]
async fn b38_values_of_one_name_keep_their_order_and_are_not_split() {
    let server = echo().await;
    let sent: &[(&str, &[u8])] = &[
        ("x-list", b"b, a"),
        ("x-other", b"1"),
        ("x-list", b"c"),
        ("x-list", b"b, a"),
    ];
    for block in blocks(&server, sent).await {
        assert_eq!(block.all("x-list"), ["b, a", "c", "b, a"]);
    }
}

#[tokio::test]
async fn b39_reserved_names_are_neither_seen_nor_sent() {
    const RESERVED: [&str; 8] = [
        "grpc-status",
        "grpc-message",
        "grpc-encoding",
        "grpc-timeout",
        "grpc-whatever",
        "te",
        "content-type",
        "user-agent",
    ];
    let server = server_with(|metadata| {
        for name in [
            "grpc-timeout",
            "grpc-whatever",
            "te",
            "content-type",
            ":path",
            "host",
        ] {
            assert!(
                name == "host" || metadata.get(name).is_none(),
                "{name} is gRPC's own"
            );
        }
        let seen = metadata
            .get("grpc-previous-rpc-attempts")
            .expect("one that is not");
        let mut answer = MetadataMap::new();
        answer.insert("x-attempts", seen.to_owned());
        for name in RESERVED {
            answer.insert(name, "7".parse().unwrap());
        }
        answer.insert("grpc-retry-pushback-ms", "10".parse().unwrap());
        answer
    })
    .await;
    let sent: &[(&str, &[u8])] = &[
        ("grpc-timeout", b"1H"),
        ("grpc-whatever", b"1"),
        ("user-agent", b"a/1"),
        ("grpc-previous-rpc-attempts", b"2"),
    ];
    for block in blocks(&server, sent).await {
        for name in RESERVED {
            assert!(!block.all(name).contains(&"7"), "{name} in {block:?}");
        }
        assert_eq!(block.get("grpc-retry-pushback-ms"), Some("10"));
        assert_eq!(block.get("x-attempts"), Some("2"));
    }
}

/// A received map may hold names that HTTP/2 carries and no answer may: sending it on must not break it.
#[tokio::test]
async fn b39_received_metadata_can_be_sent_on_as_it_is() {
    let server = echo().await;
    let sent: &[(&str, &[u8])] = &[
        ("grpc-timeout", b"1H"),
        ("grpc-encoding", b"identity"),
        ("user-agent", b"a/1"),
        ("host", b"test"),
        ("content-length", b"5"),
        ("x-mine", b"1"),
    ];
    for block in blocks(&server, sent).await {
        let names = block.names().into_iter();
        let surprises: Vec<_> = names
            .filter(|name| {
                ![
                    ":status",
                    "content-type",
                    "grpc-status",
                    "grpc-message",
                    "x-mine",
                ]
                .contains(name)
            })
            .collect();
        assert_eq!(surprises, [""; 0], "{block:?}");
        assert_eq!(block.get("x-mine"), Some("1"));
    }
}

#[tokio::test]
async fn b40_names_out_of_grpcs_charset_are_not_made_and_not_sent() {
    for bad in ["", "X-Upper ", "a b", "a~b", "a:b", "é", "a\n"] {
        assert!(
            MetadataKey::<temaki::metadata::Ascii>::from_bytes(bad.as_bytes()).is_err(),
            "{bad:?}"
        );
    }
    let server = echo().await;
    // HTTP allows it, so a peer may send it; gRPC does not.
    for block in blocks(&server, &[("a~b", b"1"), ("x-mine", b"1")]).await {
        assert_eq!(block.get("a~b"), None);
        assert_eq!(block.get("x-mine"), Some("1"));
    }
}

#[tokio::test]
async fn b41_values_beyond_ascii_are_carried() {
    let server = echo().await;
    for odd in [&b"caf\xc3\xa9"[..], b"\x80\xff", b"a\tb"] {
        for block in blocks(&server, &[("x-odd", odd)]).await {
            assert_eq!(block.bytes("x-odd"), Some(odd));
        }
    }
}

#[tokio::test]
async fn b42_space_at_the_ends_of_a_value_is_stripped_or_kept_and_fails_nobody() {
    let server = echo().await;
    for block in blocks(&server, &[("x-space", b"  a b ")]).await {
        let value = block.get("x-space").expect("the value");
        assert_eq!(value.trim(), "a b");
    }
}

#[tokio::test]
async fn b43_grpcs_own_headers_come_before_the_handlers() {
    let server = server_with(|_| {
        let mut answer = MetadataMap::new();
        for name in ["a-first", "x-second", "z-third"] {
            answer.insert(name, "1".parse().unwrap());
        }
        answer
    })
    .await;
    let [headers, trailers, failed] = blocks(&server, &[]).await;
    assert_eq!(headers.names()[..2], [":status", "content-type"]);
    assert_eq!(trailers.names()[..1], ["grpc-status"]);
    let position = |name| failed.names().iter().position(|found| *found == name);
    assert!(position("grpc-status") < position("a-first"), "{failed:?}");
}

#[tokio::test]
async fn b44_the_callers_user_agent_is_seen() {
    let server = server_with(|metadata| {
        let seen = metadata.get("user-agent").expect("a user-agent");
        let mut answer = MetadataMap::new();
        answer.insert("x-seen", seen.to_owned());
        answer
    })
    .await;
    let agent = b"my-app/2.1 grpc-go/1.60.0 (linux; x86_64)";
    for block in blocks(&server, &[("user-agent", agent)]).await {
        assert_eq!(block.bytes("x-seen"), Some(&agent[..]));
    }
}

/// What a handler learns of a call besides its message, over a real socket.
#[tokio::test]
async fn a_request_knows_its_connection_its_path_and_its_time() {
    let mut methods = Methods::new("test.Facts", Arc::new(()));
    methods.unary(
        "Tell",
        BytesCodec,
        |_, request: Request<Bytes>| async move {
            let left = request.remaining().map(|left| left.as_secs());
            let facts = format!(
                "{} {} {} {left:?} {}",
                request.method_path().unwrap_or("none"),
                request.remote_addr().expect("TCP"),
                request.local_addr().expect("TCP"),
                request.deadline().is_some(),
            );
            assert!(!format!("{request:?}").contains("hunter2"), "{request:?}");
            Ok(Response::new(Bytes::from(facts)))
        },
    );
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let socket = server.socket().await;
    let ours = socket.local_addr().unwrap();
    let mut peer = Peer::client(socket, &[]).await;
    let secret = [("authorization", "Bearer hunter2"), ("cookie", "hunter2")];
    peer.call(1, &request_with("/test.Facts/Tell", &secret), "")
        .await;
    let told = peer.answer(1).await.expect_one();
    assert_eq!(
        told,
        format!("/test.Facts/Tell {ours} {} None false", server.addr)
    );
    let timeout = [("grpc-timeout", "100H")];
    peer.call(3, &request_with("/test.Facts/Tell", &timeout), "")
        .await;
    let told = peer.answer(3).await.expect_one();
    assert_eq!(
        told,
        format!("/test.Facts/Tell {ours} {} Some(359999) true", server.addr)
    );
}
