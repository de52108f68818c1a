//! Why is the status at the end, and what is Trailers-Only?
//!
//! Spec: PROTOCOL-HTTP2.md, "Responses" (Trailers, Trailers-Only, Status, Status-Message).
//!
//! Whether a call went well is known when its last message is out, so the status follows the body, as
//! HTTP trailers. A call that fails before its first message has no body; then headers and trailers are
//! one block with END_STREAM. This file turns a status into that block and back, for both cases. It
//! does not know which of the two it is in: that is END_STREAM's meaning, and [`head`](crate::head)'s.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::header_map::{self, field_size, list_size};
use crate::metadata::MetadataMap;
use crate::status::{Origin, Status};
use crate::wire::code::Code;
use crate::wire::{self, base64, percent};

static GRPC_STATUS: HeaderName = HeaderName::from_static(wire::GRPC_STATUS);
const GRPC_MESSAGE: HeaderName = HeaderName::from_static(wire::GRPC_MESSAGE);
const GRPC_STATUS_DETAILS_BIN: HeaderName = HeaderName::from_static(wire::GRPC_STATUS_DETAILS_BIN);

/// The most that a status, or metadata, may take in one header block, counted as HTTP/2 counts a header list.
/// A block over a peer's limit would lose the status with everything else. The limit that gRPC suggests is
/// 8 KiB, of which this leaves room for `:status`, `content-type` and what gRPC says besides.
const MAX_LIST: usize = 8_000;

/// The trailers of a call that ended well.
pub(crate) fn write_ok(metadata: Option<&MetadataMap>) -> HeaderMap {
    //= GRPC-RES-TRAILERS  status in trailers, even when OK
    let mut headers =
        header_map::with_room(metadata.map_or(0, |metadata| metadata.as_headers().len()));
    headers.insert(GRPC_STATUS.clone(), HeaderValue::from_static("0"));
    if let Some(metadata) = metadata {
        metadata.extend_headers(&mut headers);
    }
    headers
}

/// Refuses the metadata of a call that goes well, `what` it has to say, where that is too large to be sent.
///
/// It is the application's word, and has no less important part: it is sent whole, or the call fails and
/// says why. `Ok` at no cost where there is none.
#[inline]
#[cfg(feature = "server")]
pub(crate) fn check_size(what: &str, metadata: &MetadataMap) -> Result<(), Status> {
    if metadata.as_headers().is_empty() {
        return Ok(());
    }
    let size = metadata.sent_size();
    if size <= MAX_LIST {
        return Ok(());
    }
    let message = format!(
        "the {what} metadata is {size} bytes, with 32 added for each entry; expected at most {MAX_LIST}, \
         which every peer takes; say more in messages"
    );
    let code = Code::ResourceExhausted;
    Err(Status::library(code, message, Origin::LocalLimit))
}

/// The trailers of a call that ended with `status`, and its metadata if that may travel.
///
/// What does not fit into 8,000 bytes is left out, the least important first: details, then metadata, then
/// the end of the message. The code always arrives.
pub(crate) fn write_status(status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::new();
    //= GRPC-STATUS-DECIMAL  decimal, no leading zeros
    headers.insert(
        GRPC_STATUS.clone(),
        HeaderValue::from_static(status.code().wire()),
    );
    let mut room = MAX_LIST;
    if !status.message().is_empty() {
        let around = list_size(&headers) + field_size(wire::GRPC_MESSAGE.len(), 0);
        let message = fitting_message(status.message(), room - around);
        room -= around + message.len();
        headers.insert(GRPC_MESSAGE, message);
    }
    if let Some(metadata) = status.metadata_to_send() {
        let mut sent = HeaderMap::new();
        metadata.extend_headers(&mut sent);
        let size = list_size(&sent);
        if size <= room {
            room -= size;
            headers.extend(sent);
        }
    }
    if !status.details().is_empty() {
        let details = base64::encode(status.details());
        if field_size(wire::GRPC_STATUS_DETAILS_BIN.len(), details.len()) <= room {
            if let Ok(value) = HeaderValue::try_from(details) {
                headers.insert(GRPC_STATUS_DETAILS_BIN, value);
            }
        }
    }
    headers
}

