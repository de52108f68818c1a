//! How did a call end, and what stopped it before its trailers?

use http::StatusCode;

use crate::head::Refusal;
use crate::{Code, Status};

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
pub(crate) enum Failure {
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
