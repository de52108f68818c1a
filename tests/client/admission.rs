//! More calls than the peer takes: who waits, who leaves, and who is told what. The peers limit their streams
//! with MAX_CONCURRENT_STREAMS and count what arrives.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use temaki::codec::BytesCodec;
use temaki::{Call, Channel, Code, Endpoint, Origin, Request, Status};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::kit::*;
use crate::support::*;

const MAX_STREAMS: u16 = setting::MAX_CONCURRENT_STREAMS;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Lets every task run until it waits, on a clock that stands still.
async fn settled() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// A channel to one peer that allows so many streams, over a pipe.
async fn limited(limit: u32) -> (Channel, Peer, PipedPeers) {
    let (channel, mut peers) = piped(|endpoint| endpoint);
    let call = unary_within(&channel, ms(1));
    let io = peers.accept_silent().await;
    let mut peer = Peer::server(io, &[(MAX_STREAMS, limit)]).await;
    // The first call makes the connection. With a limit of 0 it only waits.
    if limit > 0 {
        let stream = peer.expect_call("a").await;
        peer.respond(stream, "first").await;
    }
    let _ = ended(call).await;
    (channel, peer, peers)
}

/// What a peer that answers each call after a while has seen.
#[derive(Debug, Default)]
struct Seen {
    calls: usize,
    resets: usize,
    most_open: usize,
}

/// Answers every call after `takes`, until told to stop; streams in `kept` stay open.
fn slow(
    mut peer: Peer,
    takes: Duration,
    kept: BTreeSet<u32>,
) -> (oneshot::Sender<()>, JoinHandle<(Peer, Seen)>) {
    let (stop, mut stopped) = oneshot::channel();
    let serving = async move {
        let mut seen = Seen::default();
        let mut open: VecDeque<(Instant, u32)> = VecDeque::new();
        loop {
            let due = open.front().map(|(at, _)| *at);
            let far = Instant::now() + ms(3_600_000);
            let frame = tokio::select! {
                _ = &mut stopped => return (peer, seen),
                () = sleep_until(due.unwrap_or(far)) => None,
                frame = peer.next_where(|_| true) => Some(frame),
            };
            match frame {
                None => {
                    let (_, stream) = open.pop_front().expect("one that is due");
                    peer.respond(stream, "late").await;
                }
                Some(Some(Frame::Headers { stream, .. })) => {
                    seen.calls += 1;
                    open.push_back((Instant::now() + takes, stream));
                    seen.most_open = seen.most_open.max(open.len() + kept.len());
                }
                Some(Some(Frame::Reset { stream, .. })) => {
                    seen.resets += 1;
                    open.retain(|(_, open)| *open != stream);
                }
                Some(None) => return (peer, seen),
                Some(Some(_)) => {}
            }
        }
    };
    (stop, tokio::spawn(serving))
}

/// How many calls ended in which way.
async fn sorted<T>(calls: Vec<JoinHandle<Result<T, Status>>>) -> (usize, usize) {
    let (mut good, mut expired) = (0, 0);
    for call in calls {
        match ended(call).await {
            Ok(_) => good += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
                expired += 1;
            }
        }
    }
    (good, expired)
}

#[tokio::test(start_paused = true)]
async fn c04_expired_calls_never_leave_and_a_neighbour_lives() {
    let (channel, mut peer, _peers) = limited(256).await;
    sleep(ms(3_000)).await; // what was seen of the first answer is forgotten
    let neighbour = server_streaming(&channel, "watch");
    let watched = peer.expect_call("watch").await;
    peer.headers(watched, 0, &response()).await;
    let mut neighbour = opened(neighbour).await;

    let (stop, serving) = slow(peer, ms(200), BTreeSet::from([watched]));
    let calls = (0..2_000).map(|_| unary_within(&channel, ms(300)));
    let (good, expired) = sorted(calls.collect()).await;
    assert_eq!((good, good + expired), (255, 2_000));
    sleep(ms(1_000)).await;
    drop(stop);
    let (mut peer, seen) = ended(serving).await;
    assert_eq!((seen.calls, seen.resets, seen.most_open), (255, 0, 256));

    peer.data(watched, 0, &message("still")).await;
    assert_eq!(next(&mut neighbour).await.unwrap().unwrap(), "still");
    assert_eq!(peer.closed(), None);
}

