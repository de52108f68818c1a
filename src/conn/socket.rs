//! The options of a TCP socket, which both ends set alike.
//!
//! A socket that will not take an option still carries calls, so nothing here fails.

use std::time::Duration;

use tokio::net::TcpStream;

/// Probes of the system's own after so much silence, and then at this interval, if not the system's.
pub(crate) fn set_keepalive(stream: &TcpStream, after: Duration, interval: Option<Duration>) {
    let mut keepalive = socket2::TcpKeepalive::new().with_time(after);
    if let Some(interval) = interval {
        keepalive = keepalive.with_interval(interval);
    }
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

/// How long bytes that were written may stay unacknowledged, where the system has the option.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
pub(crate) fn set_user_timeout(stream: &TcpStream, limit: Duration) {
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limit));
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
pub(crate) fn set_user_timeout(_: &TcpStream, _: Duration) {}
