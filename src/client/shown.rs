//! What do interceptors see of an answer?
//!
//! The head of it and the end, or the end alone; and each end once, from whichever side it came. What they do with
//! it is theirs, a panic included: that ends the call, and nothing else.

use super::call::Outgoing;
use super::channel::Channel;
use crate::call::caught::{Panicked, caught};
use crate::call::streaming::OnEnd;
use crate::interceptor::{InterceptedCall, Interceptors};
use crate::metadata::MetadataMap;
use crate::{Response, Status};

impl Outgoing {
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
pub(super) fn blamed(panicked: Panicked) -> Status {
    panicked.status("the interceptor")
}
