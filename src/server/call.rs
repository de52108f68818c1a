//! The life of one RPC, server side.
//!
//! [`serve`] is the whole story: read the head, run the handler, send what it answers, and whatever
//! happened on the way, say so at the end. It is one future. The connection polls it where the request
//! arrived, and most unary calls are over in that one poll; one that has to wait is moved to a task
//! ([`connection`](super::connection)).
//!
//! ```text
//!   read_request ─▶ handler ─▶ headers ─▶ ┌─ gather a batch ─┐ ─▶ trailers
//!        │             │                  └─ send it ◀───────┘        ▲
//!        └─────────────┴──────── any failure ─────────────────────────┘
//! ```
//!
//! While it waits, three things may end it: the caller resets the stream or goes away, the deadline
//! passes, the handler panics. All three are looked at in one place, [`Reply::watch`].

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::StatusCode;
use http::uri::PathAndQuery;

use super::method::MethodOptions;
use crate::call::Side;
use crate::call::codec::Codec;
use crate::call::recv::Receiver;
use crate::call::send::{self, SendError};
use crate::call::streaming::{Ending, Streaming};
use crate::call::timer::{self, Timer};
use crate::head::{self, Refusal};
use crate::interceptor::{InterceptedCall, Interceptors};
use crate::metadata::MetadataMap;
use crate::request::ServerFacts;
use crate::wire::content_coding::ContentCodings;
use crate::{Code, ConnectInfo, Origin, Request, Response, Status, deadline, trailers};

/// Small messages that are ready together leave in one DATA frame of about this size. A DATA frame for
/// each message was measured at a quarter of the rate.
const BATCH: usize = 16 * 1024;

/// A request as the connection hands it over.
pub(crate) struct Incoming {
    pub(crate) request: http::Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
    pub(crate) context: Arc<CallContext>,
    /// Of the server and of the service, in this order.
    pub(crate) interceptors: Interceptors,
}

/// What all calls of one connection share.
#[derive(Debug)]
pub(crate) struct CallContext {
    pub(crate) connection: Arc<ConnectInfo>,
    /// The server's own limit on the time of a call; the caller's may be shorter.
    pub(crate) timeout: Option<Duration>,
    /// How long a call may wait for a caller that takes nothing.
    pub(crate) stall_timeout: Duration,
}

/// How a call ended, for those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A status was sent.
    Ended(Code),
    /// It was answered in plain HTTP.
    NotGrpc(StatusCode),
    /// The caller went away, or would not take the answer.
    Cut,
}

/// What can stop a call before its trailers.
enum Failure {
    Http(StatusCode),
    Status(Status),
    /// Trailers-Only, with the list of encodings we accept.
    Encoding(Status),
    /// The caller reset the stream, or the connection is gone: there is nobody to tell.
    Gone,
    /// The caller takes nothing, so trailers would not arrive either.
    Blocked,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Http(status) => Self::Http(status),
            Refusal::Grpc(status) => Self::Status(status),
            Refusal::Encoding(status) => Self::Encoding(status),
        }
    }
}

/// A request whose head was read, before its messages.
pub(crate) struct Opened<C> {
    pub(crate) request: Request<()>,
    receiver: Receiver,
    codec: C,
    deadline: Timer,
}

impl<C: Codec> Opened<C> {
    /// The only message of a unary or server-streaming request.
    ///
    //= GRPC-REQ-EOS  request ends with END_STREAM on DATA, an empty one if need be
    /// The end is waited for as well, so that a handler never answers a request with a second message.
    pub(crate) async fn one_message(self) -> Result<Request<C::Decode>, Status> {
        let Self {
            request,
            mut receiver,
            codec,
            ..
        } = self;
        let Some(mut payload) = poll_fn(|cx| receiver.poll_message(cx)).await? else {
            return Err(wrong_count("0"));
        };
        let message = codec.decode(&mut payload)?;
        if !receiver.is_finished() && poll_fn(|cx| receiver.poll_message(cx)).await?.is_some() {
            return Err(wrong_count("more than 1"));
        }
        Ok(request.map(|()| message))
    }

