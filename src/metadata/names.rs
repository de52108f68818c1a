//! What a metadata name says about its entry: who owns it, how its value is written, whether it may
//! be shown.
//!
//! Spec: [PROTOCOL-HTTP2] "Requests", productions Custom-Metadata, Binary-Header, ASCII-Header and
//! Header-Name. Pure questions about a string; this file knows no map and no value. Names from the
//! wire are lower-case (HTTP/2 demands it), names that a user looks up may not be: the questions
//! asked of those ignore ASCII case.
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use crate::wire;

/// The two `grpc-` names that belong to the application: the retry design (gRFC A6) has a server
/// read the first and write the second.
const PUBLIC: [&str; 2] = [
    wire::GRPC_PREVIOUS_RPC_ATTEMPTS,
    wire::GRPC_RETRY_PUSHBACK_MS,
];

/// Names that h2 refuses to send (RFC 9113 §8.2.2) or that would contradict what it sends: one of
/// them among forwarded metadata would end the call. `user-agent` is readable in a request, but the
/// channel writes its own.
const NEVER_SENT: [&str; 8] = [
    wire::USER_AGENT,
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
];

/// Words that, standing as one part of a name (`x-access-token`), make its value a secret in logs.
const SECRET_PARTS: [&str; 11] = [
    "authorization",
    "authentication",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "passwd",
    "password",
    "secret",
    "token",
    "apikey",
];

/// Does the name belong to gRPC itself, so that the application neither sees nor sets it?
pub(crate) fn is_reserved(name: &str) -> bool {
    //= GRPC-META-RESERVED  grpc-* is not application metadata; two names of the retry design are
    match name.as_bytes() {
        [b':', ..] => true,
        bytes if starts_with_ignore_case(bytes, wire::GRPC_PREFIX.as_bytes()) => !PUBLIC
            .iter()
            .any(|public| name.eq_ignore_ascii_case(public)),
        _ => name.eq_ignore_ascii_case(wire::TE) || name.eq_ignore_ascii_case(wire::CONTENT_TYPE),
    }
}

/// May an entry of this name leave the process as application metadata?
pub(crate) fn is_sendable(name: &str) -> bool {
    is_well_formed(name) && !is_reserved(name) && !NEVER_SENT.contains(&name)
}

/// Is it a Header-Name of gRPC? HTTP allows more (`~`, `!`, `|` …).
pub(crate) fn is_well_formed(name: &str) -> bool {
    //= GRPC-META-NAME  1*( 0-9 / a-z / "_" / "-" / "." )
    !name.is_empty()
        && name
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'_' | b'-' | b'.'))
}

/// Are the values of this name base64 of arbitrary bytes?
pub(crate) fn is_binary(name: &str) -> bool {
    let (name, suffix) = (name.as_bytes(), wire::BIN_SUFFIX.as_bytes());
    name.len() >= suffix.len() && name[name.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
}

/// Should `Debug` hide the values of this name?
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.split(['-', '_', '.'])
        .any(|part| SECRET_PARTS.contains(&part))
        || name.contains("api-key")
        || name.contains("api_key")
}

fn starts_with_ignore_case(name: &[u8], prefix: &[u8]) -> bool {
    name.len() >= prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    //= GRPC-META-RESERVED  type=test
    #[test]
    fn b39_reserved_names() {
        let rows = [
            // (name, reserved, sendable, why this row)
            ("grpc-", true, false, "the bare prefix"),
            ("grpc-status", true, false, "the call's outcome"),
            ("grpc-timeout", true, false, "set_timeout writes it"),
            ("grpc-encoding", true, false, "the coding layer writes it"),
            ("GRPC-Status", true, false, "case does not matter"),
            (
                "grpc-previous-rpc-attempts",
                false,
                true,
                "public by gRFC A6",
            ),
            ("grpc-retry-pushback-ms", false, true, "public by gRFC A6"),
            (
                "grpc-retry-pushback-ms2",
                true,
                false,
                "longer than the public name",
            ),
            ("grpc", false, true, "no dash: an ordinary name"),
            ("xgrpc-status", false, true, "not a prefix"),
            ("te", true, false, "part of the call definition"),
            ("tea", false, true, "longer than te"),
            ("content-type", true, false, "part of the call definition"),
            (":path", true, false, "pseudo-header"),
            (
                "user-agent",
                false,
                false,
                "readable, but the channel writes its own",
            ),
            (
                "connection",
                false,
                false,
                "RFC 9113 §8.2.2: h2 would refuse the whole head",
            ),
            ("keep-alive", false, false, "same"),
            (
                "content-length",
                false,
                false,
                "would contradict the DATA frames",
            ),
            ("x-request-id", false, true, "ordinary"),
            ("date", false, true, "ordinary for gRPC"),
        ];
        for (name, reserved, sendable, why) in rows {
            assert_eq!(is_reserved(name), reserved, "reserved {name}: {why}");
            assert_eq!(is_sendable(name), sendable, "sendable {name}: {why}");
        }
    }

    //= GRPC-META-NAME  type=test
    #[test]
    fn b40_name_charset() {
        let rows = [
            ("", false, "at least one"),
            ("a", true, "one is enough"),
            ("0-9_a.z", true, "every class"),
            ("X", false, "upper case is not on the wire"),
            ("a b", false, "space"),
            ("a~b", false, "HTTP token, but not gRPC"),
            ("a:b", false, "colon"),
            ("é", false, "not ASCII"),
            ("a\n", false, "control byte"),
        ];
        for (name, expected, why) in rows {
            assert_eq!(is_well_formed(name), expected, "{name:?}: {why}");
        }
    }

    #[test]
    fn binary_names_end_in_bin() {
        for (name, expected) in [
            ("-bin", true),
            ("x-bin", true),
            ("X-BIN", true),
            ("bin", false),
            ("xbin", false),
            ("x-bin2", false),
            ("", false),
        ] {
            assert_eq!(is_binary(name), expected, "{name}");
        }
    }

    #[test]
    fn secrets_are_known_by_a_part_of_their_name() {
        for name in [
            "authorization",
            "proxy-authorization",
            "Cookie",
            "set-cookie",
            "x-csrf-token",
            "x-api-key",
            "db.password",
            "x-token-bin",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "x-request-id",
            "tokenizer",
            "idempotency-key",
            "cookies-eaten",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
