//! `content-type`: is this gRPC at all, and which message format?
//!
//! ```text
//! Content-Type → "content-type" "application/grpc" [("+proto" / "+json" / {custom})]
//! ```
//!
//! The spec says "begins with `application/grpc`", and means the media type: `application/grpcfoo`
//! is another one, `application/grpc-web` another protocol. So after those sixteen characters the
//! value ends, or a `+` names the message format, or a `;` begins parameters, which are skipped.
//! Media types are compared without regard to case.
//!
//! A request of another type gets HTTP 415, not a gRPC status: its sender would not know where to
//! look for one, and gRPC's HTTP 200 would read as success.
//!
//! Whether a codec for `+json` exists is not known here.
//!
//! Spec: [Requests](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests).

/// What we write: the form without a format, which everybody reads as protobuf.
pub const APPLICATION_GRPC: &str = "application/grpc";

/// The message format that a gRPC content-type names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType<'a> {
    /// `application/grpc` or `application/grpc+proto`.
    Proto,
    /// `application/grpc+json` and the like: what stands after the `+`, as it was written.
    Other(&'a str),
}

/// Reads a content-type; `None` if it is not gRPC's, which deserves HTTP 415.
///
/// ```
/// use temaki::wire::content_type::{ContentType, parse};
///
/// assert_eq!(parse(b"application/grpc"), Some(ContentType::Proto));
/// assert_eq!(parse(b"application/grpc+json; charset=utf-8"), Some(ContentType::Other("json")));
/// assert_eq!(parse(b"application/grpc-web"), None);
/// ```
pub fn parse(value: &[u8]) -> Option<ContentType<'_>> {
    // What nearly every request says.
    if value == APPLICATION_GRPC.as_bytes() {
        return Some(ContentType::Proto);
    }
    let media_type = value.split(|&byte| byte == b';').next()?.trim_ascii();
    //= GRPC-CT-PREFIX  application/grpc, then nothing, "+format" or ";parameters"
    let (start, rest) = media_type.split_at_checked(APPLICATION_GRPC.len())?;
    if !start.eq_ignore_ascii_case(APPLICATION_GRPC.as_bytes()) {
        return None;
    }
    match rest {
        // An empty format names none.
        [] | [b'+'] => Some(ContentType::Proto),
        [b'+', format @ ..] if format.eq_ignore_ascii_case(b"proto") => Some(ContentType::Proto),
        [b'+', format @ ..] if format.iter().all(u8::is_ascii_graphic) => {
            std::str::from_utf8(format).ok().map(ContentType::Other)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= GRPC-CT-PREFIX  type=test
    #[test]
    fn b01_b03_knows_grpc_from_what_looks_like_it() {
        use ContentType::{Other, Proto};
        #[rustfmt::skip]
        let rows = [
            ("", None, "nothing"),
            ("application/grp", None, "one character short"),
            ("application/grpc", Some(Proto), "just it"),
            ("application/grpcfoo", None, "begins with it, and is something else"),
            ("application/grpc-web", None, "another protocol"),
            ("application/grpc-web+proto", None, "another protocol"),
            ("application/grpc-web-text", None, "another protocol"),
            ("application/grpc+proto", Some(Proto), "with the format's name"),
            ("application/grpc+json", Some(Other("json")), "another format"),
            ("application/grpc+X.Y-z", Some(Other("X.Y-z")), "somebody's own format, as written"),
            ("application/grpc+", Some(Proto), "an empty name is no name"),
            ("application/grpc;charset=utf-8", Some(Proto), "a parameter"),
            ("application/grpc; charset", Some(Proto), "a parameter, badly made"),
            ("application/grpc ; x", Some(Proto), "HTTP allows a space there"),
            ("application/grpc;", Some(Proto), "no parameter after all"),
            ("application/grpc+json;a=b;c=d", Some(Other("json")), "a format and parameters"),
            ("Application/gRPC+PROTO", Some(Proto), "media types have no case"),
            ("application/grpc x", None, "two words are no media type"),
            ("application/grpc+a b", None, "nor is this"),
            ("application/grpc+é", None, "nor this"),
            ("application/grpc,application/grpc", None, "two headers in one"),
            ("application/json", None, "another type"),
            ("text/html", None, "a browser"),
        ];
        for (value, expected, why) in rows {
            assert_eq!(parse(value.as_bytes()), expected, "{value:?}: {why}");
        }
    }

    #[test]
    fn a_cut_inside_a_character_is_survived() {
        assert_eq!(parse("application/grpé+proto".as_bytes()), None);
        assert_eq!(parse(b"application/grpc+\xff"), None);
    }
}
