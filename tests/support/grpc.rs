//! What gRPC puts into frames: the five-byte prefix, and the headers of a call.

use bytes::{Buf, Bytes};

use super::peer::Fields;

/// A length-prefixed message: flag 0, length, bytes.
pub fn message(bytes: impl AsRef<[u8]>) -> Bytes {
    prefixed(0, bytes)
}

/// The same with any compressed-flag.
pub fn prefixed(flag: u8, bytes: impl AsRef<[u8]>) -> Bytes {
    let bytes = bytes.as_ref();
    let len = u32::try_from(bytes.len()).expect("a message of less than 4 GiB");
    [&[flag][..], &len.to_be_bytes(), bytes].concat().into()
}

/// The messages in `body`, which must be whole and uncompressed.
pub fn messages(mut body: Bytes) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while !body.is_empty() {
        assert!(body.len() >= 5, "a prefix was cut off: {body:?}");
        let (flag, len) = (body.get_u8(), body.get_u32() as usize);
        assert_eq!(flag, 0, "the compressed-flag");
        assert!(body.len() >= len, "a message was cut off");
        messages.push(body.split_to(len));
    }
    messages
}

/// The headers of an ordinary call.
pub fn request(path: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
}

/// The same, and more of them.
pub fn request_with<'a>(path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [request(path), more.to_vec()].concat()
}

/// The same, one of them with another value; `None` leaves it out.
pub fn request_but<'a>(
    path: &'a str,
    name: &str,
    value: Option<&'a str>,
) -> Vec<(&'a str, &'a str)> {
    let mut fields = request(path);
    match value {
        Some(value) => {
            let field = fields.iter_mut().find(|field| field.0 == name);
            field.expect("a header of every call").1 = value;
        }
        None => fields.retain(|field| field.0 != name),
    }
    fields
}

/// The headers of an answer that goes on.
pub fn response() -> Vec<(&'static str, &'static str)> {
    vec![(":status", "200"), ("content-type", "application/grpc")]
}

/// A complete answer, as a peer heard it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Response headers; in a Trailers-Only answer the same as `trailers`.
    pub headers: Fields,
    /// All DATA, end to end.
    pub body: Bytes,
    /// The last header block; the headers, if they ended the stream.
    pub trailers: Fields,
    /// Whether headers and trailers were one block.
    pub is_trailers_only: bool,
}

impl Answer {
    /// The messages of the body.
    pub fn messages(&self) -> Vec<Bytes> {
        messages(self.body.clone())
    }

    /// `grpc-status`, as it stands on the wire.
    pub fn status(&self) -> Option<&str> {
        self.trailers.get("grpc-status")
    }

    /// `grpc-message`, as it stands on the wire; empty if there is none.
    pub fn message(&self) -> &str {
        self.trailers.get("grpc-message").unwrap_or("")
    }

    /// `:status`.
    pub fn http_status(&self) -> &str {
        self.headers.get(":status").unwrap_or("none")
    }

    /// An answer in gRPC's words that ended with this code; gives the status message.
    #[track_caller]
    pub fn expect_status(&self, code: u32) -> &str {
        assert_eq!(self.http_status(), "200", "{self:?}");
        assert_eq!(self.headers.get("content-type"), Some("application/grpc"));
        assert_eq!(self.status(), Some(code.to_string().as_str()), "{self:?}");
        self.message()
    }

    /// The only message of an answer that ended well.
    #[track_caller]
    pub fn expect_one(&self) -> Bytes {
        self.expect_status(0);
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "{self:?}");
        messages.remove(0)
    }
}

/// Status codes by number, for `expect_status`.
pub mod code {
    pub const OK: u32 = 0;
    pub const CANCELLED: u32 = 1;
    pub const UNKNOWN: u32 = 2;
    pub const INVALID_ARGUMENT: u32 = 3;
    pub const DEADLINE_EXCEEDED: u32 = 4;
    pub const NOT_FOUND: u32 = 5;
    pub const RESOURCE_EXHAUSTED: u32 = 8;
    pub const UNIMPLEMENTED: u32 = 12;
    pub const INTERNAL: u32 = 13;
    pub const UNAVAILABLE: u32 = 14;
}