    /// All messages of a streaming request, as they come.
    pub(crate) fn stream(self) -> Request<Streaming<C::Decode>> {
        let Self {
            request,
            receiver,
            codec,
            deadline,
        } = self;
        request.map(|()| Streaming::new(receiver, codec, deadline, Ending::Request))
    }
}

fn wrong_count(found: &str) -> Status {
    let message = format!("the request has {found} messages; this method takes exactly 1");
    Status::library(Code::Unimplemented, message, Origin::Protocol)
}

/// Serves one request from head to trailers.
///
/// `handle` reads what it wants of the request, runs the user's handler, and gives the answers as a
/// stream: of one, for the methods that answer once. Dropping the future drops the handler and resets
/// the stream.
pub(crate) async fn serve<C, H, F, S>(
    incoming: Incoming,
    options: &MethodOptions,
    codec: C,
    handle: H,
) -> Outcome
where
    C: Codec,
    H: FnOnce(Opened<C>) -> F,
    F: Future<Output = Result<Response<S>, Status>>,
    S: Stream<Item = Result<C::Encode, Status>>,
{
    let mut reply = Reply::new(
        incoming.respond,
        incoming.interceptors,
        incoming.context.stall_timeout,
    );
    let end = answer(
        &mut reply,
        incoming.request,
        &incoming.context,
        options,
        codec,
        handle,
    )
    .await;
    reply.finish(end)
}

/// Everything before the end. `Ok` is status OK, with its trailing metadata.
async fn answer<C, H, F, S>(
    reply: &mut Reply,
    request: http::Request<RecvStream>,
    context: &CallContext,
    options: &MethodOptions,
    codec: C,
    handle: H,
) -> Result<Option<MetadataMap>, Failure>
where
    C: Codec,
    H: FnOnce(Opened<C>) -> F,
    F: Future<Output = Result<Response<S>, Status>>,
    S: Stream<Item = Result<C::Encode, Status>>,
{
    let mut opened = open(reply, request, context, options, codec.clone())?;
    if !reply.interceptors.is_empty() {
        let interceptors = reply.interceptors.clone();
        opened.request = reply
            .watch(pin!(interceptors.request(opened.request)))
            .await??;
        reply.intercepted = interceptors.call_of(&opened.request);
    }
    let response = reply.watch(pin!(handle(opened))).await??;

    let (metadata, messages, trailers) = response.into_ends();
    reply.send_headers(metadata)?;

    let mut messages = pin!(messages);
    let mut batch = BytesMut::new();
    loop {
        let gathered = pin!(poll_fn(|cx| {
            poll_batch(
                messages.as_mut(),
                cx,
                &codec,
                options.max_encoding_message_size,
                &mut batch,
            )
        }));
        let end = reply.watch(gathered).await?;
        reply.send(batch.split().freeze(), end.is_some()).await?;
        match end {
            None => continue,
            Some(Ok(())) => return Ok(trailers.map(|trailers| *trailers)),
            Some(Err(status)) => return Err(status.into()),
        }
    }
}

/// Reads the head: is it gRPC, can we read it, how long may it take?
fn open<C: Codec>(
    reply: &mut Reply,
    request: http::Request<RecvStream>,
    context: &CallContext,
    options: &MethodOptions,
    codec: C,
) -> Result<Opened<C>, Failure> {
    let (parts, body) = request.into_parts();
    let timeout = head::read_request(&parts.method, &parts.headers)?;
    //= GRPC-TIMEOUT-ABSENT  no header means no limit
    let deadline = match (timeout, context.timeout) {
        (None, None) => None,
        both => deadline::earliest(timer::now(), both.into()),
    };
    reply.deadline = Timer::new(deadline);
    if reply.deadline.is_over() {
        return Err(deadline::exceeded().into());
    }
    let facts = ServerFacts {
        deadline,
        path: parts
            .uri
            .into_parts()
            .path_and_query
            .unwrap_or(PathAndQuery::from_static("/")),
        connection: context.connection.clone(),
        extensions: parts.extensions,
    };
    Ok(Opened {
        request: Request::from_server(MetadataMap::from_headers(parts.headers), (), facts),
        receiver: Receiver::new(body, options.max_decoding_message_size, Side::Server),
        codec,
        deadline: Timer::new(deadline),
    })
}

