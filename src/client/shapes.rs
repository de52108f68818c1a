//! The four kinds of call that a function makes: one request or a stream of them, one response or a stream of them.
//!
//! Each tells its call from top to bottom: the request is prepared, interceptors see it, attempts are made, and
//! interceptors see how it ended. The fifth kind, a call that is held, is `held`'s.

use bytes::Bytes;
use futures_core::Stream;
use http::uri::PathAndQuery;

use super::asked::Asked;
use super::call::{attempts, unless_cancelled};
use super::channel::Channel;
use super::outgoing::{Opened, Outgoing};
use super::pump::{self, LaneGuard};
use super::response::{answer_stream, one_answer};
use super::retry::Failed;
use super::uploading::uploading;
use crate::call::codec::Codec;
use crate::call::lane::SharedLane;
use crate::call::size::FRAME;
use crate::call::streaming::Streaming;
use crate::request::Request;
use crate::response::Response;
use crate::status::Status;

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
    let mut writer = call.writer(channel);
    let answer = attempts!(
        call,
        channel,
        {
            // Encoded for each attempt: bytes shared with a second one cost more, and there hardly ever is one.
            writer.forget_mark();
            let body = writer.write(&codec, &message).map(|()| writer.take_last());
            exchange(channel, &call, &codec, body)
        },
        true
    );
    if call.intercepted.is_none() {
        return answer;
    }
    call.show_answer(channel, answer)
}

/// One attempt of a call with one request and one answer.
///
/// What it can, it takes by reference: what an `async fn` is given is copied into its future.
async fn exchange<C: Codec>(
    channel: &Channel,
    call: &Outgoing,
    codec: &C,
    body: Result<Bytes, Status>,
) -> Result<Response<C::Decode>, Failed> {
    let body = body.map_err(Failed::here)?;
    let permit = match channel.picker().now() {
        Some(permit) => permit,
        None => Box::pin(call.admission(channel))
            .await
            .map_err(Failed::here)?,
    };
    let Opened {
        mut asked,
        mut stream,
    } = call.open_on(channel, permit)?;
    let answer = if body.len() <= FRAME {
        // If it fails, the response does too, and knows why.
        let _ = stream.send_data(body, true);
        one_answer(channel, &mut asked, call, codec).await
    } else {
        // In a box, so that small calls do not carry room for it.
        Box::pin(uploading(
            &mut stream,
            body,
            one_answer(channel, &mut asked, call, codec),
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
    let (call, codec) = (&call, &codec);
    let mut writer = call.writer(channel);
    // By value: messages need not be `Sync`.
    let attempt = move || {
        writer.forget_mark();
        let body = writer.write(codec, &message).map(|()| writer.take_last());
        async move {
            let body = body.map_err(Failed::here)?;
            ask_for_stream(channel, call, codec, body).await
        }
    };
    let answers = call.attempts(channel, attempt, || true).await;
    answers.map_err(|status| call.show_failure(channel, status))
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
    lane.attach(stream).map_err(Failed::here)?;
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
    let writer = call.writer(channel);
    pump::spawn_stream(
        &lane,
        channel,
        call.deadline,
        writer,
        codec.clone(),
        messages,
    );
    let attempt = |mut asked: Asked| async move {
        let answer = one_answer(channel, &mut asked, call, codec).await;
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
    let writer = call.writer(channel);
    pump::spawn_stream(
        lane,
        channel,
        call.deadline,
        writer,
        codec.clone(),
        messages,
    );
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
