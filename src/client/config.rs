//! What can be set about a channel, by what it is about: a call, a connection, a socket.
//!
//! Each part is read by other code than the next one: calls read [`PerCall`], attempts and connections
//! [`PerConnection`], dialling [`PerSocket`]. [`Endpoint`](super::Endpoint) sets them, and its methods say what each
//! number means. Nothing here knows of anything else in this folder but the numbers of backoff.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::backoff::{MIN_CONNECT_TIMEOUT, Numbers};
use crate::conn::settings::Http2Settings;
use crate::conn::socket;

/// The default limit on a received message, 4 MiB, as in other gRPC libraries.
const DEFAULT_MAX_DECODING: usize = 4 * 1024 * 1024;

/// 512 windows of 512 KiB.
const DEFAULT_MAX_UNREAD: usize = 256 << 20;

/// What every call of a channel has, unless its request says otherwise. Each clone of a channel has its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PerCall {
    /// The longest a call may take; `None`: no limit.
    pub(super) timeout: Option<Duration>,
    /// Whether a call waits after an attempt to connect has failed.
    pub(super) wait_for_ready: bool,
    /// The largest message to accept, in bytes.
    pub(super) max_decoding_message_size: usize,
    /// The largest message to send, in bytes.
    pub(super) max_encoding_message_size: usize,
}

impl Default for PerCall {
    fn default() -> Self {
        Self {
            timeout: None,
            wait_for_ready: false,
            max_decoding_message_size: DEFAULT_MAX_DECODING,
            max_encoding_message_size: usize::MAX,
        }
    }
}

/// What every connection of a channel has.
#[derive(Clone, Debug)]
pub(super) struct PerConnection {
    pub(super) http2: Http2Settings,
    /// How many bytes of responses may lie unread.
    pub(super) max_unread_bytes: usize,
    pub(super) keepalive: PingPolicy,
    /// The longest an attempt to connect may take.
    pub(super) connect_timeout: Duration,
    /// The waits between attempts.
    pub(super) backoff: Numbers,
    pub(super) socket: PerSocket,
}

impl Default for PerConnection {
    fn default() -> Self {
        Self {
            http2: Http2Settings::for_client(),
            max_unread_bytes: DEFAULT_MAX_UNREAD,
            keepalive: PingPolicy::default(),
            connect_timeout: MIN_CONNECT_TIMEOUT,
            backoff: Numbers::default(),
            socket: PerSocket::default(),
        }
    }
}

/// When a silent server is asked with a PING whether it is still there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PingPolicy {
    /// After this much silence; `None`: keepalive is off.
    pub(super) interval: Option<Duration>,
    /// How long the server has to acknowledge the PING.
    pub(super) timeout: Duration,
    /// Without open calls too.
    pub(super) while_idle: bool,
}

impl Default for PingPolicy {
    fn default() -> Self {
        Self {
            interval: None,
            timeout: Duration::from_secs(20),
            while_idle: false,
        }
    }
}

impl PingPolicy {
    /// The same, with the interval doubled `times` times.
    pub(super) fn calmed(self, times: u32) -> Self {
        let factor = 1u32.checked_shl(times).unwrap_or(u32::MAX);
        Self {
            interval: self.interval.map(|it| it.saturating_mul(factor)),
            ..self
        }
    }
}

/// What every TCP socket of a channel has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PerSocket {
    pub(super) nodelay: bool,
    /// Probes of the system's own after this much silence; `None`: none.
    pub(super) keepalive: Option<Duration>,
    /// The time between two probes; `None`: the system's.
    pub(super) keepalive_interval: Option<Duration>,
    /// The address to connect from; `None`: the system's choice.
    pub(super) local_address: Option<IpAddr>,
}

impl Default for PerSocket {
    fn default() -> Self {
        Self {
            nodelay: true,
            keepalive: None,
            keepalive_interval: None,
            local_address: None,
        }
    }
}

impl PerSocket {
    /// Sets the options. A socket that does not take an option still carries calls.
    pub(super) fn apply(&self, stream: &TcpStream, pings: &PingPolicy) {
        let _ = stream.set_nodelay(self.nodelay);
        if let Some(after) = self.keepalive {
            socket::set_keepalive(stream, after, self.keepalive_interval);
        }
        // A PING that cannot leave is never acknowledged. The system notices that sooner.
        if pings.interval.is_some() {
            socket::set_user_timeout(stream, pings.timeout);
        }
    }

    /// Whether a connection to `address` can be made from the local address.
    pub(super) fn reaches(&self, address: &SocketAddr) -> bool {
        let local = self.local_address;
        local.is_none_or(|local| local.is_ipv4() == address.is_ipv4())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_doubles_and_never_overflows() {
        let second = Duration::from_secs(1);
        let rows = [
            (None, 3, None, "keepalive is off"),
            (Some(second), 0, Some(second), "nobody complained"),
            (Some(second), 2, Some(second * 4), "twice"),
            (
                Some(second),
                99,
                Some(second * u32::MAX),
                "as often as can be",
            ),
            (
                Some(Duration::MAX),
                1,
                Some(Duration::MAX),
                "the longest there is",
            ),
        ];
        for (interval, times, expected, why) in rows {
            let policy = PingPolicy {
                interval,
                ..PingPolicy::default()
            };
            assert_eq!(policy.calmed(times).interval, expected, "{why}");
        }
    }
}
