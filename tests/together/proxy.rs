//! `examples/proxy` between a raw caller and a raw upstream: what goes through, frame by frame.

#[path = "../../examples/proxy/forward.rs"]
mod forward;
use crate::support::*;
use temaki::{Channel, Server};

/// A proxy, and its caller and upstream, which have both shaken hands.
async fn between() -> (TestServer, Peer, Peer) {
    let listener = RawServer::bind().await;
    let target = listener.target();
    let connecting = tokio::spawn(async move { Channel::connect(target.as_str()).await });
    let upstream = listener.accept().await;
    let channel = soon("a channel", connecting).await.unwrap().unwrap();
    let builder =
        Server::builder().fallback(move |request| forward::pass_on(channel.clone(), request));
    let proxy = TestServer::start(builder).await;
    let caller = proxy.peer().await;
    (proxy, caller, upstream)
}

#[tokio::test]
async fn a_call_goes_through_as_it_is() {
    let (_proxy, mut caller, mut upstream) = between().await;
    let fields = request_with(
        "/any.Thing/At?all",
        &[
            ("x-list", "b"),
            ("x-raw-bin", "AAE"),
            ("x-list", "a"),
            ("grpc-timeout", "10S"),
            ("user-agent", "me"),
        ],
    );
    caller.headers(1, 0, &fields).await;
    caller
        .data(1, END_STREAM, &[message("one"), message("")].concat())
        .await;
    let (stream, request) = upstream.expect_request().await;
    assert_eq!(
        upstream.expect_body(stream).await,
        [message("one"), message("")].concat()
    );
    assert_eq!(request.get(":path"), Some("/any.Thing/At?all"));
    assert_eq!(request.all("x-list"), ["b", "a"]);
    assert_eq!(request.all("x-raw-bin"), ["AAE"]);
    assert_ne!(
        request.get("user-agent"),
        Some("me"),
        "the proxy is the caller there"
    );
    let timeout = request.get("grpc-timeout").expect("the time that is left");
    assert!(timeout != "10S" && !timeout.starts_with('0'), "{timeout}");

    upstream
        .headers(
            stream,
            0,
            &[response(), vec![("x-head", "h"), ("x-raw-bin", "AAE")]].concat(),
        )
        .await;
    upstream
        .data(stream, 0, &[message("uno"), message("dos")].concat())
        .await;
    let trailers = [("grpc-status", "0"), ("x-tail", "t")];
    upstream.headers(stream, END_STREAM, &trailers).await;
    let answer = caller.answer(1).await;
    answer.expect_status(0);
    assert_eq!(answer.messages(), ["uno", "dos"]);
    assert_eq!(answer.headers.get("x-head"), Some("h"));
    assert_eq!(answer.headers.get("x-raw-bin"), Some("AAE"));
    assert_eq!(answer.trailers.get("x-tail"), Some("t"));
}

#[tokio::test]
async fn neither_stream_waits_for_the_other() {
    let (_proxy, mut caller, mut upstream) = between().await;
    caller.headers(1, 0, &request("/any.Thing/Talk")).await;
    let (stream, _) = upstream.expect_request().await;
    upstream.headers(stream, 0, &response()).await;
    caller.expect_headers(1).await;
    for word in ["a", "b", "c"] {
        caller.data(1, 0, &message(word)).await;
        assert_eq!(upstream.expect_data(stream).await, message(word));
        upstream.data(stream, 0, &message(word)).await;
        assert_eq!(caller.expect_data(1).await, message(word));
    }
    caller.data(1, END_STREAM, b"").await;
    assert_eq!(upstream.expect_body(stream).await, "");
    upstream
        .headers(stream, END_STREAM, &[("grpc-status", "0")])
        .await;
    assert_eq!(
        caller.expect_trailers(1).await.get("grpc-status"),
        Some("0")
    );
}

#[tokio::test]
async fn a_status_goes_through_with_all_it_has() {
    let (_proxy, mut caller, mut upstream) = between().await;
    let status = [
        ("grpc-status", "9"),
        ("grpc-message", "100%25 caf%C3%A9"),
        ("grpc-status-details-bin", "CAM"),
        ("x-tail", "t"),
    ];
    // At once, and after a message.
    for (id, is_late) in [(1, false), (3, true)] {
        caller.call(id, &request("/any.Thing/Fail"), "a").await;
        let (stream, _) = upstream.expect_request().await;
        if is_late {
            upstream.headers(stream, 0, &response()).await;
            upstream.data(stream, 0, &message("first")).await;
            upstream.headers(stream, END_STREAM, &status).await;
        } else {
            let both = [&response()[..], &status].concat();
            upstream.headers(stream, END_STREAM, &both).await;
        }
        let answer = caller.answer(id).await;
        assert_eq!(answer.expect_status(9), "100%25 caf%C3%A9");
        assert_eq!(answer.is_trailers_only, !is_late);
        assert_eq!(answer.trailers.get("grpc-status-details-bin"), Some("CAM"));
        assert_eq!(answer.trailers.get("x-tail"), Some("t"));
    }
}

#[tokio::test]
async fn who_gives_up_is_heard_at_the_other_end() {
    let (_proxy, mut caller, mut upstream) = between().await;
    // The caller, before an answer and in the middle of one.
    for (id, answered) in [(1, false), (3, true)] {
        caller.headers(id, 0, &request("/any.Thing/Talk")).await;
        let (stream, _) = upstream.expect_request().await;
        if answered {
            upstream.headers(stream, 0, &response()).await;
            caller.expect_headers(id).await;
        }
        caller.reset(id, CANCEL).await;
        upstream.expect_reset(stream, CANCEL).await;
    }
    // The upstream.
    caller.headers(5, 0, &request("/any.Thing/Talk")).await;
    let (stream, _) = upstream.expect_request().await;
    upstream.headers(stream, 0, &response()).await;
    upstream.reset(stream, INTERNAL_ERROR).await;
    let answer = caller.answer(5).await;
    answer.expect_status(code::INTERNAL);
    // A deadline, which both ends keep.
    let fields = request_with("/any.Thing/Talk", &[("grpc-timeout", "100m")]);
    caller.headers(7, 0, &fields).await;
    let (stream, _) = upstream.expect_request().await;
    caller
        .answer(7)
        .await
        .expect_status(code::DEADLINE_EXCEEDED);
    upstream.expect_reset(stream, CANCEL).await;
}

#[tokio::test]
async fn a_request_that_breaks_does_not_end_at_the_upstream() {
    let (_proxy, mut caller, mut upstream) = between().await;
    for (id, answered) in [(1, false), (3, true)] {
        caller.headers(id, 0, &request("/any.Thing/Talk")).await;
        caller.data(id, 0, &message("one")).await;
        let (stream, _) = upstream.expect_request().await;
        assert_eq!(upstream.expect_data(stream).await, message("one"));
        if answered {
            upstream.headers(stream, 0, &response()).await;
            caller.expect_headers(id).await;
        }
        // The end, in the middle of a message.
        caller.data(id, END_STREAM, &message("two")[..6]).await;
        let trailers = caller.expect_trailers(id).await;
        assert_eq!(trailers.get("grpc-status"), Some("13"));
        upstream.expect_reset(stream, CANCEL).await;
    }
}
