//! The service that every server serves and every client calls, and its bytes.
//!
//! ```proto
//! package versus;
//! service Echo {
//!   rpc Say(Words) returns (Words);             // the same text again
//!   rpc Repeat(Words) returns (stream Words);   // the same text, `times` times
//!   rpc Carry(Cargo) returns (Cargo);           // the same bytes again
//! }
//! message Words { string text = 1; uint32 times = 2; }
//! message Cargo { bytes payload = 1; }
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use http::uri::Uri;
use prost::Message;

/// A text, because most small messages are strings and identifiers: decoding one allocates, as it does for users.
#[derive(Clone, PartialEq, Message)]
pub struct Words {
    /// What to say again.
    #[prost(string, tag = "1")]
    pub text: String,
    /// How many times `Repeat` says it.
    #[prost(uint32, tag = "2")]
    pub times: u32,
}

/// Bulk. The field is `Bytes`, which lets a stack decode it without a copy if it can.
#[derive(Clone, PartialEq, Message)]
pub struct Cargo {
    /// What to carry back.
    #[prost(bytes = "bytes", tag = "1")]
    pub payload: Bytes,
}

/// The service's name on the wire.
pub const SERVICE: &str = "versus.Echo";
/// `Say` on the wire.
pub const SAY: &str = "/versus.Echo/Say";
/// `Repeat` on the wire.
pub const REPEAT: &str = "/versus.Echo/Repeat";
/// `Carry` on the wire.
pub const CARRY: &str = "/versus.Echo/Carry";

/// A text of `len` bytes.
pub fn text(len: usize) -> String {
    "temaki, hand-rolled. ".chars().cycle().take(len).collect()
}

/// `len` bytes of bulk.
pub fn payload(len: usize) -> Bytes {
    Bytes::from(text(len))
}

/// One message as gRPC sends it: five bytes of prefix, then protobuf.
pub fn frame(message: &impl Message) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.encoded_len());
    framed.put_u8(0);
    framed.put_u32(message.encoded_len() as u32);
    message.encode(&mut framed).expect("a BytesMut grows");
    framed.freeze()
}

/// `frame` again and again: `times` messages back to back.
pub fn repeated(frame: &Bytes, times: usize) -> Bytes {
    Bytes::from(frame.repeat(times))
}

/// The head of a request for `path`, with the three fields that every gRPC client sends; clone it for each call, nothing
/// in it changes.
pub fn request(authority: &str, path: &str) -> http::Request<()> {
    let mut request = http::Request::new(());
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query(path)
        .build()
        .expect("an address and a path make a URI");
    *request.headers_mut() = HeaderMap::with_capacity(3);
    request
        .headers_mut()
        .insert(TE, HeaderValue::from_static("trailers"));
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request
        .headers_mut()
        .insert(USER_AGENT, HeaderValue::from_static("grpc-rust-load/0.0.0"));
    request
}
