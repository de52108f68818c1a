//! The life of one RPC, server side.
//!
//! ```text
//!   open ─▶ handler ─▶ headers ─▶ ┌─ gather a batch ─┐ ─▶ trailers
//!     │        │                  └─ send it ◀───────┘        ▲
//!     └────────┴───────────── any failure ────────────────────┘
//! ```
//!
//! [`open`] reads the head and may refuse; that needs no future. The rest is one: the registered method
//! ([`method`](super::method)) runs the user's handler under [`Reply::watch`], and [`Reply`] sends what it
//! gave and says how it ended. The connection polls that future where the request arrived, and
//! most unary calls are over in that one poll; one that has to wait is moved to a task.
//!
//! While it waits, three things may end it: the caller resets the stream or goes away, the deadline
//! passes, the handler panics. All three are looked at in one place, `watch`, and every way out leads
//! through one place, [`Reply::finish`].

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::uri::PathAndQuery;

use super::answers::Answers;
use super::outcome::Failure;
pub(crate) use super::outcome::Outcome;
use super::resets::Resets;
use super::service::MethodOptions;
use crate::call::Side;
use crate::call::batch::{Batch, poll_batch};
use crate::call::caught::{Panicked, caught, clear_caught, drop_caught, poll_caught};
use crate::call::codec::Codec;
use crate::call::meter::Meter;
use crate::call::reader::MessageReader;
use crate::call::retraction::Retraction;
use crate::call::send::{self, Gone};
use crate::call::size::FRAME;
use crate::call::source::Source;
use crate::call::streaming::{Ending, Streaming};
use crate::call::timer::{self, Timer};
use crate::call::turn::Turn;
use crate::conn::counter::Counter;
use crate::conn::inbox::Keeper;
use crate::conn::unread::Unread;
use crate::head;
use crate::interceptor::{InterceptedCall, Interceptors};
use crate::metadata::MetadataMap;
use crate::request::ServerFacts;
use crate::wire::content_coding::ContentCodings;
use crate::{Code, ConnectInfo, Origin, Request, Response, Status, deadline, trailers};

/// A batch that is on its way at the deadline may take so much longer, and the status follows it. At 1.3 Mbit/s
/// it has left by then; a caller who takes it slower counts as blocked.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Where the paths of the health service begin.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// A request as the connection hands it over.
pub(crate) struct Incoming {
    pub(crate) request: http::Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
}

/// What all calls of one connection share.
pub(crate) struct CallContext {
    pub(crate) connection: Arc<ConnectInfo>,
    /// The server's own limit on the time of a call; the caller's may be shorter.
    pub(crate) timeout: Option<Duration>,
    /// How long a call may wait for a caller that takes nothing.
    pub(crate) stall_timeout: Duration,
    /// Calls that were reset before they were answered.
    pub(crate) resets: Arc<Resets>,
    /// What lies unread on the connection.
    pub(crate) unread: Arc<Unread>,
    /// Those who read a stream of requests, in their handlers or after them.
    pub(crate) readers: Arc<Counter>,
    /// What became of the calls that ended in a drain.
    pub(crate) answers: Arc<Answers>,
    /// Counts the bytes of a call that somebody watches; such a call has a context of its own.
    pub(crate) meter: Option<Arc<Meter>>,
}

impl CallContext {
    /// The same, for one call that `meter` counts.
    pub(crate) fn with_meter(&self, meter: Arc<Meter>) -> Self {
        Self {
            connection: self.connection.clone(),
            resets: self.resets.clone(),
            unread: self.unread.clone(),
            readers: self.readers.clone(),
            answers: self.answers.clone(),
            meter: Some(meter),
            ..*self
        }
    }
}

/// A request whose head was read: what its messages are read with.
///
/// It stays in one place while the call lasts, and hands out what it holds by reference: a call's future
/// is copied around as little as possible, and small enough to be allocated cheaply.
pub(crate) struct Opened {
    request: Option<Request<()>>,
    reader: Option<MessageReader>,
    /// Of a stream of requests whose reader may go before the call does.
    kept: Option<Keeper>,
    /// Of the server and of the service, in this order.
    pub(super) interceptors: Interceptors,
    /// The call as interceptors know it, if any of them wants to see the answer.
    pub(super) intercepted: Option<Box<InterceptedCall>>,
}