#[tokio::test(start_paused = true)]
async fn c04_ten_thousand_calls_share_a_hundred_streams() {
    let (channel, peer, _peers) = limited(100).await;
    let (stop, serving) = slow(peer, ms(10), BTreeSet::new());
    let calls: Vec<Unary> = (0..10_000).map(|_| unary(&channel, "a")).collect();
    assert_eq!(sorted(calls).await, (10_000, 0));
    drop(stop);
    let (_, seen) = ended(serving).await;
    assert_eq!((seen.calls, seen.resets, seen.most_open), (10_000, 0, 100));
}

#[tokio::test(start_paused = true)]
async fn c05_the_timeout_says_what_is_left_after_the_wait() {
    let (channel, mut peer, _peers) = limited(1).await;
    let first = unary(&channel, "first");
    let stream = peer.expect_call("first").await;
    let begun = Instant::now();
    let second = unary_within(&channel, ms(2_000));
    sleep(ms(1_500)).await;
    peer.respond(stream, "a").await;
    answered(first).await;
    let (stream, fields) = peer.expect_request().await;
    let timeout = fields.get("grpc-timeout").expect("a timeout").to_owned();
    let (digits, unit) = timeout.split_at(timeout.len() - 1);
    let left = match unit {
        "m" => ms(digits.parse().expect("digits")),
        "u" => Duration::from_micros(digits.parse().expect("digits")),
        "n" => Duration::from_nanos(digits.parse().expect("digits")),
        _ => panic!("{timeout}"),
    };
    assert!(left <= ms(2_000) - (Instant::now() - begun), "{timeout}");
    assert!(left >= ms(400), "{timeout}");
    peer.respond(stream, "b").await;
    answered(second).await;
}

/// The server's streams are taken by calls that never end, and others come and expire, for long.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn c05_expired_calls_hold_no_memory() {
    fn resident() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
        let pages = statm.split(' ').nth(1).expect("a number");
        pages.parse::<usize>().expect("a number") * 4096
    }
    let (channel, mut peer, _peers) = limited(4).await;
    let hung: Vec<Opening> = (0..4).map(|_| server_streaming(&channel, "a")).collect();
    for _ in 0..4 {
        peer.expect_call("a").await;
    }
    let mut before = 0;
    for round in 0..40 {
        let calls = (0..1_000).map(|_| unary_within(&channel, ms(50)));
        assert_eq!(sorted(calls.collect()).await, (0, 1_000));
        if round == 0 {
            before = resident();
        }
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes"); // neighbours in this process included
    peer.expect_nothing(11).await;
    assert!(
        !peer
            .waiting()
            .any(|frame| matches!(frame, Frame::Headers { .. } | Frame::Reset { .. }))
    );
    drop(hung);
}

/// 137 % of what the peer can do, for five seconds.
#[tokio::test(start_paused = true)]
async fn c06_overload_does_not_collapse() {
    let (channel, peer, _peers) = limited(50).await;
    let (stop, serving) = slow(peer, ms(50), BTreeSet::new());
    let watch = unary(&channel, "without a deadline");
    let mut calls = Vec::new();
    for tick in 0..5_000 {
        while calls.len() * 730 < tick * 1_000 {
            calls.push(unary_within(&channel, ms(300)));
        }
        sleep(ms(1)).await;
    }
    let (good, _) = sorted(calls).await;
    assert!(good >= 3_500, "{good} of 5,000 that the peer could answer");
    answered(watch).await;
    drop(stop);
    assert_eq!(ended(serving).await.1.resets, 0);
}

