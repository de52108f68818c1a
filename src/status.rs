//! [`Status`]: how a call ended, and [`Origin`]: who says so.
//!
//! Spec: [PROTOCOL-HTTP2], Status, Status-Message, Status-Details; [statuscodes] for who may use
//! which code. What a status looks like in trailers is the business of `trailers.rs`; this file
//! knows no header name.
//!
//! A `Status` is the error of nearly every function here, so it is two words: the code, and a box
//! that exists only if there is more to say.
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
//! [statuscodes]: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md

use crate::metadata::{self, MetadataMap};
use crate::wire::code::Code;
use bytes::Bytes;
use std::{borrow::Cow, error::Error, fmt, fmt::Write as _, io, sync::Arc};

/// How a call ended: a code, and where there is more to say a message for people, details for
/// programs and trailing metadata.
///
/// Handlers return it as their error; clients get it as theirs. [`origin`](Self::origin) tells a
/// status that the peer sent from one that was made up on this side of the network, and `source()`
/// has the error underneath. Neither ever leaves the process.
///
/// # A status on its way through
///
/// A handler that calls another server and returns that server's error with `?` passes on code,
/// message and details. The trailing metadata that came with it stays behind, since it may hold
/// what that server meant for us alone: see [`forward_metadata`](Self::forward_metadata).
///
/// ```
/// use temaki::{Code, Status};
///
/// fn greet(name: &str) -> Result<String, Status> {
///     if name.is_empty() {
///         return Err(Status::invalid_argument("name is empty"));
///     }
///     Ok(format!("Hello {name}!"))
/// }
/// let status = greet("").unwrap_err();
/// assert_eq!(status.code(), Code::InvalidArgument);
/// assert_eq!(status.to_string(), "code INVALID_ARGUMENT: name is empty");
/// ```
#[derive(Clone)]
pub struct Status {
    code: Code,
    /// None: no message, no details, no metadata, no source, and made by the application.
    rest: Option<Box<Rest>>,
}

const _: () = assert!(size_of::<Status>() <= 16);

#[derive(Clone, Default)]
struct Rest {
    message: Cow<'static, str>,
    /// The bytes of `grpc-status-details-bin`, by convention a `google.rpc.Status`.
    details: Bytes,
    metadata: MetadataMap,
    /// Never sent.
    source: Option<Arc<dyn Error + Send + Sync>>,
    /// Never sent.
    origin: Origin,
    /// Is `metadata` sent although it was received? Without meaning where the origin is the
    /// application.
    forward: bool,
}

/// Where a [`Status`] comes from.
///
/// The first question of debugging a call: did the peer send this status, or was it made on this
/// side? The origin stays in the process: a status that is sent arrives as [`Peer`](Self::Peer).
///
/// | origin | made by | codes |
/// |---|---|---|
/// | `Application` | your code | any |
/// | `Peer` | the server (its application or its gRPC library) | any |
/// | `Http`, `Reset`, `GoAway` | this library, from what the peer sent instead of a status | see [`mapping`](crate::wire::mapping) |
/// | `LocalDeadline` | this library: the deadline passed | DEADLINE_EXCEEDED |
/// | `LocalLimit` | this library: a limit of this side | RESOURCE_EXHAUSTED; UNAVAILABLE or CANCELLED where the limit ended the connection |
/// | `Protocol` | this library: the peer broke a rule | INTERNAL, UNKNOWN, UNIMPLEMENTED, UNAVAILABLE, CANCELLED |
/// | `Transport` | this library: no connection | UNAVAILABLE; at a server CANCELLED |
/// | `Library` | this library, for any other reason | UNIMPLEMENTED, INTERNAL, CANCELLED, UNAVAILABLE |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Origin {
    /// Code of the application: a handler, an interceptor, a codec of its own.
    #[default]
    Application,
    /// The peer, in the trailers of the call. The server's application or its gRPC library: the
    /// wire does not tell them apart.
    Peer,
    /// An answer that is HTTP but not gRPC, typically from a proxy: its HTTP status. The code was
    /// derived from that.
    Http(u16),
    /// The peer, or the HTTP/2 layer, reset the stream with this error code (RFC 9113 §7) before a
    /// status came.
    Reset(u32),
    /// The peer is closing the connection with this error code (RFC 9113 §6.8) and did not process
    /// the call.
    GoAway(u32),
    /// The call's deadline passed, by the clock on this side.
    LocalDeadline,
    /// A limit that is set on this side: the size of a message, the size of metadata, the number of
    /// calls, the bytes that a connection may hold. The message names the limit.
    LocalLimit,
    /// This library, on this side, for a reason that is neither a limit nor the deadline nor the
    /// peer's fault: a method that is not served here or not mocked, a panic in the application's
    /// code, a message that cannot be encoded, a message sent after `half_close`, a call whose sender
    /// was dropped, a runtime that has stopped.
    Library,
    /// The peer broke the rules of gRPC: a malformed message, two messages on a unary call, no
    /// status at the end.
    Protocol,
    /// The connection: it could not be made, or it broke. `source()` says why.
    Transport,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident $code:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(message: impl Into<Cow<'static, str>>) -> Status {
            Status::new(Code::$code, message)
        }
    )*};
}

