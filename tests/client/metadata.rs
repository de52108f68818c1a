//! Rows 9 and 35 to 44: what a client says of a call, and what it makes of the metadata of an answer.

use std::time::Duration;

use bytes::Bytes;
use temaki::metadata::{AsciiMetadataKey, MetadataMap, MetadataValue};
use temaki::{Code, Request};

use crate::kit::*;
use crate::support::*;

/// An answer whose headers and trailers both have these fields.
async fn reply_with_metadata(peer: &mut Peer, stream: u32, fields: &[(&str, &str)]) {
    peer.headers(stream, 0, &response_with(fields)).await;
    peer.data(stream, 0, &message("b")).await;
    let status = [("grpc-status", "0")];
    peer.headers(stream, END_STREAM, &[&status, fields].concat())
        .await;
}

/// A request with this metadata.
fn request(metadata: MetadataMap) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from("a"));
    *request.metadata_mut() = metadata;
    request
}

/// A paused clock, so that what is left when the headers are written is what was asked for.
#[tokio::test(start_paused = true)]
async fn b09_timeout_has_at_most_eight_digits_in_the_finest_unit_that_fits() {
    let (channel, mut pipes) = piped(|endpoint| endpoint);
    #[rustfmt::skip]
    let rows = [
        (Duration::from_nanos(99_999_999), "99999999n"),
        (Duration::from_nanos(100_000_001), "100001u"),
        (Duration::from_millis(100_000_001), "100001S"),
        (Duration::from_secs(1), "1S"),
        (Duration::from_secs(99_999_999 * 60 + 1), "1666667H"),
        (Duration::from_secs(99_999_999 * 3600), "99999999H"),
        (Duration::from_secs(99_999_999 * 3600 + 1), "99999999H"),
    ];
    // Connected beforehand: the clock moves while a connection is waited for.
    let first = unary(&channel, "a");
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    answered(first).await;
    for (timeout, expected) in rows {
        let call = unary_within(&channel, timeout);
        let (stream, fields) = peer.expect_request().await;
        assert_eq!(fields.get("grpc-timeout"), Some(expected), "{timeout:?}");
        peer.respond(stream, "b").await;
        answered(call).await;
    }
    // Longer than any clock: as good as none.
    let call = unary_within(&channel, Duration::MAX);
    let (stream, fields) = peer.expect_request().await;
    assert_eq!(fields.get("grpc-timeout"), None);
    peer.respond(stream, "b").await;
    answered(call).await;
}

/// On a paused clock. The earliest of all limits counts, whoever has set it.
#[tokio::test(start_paused = true)]
async fn b09_an_interceptor_may_set_the_timeout() {
    let (channel, mut pipes) = piped(|endpoint| endpoint.timeout(Duration::from_secs(61)));
    let set = |seconds| {
        let channel = channel.clone();
        channel.with_interceptor(move |mut request: Request<()>| {
            request.set_timeout(Duration::from_secs(seconds));
            Ok(request)
        })
    };
    // Connected beforehand: the clock moves while a connection is waited for.
    let first = unary(&channel, "a");
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    answered(first).await;
    for (channel, expected) in [(channel.clone(), "61S"), (set(5), "5S"), (set(90), "61S")] {
        let call = unary(&channel, "a");
        let (stream, fields) = peer.expect_request().await;
        assert_eq!(fields.get("grpc-timeout"), Some(expected));
        if expected == "5S" {
            assert_eq!(failed(call).await.code(), Code::DeadlineExceeded);
            peer.expect_body(stream).await;
            peer.expect_reset(stream, CANCEL).await;
        } else {
            peer.respond(stream, "b").await;
            answered(call).await;
        }
    }
}