/// Calls without a deadline are served although those with one are never all served.
#[tokio::test(start_paused = true)]
async fn c06_nobody_starves() {
    let (channel, peer, _peers) = limited(2).await;
    let (stop, serving) = slow(peer, ms(10), BTreeSet::new());
    let mut dated = Vec::new();
    let mut undated = Vec::new();
    for tick in 0..1_000 {
        dated.push(unary_within(&channel, ms(100)));
        if tick == 500 {
            undated.extend((0..5).map(|_| unary(&channel, "patient")));
        }
        sleep(ms(1)).await;
    }
    for call in undated {
        assert!(call.is_finished(), "half a second is 25 turns of theirs");
        answered(call).await;
    }
    sorted(dated).await;
    drop(stop);
    ended(serving).await;
}

#[tokio::test(start_paused = true)]
async fn c04_a_limit_that_changes_is_kept() {
    let (channel, mut peer, _peers) = limited(1).await;
    let calls: Vec<Unary> = (0..6).map(|_| unary(&channel, "a")).collect();
    let first = peer.expect_call("a").await;
    settled().await;
    let headers = |frame: &Frame| matches!(frame, Frame::Headers { .. });
    peer.ping().await;
    assert!(!peer.waiting().any(headers), "one at a time");

    // Up.
    peer.frame(kind::SETTINGS, 0, 0, &frame::settings(&[(MAX_STREAMS, 3)]))
        .await;
    let (second, third) = (peer.expect_call("a").await, peer.expect_call("a").await);
    settled().await;
    peer.ping().await;
    assert!(!peer.waiting().any(headers), "three");

    // To nothing: those that are open go on, and none is added.
    peer.frame(kind::SETTINGS, 0, 0, &frame::settings(&[(MAX_STREAMS, 0)]))
        .await;
    peer.ping().await;
    for stream in [first, second, third] {
        peer.respond(stream, "a").await;
    }
    settled().await;
    peer.ping().await;
    assert!(!peer.waiting().any(headers), "none");
    let late = unary_within(&channel, ms(100));
    let late = failed(late).await;
    assert!(late.message().contains("the peer's 0 streams"), "{late}");

    // And back.
    peer.frame(kind::SETTINGS, 0, 0, &frame::settings(&[(MAX_STREAMS, 2)]))
        .await;
    for _ in 0..3 {
        let stream = peer.expect_call("a").await;
        peer.respond(stream, "a").await;
    }
    assert_eq!(sorted(calls).await, (6, 0));
}

#[tokio::test(start_paused = true)]
async fn c04_who_waits_on_a_connection_that_drains_waits_on_for_the_next() {
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        let (channel, mut peer, mut peers) = limited(1).await;
        let open = unary(&channel, "open");
        let stream = peer.expect_call("open").await;
        let mut waiting = Vec::new();
        for text in ["b", "c", "d"] {
            waiting.push(unary(&channel, text));
            settled().await;
        }
        peer.goaway(stream, code).await;
        let mut next = peers.accept().await;
        for text in ["b", "c", "d"] {
            let stream = next.expect_call(text).await;
            next.respond(stream, text).await;
        }
        for (call, text) in waiting.into_iter().zip(["b", "c", "d"]) {
            assert_eq!(answered(call).await, text);
        }
        peer.respond(stream, "done").await;
        assert_eq!(answered(open).await, "done");
    }
}

#[tokio::test(start_paused = true)]
async fn c04_who_waits_on_a_connection_that_is_lost_waits_on_for_the_next() {
    let (channel, mut peer, mut peers) = limited(1).await;
    let open = unary(&channel, "open");
    peer.expect_call("open").await;
    let waiting = unary(&channel, "waits");
    settled().await;
    drop(peer);
    assert_eq!(failed(open).await.code(), Code::Unavailable);
    let mut next = peers.accept().await;
    let stream = next.expect_call("waits").await;
    next.respond(stream, "a").await;
    answered(waiting).await;
}