impl Status {
    /// A status with `code` and `message`. Costs an allocation only if there is a message; a
    /// literal is not copied.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Status {
        let message = message.into();
        if message.is_empty() {
            return Status { code, rest: None };
        }
        Status {
            code,
            rest: Some(Box::new(Rest {
                message,
                ..Rest::default()
            })),
        }
    }

    constructors! {
        /// OK. A handler that returns it as its error ends the call as a success without a message,
        /// which a unary caller will not accept.
        ok Ok;
        /// CANCELLED: the call was given up, typically by its caller.
        cancelled Cancelled;
        /// UNKNOWN: something failed and nobody can say what.
        unknown Unknown;
        /// INVALID_ARGUMENT: the request is wrong, whatever the state of the system.
        invalid_argument InvalidArgument;
        /// DEADLINE_EXCEEDED: time was up. The operation may have happened nevertheless.
        deadline_exceeded DeadlineExceeded;
        /// NOT_FOUND: what was asked for does not exist.
        not_found NotFound;
        /// ALREADY_EXISTS: what was to be created is there.
        already_exists AlreadyExists;
        /// PERMISSION_DENIED: the caller is known and may not.
        permission_denied PermissionDenied;
        /// RESOURCE_EXHAUSTED: a quota, a limit, or memory.
        resource_exhausted ResourceExhausted;
        /// FAILED_PRECONDITION: the system is in the wrong state; the caller must change it before
        /// trying again.
        failed_precondition FailedPrecondition;
        /// ABORTED: a conflict; try again from a higher level.
        aborted Aborted;
        /// OUT_OF_RANGE: past the valid range, which may grow.
        out_of_range OutOfRange;
        /// UNIMPLEMENTED: this server cannot do that.
        unimplemented Unimplemented;
        /// INTERNAL: an invariant is broken.
        internal Internal;
        /// UNAVAILABLE: not now; trying the same again may help.
        unavailable Unavailable;
        /// DATA_LOSS: data is gone or corrupt.
        data_loss DataLoss;
        /// UNAUTHENTICATED: the caller is not known.
        unauthenticated Unauthenticated;
    }

    /// A status with details: bytes for programs, by convention an encoded `google.rpc.Status`.
    pub fn with_details(
        code: Code,
        message: impl Into<Cow<'static, str>>,
        details: Bytes,
    ) -> Status {
        Status::with_details_and_metadata(code, message, details, MetadataMap::new())
    }

    /// A status with metadata, which travels in the trailers.
    pub fn with_metadata(
        code: Code,
        message: impl Into<Cow<'static, str>>,
        metadata: MetadataMap,
    ) -> Status {
        Status::with_details_and_metadata(code, message, Bytes::new(), metadata)
    }

    /// A status with details and metadata.
    ///
    /// The code always arrives. What does not fit into the 8,000 bytes that every peer takes is left out, the
    /// least important first: the details, the metadata, the end of the message.
    pub fn with_details_and_metadata(
        code: Code,
        message: impl Into<Cow<'static, str>>,
        details: Bytes,
        metadata: MetadataMap,
    ) -> Status {
        Status {
            code,
            rest: Some(Box::new(Rest {
                message: message.into(),
                details,
                metadata,
                ..Rest::default()
            })),
        }
    }

    /// The status that `error` is or has among its sources; UNKNOWN with its text and itself as
    /// `source()` if there is none.
    ///
    /// A status found below another error keeps everything but its source, which is then `error`.
    pub fn from_error(error: Box<dyn Error + Send + Sync>) -> Status {
        Status::try_from_error(error)
            .unwrap_or_else(|error| Status::unknown(error.to_string()).with_source(error))
    }

    /// As [`from_error`](Self::from_error), and gives `error` back if there is no status in it.
    ///
    /// # Errors
    /// `error` itself.
    pub fn try_from_error(
        error: Box<dyn Error + Send + Sync>,
    ) -> Result<Status, Box<dyn Error + Send + Sync>> {
        let error = match error.downcast::<Status>() {
            Ok(status) => return Ok(*status),
            Err(error) => error,
        };
        let mut cause = error.source();
        while let Some(found) = cause {
            if let Some(status) = found.downcast_ref::<Status>() {
                let status = status.clone();
                return Ok(status.with_source(error));
            }
            cause = found.source();
        }
        Err(error)
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The message for people; empty if there is none. From a peer it may hold anything: print the
    /// status, which escapes it, not this.
    pub fn message(&self) -> &str {
        self.rest.as_ref().map_or("", |rest| &rest.message)
    }

    /// The details for programs; empty if there are none.
    pub fn details(&self) -> &[u8] {
        self.rest.as_ref().map_or(&[], |rest| &rest.details)
    }

    /// The metadata: what came in the trailers, or is to go with them.
    pub fn metadata(&self) -> &MetadataMap {
        self.rest
            .as_ref()
            .map_or_else(|| metadata::empty(), |rest| &rest.metadata)
    }

    /// The metadata, to be changed. On a status that was received it goes on only after
    /// [`forward_metadata`](Self::forward_metadata).
    pub fn metadata_mut(&mut self) -> &mut MetadataMap {
        &mut self.rest_mut().metadata
    }

    /// Who made this status.
    pub fn origin(&self) -> Origin {
        self.rest
            .as_ref()
            .map_or(Origin::Application, |rest| rest.origin)
    }

    /// Lets a status that came from a peer take its metadata along when a handler returns it.
    ///
    /// Without this only code, message and details go on. Call it where the other server is trusted
    /// to speak to our caller.
    #[must_use = "the status is consumed and returned"]
    pub fn forward_metadata(mut self) -> Status {
        if let Some(rest) = &mut self.rest {
            rest.forward = true;
        }
        self
    }

    /// Sets what `source()` returns: the error underneath. It is never sent.
    pub fn set_source(&mut self, source: Arc<dyn Error + Send + Sync>) -> &mut Status {
        self.rest_mut().source = Some(source);
        self
    }

    /// A status that this library makes up.
    ///
    /// `code` is one of those that statuscodes.md leaves to libraries, so that an application can
    /// trust the others to be its own.
    pub(crate) fn library(
        code: Code,
        message: impl Into<Cow<'static, str>>,
        origin: Origin,
    ) -> Status {
        //= CODE-LIB-ONLY  seven codes are the application's alone
        debug_assert!(is_library_code(code), "{code:?} is for applications only");
        debug_assert!(
            origin != Origin::LocalLimit || is_code_of_limit(code),
            "{code:?} is not the code of a limit"
        );
        Status {
            code,
            rest: Some(Box::new(Rest {
                message: message.into(),
                origin,
                ..Rest::default()
            })),
        }
    }

    /// A status that came from the peer. `metadata` is what else the trailers held; reserved names
    /// may still be inside.
    pub(crate) fn from_peer(
        code: Code,
        message: Cow<'static, str>,
        details: Bytes,
        metadata: MetadataMap,
    ) -> Status {
        Status {
            code,
            rest: Some(Box::new(Rest {
                message,
                details,
                metadata,
                origin: Origin::Peer,
                ..Rest::default()
            })),
        }
    }

    #[cfg(test)]
    /// The same status with another origin.
    pub(crate) fn with_origin(mut self, origin: Origin) -> Status {
        if origin != self.origin() {
            self.rest_mut().origin = origin;
        }
        self
    }

    /// The same status with `source()`.
    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Status {
        self.rest_mut().source = Some(Arc::from(source.into()));
        self
    }

    /// The metadata that goes into the trailers when this status is sent; None if there is none, or
    /// none that may go on.
    pub(crate) fn metadata_to_send(&self) -> Option<&MetadataMap> {
        let rest = self.rest.as_ref()?;
        let ours = rest.origin == Origin::Application || rest.forward;
        (ours && !rest.metadata.as_headers().is_empty()).then_some(&rest.metadata)
    }

    /// Makes `metadata` what goes into the trailers when this status is sent, whoever made it.
    #[cfg(feature = "server")]
    pub(crate) fn send_metadata(&mut self, metadata: MetadataMap) {
        if self.rest.is_some() || !metadata.as_headers().is_empty() {
            let rest = self.rest_mut();
            rest.metadata = metadata;
            rest.forward = true;
        }
    }

    fn rest_mut(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }
}

