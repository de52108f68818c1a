//! What do interceptors see of a response?
//!
//! Its head and its end, from the handler or from this crate. What they do with it is theirs, a panic included: that ends the call, and
//! nothing else.

use super::end::{Failure, Trailing, panicked};
use super::request::RequestHalf;
use crate::call::caught::caught;
use crate::interceptor::InterceptedCall;
use crate::metadata::MetadataMap;
use crate::status::Status;

impl RequestHalf {
    /// Lets interceptors see the response metadata. An error is a panic of theirs.
    pub(super) fn show_headers(&self, metadata: &mut MetadataMap) -> Result<(), Status> {
        match &self.intercepted {
            Some(call) => {
                caught(|| self.interceptors.response(call, metadata)).map_err(|_| panicked())
            }
            None => Ok(()),
        }
    }

    /// Lets interceptors see the end, and change the trailing metadata.
    pub(super) fn show_end(&self, end: Result<Trailing, Failure>) -> Result<Trailing, Failure> {
        match &self.intercepted {
            Some(call) => {
                caught(|| self.show_end_of(call, end)).unwrap_or_else(|_| Err(panicked().into()))
            }
            None => end,
        }
    }

    fn show_end_of(
        &self,
        call: &InterceptedCall,
        end: Result<Trailing, Failure>,
    ) -> Result<Trailing, Failure> {
        match end {
            Ok(metadata) => {
                let mut metadata = metadata.unwrap_or_default();
                self.interceptors
                    .trailers(call, &Status::ok(""), &mut metadata);
                Ok(Some(metadata))
            }
            Err(Failure::Status(mut status)) => {
                // What the status would not send, a peer's metadata, they neither see nor lose theirs to.
                let mut metadata = status.metadata_to_send().cloned().unwrap_or_default();
                self.interceptors.trailers(call, &status, &mut metadata);
                status.send_metadata(metadata);
                Err(Failure::Status(status))
            }
            other => other,
        }
    }
}
