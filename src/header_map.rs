//! How large is a header list, and how much room does a header map begin with?
//!
//! Spec: RFC 9113 §6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE. What [`head`](crate::head) and
//! [`trailers`](crate::trailers) write is counted here and nowhere else. This file knows no header by name.

use http::HeaderMap;

/// What HTTP/2 adds to the length of each name and value.
const FIELD_OVERHEAD: usize = 32;

/// Header maps of our own begin with room for this many headers. `h2` asks each map for the five names that
/// HTTP/2 forbids, and in a full table every such look-up is longer.
const ROOM: usize = 6;

/// A header map with room for a call's own headers and `more` of the application's.
pub(crate) fn with_room(more: usize) -> HeaderMap {
    // More than a map can hold is not a reason to panic: what does not fit is left out.
    HeaderMap::try_with_capacity(ROOM + more).unwrap_or_default()
}

/// What a field counts in a header list whose name and value have these lengths, in bytes.
pub(crate) const fn field_size(name: usize, value: usize) -> usize {
    name + value + FIELD_OVERHEAD
}

/// What all fields of `headers` count, in bytes.
pub(crate) fn list_size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| field_size(name.as_str().len(), value.len()))
        .sum()
}
