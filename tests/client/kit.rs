//! temaki's client under test: channels to a raw peer, and calls that run while the test speaks for the
//! server.
//!
//! ```ignore
//! let (channel, mut peer) = connected().await;
//! let call = unary(&channel, "hello");
//! let stream = peer.expect_call("hello").await;
//! peer.headers(stream, END_STREAM, &response_with(&[("grpc-status", "5")])).await;
//! assert_eq!(failed(call).await.code(), Code::NotFound);
//! ```

#![allow(
    unreachable_pub,
    reason = "one module of a test program, for the others"
)]

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::{Call, Channel, Code, Endpoint, Origin, Request, Response, Status, Streaming};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::support::*;

/// Longer than any wait of the library's own, on a clock that jumps.
pub const AN_HOUR: Duration = Duration::from_secs(3600);

/// Codes that the library never uses on its own account: they are the application's.
const APPLICATIONS: [Code; 7] = [
    Code::InvalidArgument,
    Code::NotFound,
    Code::AlreadyExists,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::DataLoss,
];

/// The one method that is called here; what it does is up to the peer.
pub fn path() -> PathAndQuery {
    PathAndQuery::from_static("/test.Kit/Any")
}

/// A channel and the peer that it is connected to, over a socket.
pub async fn connected() -> (Channel, Peer) {
    connected_with(|endpoint| endpoint, &[]).await
}

/// The same, with knobs of the channel and settings of the peer.
pub async fn connected_with(
    knobs: impl FnOnce(Endpoint) -> Endpoint,
    settings: &[(u16, u32)],
) -> (Channel, Peer) {
    let server = RawServer::bind().await;
    let endpoint = knobs(Endpoint::new(server.target()).expect("a target"));
    let connect = soon("READY", endpoint.connect());
    let (channel, peer) = tokio::join!(connect, server.accept_with(settings));
    (channel.expect("a channel"), peer)
}

/// The other ends of pipes in memory, which the paused clock of a test may run beside.
pub struct PipedPeers(mpsc::UnboundedReceiver<DuplexStream>);

/// A channel whose connections are pipes, each with room for 64 KiB.
pub fn piped(knobs: impl FnOnce(Endpoint) -> Endpoint) -> (Channel, PipedPeers) {
    piped_if(knobs, || true)
}

/// The same, while `may` says so; else there is no connection.
pub fn piped_if(
    knobs: impl FnOnce(Endpoint) -> Endpoint,
    may: impl Fn() -> bool + Send + Sync + 'static,
) -> (Channel, PipedPeers) {
    let (send, receive) = mpsc::unbounded_channel();
    let connector = move |_| {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let made = may() && send.send(theirs).is_ok();
        async move {
            made.then_some(ours)
                .ok_or_else(|| io::Error::other("told to fail"))
        }
    };
    let endpoint = knobs(Endpoint::from_static("http://test"));
    (
        endpoint.connect_with_connector_lazy(connector),
        PipedPeers(receive),
    )
}

impl PipedPeers {
    /// The next connection, after both sides' SETTINGS.
    pub async fn accept(&mut self) -> Peer {
        Peer::server(self.accept_silent().await, &[]).await
    }

    /// The next connection, if it is there.
    pub fn try_accept_silent(&mut self) -> Option<DuplexStream> {
        self.0.try_recv().ok()
    }

    /// The next connection, on which nothing was said yet.
    pub async fn accept_silent(&mut self) -> DuplexStream {
        self.0.recv().await.expect("a channel")
    }
}

// Calls, each in a task of its own.

/// A call with one answer.
pub type Unary = JoinHandle<Result<Response<Bytes>, Status>>;

/// A call with a stream of answers, before its first one.
pub type Opening = JoinHandle<Result<Response<Streaming<Bytes>>, Status>>;

/// One message, one answer.
pub fn unary(channel: &Channel, message: impl Into<Bytes>) -> Unary {
    unary_of(channel, Request::new(message.into()))
}

/// The same, of a whole request.
pub fn unary_of(channel: &Channel, request: Request<Bytes>) -> Unary {
    let channel = channel.clone();
    tokio::spawn(async move { channel.unary(path(), BytesCodec, request).await })
}

/// The same, with a time limit.
pub fn unary_within(channel: &Channel, limit: Duration) -> Unary {
    let mut request = Request::new(Bytes::from("a"));
    request.set_timeout(limit);
    unary_of(channel, request)
}