#[tokio::test]
async fn b35_binary_values_are_sent_unpadded_and_read_either_way() {
    let (channel, mut peer) = connected().await;
    let mut metadata = MetadataMap::new();
    metadata.insert_bin("x-one-bin", MetadataValue::from_bytes(&[0xff]));
    metadata.insert_bin("x-none-bin", MetadataValue::from_bytes(&[]));
    let call = unary_of(&channel, request(metadata));
    let (stream, fields) = peer.expect_request().await;
    assert_eq!(fields.get("x-one-bin"), Some("/w"));
    assert_eq!(fields.get("x-none-bin"), Some(""));
    let fields = [("x-padded-bin", "/w=="), ("x-bare-bin", "/w")];
    reply_with_metadata(&mut peer, stream, &fields).await;
    let answer = ended(call).await.unwrap();
    for metadata in [answer.metadata(), answer.trailers()] {
        for key in ["x-padded-bin", "x-bare-bin"] {
            let value = metadata.get_bin(key).unwrap().to_bytes().unwrap();
            assert_eq!(value, &[0xff][..], "{key}");
        }
    }
}

#[tokio::test]
async fn b36_binary_values_are_split_at_commas_before_they_are_decoded() {
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        let fields = [("x-bin", "AA,AQ==,Ag"), ("x-bin", "Aw")];
        reply_with_metadata(peer, stream, &fields).await;
    });
    let answer = answer.await.unwrap();
    for metadata in [answer.metadata(), answer.trailers()] {
        let values = metadata.get_all_bin("x-bin").iter();
        let values: Vec<_> = values.map(|value| value.to_bytes().unwrap()).collect();
        assert_eq!(
            values,
            [&[0][..], &[1], &[2], &[3]],
            "each, and in their order"
        );
    }
}

#[tokio::test]
async fn b37_bad_base64_in_an_answer_is_an_error_to_its_reader_alone() {
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        let fields = [("x-bad-bin", "not base64!"), ("x-good-bin", "/w")];
        reply_with_metadata(peer, stream, &fields).await;
    });
    let answer = answer.await.unwrap();
    for metadata in [answer.metadata(), answer.trailers()] {
        assert!(metadata.get_bin("x-bad-bin").unwrap().to_bytes().is_err());
        assert!(metadata.get_bin("x-good-bin").unwrap().to_bytes().is_ok());
        let _ = format!("{metadata:?}");
    }
}

#[tokio::test]
async fn b38_values_of_one_name_keep_their_order_and_text_is_not_split() {
    let (channel, mut peer) = connected().await;
    let mut metadata = MetadataMap::new();
    for value in ["1", "2,3", "1"] {
        metadata.append("x-many", value.parse().unwrap());
    }
    let call = unary_of(&channel, request(metadata));
    let (stream, fields) = peer.expect_request().await;
    assert_eq!(fields.all("x-many"), ["1", "2,3", "1"]);
    let fields = [("x-many", "a"), ("x-other", "-"), ("x-many", "b,c")];
    reply_with_metadata(&mut peer, stream, &fields).await;
    let answer = ended(call).await.unwrap();
    for metadata in [answer.metadata(), answer.trailers()] {
        let values = metadata.get_all("x-many").iter();
        let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
        assert_eq!(values, ["a", "b,c"]);
    }
}

#[tokio::test]
async fn b39_the_protocols_own_names_are_not_the_callers_to_send() {
    let (channel, mut peer) = connected().await;
    let mut metadata = MetadataMap::new();
    #[rustfmt::skip]
    let reserved = [
        "grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "grpc-status", "grpc-message",
        "grpc-message-type", "grpc-future", "te", "content-type", "user-agent",
    ];
    for name in reserved {
        metadata.insert(name, "mine".parse().unwrap());
    }
    let theirs = [
        "grpc-previous-rpc-attempts",
        "grpc-retry-pushback-ms",
        "x-mine",
    ];
    for name in theirs {
        metadata.insert(name, "1".parse().unwrap());
    }
    let call = unary_of(&channel, request(metadata));
    let (stream, fields) = peer.expect_request().await;
    for name in reserved {
        assert!(!fields.all(name).contains(&"mine"), "{name}: {fields:?}");
    }
    for name in theirs {
        assert_eq!(fields.all(name), ["1"], "{name}");
    }
    assert_eq!(fields.all("te"), ["trailers"]);
    assert_eq!(fields.all("content-type"), ["application/grpc"]);
    // In an answer they are not the caller's to see.
    let hidden = [("grpc-future", "1"), ("grpc-encoding", "identity")];
    reply_with_metadata(&mut peer, stream, &hidden).await;
    let answer = ended(call).await.unwrap();
    for metadata in [answer.metadata(), answer.trailers()] {
        assert!(metadata.is_empty(), "{metadata:?}");
    }
}

