//! [`Response`]: a message, or a stream of them, with what comes before and after it.
//!
//! Two kinds of metadata, since a response has two heads: [`metadata`](Response::metadata) leaves
//! before the first message, `trailers` behind the last, beside the status. How they become HEADERS
//! is the business of `head.rs` and `trailers.rs`.

use crate::metadata::{self, MetadataMap};
use crate::request::SentAsIs;
use http::Extensions;
use std::fmt;

/// A message (or a stream of them) that answers a request, with metadata before it and trailers
/// behind it.
///
/// ```
/// use temaki::Response;
///
/// let mut response = Response::new("Hello Ada!");
/// response.metadata_mut().insert("x-served-by", "node-7".parse().unwrap());
/// response.trailers_mut().insert("x-rows-read", 12.into());
/// ```
pub struct Response<T> {
    metadata: MetadataMap,
    message: T,
    extensions: Extensions,
    /// None until somebody sets one or some came: most calls have none.
    trailers: Option<Box<MetadataMap>>,
}

/// The trailers' place among the extensions while a response is in parts.
#[derive(Clone)]
struct TrailersPart(Box<MetadataMap>);

impl<T> Response<T> {
    /// A response without metadata. Allocates nothing.
    pub fn new(message: T) -> Self {
        Self {
            metadata: MetadataMap::new(),
            message,
            extensions: Extensions::new(),
            trailers: None,
        }
    }

    /// The message.
    pub fn get_ref(&self) -> &T {
        &self.message
    }

    /// The message, to be changed.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.message
    }

    /// The message alone.
    pub fn into_inner(self) -> T {
        self.message
    }

    /// The metadata from before the first message.
    pub fn metadata(&self) -> &MetadataMap {
        &self.metadata
    }

    /// The metadata from before the first message, to be changed.
    ///
    /// More than 8,000 bytes, with 32 added for each entry, are more than some peers take: a server ends
    /// the call with RESOURCE_EXHAUSTED instead of sending them.
    pub fn metadata_mut(&mut self) -> &mut MetadataMap {
        &mut self.metadata
    }

    /// The metadata from the call's end. On a client they are here where the response is one
    /// message; a streamed response has them at its stream's end.
    pub fn trailers(&self) -> &MetadataMap {
        self.trailers
            .as_deref()
            .unwrap_or_else(|| metadata::empty())
    }

    /// The metadata of the call's end, to be changed. A server sends them when the call succeeds;
    /// if a response stream ends in an error, the error's own metadata goes instead. The limit of
    /// [`metadata_mut`](Self::metadata_mut) holds for them too.
    pub fn trailers_mut(&mut self) -> &mut MetadataMap {
        self.trailers.get_or_insert_default()
    }

    /// Values that pass from layer to layer inside the process. Never sent.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The extensions, to be changed.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Sends the messages of this response as they are, also where the service compresses.
    pub fn disable_compression(&mut self) {
        self.extensions.insert(SentAsIs);
    }

    /// The response with another message; all else stays.
    pub fn map<F, U>(self, f: F) -> Response<U>
    where
        F: FnOnce(T) -> U,
    {
        let Self {
            metadata,
            message,
            extensions,
            trailers,
        } = self;
        Response {
            metadata,
            message: f(message),
            extensions,
            trailers,
        }
    }

    /// Metadata, message and extensions. Trailers travel in the extensions, and
    /// [`from_parts`](Self::from_parts) finds them there.
    pub fn into_parts(self) -> (MetadataMap, T, Extensions) {
        let Self {
            metadata,
            message,
            mut extensions,
            trailers,
        } = self;
        if let Some(trailers) = trailers {
            extensions.insert(TrailersPart(trailers));
        }
        (metadata, message, extensions)
    }

    /// A response from its parts.
    pub fn from_parts(metadata: MetadataMap, message: T, mut extensions: Extensions) -> Self {
        let trailers = extensions.remove().map(|TrailersPart(trailers)| trailers);
        Self {
            metadata,
            message,
            extensions,
            trailers,
        }
    }

    /// As [`into_parts`](Self::into_parts), for the ends of a call: what is before the messages,
    /// the messages, what is behind them.
    pub(crate) fn into_ends(self) -> (MetadataMap, T, Option<Box<MetadataMap>>) {
        (self.metadata, self.message, self.trailers)
    }

    /// A response as a client received it.
    pub(crate) fn received(
        metadata: MetadataMap,
        message: T,
        trailers: Option<Box<MetadataMap>>,
    ) -> Self {
        Self {
            metadata,
            message,
            extensions: Extensions::new(),
            trailers,
        }
    }
}

impl<T> From<T> for Response<T> {
    fn from(message: T) -> Self {
        Self::new(message)
    }
}

/// Secret metadata shows as `[redacted]`.
impl<T: fmt::Debug> fmt::Debug for Response<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Response");
        all.field("metadata", &self.metadata)
            .field("message", &self.message);
        if let Some(trailers) = &self.trailers {
            all.field("trailers", trailers);
        }
        all.field("extensions", &self.extensions).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_survive_map_and_parts() {
        let mut response = Response::new("hello");
        assert!(response.trailers().is_empty() && response.trailers.is_none());
        response.trailers_mut().insert("x-rows", 3.into());
        let response = response.map(str::len);
        let (metadata, message, extensions) = response.into_parts();
        let again = Response::from_parts(metadata, message, extensions);
        assert_eq!(again.trailers().get("x-rows").unwrap(), "3");
        assert!(
            again.extensions().is_empty(),
            "nothing of it stays in sight"
        );
    }

    #[test]
    fn a_new_response_puts_nothing_into_its_parts() {
        assert!(Response::from(1).into_parts().2.is_empty());
    }
}