/// Reads the head: is it gRPC, can we read it, how long may it take? An error is answered at once.
#[inline(always)]
pub(crate) fn open(
    incoming: Incoming,
    context: Arc<CallContext>,
    interceptors: &Interceptors,
    options: &MethodOptions,
) -> Result<(Reply, Opened), Outcome> {
    let Incoming { request, respond } = incoming;
    let (parts, body) = request.into_parts();
    let mut reply = Reply {
        respond,
        body: None,
        deadline: Timer::default(),
        context,
    };
    let source = Source::new(body, Side::Server, reply.context.unread.clone());
    let max_len = options.max_decoding_message_size;
    let mut reader = MessageReader::new(source, max_len, reply.context.meter.clone());
    // Whether a server lives is asked most when it has most to do.
    reader.hold_unless(|| parts.uri.path().starts_with(HEALTH));
    let timeout = match head::read_request(&parts.method, &parts.headers) {
        Ok(timeout) => timeout,
        Err(refusal) => return Err(reply.finish(Err(refusal.into()))),
    };
    //= GRPC-TIMEOUT-ABSENT  no header means no limit
    let deadline = match (timeout, reply.context.timeout) {
        (None, None) => None,
        both => deadline::earliest(timer::now(), both.into()),
    };
    reply.deadline = Timer::new(deadline);
    if reply.deadline.is_over() {
        return Err(reply.finish(Err(deadline::exceeded(deadline::IN_HANDLER).into())));
    }
    let facts = ServerFacts {
        deadline,
        path: parts
            .uri
            .into_parts()
            .path_and_query
            .unwrap_or(PathAndQuery::from_static("/")),
        connection: reply.context.connection.clone(),
        extensions: parts.extensions,
    };
    let opened = Opened {
        request: Some(Request::from_server(
            MetadataMap::from_headers(parts.headers),
            (),
            facts,
        )),
        reader: Some(reader),
        kept: None,
        interceptors: interceptors.clone(),
        intercepted: None,
    };
    Ok((reply, opened))
}

impl Opened {
    /// The request is a stream, which its handler may leave unread.
    pub(crate) fn expect_stream(&mut self) {
        self.kept = (self.reader.as_mut()).and_then(|it| it.source.share_with_call());
    }

    /// The only message of a unary or server-streaming request.
    ///
    /// The end is waited for as well, so that a handler never answers a request with a second message.
    pub(crate) async fn one_message<C: Codec>(
        &mut self,
        codec: &C,
    ) -> Result<Request<C::Decode>, Status> {
        self.intercept().await?;
        let Some(reader) = &mut self.reader else {
            return Err(wrong_count("no more"));
        };
        let Some(mut bytes) = poll_fn(|cx| reader.poll_bytes(cx)).await? else {
            return Err(wrong_count("0"));
        };
        //= GRPC-REQ-EOS  the request ends with END_STREAM, and not with its message
        if !reader.is_finished() && poll_fn(|cx| reader.poll_bytes(cx)).await?.is_some() {
            return Err(wrong_count("more than 1"));
        }
        let message = codec.decode(&mut bytes)?;
        Ok(self.take_request().map(|()| message))
    }

    /// All messages of a streaming request, as they come; their end may be taken back.
    pub(crate) async fn stream<C: Codec>(
        &mut self,
        codec: &C,
        retraction: &Retraction,
    ) -> Result<Request<Streaming<C::Decode>>, Status> {
        let deadline = Timer::new(self.request.as_ref().and_then(Request::deadline));
        self.intercept().await?;
        let Some(reader) = self.reader.take() else {
            return Err(wrong_count("no more"));
        };
        let ending = Ending::Request(retraction.clone());
        let messages = Streaming::new(reader, codec.clone(), deadline, ending);
        Ok(self.take_request().map(|()| messages))
    }

    /// Lets interceptors see the request.
    async fn intercept(&mut self) -> Result<(), Status> {
        if self.interceptors.is_empty() {
            return Ok(());
        }
        let request = self.take_request();
        // In a box, so that a call without interceptors does not carry room for them.
        let intercepted = &mut self.intercepted;
        let mut passed = Box::pin(self.interceptors.request(request, intercepted));
        let request = poll_fn(|cx| {
            let polled = passed.as_mut().poll(cx);
            if let (Poll::Pending, Some(reader)) = (&polled, &mut self.reader) {
                reader.source.share(None); // nobody reads meanwhile
            }
            polled
        });
        let request = request.await?;
        self.request = Some(request);
        Ok(())
    }

