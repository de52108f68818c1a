//! ALPN (RFC 7301): both ends must agree on `h2` before HTTP/2 begins.
//!
//! RFC 9113 §3.2 demands it of HTTP/2 over TLS, and so does gRPC. A peer that offers something else receives the alert
//! `no_application_protocol`, and this end's error says what the peer offered.

use super::pem::config;
use crate::error::Error;

/// The name of HTTP/2 over TLS.
pub(super) const H2: &[u8] = b"h2";

/// A configuration's list, with `h2` in it. An empty list gets it.
///
/// # Errors
/// If it lists other protocols only: it was meant for something else.
pub(super) fn with_h2(protocols: &mut Vec<Vec<u8>>) -> Result<(), Error> {
    if protocols.is_empty() {
        protocols.push(H2.to_vec());
    }
    if protocols.iter().any(|protocol| protocol == H2) {
        return Ok(());
    }
    let listed = names(protocols.iter().map(Vec::as_slice));
    Err(config(format!(
        "the TLS configuration lists {listed} for ALPN, and gRPC needs \"h2\"; add it, or leave alpn_protocols empty"
    )))
}

/// Protocols for people: `"http/1.1", "h3"`.
pub(super) fn names<'a>(protocols: impl IntoIterator<Item = &'a [u8]>) -> String {
    let names = protocols
        .into_iter()
        .map(|protocol| format!("{:?}", String::from_utf8_lossy(protocol)));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2_is_in_each_list() {
        for (listed, expected) in [
            (&[][..], Some(&["h2"][..])),
            (&["h2"], Some(&["h2"])),
            (&["http/1.1", "h2"], Some(&["http/1.1", "h2"])),
            (&["http/1.1"], None),
        ] {
            let mut list: Vec<_> = listed.iter().map(|it| it.as_bytes().to_vec()).collect();
            let outcome = with_h2(&mut list);
            assert_eq!(outcome.is_ok(), expected.is_some(), "{listed:?}");
            if let Some(expected) = expected {
                assert_eq!(
                    names(list.iter().map(Vec::as_slice)),
                    names(expected.iter().map(|it| it.as_bytes()))
                );
            } else {
                assert!(outcome.unwrap_err().to_string().contains("\"http/1.1\""));
            }
        }
    }
}
