//! Row 72, and a server that means harm: whatever it does ends at the deadline, with the right code, and
//! what it can make a client hold is bounded.
//!
//! All of it on a clock that jumps. Memory is judged by what the client takes: how far the peer may run
//! ahead, and how much of a thing without end is read before the connection is given up.

use std::time::Duration;

use temaki::{Channel, Code, Origin, Status};
use tokio::time::{Instant, sleep, timeout};

use crate::kit::*;
use crate::support::*;

/// The deadline of each call here.
const LIMIT: Duration = Duration::from_secs(2);

/// A channel whose calls have two seconds, and what it is connected to.
async fn limited() -> (Channel, Peer, PipedPeers) {
    let (channel, mut pipes) = piped(|endpoint| endpoint.timeout(LIMIT));
    let call = unary(&channel, "first");
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("first").await;
    peer.respond(stream, "b").await;
    answered(call).await;
    (channel, peer, pipes)
}

/// What becomes of a call while the peer does this, for as long as it is let.
async fn during(say: impl AsyncFnOnce(&mut Peer, u32)) -> Status {
    let (channel, mut peer, _pipes) = limited().await;
    let begin = Instant::now();
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    let status = tokio::select! {
        status = failed(call) => status,
        () = async { say(&mut peer, stream).await; std::future::pending().await } => unreachable!(),
    };
    let took = begin.elapsed();
    if status.code() == Code::DeadlineExceeded {
        assert_eq!(status.origin(), Origin::LocalDeadline);
        assert!(
            (LIMIT..LIMIT + Duration::from_millis(200)).contains(&took),
            "{took:?}"
        );
        peer.expect_reset(stream, CANCEL).await;
    }
    status
}