/// A call whose turn comes with less time left than the fastest answer took is not begun.
#[tokio::test(start_paused = true)]
async fn c04_a_turn_that_comes_too_late_is_not_taken() {
    let (channel, mut peer, _peers) = limited(1).await;
    sleep(ms(3_000)).await; // what was seen of the first answer is forgotten
    let first = unary_within(&channel, ms(1_000));
    let stream = peer.expect_call("a").await;
    let late = unary_within(&channel, ms(300));
    let in_time = unary(&channel, "a");
    sleep(ms(200)).await;
    peer.respond(stream, "a").await;
    answered(first).await;
    let begun = Instant::now();
    let status = failed(late).await;
    assert_eq!(
        (status.code(), status.origin()),
        (Code::DeadlineExceeded, Origin::LocalDeadline)
    );
    assert!(status.message().contains("never left"), "{status}");
    assert_eq!(Instant::now(), begun, "at once");
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "a").await;
    answered(in_time).await;
    peer.expect_nothing(stream + 2).await;
}

/// A call of any kind, as a future that can be dropped anywhere.
type AnyCall = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

/// All five kinds of call.
fn calls(channel: &Channel) -> Vec<AnyCall> {
    let channels: Vec<Channel> = (0..5).map(|_| channel.clone()).collect();
    let [a, b, c, d, e] = channels.try_into().expect("five");
    let one = || Bytes::from("a");
    vec![
        Box::pin(async move {
            a.unary(path(), BytesCodec, Request::new(one()))
                .await
                .map(drop)
        }),
        Box::pin(async move {
            let answers = b
                .server_streaming(path(), BytesCodec, Request::new(one()))
                .await?;
            answers.into_inner().message().await.map(drop)
        }),
        Box::pin(async move {
            let messages = Request::new(stream::iter([one()]));
            c.client_streaming(path(), BytesCodec, messages)
                .await
                .map(drop)
        }),
        Box::pin(async move {
            let messages = Request::new(stream::iter([one()]));
            let answers = d.streaming(path(), BytesCodec, messages).await?;
            answers.into_inner().message().await.map(drop)
        }),
        Box::pin(async move {
            let mut call: Call<Bytes, Bytes> = e.start(path(), BytesCodec);
            call.send(one()).await?;
            call.half_close().await?;
            call.message().await.map(drop)
        }),
    ]
}

/// Dropped after n polls, waiting or not: its place is free again.
#[tokio::test(start_paused = true)]
async fn c04_no_place_is_lost_whenever_a_call_is_dropped() {
    for kind in 0..5 {
        for busy in [false, true] {
            for polls in 0..6 {
                let (channel, mut peer, _peers) = limited(1).await;
                let blocker = busy.then(|| unary(&channel, "blocker"));
                let blocked = match busy {
                    true => Some(peer.expect_call("blocker").await),
                    false => None,
                };
                let mut call = calls(&channel).swap_remove(kind);
                for _ in 0..polls {
                    let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    settled().await;
                }
                let waiting = unary(&channel, "after it");
                settled().await;
                if let Some(stream) = blocked.filter(|_| polls % 2 == 0) {
                    // The place falls to the call, which has not been polled since, and is dropped.
                    peer.respond(stream, "done").await;
                    settled().await;
                }
                drop(call);
                if let Some(stream) = blocked.filter(|_| polls % 2 == 1) {
                    peer.respond(stream, "done").await;
                }
                loop {
                    let (stream, _) = peer.expect_request().await;
                    let body = match peer.next(stream).await {
                        Some(Frame::Data { bytes, .. }) => bytes,
                        _ => continue, // the dropped one's, reset
                    };
                    if body == message("after it") {
                        peer.respond(stream, "a").await;
                        break;
                    }
                }
                answered(waiting).await;
                if let Some(blocker) = blocker {
                    answered(blocker).await;
                }
                // And still one, not two.
                let first = unary(&channel, "one");
                let second = unary(&channel, "two");
                let stream = peer.expect_call("one").await;
                peer.expect_nothing(stream + 2).await;
                peer.respond(stream, "a").await;
                let stream = peer.expect_call("two").await;
                peer.respond(stream, "a").await;
                answered(first).await;
                answered(second).await;
            }
        }
    }
}

