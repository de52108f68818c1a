//! What each end announces in its SETTINGS, and what it keeps `h2` to.
//!
//! Spec: RFC 9113 §6.5.2; gRPC says nothing beyond "header lists may be limited, 8 KiB suggested".
//! `h2` leaves several of these open by default (streams without number, header lists of 16 MiB), so
//! all of them are set, always.

use std::time::Duration;

/// The settings of one endpoint, server or client. All sizes in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Http2Settings {
    /// How far a peer may run ahead of the reader of one stream. 512 KiB keeps a bulk upload moving.
    pub(crate) stream_window: u32,
    /// The same for all streams of a connection: what handlers that do not read can make a server hold.
    ///
    /// 7 MiB is room for thirteen stalled uploads beside a call that moves. A window of 4 MiB that is
    /// raised when handlers fall behind was considered: it ends at the same ceiling.
    pub(crate) connection_window: u32,
    /// The largest DATA frame we accept. Larger than the default 16 KiB, because each frame costs.
    pub(crate) max_frame_size: u32,
    //= GRPC-HDR-LIMIT  header lists may be limited, counted as name + value + 32 each
    /// The largest header list we accept, counted as RFC 9113 does: name + value + 32 each.
    pub(crate) max_header_list_size: u32,
    /// How many streams the peer may have open at once.
    pub(crate) max_concurrent_streams: u32,
    /// How much one stream may have with `h2`, granted by the peer but not yet with the socket.
    pub(crate) send_buffer: usize,
}

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            stream_window: 512 << 10,
            connection_window: 7 << 20,
            max_frame_size: 256 << 10,
            max_header_list_size: 16 << 10,
            max_concurrent_streams: 256,
            send_buffer: 64 << 10,
        }
    }
}

/// `h2` charges small DATA frames that wait to be read, and frames of streams that are not held any more; those it
/// never gives back, so the normal life of a connection would use up any amount. The books that count
/// unread frames are [`Unread`](super::unread::Unread)'s.
const DATA_FRAME_BUDGET: usize = usize::MAX;

/// Streams that their peer resets before we have accepted them. `h2` hands them on only afterwards, so those of
/// one burst wait together: as many as may be open. Each costs what any call does, since handlers
/// are counted until they are dropped.
#[cfg(feature = "server")]
const PENDING_ACCEPT_RESETS: usize = 256;

/// Streams that we have reset, which `h2` remembers so long: what comes late for them it then ignores, and
/// afterwards responds with one more RST_STREAM. Each holds some 400 bytes until the connection has something to
/// do again, so these are 20 KiB; remembering all of a busy client's cancels would be megabytes.
const RESETS_REMEMBERED: usize = 50;
const RESET_REMEMBERED_FOR: Duration = Duration::from_secs(1);

impl Http2Settings {
    /// A client chose its server, and has many readers on one connection: none of them stops another.
    #[cfg(feature = "client")]
    pub(crate) fn for_client() -> Self {
        Self {
            connection_window: (1 << 31) - 1,
            // What other clients take, or more; a status with its details may be larger than a server's headers.
            max_header_list_size: 64 << 10,
            ..Self::default()
        }
    }

    /// A builder for the serving end.
    #[cfg(feature = "server")]
    pub(crate) fn server(&self) -> h2::server::Builder {
        let mut builder = h2::server::Builder::new();
        builder
            .initial_window_size(self.stream_window)
            .initial_connection_window_size(self.connection_window)
            .max_frame_size(self.max_frame_size)
            .max_header_list_size(self.max_header_list_size)
            .max_concurrent_streams(self.max_concurrent_streams)
            .max_send_buffer_size(self.send_buffer)
            // Counted by rate, and not for life: `frame_meter`.
            .max_local_error_reset_streams(None)
            .max_pending_accept_reset_streams(PENDING_ACCEPT_RESETS)
            .max_concurrent_reset_streams(RESETS_REMEMBERED)
            .reset_stream_duration(RESET_REMEMBERED_FOR)
            .data_frame_budget(DATA_FRAME_BUDGET);
        builder
    }

    /// A builder for the calling end.
    #[cfg(feature = "client")]
    pub(crate) fn client(&self) -> h2::client::Builder {
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(self.stream_window)
            .initial_connection_window_size(self.connection_window)
            .max_frame_size(self.max_frame_size)
            .max_header_list_size(self.max_header_list_size)
            .max_send_buffer_size(self.send_buffer)
            // Counted by rate, and not for life: `frame_meter`.
            .max_local_error_reset_streams(None)
            .max_concurrent_reset_streams(RESETS_REMEMBERED)
            .reset_stream_duration(RESET_REMEMBERED_FOR)
            .data_frame_budget(DATA_FRAME_BUDGET);
        builder
    }
}
