//! Where does a connection go? To a name, to an address of it, or to a socket in the file system.
//!
//! An address is what dialling is given, the library's own as well as a connector of the user's. Reading one from a
//! target's text is `target`'s; this file knows only what is found there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use http::Uri;

/// Where a connection is to be made to: the argument of a connector
/// ([`Endpoint::connect_with_connector`](crate::Endpoint::connect_with_connector)).
///
/// A connector is given the address of its endpoint's target. [`Display`](std::fmt::Display) writes it as
/// `host:port`, or `unix:/path`; an IPv6 address stands in brackets.
///
/// ```
/// # use tokio::net::TcpStream;
/// let endpoint = temaki::Endpoint::from_static("http://localhost:50051");
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let channel = endpoint.connect_with_connector_lazy(|address: temaki::client::Address| {
///     println!("dials {}", address.uri()); // http://localhost:50051/
///     TcpStream::connect(address.to_string())
/// });
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The target's scheme and authority.
    uri: Uri,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// A host name or IP address, which is looked up anew for each connection.
    Host { host: String, port: u16 },
    /// One of the addresses of a host.
    Resolved { host: String, address: SocketAddr },
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Address {
    /// A host, which has to be looked up.
    pub(super) fn of_host(uri: Uri, host: String, port: u16) -> Self {
        let place = Place::Host { host, port };
        Self { uri, place }
    }

    /// A socket in the file system.
    pub(super) fn of_unix(uri: Uri, path: PathBuf) -> Self {
        let place = Place::Unix(path);
        Self { uri, place }
    }

    /// The same host, at one of its addresses.
    pub(super) fn resolved_to(&self, address: SocketAddr) -> Self {
        let host = self.host().unwrap_or_default().to_owned();
        Self {
            uri: self.uri.clone(),
            place: Place::Resolved { host, address },
        }
    }

    /// The target's scheme and authority as a URI, like `http://localhost:50051/`. It is `http://localhost/` for a
    /// socket in the file system, which has no authority of its own: see [`unix_path`](Self::unix_path).
    pub fn uri(&self) -> Uri {
        self.uri.clone()
    }

    /// The host: a name, an IPv4 address, or an IPv6 address without its brackets. `None` for a socket in the file
    /// system.
    pub fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Host { host, .. } | Place::Resolved { host, .. } => Some(host),
            Place::Unix(_) => None,
        }
    }

    /// The port, 1 to 65535: 80, or 443 for `https://`, where the target has none. `None` for a socket in the file system.
    pub fn port(&self) -> Option<u16> {
        match &self.place {
            Place::Host { port, .. } => Some(*port),
            Place::Resolved { address, .. } => Some(address.port()),
            Place::Unix(_) => None,
        }
    }

    /// The IP address and port, if they are known without asking a resolver: the host is an IP address, or was
    /// looked up already.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match &self.place {
            Place::Host { host, port } => Some(SocketAddr::new(host.parse().ok()?, *port)),
            Place::Resolved { address, .. } => Some(*address),
            Place::Unix(_) => None,
        }
    }

    /// The path of the socket, for a target of the form `unix:/path`.
    pub fn unix_path(&self) -> Option<&Path> {
        match &self.place {
            Place::Unix(path) => Some(path),
            Place::Host { .. } | Place::Resolved { .. } => None,
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Host { host, port } => write!(f, "{host}:{port}"),
            Place::Resolved { address, .. } => address.fmt(f),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_known_of_it() {
        let host = |uri: &'static str, host: &str| {
            Address::of_host(Uri::from_static(uri), host.to_owned(), 5)
        };
        let resolved = host("http://a.test:5", "a.test").resolved_to(([10, 0, 0, 1], 5).into());
        let unix = Address::of_unix(Uri::from_static("http://localhost"), "/tmp/a b".into());
        #[rustfmt::skip]
        let rows = [
            (host("http://a.test:5", "a.test"), "a.test:5", "http://a.test:5/", Some("a.test"), None, "a name"),
            (host("http://1.2.3.4:5", "1.2.3.4"), "1.2.3.4:5", "http://1.2.3.4:5/", Some("1.2.3.4"), Some("1.2.3.4:5"), "IPv4"),
            (host("http://[::1]:5", "::1"), "[::1]:5", "http://[::1]:5/", Some("::1"), Some("[::1]:5"), "IPv6"),
            (resolved, "10.0.0.1:5", "http://a.test:5/", Some("a.test"), Some("10.0.0.1:5"), "a name that was looked up"),
            (unix, "unix:/tmp/a b", "http://localhost/", None, None, "a path"),
        ];
        for (address, shown, uri, host, socket, why) in rows {
            assert_eq!(address.to_string(), shown, "{why}");
            assert_eq!(address.uri().to_string(), uri, "{why}");
            assert_eq!(address.host(), host, "{why}");
            assert_eq!(address.port(), host.map(|_| 5), "{why}");
            let found = address.socket_addr().map(|it| it.to_string());
            assert_eq!(found.as_deref(), socket, "{why}");
            let path = host.is_none().then(|| Path::new("/tmp/a b"));
            assert_eq!(address.unix_path(), path, "{why}");
        }
    }
}