/// May this library say `code` on its own account? The other seven speak about the application's
/// state, of which a library knows nothing.
pub(crate) const fn is_library_code(code: Code) -> bool {
    match code {
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::Unauthenticated => true,
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss => false,
    }
}

/// May a limit of this side end a call with `code`? The last two are those of a connection that a
/// limit has closed.
const fn is_code_of_limit(code: Code) -> bool {
    matches!(
        code,
        Code::ResourceExhausted | Code::Unavailable | Code::Cancelled
    )
}

/// For `?` in a handler. What failed is this server's file or socket, not the caller's request, so
/// the code says no more than whether trying again may help: UNAVAILABLE for a connection,
/// RESOURCE_EXHAUSTED for memory and disk, else UNKNOWN. A handler that means NOT_FOUND says so.
/// The error's text becomes the message and reaches the caller; the error itself becomes
/// `source()`. An `io::Error` around a status gives that status.
impl From<io::Error> for Status {
    fn from(error: io::Error) -> Status {
        use io::ErrorKind;
        //= CODE-LIB-ONLY  a missing file is no NOT_FOUND: the caller never asked for it
        let code = match error.kind() {
            ErrorKind::AddrInUse
            | ErrorKind::AddrNotAvailable
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::Interrupted
            | ErrorKind::NetworkDown
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NotConnected
            | ErrorKind::TimedOut
            | ErrorKind::WouldBlock => Code::Unavailable,
            ErrorKind::OutOfMemory | ErrorKind::QuotaExceeded | ErrorKind::StorageFull => {
                Code::ResourceExhausted
            }
            _ => Code::Unknown,
        };
        // An io::Error skips the error inside it when asked for its source, so that one is asked
        // first.
        if let Some(status) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Status>())
        {
            return status.clone();
        }
        Status::try_from_error(Box::new(error))
            .unwrap_or_else(|error| Status::new(code, error.to_string()).with_source(error))
    }
}