/// All kinds wait, all kinds expire, and nothing of them leaves.
#[tokio::test(start_paused = true)]
async fn c04_all_five_kinds_wait_for_a_place() {
    let (channel, mut peer, _peers) = limited(1).await;
    let blocker = unary(&channel, "blocker");
    let stream = peer.expect_call("blocker").await;
    let begun: Vec<_> = calls(&channel).into_iter().map(tokio::spawn).collect();
    let dropped: Vec<_> = calls(&channel)
        .into_iter()
        .map(|call| tokio::spawn(timeout(ms(50), call)))
        .collect();
    for call in dropped {
        assert!(ended(call).await.is_err(), "it waits");
    }
    settled().await;
    peer.expect_nothing(stream + 2).await;
    peer.respond(stream, "done").await;
    answered(blocker).await;
    for n in 1..=5 {
        let at = stream + 2 * n;
        let (found, _) = peer.expect_request().await;
        assert_eq!(found, at);
        assert_eq!(peer.expect_body(at).await, message("a"));
        peer.respond(at, "a").await;
    }
    for call in begun {
        ended(call).await.unwrap();
    }
    settled().await;
    peer.expect_nothing(stream + 12).await;
}

#[test]
fn c04_many_threads_share_a_few_places() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let (channel, peer) = connected_with(|endpoint| endpoint, &[(MAX_STREAMS, 7)]).await;
        let (stop, serving) = slow(peer, ms(0), BTreeSet::new());
        let mut calls = Vec::new();
        for n in 0..3_000 {
            let channel = channel.clone();
            calls.push(tokio::spawn(async move {
                let mut call = self::calls(&channel).swap_remove(n % 5);
                if n % 7 == 0 {
                    // Polled once or a few times, and dropped.
                    let _ = timeout(Duration::from_micros(n as u64 % 300), &mut call).await;
                    return Ok(());
                }
                call.await
            }));
        }
        assert_eq!(sorted(calls).await, (3_000, 0));
        drop(stop);
        let (_, seen) = ended(serving).await;
        assert!(seen.most_open <= 7, "{seen:?}");
    });
}

