//! The response of one attempt: its head, one message or a stream of them, and its end.
//!
//! Each failure says how far the attempt came ([`Failed`]): in a response of trailers only, or after the response
//! headers. Whether the call may have another attempt is not decided here.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use h2::RecvStream;

use super::asked::Asked;
use super::channel::Channel;
use super::coding;
use super::foreign::Foreign;
use super::outgoing::Outgoing;
use super::retry::Failed;
use crate::call::Side;
use crate::call::codec::Codec;
use crate::call::lane::{Over, SharedLane};
use crate::call::reader::MessageReader;
use crate::call::source::Source;
use crate::call::streaming::{Ending, ResponseEnding, Streaming};
use crate::call::timer::Timer;
use crate::conn::unread::Unread;
use crate::head::{self, ResponseHead};
use crate::metadata::MetadataMap;
use crate::response::Response;
use crate::status::{Origin, Status};
use crate::trailers;
use crate::wire::code::Code;

/// Waits for an answer of one message, to its trailers.
pub(super) async fn one_answer<C: Codec>(
    channel: &Channel,
    asked: &mut Asked,
    call: &Outgoing,
    codec: &C,
) -> Result<Response<C::Decode>, Failed> {
    let head = poll_fn(|cx| asked.poll_response(cx)).await;
    let head = head.map_err(Failed::unanswered)?;
    call.stage.answered();
    let (metadata, mut reader) = match Head::of(channel, head, asked.unread.clone()) {
        Ok(Head::Open(metadata, reader)) => (metadata, reader),
        Ok(Head::Over(end)) => {
            end.map_err(Failed::trailers_only)?;
            return Err(Failed::after_headers(wrong_count("0")));
        }
        Err(foreign) => return Err(quoted(foreign).await),
    };
    let message = poll_fn(|cx| reader.poll_message(codec, cx)).await;
    let message = message.map_err(Failed::after_headers)?;
    let mut end = None;
    if message.is_some() {
        // Mostly the trailers came with the message.
        end = poll_fn(|cx| Poll::Ready(reader.trailers_now(cx))).await;
        if end.is_none() {
            let more = poll_fn(|cx| reader.poll_bytes(cx)).await;
            if more.map_err(Failed::after_headers)?.is_some() {
                return Err(Failed::after_headers(wrong_count("more than 1")));
            }
        }
    }
    let end = match end {
        Some(end) => end,
        None => poll_fn(|cx| reader.poll_trailers(cx)).await,
    };
    let end = end.map_err(Failed::after_headers)?;
    //= GRPC-RES-PRECEDENCE  an error in the trailers wins over a message that came before it
    let trailers = match end {
        Some(end) if trailers::is_bare_ok(&end) => None,
        end => {
            let end = trailers::read_end(end);
            let trailers =
                end.map_err(|status| Failed::after_headers(with_headers(status, &metadata)))?;
            (!trailers.is_empty()).then(|| Box::new(trailers))
        }
    };
    match message {
        Some((message, _)) => Ok(Response::received(metadata, message, trailers)),
        None => Err(Failed::after_headers(wrong_count("0"))),
    }
}

/// A failed call has no response to hold its headers: the status tells them, before the trailers.
fn with_headers(mut status: Status, headers: &MetadataMap) -> Status {
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
pub(super) async fn answer_stream<C: Codec>(
    channel: &Channel,
    call: &Outgoing,
    codec: &C,
    mut asked: Asked,
    requests: Option<SharedLane>,
) -> Result<Response<Streaming<C::Decode>>, Failed> {
    match read_head(channel, &mut asked, call).await? {
        Head::Open(mut metadata, mut reader) => {
            reader.source.share(None);
            call.show_response(channel, &mut metadata)
                .map_err(Failed::after_headers)?;
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
            // A failure is shown to interceptors after the last attempt, by the code that makes the attempts.
            let mut end = Ok(end.map_err(Failed::trailers_only)?);
            if let Some(on_end) = call.on_end(channel) {
                on_end(&mut end);
            }
            Ok(Response::new(Streaming::over(
                end.map_err(Failed::after_headers)?,
            )))
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
        channel: &Channel,
        response: http::Response<RecvStream>,
        unread: Arc<Unread>,
    ) -> Result<Self, Foreign> {
        let (parts, body) = response.into_parts();
        match head::read_response(parts.status, parts.headers, body.is_end_stream()) {
            ResponseHead::Open(metadata) => {
                Ok(Self::Open(metadata, reader_of(channel, body, unread)))
            }
            ResponseHead::Coded(coded) => {
                let (metadata, name) = *coded;
                match coding::of_response(&channel.compression, &name) {
                    Ok(coding) => {
                        let mut reader = reader_of(channel, body, unread);
                        reader.decompress(coding);
                        Ok(Self::Open(metadata, reader))
                    }
                    Err(status) => Err(Foreign::new(status, body, &unread)),
                }
            }
            ResponseHead::Over(end) => Ok(Self::Over(end)),
            ResponseHead::Foreign(status) => Err(Foreign::new(status, body, &unread)),
        }
    }
}

fn reader_of(channel: &Channel, body: RecvStream, unread: Arc<Unread>) -> MessageReader {
    let source = Source::new(body, Side::Client, unread);
    MessageReader::new(source, channel.per_call.max_decoding_message_size, None)
}

/// Waits for response headers, and finds out what they are.
pub(super) async fn read_head(
    channel: &Channel,
    asked: &mut Asked,
    call: &Outgoing,
) -> Result<Head, Failed> {
    let response = poll_fn(|cx| asked.poll_response(cx)).await;
    let response = response.map_err(Failed::unanswered)?;
    call.stage.answered();
    match Head::of(channel, response, asked.unread.clone()) {
        Ok(head) => Ok(head),
        Err(foreign) => Err(quoted(foreign).await),
    }
}

#[cold]
async fn quoted(foreign: Foreign) -> Failed {
    Failed::after_headers(Box::pin(foreign.quote()).await)
}