    fn take_request(&mut self) -> Request<()> {
        self.request.take().unwrap_or_else(|| Request::new(()))
    }
}

fn wrong_count(found: &str) -> Status {
    //= CODE-CARDINALITY  none, or more than one, where one is due: UNIMPLEMENTED
    let message = format!("the request has {found} messages; this method takes exactly 1");
    Status::library(Code::Unimplemented, message, Origin::Protocol)
}

/// The answering half of one call, and what it must keep an eye on.
pub(crate) struct Reply {
    respond: SendResponse<Bytes>,
    /// `Some` once response headers were sent.
    body: Option<SendStream<Bytes>>,
    deadline: Timer,
    context: Arc<CallContext>,
}

impl Reply {
    /// The end of a stream of requests, which may be taken back, and its reader, who is counted.
    pub(crate) fn requests(&self) -> Retraction {
        Retraction::new(self.context.readers.clone().count())
    }

    /// Sends the headers of what the handler gave; the messages are next. `response` is a failure of
    /// [`watch`](Self::watch), or the handler's own result. An error is a call that is over.
    pub(crate) fn send_headers<S>(
        &mut self,
        response: Result<Result<Response<S>, Status>, Failure>,
        opened: &mut Opened,
    ) -> Result<(S, Option<Box<MetadataMap>>), Outcome> {
        // Nobody reads on: the rest of the request, if any, is not wanted.
        opened.reader = None;
        let failure = match response {
            Ok(Ok(mut response)) => {
                if !response.extensions().is_empty() {
                    let _ = drop_caught(std::mem::take(response.extensions_mut()));
                }
                let (mut metadata, messages, trailers) = response.into_ends();
                if let Err(status) = opened.show_headers(&mut metadata) {
                    return Err(self.finish(Err(status.into())));
                }
                if let Err(status) = trailers::check_size("response", &metadata) {
                    return Err(self.finish(opened.show_end(Err(status.into()))));
                }
                let head = head::write_response(&metadata);
                match self.respond.send_response(head, false) {
                    Ok(body) => {
                        self.body = Some(body);
                        return Ok((messages, trailers));
                    }
                    // The stream was reset a moment ago.
                    Err(_) => Failure::Gone,
                }
            }
            Ok(Err(status)) => Failure::Status(status),
            Err(failure) => failure,
        };
        Err(self.finish(opened.show_end(Err(failure))))
    }

    /// Sends the one message of an answer, and how the call ended, with the trailing metadata of a success.
    pub(crate) async fn send_message<C: Codec>(
        &mut self,
        message: C::Encode,
        trailers: Option<Box<MetadataMap>>,
        opened: &Opened,
        codec: &C,
        options: &MethodOptions,
    ) -> Outcome {
        let mut writer = options.writer();
        let encoded = caught(|| writer.write(codec, &message));
        let dropped = drop_caught(message);
        let mut end = match (encoded, dropped) {
            (Ok(Ok(())), Ok(())) => Ok(trailers),
            (Ok(Err(status)), _) => Err(Failure::Status(status)),
            _ => {
                writer.clear();
                Err(panicked().into())
            }
        };
        if let Some(rest) = self.send_small(writer.take_last()) {
            if let Err(failure) =
                Box::pin(self.send(rest, &mut Turn::default(), || Duration::ZERO)).await
            {
                end = Err(failure);
            }
        }
        self.finish(opened.show_end(end))
    }