impl Error for Status {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.rest.as_ref()?.source.as_deref() {
            Some(source) => Some(source),
            None => None,
        }
    }
}

/// `code NOT_FOUND: no such user`, on one line whatever the peer sent: control characters are
/// escaped, and the message ends after 4 KiB.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code {}", self.code.name())?;
        if !self.message().is_empty() {
            write!(f, ": {}", OneLine::Plain(self.message()))?;
        }
        Ok(())
    }
}

/// As `Display`, with what else is known. Details show as their length, secret metadata as
/// `[redacted]`.
impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Status");
        all.field("code", &self.code);
        let Some(rest) = &self.rest else {
            return all.finish();
        };
        if !rest.message.is_empty() {
            all.field(
                "message",
                &format_args!("{}", OneLine::Quoted(&rest.message)),
            );
        }
        if !rest.details.is_empty() {
            all.field("details", &format_args!("{} bytes", rest.details.len()));
        }
        if !rest.metadata.is_empty() {
            all.field("metadata", &rest.metadata);
        }
        all.field("origin", &rest.origin);
        if let Some(source) = &rest.source {
            all.field(
                "source",
                &format_args!("{}", OneLine::Quoted(&source.to_string())),
            );
        }
        all.finish()
    }
}

/// Foreign text for one line of a log: no control character, nothing that turns the direction of
/// writing, at most 4 KiB. `Quoted` can stand beside other fields: its own quotes are escaped.
enum OneLine<'a> {
    Plain(&'a str),
    Quoted(&'a str),
}

impl OneLine<'_> {
    const MAX: usize = 4096;
}

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, quote) = match *self {
            OneLine::Plain(text) => (text, ""),
            OneLine::Quoted(text) => (text, "\""),
        };
        f.write_str(quote)?;
        let mut shown = 0;
        for char in text.chars() {
            let escape =
                is_unsafe_in_logs(char) || (!quote.is_empty() && matches!(char, '"' | '\\'));
            let len = if escape {
                char.escape_default().len()
            } else {
                char.len_utf8()
            };
            if shown + len > Self::MAX {
                write!(f, "… ({} bytes in all)", text.len())?;
                break;
            }
            shown += len;
            if escape {
                write!(f, "{}", char.escape_default())?
            } else {
                f.write_char(char)?
            }
        }
        f.write_str(quote)
    }
}

