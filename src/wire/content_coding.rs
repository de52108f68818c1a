//! `grpc-encoding` and `grpc-accept-encoding`: the names of the codings that messages travel in.
//!
//! ```text
//! Content-Coding          → "identity" / "gzip" / "deflate" / "snappy" / {custom}
//! Message-Encoding        → "grpc-encoding" Content-Coding
//! Message-Accept-Encoding → "grpc-accept-encoding" Content-Coding *("," Content-Coding)
//! ```
//!
//! Each side says what it can read; the other may use it, or send messages as they are. A response need not come in the coding of the
//! request.
//!
//! Names only: no byte is compressed here, and which names this side has a coding for is not known here.
//!
//! Spec: [Requests](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests),
//! [compression](https://github.com/grpc/grpc/blob/master/doc/compression.md).

/// The name of no coding at all. Every side can read it.
pub const IDENTITY: &str = "identity";

/// Whether `found`, a `grpc-encoding` or an element of a list, is the coding `name`. Codings have no case.
pub fn is(found: &[u8], name: &str) -> bool {
    found.trim_ascii().eq_ignore_ascii_case(name.as_bytes())
}

/// The elements of a `grpc-accept-encoding`.
pub fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
}

/// The value of `grpc-accept-encoding` that offers these codings, and `identity`.
pub fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut list = String::new();
    for name in names {
        list.push_str(name);
        list.push(',');
    }
    list + IDENTITY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_case_and_may_have_space_around_it() {
        #[rustfmt::skip]
        let rows = [
            ("", false, "nothing"),
            ("gzip", true, "as written"),
            ("GZip", true, "codings have no case"),
            (" gzip ", true, "space around it"),
            ("gzip,zstd", false, "a list is not a name"),
            ("x-gzip", false, "an alias that gRPC does not have"),
        ];
        for (found, expected, why) in rows {
            assert_eq!(is(found.as_bytes(), "gzip"), expected, "{found:?}: {why}");
        }
    }

    #[test]
    fn a_list_has_names_and_commas() {
        #[rustfmt::skip]
        let rows: [(&str, &[&str], &str); 5] = [
            ("", &[], "no element"),
            ("identity", &["identity"], "one"),
            ("identity, deflate, gzip", &["identity", "deflate", "gzip"], "what gRPC core sends"),
            ("gzip,,gzip,", &["gzip", "gzip"], "empty and repeated ones"),
            ("gzip;q=0.5", &["gzip;q=0.5"], "weights are HTTP's, not gRPC's"),
        ];
        for (value, expected, why) in rows {
            let found: Vec<_> = names(value.as_bytes()).collect();
            let expected: Vec<_> = expected.iter().map(|it| it.as_bytes()).collect();
            assert_eq!(found, expected, "{value:?}: {why}");
        }
        assert_eq!(list([].into_iter()), "identity");
        assert_eq!(list(["zstd", "gzip"].into_iter()), "zstd,gzip,identity");
    }
}