/// A peer that reads nothing: some calls begin, and the others wait until it does.
#[tokio::test(start_paused = true)]
async fn c04_no_permit_while_the_socket_is_stuck() {
    let (channel, mut peer, _peers) = limited(1_000).await;
    // Fills the pipe, and the batch before it, within the peer's windows.
    let upload = Bytes::from(vec![7; 60_000]);
    let mut hogs = vec![unary(&channel, upload.clone())];
    hogs.push(unary(&channel, Bytes::from(vec![7; 5_000])));
    let raised = frame::encode(kind::WINDOW_UPDATE, 0, 0, &(10_u32 << 20).to_be_bytes());
    peer.raw(&raised).await;
    settled().await;
    hogs.extend((0..4).map(|_| unary(&channel, upload.clone())));
    settled().await;

    let calls: Vec<Unary> = (0..500).map(|_| unary_within(&channel, ms(300))).collect();
    for call in calls {
        let status = failed(call).await;
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
    // It reads again: few of those that have expired had begun.
    let mut begun = 0;
    settled().await;
    peer.ping().await;
    for frame in peer.waiting() {
        begun += usize::from(matches!(frame, Frame::Headers { .. }));
    }
    assert!(begun <= hogs.len() + 16, "{begun}");
    let call = unary(&channel, "after");
    loop {
        let (stream, _) = peer.expect_request().await;
        if let Some(Frame::Data { bytes, .. }) = peer.next(stream).await {
            if bytes == message("after") {
                peer.respond(stream, "a").await;
                break;
            }
        }
    }
    answered(call).await;
}

/// Where was it? Each stage of a call says so.
#[tokio::test(start_paused = true)]
async fn d12_the_deadline_says_where_the_call_was() {
    let says = |status: Status, what: &str| {
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(status.origin(), Origin::LocalDeadline);
        assert!(status.message().contains(what), "{status}");
    };
    // Connecting: the peer says nothing.
    let (channel, mut peers) = piped(|endpoint| endpoint);
    let call = unary_within(&channel, ms(50));
    let _silent = peers.accept_silent().await;
    says(failed(call).await, "while connecting to");

    // Waiting for READY, which does not come.
    let (channel, _peers) = piped_if(|endpoint| endpoint, || false);
    let mut request = Request::new(Bytes::from("a"));
    request.set_timeout(ms(50));
    request.set_wait_for_ready(true);
    let status = failed(unary_of(&channel, request)).await;
    says(status.clone(), "told to fail");

    // Waiting for a place, and after it.
    for kind in 0..5 {
        let (channel, mut peer, _peers) = limited(100).await;
        let open: Vec<Opening> = (0..100).map(|_| server_streaming(&channel, "a")).collect();
        let mut streams = Vec::new();
        for _ in 0..100 {
            streams.push(peer.expect_call("a").await);
        }
        let limited = |channel: &Channel| {
            let channel = channel.clone();
            async move {
                let with = channel.with_interceptor(|mut request: Request<()>| {
                    request.set_timeout(ms(100));
                    Ok(request)
                });
                calls(&with).swap_remove(kind).await
            }
        };
        let call = tokio::spawn(limited(&channel));
        says(
            failed(call).await,
            "one of the peer's 100 streams (it never left this process)",
        );
        let call = tokio::spawn(limited(&channel));
        settled().await;
        peer.headers(
            streams[0],
            END_STREAM,
            &response_with(&[("grpc-status", "0")]),
        )
        .await;
        let (stream, _) = peer.expect_request().await;
        says(
            failed(call).await,
            "after the request was sent; no answer came",
        );
        peer.expect_body(stream).await;
        peer.expect_reset(stream, CANCEL).await;

        let call = tokio::spawn(limited(&channel));
        let (stream, _) = peer.expect_request().await;
        peer.headers(stream, 0, &response()).await;
        says(failed(call).await, "in the middle of the answer");
        drop(open);
    }
}

/// Polls each call once and drops them all before anybody else has a turn.
fn begun_and_dropped(channel: &Channel, kind: usize, number: usize) {
    let mut begun: Vec<_> = (0..number)
        .map(|_| calls(channel).swap_remove(kind))
        .collect();
    for call in &mut begun {
        let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// What a `select!` or a hedge leaves behind, in a burst: its resets leave a few at a time.
#[tokio::test(start_paused = true)]
async fn c04_a_burst_of_dropped_calls_is_reset_a_few_at_a_time() {
    for kind in 0..4 {
        let (channel, mut peer, _peers) = limited(256).await;
        let neighbour = server_streaming(&channel, "watch");
        let watched = peer.expect_call("watch").await;
        peer.headers(watched, 0, &response()).await;
        let mut neighbour = opened(neighbour).await;
        settled().await;

        begun_and_dropped(&channel, kind, 200);
        let (mut begun, mut reset, mut most) = (0, 0, 0);
        for _ in 0..60 {
            settled().await;
            peer.ping().await;
            let mut now = 0;
            while let Some(frame) = waiting(&mut peer).await {
                begun += usize::from(matches!(frame, Frame::Headers { .. }));
                now += usize::from(matches!(frame, Frame::Reset { .. }));
            }
            reset += now;
            most = most.max(now);
            sleep(ms(10)).await;
        }
        assert_eq!((begun, reset), (200, 200), "kind {kind}");
        assert!(most <= 20, "kind {kind}: {most} at once");

        // Every place is free again.
        let calls: Vec<Unary> = (0..255).map(|_| unary(&channel, "a")).collect();
        for _ in 0..255 {
            let stream = peer.expect_call("a").await;
            peer.respond(stream, "a").await;
        }
        assert_eq!(sorted(calls).await, (255, 0));
        peer.data(watched, 0, &message("still")).await;
        assert_eq!(next(&mut neighbour).await.unwrap().unwrap(), "still");
    }
}

/// A server that stands still for some seconds finds no more of them than it bears when it goes on: whoever gives
/// up, a caller or a deadline, and whatever kind of call.
#[tokio::test(start_paused = true)]
async fn c04_a_server_that_stands_still_does_not_find_a_burst_of_resets() {
    for kind in 0..5 {
        for limit in [None, Some(ms(50))] {
            let (channel, mut peer, _peers) = limited(256).await;
            settled().await;
            let mut given_up: Vec<JoinHandle<()>> = Vec::new();
            for _ in 0..200 {
                let call = begun(&channel, kind, limit);
                given_up.push(tokio::spawn(
                    async move { drop(timeout(ms(60), call).await) },
                ));
            }
            for call in given_up {
                ended(call).await;
            }
            sleep(ms(4_000)).await;

            let (mut begun, mut reset, mut most) = (0, 0, 0);
            for _ in 0..60 {
                peer.ping().await;
                let mut now = 0;
                while let Some(frame) = waiting(&mut peer).await {
                    begun += usize::from(matches!(frame, Frame::Headers { .. }));
                    now += usize::from(matches!(frame, Frame::Reset { .. }));
                }
                reset += now;
                most = most.max(now);
                sleep(ms(10)).await;
            }
            assert_eq!((begun, reset), (200, 200), "kind {kind}, {limit:?}");
            assert!(most <= 20, "kind {kind}, {limit:?}: {most} at once");
        }
    }
}

/// A call of any kind that sends one message, and waits for an answer.
fn begun(
    channel: &Channel,
    kind: usize,
    limit: Option<Duration>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    fn within<T>(message: T, limit: Option<Duration>) -> Request<T> {
        let mut request = Request::new(message);
        limit
            .into_iter()
            .for_each(|limit| request.set_timeout(limit));
        request
    }
    let channel = channel.clone();
    let one = || Bytes::from("a");
    let many = move || {
        use stream::StreamExt;
        stream::iter([one()]).chain(stream::pending())
    };
    Box::pin(async move {
        match kind {
            0 => drop(
                channel
                    .unary(path(), BytesCodec, within(one(), limit))
                    .await,
            ),
            1 => drop(
                channel
                    .server_streaming(path(), BytesCodec, within(one(), limit))
                    .await,
            ),
            2 => drop(
                channel
                    .client_streaming(path(), BytesCodec, within(many(), limit))
                    .await,
            ),
            3 => drop(
                channel
                    .streaming(path(), BytesCodec, within(many(), limit))
                    .await,
            ),
            _ => {
                let call = held(&channel);
                let call = match limit {
                    Some(limit) => call.with_timeout(limit),
                    None => call,
                };
                let (mut sender, mut receiver) = call.split();
                let _ = sender.send(one()).await;
                let _ = receiver.message().await;
            }
        }
    })
}

/// A frame that was heard and not asked for.
async fn waiting(peer: &mut Peer) -> Option<Frame> {
    let any = peer.waiting().next().is_some();
    if any {
        peer.next_where(|_| true).await
    } else {
        None
    }
}

/// A call that the peer answers meanwhile is not reset at all.
#[tokio::test(start_paused = true)]
async fn c04_dropped_calls_that_are_answered_meanwhile_are_not_reset() {
    let (channel, mut peer, _peers) = limited(256).await;
    begun_and_dropped(&channel, 0, 100);
    let mut resets = 0;
    for _ in 0..100 {
        let (stream, _) = peer.expect_request().await;
        peer.respond(stream, "a").await;
    }
    sleep(ms(1_000)).await;
    peer.ping().await;
    for frame in peer.waiting() {
        resets += usize::from(matches!(frame, Frame::Reset { .. }));
    }
    assert!(resets <= 16, "{resets}");
    let call = unary(&channel, "after");
    let stream = peer.expect_call("after").await;
    peer.respond(stream, "a").await;
    answered(call).await;
}

/// A server on `h2` with its defaults, which closes the connection at the 21st stream that is reset before it was
/// taken up.
#[tokio::test]
async fn c04_a_burst_of_dropped_calls_does_not_end_a_connection_to_h2() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut server = h2::server::handshake(socket).await.unwrap();
        let mut kept = Vec::new();
        while let Some(Ok((request, mut respond))) = server.accept().await {
            if request.headers().contains_key("answer") {
                let response = http::Response::builder()
                    .header("content-type", "application/grpc")
                    .header("grpc-status", "0");
                respond
                    .send_response(response.body(()).unwrap(), true)
                    .unwrap();
            } else {
                kept.push((request, respond)); // hangs
            }
        }
    });
    let channel = Endpoint::new(target).unwrap().connect().await.unwrap();
    let beside = server_streaming(&channel, "beside");
    for kind in [0, 1, 2, 3, 0, 0] {
        begun_and_dropped(&channel, kind, 200);
        let mut request = Request::new(Bytes::new());
        request
            .metadata_mut()
            .insert("answer", "please".parse().unwrap());
        opened(server_streaming_of(&channel, request)).await;
        assert!(!beside.is_finished(), "the neighbour lives");
    }
    assert!(!serving.is_finished());
}

