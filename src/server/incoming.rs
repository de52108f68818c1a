//! Listeners: where connections come from.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use crate::conn::socket;
use crate::{ConnectInfo, Connected};

/// TCP connections, as they come.
///
/// Give it to [`Server::serve_with_incoming`](super::Server::serve_with_incoming) where you need to know
/// the port before serving, or want other socket options. Dropping it closes the listener.
#[derive(Debug)]
pub struct TcpIncoming {
    listener: TcpListener,
    nodelay: bool,
    keepalive: Option<Duration>,
    keepalive_interval: Option<Duration>,
    user_timeout: Option<Duration>,
    reserve: Reserve,
}

impl TcpIncoming {
    /// Listens on the first of the addresses that `addr` stands for and that can be had.
    ///
    /// # Errors
    /// What the system says: in use, not permitted, not an address of this machine.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(TcpListener::bind(addr).await?.into())
    }

    /// The address that it listens on; with port 0 asked for, the port that was given.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// `TCP_NODELAY`. Default: on, since whole batches are written and waiting gains nothing.
    pub fn with_nodelay(mut self, on: bool) -> Self {
        self.nodelay = on;
        self
    }

    /// TCP keepalive after this much silence. Default: off; HTTP/2's own PING sees more.
    pub fn with_keepalive(mut self, after: Option<Duration>) -> Self {
        self.keepalive = after;
        self
    }

    /// The time between two probes of TCP keepalive, where that is on. Default: the system's.
    pub fn with_keepalive_interval(mut self, interval: Option<Duration>) -> Self {
        self.keepalive_interval = interval;
        self
    }

    /// `TCP_USER_TIMEOUT`: how long the peer's system may leave bytes unacknowledged, or take none of them,
    /// before the connection is lost. Default: the system's, many minutes. Does nothing where there is no
    /// such option; Linux has it.
    pub fn with_user_timeout(mut self, limit: Option<Duration>) -> Self {
        self.user_timeout = limit;
        self
    }
}

impl From<TcpListener> for TcpIncoming {
    fn from(listener: TcpListener) -> Self {
        Self {
            listener,
            nodelay: true,
            keepalive: None,
            keepalive_interval: None,
            user_timeout: None,
            reserve: Reserve::take(),
        }
    }
}

impl Stream for TcpIncoming {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self {
            listener, reserve, ..
        } = &mut *self;
        let (stream, _) = ready!(reserve.poll_accept(|| listener.poll_accept(cx)))?;
        // A socket that will not take an option still carries calls.
        let _ = stream.set_nodelay(self.nodelay);
        if let Some(after) = self.keepalive {
            socket::set_keepalive(&stream, after, self.keepalive_interval);
        }
        if let Some(limit) = self.user_timeout {
            socket::set_user_timeout(&stream, limit);
        }
        Poll::Ready(Some(Ok(stream)))
    }
}

/// A descriptor that is kept for the time when no other is left.
///
/// It is given up to accept one caller and hang up on it: that caller knows at once, and may go elsewhere.
/// Without it all of them would wait in the kernel's queue, for an answer that may never come.
#[derive(Debug)]
struct Reserve(Option<socket2::Socket>);

impl Reserve {
    /// An unbound socket is the cheapest descriptor that every system has.
    fn take() -> Self {
        Self(socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).ok())
    }

    /// What `accept` gives. If there are no descriptors left for it, it is run once more with this one free.
    fn poll_accept<T>(
        &mut self,
        mut accept: impl FnMut() -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let accepted = ready!(accept());
        if accepted.as_ref().is_err_and(is_out_of_descriptors) {
            self.0 = None;
            drop(accept());
            *self = Self::take();
        }
        Poll::Ready(accepted)
    }
}

/// EMFILE and ENFILE, which have no name in `std`.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    let codes: &[i32] = if cfg!(windows) { &[10_024] } else { &[24, 23] };
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

impl Connected for TcpStream {
    fn connect_info(&self) -> ConnectInfo {
        ConnectInfo {
            local_addr: self.local_addr().ok(),
            remote_addr: self.peer_addr().ok(),
            ..ConnectInfo::default()
        }
    }
}

#[cfg(unix)]
pub use unix::UnixIncoming;

#[cfg(unix)]
mod unix {
    use super::*;
    use crate::UnixPeer;
    use socket2::{Domain, SockAddr, Socket, Type};
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
    use std::path::{Path, PathBuf};
    use tokio::net::{UnixListener, UnixStream};

    /// How many may wait to be accepted; what tokio asks for as well.
    const BACKLOG: i32 = 1024;

    /// Connections over a Unix socket, as they come.
    ///
    /// Dropping it closes the listener and removes the socket's file, unless another has taken its place.
    #[derive(Debug)]
    pub struct UnixIncoming {
        listener: UnixListener,
        path: PathBuf,
        /// Device and inode of the file that was made.
        file: Option<(u64, u64)>,
        reserve: Reserve,
    }

