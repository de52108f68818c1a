//! What people hold: a way to call one server.
//!
//! How a channel is made in one step is in `connecting`, and its calls are in `calling`.

use std::sync::Arc;

use tokio::sync::watch;

use super::coding;
use super::config::{PerCall, PerConnection};
use super::connect::Connector;
use super::connectivity::ConnectivityState;
use super::picker::Picker;
use super::secure::refuse_plaintext;
use super::tasks::Tasks;
use crate::call::writer::MessageWriter;
use crate::compression::codings::{Enabled, compression_knobs};
use crate::error::Error;
use crate::head::RequestTemplate;
use crate::interceptor::{AsyncInterceptor, Interceptor, Interceptors};

/// A way to call one server, connected when there is need of it.
///
/// Clones share the connection, cost next to nothing, and may be used from any task. Each carries its own
/// interceptors and limits. When the last one is dropped, calls in flight still end, and then the
/// connection is closed.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
    pub(super) interceptors: Interceptors,
    pub(super) per_call: PerCall,
    /// Which codings of messages are read and written. Each clone has its own.
    pub(super) compression: Enabled,
}

/// What a channel is made of.
pub(super) struct Parts {
    pub(super) connector: Connector,
    pub(super) template: RequestTemplate,
    pub(super) per_call: PerCall,
    pub(super) per_connection: PerConnection,
    pub(super) compression: Enabled,
    /// Whether calls may carry credentials.
    pub(super) allows_credentials: bool,
}

struct Shared {
    picker: Picker,
    template: RequestTemplate,
    /// Whether calls may carry credentials.
    allows_credentials: bool,
}

impl Channel {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            shared: Arc::new(Shared {
                picker: Picker::of_one(parts.connector, parts.per_connection),
                template: parts.template,
                allows_credentials: parts.allows_credentials,
            }),
            interceptors: Interceptors::default(),
            per_call: parts.per_call,
            compression: parts.compression,
        }
    }

    pub(super) async fn first_connection(&self) -> Result<(), Error> {
        self.shared.picker.first_attempt().await
    }

    /// The state of the connection, as it is now.
    pub fn state(&self) -> ConnectivityState {
        self.shared.picker.state()
    }

    /// The state of the connection, now and at each change. A state that lasts shorter than a look may be
    /// missed. The last is SHUTDOWN: all clones of the channel were dropped, and all calls have been answered.
    pub fn watch_state(&self) -> watch::Receiver<ConnectivityState> {
        self.shared.picker.watch()
    }

    /// Ends the wait between two attempts to connect, if there is one now, and lets the waits begin anew from
    /// [`initial_backoff`](super::Endpoint::initial_backoff): for an application that knows more than the channel, as that
    /// the network is back. Nothing else shortens a wait: a thousand clients that try when their users do would fall
    /// upon a server in the moment it comes back.
    ///
    /// With a connection, or an attempt under way, there is no wait to end.
    pub fn reset_connect_backoff(&self) {
        self.shared.picker.reset_backoff();
    }

    /// A channel over the same connection whose calls `interceptor` sees, after those it has already. It runs in
    /// the task that makes the call, or first uses one that is held. If it panics, its call ends with INTERNAL.
    pub fn with_interceptor<I>(mut self, interceptor: I) -> Self
    where
        I: Interceptor + Clone + Send + Sync + 'static,
    {
        self.interceptors.push(interceptor);
        self
    }

    /// As [`with_interceptor`](Self::with_interceptor), for one that waits or looks at answers too. One that
    /// [adds credentials](AsyncInterceptor::adds_credentials) does so on a private connection only.
    pub fn with_async_interceptor(mut self, interceptor: impl AsyncInterceptor) -> Self {
        if interceptor.adds_credentials() && !self.shared.allows_credentials {
            self.interceptors.push(refuse_plaintext);
        } else {
            self.interceptors.push_async(interceptor);
        }
        self
    }

    /// The largest message to accept, in bytes. Default 4 MiB. A larger one ends its call with
    /// RESOURCE_EXHAUSTED, before memory is taken for it.
    pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
        self.per_call.max_decoding_message_size = limit;
        self
    }

    /// The largest message to send, in bytes. Default: no limit but the format's, 4 GiB. A larger one is
    /// not sent; its call ends with RESOURCE_EXHAUSTED.
    pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
        self.per_call.max_encoding_message_size = limit;
        self
    }

    compression_knobs!(
        "Compresses request messages in this way. A server that does not read it ends the call with UNIMPLEMENTED. Default: none are compressed. Called several times, the last one counts. A request is sent as it is after [`Request::disable_compression`](crate::Request::disable_compression), and a message of a stream with [`send_as_is`](crate::codec::send_as_is).",
        send_only,
        this => this.compression
    );

    /// What writes the messages of one call.
    #[inline]
    pub(super) fn writer(&self) -> MessageWriter {
        let writer = MessageWriter::new(self.per_call.max_encoding_message_size);
        match &self.compression {
            None => writer,
            Some(_) => coding::compressing(writer, &self.compression),
        }
    }

    pub(super) fn picker(&self) -> &Picker {
        &self.shared.picker
    }

    pub(super) fn tasks(&self) -> &Tasks {
        self.shared.picker.tasks()
    }

    pub(super) fn template(&self) -> &RequestTemplate {
        &self.shared.template
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel")
            .field("authority", &self.shared.template.authority())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
