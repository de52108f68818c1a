//! The life of one RPC, from the caller.
//!
//! There is no dispatcher and no channel between tasks: a call takes a handle of the connection, opens its
//! stream, and reads the answer in its caller's own task. What the caller drops is cancelled.
//!
//! ```text
//!   interceptors ─▶ connection ─▶ HEADERS, DATA ─▶ response headers ─▶ messages ─▶ trailers
//!        │              │  ▲            │                │                │           │
//!        │              │  └─ again, if no handler saw it┘                │           │
//!        └──────────────┴─────────── a Status, and who made it ◀──────────┴───────────┘
//! ```
//!
//! The deadline runs beside all of it. When it passes, the future below it is dropped, and with it both
//! lanes of the stream: `h2` then says `RST_STREAM(CANCEL)`.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use futures_core::Stream;
use h2::{RecvStream, SendStream};
use http::uri::PathAndQuery;

use super::admission::Permit;
use super::asked::Asked;
use super::channel::Channel;
use super::foreign::Foreign;
use super::header_list;
use super::pump::{self, LaneGuard};
use super::retry::{Failed, TransparentRetry};
use super::shown::blamed;
use super::stage::Stage;
use super::uploading::uploading;
use crate::call::Side;
use crate::call::caught::caught;
use crate::call::codec::Codec;
use crate::call::lane::{Over, SharedLane};
use crate::call::reader::MessageReader;
use crate::call::size::FRAME;
use crate::call::source::Source;
use crate::call::streaming::{Ending, ResponseEnding, Streaming};
use crate::call::timer::{self, Timer};
use crate::conn::unread::Unread;
use crate::head::{self, ResponseHead};
use crate::interceptor::InterceptedCall;
use crate::metadata::MetadataMap;
use crate::{Code, Origin, Request, Response, Status, deadline, trailers};

/// A request on its way: what every attempt of one call has in common.
///
/// It stays where it is made while the call lasts, and attempts borrow it.
pub(super) struct Outgoing {
    path: PathAndQuery,
    head: Request<()>,
    pub(super) deadline: Option<Instant>,
    stage: Stage,
    /// The call as interceptors know it, if any of them wants to see the answer.
    pub(super) intercepted: Option<Box<InterceptedCall>>,
}

impl Outgoing {
    /// Looks at the clock. Interceptors have not seen it yet: see [`intercept`](Self::intercept).
    #[inline(always)] // else a request is copied once more
    pub(super) fn new(channel: &Channel, path: PathAndQuery, head: Request<()>) -> Self {
        // A request that was received and is passed on takes its deadline along.
        let inherited = head.deadline();
        let own = match (head.timeout(), channel.per_call.timeout) {
            (None, None) => None,
            both => deadline::earliest(timer::now(), both.into()),
        };
        Self {
            path,
            head,
            deadline: match (inherited, own) {
                (Some(inherited), Some(own)) => Some(inherited.min(own)),
                (inherited, own) => inherited.or(own),
            },
            stage: Stage::default(),
            intercepted: None,
        }
    }

    /// Lets the channel's interceptors see the request, and change it.
    pub(super) async fn intercept(&mut self, channel: &Channel) -> Result<(), Status> {
        let mut head = std::mem::replace(&mut self.head, Request::new(()));
        head.set_path(self.path.clone());
        let passed = {
            let mut passed = pin!(channel.interceptors.request(head, &mut self.intercepted));
            let passed = poll_fn(|cx| {
                let polled = caught(|| passed.as_mut().poll(cx));
                polled.unwrap_or_else(|panicked| Poll::Ready(Err(blamed(panicked))))
            });
            let expired = || self.stage.expired(channel.subchannel());
            within(Some(channel), self.deadline, pin!(passed), expired).await
        };
        self.head = match passed {
            Ok(head) => head,
            Err(status) => return Err(self.show_failure(channel, status)),
        };
        // One of them may have set a limit; what the call had before is not made longer by it.
        let set = deadline::earliest(timer::now(), [self.head.timeout(), None]);
        self.deadline = [self.deadline, set].into_iter().flatten().min();
        Ok(())
    }

