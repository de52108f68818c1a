//! What went wrong in TLS, and what is to be done about it?
//!
//! `rustls` reports what it found in the protocol's words. People need to know which end has to change what. So each
//! error is sorted once, into a [`TlsErrorKind`] for programs and a sentence for people, and the error of `rustls` stays as
//! the source. This file does not know sockets.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use tokio_rustls::rustls::{self, AlertDescription, CertificateError, InvalidMessage};

/// Why TLS with a peer failed.
///
/// Found under an [`Error`](crate::Error), a [`Status`](crate::Status) or an [`io::Error`] by [`TlsError::of`].
#[derive(Clone, Debug)]
pub struct TlsError {
    kind: TlsErrorKind,
    text: String,
    source: Option<rustls::Error>,
}

/// What a [`TlsError`] is about. *Peer* is the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// The peer's certificate is not valid any more.
    Expired,
    /// The peer's certificate is not valid yet.
    NotYetValid,
    /// The server's certificate is for other names than the one that was asked for.
    WrongName,
    /// The peer's certificate was issued by an authority that this end does not trust.
    UnknownIssuer,
    /// The peer's certificate was revoked.
    Revoked,
    /// The peer's certificate cannot be used for another reason.
    BadCertificate,
    /// A client certificate is required, and the client has sent none.
    NoClientCertificate,
    /// The peer has refused this end's certificate.
    Refused,
    /// The two ends have no application protocol in common: one of them does not offer `h2` by ALPN.
    Alpn,
    /// The two ends have no version of TLS or no cipher suite in common.
    Incompatible,
    /// The peer does not speak TLS.
    Plaintext,
    /// The peer closed the connection without saying so in TLS: what came may not be all.
    Truncated,
    /// Something else: the source says what.
    Other,
}

/// Which end of the connection this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    #[cfg_attr(not(feature = "client"), allow(dead_code, reason = "the other end"))]
    Client,
    #[cfg_attr(not(feature = "server"), allow(dead_code, reason = "the other end"))]
    Server,
}

impl TlsError {
    /// What it is about.
    pub fn kind(&self) -> TlsErrorKind {
        self.kind
    }

    /// Finds the TLS error under another error, at any depth. `None` if TLS had no part in it.
    ///
    /// ```
    /// # fn retries_later(error: &temaki::Error) -> bool {
    /// use temaki::tls::{TlsError, TlsErrorKind};
    ///
    /// TlsError::of(error).is_some_and(|error| error.kind() == TlsErrorKind::Expired)
    /// # }
    /// ```
    pub fn of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            // An `io::Error` does not count what it holds among its sources.
            let held = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            next = match held {
                Some(held) => Some(held),
                None => error.source(),
            };
        }
        None
    }

    pub(super) fn new(kind: TlsErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            source: None,
        }
    }

    /// Sorts what `rustls` reports.
    pub(super) fn sort(error: rustls::Error, side: Side) -> Self {
        let (kind, text) = judge(&error, side);
        Self {
            kind,
            text,
            source: Some(error),
        }
    }

    /// The same as an error of an IO.
    pub(super) fn into_io(self) -> io::Error {
        let kind = match self.kind {
            TlsErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, self)
    }
}

/// Sorts an error of a TLS stream; what is the socket's stays as it is. `stage` is what the connection was doing.
pub(super) fn sort_io(error: io::Error, side: Side, stage: Stage) -> io::Error {
    let held = error.get_ref().and_then(|held| held.downcast_ref());
    if let Some(held) = held {
        return TlsError::sort(rustls::Error::clone(held), side).into_io();
    }
    match (error.kind(), stage) {
        (io::ErrorKind::UnexpectedEof, Stage::Handshake) => {
            let text = match side {
                Side::Client => {
                    "the server closed the connection in the TLS handshake; if the port is a plaintext port, write http://"
                }
                Side::Server => "the client closed the connection in the TLS handshake",
            };
            TlsError::new(TlsErrorKind::Truncated, text).into_io()
        }
        (io::ErrorKind::UnexpectedEof, Stage::Established) => {
            let text = match side {
                Side::Client => {
                    "the server closed the connection without a TLS close_notify; what came may not be all. Some servers refuse a \
                     client certificate, or its absence, in this way"
                }
                Side::Server => {
                    "the client closed the connection without a TLS close_notify; what came may not be all"
                }
            };
            TlsError::new(TlsErrorKind::Truncated, text).into_io()
        }
        _ => error,
    }
}

/// What a connection was doing when an error came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Handshake,
    Established,
}

