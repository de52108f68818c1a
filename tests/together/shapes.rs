//! The four shapes of a call, between temaki's own two ends, over a real socket.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::server::{Methods, TcpIncoming};
use temaki::{Channel, Code, Request, Response, ResponseStream, Server, Status, Streaming};

fn echo() -> Methods<()> {
    let mut methods = Methods::new("test.Echo", Arc::new(()));
    methods.unary(
        "Unary",
        BytesCodec,
        |_, request: Request<Bytes>| async move {
            if request.get_ref().is_empty() {
                return Err(Status::not_found("nothing to say"));
            }
            Ok(Response::new(request.into_inner()))
        },
    );
    methods.server_streaming(
        "Split",
        BytesCodec,
        |_, request: Request<Bytes>| async move {
            Ok(Response::new(ResponseStream::new(async move |mut out| {
                for byte in request.into_inner() {
                    out.send(Bytes::copy_from_slice(&[byte])).await?;
                }
                Ok(())
            })))
        },
    );
    methods.client_streaming(
        "Join",
        BytesCodec,
        |_, request: Request<Streaming<Bytes>>| async move {
            let mut joined = Vec::new();
            let mut messages = request.into_inner();
            while let Some(message) = messages.message().await? {
                joined.extend_from_slice(&message);
            }
            Ok(Response::new(Bytes::from(joined)))
        },
    );
    methods.bidi_streaming("Echo", BytesCodec, |_, request: Request<Streaming<Bytes>>| async move {
        Ok(Response::new(request.into_inner()))
    });
    methods
}

async fn serve() -> Channel {
    let incoming = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", incoming.local_addr().unwrap());
    tokio::spawn(
        Server::builder()
            .add_service(echo())
            .serve_with_incoming(incoming),
    );
    Channel::connect(target.as_str()).await.unwrap()
}

fn path(method: &'static str) -> PathAndQuery {
    format!("/test.Echo/{method}").parse().unwrap()
}

/// A stream of these messages.
fn stream(messages: Vec<Bytes>) -> impl futures_core::Stream<Item = Bytes> + Send + 'static {
    let mut messages = messages.into_iter();
    futures_util::stream::poll_fn(move |_| std::task::Poll::Ready(messages.next()))
}

#[tokio::test]
async fn unary() {
    let channel = serve().await;
    let answer = channel
        .unary(
            path("Unary"),
            BytesCodec,
            Request::new(Bytes::from("hello")),
        )
        .await
        .unwrap();
    assert_eq!(answer.into_inner(), "hello");
    let status = channel
        .unary(path("Unary"), BytesCodec, Request::new(Bytes::new()))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "nothing to say")
    );
}

#[tokio::test]
async fn server_streaming() {
    let channel = serve().await;
    let answer = channel
        .server_streaming(path("Split"), BytesCodec, Request::new(Bytes::from("abc")))
        .await;
    let mut messages = answer.unwrap().into_inner();
    for expected in ["a", "b", "c"] {
        assert_eq!(messages.message().await.unwrap().unwrap(), expected);
    }
    assert!(messages.message().await.unwrap().is_none());
    assert!(messages.trailers().await.unwrap().is_some());
}

#[tokio::test]
async fn client_streaming() {
    let channel = serve().await;
    let request = Request::new(stream(vec!["a".into(), "b".into(), "c".into()]));
    let answer = channel
        .client_streaming(path("Join"), BytesCodec, request)
        .await
        .unwrap();
    assert_eq!(answer.into_inner(), "abc");
}

#[tokio::test]
async fn bidi_streaming_of_many_messages() {
    let channel = serve().await;
    let messages: Vec<Bytes> = (0..10_000u32)
        .map(|n| Bytes::copy_from_slice(&n.to_be_bytes()))
        .collect();
    let answer = channel
        .streaming(
            path("Echo"),
            BytesCodec,
            Request::new(stream(messages.clone())),
        )
        .await;
    let mut answers = answer.unwrap().into_inner();
    for expected in messages {
        assert_eq!(answers.message().await.unwrap().unwrap(), expected);
    }
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_held_call_is_a_conversation() {
    let channel = serve().await;
    let mut call = channel.start(path("Echo"), BytesCodec);
    for n in 0..10u8 {
        call.send(Bytes::copy_from_slice(&[n])).await.unwrap();
        assert_eq!(call.message().await.unwrap().unwrap()[..], [n]);
    }
    call.half_close().await.unwrap();
    assert!(call.message().await.unwrap().is_none());
}

#[tokio::test]
async fn unknown_names_are_told_apart() {
    let channel = serve().await;
    let rows = [
        ("/test.Echo/Nothing", "has no method Nothing"),
        ("/test.Other/Unary", "no service test.Other"),
    ];
    for (path, text) in rows {
        let request = Request::new(Bytes::new());
        let status = channel
            .unary(PathAndQuery::from_static(path), BytesCodec, request)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains(text), "{status}");
    }
}

/// Calls are made from spawned tasks, so their futures must be `Send`, whatever the compiler infers.
#[tokio::test]
async fn calls_can_be_spawned() {
    let channel = serve().await;
    tokio::spawn(async move {
        let one = Bytes::from_static(b"1");
        channel
            .unary(path("Unary"), BytesCodec, Request::new(one.clone()))
            .await
            .unwrap();
        channel
            .server_streaming(path("Split"), BytesCodec, Request::new(one.clone()))
            .await
            .unwrap();
        let request = Request::new(stream(vec![one.clone()]));
        channel
            .client_streaming(path("Join"), BytesCodec, request)
            .await
            .unwrap();
        let request = Request::new(stream(vec![one.clone()]));
        channel
            .streaming(path("Echo"), BytesCodec, request)
            .await
            .unwrap();
        let mut call = channel.start(path("Echo"), BytesCodec);
        call.send(one).await.unwrap();
        call.message().await.unwrap();
    })
    .await
    .unwrap();
}
