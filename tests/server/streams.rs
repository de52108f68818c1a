//! Streams of answers: when their headers leave, how many messages share a frame, what comes at the end, and who
//! waits for whom.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use temaki::codec::BytesCodec;
use temaki::server::Methods;
use temaki::{Code, Request, Response, ResponseStream, Server, Status};

use crate::support::*;

const REPEAT: &str = "/test.Kit/Repeat";

/// The DATA frames of an answer that ends well.
async fn data_frames(peer: &mut Peer, stream: u32) -> Vec<Bytes> {
    peer.expect_headers(stream).await;
    let mut frames = Vec::new();
    loop {
        match peer.next(stream).await {
            Some(Frame::Data { bytes, .. }) => frames.push(bytes),
            Some(Frame::Headers {
                end: true, fields, ..
            }) => {
                assert_eq!(fields.get("grpc-status"), Some("0"));
                return frames;
            }
            other => peer.fail(&format!("an answer; came {other:?}")),
        }
    }
}

#[tokio::test]
async fn messages_that_are_ready_together_share_a_frame() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    peer.call(1, &request(REPEAT), "100 15").await;
    let frames = data_frames(&mut peer, 1).await;
    let lens: Vec<_> = frames.iter().map(Bytes::len).collect();
    assert_eq!(lens, [2000], "100 messages of 20 bytes");
    // 80,000 bytes are five batches of 16 KiB, and some are cut where the caller's window ends.
    peer.call(3, &request(REPEAT), "4000 15").await;
    let frames = data_frames(&mut peer, 3).await;
    assert!(frames.len() <= 15, "{}", frames.len());
    assert_eq!(messages(frames.concat().into()).len(), 4000);
}

/// A batch is what is ready: it never waits for company.
#[tokio::test]
async fn a_message_leaves_although_more_will_come() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Kit/Stay"), "first").await;
    peer.expect_headers(1).await;
    assert_eq!(peer.expect_data(1).await, message("first"));
    peer.expect_nothing(1).await;
}

#[tokio::test]
async fn headers_leave_before_the_first_message_is_there() {
    let mut methods = Methods::new("test.Late", Arc::new(Probe::default()));
    methods.server_streaming(
        "Say",
        BytesCodec,
        |probe: Arc<Probe>, request: Request<Bytes>| async move {
            let mut response = Response::new(ResponseStream::new(async move |mut out| {
                let _running = probe.enter();
                if request.get_ref().is_empty() {
                    std::future::pending::<()>().await;
                }
                out.send(request.into_inner()).await
            }));
            response
                .metadata_mut()
                .insert("x-head", "h".parse().unwrap());
            response
                .trailers_mut()
                .insert("x-tail", "t".parse().unwrap());
            Ok(response)
        },
    );
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Late/Say"), "").await;
    let headers = peer.expect_headers(1).await;
    assert_eq!(headers.get("x-head"), Some("h"));
    peer.expect_nothing(1).await;
    // What was sent last is not lost to the end, and trailing metadata stands beside an OK.
    peer.call(3, &request("/test.Late/Say"), "last words").await;
    let answer = peer.answer(3).await;
    assert_eq!(answer.expect_one(), "last words");
    assert_eq!(answer.trailers.get("x-tail"), Some("t"));
}

/// Any stream will do, and what it yields before an error arrives before the error.
#[tokio::test]
async fn an_error_comes_behind_the_messages_before_it() {
    let mut methods = Methods::new("test.Any", Arc::new(()));
    methods.server_streaming("Fail", BytesCodec, |_, _: Request<Bytes>| async move {
        let messages = stream::iter(0..3).map(|n: u8| Ok(Bytes::copy_from_slice(&[n])));
        let error = stream::once(async { Err(Status::aborted("enough")) });
        let never = stream::once(async { panic!("nothing is asked for behind an error") });
        let mut response = Response::new(messages.chain(error).chain(never).boxed());
        response
            .trailers_mut()
            .insert("x-tail", "t".parse().unwrap());
        Ok(response)
    });
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Any/Fail"), "").await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.expect_status(10), "enough");
    assert_eq!(answer.messages(), [&[0][..], &[1], &[2]]);
    assert_eq!(
        answer.trailers.get("x-tail"),
        None,
        "the error's own metadata goes instead"
    );
}

