//! The options of a method: how long its messages may be, and how its handler is run.

use crate::call::writer::MessageWriter;
use crate::compression::codings::Enabled;

/// The default limit on a received message, 4 MiB, as in other gRPC libraries.
pub(crate) const DEFAULT_MAX_DECODING: usize = 4 * 1024 * 1024;

/// What a service's methods have in common.
#[derive(Clone, Debug)]
pub(crate) struct MethodOptions {
    pub(crate) max_decoding_message_size: usize,
    pub(crate) max_encoding_message_size: usize,
    pub(crate) spawn_always: bool,
    pub(crate) never_shed: bool,
    /// Which codings of messages are read and written.
    pub(crate) compression: Enabled,
}

impl MethodOptions {
    /// What writes the messages of one call.
    #[inline]
    pub(crate) fn writer(&self) -> MessageWriter {
        MessageWriter::new(self.max_encoding_message_size)
    }
}

impl Default for MethodOptions {
    fn default() -> Self {
        Self {
            max_decoding_message_size: DEFAULT_MAX_DECODING,
            max_encoding_message_size: usize::MAX,
            spawn_always: false,
            never_shed: false,
            compression: None,
        }
    }
}
