//! What happens between accepting a connection and HTTP/2?
//!
//! A listener gives sockets. [`Handshake`] is what turns one of them into an IO that carries HTTP/2: TLS, a PROXY header,
//! or a look at the first bytes. It runs in the connection's own task, so that a slow peer delays nobody. How long it
//! may take, and how many of them may run, is decided in `greeting.rs` and `room.rs`. This file does not know HTTP/2.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::connect_info::ConnectInfo;

/// Turns what a listener has accepted into an IO that carries HTTP/2, and into what is known of its peer.
///
/// Set one with [`Server::handshake`](super::Server::handshake). Without one a server uses [`Plain`], which changes nothing.
///
/// ```text
///   listener ──IO──▶ Connected::connect_info ──▶ Handshake::handshake ──Io, ConnectInfo──▶ HTTP/2
///                                                └────────────── handshake_timeout ──────────────┘
/// ```
///
/// - **Where it runs:** in the task of the connection. It delays no other connection, and it does not stop the server
///   from accepting.
/// - **How long it may take:** [`handshake_timeout`](super::Server::handshake_timeout) is the limit for the handshake and
///   the start of HTTP/2 together. At the limit the future is dropped and the connection is closed.
/// - **How many may run:** a connection counts towards `max_connections` from the moment it is accepted. If the server is
///   full, or more than 1,024 handshakes run, a handshake that has run for 2 seconds is dropped for a new connection.
/// - **When the server drains:** a running handshake has half a second to end. A peer that has completed it learns from
///   GOAWAY that it may try another server.
/// - **Dropping:** the future may be dropped at any `await`, for each of these reasons. It owns the IO, so dropping it
///   closes the connection.
/// - **Panics:** a panic ends this connection only.
///
/// What the handshake has learned goes into [`ConnectInfo::extensions`], by type. A handler finds it with
/// [`Request::connect_info`](crate::Request::connect_info); an interceptor and an
/// [`Observer`](super::Observer) find it too. Here a made-up protocol says who its client is, in one byte before HTTP/2:
///
/// ```
/// use std::error::Error;
/// use temaki::server::Handshake;
/// use temaki::{ConnectInfo, Request, Server};
/// use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
///
/// #[derive(Clone)]
/// struct Tenant(u8);
///
/// struct ReadTenant;
///
/// impl<IO> Handshake<IO> for ReadTenant
/// where
///     IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
/// {
///     type Io = IO;
///
///     async fn handshake(
///         &self,
///         mut io: IO,
///         mut info: ConnectInfo,
///     ) -> Result<(IO, ConnectInfo), Box<dyn Error + Send + Sync>> {
///         let tenant = io.read_u8().await?;
///         if tenant == 0 {
///             return Err("the tenant is 0; expected 1 to 255".into());
///         }
///         info.extensions.insert(Tenant(tenant));
///         Ok((io, info))
///     }
/// }
///
/// let server = Server::builder().handshake(ReadTenant);
///
/// fn tenant_of<T>(request: &Request<T>) -> Option<&Tenant> {
///     request.connect_info()?.extensions.get()
/// }
/// ```
pub trait Handshake<IO>: Send + Sync + 'static {
    /// What carries HTTP/2: `IO` itself, or something around it such as a TLS stream.
    ///
    /// It is written in batches and flushed after each. `poll_shutdown` is called before it is dropped, where the
    /// connection ends in good order.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Completes the handshake. `info` is what [`Connected`](crate::Connected) said of `io`; return it, with
    /// what the handshake adds or corrects.
    ///
    /// Bytes that were read and belong to HTTP/2 must be given back by [`Io`](Self::Io). The first 24 of them are the
    /// preface, `PRI * HTTP/2.0…`.
    ///
    /// # Errors
    /// Why this peer is not served. The connection is closed. An observer is given the error as the source of
    /// [`ConnectionEnd::error`](super::ConnectionEnd::error), with
    /// [`CloseReason::Handshake`](super::CloseReason::Handshake); the peer is given nothing, so a protocol that has
    /// an alert sends it before the future returns.
    fn handshake(
        &self,
        io: IO,
        info: ConnectInfo,
    ) -> impl Future<Output = Result<(Self::Io, ConnectInfo), Box<dyn Error + Send + Sync>>> + Send;
}

/// No handshake: what was accepted carries HTTP/2 from its first byte. The default of a
/// [`Server`](super::Server).
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl<IO> Handshake<IO> for Plain
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Io = IO;

    async fn handshake(
        &self,
        io: IO,
        info: ConnectInfo,
    ) -> Result<(IO, ConnectInfo), Box<dyn Error + Send + Sync>> {
        Ok((io, info))
    }
}

/// One handshake for several servers, or one that the application can still reach: to load new certificates, for example.
impl<IO: Send, H: Handshake<IO>> Handshake<IO> for Arc<H> {
    type Io = H::Io;

    fn handshake(
        &self,
        io: IO,
        info: ConnectInfo,
    ) -> impl Future<Output = Result<(Self::Io, ConnectInfo), Box<dyn Error + Send + Sync>>> + Send
    {
        H::handshake(self, io, info)
    }
}
