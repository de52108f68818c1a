//! Which codings do the messages of a call have?
//!
//! The channel says what it reads and which coding it writes; a request may say that it is sent as it is. A call of a channel for which
//! nothing was enabled, which most are, asks none of that.
//!
//! Spec: [compression](https://github.com/grpc/grpc/blob/master/doc/compression.md).

use http::HeaderMap;
use http::header::HeaderValue;

use crate::call::coding;
use crate::call::writer::MessageWriter;
use crate::compression::codings::{Allowed, Enabled};
use crate::compression::encoding::Compression;
use crate::head::{GRPC_ACCEPT_ENCODING, GRPC_ENCODING};
use crate::request::{Request, SentAsIs};
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// What writes the messages of a call: the channel's writer, unless the request says otherwise.
#[inline]
pub(super) fn writer<T>(
    mut writer: MessageWriter,
    enabled: &Enabled,
    head: &Request<T>,
) -> MessageWriter {
    if enabled.is_some() && SentAsIs::is_in(head.extensions()) {
        writer.set_compresses(false);
    }
    writer
}

/// The same writer, which compresses if the channel does.
#[cold]
pub(super) fn compressing(writer: MessageWriter, enabled: &Enabled) -> MessageWriter {
    let allowed = Allowed::of(enabled);
    match allowed.writes_always() {
        None => writer,
        Some(compression) => {
            writer.compressing(coding::Write::new(compression.clone(), allowed.min_len()))
        }
    }
}

/// Adds to the headers of a request which coding its messages are in, and which ones are read here.
#[inline]
pub(super) fn write_headers<T>(enabled: &Enabled, head: &Request<T>, headers: &mut HeaderMap) {
    if enabled.is_some() {
        write(Allowed::of(enabled), head, headers);
    }
}

#[cold]
fn write<T>(allowed: Allowed<'_>, head: &Request<T>, headers: &mut HeaderMap) {
    if !SentAsIs::is_in(head.extensions()) {
        if let Some(name) = allowed.writes_always().and_then(Compression::header) {
            headers.insert(&GRPC_ENCODING, name);
        }
    }
    headers.insert(&GRPC_ACCEPT_ENCODING, allowed.list());
}

/// How the messages of a response in the coding `name` are read.
///
/// # Errors
/// INTERNAL if the channel does not read it.
#[cold]
pub(super) fn of_response(enabled: &Enabled, name: &HeaderValue) -> Result<coding::Read, Status> {
    match Allowed::of(enabled).reads(name.as_bytes()) {
        Some(compression) => Ok(coding::Read::new(compression.clone())),
        None => Err(unreadable(name)),
    }
}

/// What is said of a response in the coding `name`.
fn unreadable(name: &HeaderValue) -> Status {
    //= COMP-CLIENT-UNSUPPORTED  unknown response encoding: INTERNAL
    let name = String::from_utf8_lossy(name.as_bytes());
    let message = format!(
        "the response is in grpc-encoding {name}, which this client did not offer; a channel of temaki offers gzip, deflate and \
         zstd with Channel::accept_compressed_all(), each if it was built with the feature of that name"
    );
    Status::library(Code::Internal, message, Origin::Protocol)
}