/// Metadata that makes a request's header list about so large.
fn large(bytes: usize) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from("a"));
    let value = "x".repeat(bytes / 8 - 40);
    for n in 0..8 {
        let name = format!("x-large-{n}");
        let name: temaki::metadata::MetadataKey<temaki::metadata::Ascii> = name.parse().unwrap();
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    request
}

//= GRPC-HDR-LIMIT  type=test
#[tokio::test]
async fn c12_a_request_with_too_much_metadata_never_leaves() {
    const LIST: u16 = setting::MAX_HEADER_LIST_SIZE;
    let rows: [(Option<u32>, usize, &str, &str); 6] = [
        (None, 70 << 10, "65536", "it announced nothing"),
        (
            None,
            50 << 10,
            "",
            "it announced nothing, and this is little",
        ),
        (Some(16 << 10), 20 << 10, "16384", "it takes less"),
        (Some(16 << 10), 14 << 10, "", "it takes as much"),
        (Some(1 << 20), 200 << 10, "", "it takes more"),
        (Some(100), 1 << 10, "100", "next to nothing"),
    ];
    for (announced, bytes, named, why) in rows {
        let settings: Vec<(u16, u32)> = announced.map(|limit| (LIST, limit)).into_iter().collect();
        let (channel, mut peer) = connected_with(|endpoint| endpoint, &settings).await;
        let beside = unary(&channel, "beside");
        let stream = peer.expect_call("beside").await;
        let call = unary_of(&channel, large(bytes));
        if named.is_empty() {
            let (stream, _) = peer.expect_request().await;
            peer.respond(stream, "a").await;
            answered(call).await;
        } else {
            let status = failed(call).await;
            assert_eq!(
                (status.code(), status.origin()),
                (Code::ResourceExhausted, Origin::LocalLimit),
                "{why}"
            );
            assert!(status.message().contains(named), "{why}: {status}");
            peer.expect_nothing(stream + 2).await;
        }
        peer.respond(stream, "a").await;
        answered(beside).await;
        assert_eq!(peer.closed(), None, "{why}");
    }
}

/// An interceptor that adds a large token; the other kinds of call; and the place is free again.
#[tokio::test]
async fn c12_holds_for_all_kinds_of_call_and_for_what_interceptors_add() {
    let (channel, mut peer) = connected_with(|endpoint| endpoint, &[(MAX_STREAMS, 1)]).await;
    let with = channel
        .clone()
        .with_interceptor(|mut request: Request<()>| {
            let value = "x".repeat(70 << 10).parse().unwrap();
            request.metadata_mut().insert("authorization", value);
            Ok(request)
        });
    for call in calls(&with) {
        let status = soon("its end", call).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    }
    let call = unary(&channel, "after");
    let stream = peer.expect_call("after").await;
    assert_eq!(stream, 1);
    peer.respond(stream, "a").await;
    answered(call).await;
}