/// A handler is not asked for more than its caller takes, but for a batch.
#[tokio::test]
async fn a_slow_caller_slows_its_handler_down() {
    let probe = Probe::default();
    let mut methods = Methods::new("test.Eager", Arc::new(probe.clone()));
    methods.server_streaming(
        "Count",
        BytesCodec,
        |probe: Arc<Probe>, _: Request<Bytes>| async move {
            Ok(Response::new(stream::repeat_with(move || {
                drop(probe.enter());
                Ok(Bytes::from_static(&[7; 1019]))
            })))
        },
    );
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let mut peer = server.peer().await;
    peer.credits = false;
    peer.call(1, &request("/test.Eager/Count"), "").await;
    peer.expect_headers(1).await;
    let mut taken = 0;
    while taken < 65_535 {
        taken += peer.expect_data(1).await.len();
    }
    peer.expect_nothing(1).await;
    let made = probe.counts().started;
    assert!(
        (64..=64 + 17).contains(&made),
        "64 KiB were taken, one batch waits: {made}"
    );
    // It goes on with the caller.
    peer.window_update(0, 40_000).await;
    peer.window_update(1, 40_000).await;
    probe
        .until("more messages", |counts| counts.started > made + 16)
        .await;
    peer.reset(1, CANCEL).await;
}

#[tokio::test]
async fn messages_over_the_servers_limits_end_their_calls() {
    let mut methods = Methods::new("test.Small", Arc::new(()))
        .max_decoding_message_size(10)
        .max_encoding_message_size(4);
    methods.unary(
        "Echo",
        BytesCodec,
        |_, request: Request<Bytes>| async move { Ok(Response::new(request.into_inner())) },
    );
    methods.server_streaming("Grow", BytesCodec, |_, _: Request<Bytes>| async move {
        let lens = stream::iter(1_usize..);
        Ok(Response::new(
            lens.map(|len| Ok(Bytes::from(vec![b'x'; len]))),
        ))
    });
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Small/Echo"), "1234").await;
    assert_eq!(peer.answer(1).await.expect_one(), "1234");
    peer.call(3, &request("/test.Small/Echo"), "12345").await;
    let answer = peer.answer(3).await;
    let text = answer.expect_status(code::RESOURCE_EXHAUSTED);
    assert!(text.contains("max_encoding_message_size"), "{text}");
    peer.call(5, &request("/test.Small/Echo"), "12345678901")
        .await;
    let answer = peer.answer(5).await;
    answer.expect_status(code::RESOURCE_EXHAUSTED);
    peer.call(7, &request("/test.Small/Grow"), "").await;
    let answer = peer.answer(7).await;
    answer.expect_status(code::RESOURCE_EXHAUSTED);
    assert_eq!(answer.messages(), ["x", "xx", "xxx", "xxxx"]);
}

/// What another server said, returned by `?`: code, message and details go on, its metadata only when asked.
#[tokio::test]
async fn a_received_status_keeps_its_metadata_unless_told() {
    let listener = RawServer::bind().await;
    let target = listener.target();
    let connecting = tokio::spawn(async move { temaki::Channel::connect(target.as_str()).await });
    let mut upstream = listener.accept().await;
    let channel = soon("a channel", connecting).await.unwrap().unwrap();
    let mut methods = Methods::new("test.Relay", Arc::new(channel));
    let path = http::uri::PathAndQuery::from_static("/up.Stream/Call");
    for (name, forwards) in [("Plain", false), ("Forward", true)] {
        let path = path.clone();
        methods.unary(name, BytesCodec, move |channel, request: Request<Bytes>| {
            let path = path.clone();
            async move {
                let inner = Request::new(request.into_inner());
                let answer = channel.unary(path, BytesCodec, inner).await;
                answer.map_err(|status: Status| {
                    assert_eq!(status.code(), Code::Aborted);
                    if forwards {
                        status.forward_metadata()
                    } else {
                        status
                    }
                })
            }
        });
    }
    let server = TestServer::start(Server::builder().add_service(methods)).await;
    let mut peer = server.peer().await;
    let rows = [
        (1, "/test.Relay/Plain", None),
        (3, "/test.Relay/Forward", Some("internal")),
    ];
    for (stream, path, expected) in rows {
        peer.call(stream, &request(path), "a").await;
        let (called, _) = upstream.expect_request().await;
        let end = [
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-status", "10"),
            ("grpc-message", "busy"),
            ("grpc-status-details-bin", "CAo"),
            ("x-trace", "internal"),
        ];
        upstream.headers(called, END_STREAM, &end).await;
        let answer = peer.answer(stream).await;
        assert_eq!(answer.expect_status(10), "busy");
        assert_eq!(answer.trailers.get("grpc-status-details-bin"), Some("CAo"));
        assert_eq!(answer.trailers.get("x-trace"), expected, "{path}");
    }
}
