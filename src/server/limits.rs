//! The limits of a connection: plain data.
//!
//! [`Server`](super::Server) documents each of them. This file does not know what reaches a limit, or what happens then.

use std::time::Duration;

use crate::compression::codings::Enabled;
use crate::conn::ping_strikes::PingPolicy;
use crate::conn::settings::Http2Settings;

/// The options of a server that concern one connection.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) http2: Http2Settings,
    pub(crate) timeout: Option<Duration>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) handlers_in_place: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) keepalive_interval: Option<Duration>,
    pub(crate) keepalive_timeout: Duration,
    pub(crate) ping_policy: PingPolicy,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_age_grace: Option<Duration>,
    pub(crate) max_idle: Option<Duration>,
    /// Which codings of messages all services read and write.
    pub(crate) compression: Enabled,
}
