//! Rows 65 to 72: who ends a call, how, and what the other side is told.

use std::time::Duration;

use bytes::Bytes;
use temaki::{Code, Origin, Request};

use crate::kit::*;
use crate::support::*;

/// More than any window that a peer grants here.
const LARGE: usize = 300_000;

//= GRPC-EARLY-CLOSE-CLIENT  type=test
#[tokio::test]
async fn b65_an_answer_before_our_end_is_followed_by_a_reset_that_is_no_error() {
    let (channel, mut peer) = connected().await;
    let waiting = vec![Bytes::from("one")];

    let call = client_streaming(&channel, waiting.clone());
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    peer.respond(stream, "enough").await;
    assert_eq!(answered(call).await, "enough");
    peer.expect_reset(stream, NO_ERROR).await;

    let call = streaming(&channel, waiting.clone());
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    peer.respond(stream, "enough").await;
    let mut messages = opened(call).await;
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "enough");
    assert_eq!(next(&mut messages).await.unwrap(), None);
    peer.expect_reset(stream, NO_ERROR).await;

    let mut call = held(&channel);
    call.send(Bytes::from("one")).await.unwrap();
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    peer.respond(stream, "enough").await;
    assert_eq!(call.message().await.unwrap().unwrap(), "enough");
    assert_eq!(call.message().await.unwrap(), None);
    peer.expect_reset(stream, NO_ERROR).await;

    // Trailers-Only, in the same three ways, and a status that is an error.
    let refusal = response_with(&[("grpc-status", "7"), ("grpc-message", "go away")]);
    let call = client_streaming(&channel, waiting.clone());
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    peer.headers(stream, END_STREAM, &refusal).await;
    assert_eq!(failed(call).await.code(), Code::PermissionDenied);
    peer.expect_reset(stream, NO_ERROR).await;

    let call = streaming(&channel, waiting);
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    peer.headers(stream, END_STREAM, &refusal).await;
    assert_eq!(failed(call).await.code(), Code::PermissionDenied);
    peer.expect_reset(stream, NO_ERROR).await;

    let mut call = held(&channel);
    call.send(Bytes::from("one")).await.unwrap();
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    peer.headers(stream, END_STREAM, &refusal).await;
    assert_eq!(
        call.message().await.unwrap_err().code(),
        Code::PermissionDenied
    );
    peer.expect_reset(stream, NO_ERROR).await;
}

/// After its own END_STREAM a client has nothing to reset.
#[tokio::test]
async fn b65_an_answer_after_our_end_is_followed_by_nothing() {
    let (channel, mut peer) = connected().await;
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    answered(call).await;
    let mut call = held(&channel);
    call.half_close().await.unwrap();
    let (second, _) = peer.expect_request().await;
    assert_eq!(peer.expect_body(second).await, "");
    let over = response_with(&[("grpc-status", "0")]);
    peer.headers(second, END_STREAM, &over).await;
    assert_eq!(call.message().await.unwrap(), None);
    peer.expect_nothing(stream).await;
    peer.expect_nothing(second).await;
}

#[tokio::test]
async fn b66_an_answer_unblocks_a_writer_that_waits_for_window() {
    let window = [(setting::INITIAL_WINDOW_SIZE, 1000)];
    let (channel, mut peer) = connected_with(|endpoint| endpoint, &window).await;
    peer.credits = false;
    let refusal = response_with(&[("grpc-status", "8"), ("grpc-message", "too much")]);
    let large = Bytes::from(vec![b'x'; LARGE]);

    // Each shape of call waits in its own place.
    for shape in ["unary", "server streaming", "client streaming", "bidi"] {
        let status = match shape {
            "unary" | "client streaming" => {
                let call = match shape {
                    "unary" => unary(&channel, large.clone()),
                    _ => client_streaming(&channel, vec![large.clone()]),
                };
                refuse_when_full(&mut peer, &refusal).await;
                failed(call).await
            }
            _ => {
                let call = match shape {
                    "server streaming" => server_streaming(&channel, large.clone()),
                    _ => streaming(&channel, vec![large.clone()]),
                };
                refuse_when_full(&mut peer, &refusal).await;
                failed(call).await
            }
        };
        assert_eq!(
            (status.code(), status.message()),
            (Code::ResourceExhausted, "too much"),
            "{shape}"
        );
        assert_eq!(status.origin(), Origin::Peer, "{shape}");
    }
    // A held call: its sender is told that the call is over, its receiver how.
    let (mut sender, mut receiver) = held(&channel).split();
    let sending = tokio::spawn(async move { sender.send(large).await });
    let receiving = tokio::spawn(async move { receiver.message().await });
    refuse_when_full(&mut peer, &refusal).await;
    assert_eq!(failed(receiving).await.code(), Code::ResourceExhausted);
    let status = failed(sending).await;
    assert!(status.message().contains("the call is over"), "{status}");
}