    /// Sends messages until they end, and then how they ended, with the trailing metadata of a success.
    /// `requests` may be read meanwhile.
    pub(crate) async fn send_messages<C, S>(
        &mut self,
        messages: S,
        trailers: Option<Box<MetadataMap>>,
        opened: &Opened,
        codec: &C,
        options: &MethodOptions,
        requests: Option<&Retraction>,
    ) -> Outcome
    where
        C: Codec,
        S: Stream<Item = Result<C::Encode, Status>>,
    {
        let mut messages = pin!(Some(messages));
        let mut writer = options.writer();
        let mut turn = Turn::default();
        let end = loop {
            let gathered = pin!(Some(poll_fn(|cx| {
                poll_batch(cx, &mut writer, &mut turn, |cx, writer| {
                    let Some(messages) = messages.as_mut().as_pin_mut() else {
                        return Poll::Ready(None);
                    };
                    let next = ready!(messages.poll_next(cx));
                    Poll::Ready(next.map(|next| next.and_then(|it| writer.write(codec, &it))))
                })
            })));
            let gathered = match requests {
                Some(requests) => self.watch_reading(gathered, requests).await,
                None => self.watch(gathered).await,
            };
            let batch = match gathered {
                Ok(batch) => batch,
                Err(failure) => break Err(failure),
            };
            let bytes = match batch {
                Batch::Some => Some(writer.take()),
                Batch::Last | Batch::Failed(_) => self.send_small(writer.take_last()),
            };
            if let Some(bytes) = bytes {
                let sent = self.send(bytes, &mut turn, || {
                    let _ = clear_caught(messages.as_mut());
                    LAST_WORDS
                });
                if let Err(failure) = sent.await {
                    if let Some(requests) = requests {
                        let cx = &mut Context::from_waker(Waker::noop());
                        let _ = self.poll_retraction(cx, requests);
                    }
                    break Err(failure);
                }
            }
            match batch {
                //= GRPC-DEADLINE-SERVER  server drops the handler; DEADLINE_EXCEEDED trailers
                Batch::Some if self.deadline.is_over() => {
                    break Err(deadline::exceeded(deadline::IN_HANDLER).into());
                }
                Batch::Some => {}
                Batch::Last => break Ok(trailers),
                Batch::Failed(status) => break Err(status.into()),
            }
        };
        // The answer is complete, or has failed already: a panic changes nothing of it.
        let _ = clear_caught(messages);
        self.finish(opened.show_end(end))
    }

    /// Waits for `work`, which runs the user's code, or for what ends the call first.
    ///
    /// However it ends, `work` has been dropped then: its `Drop` is code of the user's too.
    pub(crate) fn watch<W: Future>(
        &mut self,
        mut work: Pin<&mut Option<W>>,
    ) -> impl Future<Output = Result<W::Output, Failure>> {
        poll_fn(move |cx| {
            if let Poll::Ready(result) = poll_caught(work.as_mut(), cx) {
                return Poll::Ready(result.map_err(|_| panicked().into()));
            }
            let over = match self.poll_reset(cx) {
                Poll::Ready(_) => Failure::Gone,
                Poll::Pending => ready!(self.poll_deadline(cx)),
            };
            let _ = clear_caught(work.as_mut());
            Poll::Ready(Err(over))
        })
    }

    /// As [`watch`](Self::watch), for code that may read `requests`: it looks for a reset before the code
    /// does, who would take their end for a clean one, and lets it find the reset there.
    pub(crate) fn watch_reading<W: Future>(
        &mut self,
        mut work: Pin<&mut Option<W>>,
        requests: &Retraction,
    ) -> impl Future<Output = Result<W::Output, Failure>> {
        poll_fn(move |cx| {
            let is_gone = self.poll_retraction(cx, requests).is_ready();
            // Polled where the request arrived, which is where all that came with it was read.
            let is_settled = cx.waker().will_wake(Waker::noop());
            let polled = requests.reading(is_settled, || poll_caught(work.as_mut(), cx));
            if let Poll::Ready(result) = polled {
                return Poll::Ready(result.map_err(|_| panicked().into()));
            }
            let over = match is_gone {
                true => Failure::Gone,
                false => ready!(self.poll_deadline(cx)),
            };
            let _ = clear_caught(work.as_mut());
            Poll::Ready(Err(over))
        })
    }

    /// `Ready` when the stream is gone, which whoever reads the requests shall know.
    fn poll_retraction(&mut self, cx: &mut Context<'_>, requests: &Retraction) -> Poll<()> {
        self.poll_reset(cx).map(|reset| requests.set(reset))
    }