#[tokio::test]
async fn b40_names_are_in_lower_case_on_the_wire_and_nothing_else_can_be_one() {
    for name in ["", "x mine", ":path", "x-ünicode", "x:y", "x\n", "x-b-bin"] {
        let key = AsciiMetadataKey::from_bytes(name.as_bytes());
        assert!(key.is_err(), "{name:?}");
    }
    let (channel, mut peer) = connected().await;
    let mut metadata = MetadataMap::new();
    let key = AsciiMetadataKey::from_bytes(b"X-Upper").unwrap();
    metadata.insert(key, "Mixed".parse().unwrap());
    let call = unary_of(&channel, request(metadata));
    let (stream, fields) = peer.expect_request().await;
    assert_eq!(fields.get("x-upper"), Some("Mixed"));
    peer.respond(stream, "b").await;
    answered(call).await;
}

#[tokio::test]
async fn b41_values_that_http_allows_and_grpc_does_not_are_kept_and_can_be_sent_on() {
    let (channel, mut peer) = connected().await;
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    let odd: &[u8] = b"caf\xe9\t\xff";
    let odd_fields = [
        (&b":status"[..], &b"200"[..]),
        (b"content-type", b"application/grpc"),
        (b"x-odd", odd),
    ];
    peer.headers(stream, 0, &odd_fields).await;
    peer.data(stream, 0, &message("b")).await;
    let trailers = [(&b"grpc-status"[..], &b"0"[..]), (b"x-odd", odd)];
    peer.headers(stream, END_STREAM, &trailers).await;
    let answer = ended(call).await.unwrap();
    for metadata in [answer.metadata(), answer.trailers()] {
        let value = metadata.get("x-odd").unwrap();
        assert_eq!(value.as_bytes(), odd);
        assert!(value.to_str().is_err(), "it is no text");
    }
    let call = unary_of(&channel, request(answer.metadata().clone()));
    let (stream, fields) = peer.expect_request().await;
    assert_eq!(fields.bytes("x-odd"), Some(odd));
    peer.respond(stream, "b").await;
    answered(call).await;
}

#[tokio::test]
async fn b42_spaces_around_a_value_do_no_harm() {
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        reply_with_metadata(peer, stream, &[("x-spaced", "  a b  ")]).await;
    });
    let answer = answer.await.unwrap();
    for metadata in [answer.metadata(), answer.trailers()] {
        let value = metadata.get("x-spaced").unwrap().to_str().unwrap();
        assert_eq!(value.trim(), "a b");
    }
}

#[tokio::test]
async fn b43_timeout_first_then_the_call_then_metadata() {
    let (channel, mut peer) = connected().await;
    let mut request = Request::new(Bytes::from("a"));
    request.set_timeout(Duration::from_secs(60));
    request.metadata_mut().insert("aaa", "1".parse().unwrap());
    let call = unary_of(&channel, request);
    let (stream, fields) = peer.expect_request().await;
    let names = fields.names();
    let (pseudo, rest) = names.split_at(4);
    assert!(pseudo.iter().all(|name| name.starts_with(':')), "{names:?}");
    assert_eq!(
        rest,
        ["grpc-timeout", "te", "content-type", "user-agent", "aaa"]
    );
    assert_eq!(fields.get(":method"), Some("POST"));
    assert_eq!(fields.get(":scheme"), Some("http"));
    peer.respond(stream, "b").await;
    answered(call).await;
}

#[tokio::test]
async fn b44_the_user_agent_names_the_application_first() {
    let agent = |endpoint: temaki::Endpoint| endpoint.user_agent("shop/2.1").unwrap();
    let (channel, mut peer) = connected_with(agent, &[]).await;
    let call = unary(&channel, "a");
    let (_, fields) = peer.expect_request().await;
    let expected = concat!("shop/2.1 grpc-rust-temaki/", env!("CARGO_PKG_VERSION"));
    assert_eq!(fields.get("user-agent"), Some(expected));
    drop(peer);
    assert_eq!(failed(call).await.code(), Code::Unavailable);
}
