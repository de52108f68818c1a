//! The hazards of a stack on `h2`. In this file with temaki at both ends, over real sockets; in [`buffering`], [`windows`]
//! and [`write_errors`] with a raw peer, or a pipe that breaks, at one of them.

mod buffering;
mod windows;
mod write_errors;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::server::{Methods, TcpIncoming};
use temaki::{
    Channel, Code, Endpoint, Origin, Request, Response, ResponseStream, Server, Streaming,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Long for a test, short for a person: what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells when it is dropped, as a handler is.
struct Dropped(mpsc::UnboundedSender<()>);
impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A service of hazards, and where it tells of handlers that were dropped.
fn service() -> (
    Methods<mpsc::UnboundedSender<()>>,
    mpsc::UnboundedReceiver<()>,
) {
    let (dropped, drops) = mpsc::unbounded_channel();
    let mut methods = Methods::new("test.Hazards", Arc::new(dropped));
    methods.unary(
        "Echo",
        BytesCodec,
        |_, request: Request<Bytes>| async move { Ok(Response::new(request.into_inner())) },
    );
    methods.unary(
        "PanicAtOnce",
        BytesCodec,
        |_, _: Request<Bytes>| async move { panic!("at once") },
    );
    methods.unary(
        "PanicLater",
        BytesCodec,
        |_, _: Request<Bytes>| async move {
            tokio::task::yield_now().await;
            panic!("in a task of its own")
        },
    );
    methods.unary(
        "Never",
        BytesCodec,
        |dropped, _: Request<Bytes>| async move {
            let _dropped = Dropped((*dropped).clone());
            pending().await
        },
    );
    methods.server_streaming(
        "Endless",
        BytesCodec,
        |dropped, _: Request<Bytes>| async move {
            let dropped = Dropped((*dropped).clone());
            Ok(Response::new(ResponseStream::new(async move |mut out| {
                let _dropped = dropped;
                loop {
                    out.send(Bytes::from_static(&[0; 8192])).await?;
                }
            })))
        },
    );
    methods.client_streaming(
        "NeverReads",
        BytesCodec,
        |dropped, request: Request<Streaming<Bytes>>| async move {
            let _held = (Dropped((*dropped).clone()), request);
            pending().await
        },
    );
    methods.client_streaming(
        "AnswersEarly",
        BytesCodec,
        |_, _: Request<Streaming<Bytes>>| async move {
            let mut response = Response::new(Bytes::from_static(b"enough"));
            response
                .trailers_mut()
                .insert("x-read", "0".parse().unwrap());
            Ok(response)
        },
    );
    (methods, drops)
}

/// A server with these hazards, and a channel to it.
async fn serve(
    server: Server,
    endpoint: impl FnOnce(Endpoint) -> Endpoint,
) -> (Channel, mpsc::UnboundedReceiver<()>) {
    let (methods, drops) = service();
    let incoming = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", incoming.local_addr().unwrap());
    tokio::spawn(server.add_service(methods).serve_with_incoming(incoming));
    let channel = endpoint(Endpoint::new(target).unwrap())
        .connect()
        .await
        .unwrap();
    (channel, drops)
}

async fn defaults() -> (Channel, mpsc::UnboundedReceiver<()>) {
    serve(Server::builder(), |endpoint| endpoint).await
}

fn path(method: &str) -> PathAndQuery {
    format!("/test.Hazards/{method}").parse().unwrap()
}

async fn unary(channel: &Channel, method: &str, message: Bytes) -> Result<Bytes, temaki::Status> {
    let call = channel.unary(path(method), BytesCodec, Request::new(message));
    timeout(PATIENCE, call)
        .await
        .expect("it does not hang")
        .map(Response::into_inner)
}

#[tokio::test]
async fn four_mebibytes_pass_through_windows_of_64_kibibytes_both_ways() {
    let server = Server::builder()
        .initial_stream_window_size(65_536)
        .initial_connection_window_size(65_536);
    let (channel, _) = serve(server, |endpoint| {
        endpoint
            .initial_stream_window_size(65_536)
            .initial_connection_window_size(65_536)
    })
    .await;
    let large: Bytes = (0..4 * 1024 * 1024 - 16).map(|n| (n % 251) as u8).collect();
    assert_eq!(unary(&channel, "Echo", large.clone()).await.unwrap(), large);
    let again = unary(&channel, "Echo", Bytes::from_static(b"still here"))
        .await
        .unwrap();
    assert_eq!(again, "still here", "no credit was lost on the way");
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_by_its_prefix() {
    let (channel, _) = defaults().await;
    let status = unary(&channel, "Echo", vec![0; 4 * 1024 * 1024 + 1].into())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
}

#[tokio::test]
async fn eight_stalled_uploads_do_not_hold_up_a_neighbour() {
    let (channel, mut drops) = defaults().await;
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut call = channel.start::<BytesCodec>(path("NeverReads"), BytesCodec);
        // More than a stream's window: the last send waits for ever.
        let sender = tokio::spawn(async move {
            loop {
                call.send(Bytes::from_static(&[0; 65_536])).await.unwrap();
            }
        });
        stalled.push(sender);
    }
    for _ in 0..20 {
        let message = Bytes::from(vec![7; 100_000]);
        assert_eq!(
            unary(&channel, "Echo", message.clone()).await.unwrap(),
            message
        );
    }
    for sender in &stalled {
        assert!(!sender.is_finished(), "an upload that nobody reads waits");
        sender.abort();
    }
    for _ in 0..8 {
        timeout(PATIENCE, drops.recv())
            .await
            .expect("a cancelled call's handler is dropped");
    }
}

#[tokio::test]
async fn a_panic_is_the_end_of_its_call_and_of_nothing_else() {
    let (channel, _) = defaults().await;
    for method in ["PanicAtOnce", "PanicLater"] {
        let never = tokio::spawn({
            let channel = channel.clone();
            async move {
                channel
                    .unary(path("Never"), BytesCodec, Request::new(Bytes::new()))
                    .await
                    .map(|_| ())
            }
        });
        let status = unary(&channel, method, Bytes::new()).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Internal, "the handler panicked"),
            "{method}"
        );
        assert_eq!(
            unary(&channel, "Echo", Bytes::from_static(b"hi"))
                .await
                .unwrap(),
            "hi"
        );
        assert!(!never.is_finished(), "a neighbour goes on");
        never.abort();
    }
}

