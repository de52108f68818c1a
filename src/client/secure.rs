//! What makes a dialled stream private before HTTP/2 begins? TLS; but the client does not know it.
//!
//! The client has a door: a [`Secure`] step, which gets the stream that was dialled and gives the one that carries HTTP/2.
//! It is part of dialling, so the connect timeout is its limit. This file also decides whether a channel may carry
//! credentials.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use http::uri::Scheme;

use super::dial::{Dialled, Io};
use super::target::Target;
use crate::error::{Error, ErrorKind};
use crate::request::Request;
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// A step between dialling and HTTP/2.
pub(crate) trait Secure: fmt::Debug + Send + Sync + 'static {
    /// Makes `io` private, with the server of the name `host` at its other end.
    fn secure(&self, host: &str, io: Box<dyn Io>) -> Securing;
}

/// What a [`Secure`] step returns.
pub(crate) type Securing = Pin<Box<dyn Future<Output = io::Result<Dialled>> + Send>>;

/// The options of an endpoint that are about privacy.
#[derive(Clone, Debug, Default)]
pub(super) struct Security {
    step: Option<Arc<dyn Secure>>,
    /// Credentials may travel in plaintext.
    pub(super) credentials_over_plaintext: bool,
}

/// The step, and the name that the server must have.
#[derive(Clone, Debug)]
pub(super) struct Secured {
    step: Arc<dyn Secure>,
    host: String,
}

impl Security {
    /// Sets the step for connections to `target`.
    ///
    /// # Errors
    /// If the target's text says that its connections are plaintext.
    #[cfg_attr(
        not(feature = "tls"),
        allow(dead_code, reason = "of the feature `tls`")
    )]
    pub(super) fn set(&mut self, step: Arc<dyn Secure>, target: &mut Target) -> Result<(), Error> {
        if !is_https(target) {
            if target.address.unix_path().is_none() {
                let what = format!(
                    "the target {} is plaintext, and TLS was configured; write https://",
                    target.address.uri()
                );
                return Err(Error::new(ErrorKind::Config, what));
            }
            target.scheme = Scheme::HTTPS;
        }
        self.step = Some(step);
        Ok(())
    }

    /// The step for connections whose calls are for `target`.
    pub(super) fn secured(&self, target: &Target) -> Option<Secured> {
        let step = self.step.clone()?;
        let host = target.authority.host().to_owned();
        Some(Secured { step, host })
    }

    /// Whether only the two ends can read what is sent, or that does not matter. `https://` without a step is a connector of
    /// the user's that has one; a Unix socket does not leave the machine.
    pub(super) fn allows_credentials(&self, target: &Target) -> bool {
        self.credentials_over_plaintext
            || self.step.is_some()
            || is_https(target)
            || target.address.unix_path().is_some()
    }
}

impl Secured {
    pub(super) async fn secure(&self, io: Box<dyn Io>) -> io::Result<Dialled> {
        self.step.secure(&self.host, io).await
    }
}

fn is_https(target: &Target) -> bool {
    target.address.uri().scheme() == Some(&Scheme::HTTPS)
}

/// Stands in place of an interceptor that adds credentials, on a channel that is not private.
#[cold]
pub(super) fn refuse_plaintext(_: Request<()>) -> Result<Request<()>, Status> {
    Err(Status::library(
        Code::Unauthenticated,
        "the call carries credentials, and the connection is plaintext; write https:// and configure TLS \
         (Endpoint::tls_config), or allow it with Endpoint::credentials_over_plaintext",
        Origin::Library,
    ))
}