/// Nobody reads the answer of a held call yet: a sender that waits for window is told of its end all the same,
/// by a peer that resets what it no longer wants.
#[tokio::test]
async fn b66_a_reset_unblocks_a_sender_whose_answer_nobody_reads() {
    let window = [(setting::INITIAL_WINDOW_SIZE, 1000)];
    let (channel, mut peer) = connected_with(|endpoint| endpoint, &window).await;
    peer.credits = false;
    let (mut sender, mut receiver) = held(&channel).split();
    let large = Bytes::from(vec![b'x'; LARGE]);
    let sending = tokio::spawn(async move { sender.send(large).await });
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await.len(), 1000);
    let refusal = response_with(&[("grpc-status", "8"), ("grpc-message", "too much")]);
    peer.headers(stream, END_STREAM, &refusal).await;
    peer.reset(stream, NO_ERROR).await;
    let status = failed(sending).await;
    assert!(status.message().contains("the call is over"), "{status}");
    let status = soon("the status", receiver.message()).await.unwrap_err();
    assert_eq!(status.message(), "too much");
}

/// One task that sends and does not read, and a peer that has answered and does not reset what it no longer
/// wants: whatever the answer is.
#[tokio::test]
async fn b66_the_end_of_an_answer_unblocks_a_caller_who_only_sends() {
    let window = [(setting::INITIAL_WINDOW_SIZE, 1000)];
    let (channel, mut peer) = connected_with(|endpoint| endpoint, &window).await;
    peer.credits = false;
    let large = Bytes::from(vec![b'x'; LARGE]);
    let end = [("grpc-status", "8"), ("grpc-message", "too much")];
    for answer in ["status", "headers, status", "page"] {
        let (mut call, large) = (held(&channel), large.clone());
        let sending = tokio::spawn(async move { (call.send(large).await, call) });
        let (stream, _) = peer.expect_request().await;
        assert_eq!(peer.expect_data(stream).await.len(), 1000);
        let (code, text, reset) = match answer {
            "status" => {
                peer.headers(stream, END_STREAM, &response_with(&end)).await;
                (Code::ResourceExhausted, "too much", NO_ERROR)
            }
            "headers, status" => {
                peer.headers(stream, 0, &response()).await;
                peer.ping().await;
                peer.headers(stream, END_STREAM, &end).await;
                (Code::ResourceExhausted, "too much", NO_ERROR)
            }
            _ => {
                peer.headers(stream, END_STREAM, &[(":status", "503")])
                    .await;
                (Code::Unavailable, "HTTP status 503", CANCEL)
            }
        };
        let (sent, mut call) = ended(sending).await;
        judged(sent.unwrap_err());
        let status = call.message().await.unwrap_err();
        assert_eq!(status.code(), code, "{answer}");
        assert!(status.message().contains(text), "{answer}: {status}");
        assert_eq!(call.message().await.unwrap(), None, "told once");
        peer.expect_reset(stream, reset).await;
        peer.window_update(0, 1000).await;
    }
    // What was read ahead is not lost.
    let mut call = held(&channel);
    let sending = tokio::spawn(async move { (call.send(large).await, call) });
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await.len(), 1000);
    peer.headers(stream, 0, &response()).await;
    peer.data(stream, 0, &message("one")).await;
    peer.data(stream, 0, &message("two")).await;
    peer.ping().await;
    peer.window_update(0, 1 << 20).await;
    peer.window_update(stream, 1 << 20).await;
    let (sent, mut call) = ended(sending).await;
    sent.unwrap();
    assert_eq!(call.message().await.unwrap().unwrap(), "one");
    assert_eq!(call.message().await.unwrap().unwrap(), "two");
    peer.ok(stream).await;
    assert_eq!(call.message().await.unwrap(), None);
}

