//! A request on its way: from what the client gave to HEADERS on a connection.
//!
//! The deadline is put together here: what the request inherited, what it and the channel set, and what an interceptor
//! adds. It is judged in `within` while somebody waits for the response, and by the
//! [`Timer`] of a stream of responses after that.

use std::time::Instant;

use bytes::Bytes;
use h2::SendStream;
use http::uri::PathAndQuery;

use super::asked::Asked;
use super::channel::Channel;
use super::coding;
use super::header_list;
use super::places::Permit;
use super::retry::Failed;
use super::stage::Stage;
use crate::call::timer::{self, Timer};
use crate::call::writer::MessageWriter;
use crate::interceptor::InterceptedCall;
use crate::request::Request;
use crate::status::Status;
use crate::wire::code::Code;
use crate::{deadline, head};

/// A request on its way: what every attempt of one call has in common.
///
/// It stays where it is made while the call lasts, and attempts borrow it.
pub(super) struct Outgoing {
    pub(super) path: PathAndQuery,
    pub(super) head: Request<()>,
    pub(super) deadline: Option<Instant>,
    pub(super) stage: Stage,
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

    /// A stream with its request headers on their way, on a connection when there is one to be had.
    pub(super) async fn open(&self, channel: &Channel) -> Result<Opened, Failed> {
        let permit = match channel.picker().now() {
            Some(permit) => permit,
            // In a box, so that calls on a connection that is there do not carry room for the wait.
            None => Box::pin(self.admission(channel))
                .await
                .map_err(Failed::here)?,
        };
        self.open_on(channel, permit)
    }

    /// Waits for a connection, and a place on it.
    pub(super) async fn admission(&self, channel: &Channel) -> Result<Permit, Status> {
        self.stage.waits();
        let wait = self
            .head
            .wait_for_ready()
            .unwrap_or(channel.per_call.wait_for_ready);
        channel.picker().wait(wait, self.deadline).await
    }

    #[inline]
    pub(super) fn open_on(&self, channel: &Channel, mut permit: Permit) -> Result<Opened, Failed> {
        if !self.head.metadata().is_empty() {
            let timeout = self.deadline.is_some();
            header_list::fits(
                channel.template(),
                &self.path,
                timeout,
                self.head.metadata(),
                &permit,
            )
            .map_err(Failed::here)?;
        }
        // What is left now, after all waits.
        let timeout = match self.deadline {
            None => None,
            Some(at) => {
                let now = timer::now();
                let left = at.saturating_duration_since(now);
                if left.is_zero() {
                    return Err(Failed::here(self.expired(channel)));
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
            |headers| coding::write_headers(&channel.compression, &self.head, headers),
        );
        match permit.connection.send(request) {
            Ok((response, stream)) => {
                self.stage.sent();
                let asked = Asked::new(response, permit, self.deadline);
                Ok(Opened { asked, stream })
            }
            Err(error) => {
                // The connection is of no more use to anybody; the next look finds another.
                permit.connection.lost();
                Err(Failed::unsent(error))
            }
        }
    }

    /// What writes the messages of the call.
    #[inline]
    pub(super) fn writer(&self, channel: &Channel) -> MessageWriter {
        coding::writer(channel.writer(), &channel.compression, &self.head)
    }

    /// DEADLINE_EXCEEDED, and where the call was.
    #[cold]
    pub(super) fn expired(&self, channel: &Channel) -> Status {
        self.stage.expired(channel.picker())
    }

    /// CANCELLED after the deadline is the deadline.
    pub(super) fn settle(&self, channel: &Channel, status: Status) -> Status {
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