    /// A stream with its request headers on their way, on a connection when there is one to be had.
    pub(super) async fn open(&self, channel: &Channel) -> Result<Opened, Failed> {
        let permit = match channel.subchannel().ready_now() {
            Some(permit) => permit,
            // In a box, so that calls on a connection that is there do not carry room for the wait.
            None => Box::pin(self.admission(channel)).await?,
        };
        self.open_on(channel, permit)
    }

    /// Waits for a connection, and a place on it.
    async fn admission(&self, channel: &Channel) -> Result<Permit, Status> {
        self.stage.waits();
        let wait = self
            .head
            .wait_for_ready()
            .unwrap_or(channel.per_call.wait_for_ready);
        channel.subchannel().ready(wait, self.deadline).await
    }

    #[inline]
    fn open_on(&self, channel: &Channel, mut permit: Permit) -> Result<Opened, Failed> {
        if !self.head.metadata().is_empty() {
            let timeout = self.deadline.is_some();
            header_list::fits(
                channel.template(),
                &self.path,
                timeout,
                self.head.metadata(),
                &permit,
            )?;
        }
        // What is left now, after all waits.
        let timeout = match self.deadline {
            None => None,
            Some(at) => {
                let now = timer::now();
                let left = at.saturating_duration_since(now);
                if left.is_zero() {
                    return Err(self.expired(channel).into());
                }
                permit.sent(now);
                Some(left)
            }
        };
        let request = head::write_request(
            channel.template(),
            self.path.clone(),
            timeout,
            self.head.metadata(),
        );
        match permit.connection.send(request) {
            Ok((response, stream)) => {
                self.stage.sent();
                let asked = Asked::new(response, permit, self.deadline);
                Ok(Opened { asked, stream })
            }
            Err(error) => {
                // The connection is of no more use to anybody; the next look finds another.
                channel.subchannel().lost(permit.connection.id);
                Err(Failed::unsent(error))
            }
        }
    }

    /// DEADLINE_EXCEEDED, and where the call was.
    #[cold]
    fn expired(&self, channel: &Channel) -> Status {
        self.stage.expired(channel.subchannel())
    }

    /// CANCELLED after the deadline is the deadline.
    fn settle(&self, channel: &Channel, status: Status) -> Status {
        if status.code() == Code::Cancelled && Timer::new(self.deadline).is_over() {
            return self.expired(channel);
        }
        status
    }
}

/// A stream whose request headers are on their way.
pub(super) struct Opened {
    pub(super) asked: Asked,
    pub(super) stream: SendStream<Bytes>,
}

/// `work`, or what `expired` says at the moment the deadline passes. What is polled by a caller names its channel:
/// outside of any runtime, that knows of one.
pub(super) async fn within<T, E: From<Status>>(
    channel: Option<&Channel>,
    deadline: Option<Instant>,
    mut work: Pin<&mut impl Future<Output = Result<T, E>>>,
    expired: impl Fn() -> Status,
) -> Result<T, E> {
    let mut deadline = Timer::new(deadline);
    poll_fn(|cx| {
        // An answer is passed on where it lies: it is large.
        let polled = work.as_mut().poll(cx);
        if polled.is_ready() {
            return polled;
        }
        // Made here, at once; what the peer may still say is not waited for.
        let passed = deadline.poll_at(cx, || channel?.tasks().home());
        passed.map(|()| Err(expired().into()))
    })
    .await
}

/// One request, one answer.
pub(super) async fn unary<C: Codec>(
    channel: &Channel,
    path: PathAndQuery,
    codec: C,
    request: Request<C::Encode>,
) -> Result<Response<C::Decode>, Status> {
    let (head, message) = request.split();
    let mut call = Outgoing::new(channel, path, head);
    if !channel.interceptors.is_empty() {
        Box::pin(call.intercept(channel)).await?;
    }
    let mut retry = TransparentRetry::default();
    let mut writer = channel.writer();
    let answer = loop {
        // Encoded for each attempt: bytes shared with a second one cost more, and there hardly ever is one.
        let body = match writer.write(&codec, &message) {
            Ok(()) => writer.take_last(),
            Err(status) => break Err(status),
        };
        let attempt = pin!(exchange(channel, &call, &codec, body));
        let expired = || call.expired(channel);
        match within(Some(channel), call.deadline, attempt, expired).await {
            Ok(answer) if call.intercepted.is_none() => return Ok(answer),
            Ok(answer) => break Ok(answer),
            Err(failed) if retry.allows(failed.seen) => {}
            Err(failed) => break Err(call.settle(channel, failed.status)),
        }
    };
    call.show_answer(channel, answer)
}

