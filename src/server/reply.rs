//! The response half of a call: how does what the handler returned reach the client?
//!
//! Headers first, then one message or a stream of them, then the end. While the handler or its stream runs, it is watched
//! (`watch.rs`); every end is a value (`end.rs`), and [`Reply::finish`] is the one place that writes it. This file does
//! not know how a handler is called.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_core::Stream;
use h2::SendStream;
use h2::server::SendResponse;

use super::context::CallContext;
use super::end::{End, Failure, Outcome, Trailing, panicked};
use super::options::MethodOptions;
use super::request::RequestHalf;
use crate::call::batch::{Batch, poll_batch};
use crate::call::caught::{caught, clear_caught, drop_caught};
use crate::call::codec::Codec;
use crate::call::retraction::Retraction;
use crate::call::send::{self, Gone};
use crate::call::size::FRAME;
use crate::call::timer::{self, Timer};
use crate::call::turn::Turn;
use crate::deadline;
use crate::head;
use crate::response::Response;
use crate::status::Status;
use crate::trailers;

/// A batch that is on its way at the deadline may take so much longer, and the status follows it. At 1.3 Mbit/s
/// it has left by then; a caller who takes it slower counts as blocked.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The response half of a call, and what may end the call meanwhile.
pub(super) struct Reply {
    pub(super) respond: SendResponse<Bytes>,
    /// `Some` once response headers were sent.
    pub(super) body: Option<SendStream<Bytes>>,
    pub(super) deadline: Timer,
    context: Arc<CallContext>,
}

impl Reply {
    #[inline(always)]
    pub(super) fn new(respond: SendResponse<Bytes>, context: Arc<CallContext>) -> Self {
        Self {
            respond,
            body: None,
            deadline: Timer::default(),
            context,
        }
    }

    #[inline(always)]
    pub(super) fn context(&self) -> &CallContext {
        &self.context
    }

    /// The call has to end by then. Is that over already?
    #[inline(always)]
    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) -> bool {
        self.deadline = Timer::new(deadline);
        self.deadline.is_over()
    }

    /// The end of a stream of requests, which may be taken back, and its reader, who is counted.
    pub(super) fn requests(&self) -> Retraction {
        Retraction::new(self.context.readers.clone().count())
    }

    /// Sends the headers of what the handler gave; the messages are next. `response` is a failure of
    /// [`watch`](Self::watch), or the handler's own result. An error is a call that is over.
    pub(super) fn send_headers<S>(
        &mut self,
        response: Result<Result<Response<S>, Status>, Failure>,
        request: &mut RequestHalf,
    ) -> Result<(S, Trailing), Outcome> {
        request.stop_reading();
        let failure = match response {
            Ok(Ok(mut response)) => {
                if !response.extensions().is_empty() {
                    if let Some(agreed) = request.agreed() {
                        agreed.look_at(response.extensions());
                    }
                    let _ = drop_caught(std::mem::take(response.extensions_mut()));
                }
                let (mut metadata, messages, trailers) = response.into_ends();
                if let Err(status) = request.show_headers(&mut metadata) {
                    return Err(self.finish(Err(status.into())));
                }
                if let Err(status) = trailers::check_size("response", &metadata) {
                    return Err(self.finish(request.show_end(Err(status.into()))));
                }
                let head = head::write_response(&metadata, |headers| {
                    if let Some(agreed) = request.agreed() {
                        agreed.write_headers(headers);
                    }
                });
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
        Err(self.finish(request.show_end(Err(failure))))
    }

    /// Sends the one message of an answer, and how the call ended, with the trailing metadata of a success.
    pub(super) async fn send_message<C: Codec>(
        &mut self,
        message: C::Encode,
        trailers: Trailing,
        request: &RequestHalf,
        codec: &C,
        options: &MethodOptions,
    ) -> Outcome {
        let mut writer = request.writer(options);
        let buffers = &self.context.unread.buffers;
        let encoded = caught(|| writer.write_one(buffers, codec, &message));
        let dropped = drop_caught(message);
        let mut end = match (encoded, dropped) {
            (Ok(Ok(())), Ok(())) => Ok(trailers),
            (Ok(Err(status)), _) => Err(Failure::Status(status)),
            _ => {
                writer.clear();
                Err(panicked().into())
            }
        };
        if let Some(rest) = self.send_small(writer.take_one(&self.context.unread.buffers)) {
            if let Err(failure) =
                Box::pin(self.send(rest, &mut Turn::default(), || Duration::ZERO)).await
            {
                end = Err(failure);
            }
        }
        self.finish(request.show_end(end))
    }

    /// Sends messages until they end, and then how they ended, with the trailing metadata of a success.
    /// `requests` may be read meanwhile.
    pub(super) async fn send_messages<C, S>(
        &mut self,
        messages: S,
        trailers: Trailing,
        request: &RequestHalf,
        codec: &C,
        options: &MethodOptions,
        requests: Option<&Retraction>,
    ) -> Outcome
    where
        C: Codec,
        S: Stream<Item = Result<C::Encode, Status>>,
    {
        let mut messages = pin!(Some(messages));
        let mut writer = request.writer(options);
        let mut turn = Turn::default();
        let end = loop {
            let gathered = pin!(Some(poll_fn(|cx| {
                poll_batch(cx, &mut writer, &mut turn, |cx, writer| {
                    let Some(messages) = messages.as_mut().as_pin_mut() else {
                        return Poll::Ready(None);
                    };
                    writer.forget_mark();
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
        self.finish(request.show_end(end))
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

    /// The one place where a call ends: its end becomes trailers, a reset, or nothing.
    ///
    /// Dropping the handles afterwards is part of the end: if the request is still open, `h2` sends
    /// the trailers and then `RST_STREAM(NO_ERROR)`. A reset of our own would delete the trailers.
    pub(super) fn finish(&mut self, end: Result<Trailing, Failure>) -> Outcome {
        match End::of(end) {
            End::Status {
                code,
                fields,
                accept,
            } => {
                //= GRPC-EARLY-CLOSE-SERVER  trailers before the client's end: then RST_STREAM(NO_ERROR)
                let sent = match &mut self.body {
                    Some(body) => body.send_trailers(fields).is_ok(),
                    None => self
                        .respond
                        .send_response(head::write_trailers_only(fields, accept), true)
                        .is_ok(),
                };
                if sent {
                    Outcome::Ended(code)
                } else {
                    self.was_reset()
                }
            }
            End::Http(status) => {
                let sent = self.respond.send_response(head::write_http(status), true);
                sent.map_or(Outcome::Cut, |_| Outcome::NotGrpc(status))
            }
            End::Reset(reason) => {
                if let Some(body) = &mut self.body {
                    body.send_reset(reason);
                }
                Outcome::Cut
            }
            End::Gone => self.was_reset(),
        }
    }

    /// Nobody is left to send anything to. [`Resets`](super::resets::Resets) decides whether the client is to blame.
    #[cold]
    fn was_reset(&self) -> Outcome {
        if self.body.is_none() {
            self.context.resets.count(self.deadline.at(), timer::now());
        }
        Outcome::Cut
    }
}