fn judge(error: &rustls::Error, side: Side) -> (TlsErrorKind, String) {
    use rustls::Error;
    let (kind, text) = match error {
        Error::InvalidCertificate(error) => return judge_certificate(error, side),
        Error::AlertReceived(alert) => return judge_alert(*alert, side),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => (
            TlsErrorKind::Plaintext,
            match side {
                Side::Client => {
                    "the server does not speak TLS on this port; write http://, or the port that serves TLS"
                }
                Side::Server => {
                    "a client spoke plaintext to a TLS port; the client has to use https://"
                }
            },
        ),
        Error::NoApplicationProtocol => (
            TlsErrorKind::Alpn,
            "the server chose no protocol that this client offered by ALPN; gRPC needs \"h2\"",
        ),
        Error::NoCertificatesPresented => (
            TlsErrorKind::NoClientCertificate,
            "the client sent no certificate, and this server requires one; give the client an identity, or set \
             client_auth_optional",
        ),
        Error::PeerIncompatible(_) => (
            TlsErrorKind::Incompatible,
            "the two ends have no TLS version or cipher suite in common; gRPC needs TLS 1.2 or later",
        ),
        _ => (TlsErrorKind::Other, "TLS failed"),
    };
    (kind, text.to_owned())
}

/// The certificate of the peer does not please this end.
fn judge_certificate(error: &CertificateError, side: Side) -> (TlsErrorKind, String) {
    use CertificateError as E;
    let whose = match side {
        Side::Client => "the server's certificate",
        Side::Server => "the client's certificate",
    };
    let (kind, text) = match error {
        E::Expired | E::ExpiredContext { .. } => (
            TlsErrorKind::Expired,
            "has expired; renew it, or set the clock of this machine",
        ),
        E::NotValidYet | E::NotValidYetContext { .. } => (
            TlsErrorKind::NotYetValid,
            "is not valid yet; set the clock of this machine, or wait",
        ),
        E::NotValidForName | E::NotValidForNameContext { .. } => (
            TlsErrorKind::WrongName,
            "is for another name; connect by a name that it has, or say which with ClientTlsConfig::domain_name",
        ),
        // Another authority with the name of one that is trusted.
        E::UnknownIssuer | E::BadSignature => (
            TlsErrorKind::UnknownIssuer,
            match side {
                Side::Client => {
                    "was issued by an authority that this client does not trust; add that with ca_certificate"
                }
                Side::Server => {
                    "was issued by an authority that this server does not trust; add that with client_ca_root"
                }
            },
        ),
        E::Revoked => (TlsErrorKind::Revoked, "was revoked; replace it"),
        _ => (
            TlsErrorKind::BadCertificate,
            "cannot be used; replace it by one that fits the reason",
        ),
    };
    (kind, format!("{whose} {text}"))
}

