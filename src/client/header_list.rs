//! Does the peer take so much metadata?
//!
//! Spec: RFC 9113 §6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE: advice, and hardly anybody answers a header list over it
//! with less than the end of the connection, its neighbours' calls included. A retry would then do the same to
//! the next one. So a request that is too large is refused here, and never leaves. A call without metadata is not
//! counted.

use http::uri::PathAndQuery;

use super::places::Permit;
use crate::head::RequestTemplate;
use crate::metadata::MetadataMap;
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// The largest header list, in bytes, for a peer that does not say what it takes. Each takes less.
const UNSAID: usize = 64 * 1024;

/// Whether the request may leave on the connection of `permit`: else RESOURCE_EXHAUSTED, with both sizes.
pub(super) fn fits(
    template: &RequestTemplate,
    path: &PathAndQuery,
    has_timeout: bool,
    metadata: &MetadataMap,
    permit: &Permit,
) -> Result<(), Status> {
    //= GRPC-HDR-LIMIT  more metadata than the peer takes is not sent
    let size = template.size(path.as_str(), has_timeout) + metadata.sent_size();
    let announced = *permit.connection.places.max_header_list();
    let limit = announced.map_or(UNSAID, |limit| limit as usize);
    if size <= limit {
        return Ok(());
    }
    let whose = match announced {
        Some(_) => "the peer's SETTINGS_MAX_HEADER_LIST_SIZE",
        None => "what is sent to a peer that announces no limit",
    };
    let message = format!(
        "the request's headers are {size} bytes (name + value + 32 for each), more than {limit}, {whose}; send less metadata, or raise the server's limit"
    );
    Err(Status::library(
        Code::ResourceExhausted,
        message,
        Origin::LocalLimit,
    ))
}