/// One attempt of a call with one request and one answer.
///
/// What it can, it takes by reference: what an `async fn` is given is copied into its future.
async fn exchange<C: Codec>(
    channel: &Channel,
    call: &Outgoing,
    codec: &C,
    body: Bytes,
) -> Result<Response<C::Decode>, Failed> {
    let permit = match channel.subchannel().ready_now() {
        Some(permit) => permit,
        None => Box::pin(call.admission(channel)).await?,
    };
    let Opened {
        mut asked,
        mut stream,
    } = call.open_on(channel, permit)?;
    let max_len = channel.per_call.max_decoding_message_size;
    let answer = if body.len() <= FRAME {
        // If it fails, the response does too, and knows why.
        let _ = stream.send_data(body, true);
        one_answer(&mut asked, call, codec, max_len).await
    } else {
        // In a box, so that small calls do not carry room for it.
        Box::pin(uploading(
            &mut stream,
            body,
            one_answer(&mut asked, call, codec, max_len),
        ))
        .await
    };
    asked.ended(answer.as_ref().map_err(|failed| &failed.status));
    answer
}

/// One request, a stream of answers.
pub(super) async fn server_streaming<C: Codec>(
    channel: &Channel,
    path: PathAndQuery,
    codec: C,
    request: Request<C::Encode>,
) -> Result<Response<Streaming<C::Decode>>, Status> {
    let (head, message) = request.split();
    let mut call = Outgoing::new(channel, path, head);
    if !channel.interceptors.is_empty() {
        Box::pin(call.intercept(channel)).await?;
    }
    let mut retry = TransparentRetry::default();
    let mut writer = channel.writer();
    let failure = loop {
        let body = match writer.write(&codec, &message) {
            Ok(()) => writer.take_last(),
            Err(status) => break status,
        };
        let attempt = pin!(ask_for_stream(channel, &call, &codec, body));
        let expired = || call.expired(channel);
        match within(Some(channel), call.deadline, attempt, expired).await {
            Ok(answers) => return Ok(answers),
            Err(failed) if retry.allows(failed.seen) => {}
            Err(failed) => break call.settle(channel, failed.status),
        }
    };
    Err(call.show_failure(channel, failure))
}

/// One attempt of a call with one request and a stream of answers.
async fn ask_for_stream<C: Codec>(
    channel: &Channel,
    call: &Outgoing,
    codec: &C,
    body: Bytes,
) -> Result<Response<Streaming<C::Decode>>, Failed> {
    let Opened { asked, mut stream } = call.open(channel).await?;
    if body.len() <= FRAME {
        let _ = stream.send_data(body, true);
        return answer_stream(channel, call, codec, asked, None).await;
    }
    let lane = SharedLane::of_one(body.into());
    let guard = LaneGuard::new(&lane);
    lane.attach(stream)?;
    pump::spawn(&lane, channel, call.deadline);
    let answers = answer_stream(channel, call, codec, asked.by(&lane), Some(lane.clone()));
    let answers = unless_cancelled(&lane, answers).await?;
    guard.pass_on();
    Ok(answers)
}

/// A stream of requests, one answer.
pub(super) async fn client_streaming<C: Codec, S>(
    channel: &Channel,
    path: PathAndQuery,
    codec: C,
    request: Request<S>,
) -> Result<Response<C::Decode>, Status>
where
    S: Stream<Item = C::Encode> + Send + 'static,
{
    let (head, messages) = request.split();
    let mut call = Outgoing::new(channel, path, head);
    if !channel.interceptors.is_empty() {
        Box::pin(call.intercept(channel)).await?;
    }
    let (call, lane, codec) = (&call, SharedLane::new(), &codec);
    let guard = LaneGuard::new(&lane);
    pump::spawn_stream(&lane, channel, call.deadline, codec.clone(), messages);
    let attempt = |mut asked: Asked| async move {
        let max_len = channel.per_call.max_decoding_message_size;
        let answer = one_answer(&mut asked, call, codec, max_len).await;
        asked.ended(answer.as_ref().map_err(|failed| &failed.status));
        answer
    };
    let answer = call.attempts_of_stream(channel, &lane, attempt).await;
    call.show_answer(channel, guard.end(answer))
}

