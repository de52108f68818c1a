//! C21: what people are told when a call fails: what was found, whose limit it is, and which knob on which side.

use std::time::Duration;

use bytes::Bytes;
use temaki::codec::BytesCodec;
use temaki::{Channel, Code, Endpoint, Origin, Request, Status};

use crate::kit::*;
use crate::support::*;

/// What the peer does to a call, which has been heard whole.
#[derive(Clone, Copy, Debug)]
enum Does {
    AnswersTooMuch,
    LosesTheStatus,
    SendsLargeHeaders,
    SendsAHeaderBomb,
    GoesAway,
    GoesAwayInSilence,
    Closes,
}

async fn act(mut peer: Peer, stream: u32, does: Does) {
    let large = "x".repeat(5000);
    match does {
        Does::AnswersTooMuch => {
            peer.headers(stream, 0, &response()).await;
            peer.data(stream, 0, &message(vec![0; 101])).await;
        }
        Does::LosesTheStatus => {
            peer.headers(stream, 0, &response()).await;
            peer.data(stream, 0, &message("b")).await;
            let trailers = [("x-large", &*large), ("grpc-status", "0")];
            peer.headers(stream, END_STREAM, &trailers).await;
        }
        Does::SendsLargeHeaders => {
            let head = response_with(&[("x-large", &large)]);
            peer.headers(stream, 0, &head).await;
        }
        Does::SendsAHeaderBomb => {
            let larger = large.repeat(4);
            let block = hpack::encode(&response_with(&[("x-large", &larger)]));
            let (first, second) = block.split_at(16_000);
            peer.frame(kind::HEADERS, 0, stream, first).await;
            peer.frame(kind::CONTINUATION, END_HEADERS, stream, second)
                .await;
        }
        Does::GoesAway => {
            let goaway = [&stream.to_be_bytes()[..], &[0, 0, 0, 0xb], b"slow down"].concat();
            peer.frame(kind::GOAWAY, 0, 0, &goaway).await;
            peer.ping().await;
            return;
        }
        Does::GoesAwayInSilence => {
            peer.goaway(stream, NO_ERROR).await;
            peer.ping().await;
            return;
        }
        Does::Closes => return,
    }
    peer.expect_closed().await;
}

#[tokio::test]
async fn c21_a_failed_call_says_where_whose_limit_and_which_knob() {
    use Does::*;
    #[rustfmt::skip]
    let rows: [(Does, Code, &[&str]); 7] = [
        (AnswersTooMuch, Code::ResourceExhausted, &["101 bytes", "max_decoding_message_size of the client's channel, 100"]),
        (LosesTheStatus, Code::Unknown, &["no grpc-status", "http2_max_header_list_size of this client"]),
        (SendsLargeHeaders, Code::Internal, &["http2_max_header_list_size of this client"]),
        (SendsAHeaderBomb, Code::Unavailable, &["this side closed the connection", "http2_max_header_list_size of this side"]),
        (GoesAway, Code::Unavailable, &["the peer closed the connection: GOAWAY ENHANCE_YOUR_CALM, \"slow down\""]),
        (GoesAwayInSilence, Code::Unavailable, &["the peer closed the connection: GOAWAY NO_ERROR"]),
        (Closes, Code::Unavailable, &["the connection was lost: the other side closed it without a GOAWAY"]),
    ];
    for (does, code, texts) in rows {
        for streams in [false, true] {
            let knobs = |endpoint: Endpoint| endpoint.http2_max_header_list_size(4096);
            let (channel, mut peer) = connected_with(knobs, &[]).await;
            let channel = channel.max_decoding_message_size(100);
            let call = tokio::spawn(async move {
                let request = Request::new(Bytes::from("a"));
                if streams {
                    let call = channel.server_streaming(path(), BytesCodec, request);
                    let mut messages = call.await?.into_inner();
                    while messages.message().await?.is_some() {}
                    return Ok(());
                }
                channel.unary(path(), BytesCodec, request).await.map(drop)
            });
            let stream = peer.expect_call("a").await;
            let acting = tokio::spawn(act(peer, stream, does));
            let status = failed(call).await;
            assert_eq!(status.code(), code, "{does:?}: {status}");
            for text in texts {
                assert!(status.message().contains(text), "{does:?}: {status}");
            }
            assert!(!status.message().contains("broken pipe"), "{does:?}");
            acting.abort();
        }
    }
}

