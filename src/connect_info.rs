//! [`ConnectInfo`]: what is known of the connection under a call, and [`Connected`]: an IO that can
//! say it.
//!
//! Plain data, made once for a connection and shared by its requests. How sockets find it out is
//! told beside the sockets, in `server`.

use http::Extensions;
use std::net::SocketAddr;

/// What is known of the connection that a request came on. See
/// [`Request::connect_info`](crate::Request::connect_info).
///
/// Make one with `ConnectInfo::default()` and set what is known:
///
/// ```
/// let mut info = temaki::ConnectInfo::default();
/// info.remote_addr = Some(([127, 0, 0, 1], 40_000).into());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConnectInfo {
    /// This side's address; None if the connection is no TCP connection.
    pub local_addr: Option<SocketAddr>,
    /// The peer's address; None if the connection is no TCP connection. A proxy in between is the
    /// peer.
    pub remote_addr: Option<SocketAddr>,
    /// The peer process at the other end of a Unix socket, as the kernel tells it.
    pub unix_peer: Option<UnixPeer>,
    /// What else requests may know of the connection, one value for each type: a tenant, a shared-memory handle. An IO
    /// adds it in [`Connected::connect_info`], and a server's
    /// handshake adds what it has learned of the peer, such as certificates.
    pub extensions: Extensions,
}

/// The process at the other end of a Unix socket when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnixPeer {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its process id, where the system tells. It may have ended, and the number may be another's
    /// by now.
    pub pid: Option<i32>,
}

impl UnixPeer {
    /// Credentials as the kernel gave them.
    pub fn new(uid: u32, gid: u32, pid: Option<i32>) -> Self {
        Self { uid, gid, pid }
    }
}

/// An IO that knows something of its connection. What the server accepts implements it: TCP and
/// Unix streams, and yours.
pub trait Connected {
    /// Asked once, before the first request.
    fn connect_info(&self) -> ConnectInfo;
}
