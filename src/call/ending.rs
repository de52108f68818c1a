//! How a call ends when no trailers say so: an `h2` error becomes a [`Status`].
//!
//! Spec: PROTOCOL-HTTP2.md, "Errors" and "Connection failure". Which *code* a reset stands for is
//! decided by [`wire::mapping`](crate::wire::mapping); this file only finds out what happened.

use std::error::Error as _;

use crate::call::Side;
use crate::conn::verdict;
use crate::wire::mapping;
use crate::{Code, Origin, Status};

/// The status of a call whose stream or connection failed with `error`.
pub(crate) fn status_of(error: h2::Error, side: Side) -> Status {
    //= GRPC-CONN-FAIL  lost connection: client UNAVAILABLE, server CANCELLED
    let lost = match side {
        Side::Server => Code::Cancelled,
        Side::Client => Code::Unavailable,
    };
    let reason = error.reason().unwrap_or(h2::Reason::NO_ERROR);
    let (number, text) = (reason.into(), name(reason));
    let (code, message, origin) = if error.is_reset() && error.is_remote() {
        return status_of_reset(reason).with_source(error);
    } else if error.is_reset() && error.is_library() {
        (Code::Internal, broke_http2(reason, side), Origin::Protocol)
    } else if error.is_reset() {
        let message = format!("this side reset the stream: RST_STREAM {text}");
        (Code::Cancelled, message, Origin::Reset(number))
    } else if error.is_go_away() && error.is_remote() {
        let message = format!("the peer closed the connection: GOAWAY {text}");
        (lost, message, Origin::GoAway(number))
    } else if error.is_go_away() && error.is_library() {
        // The connection goes down with all its calls; they did nothing wrong, and may be tried again.
        let message = if reason == h2::Reason::ENHANCE_YOUR_CALM {
            format!("this side closed the connection: the peer passed a limit of it: {error}")
        } else {
            format!("the peer broke HTTP/2, so the connection was closed: {error}")
        };
        (lost, message, Origin::Protocol)
    } else {
        let cause = error.get_io().map_or_else(|| error.to_string(), io_cause);
        if cause.starts_with(verdict::CLOSED_HERE) {
            (lost, cause, Origin::LocalLimit)
        } else {
            let message = format!("the connection was lost: {cause}");
            (lost, message, Origin::Transport)
        }
    };
    Status::library(code, message, origin).with_source(error)
}

/// The status of a call whose stream the peer reset.
pub(crate) fn status_of_reset(reason: h2::Reason) -> Status {
    let number = reason.into();
    //= GRPC-RST-MAP  reset reason to code, whole table
    let code = mapping::code_from_reset(number);
    let message = format!("the peer reset the stream: RST_STREAM {}", name(reason));
    Status::library(code, message, Origin::Reset(number))
}

/// What is told of a stream that `h2` reset by itself. It does the same to an answer whose headers are too
/// large, and does not say which of the two it was.
fn broke_http2(reason: h2::Reason, side: Side) -> String {
    let hint = match (side, reason) {
        (Side::Client, h2::Reason::PROTOCOL_ERROR) => {
            ", or its headers exceed http2_max_header_list_size"
        }
        _ => "",
    };
    format!("the peer broke HTTP/2{hint}: {}", name(reason))
}

/// `io::Error` with the error inside it, if there is one: "unexpected end of file" alone tells little.
fn io_cause(error: &std::io::Error) -> String {
    match error.source() {
        Some(inner) => format!("{error}: {inner}"),
        None => error.to_string(),
    }
}

/// The spec's name of an error code, as in RFC 9113 §7.
pub(crate) fn name(reason: h2::Reason) -> String {
    match reason {
        h2::Reason::NO_ERROR => "NO_ERROR",
        h2::Reason::PROTOCOL_ERROR => "PROTOCOL_ERROR",
        h2::Reason::INTERNAL_ERROR => "INTERNAL_ERROR",
        h2::Reason::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
        h2::Reason::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT",
        h2::Reason::STREAM_CLOSED => "STREAM_CLOSED",
        h2::Reason::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
        h2::Reason::REFUSED_STREAM => "REFUSED_STREAM",
        h2::Reason::CANCEL => "CANCEL",
        h2::Reason::COMPRESSION_ERROR => "COMPRESSION_ERROR",
        h2::Reason::CONNECT_ERROR => "CONNECT_ERROR",
        h2::Reason::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
        h2::Reason::INADEQUATE_SECURITY => "INADEQUATE_SECURITY",
        h2::Reason::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED",
        other => return format!("{:#x}", u32::from(other)),
    }
    .to_owned()
}
