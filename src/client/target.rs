//! Where to? A target as people write it: `http://host:port`, `https://host:port`, `unix:/path`.
//!
//! Spec: RFC 3986; gRPC's naming.md for the forms that are understood and not taken. An error says what to write
//! instead, where it can be told from what was written. A target that holds an `@` is not shown in any: what stands
//! before it may be a password.

use std::net::Ipv6Addr;

use http::Uri;
use http::uri::{Authority, Scheme};

use super::address::Address;
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

/// Reads a target. The error says what to write instead.
pub(crate) fn parse(target: &str) -> Result<Target, Error> {
    understand(target).map_err(|what| {
        let message = if target.contains('@') {
            // A text that quotes nothing, whatever else is wrong.
            "cannot use a target that names a user; send credentials as metadata. It is not shown, since it has an @"
                .to_owned()
        } else {
            format!("cannot use the target {target:?}: {what}")
        };
        Error::new(ErrorKind::Config, message)
    })
}

fn understand(target: &str) -> Result<Target, String> {
    if target.is_empty() {
        return Err("it is empty; write http://host:port".into());
    }
    if target.contains(|c: char| c.is_whitespace() || c.is_control()) && !is_path(target) {
        return Err("it has white space in it; write http://host:port and nothing more".into());
    }
    let Some((scheme, rest)) = split_scheme(target) else {
        return Err(format!("it has no scheme; {}", advice(target)));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => match rest.strip_prefix("//") {
            Some(rest) => http(rest, Scheme::HTTP),
            None => Err(format!("after http: come two slashes; {}", advice(rest))),
        },
        "https" => match rest.strip_prefix("//") {
            Some(rest) => http(rest, Scheme::HTTPS),
            None => Err("after https: come two slashes; write https://host:port".into()),
        },
        "unix" => unix(rest),
        "unix-abstract" => Err(
            "abstract sockets are not built in; write unix:/path/of/the/socket, or bring a connector \
             (connect_with_connector)"
                .into(),
        ),
        "dns" => Err(format!(
            "names are looked up by way of http://, with the system's resolver; {}",
            advice(rest)
        )),
        "ipv4" | "ipv6" if rest.contains(',') => Err(
            "a list of addresses is not built in; write http://host:port, with a name that has them all".into(),
        ),
        "ipv4" | "ipv6" => Err(format!("an address needs no scheme of its own; {}", advice(rest))),
        _ => Err(format!("the scheme {scheme:?} is not known; {}", advice(rest))),
    }
}

/// Paths may have white space.
fn is_path(target: &str) -> bool {
    split_scheme(target).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("unix"))
}

/// The scheme and what comes after its colon. `localhost:50051` has none, though it looks like it.
fn split_scheme(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once(':')?;
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let goes_on = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_port = !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_digit());
    (begins && scheme.chars().all(goes_on) && !is_port).then_some((scheme, rest))
}

/// What to write for `rest`, a host and perhaps a port in whichever form; it is tried before it is advised.
fn advice(rest: &str) -> String {
    // `dns:///host`, `dns://server/host`, `tcp://host`.
    let host = match rest.strip_prefix("//") {
        Some(rest) => match rest.split_once('/') {
            Some((_, host)) if !host.is_empty() => host,
            Some((server, _)) => server,
            None => rest,
        },
        None => rest.trim_start_matches('/'),
    };
    let host = host.replace("%5B", "[").replace("%5D", "]");
    let host = match host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host,
    };
    if http(&host, Scheme::HTTP).is_ok() {
        format!("write http://{host}")
    } else {
        "write http://host:port or unix:/path".to_owned()
    }
}

fn unix(rest: &str) -> Result<Target, String> {
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(path) if path.is_empty() || path.starts_with('/') => path,
        Some(other) => {
            let (host, _) = other.split_once('/').unwrap_or((other, ""));
            return Err(format!(
                "after unix:// comes a host, and {host:?} would be one; write unix:///{other} for a path from the \
                 root, unix:{other} for one from here"
            ));
        }
    };
    if path.is_empty() {
        return Err("no path; write unix:/path/of/the/socket".into());
    }
    Ok(Target {
        address: Address::of_unix(Uri::from_static("http://localhost"), path.into()),
        scheme: Scheme::HTTP,
        // A socket has no name that a server could check.
        authority: Authority::from_static("localhost"),
    })
}