#[tokio::test(start_paused = true)]
async fn every_half_answer_ends_at_the_deadline() {
    let whole = message(vec![b'x'; 100]);
    let head = hpack::encode(&response_with(&[("grpc-status", "0")]));
    // Nothing at all.
    let status = during(async |_: &mut Peer, _| {}).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    // Half a header block.
    let status = during(async |peer: &mut Peer, stream| {
        peer.frame(kind::HEADERS, 0, stream, &head[..9]).await;
    });
    assert_eq!(status.await.code(), Code::DeadlineExceeded);
    // Half a frame.
    let status = during(async |peer: &mut Peer, stream| {
        let frame = encode(kind::HEADERS, END_HEADERS, stream, &head);
        peer.raw(&frame[..frame.len() / 2]).await;
    });
    assert_eq!(status.await.code(), Code::DeadlineExceeded);
    // Headers and no more; half a prefix; half a message; a message and no trailers.
    for len in [0, 3, 50, whole.len()] {
        let status = during(async |peer: &mut Peer, stream| {
            peer.headers(stream, 0, &response()).await;
            peer.data(stream, 0, &whole[..len]).await;
        });
        assert_eq!(status.await.code(), Code::DeadlineExceeded, "{len}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_drips_ends_at_the_deadline() {
    // A message a byte at a time, which would take minutes; in empty frames between them, none.
    let status = during(async |peer: &mut Peer, stream| {
        peer.headers(stream, 0, &response()).await;
        for byte in message(vec![b'x'; 10_000]) {
            peer.data(stream, 0, &[byte]).await;
            sleep(Duration::from_millis(10)).await;
        }
    });
    assert_eq!(status.await.code(), Code::DeadlineExceeded);
    // Interim responses for ever.
    let status = during(async |peer: &mut Peer, stream| {
        loop {
            peer.headers(stream, 0, &[(":status", "103"), ("link", "</x>")])
                .await;
            sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(status.await.code(), Code::DeadlineExceeded);
    // A page that is not gRPC, for ever: it is quoted, and that is that.
    let status = during(async |peer: &mut Peer, stream| {
        peer.headers(
            stream,
            0,
            &[(":status", "200"), ("content-type", "text/html")],
        )
        .await;
        loop {
            peer.data(stream, 0, b" ").await;
            sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(status.await.code(), Code::Unknown);
}

#[tokio::test(start_paused = true)]
async fn an_endless_stream_ends_at_the_deadline() {
    let (channel, mut peer, _pipes) = limited().await;
    let begin = Instant::now();
    let call = server_streaming(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.headers(stream, 0, &response()).await;
    let mut messages = opened(call).await;
    let server = tokio::spawn(async move {
        for _ in 0..210 {
            peer.data_within_windows(stream, 0, &message("b")).await;
            sleep(Duration::from_millis(10)).await;
        }
        peer.expect_reset(stream, CANCEL).await;
    });
    let mut count = 0;
    let status = loop {
        match next(&mut messages).await {
            Ok(message) => assert_eq!(message.expect("no end"), "b"),
            Err(status) => break status,
        }
        count += 1;
    };
    assert_eq!(
        (status.code(), status.origin()),
        (Code::DeadlineExceeded, Origin::LocalDeadline)
    );
    assert!(begin.elapsed() < LIMIT + Duration::from_millis(200));
    assert!(count > 100, "they were read until then: {count}");
    ended(server).await;
}

/// Nobody reads: the peer may send what the stream's window has room for, and no more.
#[tokio::test(start_paused = true)]
async fn an_endless_stream_that_nobody_reads_is_held_to_its_window() {
    let knobs = |endpoint: temaki::Endpoint| endpoint.initial_stream_window_size(64 * 1024);
    let (channel, mut pipes) = piped(knobs);
    let call = server_streaming(&channel, "a");
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("a").await;
    peer.headers(stream, 0, &response()).await;
    let messages = opened(call).await;
    let flood = message(vec![b'x'; 1 << 20]);
    let sent = async { peer.data_within_windows(stream, 0, &flood).await };
    timeout(Duration::from_secs(10), sent)
        .await
        .expect_err("there is no room for all of it");
    assert_eq!(peer.window(stream), 0);
    peer.expect_nothing(stream).await;
    drop(messages);
    peer.expect_reset(stream, CANCEL).await;
}

/// A peer that takes no more bytes keeps neither a task nor a socket of a client that has left.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_not_waited_for_when_nobody_calls_any_more() {
    let (channel, mut pipes) = piped(|endpoint| endpoint);
    let call = unary(&channel, vec![b'x'; 300_000]);
    let windows = [(setting::INITIAL_WINDOW_SIZE, 1 << 20)];
    let mut peer = Peer::server(pipes.accept_silent().await, &windows).await;
    peer.window_update(0, 1 << 20).await;
    peer.expect_request().await;
    // From here on it reads nothing, and the pipe is full. A call that is open may wait.
    sleep(Duration::from_secs(100)).await;
    let ping = encode(kind::PING, 0, 0, &[0; 8]);
    peer.try_raw(&ping).await.expect("the connection stands");
    call.abort();
    drop(channel);
    sleep(Duration::from_secs(10)).await;
    peer.try_raw(&ping).await.expect("it still has some time");
    sleep(Duration::from_secs(20)).await;
    peer.try_raw(&ping)
        .await
        .expect_err("the connection is gone");
}

/// A reader that is slower than its peer: when the deadline has passed, the peer is given no more credit, so that
/// what is still read is what was on its way.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_always_ready_ends_at_the_deadline_too() {
    let knobs = |endpoint: temaki::Endpoint| {
        endpoint
            .timeout(LIMIT)
            .initial_stream_window_size(16 * 1024)
    };
    let (channel, mut pipes) = piped(knobs);
    let call = server_streaming(&channel, "a");
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("a").await;
    peer.headers(stream, 0, &response()).await;
    let mut messages = opened(call).await;
    let one = message(vec![b'x'; 1019]);
    for _ in 0..16 {
        peer.data(stream, 0, &one).await;
    }
    peer.ping().await;
    tokio::time::advance(LIMIT).await;
    let mut count = 0;
    let status = loop {
        match next(&mut messages).await {
            Ok(_) => count += 1,
            Err(status) => break status,
        }
        tokio::task::yield_now().await; // for what the connection may have to say
    };
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(count <= 16, "{count}");
    peer.expect_reset(stream, CANCEL).await;
    assert_eq!(peer.window(stream), 0, "no credit was given");
}

/// A message larger than the limit is refused by its prefix.
//= CODE-TOO-LARGE  type=test
#[tokio::test(start_paused = true)]
async fn a_giant_length_prefix_is_refused_by_itself() {
    for len in [4 * 1024 * 1024 + 1, u32::MAX] {
        let status = during(async |peer: &mut Peer, stream| {
            peer.headers(stream, 0, &response()).await;
            let prefix = [&[0][..], &len.to_be_bytes()].concat();
            peer.data(stream, 0, &prefix).await;
        });
        let status = status.await;
        assert_eq!(
            (status.code(), status.origin()),
            (Code::ResourceExhausted, Origin::LocalLimit)
        );
        assert!(status.message().contains(&len.to_string()), "{status}");
    }
}

/// 4 MiB are allowed: until they have come, nothing is taken for them, and the deadline holds.
#[tokio::test(start_paused = true)]
async fn a_message_that_is_announced_and_does_not_come_ends_at_the_deadline() {
    let status = during(async |peer: &mut Peer, stream| {
        peer.headers(stream, 0, &response()).await;
        let prefix = [&[0][..], &(4u32 << 20).to_be_bytes()].concat();
        peer.data(stream, 0, &prefix).await;
    });
    assert_eq!(status.await.code(), Code::DeadlineExceeded);
}

/// How many frames of a kind without end the client takes before it gives the connection up, and how its
/// call ends then.
async fn flooded(say: impl AsyncFn(&mut Peer, u32) -> Vec<u8>) -> (usize, Status) {
    let (channel, mut peer, _pipes) = limited().await;
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    let frame = say(&mut peer, stream).await;
    let mut taken = 0;
    while taken < 100_000 && peer.try_raw(&frame).await.is_ok() {
        taken += 1;
        // Whoever is on the other side may act on it.
        tokio::task::yield_now().await;
        if call.is_finished() {
            break;
        }
    }
    (taken, failed(call).await)
}

#[tokio::test(start_paused = true)]
async fn headers_without_end_are_cut_short() {
    let (taken, status) = flooded(async |peer: &mut Peer, stream| {
        let block = hpack::encode(&response());
        peer.frame(kind::HEADERS, 0, stream, &block).await;
        let more = hpack::encode(&[("x-more", "x".repeat(1000))]);
        encode(kind::CONTINUATION, 0, stream, &more)
    })
    .await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(
        taken <= 70,
        "16 KiB by four, a thousand bytes each: {taken}"
    );
    // Empty ones take no memory, and are counted all the same.
    let (taken, status) = flooded(async |peer: &mut Peer, stream| {
        let block = hpack::encode(&response());
        peer.frame(kind::HEADERS, 0, stream, &block).await;
        encode(kind::CONTINUATION, 0, stream, b"")
    })
    .await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(taken <= 70, "{taken}");
}

#[tokio::test(start_paused = true)]
async fn giant_trailers_end_their_call_and_take_no_memory() {
    let (channel, mut peer, _pipes) = limited().await;
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.headers(stream, 0, &response()).await;
    peer.data(stream, 0, &message("b")).await;
    // Five megabytes, in as many frames as that takes.
    let trailers = hpack::encode(&[("x-large", vec![b'x'; 5 << 20])]);
    let mut flags = kind::HEADERS;
    let mut taken = 0;
    for part in trailers.chunks(16_384) {
        let frame = encode(flags, if taken == 0 { END_STREAM } else { 0 }, stream, part);
        flags = kind::CONTINUATION;
        if peer.try_raw(&frame).await.is_err() {
            break;
        }
        taken += part.len();
    }
    let status = failed(call).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(
        taken <= 256 << 10,
        "the pipe's 64 KiB, and some frames: {taken}"
    );
}

#[tokio::test(start_paused = true)]
async fn empty_data_frames_are_counted() {
    let (taken, status) = flooded(async |peer: &mut Peer, stream| {
        peer.headers(stream, 0, &response()).await;
        encode(kind::DATA, 0, stream, b"")
    })
    .await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(
        taken <= 64 * 1024 / 9 + 10_000 + 64 * 1024 / 9,
        "a pipe full of them, ten thousand, and what was read with those: {taken}"
    );
}

/// A client that was never asked has nothing to do with what a server pushes.
#[tokio::test(start_paused = true)]
async fn pushed_streams_are_a_connection_error() {
    let status = during(async |peer: &mut Peer, stream| {
        let block = hpack::encode(&request("/pushed"));
        let promise = [&2u32.to_be_bytes()[..], &block].concat();
        peer.frame(kind::PUSH_PROMISE, END_HEADERS, stream, &promise)
            .await;
        peer.expect_goaway(PROTOCOL_ERROR).await;
    });
    let status = status.await;
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Unavailable, Origin::Protocol)
    );
}

/// For a log a status is one line of printable text, and not a long one. For a program it is what it was.
#[tokio::test]
async fn a_message_that_attacks_logs_shows_as_one_line() {
    let evil = "%0A2026-01-01 ERROR root logged in%0D%1B%5B2J%00%E2%80%AE%C2%85";
    let long = "%07".repeat(4000);
    for sent in [evil, &long] {
        let answer = reply_to_unary(async |peer: &mut Peer, stream| {
            let fields = response_with(&[("grpc-status", "5"), ("grpc-message", sent)]);
            peer.headers(stream, END_STREAM, &fields).await;
        });
        let status = answer.await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        for shown in [format!("{status}"), format!("{status:?}")] {
            let odd = |char: char| char.is_control() || ('\u{2028}'..='\u{202e}').contains(&char);
            assert!(!shown.contains(odd), "{shown:?}");
            assert!(shown.len() < 4096 + 300, "{}", shown.len());
        }
    }
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        let fields = response_with(&[("grpc-status", "5"), ("grpc-message", evil)]);
        peer.headers(stream, END_STREAM, &fields).await;
    });
    let message = answer.await.unwrap_err().message().to_owned();
    assert_eq!(
        message,
        "\n2026-01-01 ERROR root logged in\r\u{1b}[2J\0\u{202e}\u{85}"
    );
    // Metadata, too, which HTTP/2 allows to hold more than text.
    let answer = reply_to_unary(async |peer: &mut Peer, stream| {
        let fields = [
            (&b":status"[..], &b"200"[..]),
            (b"content-type", b"application/grpc"),
            (b"grpc-status", b"5"),
            (b"x-odd", b"\x9b2J\xe2\x80\xae"),
        ];
        peer.headers(stream, END_STREAM, &fields).await;
    });
    let shown = format!("{:?}", answer.await.unwrap_err());
    assert!(
        shown
            .chars()
            .all(|char| !char.is_control() && char != '\u{202e}'),
        "{shown:?}"
    );
}

/// A few frames that each belong somewhere, in an order that does not. Seeded: it is the same each time.
#[tokio::test(start_paused = true)]
async fn b72_whatever_the_peer_does_the_library_never_speaks_for_the_application() {
    let head = hpack::encode(&response());
    let bare = hpack::encode(&[(":status", "200")]);
    let tail = hpack::encode(&[("x-tail", "1")]);
    let body = message("b");
    #[rustfmt::skip]
    let frames: [(u8, u8, &[u8]); 16] = [
        (kind::HEADERS, END_HEADERS, &head),
        (kind::HEADERS, END_HEADERS | END_STREAM, &head),
        (kind::HEADERS, END_HEADERS, &bare),
        (kind::HEADERS, END_HEADERS | END_STREAM, &tail),
        (kind::HEADERS, 0, &head),
        (kind::CONTINUATION, END_HEADERS, &tail),
        (kind::DATA, 0, &body),
        (kind::DATA, END_STREAM, &body),
        (kind::DATA, 0, &body[..4]),
        (kind::DATA, 0, b"\x07"),
        (kind::DATA, PADDED, b"\xff"),
        (kind::RST_STREAM, 0, &[0, 0, 0, 0]),
        (kind::RST_STREAM, 0, &[0, 0, 0, 8]),
        (kind::WINDOW_UPDATE, 0, &[0, 0, 0, 0]),
        (kind::PRIORITY, 0, &[0, 0, 0, 1, 1]),
        (0x7f, 0xff, b"unheard of"),
    ];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut codes = std::collections::BTreeMap::new();
    for _ in 0..100 {
        let (channel, mut peer, _pipes) = limited().await;
        let call = unary(&channel, "a");
        let stream = peer.expect_call("a").await;
        for _ in 0..4 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (kind, flags, payload) = frames[(random >> 20) as usize % frames.len()];
            let _ = peer.try_raw(&encode(kind, flags, stream, payload)).await;
        }
        // `failed` judges the code.
        let status = failed(call).await;
        *codes.entry(status.code() as u32).or_insert(0) += 1;
    }
    assert!(codes.len() >= 4, "there were more ways than one: {codes:?}");
}
