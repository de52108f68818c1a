//! Where to? A target as people write it: `http://host:port`, `unix:/path`.

use std::path::PathBuf;

use http::uri::{Authority, Scheme};

use crate::error::{Error, ErrorKind};

/// A target, understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) address: Address,
    /// `:scheme` of every request.
    pub(crate) scheme: Scheme,
    /// `:authority` of every request.
    pub(crate) authority: Authority,
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Address {
    /// A host name or address, resolved anew for each connection.
    Tcp { host: String, port: u16 },
    /// A socket in the file system.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Reads a target. The error says what to write instead.
pub(crate) fn parse(target: &str) -> Result<Target, Error> {
    let error = |what: String| {
        Error::new(
            ErrorKind::Config,
            format!("cannot use the target {target:?}: {what}"),
        )
    };
    if let Some(path) = target.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(error("no path; write unix:/path/of/the/socket".into()));
        }
        return Ok(Target {
            address: Address::Unix(path.into()),
            scheme: Scheme::HTTP,
            // A socket has no name that a server could check.
            authority: Authority::from_static("localhost"),
        });
    }
    let Some((scheme, rest)) = target.split_once("://") else {
        return Err(error(format!("it has no scheme; write http://{target}")));
    };
    match scheme {
        "http" => {}
        "https" => {
            return Err(error(
                "TLS is not built in; write http:// for plaintext, or bring a connector".into(),
            ));
        }
        other => {
            return Err(error(format!(
                "the scheme {other:?} is not known; write http:// or unix:"
            )));
        }
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let authority: Authority = rest
        .parse()
        .map_err(|_| error("expected http://host:port and nothing more".into()))?;
    // A URL's brackets around an IPv6 address are not part of it.
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    if host.is_empty() {
        return Err(error("no host; write http://host:port".into()));
    }
    let port = match authority.as_str().strip_prefix(authority.host()) {
        Some("") => 80,
        Some(port) => port
            .strip_prefix(':')
            .and_then(|port| port.parse().ok())
            .ok_or_else(|| error(format!("{port:?} is no port; write http://host:port")))?,
        // Neither sent with each request nor shown in an error: it may be a password.
        None => {
            let what = "cannot use a target that names a user; send credentials as metadata";
            return Err(Error::new(ErrorKind::Config, what));
        }
    };
    Ok(Target {
        address: Address::Tcp { host, port },
        scheme: Scheme::HTTP,
        authority,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let tcp = |host: &str, port| {
            Ok(Address::Tcp {
                host: host.into(),
                port,
            })
        };
        let rows: [(&str, Result<Address, &str>, &str); 17] = [
            (
                "http://localhost:50051",
                tcp("localhost", 50051),
                "the usual",
            ),
            (
                "http://localhost:50051/",
                tcp("localhost", 50051),
                "as a browser writes it",
            ),
            ("http://127.0.0.1", tcp("127.0.0.1", 80), "HTTP's own port"),
            ("http://[::1]:50051", tcp("::1", 50051), "IPv6"),
            (
                "unix:/tmp/a.sock",
                Ok(Address::Unix("/tmp/a.sock".into())),
                "gRPC's form",
            ),
            (
                "unix:///tmp/a.sock",
                Ok(Address::Unix("/tmp/a.sock".into())),
                "the form of a URL",
            ),
            ("unix:", Err("write unix:/path"), "no path"),
            (
                "localhost:50051",
                Err("write http://localhost:50051"),
                "no scheme",
            ),
            ("https://localhost", Err("TLS is not built in"), "TLS"),
            (
                "ftp://localhost",
                Err("write http:// or unix:"),
                "not a scheme of ours",
            ),
            (
                "http://localhost:50051/v1",
                Err("and nothing more"),
                "a path",
            ),
            ("http://", Err(""), "nothing"),
            ("http://[::1]", tcp("::1", 80), "IPv6 with HTTP's own port"),
            ("http://localhost:", Err("is no port"), "half a port"),
            (
                "http://localhost:65536",
                Err("is no port"),
                "no number of a port",
            ),
            ("http://localhost:x", Err(""), "no number at all"),
            (
                "http://ada:hunter2@localhost:1",
                Err("cannot use a target that names a user;"),
                "a secret",
            ),
        ];
        for (target, expected, why) in rows {
            match (parse(target), expected) {
                (Ok(found), Ok(address)) => assert_eq!(found.address, address, "{why}"),
                (Err(error), Err(text)) => {
                    assert!(error.to_string().contains(text), "{why}: {error}")
                }
                (found, _) => panic!("{why}: {found:?}"),
            }
        }
    }
}