/// `message`, escaped, and cut to `room` bytes between two characters.
fn fitting_message(message: &str, room: usize) -> HeaderValue {
    let mut escaped = percent::encode(message);
    if escaped.len() > room {
        // An escape is three bytes, so a third of the room is enough for any text.
        let mut end = (room / 3).min(message.len());
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        escaped = percent::encode(&message[..end]);
    }
    // Escaped text is visible ASCII, which every header value may hold.
    HeaderValue::from_str(&escaped).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Whether a header block holds a status, and so ends a call.
pub(crate) fn has_status(headers: &HeaderMap) -> bool {
    headers.contains_key(&GRPC_STATUS)
}

/// Is OK all they say? Most ends are such, and need not be [read](read_end).
#[cfg(feature = "client")]
#[inline]
pub(crate) fn is_bare_ok(trailers: &HeaderMap) -> bool {
    let ok = |(name, value): (&HeaderName, &HeaderValue)| {
        *name == GRPC_STATUS && value.as_bytes() == b"0"
    };
    trailers.len() == 1 && trailers.iter().next().is_some_and(ok)
}

/// How a call ended: its trailing metadata after OK, else the error. `None` is a stream that ended
/// without trailers.
pub(crate) fn read_end(trailers: Option<HeaderMap>) -> Result<MetadataMap, Status> {
    let Some(headers) = trailers else {
        //= GRPC-STATUS-SYNTH  missing status, odd HTTP status, odd content-type: make a status up
        return Err(Status::library(
            Code::Internal,
            "the stream ended without trailers; expected grpc-status",
            Origin::Protocol,
        ));
    };
    // Trailers are few, and mostly one: looking at each is cheaper than asking by name.
    let status = headers.iter().find(|(name, _)| **name == GRPC_STATUS);
    let Some((_, value)) = status else {
        return Err(Status::library(
            Code::Unknown,
            "the trailers hold no grpc-status; expected one. Of trailers larger than http2_max_header_list_size of \
             this client, what does not fit is lost",
            Origin::Protocol,
        ));
    };
    if value.as_bytes() == b"0" {
        // Mostly the status is all there is. A map without anything is cheaper to hand on, and to ask.
        if headers.len() == 1 {
            return Ok(MetadataMap::new());
        }
        return Ok(MetadataMap::from_headers(headers));
    }
    //= CODE-UNKNOWN-NUMBER  an unknown number is UNKNOWN
    let code = Code::from_bytes(value.as_bytes());
    let known = code != Code::Unknown || value.as_bytes() == b"2";
    //= GRPC-MSG-DECODE-LENIENT  bad escapes never lose the message
    let mut message = headers.get(GRPC_MESSAGE).map_or(String::new(), |v| {
        percent::decode(v.as_bytes()).into_owned()
    });
    if !known {
        // The number is all that a newer peer has to say; keep it where people will see it.
        let number = String::from_utf8_lossy(value.as_bytes());
        message = format!(
            "{message}{}(grpc-status {number})",
            if message.is_empty() { "" } else { " " }
        );
    }
    // Details that cannot be read are no reason to lose the code.
    let details = headers
        .get(GRPC_STATUS_DETAILS_BIN)
        .and_then(|v| base64::decode(v.as_bytes()).ok())
        .map_or(Bytes::new(), Bytes::from);
    Err(Status::from_peer(
        code,
        message.into(),
        details,
        MetadataMap::from_headers(headers),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trailers as rows have them.
    type Pairs = &'static [(&'static str, &'static [u8])];

    /// Out and in again: what the other end makes of a status.
    fn there(status: &Status) -> Status {
        read_end(Some(write_status(status))).unwrap_err()
    }

    //= GRPC-RES-TRAILERS  type=test
    #[test]
    fn ok_is_said_too() {
        assert_eq!(write_ok(None)[wire::GRPC_STATUS], "0");
        let mut metadata = MetadataMap::new();
        metadata.insert("x-rows-read", 12.into());
        let end = read_end(Some(write_ok(Some(&metadata)))).unwrap();
        assert_eq!(end.get("x-rows-read").unwrap(), "12");
    }

    //= GRPC-STATUS-DECIMAL  type=test
    #[test]
    fn a_status_arrives_as_it_was() {
        let details = Bytes::from_static(&[0, 159, 146, 150]);
        let mut metadata = MetadataMap::new();
        metadata.insert("x-shard", "7".parse().unwrap());
        let text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
        let sent =
            Status::with_details_and_metadata(Code::NotFound, text, details.clone(), metadata);
        let found = there(&sent);
        assert_eq!(found.code(), Code::NotFound);
        assert_eq!(found.message(), text, "b57");
        assert_eq!(found.details(), details);
        assert_eq!(found.metadata().get("x-shard").unwrap(), "7");
        assert_eq!(found.origin(), Origin::Peer);
        assert!(
            write_status(&found).get("x-shard").is_none(),
            "not on to the next without being asked"
        );
        assert!(write_status(&found.forward_metadata()).contains_key("x-shard"));
    }

    //= GRPC-STATUS-SYNTH  type=test
    //= CODE-UNKNOWN-NUMBER  type=test
    //= GRPC-MSG-DECODE-LENIENT  type=test
    #[test]
    fn b49_to_b59_odd_ends_keep_what_they_say() {
        #[rustfmt::skip]
        let rows: [(Pairs, Code, &str, &str); 8] = [
            (&[], Code::Unknown, "hold no grpc-status", "b49: trailers without a status"),
            (&[("grpc-status", b"17")], Code::Unknown, "(grpc-status 17)", "b55: a number of the future is kept for people"),
            (&[("grpc-status", b"05"), ("grpc-message", b"hm")], Code::Unknown, "hm (grpc-status 05)", "b55: a leading zero"),
            (&[("grpc-status", b"2"), ("grpc-message", b"hm")], Code::Unknown, "hm", "UNKNOWN itself needs no note"),
            (&[("grpc-status", b"5"), ("grpc-message", b"100%, %zz")], Code::NotFound, "100%, %zz", "b56: no escapes at all"),
            (&[("grpc-status", b"5"), ("grpc-message", b"caf%E9")], Code::NotFound, "caf\u{fffd}", "b56: not UTF-8"),
            (&[("grpc-status", b"5"), ("grpc-message", b"a"), ("grpc-status-details-bin", b"!")], Code::NotFound, "a", "b59: details that are no base64"),
            (&[("grpc-status", b"5"), ("grpc-status", b"0")], Code::NotFound, "", "two: the first counts"),
        ];
        for (pairs, code, message, why) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_bytes(value).unwrap());
            }
            let status = read_end(Some(headers)).unwrap_err();
            assert_eq!(status.code(), code, "{why}");
            assert!(status.message().contains(message), "{why}: {status}");
            assert!(status.details().is_empty(), "{why}");
        }
        assert_eq!(
            read_end(None).unwrap_err().code(),
            Code::Internal,
            "b50: no trailers at all"
        );
    }

    #[test]
    fn b58_what_does_not_fit_is_left_out_and_the_code_arrives() {
        let long = "ü".repeat(20_000);
        let mut metadata = MetadataMap::new();
        metadata.insert("x-big", "v".repeat(5_000).parse().unwrap());
        let details = Bytes::from(vec![7; 5_000]);
        #[rustfmt::skip]
        let rows = [
            (Status::not_found(long.clone()), 0, "a long message is cut between two characters"),
            (Status::with_details(Code::NotFound, "short", details.clone()), 5_000, "details that fit"),
            (Status::with_details(Code::NotFound, long, details.clone()), 0, "no room for details beside a long message"),
            (Status::with_details_and_metadata(Code::NotFound, "short", details, metadata), 0, "metadata before details"),
        ];
        for (status, details, why) in rows {
            let trailers = write_status(&status);
            assert!(list_size(&trailers) <= MAX_LIST, "{why}");
            let found = there(&status);
            assert_eq!(found.code(), Code::NotFound, "{why}");
            assert!(
                !found.message().is_empty() && status.message().starts_with(found.message()),
                "{why}"
            );
            assert_eq!(found.details().len(), details, "{why}");
        }
    }
}