/// One message, a stream of answers.
pub fn server_streaming(channel: &Channel, message: impl Into<Bytes>) -> Opening {
    server_streaming_of(channel, Request::new(message.into()))
}

/// The same, of a whole request.
pub fn server_streaming_of(channel: &Channel, request: Request<Bytes>) -> Opening {
    let channel = channel.clone();
    tokio::spawn(async move { channel.server_streaming(path(), BytesCodec, request).await })
}

/// These messages and no end, one answer.
pub fn client_streaming(channel: &Channel, messages: Vec<Bytes>) -> Unary {
    let channel = channel.clone();
    let messages = Request::new(endless(messages));
    tokio::spawn(async move { channel.client_streaming(path(), BytesCodec, messages).await })
}

/// These messages and no end, a stream of answers.
pub fn streaming(channel: &Channel, messages: Vec<Bytes>) -> Opening {
    let channel = channel.clone();
    let messages = Request::new(endless(messages));
    tokio::spawn(async move { channel.streaming(path(), BytesCodec, messages).await })
}

fn endless(messages: Vec<Bytes>) -> impl stream::Stream<Item = Bytes> + Send + 'static {
    use stream::StreamExt;
    stream::iter(messages).chain(stream::pending())
}

/// A held call.
pub fn held(channel: &Channel) -> Call<Bytes, Bytes> {
    channel.start(path(), BytesCodec)
}

/// What a call has come to.
pub async fn ended<T>(call: JoinHandle<T>) -> T {
    soon("the call to end", call).await.expect("a call's task")
}

/// The status of a call that failed.
pub async fn failed<T>(call: JoinHandle<Result<T, Status>>) -> Status {
    match ended(call).await {
        Ok(_) => panic!("the call did not fail"),
        Err(status) => judged(status),
    }
}

/// The message of a call that ended well.
pub async fn answered(call: Unary) -> Bytes {
    ended(call).await.expect("a good end").into_inner()
}

/// The stream of a call whose answer has begun.
pub async fn opened(call: Opening) -> Streaming<Bytes> {
    ended(call).await.expect("a stream").into_inner()
}

/// The next message of a stream, or its end.
pub async fn next(messages: &mut Streaming<Bytes>) -> Result<Option<Bytes>, Status> {
    soon("a message", messages.message()).await.map_err(judged)
}

/// The error that a stream ends with.
pub async fn broken(messages: &mut Streaming<Bytes>) -> Status {
    match next(messages).await {
        Err(status) => status,
        Ok(message) => panic!("the stream did not fail: {message:?}"),
    }
}

/// Row 72, of every failure in these tests: what the library says by itself is none of the application's
/// words.
pub fn judged(status: Status) -> Status {
    let theirs = matches!(status.origin(), Origin::Peer | Origin::Application);
    assert!(
        theirs || !APPLICATIONS.contains(&status.code()),
        "b72: {status:?}"
    );
    assert_ne!(status.message(), "transport error", "{status:?}");
    status
}

/// What the peer says in return, and what the caller makes of it.
pub async fn reply_to_unary(
    say: impl AsyncFnOnce(&mut Peer, u32),
) -> Result<Response<Bytes>, Status> {
    let (channel, mut peer) = connected().await;
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    say(&mut peer, stream).await;
    ended(call).await.map_err(judged)
}

impl Peer {
    /// A whole request of this one message; gives its stream.
    pub async fn expect_call(&mut self, expected: &'static str) -> u32 {
        let (stream, fields) = self.expect_request().await;
        assert_eq!(fields.get(":path"), Some(path().as_str()));
        assert_eq!(self.expect_body(stream).await, message(expected));
        stream
    }

    /// A whole answer of one message that ends well.
    pub async fn respond(&mut self, stream: u32, text: &str) {
        self.headers(stream, 0, &response()).await;
        self.data(stream, 0, &message(text)).await;
        self.ok(stream).await;
    }

    /// Trailers that say OK.
    pub async fn ok(&mut self, stream: u32) {
        self.headers(stream, END_STREAM, &[("grpc-status", "0")])
            .await;
    }
}

/// The headers of an answer, with these after the usual ones; alone a Trailers-Only answer.
pub fn response_with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [response(), more.to_vec()].concat()
}
