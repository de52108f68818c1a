//! How a call ends when no trailers say so: an `h2` error becomes a [`Status`].
//!
//! Spec: PROTOCOL-HTTP2.md, "Errors" and "Connection failure". Which *code* a reset stands for is
//! decided by [`wire::mapping`](crate::wire::mapping); this file only finds out what happened.

use std::error::Error as _;
use std::fmt::Write as _;

use crate::call::Side;
use crate::conn::verdict;
use crate::status::{Origin, Status};
use crate::wire::code::Code;
use crate::wire::mapping;

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
        let message = goaway(reason, &debug_text(&error));
        (lost, message, Origin::GoAway(number))
    } else if error.is_go_away() && error.is_library() && reason == h2::Reason::ENHANCE_YOUR_CALM {
        let message = format!("this side closed the connection: {}", guard(&error));
        (lost, message, Origin::Protocol)
    } else if error.is_go_away() && error.is_library() {
        // The connection goes down with all its calls; they did nothing wrong, and may be tried again.
        let message = format!("the peer broke HTTP/2, so the connection was closed: {error}");
        (lost, message, Origin::Protocol)
    } else {
        let cause = error.get_io().map_or_else(|| error.to_string(), io_cause);
        let origin = if cause.starts_with(verdict::CLOSED_HERE) {
            Origin::LocalLimit
        } else {
            Origin::Transport
        };
        (lost, lost_by(cause), origin)
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
            ", or its headers exceed http2_max_header_list_size of this client"
        }
        _ => "",
    };
    format!("the peer broke HTTP/2{hint}: {}", name(reason))
}

/// What is said of a connection that failed with `cause`. Where this library made the cause, it says all there is.
pub(crate) fn lost_by(cause: String) -> String {
    if cause.ends_with("closed because of a broken pipe") {
        // `h2` says so of every end that nobody told it the reason of.
        "the connection was lost: the other side closed it".to_owned()
    } else if cause.starts_with("the peer ") || cause.starts_with("this side ") {
        cause
    } else {
        format!("the connection was lost: {cause}")
    }
}

/// The debug text of a GOAWAY, escaped; mostly there is none. `h2` has it in its own text only, at the end.
fn debug_text(error: &h2::Error) -> String {
    let text = error.to_string();
    let quoted = text
        .split_once(" (b\"")
        .and_then(|(_, rest)| rest.strip_suffix("\")"));
    quoted.unwrap_or_default().to_owned()
}

/// What is said of a connection that the peer closed with GOAWAY; its debug text is escaped.
pub(crate) fn goaway(reason: h2::Reason, text: &str) -> String {
    let mut said = format!("the peer closed the connection: GOAWAY {}", name(reason));
    if !text.is_empty() {
        let _ = write!(said, ", \"{text}\"");
    }
    said
}

/// A guard of `h2`'s, by the word that it sends to the peer: what came, whose limit it is, and the knob if there is
/// one.
fn guard(error: &h2::Error) -> String {
    let text = match &*debug_text(error) {
        "header_list_way_too_large" => {
            "the peer sent headers or trailers of more than four times http2_max_header_list_size of this side"
        }
        "too_many_continuations" => {
            "the peer sent headers or trailers in more CONTINUATION frames than http2_max_header_list_size of this \
             side has room for"
        }
        "too_many_data_frames" => {
            "the peer sent more small or empty DATA frames, unread or of calls that were over, than this side allows"
        }
        "too_many_internal_resets" => "the peer broke HTTP/2 on more streams than this side allows",
        "too_many_resets" => {
            "the peer cancelled more calls before they were looked at than this side allows"
        }
        _ => return format!("the peer went over a limit: {error}"),
    };
    text.to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c21_what_this_library_knows_of_a_lost_connection_is_all_that_is_said() {
        let rows = [
            (
                "broken pipe",
                "the connection was lost: broken pipe",
                "the system's word",
            ),
            (
                "stream closed because of a broken pipe",
                "the connection was lost: the other side closed it",
                "h2's word where it does not know",
            ),
            (
                "the peer did not answer a PING within 5s",
                "the peer did not answer a PING within 5s",
                "ours",
            ),
            (
                "this side closed the connection: why",
                "this side closed the connection: why",
                "ours",
            ),
        ];
        for (cause, expected, why) in rows {
            assert_eq!(lost_by(cause.to_owned()), expected, "{why}");
        }
        let calm = h2::Reason::ENHANCE_YOUR_CALM;
        let expected = "the peer closed the connection: GOAWAY ENHANCE_YOUR_CALM";
        assert_eq!(goaway(calm, ""), expected);
        assert_eq!(goaway(calm, "slow"), format!("{expected}, \"slow\""));
    }
}