/// A stream of requests, a stream of answers; neither waits for the other.
pub(super) async fn streaming<C: Codec, S>(
    channel: &Channel,
    path: PathAndQuery,
    codec: C,
    request: Request<S>,
) -> Result<Response<Streaming<C::Decode>>, Status>
where
    S: Stream<Item = C::Encode> + Send + 'static,
{
    let (head, messages) = request.split();
    let mut call = Outgoing::new(channel, path, head);
    if !channel.interceptors.is_empty() {
        Box::pin(call.intercept(channel)).await?;
    }
    let (call, lane, codec) = (&call, &SharedLane::new(), &codec);
    let guard = LaneGuard::new(lane);
    pump::spawn_stream(lane, channel, call.deadline, codec.clone(), messages);
    let attempt = |asked| answer_stream(channel, call, codec, asked, Some(lane.clone()));
    match call.attempts_of_stream(channel, lane, attempt).await {
        Ok(response) => {
            guard.pass_on();
            Ok(response)
        }
        failed => guard
            .end(failed)
            .map_err(|status| call.show_failure(channel, status)),
    }
}

impl Outgoing {
    /// Makes attempts until one is answered, or failed for good. The requests are sent by `lane`, and kept by
    /// it.
    pub(super) async fn attempts_of_stream<T, F, A>(
        &self,
        channel: &Channel,
        lane: &SharedLane,
        mut attempt: F,
    ) -> Result<T, Status>
    where
        F: FnMut(Asked) -> A,
        A: Future<Output = Result<T, Failed>>,
    {
        let work = pin!(async {
            let mut retry = TransparentRetry::default();
            loop {
                let failed = match self.open(channel).await {
                    Ok(opened) => {
                        lane.attach(opened.stream)?;
                        match unless_cancelled(lane, attempt(opened.asked.by(lane))).await {
                            Ok(answer) => return Ok(answer),
                            Err(failed) => failed,
                        }
                    }
                    Err(failed) => failed,
                };
                if !(retry.allows(failed.seen) && lane.rewind()) {
                    return Err(failed.status);
                }
            }
        });
        within(Some(channel), self.deadline, work, || self.expired(channel))
            .await
            .map_err(|status| self.settle(channel, status))
    }
}

/// What waits for an answer, until `lane` is cancelled: a failure of its own, or an end that was dropped.
async fn unless_cancelled<T>(
    lane: &SharedLane,
    work: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Pending => lane.poll_cancelled(cx).map(|()| Err(lane.told().into())),
        ready => ready,
    })
    .await
}

/// Waits for an answer of one message, to its trailers.
async fn one_answer<C: Codec>(
    asked: &mut Asked,
    call: &Outgoing,
    codec: &C,
    max_len: usize,
) -> Result<Response<C::Decode>, Failed> {
    let head = poll_fn(|cx| asked.poll_response(cx)).await;
    let head = head.map_err(Failed::before_answer)?;
    call.stage.answered();
    let (metadata, mut reader) = match Head::of(head, max_len, asked.unread.clone()) {
        Ok(Head::Open(metadata, reader)) => (metadata, reader),
        Ok(Head::Over(end)) => {
            end?;
            return Err(wrong_count("0").into());
        }
        Err(foreign) => return Err(Box::pin(foreign.quote()).await.into()),
    };
    let message = poll_fn(|cx| reader.poll_message(codec, cx)).await?;
    let mut end = None;
    if message.is_some() {
        // Mostly the trailers came with the message.
        end = poll_fn(|cx| Poll::Ready(reader.trailers_now(cx))).await;
        if end.is_none() && poll_fn(|cx| reader.poll_bytes(cx)).await?.is_some() {
            return Err(wrong_count("more than 1").into());
        }
    }
    let end = match end {
        Some(end) => end?,
        None => poll_fn(|cx| reader.poll_trailers(cx)).await?,
    };
    //= GRPC-RES-PRECEDENCE  an error in the trailers wins over a message that came before it
    let trailers = match end {
        Some(end) if trailers::is_bare_ok(&end) => None,
        end => {
            let end = trailers::read_end(end);
            let trailers = end.map_err(|status| after_headers(status, &metadata))?;
            (!trailers.is_empty()).then(|| Box::new(trailers))
        }
    };
    match message {
        Some((message, _)) => Ok(Response::received(metadata, message, trailers)),
        None => Err(wrong_count("0").into()),
    }
}