    impl UnixIncoming {
        /// Listens at `path`. A socket file that nobody listens at any more, left by a process that was
        /// killed, is replaced; anything else in that place is not touched.
        ///
        /// # Errors
        /// `AddrInUse` if somebody listens there; else what the system says.
        pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
            Self::replacing_a_stale(path.as_ref(), |path| UnixListener::bind(path))
        }

        /// As [`bind`](Self::bind), with these permissions on the file: `0o600` is "this user only". Nobody can
        /// connect before they hold.
        ///
        /// # Errors
        /// As [`bind`](Self::bind).
        pub fn bind_with_mode(path: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
            Self::replacing_a_stale(path.as_ref(), |path| listen_with_mode(path, mode))
        }

        fn replacing_a_stale(
            path: &Path,
            listen: impl Fn(&Path) -> io::Result<UnixListener>,
        ) -> io::Result<Self> {
            match listen(path) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
                    std::fs::remove_file(path)?;
                    listen(path)
                }
                other => other,
            }
            .map(|listener| Self {
                listener,
                path: path.to_owned(),
                file: file_at(path),
                reserve: Reserve::take(),
            })
        }
    }

    /// Between `bind` and `listen` a socket has its file and takes nobody: there the permissions are set.
    fn listen_with_mode(path: &Path, mode: u32) -> io::Result<UnixListener> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        UnixListener::from_std(socket.into())
    }

    /// Which file is there?
    fn file_at(path: &Path) -> Option<(u64, u64)> {
        let meta = std::fs::symlink_metadata(path).ok()?;
        Some((meta.dev(), meta.ino()))
    }

    /// A socket at whose other end nobody is.
    fn is_stale(path: &Path) -> bool {
        let is_socket = std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
        is_socket && try_connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// Without waiting: a listener with a full queue is there, too.
    fn try_connect(path: &Path) -> io::Result<()> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    }

    impl Stream for UnixIncoming {
        type Item = io::Result<UnixStream>;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            let Self {
                listener, reserve, ..
            } = &mut *self;
            let (stream, _) = ready!(reserve.poll_accept(|| listener.poll_accept(cx)))?;
            Poll::Ready(Some(Ok(stream)))
        }
    }

    impl Drop for UnixIncoming {
        fn drop(&mut self) {
            // A successor may listen here already.
            if self.file.is_some() && file_at(&self.path) == self.file {
                let _ = std::fs::remove_file(&self.path);
            }
        }
    }

    impl Connected for UnixStream {
        fn connect_info(&self) -> ConnectInfo {
            let peer = self.peer_cred().ok();
            ConnectInfo {
                unix_peer: peer.map(|cred| UnixPeer::new(cred.uid(), cred.gid(), cred.pid())),
                ..ConnectInfo::default()
            }
        }
    }
}

/// A pipe in memory has no addresses.
impl Connected for tokio::io::DuplexStream {
    fn connect_info(&self) -> ConnectInfo {
        ConnectInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next connection of `incoming`, and the socket that made it.
    async fn accepted(mut incoming: TcpIncoming) -> (TcpStream, TcpStream) {
        let caller = TcpStream::connect(incoming.local_addr().unwrap());
        let next = std::future::poll_fn(|cx| Pin::new(&mut incoming).poll_next(cx));
        let (caller, next) = tokio::join!(caller, next);
        (next.unwrap().unwrap(), caller.unwrap())
    }

    #[tokio::test]
    async fn sockets_get_the_options_that_were_asked_for() {
        let incoming = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
        let limit = Some(Duration::from_secs(7));
        let (socket, _caller) = accepted(incoming.with_user_timeout(limit)).await;
        assert!(socket.nodelay().unwrap(), "by default");
        #[cfg(target_os = "linux")]
        assert_eq!(
            socket2::SockRef::from(&socket).tcp_user_timeout().unwrap(),
            limit
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_reserve_is_spent_when_descriptors_are_the_trouble_and_is_there_again() {
        let mut reserve = Reserve::take();
        for (code, is_spent) in [(24, true), (23, true), (104, false), (11, false)] {
            let mut accepts = 0;
            let accepted = reserve.poll_accept(|| {
                accepts += 1;
                Poll::Ready(Err::<(), _>(io::Error::from_raw_os_error(code)))
            });
            let Poll::Ready(Err(error)) = accepted else {
                panic!("the listener's error is told");
            };
            assert_eq!(error.raw_os_error(), Some(code));
            assert_eq!(accepts, if is_spent { 2 } else { 1 }, "{error}");
            assert!(reserve.0.is_some());
        }
    }
}
