//! A client and what a server may say to it: its calls end by their deadlines, and with codes that are the
//! library's to use.
#![no_main]

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use libfuzzer_sys::fuzz_target;
use temaki::codec::BytesCodec;
use temaki::{Channel, Code, Endpoint, Origin, Request, Status};
use temaki_fuzz::{AN_HOUR, run, speak, speech};
use tokio::time::timeout;

/// SETTINGS of nothing.
const OPENING: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

const LIMIT: Duration = Duration::from_secs(2);

fn path() -> PathAndQuery {
    PathAndQuery::from_static("/k/u")
}

async fn unary(channel: &Channel) -> Result<(), Status> {
    let request = Request::new(Bytes::from_static(b"a"));
    channel.unary(path(), BytesCodec, request).await.map(drop)
}

async fn server_streaming(channel: &Channel) -> Result<(), Status> {
    let request = Request::new(Bytes::from_static(b"a"));
    let answer = channel
        .server_streaming(path(), BytesCodec, request)
        .await?;
    let mut messages = answer.into_inner();
    while messages.message().await?.is_some() {}
    messages.trailers().await.map(drop)
}

async fn client_streaming(channel: &Channel) -> Result<(), Status> {
    let messages = stream::iter([Bytes::from_static(b"a"), Bytes::from_static(b"b")]);
    let request = Request::new(messages);
    channel
        .client_streaming(path(), BytesCodec, request)
        .await
        .map(drop)
}

async fn conversation(channel: &Channel) -> Result<(), Status> {
    let mut call = channel.start(path(), BytesCodec);
    call.send(Bytes::from_static(b"a")).await?;
    while call.message().await?.is_some() {}
    call.trailers().await.map(drop)
}

fn judge(end: Result<(), Status>) {
    let Err(status) = end else {
        return;
    };
    let shown = format!("{status} {status:?}");
    assert!(shown.chars().all(|char| !char.is_control()), "{shown:?}");
    #[rustfmt::skip]
    let is_applications = matches!(
        status.code(),
        Code::Ok | Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted | Code::OutOfRange | Code::DataLoss
    );
    assert!(
        !is_applications || status.origin() == Origin::Peer,
        "{status:?}"
    );
}

fuzz_target!(|data: &[u8]| {
    let said = speech(data, OPENING);
    run(async {
        let (ours, theirs) = tokio::io::duplex(4096);
        let once = Mutex::new(Some(theirs));
        let connector = move |_| {
            let io = once.lock().expect("one thread").take();
            async move { io.ok_or_else(|| std::io::Error::other("there is but one")) }
        };
        let endpoint = Endpoint::from_static("http://k").timeout(LIMIT);
        let channel = endpoint.connect_with_connector_lazy(connector);
        let server = tokio::spawn(speak(ours, said));
        let calls = async {
            tokio::join!(
                unary(&channel),
                server_streaming(&channel),
                client_streaming(&channel),
                conversation(&channel),
            )
        };
        let ends = timeout(LIMIT + Duration::from_secs(1), calls).await;
        let (unary, server_streaming, client_streaming, conversation) =
            ends.expect("calls that end");
        for end in [unary, server_streaming, client_streaming, conversation] {
            judge(end);
        }
        drop(channel);
        timeout(4 * AN_HOUR, server)
            .await
            .expect("a connection that ends")
            .expect("no panic");
    });
});
