//! What do interceptors see of an answer?
//!
//! The head of it and the end, or the end alone; and each end once, from whichever side it came. What they do with
//! it is theirs, a panic included: that ends the call, and nothing else.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::channel::Channel;
use super::outgoing::Outgoing;
use super::within::within;
use crate::call::caught::{Panicked, caught};
use crate::call::streaming::OnEnd;
use crate::call::timer;
use crate::deadline;
use crate::interceptor::{InterceptedCall, Interceptors};
use crate::metadata::MetadataMap;
use crate::request::Request;
use crate::response::Response;
use crate::status::Status;

impl Outgoing {
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
            let expired = || self.stage.expired(channel.picker());
            within(Some(channel.tasks()), self.deadline, pin!(passed), expired).await
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

    /// Shows the answer's metadata to interceptors. An error is a panic of theirs.
    pub(super) fn show_response(
        &self,
        channel: &Channel,
        metadata: &mut MetadataMap,
    ) -> Result<(), Status> {
        match &self.intercepted {
            Some(call) => caught(|| channel.interceptors.response(call, metadata)).map_err(blamed),
            None => Ok(()),
        }
    }

    /// Shows to interceptors that the call ended before there was an answer.
    pub(super) fn show_failure(&self, channel: &Channel, mut status: Status) -> Status {
        if let Some(call) = &self.intercepted {
            show_failure(&channel.interceptors, call, &mut status);
        }
        status
    }

    /// What shows the end of a stream to interceptors, when it comes.
    pub(super) fn on_end(&self, channel: &Channel) -> Option<OnEnd> {
        let call = self.intercepted.clone()?;
        let interceptors = channel.interceptors.clone();
        Some(Box::new(move |end| show_end(&interceptors, &call, end)))
    }

    /// Shows the one answer of a call to interceptors, if any of them wants to see it.
    pub(super) fn show_answer<T>(
        &self,
        channel: &Channel,
        mut answer: Result<Response<T>, Status>,
    ) -> Result<Response<T>, Status> {
        let Some(call) = &self.intercepted else {
            return answer;
        };
        if let Ok(response) = &mut answer {
            match self.show_response(channel, response.metadata_mut()) {
                Ok(()) => {
                    let mut end = Ok(std::mem::take(response.trailers_mut()));
                    show_end(&channel.interceptors, call, &mut end);
                    *response.trailers_mut() = end?;
                }
                Err(status) => answer = Err(status),
            }
        } else if let Err(status) = &mut answer {
            show_failure(&channel.interceptors, call, status);
        }
        answer
    }
}

fn show_end(
    interceptors: &Interceptors,
    call: &InterceptedCall,
    end: &mut Result<MetadataMap, Status>,
) {
    match end {
        Ok(metadata) => {
            if let Err(panicked) = caught(|| interceptors.trailers(call, &Status::ok(""), metadata))
            {
                *end = Err(blamed(panicked));
            }
        }
        Err(status) => show_failure(interceptors, call, status),
    }
}

fn show_failure(interceptors: &Interceptors, call: &InterceptedCall, status: &mut Status) {
    let mut metadata = std::mem::take(status.metadata_mut());
    match caught(|| interceptors.trailers(call, status, &mut metadata)) {
        Ok(()) => *status.metadata_mut() = metadata,
        Err(panicked) => *status = blamed(panicked),
    }
}

/// How a call ends whose interceptor panicked, whichever of its three looks at the call it was.
fn blamed(panicked: Panicked) -> Status {
    panicked.status("the interceptor")
}