#[tokio::test]
async fn what_the_caller_drops_ends_the_handler() {
    let (channel, mut drops) = defaults().await;
    let call = tokio::spawn({
        let channel = channel.clone();
        async move { unary(&channel, "Never", Bytes::new()).await }
    });
    // The call is open when a later one has been answered on the same connection.
    unary(&channel, "Echo", Bytes::new()).await.unwrap();
    call.abort();
    timeout(PATIENCE, drops.recv())
        .await
        .expect("dropped with its call");

    let endless = channel
        .server_streaming(path("Endless"), BytesCodec, Request::new(Bytes::new()))
        .await
        .unwrap();
    let mut endless = endless.into_inner();
    assert!(endless.message().await.unwrap().is_some());
    drop(endless);
    timeout(PATIENCE, drops.recv())
        .await
        .expect("dropped with its stream");
}

#[tokio::test]
async fn a_deadline_covers_the_whole_call_also_while_the_send_side_waits() {
    let (channel, mut drops) = defaults().await;
    let soon = |message| {
        let mut request = Request::new(message);
        request.set_timeout(Duration::from_millis(200));
        request
    };
    let status = channel
        .unary(path("Never"), BytesCodec, soon(Bytes::new()))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.origin()),
        (Code::DeadlineExceeded, Origin::LocalDeadline)
    );
    timeout(PATIENCE, drops.recv())
        .await
        .expect("the handler is dropped");

    let endless = channel
        .server_streaming(path("Endless"), BytesCodec, soon(Bytes::new()))
        .await
        .unwrap();
    let mut endless = endless.into_inner();
    let status = timeout(PATIENCE, async {
        loop {
            if let Err(status) = endless.message().await {
                return status;
            }
        }
    });
    assert_eq!(
        status.await.expect("an endless stream ends").code(),
        Code::DeadlineExceeded
    );
    timeout(PATIENCE, drops.recv())
        .await
        .expect("the handler is dropped");

    let mut call = channel
        .start::<BytesCodec>(path("NeverReads"), BytesCodec)
        .with_timeout(Duration::from_millis(200));
    let status = timeout(PATIENCE, async {
        loop {
            if let Err(status) = call.send(Bytes::from_static(&[0; 65_536])).await {
                return status;
            }
        }
    });
    assert_eq!(
        status
            .await
            .expect("a send that waits for window ends")
            .code(),
        Code::DeadlineExceeded
    );
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_arrives_with_its_trailers() {
    let (channel, _) = defaults().await;
    // The stream of requests never ends by itself, and is far larger than any window.
    let endless = stream::repeat(Bytes::from_static(&[0; 8192]));
    let call = channel.client_streaming(path("AnswersEarly"), BytesCodec, Request::new(endless));
    let response = timeout(PATIENCE, call)
        .await
        .expect("it does not hang")
        .unwrap();
    assert_eq!(response.get_ref(), "enough");
    assert_eq!(
        response.trailers().get("x-read").unwrap().to_str().unwrap(),
        "0"
    );
    assert_eq!(
        unary(&channel, "Echo", Bytes::from_static(b"hi"))
            .await
            .unwrap(),
        "hi",
        "the connection goes on"
    );
}

#[tokio::test]
async fn a_drain_lets_calls_in_flight_end_and_reports_them() {
    let mut methods = Methods::new("test.Slow", Arc::new(()));
    let (started, mut starts) = mpsc::unbounded_channel();
    let (release, released) = tokio::sync::watch::channel(false);
    methods.unary("Wait", BytesCodec, move |_, request: Request<Bytes>| {
        let (started, mut released) = (started.clone(), released.clone());
        async move {
            let _ = started.send(());
            let _ = released.wait_for(|released| *released).await;
            Ok(Response::new(request.into_inner()))
        }
    });
    let incoming = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", incoming.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(
        Server::builder()
            .add_service(methods)
            .serve_with_incoming_shutdown(incoming, async {
                let _ = stopped.await;
            }),
    );
    let channel = Channel::connect(target.as_str()).await.unwrap();
    let calls: Vec<_> = (0..50)
        .map(|n: u8| {
            let channel = channel.clone();
            let message = Bytes::copy_from_slice(&[n]);
            tokio::spawn(async move {
                channel
                    .unary(
                        PathAndQuery::from_static("/test.Slow/Wait"),
                        BytesCodec,
                        Request::new(message),
                    )
                    .await
            })
        })
        .collect();
    for _ in 0..50 {
        timeout(PATIENCE, starts.recv()).await.unwrap();
    }
    stop.send(()).unwrap();
    release.send(true).unwrap();
    for call in calls {
        timeout(PATIENCE, call)
            .await
            .unwrap()
            .unwrap()
            .expect("no call is lost by stopping");
    }
    let report = timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    assert_eq!(report.total.cut, 0, "{report}");
}