    /// `Ready` when the deadline has passed.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        //= GRPC-DEADLINE-SERVER  server drops the handler; DEADLINE_EXCEEDED trailers
        self.deadline
            .poll(cx)
            .map(|()| deadline::exceeded(deadline::IN_HANDLER).into())
    }

    /// `Ready` when the caller has reset the stream or the connection is gone.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reason, h2::Error>> {
        match &mut self.body {
            Some(body) => body.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        }
    }

    /// Gives the last of an answer to `h2`, if it is small; else gives it back.
    ///
    /// What little is left may wait in `h2` for window, and the call be over: a unary handler's memory is
    /// freed now, and its answer needs no second poll. If the stream is gone, the trailers will tell.
    ///
    /// In a drain the call lasts until it has the window: what is not sent at its end shall not count as answered.
    fn send_small(&mut self, last: Bytes) -> Option<Bytes> {
        if last.len() > FRAME || self.context.answers.is_draining() {
            return Some(last);
        }
        if let (Some(body), false) = (&mut self.body, last.is_empty()) {
            if let Some(meter) = &self.context.meter {
                meter.count_sent(last.len());
            }
            let _ = body.send_data(last, false);
        }
        None
    }

    /// Gives `batch` to `h2`, as fast as the caller takes it. If the deadline passes meanwhile, `at_deadline` drops
    /// what else there is to say, and tells how long the batch may still take.
    async fn send(
        &mut self,
        mut batch: Bytes,
        turn: &mut Turn,
        at_deadline: impl FnOnce() -> Duration,
    ) -> Result<(), Failure> {
        let Some(body) = &mut self.body else {
            return Ok(());
        };
        if let Some(meter) = &self.context.meter {
            meter.count_sent(batch.len());
        }
        let (mut stalled, mut at_deadline) = (Timer::default(), Some(at_deadline));
        poll_fn(|cx| {
            let before = batch.len();
            match send::poll_send(body, cx, &mut batch) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(Gone)) => return Poll::Ready(Err(Failure::Gone)),
                Poll::Pending => turn.begin(),
            }
            if at_deadline.is_some() {
                if stalled.at().is_none() || batch.len() < before {
                    stalled.set(timer::now().checked_add(self.context.stall_timeout));
                }
                if self.deadline.poll(cx).is_ready() {
                    let more = at_deadline.take().map(|at_deadline| at_deadline());
                    stalled.set(timer::now().checked_add(more.unwrap_or_default()));
                }
            }
            //= GRPC-DEADLINE-SERVER  RST_STREAM(CANCEL) when blocked
            stalled.poll(cx).map(|()| Err(Failure::Blocked))
        })
        .await
    }

    /// The one place where a call ends: every outcome becomes trailers, a reset, or nothing.
    ///
    /// Dropping the handles afterwards is part of the end: if the request is still open, `h2` sends
    /// the trailers and then `RST_STREAM(NO_ERROR)`. A reset of our own would delete the trailers.
    fn finish(&mut self, end: Result<Option<Box<MetadataMap>>, Failure>) -> Outcome {
        let (headers, code, accept) = match fitting(end) {
            Ok(metadata) => (trailers::write_ok(metadata.as_deref()), Code::Ok, None),
            Err(Failure::Status(status)) => {
                let end = (trailers::write_status(&status), status.code(), None);
                // Its source is a value of the user's.
                let _ = drop_caught(status);
                end
            }
            Err(Failure::Encoding(status)) => (
                trailers::write_status(&status),
                status.code(),
                Some(ContentCodings::NONE),
            ),
            Err(Failure::Http(status)) => {
                let sent = self.respond.send_response(head::write_http(status), true);
                return sent.map_or(Outcome::Cut, |_| Outcome::NotGrpc(status));
            }
            Err(Failure::Gone) => return self.was_reset(),
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
            self.was_reset()
        }
    }

    /// There is nobody to tell. Whether that is held against the caller is [`Resets`]' to say.
    #[cold]
    fn was_reset(&self) -> Outcome {
        if self.body.is_none() {
            self.context.resets.count(self.deadline.at(), timer::now());
        }
        Outcome::Cut
    }
}

/// How a call ended, if that can be sent: the trailing metadata of a success may be too large.
fn fitting(
    end: Result<Option<Box<MetadataMap>>, Failure>,
) -> Result<Option<Box<MetadataMap>>, Failure> {
    let metadata = match &end {
        Ok(metadata) => metadata.as_deref(),
        Err(Failure::Status(status)) if status.code() == Code::Ok => status.metadata_to_send(),
        Err(_) => None,
    };
    if let Some(metadata) = metadata {
        trailers::check_size("trailing", metadata)?;
    }
    end
}

/// What the caller learns of a panic: that it happened.
#[cold]
pub(super) fn panicked() -> Status {
    Panicked.status("the handler")
}

/// Answers a request that no method is registered for.
pub(crate) fn refuse(incoming: Incoming, context: Arc<CallContext>, status: Status) -> Outcome {
    let (nobody, options) = (Interceptors::default(), MethodOptions::default());
    match open(incoming, context, &nobody, &options) {
        Ok((mut reply, _)) => reply.finish(Err(Failure::Status(status))),
        Err(outcome) => outcome,
    }
}