#[tokio::test]
async fn c21_a_message_that_is_too_large_names_the_knob_of_the_side_that_refuses_it() {
    let server = TestServer::start(temaki::Server::builder()).await;
    let channel = Channel::connect(format!("http://{}", server.addr))
        .await
        .unwrap();
    let call = async |channel: &Channel, size: usize| -> Status {
        let request = Request::new(Bytes::from(vec![7; size]));
        let path = http::uri::PathAndQuery::from_static("/test.Kit/Echo");
        let call = channel.unary(path, BytesCodec, request);
        soon("the status", call).await.unwrap_err()
    };
    let status = call(&channel, 5 << 20).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.origin(), Origin::Peer);
    let expected = "max_decoding_message_size of the server's service, 4194304";
    assert!(status.message().contains(expected), "{status}");
    let status = call(&channel.clone().max_decoding_message_size(9), 10).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    let expected = "max_decoding_message_size of the client's channel, 9";
    assert!(status.message().contains(expected), "{status}");
    let status = call(&channel.clone().max_encoding_message_size(9), 10).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    let expected = "this side's max_encoding_message_size, 9";
    assert!(status.message().contains(expected), "{status}");
}

#[tokio::test(start_paused = true)]
async fn c21_a_dead_peer_did_not_answer_a_ping() {
    let (channel, mut pipes) = piped(|endpoint| {
        let often = endpoint.http2_keep_alive_interval(Duration::from_secs(10));
        often.keep_alive_timeout(Duration::from_secs(5))
    });
    let call = unary(&channel, "a");
    let mut peer = pipes.accept().await;
    peer.expect_call("a").await;
    let beside = server_streaming(&channel, "b");
    let stream = peer.expect_call("b").await;
    peer.headers(stream, 0, &response()).await;
    let mut messages = opened(beside).await;
    // From here on the peer hears nothing.
    for status in [failed(call).await, broken(&mut messages).await] {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        let expected = "the peer did not answer a PING within 5s";
        assert_eq!(status.message(), expected);
    }
}

#[tokio::test]
async fn c21_a_goaway_at_once_is_not_a_peer_that_does_not_speak_http2() {
    let server = RawServer::bind().await;
    let endpoint = Endpoint::new(server.target()).unwrap();
    let serve = async {
        let socket = server.accept_silent().await;
        let mut peer = Peer::silent(socket);
        let goaway = [&[0; 4][..], &[0, 0, 0, 0xb], b"too many connections"].concat();
        let goaway = frame::encode(kind::GOAWAY, 0, 0, &goaway);
        let both = [frame::encode(kind::SETTINGS, 0, 0, &[]), goaway].concat();
        peer.raw(&both).await;
        peer.shutdown().await;
        peer.expect_closed().await;
    };
    let (connected, _) = tokio::join!(soon("an end", endpoint.connect()), serve);
    let error = connected.unwrap_err().to_string();
    assert!(error.contains("too many connections"), "{error}");
    assert!(error.contains("GOAWAY ENHANCE_YOUR_CALM"), "{error}");
    assert!(!error.contains("does not speak HTTP/2"), "{error}");
}

#[tokio::test]
async fn c18_trailers_of_20_kb_are_taken() {
    for first in [true, false] {
        let large = "x".repeat(20_000);
        let mut trailers = [("grpc-status", "0"), ("x-large", &*large)];
        if !first {
            trailers.reverse();
        }
        let answer = reply_to_unary(async |peer, stream| {
            peer.headers(stream, 0, &response()).await;
            peer.data(stream, 0, &message("b")).await;
            let block = hpack::encode(&trailers);
            let (head, rest) = block.split_at(16_000);
            peer.frame(kind::HEADERS, END_STREAM, stream, head).await;
            peer.frame(kind::CONTINUATION, END_HEADERS, stream, rest)
                .await;
        });
        let answer = answer.await.unwrap();
        assert_eq!(answer.trailers().get("x-large").unwrap().len(), 20_000);
    }
}