/// The peer reports, in one byte, what does not please it (RFC 8446 §6.2).
fn judge_alert(alert: AlertDescription, side: Side) -> (TlsErrorKind, String) {
    use AlertDescription as A;
    let (peer, own) = match side {
        Side::Client => ("server", "client"),
        Side::Server => ("client", "server"),
    };
    let refused = |why: &str| {
        let text = format!("the {peer} refused this {own}'s certificate: {why}");
        (TlsErrorKind::Refused, text)
    };
    match alert {
        A::CertificateExpired => refused("it has expired; renew it, or set the clocks"),
        A::UnknownCA => {
            refused("its issuer is not trusted there; add the issuer to the roots of that end")
        }
        A::DecryptError => refused(
            "its signature does not fit; was it issued by another authority of the same name?",
        ),
        A::CertificateRevoked => refused("it was revoked; replace it"),
        A::CertificateUnknown | A::BadCertificate | A::UnsupportedCertificate | A::AccessDenied => {
            refused("it does not say why; look at the log of that end")
        }
        A::CertificateRequired => (
            TlsErrorKind::NoClientCertificate,
            "the server requires a client certificate; set one with ClientTlsConfig::identity"
                .to_owned(),
        ),
        A::NoApplicationProtocol => (
            TlsErrorKind::Alpn,
            format!(
                "the {peer} does not offer \"h2\" by ALPN, which gRPC needs; is there an HTTP/1.1 server on the port?"
            ),
        ),
        A::ProtocolVersion | A::InsufficientSecurity | A::HandshakeFailure => (
            TlsErrorKind::Incompatible,
            format!(
                "the {peer} found no TLS version or cipher suite in common; gRPC needs TLS 1.2 or later{}",
                match side {
                    Side::Client =>
                        ". A server of TLS 1.2 says the same when it misses a client certificate",
                    Side::Server => "",
                }
            ),
        ),
        A::UnrecognisedName => (
            TlsErrorKind::WrongName,
            format!(
                "the {peer} does not know the name that was asked for; say which with ClientTlsConfig::domain_name"
            ),
        ),
        _ => (
            TlsErrorKind::Other,
            format!("the {peer} ended TLS with an alert"),
        ),
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for TlsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_names_what_it_is_and_what_to_do() {
        use TlsErrorKind as K;
        use rustls::Error as E;
        let certificate = |error| E::InvalidCertificate(error);
        #[rustfmt::skip]
        let rows = [
            (certificate(CertificateError::Expired), Side::Client, K::Expired, "the server's certificate has expired; renew"),
            (certificate(CertificateError::NotValidYet), Side::Server, K::NotYetValid, "the client's certificate is not valid yet; set the clock"),
            (certificate(CertificateError::NotValidForName), Side::Client, K::WrongName, "domain_name"),
            (certificate(CertificateError::UnknownIssuer), Side::Client, K::UnknownIssuer, "ca_certificate"),
            (certificate(CertificateError::UnknownIssuer), Side::Server, K::UnknownIssuer, "client_ca_root"),
            (certificate(CertificateError::Revoked), Side::Client, K::Revoked, "replace it"),
            (certificate(CertificateError::BadSignature), Side::Client, K::UnknownIssuer, "ca_certificate"),
            (certificate(CertificateError::BadEncoding), Side::Client, K::BadCertificate, "replace it"),
            (E::AlertReceived(AlertDescription::DecryptError), Side::Client, K::Refused, "another authority"),
            (E::InvalidMessage(InvalidMessage::InvalidContentType), Side::Client, K::Plaintext, "write http://"),
            (E::InvalidMessage(InvalidMessage::InvalidContentType), Side::Server, K::Plaintext, "use https://"),
            (E::NoCertificatesPresented, Side::Server, K::NoClientCertificate, "client_auth_optional"),
            (E::NoApplicationProtocol, Side::Client, K::Alpn, "\"h2\""),
            (E::AlertReceived(AlertDescription::NoApplicationProtocol), Side::Client, K::Alpn, "the server does not offer \"h2\""),
            (E::AlertReceived(AlertDescription::CertificateRequired), Side::Client, K::NoClientCertificate, "ClientTlsConfig::identity"),
            (E::AlertReceived(AlertDescription::UnknownCA), Side::Server, K::Refused, "the client refused this server's certificate"),
            (E::AlertReceived(AlertDescription::CertificateExpired), Side::Client, K::Refused, "renew it"),
            (E::AlertReceived(AlertDescription::ProtocolVersion), Side::Server, K::Incompatible, "TLS 1.2"),
            (E::AlertReceived(AlertDescription::UnrecognisedName), Side::Client, K::WrongName, "domain_name"),
            (E::AlertReceived(AlertDescription::InternalError), Side::Client, K::Other, "the server ended TLS"),
            (E::DecryptError, Side::Client, K::Other, "TLS failed"),
        ];
        for (error, side, kind, text) in rows {
            let sorted = TlsError::sort(error.clone(), side);
            assert_eq!(sorted.kind(), kind, "{error:?}");
            assert!(sorted.to_string().contains(text), "{error:?}: {sorted}");
            assert!(sorted.source().is_some(), "{error:?}");
        }
    }

    #[test]
    fn it_is_found_at_any_depth() {
        let io = TlsError::sort(rustls::Error::DecryptError, Side::Client).into_io();
        let outer = io::Error::other(io);
        let error = crate::Error::new(crate::error::ErrorKind::Connect, "x").with_source(outer);
        assert_eq!(TlsError::of(&error).unwrap().kind(), TlsErrorKind::Other);
        assert!(TlsError::of(&io::Error::other("x")).is_none());
        assert!(TlsError::of(&io::Error::from(io::ErrorKind::NotFound)).is_none());
    }

    #[test]
    fn what_is_the_sockets_stays_the_sockets() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let sorted = sort_io(reset, Side::Client, Stage::Established);
        assert_eq!(sorted.kind(), io::ErrorKind::ConnectionReset);
        for (stage, text) in [
            (Stage::Handshake, "http://"),
            (Stage::Established, "close_notify"),
        ] {
            let sorted = sort_io(io::ErrorKind::UnexpectedEof.into(), Side::Client, stage);
            assert_eq!(sorted.kind(), io::ErrorKind::UnexpectedEof);
            assert_eq!(
                TlsError::of(&sorted).unwrap().kind(),
                TlsErrorKind::Truncated
            );
            assert!(sorted.to_string().contains(text), "{sorted}");
        }
    }
}
