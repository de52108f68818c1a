//! How does a call end?
//!
//! ```text
//!   Ok(trailing metadata) ─┐
//!   Failure ───────────────┴─ End::of ─▶ End ── a writer: Reply::finish ─▶ Outcome, for those who count
//! ```
//!
//! [`End`] is the end as a value. One writer makes HTTP/2 of it; a protocol that frames the end in another way needs
//! another writer, and nothing else.

use h2::Reason;
use http::header::HeaderValue;
use http::{HeaderMap, StatusCode};

use crate::call::caught::{Panicked, drop_caught};
use crate::head::Refusal;
use crate::metadata::MetadataMap;
use crate::status::Status;
use crate::trailers;
use crate::wire::code::Code;

/// The trailing metadata of a success, if there is any.
pub(super) type Trailing = Option<Box<MetadataMap>>;

/// The end of a response, before it is written.
pub(super) enum End {
    /// A gRPC status: trailers, or Trailers-Only if no response headers were sent.
    Status {
        code: Code,
        /// The status, its message and details, and trailing metadata.
        fields: HeaderMap,
        /// The codings of messages that this side accepts, if the client has to know.
        accept: Option<HeaderValue>,
    },
    /// A response in plain HTTP to a request that is not gRPC.
    Http(StatusCode),
    /// RST_STREAM: the client does not take what was sent, so trailers would not arrive either.
    Reset(Reason),
    /// Nothing can be sent: the client has reset the stream, or the connection is lost.
    Gone,
}

impl End {
    /// The end for a success or a failure.
    #[inline(always)] // else the fields are copied once more
    pub(super) fn of(end: Result<Trailing, Failure>) -> Self {
        let (fields, code, accept) = match fitting(end) {
            Ok(metadata) => (trailers::write_ok(metadata.as_deref()), Code::Ok, None),
            Err(Failure::Status(status)) => {
                let end = (trailers::write_status(&status), status.code(), None);
                // Its source is a value of the user's.
                let _ = drop_caught(status);
                end
            }
            Err(Failure::Encoding(status, list)) => {
                (trailers::write_status(&status), status.code(), Some(*list))
            }
            Err(Failure::Http(status)) => return Self::Http(status),
            Err(Failure::Gone) => return Self::Gone,
            //= GRPC-DEADLINE-SERVER  RST_STREAM(CANCEL) when blocked
            Err(Failure::Blocked) => return Self::Reset(Reason::CANCEL),
        };
        Self::Status {
            code,
            fields,
            accept,
        }
    }
}

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
    /// Trailers-Only, with the list of the codings that are read here.
    Encoding(Status, Box<HeaderValue>),
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
        }
    }
}

/// How a call ended, if that can be sent: the trailing metadata of a success may be too large.
fn fitting(end: Result<Trailing, Failure>) -> Result<Trailing, Failure> {
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

/// What the client learns of a panic: that it happened.
#[cold]
pub(super) fn panicked() -> Status {
    Panicked.status("the handler")
}