/// Refuses the next call when it has filled its window, and hears it reset for that.
async fn refuse_when_full(peer: &mut Peer, refusal: &[(&str, &str)]) {
    let (stream, _) = peer.expect_request().await;
    let mut len = 0;
    while len < 1000 {
        len += peer.expect_data(stream).await.len();
    }
    peer.expect_nothing(stream).await;
    peer.headers(stream, END_STREAM, refusal).await;
    peer.expect_reset(stream, NO_ERROR).await;
    // The connection's window is for all of them.
    peer.window_update(0, len as u32).await;
}

/// The peer hears it, and what it still says is nobody's business.
#[tokio::test(start_paused = true)]
async fn b67_the_deadline_is_ours_at_once_and_the_peer_is_told() {
    let (channel, mut pipes) = piped(|endpoint| endpoint);
    let limit = Duration::from_secs(2);
    let begin = tokio::time::Instant::now();
    let call = unary_within(&channel, limit);
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("a").await;
    let status = failed(call).await;
    assert_eq!(
        (status.code(), status.origin()),
        (Code::DeadlineExceeded, Origin::LocalDeadline)
    );
    assert_eq!(
        begin.elapsed().as_secs(),
        2,
        "by the clock that stands still"
    );
    peer.expect_reset(stream, CANCEL).await;
    peer.respond(stream, "late").await;
    peer.expect_nothing(stream).await;

    // Between headers and message, between message and trailers, and in a stream.
    for is_message_sent in [false, true] {
        let call = unary_within(&channel, limit);
        let stream = peer.expect_call("a").await;
        peer.headers(stream, 0, &response()).await;
        if is_message_sent {
            peer.data(stream, 0, &message("b")).await;
        }
        assert_eq!(failed(call).await.code(), Code::DeadlineExceeded);
        peer.expect_reset(stream, CANCEL).await;
        peer.ok(stream).await;
        peer.expect_nothing(stream).await;
    }
    let mut request = Request::new(Bytes::from("a"));
    request.set_timeout(limit);
    let call = server_streaming_of(&channel, request);
    let stream = peer.expect_call("a").await;
    peer.headers(stream, 0, &response()).await;
    peer.data(stream, 0, &message("b")).await;
    let mut messages = opened(call).await;
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "b");
    assert_eq!(broken(&mut messages).await.code(), Code::DeadlineExceeded);
    peer.expect_reset(stream, CANCEL).await;
    peer.ok(stream).await;
    peer.expect_nothing(stream).await;
}

/// A deadline that passes while a request waits for the peer's window.
#[tokio::test(start_paused = true)]
async fn b67_the_deadline_covers_a_send_that_waits() {
    let (channel, mut pipes) = piped(|endpoint| endpoint.timeout(Duration::from_secs(2)));
    let large = Bytes::from(vec![b'x'; LARGE]);
    let call = unary(&channel, large.clone());
    let mut peer = pipes.accept().await;
    peer.credits = false;
    let (stream, _) = peer.expect_request().await;
    assert_eq!(failed(call).await.code(), Code::DeadlineExceeded);
    while !matches!(
        peer.next(stream).await,
        Some(Frame::Reset { code: CANCEL, .. })
    ) {}

    let mut call = held(&channel);
    let status = soon("the deadline", call.send(large)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let (stream, _) = peer.expect_request().await;
    peer.expect_reset(stream, CANCEL).await;
    assert_eq!(
        call.message().await.unwrap_err().code(),
        Code::DeadlineExceeded
    );
}

/// Both ends give up at the same moment, and the peer's word is here first.
#[tokio::test(start_paused = true)]
async fn b68_cancelled_after_the_deadline_is_the_deadline() {
    let (channel, mut pipes) = piped(|endpoint| endpoint);
    let first = unary(&channel, "a");
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    answered(first).await;
    let limit = Duration::from_secs(2);
    for is_reset in [true, false] {
        let call = unary_within(&channel, limit);
        let stream = peer.expect_call("a").await;
        // The clock is moved, and nobody has been woken by it yet.
        tokio::time::advance(limit).await;
        if is_reset {
            peer.reset(stream, CANCEL).await;
        } else {
            let fields = response_with(&[("grpc-status", "1")]);
            peer.headers(stream, END_STREAM, &fields).await;
        }
        let status = failed(call).await;
        assert_eq!(
            (status.code(), status.origin()),
            (Code::DeadlineExceeded, Origin::LocalDeadline)
        );
    }
    // Before it, it is what it says.
    let call = unary_within(&channel, limit);
    let stream = peer.expect_call("a").await;
    peer.reset(stream, CANCEL).await;
    let status = failed(call).await;
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Cancelled, Origin::Reset(CANCEL))
    );
}