/// What comes after `http://` or `https://`.
fn http(rest: &str, scheme: Scheme) -> Result<Target, String> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(end) = rest.find(['/', '?', '#']) {
        let more = &rest[end..];
        return Err(format!(
            "expected {scheme}://host:port and nothing more, and not {more:?}: a method's path is its own"
        ));
    }
    if rest.contains('@') {
        return Err("it names a user".into());
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(|| {
                format!("the bracket is not closed; write {scheme}://[address]:port")
            })?;
            if host.contains('%') {
                return Err(format!(
                    "the zone of an IPv6 address, as in {host:?}, is not taken; bring a connector that dials it \
                     (connect_with_connector)"
                ));
            }
            if host.parse::<Ipv6Addr>().is_err() {
                return Err(format!(
                    "{host:?} is no IPv6 address, as stands in brackets"
                ));
            }
            (host, port)
        }
        None if rest.matches(':').count() > 1 => {
            return Err(match rest.parse::<Ipv6Addr>() {
                Ok(_) => format!("an IPv6 address stands in brackets; write {scheme}://[{rest}]"),
                Err(_) => format!(
                    "it has more than one colon; write {scheme}://host:port, or {scheme}://[address]:port for IPv6"
                ),
            });
        }
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    if host.is_empty() {
        return Err(format!("no host; write {scheme}://host:port"));
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() && scheme == Scheme::HTTPS => 443,
        None if port.is_empty() => 80,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()) => {
            match digits.parse() {
                Ok(0) => {
                    return Err(
                        "port 0 is nobody's; write the port that the server listens on".into(),
                    );
                }
                Ok(port) => port,
                Err(_) => return Err(format!("{digits} is no port: they go from 1 to 65535")),
            }
        }
        _ => return Err(format!("{port:?} is no port; write {scheme}://host:port")),
    };
    let not_understood = || format!("expected {scheme}://host:port and nothing more");
    let authority: Authority = rest.parse().map_err(|_| not_understood())?;
    let uri = format!("{scheme}://{authority}/").parse();
    let uri = uri.map_err(|_| not_understood())?;
    Ok(Target {
        address: Address::of_host(uri, host.to_owned(), port),
        scheme,
        authority,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c22_targets() {
        /// Host, port and path.
        type Place<'a> = (Option<&'a str>, Option<u16>, Option<&'a str>);
        fn tcp<'a>(host: &'a str, port: u16) -> Result<Place<'a>, &'a str> {
            Ok((Some(host), Some(port), None))
        }
        fn path<'a>(path: &'a str) -> Result<Place<'a>, &'a str> {
            Ok((None, None, Some(path)))
        }
        type Row<'a> = (&'a str, Result<Place<'a>, &'a str>, &'a str);
        #[rustfmt::skip]
        let rows: [Row<'_>; 54] = [
            ("http://localhost:50051", tcp("localhost", 50051), "the usual"),
            ("http://localhost:50051/", tcp("localhost", 50051), "as a browser writes it"),
            ("HTTP://localhost:50051", tcp("localhost", 50051), "a scheme has no case"),
            ("http://127.0.0.1", tcp("127.0.0.1", 80), "HTTP's own port"),
            ("http://[::1]:50051", tcp("::1", 50051), "IPv6"),
            ("http://[::1]", tcp("::1", 80), "IPv6 with HTTP's own port"),
            ("http://h:0080", tcp("h", 80), "digits are digits"),
            ("http://my_host-1.a.:65535", tcp("my_host-1.a.", 65535), "the largest port"),
            ("unix:/tmp/a.sock", path("/tmp/a.sock"), "gRPC's form"),
            ("unix:///tmp/a.sock", path("/tmp/a.sock"), "the form of a URL"),
            ("UNIX:/tmp/a.sock", path("/tmp/a.sock"), "no case here either"),
            ("unix:a/b", path("a/b"), "from here"),
            ("unix:/tmp/with space", path("/tmp/with space"), "a path may have that"),
            ("unix:/tmp/a@b", path("/tmp/a@b"), "and that"),
            ("", Err("it is empty; write http://host:port"), "nothing"),
            ("unix:", Err("write unix:/path"), "no path"),
            ("unix://", Err("write unix:/path"), "no path"),
            ("unix://a/b", Err("write unix:///a/b for a path from the root, unix:a/b for"), "a host"),
            ("unix://a", Err("write unix:///a for a path from the root, unix:a for"), "a host alone"),
            ("localhost:50051", Err("write http://localhost:50051"), "no scheme"),
            ("localhost", Err("write http://localhost"), "no scheme, no port"),
            ("10.0.0.1:80", Err("write http://10.0.0.1:80"), "no scheme, an address"),
            ("::1", Err("write http://[::1]"), "no scheme, IPv6"),
            ("[::1]:50051", Err("write http://[::1]:50051"), "no scheme, IPv6 and a port"),
            ("http://::1", Err("write http://[::1]"), "no brackets"),
            ("http://a:1:2", Err("more than one colon"), "two ports"),
            ("http:host", Err("write http://host"), "no slashes"),
            ("http:/host:1", Err("write http://host:1"), "one slash"),
            ("http:", Err("write http://host:port"), "nothing else"),
            ("http:///", Err("no host; write http://host:port"), "nothing but slashes"),
            ("dns:host:80", Err("write http://host:80"), "gRPC's name of a name"),
            ("dns:///h:443", Err("write http://h:443"), "the same"),
            ("dns://8.8.8.8/h:443", Err("write http://h:443"), "with a resolver of its own"),
            ("ipv4:1.2.3.4:80", Err("write http://1.2.3.4:80"), "gRPC's name of an address"),
            ("ipv4:1.2.3.4:80,1.2.3.5:80", Err("write http://host:port, with a name"), "of several"),
            ("ipv6:[::1]:80", Err("write http://[::1]:80"), "the same"),
            ("ipv6:%5B::1%5D:80", Err("write http://[::1]:80"), "escaped"),
            ("ipv6:::1", Err("write http://[::1]"), "no brackets"),
            ("unix-abstract:name", Err("write unix:/path"), "no file"),
            ("https://localhost", tcp("localhost", 443), "TLS, at its own port"),
            ("HTTPS://[::1]:8443", tcp("::1", 8443), "TLS, at another"),
            ("https:host", Err("write https://host:port"), "no slashes"),
            ("https://", Err("no host; write https://host:port"), "nothing"),
            ("grpc://localhost:1", Err("write http://localhost:1"), "not a scheme of ours"),
            ("http://localhost:50051/v1", Err("nothing more, and not \"/v1\""), "a path"),
            ("http://localhost?a=b", Err("and nothing more"), "a query"),
            ("http://", Err("no host; write http://host:port"), "nothing"),
            ("http://localhost:", Err("is no port"), "half a port"),
            ("http://localhost:65536", Err("65536 is no port"), "no number of a port"),
            ("http://localhost:0", Err("port 0 is nobody's"), "to listen on, not to connect to"),
            ("http://localhost:+80", Err("\":+80\" is no port"), "a sign"),
            ("http://[::1%25lo]:1", Err("the zone of an IPv6 address"), "a zone"),
            ("http://[localhost]:1", Err("is no IPv6 address"), "brackets around a name"),
            ("http://localhost:1 ", Err("white space"), "a space that is not seen"),
        ];
        for (target, expected, why) in rows {
            match (parse(target), expected) {
                (Ok(Target { address, .. }), Ok(place)) => {
                    let path = address.unix_path().and_then(|path| path.to_str());
                    assert_eq!((address.host(), address.port(), path), place, "{why}");
                }
                (Err(error), Err(text)) => {
                    assert!(error.to_string().contains(text), "{why}: {error}")
                }
                (found, _) => panic!("{why}: {found:?}"),
            }
        }
    }

    #[test]
    fn c22_what_is_advised_works() {
        #[rustfmt::skip]
        let rows = [
            "localhost:50051", "localhost", "::1", "[::1]:5", "http:host", "dns:h:80", "dns:///h:443", "ipv4:1.2.3.4:80",
            "ipv6:[::1]:80", "ipv6:::1", "grpc://h:1", "unix://a/b", "unix://a", "http://::1",
        ];
        for target in rows {
            let error = parse(target).unwrap_err().to_string();
            let (_, advised) = error.split_once("; write ").expect("advice");
            let advised = advised.split(' ').next().unwrap();
            assert!(parse(advised).is_ok(), "{target}: {advised}");
        }
    }

    #[test]
    fn c19_a_password_is_not_shown() {
        for target in [
            "http://alice:hunter2@localhost:1",
            "http://alice:hunter2@localhost:1/v1",
            "https://alice:hunter2@localhost",
            "HTTPS://alice:hunter2@localhost",
            " http://alice:hunter2@localhost",
            "http://alice:hunter2@localhost ",
            "http://alice:hunter2@localhost:0",
            "http:alice:hunter2@localhost",
            "http://alice:hunter2@[::1%25lo]",
            "http://localhost/?next=alice:hunter2@other",
            "grpc://alice:hunter2@localhost",
            "dns:///alice:hunter2@localhost",
            "unix://alice:hunter2@localhost/a",
            "alice:hunter2@localhost",
            "@hunter2",
        ] {
            let error = parse(target).unwrap_err();
            for shown in [error.to_string(), format!("{error:?}")] {
                assert!(
                    !shown.contains("hunter2") && !shown.contains("alice"),
                    "{shown}"
                );
                assert!(shown.contains("a target that names a user;"), "{shown}");
            }
        }
    }
}