/// Gathers the messages that are ready, up to a batch. `Ready` when there is something to send, or the
/// stream has ended: `Some` is how.
fn poll_batch<C: Codec, S: Stream<Item = Result<C::Encode, Status>>>(
    mut messages: Pin<&mut S>,
    cx: &mut Context<'_>,
    codec: &C,
    max_len: usize,
    batch: &mut BytesMut,
) -> Poll<Option<Result<(), Status>>> {
    while batch.len() < BATCH {
        match messages.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(message))) => {
                if let Err(status) = send::encode(codec, message, max_len, batch) {
                    return Poll::Ready(Some(Err(status)));
                }
            }
            Poll::Ready(Some(Err(status))) => return Poll::Ready(Some(Err(status))),
            Poll::Ready(None) => return Poll::Ready(Some(Ok(()))),
            // What is ready leaves now; nothing waits for company.
            Poll::Pending if batch.is_empty() => return Poll::Pending,
            Poll::Pending => break,
        }
    }
    Poll::Ready(None)
}

/// The answering half of one call, and what it must keep an eye on.
struct Reply {
    respond: SendResponse<Bytes>,
    /// `Some` once response headers were sent.
    body: Option<SendStream<Bytes>>,
    deadline: Timer,
    stall_timeout: Duration,
    interceptors: Interceptors,
    /// The call as interceptors know it, if any of them wants to see the answer.
    intercepted: Option<InterceptedCall>,
}

impl Reply {
    fn new(
        respond: SendResponse<Bytes>,
        interceptors: Interceptors,
        stall_timeout: Duration,
    ) -> Self {
        Self {
            respond,
            body: None,
            deadline: Timer::default(),
            stall_timeout,
            interceptors,
            intercepted: None,
        }
    }