/// Control characters, the line and paragraph separators, and those that turn the direction of the
/// text around them.
fn is_unsafe_in_logs(char: char) -> bool {
    match char {
        '\u{2028}' | '\u{2029}' => true,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => char.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    fn some_metadata() -> MetadataMap {
        let mut map = MetadataMap::new();
        map.insert("x-secret-plan", "42".parse().unwrap());
        map
    }

    #[test]
    fn constructors_have_the_code_of_their_name() {
        type Row = (fn(&'static str) -> Status, Code);
        let rows: [Row; 17] = [
            (Status::ok, Code::Ok),
            (Status::cancelled, Code::Cancelled),
            (Status::unknown, Code::Unknown),
            (Status::invalid_argument, Code::InvalidArgument),
            (Status::deadline_exceeded, Code::DeadlineExceeded),
            (Status::not_found, Code::NotFound),
            (Status::already_exists, Code::AlreadyExists),
            (Status::permission_denied, Code::PermissionDenied),
            (Status::resource_exhausted, Code::ResourceExhausted),
            (Status::failed_precondition, Code::FailedPrecondition),
            (Status::aborted, Code::Aborted),
            (Status::out_of_range, Code::OutOfRange),
            (Status::unimplemented, Code::Unimplemented),
            (Status::internal, Code::Internal),
            (Status::unavailable, Code::Unavailable),
            (Status::data_loss, Code::DataLoss),
            (Status::unauthenticated, Code::Unauthenticated),
        ];
        for (constructor, code) in rows {
            let status = constructor("why");
            assert_eq!((status.code(), status.message()), (code, "why"));
            assert_eq!(status.origin(), Origin::Application);
        }
    }

    #[test]
    fn a_bare_code_has_no_box() {
        let status = Status::new(Code::NotFound, "");
        assert!(status.rest.is_none());
        assert_eq!((status.message(), status.details()), ("", &[][..]));
        assert!(status.metadata().is_empty() && status.metadata_to_send().is_none());
        assert_eq!(
            format!("{status} {status:?}"),
            "code NOT_FOUND Status { code: NotFound }"
        );
    }

    #[test]
    fn metadata_of_a_received_status_stays_until_forwarded() {
        let received = Status::from_peer(
            Code::NotFound,
            "no such user".into(),
            Bytes::from("d"),
            some_metadata(),
        );
        assert_eq!(received.origin(), Origin::Peer);
        assert_eq!(received.metadata().len(), 1, "it can be read");
        assert!(
            received.metadata_to_send().is_none(),
            "but does not go on by itself"
        );
        let forwarded = received.forward_metadata();
        assert_eq!(forwarded.metadata_to_send().unwrap().len(), 1);
        assert_eq!(
            (forwarded.message(), forwarded.details()),
            ("no such user", &b"d"[..])
        );

        let ours = Status::with_metadata(Code::NotFound, "", some_metadata());
        assert!(
            ours.metadata_to_send().is_some(),
            "the application's own is sent"
        );
        let http = ours.with_origin(Origin::Http(503));
        assert!(
            http.metadata_to_send().is_none(),
            "headers of a proxy are no metadata of ours"
        );
    }

    #[test]
    fn from_error_finds_the_status_below() {
        let peer = Status::from_peer(
            Code::Aborted,
            "conflict".into(),
            Bytes::new(),
            some_metadata(),
        );
        let direct = Status::from_error(Box::new(peer.clone()));
        assert_eq!(
            (direct.code(), direct.origin()),
            (Code::Aborted, Origin::Peer)
        );

        let below = Status::from_error(Box::new(Wrapper(peer.clone())));
        assert_eq!((below.code(), below.message()), (Code::Aborted, "conflict"));
        assert!(below.metadata_to_send().is_none(), "still the peer's");
        assert_eq!(below.source().unwrap().to_string(), "wrapped");

        assert_eq!(Status::from(io::Error::other(peer)).code(), Code::Aborted);

        let foreign = Status::from_error("disk on fire".into());
        assert_eq!(
            (foreign.code(), foreign.message()),
            (Code::Unknown, "disk on fire")
        );
        assert!(foreign.source().is_some());
    }

    #[derive(Debug)]
    struct Wrapper(Status);
    impl fmt::Display for Wrapper {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("wrapped")
        }
    }
    impl Error for Wrapper {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    //= CODE-LIB-ONLY  type=test
    #[test]
    fn b72_io_errors_get_no_code_of_the_application() {
        let rows = [
            (
                ErrorKind::NotFound,
                Code::Unknown,
                "this server's file, not the caller's",
            ),
            (ErrorKind::AlreadyExists, Code::Unknown, "same"),
            (
                ErrorKind::PermissionDenied,
                Code::Unknown,
                "this process's right, not the caller's",
            ),
            (
                ErrorKind::InvalidInput,
                Code::Unknown,
                "our call was wrong, not the caller's",
            ),
            (
                ErrorKind::InvalidData,
                Code::Unknown,
                "tonic says DATA_LOSS",
            ),
            (
                ErrorKind::UnexpectedEof,
                Code::Unknown,
                "tonic says OUT_OF_RANGE",
            ),
            (
                ErrorKind::ConnectionAborted,
                Code::Unavailable,
                "tonic says ABORTED",
            ),
            (
                ErrorKind::ConnectionRefused,
                Code::Unavailable,
                "trying again may help",
            ),
            (
                ErrorKind::TimedOut,
                Code::Unavailable,
                "a socket's time, not the call's deadline",
            ),
            (
                ErrorKind::StorageFull,
                Code::ResourceExhausted,
                "a resource",
            ),
            (ErrorKind::Other, Code::Unknown, "nothing is known"),
        ];
        for (kind, code, why) in rows {
            let status = Status::from(io::Error::new(kind, "text"));
            assert_eq!(status.code(), code, "{kind:?}: {why}");
            assert!(is_library_code(status.code()), "{kind:?}");
            assert_eq!(status.message(), "text");
            let source = status
                .source()
                .unwrap()
                .downcast_ref::<io::Error>()
                .unwrap();
            assert_eq!(source.kind(), kind);
        }
    }

    //= CODE-LIB-ONLY  type=test
    #[test]
    fn b72_seven_codes_are_the_applications_own() {
        let own: Vec<_> = Code::ALL
            .into_iter()
            .filter(|code| !is_library_code(*code))
            .collect();
        assert_eq!(
            own,
            [
                Code::InvalidArgument,
                Code::NotFound,
                Code::AlreadyExists,
                Code::FailedPrecondition,
                Code::Aborted,
                Code::OutOfRange,
                Code::DataLoss,
            ]
        );
    }

    #[test]
    #[should_panic(expected = "for applications only")]
    #[cfg(debug_assertions)]
    fn b72_the_library_is_stopped_from_using_them() {
        let _ = Status::library(Code::NotFound, "no such method", Origin::Protocol);
    }

    #[test]
    #[should_panic(expected = "not the code of a limit")]
    #[cfg(debug_assertions)]
    fn only_limits_have_the_origin_of_limits() {
        let _ = Status::library(Code::Unimplemented, "no such method", Origin::LocalLimit);
    }

    #[test]
    fn display_and_debug_stay_on_one_line() {
        let rows = [
            ("plain ☺", "plain ☺", "text beyond ASCII is fine"),
            (
                "a\r\nERROR forged",
                r"a\r\nERROR forged",
                "a line of its own",
            ),
            ("\x1b[31m", r"\u{1b}[31m", "a terminal's escape"),
            ("\u{9b}31m", r"\u{9b}31m", "its one-byte form"),
            ("\u{2028}", r"\u{2028}", "a line separator"),
            ("\u{202e}gnp", r"\u{202e}gnp", "right to left"),
            ("\0", r"\u{0}", "NUL"),
        ];
        for (message, expected, why) in rows {
            let status = Status::internal(message);
            assert_eq!(
                status.to_string(),
                format!("code INTERNAL: {expected}"),
                "{why}"
            );
            assert!(
                format!("{status:?}").contains(&format!("message: \"{expected}\"")),
                "{why}"
            );
        }
        let forged = format!("{:?}", Status::internal("\", origin: Peer \\"));
        assert!(
            forged.contains(r#"message: "\", origin: Peer \\", origin: Application"#),
            "{forged}"
        );
    }

    #[test]
    fn long_messages_are_cut_in_logs() {
        let rows = [
            ("x".repeat(4096), false, "just fits"),
            ("x".repeat(4097), true, "one too many"),
            ("\n".repeat(2049), true, "counted as escaped"),
            (
                format!("{}é", "x".repeat(4095)),
                true,
                "never inside a character",
            ),
        ];
        for (message, cut, why) in rows {
            let shown = Status::internal(message.clone()).to_string();
            assert_eq!(
                shown.ends_with(&format!("… ({} bytes in all)", message.len())),
                cut,
                "{why}"
            );
            assert!(shown.len() < 4096 + 64, "{why}");
        }
    }

    #[test]
    fn debug_shows_details_as_length_and_hides_secrets() {
        let status = Status::with_details_and_metadata(
            Code::Unavailable,
            "later",
            Bytes::from_static(b"private"),
            some_metadata(),
        )
        .with_origin(Origin::Reset(7))
        .with_source("line one\nline two");
        assert_eq!(
            format!("{status:?}"),
            "Status { code: Unavailable, message: \"later\", details: 7 bytes, \
             metadata: {\"x-secret-plan\": [redacted]}, origin: Reset(7), \
             source: \"line one\\nline two\" }"
        );
    }
}
