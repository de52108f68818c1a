//! What a call's end means when nobody sent a `grpc-status`.
//!
//! Two things besides gRPC can end a call: something in between answers in plain HTTP, or the
//! stream is reset. Each has its table in the spec. They are for reading an end *without* a status:
//! where there is one, it counts.
//!
//! There is no table in the other direction. A response has the HTTP status 200 whatever its
//! [`Code`], and this library resets a stream with CANCEL, or with NO_ERROR after its trailers.
//!
//! Spec:
//! [http-grpc-status-mapping](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md),
//! [Errors](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors), [RFC 9113
//! §7](https://www.rfc-editor.org/rfc/rfc9113#section-7).

use super::code::Code;

/// HTTP/2's error codes, as RST_STREAM and GOAWAY carry them.
pub mod reset {
    /// Not an error: the stream, or the connection, is no longer needed.
    pub const NO_ERROR: u32 = 0x0;
    /// The peer broke HTTP/2.
    pub const PROTOCOL_ERROR: u32 = 0x1;
    /// The sender broke.
    pub const INTERNAL_ERROR: u32 = 0x2;
    /// The peer sent more than its window.
    pub const FLOW_CONTROL_ERROR: u32 = 0x3;
    /// The peer did not acknowledge SETTINGS in time.
    pub const SETTINGS_TIMEOUT: u32 = 0x4;
    /// A frame came for a stream that was half closed.
    pub const STREAM_CLOSED: u32 = 0x5;
    /// A frame had a size that it may not have.
    pub const FRAME_SIZE_ERROR: u32 = 0x6;
    /// The stream was not looked at: safe to try again.
    pub const REFUSED_STREAM: u32 = 0x7;
    /// The stream is no longer wanted.
    pub const CANCEL: u32 = 0x8;
    /// The header compression's state is lost.
    pub const COMPRESSION_ERROR: u32 = 0x9;
    /// The connection behind a CONNECT request broke.
    pub const CONNECT_ERROR: u32 = 0xa;
    /// The peer makes too much work.
    pub const ENHANCE_YOUR_CALM: u32 = 0xb;
    /// The connection's TLS is too weak.
    pub const INADEQUATE_SECURITY: u32 = 0xc;
    /// The resource is served over HTTP/1.1 only.
    pub const HTTP_1_1_REQUIRED: u32 = 0xd;
}

/// What a response means that has this HTTP status and no `grpc-status`.
///
/// 200 is [`Code::Unknown`] too: a call that succeeded would have said so. 1xx is not for this
/// table, the real response comes after it.
///
/// For 431 the sources differ: newer copies of the spec's table say INTERNAL, older ones, grpc-go
/// and the Connect conformance suite UNKNOWN. We say UNKNOWN, what the suite checks; neither code
/// is ever retried.
pub const fn code_from_http(status: u16) -> Code {
    //= HTTP-STATUS-MAP  the table of http-grpc-status-mapping
    match status {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        431 => Code::Unknown,
        _ => Code::Unknown,
    }
}

/// What it means that the peer reset the stream for this reason, and no trailers had come.
pub const fn code_from_reset(reason: u32) -> Code {
    // exercise(05): begin
    //= GRPC-RST-MAP  the whole table of RST_STREAM reasons
    match reason {
        // Not an error to HTTP/2; to gRPC it is one, for a call that ends well says so in its trailers.
        reset::NO_ERROR => Code::Internal,
        reset::PROTOCOL_ERROR => Code::Internal,
        reset::INTERNAL_ERROR => Code::Internal,
        reset::FLOW_CONTROL_ERROR => Code::Internal,
        reset::SETTINGS_TIMEOUT => Code::Internal,
        // The spec gives it no code, since no stream is left to have one. If one is, nobody knows why.
        reset::STREAM_CLOSED => Code::Unknown,
        reset::FRAME_SIZE_ERROR => Code::Internal,
        // Nothing was done: the one reason after which any call may be sent again.
        reset::REFUSED_STREAM => Code::Unavailable,
        reset::CANCEL => Code::Cancelled,
        reset::COMPRESSION_ERROR => Code::Internal,
        reset::CONNECT_ERROR => Code::Internal,
        reset::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        reset::INADEQUATE_SECURITY => Code::PermissionDenied,
        // Not in gRPC's table, and not in HTTP/2's.
        reset::HTTP_1_1_REQUIRED => Code::Unknown,
        _ => Code::Unknown,
    }
    // exercise(05): end
}

#[cfg(test)]
mod tests {
    use super::*;

    //= HTTP-STATUS-MAP  type=test
    #[test]
    fn b51_b52_http_statuses() {
        #[rustfmt::skip]
        let rows = [
            (400, Code::Internal, "we wrote a request that HTTP does not allow"),
            (401, Code::Unauthenticated, "the same thing, in the other's words"),
            (403, Code::PermissionDenied, "the same thing"),
            (404, Code::Unimplemented, "not NOT_FOUND: the method is missing, not a thing that it looked for"),
            (429, Code::Unavailable, "a proxy's rate limit: try again later"),
            (431, Code::Unknown, "the sources differ; see above"),
            (502, Code::Unavailable, "a proxy found nobody"),
            (503, Code::Unavailable, "the same word"),
            (504, Code::Unavailable, "a proxy's patience ended, not our deadline"),
        ];
        for (status, expected, why) in rows {
            assert_eq!(code_from_http(status), expected, "{status}: {why}");
        }
        for status in (0..=u16::MAX).filter(|status| rows.iter().all(|row| row.0 != *status)) {
            assert_eq!(code_from_http(status), Code::Unknown, "{status}");
        }
    }

    //= GRPC-RST-MAP  type=test
    #[test]
    fn b70_reset_reasons() {
        #[rustfmt::skip]
        let rows = [
            (0x0, Code::Internal, "NO_ERROR: a good end has trailers"),
            (0x1, Code::Internal, "PROTOCOL_ERROR"),
            (0x2, Code::Internal, "INTERNAL_ERROR"),
            (0x3, Code::Internal, "FLOW_CONTROL_ERROR"),
            (0x4, Code::Internal, "SETTINGS_TIMEOUT"),
            (0x5, Code::Unknown, "STREAM_CLOSED: the spec gives it none"),
            (0x6, Code::Internal, "FRAME_SIZE_ERROR"),
            (0x7, Code::Unavailable, "REFUSED_STREAM: try again"),
            (0x8, Code::Cancelled, "CANCEL"),
            (0x9, Code::Internal, "COMPRESSION_ERROR"),
            (0xa, Code::Internal, "CONNECT_ERROR"),
            (0xb, Code::ResourceExhausted, "ENHANCE_YOUR_CALM"),
            (0xc, Code::PermissionDenied, "INADEQUATE_SECURITY"),
            (0xd, Code::Unknown, "HTTP_1_1_REQUIRED: the spec gives it none"),
            (0xe, Code::Unknown, "the first that has no name"),
            (u32::MAX, Code::Unknown, "the last"),
        ];
        for (reason, expected, why) in rows {
            assert_eq!(code_from_reset(reason), expected, "{why}");
        }
    }
}