    /// Waits for `work`, which runs the user's code, or for what ends the call first.
    async fn watch<W: Future>(&mut self, mut work: Pin<&mut W>) -> Result<W::Output, Failure> {
        poll_fn(|cx| {
            // A panic is the end of this call and of nothing else: the future is not polled again.
            match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
                Ok(Poll::Ready(output)) => return Poll::Ready(Ok(output)),
                Ok(Poll::Pending) => {}
                Err(_) => return Poll::Ready(Err(panicked().into())),
            }
            if self.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(Failure::Gone));
            }
            //= GRPC-DEADLINE-SERVER  server drops the handler; DEADLINE_EXCEEDED trailers
            self.deadline
                .poll(cx)
                .map(|()| Err(deadline::exceeded().into()))
        })
        .await
    }

    /// `Ready` when the caller has reset the stream or the connection is gone.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reason, h2::Error>> {
        match &mut self.body {
            Some(body) => body.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        }
    }

    fn send_headers(&mut self, mut metadata: MetadataMap) -> Result<(), Failure> {
        if let Some(call) = &self.intercepted {
            self.interceptors.response(call, &mut metadata);
        }
        let head = head::write_response(&metadata);
        // It fails if the stream was reset a moment ago, and then nobody listens.
        let body = self
            .respond
            .send_response(head, false)
            .map_err(|_| Failure::Gone)?;
        self.body = Some(body);
        Ok(())
    }

    /// Gives `batch` to `h2`, as fast as the caller takes it. `is_last` if trailers come next.
    async fn send(&mut self, mut batch: Bytes, is_last: bool) -> Result<(), Failure> {
        let Some(body) = &mut self.body else {
            return Ok(());
        };
        if batch.is_empty() {
            return Ok(());
        }
        if is_last && batch.len() <= BATCH {
            // What little is left may wait in `h2` for window, and the call be over: a unary handler's
            // memory is freed now, and its answer needs no second poll.
            return body.send_data(batch, false).map_err(|_| Failure::Gone);
        }
        let mut stalled = Timer::default();
        poll_fn(|cx| {
            let before = batch.len();
            match send::poll_send(body, cx, &mut batch) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(SendError::Reset(_) | SendError::Gone(_))) => {
                    return Poll::Ready(Err(Failure::Gone));
                }
                Poll::Pending => {}
            }
            if stalled.at().is_none() || batch.len() < before {
                stalled.set(timer::now().checked_add(self.stall_timeout));
            }
            //= GRPC-DEADLINE-SERVER  RST_STREAM(CANCEL) when blocked
            if self.deadline.poll(cx).is_ready() || stalled.poll(cx).is_ready() {
                return Poll::Ready(Err(Failure::Blocked));
            }
            Poll::Pending
        })
        .await
    }

    /// The one place where a call ends: every outcome becomes trailers, a reset, or nothing.
    ///
    /// Dropping the handles afterwards is part of the end: if the request is still open, `h2` sends
    /// the trailers and then `RST_STREAM(NO_ERROR)`. A reset of our own would delete the trailers.
    fn finish(mut self, mut end: Result<Option<MetadataMap>, Failure>) -> Outcome {
        if let Some(call) = &self.intercepted {
            show_end(&self.interceptors, call, &mut end);
        }
        let (headers, code, accept) = match end {
            Ok(metadata) => (trailers::write_ok(metadata.as_ref()), Code::Ok, None),
            Err(Failure::Status(status)) => (trailers::write_status(&status), status.code(), None),
            Err(Failure::Encoding(status)) => (
                trailers::write_status(&status),
                status.code(),
                Some(ContentCodings::NONE),
            ),
            Err(Failure::Http(status)) => {
                let sent = self.respond.send_response(head::write_http(status), true);
                return sent.map_or(Outcome::Cut, |_| Outcome::NotGrpc(status));
            }
            Err(Failure::Gone) => return Outcome::Cut,
            Err(Failure::Blocked) => {
                if let Some(body) = &mut self.body {
                    body.send_reset(Reason::CANCEL);
                }
                return Outcome::Cut;
            }
        };
        //= GRPC-EARLY-CLOSE-SERVER  trailers before the client's end: then RST_STREAM(NO_ERROR)
        let sent = match &mut self.body {
            Some(body) => body.send_trailers(headers).is_ok(),
            None => self
                .respond
                .send_response(head::write_trailers_only(headers, accept), true)
                .is_ok(),
        };
        if sent {
            Outcome::Ended(code)
        } else {
            Outcome::Cut
        }
    }
}

/// Lets interceptors see the end, and change the trailing metadata.
fn show_end(
    interceptors: &Interceptors,
    call: &InterceptedCall,
    end: &mut Result<Option<MetadataMap>, Failure>,
) {
    match end {
        Ok(metadata) => {
            interceptors.trailers(call, &Status::ok(""), metadata.get_or_insert_default())
        }
        Err(Failure::Status(status)) => {
            let mut metadata = std::mem::take(status.metadata_mut());
            interceptors.trailers(call, status, &mut metadata);
            *status.metadata_mut() = metadata;
        }
        Err(_) => {}
    }
}

/// What the caller learns of a panic: that it happened. Its text stays in this process.
fn panicked() -> Status {
    Status::library(Code::Internal, "the handler panicked", Origin::LocalLimit)
}

/// Answers a request that no method is registered for.
pub(crate) fn refuse(incoming: Incoming, status: Status) -> Outcome {
    let (parts, _body) = incoming.request.into_parts();
    let reply = Reply::new(
        incoming.respond,
        Interceptors::default(),
        incoming.context.stall_timeout,
    );
    let end = match head::read_request(&parts.method, &parts.headers) {
        Ok(_) => Failure::Status(status),
        Err(refusal) => refusal.into(),
    };
    reply.finish(Err(end))
}