/// A failed call has no response to hold its headers: the status tells them, before the trailers.
fn after_headers(mut status: Status, headers: &MetadataMap) -> Status {
    if !headers.is_empty() {
        let mut metadata = MetadataMap::new();
        metadata.extend(headers.iter());
        metadata.extend(status.metadata().iter());
        *status.metadata_mut() = metadata;
    }
    status
}

fn wrong_count(found: &str) -> Status {
    //= CODE-CARDINALITY  none, or more than one, where one is due: UNIMPLEMENTED
    let message = format!("the answer has {found} messages; this method answers with exactly 1");
    Status::library(Code::Unimplemented, message, Origin::Protocol)
}

/// Waits for the head of a stream of answers.
async fn answer_stream<C: Codec>(
    channel: &Channel,
    call: &Outgoing,
    codec: &C,
    mut asked: Asked,
    requests: Option<SharedLane>,
) -> Result<Response<Streaming<C::Decode>>, Failed> {
    match read_head(&mut asked, call, channel.per_call.max_decoding_message_size).await? {
        Head::Open(mut metadata, mut reader) => {
            reader.source.share(None);
            call.show_response(channel, &mut metadata)?;
            let ending = ResponseEnding {
                requests,
                on_end: call.on_end(channel),
                open: asked.into_claim(),
            };
            let messages = Streaming::new(
                reader,
                codec.clone(),
                Timer::at_home(call.deadline, || channel.tasks().home()),
                Ending::Response(ending),
            );
            Ok(Response::received(metadata, messages, None))
        }
        Head::Over(end) => {
            if let Some(lane) = requests {
                lane.close(Over::Answered);
            }
            asked.ended(end.as_ref());
            // Whoever made the attempt shows its failure.
            let mut end = Ok(end?);
            if let Some(on_end) = call.on_end(channel) {
                on_end(&mut end);
            }
            Ok(Response::new(Streaming::over(end?)))
        }
    }
}

/// The head of an answer.
pub(super) enum Head {
    Open(MetadataMap, MessageReader),
    Over(Result<MetadataMap, Status>),
}

impl Head {
    /// Finds out what response headers are.
    fn of(
        response: http::Response<RecvStream>,
        max_len: usize,
        unread: Arc<Unread>,
    ) -> Result<Self, Foreign> {
        let (parts, body) = response.into_parts();
        match head::read_response(parts.status, parts.headers, body.is_end_stream()) {
            ResponseHead::Open(metadata) => {
                let source = Source::new(body, Side::Client, unread);
                let reader = MessageReader::new(source, max_len, None);
                Ok(Self::Open(metadata, reader))
            }
            ResponseHead::Over(end) => Ok(Self::Over(end)),
            ResponseHead::Foreign(status) => Err(Foreign::new(status, body, &unread)),
        }
    }
}

/// Waits for response headers, and finds out what they are.
pub(super) async fn read_head(
    asked: &mut Asked,
    call: &Outgoing,
    max_len: usize,
) -> Result<Head, Failed> {
    let response = poll_fn(|cx| asked.poll_response(cx)).await;
    let response = response.map_err(Failed::before_answer)?;
    call.stage.answered();
    match Head::of(response, max_len, asked.unread.clone()) {
        Ok(head) => Ok(head),
        Err(foreign) => Err(Box::pin(foreign.quote()).await.into()),
    }
}