//= GRPC-CANCEL  type=test
#[tokio::test]
async fn b69_what_is_dropped_is_cancelled_and_never_looks_ended() {
    let (channel, mut peer) = connected().await;

    // A unary call: all was said already.
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    call.abort();
    peer.expect_reset(stream, CANCEL).await;

    // A stream of answers, half read.
    let call = server_streaming(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.headers(stream, 0, &response()).await;
    peer.data(stream, 0, &message("b")).await;
    let mut messages = opened(call).await;
    next(&mut messages).await.unwrap();
    drop(messages);
    peer.expect_reset(stream, CANCEL).await;

    // A stream of requests that goes on: no END_STREAM comes before the reset.
    let call = client_streaming(&channel, vec![Bytes::from("one")]);
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    call.abort();
    peer.expect_reset(stream, CANCEL).await;

    let call = streaming(&channel, vec![Bytes::from("one")]);
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    call.abort();
    peer.expect_reset(stream, CANCEL).await;

    let call = streaming(&channel, vec![Bytes::from("one")]);
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    peer.headers(stream, 0, &response()).await;
    drop(opened(call).await);
    peer.expect_reset(stream, CANCEL).await;

    // A held call, either end of it.
    for drops_sender in [true, false] {
        let mut call = held(&channel);
        call.send(Bytes::from("one")).await.unwrap();
        let (stream, _) = peer.expect_request().await;
        assert_eq!(peer.expect_data(stream).await, message("one"));
        let (sender, receiver) = call.split();
        if drops_sender {
            drop(sender);
            peer.expect_reset(stream, CANCEL).await;
            drop(receiver);
        } else {
            drop(receiver);
            peer.expect_reset(stream, CANCEL).await;
            drop(sender);
        }
        peer.expect_nothing(stream).await;
    }
}

/// A call that fails on this side, while requests are still to come, was not answered: the peer is told so.
#[tokio::test]
async fn b69_what_fails_here_is_cancelled_there() {
    let (channel, mut peer) = connected().await;
    let waiting = vec![Bytes::from("one")];
    let two = [message("b"), message("c")].concat();
    let call = client_streaming(&channel, waiting.clone());
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    peer.headers(stream, 0, &response()).await;
    peer.data(stream, 0, &two).await;
    assert_eq!(failed(call).await.code(), Code::Unimplemented);
    peer.expect_reset(stream, CANCEL).await;

    let call = streaming(&channel, waiting);
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    peer.headers(stream, 0, &response()).await;
    peer.data(stream, 0, &prefixed(7, "b")).await;
    let mut messages = opened(call).await;
    assert_eq!(broken(&mut messages).await.code(), Code::Internal);
    peer.expect_reset(stream, CANCEL).await;

    // An upload that waits for window meets a page.
    let window = [(setting::INITIAL_WINDOW_SIZE, 1000)];
    let (narrow, mut proxy) = connected_with(|endpoint| endpoint, &window).await;
    proxy.credits = false;
    let call = server_streaming(&narrow, vec![b'x'; LARGE]);
    let (stream, _) = proxy.expect_request().await;
    assert_eq!(proxy.expect_data(stream).await.len(), 1000);
    let page = [(":status", "200"), ("content-type", "text/html")];
    proxy.headers(stream, 0, &page).await;
    assert_eq!(failed(call).await.code(), Code::Unknown);
    proxy.expect_reset(stream, CANCEL).await;

    let mut call = held(&channel);
    call.send(Bytes::from("one")).await.unwrap();
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("one"));
    let page = [(":status", "200"), ("content-type", "text/html")];
    peer.headers(stream, 0, &page).await;
    let status = soon("the status", call.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    peer.expect_reset(stream, CANCEL).await;
}

/// An upload that waits for window, and is dropped there: what was sent of it was not the whole.
#[tokio::test]
async fn b69_a_half_sent_message_never_looks_ended() {
    let window = [(setting::INITIAL_WINDOW_SIZE, 1000)];
    let (channel, mut peer) = connected_with(|endpoint| endpoint, &window).await;
    peer.credits = false;
    // What is given to `h2` whole, and what is sent as the peer takes it.
    for (is_unary, len) in [
        (true, 10_000),
        (false, 10_000),
        (true, LARGE),
        (false, LARGE),
    ] {
        let large = vec![b'x'; len];
        let (unary, stream);
        if is_unary {
            unary = unary_of(&channel, Request::new(large.into()));
            (stream, _) = peer.expect_request().await;
            assert_eq!(peer.expect_data(stream).await.len(), 1000);
            unary.abort();
        } else {
            let opening = server_streaming(&channel, large);
            (stream, _) = peer.expect_request().await;
            assert_eq!(peer.expect_data(stream).await.len(), 1000);
            opening.abort();
        }
        peer.expect_reset(stream, CANCEL).await;
    }
}

/// The codes of resets, by number; what HTTP/2 does not know among them.
#[rustfmt::skip]
const RESETS: [(u32, Code); 15] = [
    (0x0, Code::Internal),            // NO_ERROR
    (0x1, Code::Internal),            // PROTOCOL_ERROR
    (0x2, Code::Internal),            // INTERNAL_ERROR
    (0x3, Code::Internal),            // FLOW_CONTROL_ERROR
    (0x4, Code::Internal),            // SETTINGS_TIMEOUT
    (0x5, Code::Unknown),             // STREAM_CLOSED: the spec has no code for it
    (0x6, Code::Internal),            // FRAME_SIZE_ERROR
    (0x7, Code::Unavailable),         // REFUSED_STREAM
    (0x8, Code::Cancelled),           // CANCEL
    (0x9, Code::Internal),            // COMPRESSION_ERROR
    (0xa, Code::Internal),            // CONNECT_ERROR
    (0xb, Code::ResourceExhausted),   // ENHANCE_YOUR_CALM
    (0xc, Code::PermissionDenied),    // INADEQUATE_SECURITY
    (0xd, Code::Unknown),             // HTTP_1_1_REQUIRED
    (0xffff, Code::Unknown),          // of the future
];

//= GRPC-RST-MAP  type=test
#[tokio::test]
async fn b70_a_resets_reason_becomes_a_code() {
    let (channel, mut peer) = connected().await;
    for (reason, code) in RESETS {
        // Instead of an answer, in the middle of one message, and in a stream.
        for after_headers in [false, true] {
            let call = unary(&channel, "a");
            let mut stream = peer.expect_call("a").await;
            if after_headers {
                peer.headers(stream, 0, &response()).await;
                peer.data(stream, 0, &message("b")[..3]).await;
            }
            peer.reset(stream, reason).await;
            if reason == REFUSED_STREAM && !after_headers {
                // It is tried once more by itself.
                stream = peer.expect_call("a").await;
                peer.reset(stream, reason).await;
            }
            let status = failed(call).await;
            assert_eq!(status.code(), code, "{reason:#x}: {status:?}");
            assert_eq!(status.origin(), Origin::Reset(reason));
            assert!(status.message().contains(&name(reason)), "{status}");
        }
        let call = server_streaming(&channel, "a");
        let stream = peer.expect_call("a").await;
        peer.headers(stream, 0, &response()).await;
        peer.data(stream, 0, &message("b")).await;
        peer.reset(stream, reason).await;
        let mut messages = opened(call).await;
        let status = match next(&mut messages).await {
            Ok(_) => broken(&mut messages).await,
            // `h2` lets go of what was not read when a reset comes.
            Err(status) => status,
        };
        assert_eq!(
            (status.code(), status.origin()),
            (code, Origin::Reset(reason))
        );
    }
}

//= GRPC-RES-SECOND-HEADERS  type=test
#[tokio::test]
async fn b92_headers_in_the_middle_are_a_protocol_error() {
    let (channel, mut peer) = connected().await;
    for is_message_sent in [false, true] {
        let call = unary(&channel, "a");
        let stream = peer.expect_call("a").await;
        peer.headers(stream, 0, &response()).await;
        if is_message_sent {
            peer.data(stream, 0, &message("b")).await;
        }
        peer.headers(stream, 0, &[("x-more", "1")]).await;
        let status = failed(call).await;
        assert_eq!(
            (status.code(), status.origin()),
            (Code::Internal, Origin::Protocol)
        );
        peer.expect_reset(stream, PROTOCOL_ERROR).await;
    }
    // The connection is none the worse.
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    assert_eq!(answered(call).await, "b");
}

/// A server that has answered may say that it wants no more of the request. All of it in one write, so
/// that the reset is there before anybody has looked at the trailers.
#[tokio::test]
async fn b71_a_reset_that_is_no_error_after_trailers_changes_nothing() {
    let window = [(setting::INITIAL_WINDOW_SIZE, 1000)];
    let (channel, mut peer) = connected_with(|endpoint| endpoint, &window).await;
    peer.credits = false;
    let fields = [("grpc-status", "0"), ("x-read", "1000")];
    let call = unary(&channel, vec![b'x'; 10_000]);
    let (stream, _) = peer.expect_request().await;
    peer.expect_data(stream).await;
    let head = hpack::encode(&response());
    let tail = hpack::encode(&fields);
    let all = [
        encode(kind::HEADERS, END_HEADERS, stream, &head),
        encode(kind::DATA, 0, stream, &message("enough")),
        encode(kind::HEADERS, END_HEADERS | END_STREAM, stream, &tail),
        encode(kind::RST_STREAM, 0, stream, &NO_ERROR.to_be_bytes()),
    ];
    peer.raw(&all.concat()).await;
    let answer = ended(call).await.unwrap();
    assert_eq!(answer.trailers().get("x-read").unwrap(), "1000");
    assert_eq!(answer.get_ref(), "enough");

    // The same for an error, in one block.
    let call = unary(&channel, vec![b'x'; 10_000]);
    let (stream, _) = peer.expect_request().await;
    peer.expect_data(stream).await;
    let fields = response_with(&[("grpc-status", "8"), ("grpc-message", "too much")]);
    let all = [
        encode(
            kind::HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &hpack::encode(&fields),
        ),
        encode(kind::RST_STREAM, 0, stream, &NO_ERROR.to_be_bytes()),
    ];
    peer.raw(&all.concat()).await;
    let status = failed(call).await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::ResourceExhausted, "too much")
    );
}

//= GRPC-REQ-EOS  type=test
#[tokio::test]
async fn a_request_ends_on_its_last_data_or_on_an_empty_one() {
    let (channel, mut peer) = connected().await;
    let expect_end =
        async |peer: &mut Peer, stream: u32, expected: &[u8]| match peer.next(stream).await {
            Some(Frame::Data {
                end: true, bytes, ..
            }) => assert_eq!(&bytes[..], expected),
            other => peer.fail(&format!("DATA END_STREAM; came {other:?}")),
        };
    let _call = unary(&channel, "a");
    let (stream, _) = peer.expect_request().await;
    expect_end(&mut peer, stream, &message("a")).await;

    let mut call = held(&channel);
    call.send(Bytes::from("a")).await.unwrap();
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(stream).await, message("a"));
    call.half_close().await.unwrap();
    expect_end(&mut peer, stream, b"").await;
    call.half_close().await.unwrap();
    peer.expect_nothing(stream).await;
    call.send(Bytes::from("b")).await.unwrap_err();

    // Without any message, too.
    let mut call = held(&channel);
    call.half_close().await.unwrap();
    let (stream, _) = peer.expect_request().await;
    expect_end(&mut peer, stream, b"").await;
}
