//! `grpc-encoding` and `grpc-accept-encoding`: the names of the compressions, and which one to use.
//!
//! ```text
//! Content-Coding          → "identity" / "gzip" / "deflate" / "snappy" / {custom}
//! Message-Encoding        → "grpc-encoding" Content-Coding
//! Message-Accept-Encoding → "grpc-accept-encoding" Content-Coding *("," Content-Coding)
//! ```
//!
//! Each side says what it can read; the other may use it, or send plain. An answer need not come in
//! the coding of the request: [`choose`] takes the best that both sides have, and `identity` if
//! they share nothing.
//!
//! Names only: no byte is compressed here, and a name is known here whether or not the codec was
//! compiled in. What the build and the user allow is a [`ContentCodings`] that they hand in.
//!
//! Spec: [Requests](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests),
//! [compression](https://github.com/grpc/grpc/blob/master/doc/compression.md).

use std::fmt;

/// A way to compress one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ContentCoding {
    /// Not at all.
    Identity = 0,
    /// RFC 1952.
    Gzip = 1,
    /// The zlib format of RFC 1950, which HTTP calls deflate, not the bare one of RFC 1951.
    Deflate = 2,
    /// RFC 8878.
    Zstd = 3,
}

impl ContentCoding {
    /// All of them, the one we like best first.
    pub const BY_PREFERENCE: [ContentCoding; 4] = [
        ContentCoding::Zstd,
        ContentCoding::Gzip,
        ContentCoding::Deflate,
        ContentCoding::Identity,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            ContentCoding::Identity => "identity",
            ContentCoding::Gzip => "gzip",
            ContentCoding::Deflate => "deflate",
            ContentCoding::Zstd => "zstd",
        }
    }

    /// Reads a `grpc-encoding` value, without regard to case; `None` for a coding we have no name
    /// for.
    pub fn parse(value: &[u8]) -> Option<ContentCoding> {
        let value = value.trim_ascii();
        ContentCoding::BY_PREFERENCE
            .into_iter()
            .find(|coding| coding.name().as_bytes().eq_ignore_ascii_case(value))
    }
}

impl fmt::Display for ContentCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of codings: what one side can read, or may write. `identity` is always in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentCodings {
    /// Bit `n` stands for the coding of number `n`; bit 0 is set.
    bits: u8,
}

impl ContentCodings {
    /// `identity` alone.
    pub const NONE: ContentCodings = ContentCodings { bits: 1 };

    /// The set with one more in it.
    #[must_use]
    pub const fn with(self, coding: ContentCoding) -> Self {
        ContentCodings {
            bits: self.bits | 1 << coding as u8,
        }
    }

    /// Is it in the set?
    pub const fn contains(self, coding: ContentCoding) -> bool {
        self.bits & 1 << coding as u8 != 0
    }

    /// Is there nothing in it but `identity`?
    pub const fn is_none(self) -> bool {
        self.bits == ContentCodings::NONE.bits
    }

    /// Reads a `grpc-accept-encoding` value. Names that we do not know are skipped: they cannot be
    /// chosen.
    pub fn parse(list: &[u8]) -> Self {
        list.split(|&byte| byte == b',')
            .filter_map(ContentCoding::parse)
            .fold(ContentCodings::NONE, ContentCodings::with)
    }

    /// The codings in the set, the one we like best first, `identity` last.
    pub fn iter(self) -> impl Iterator<Item = ContentCoding> {
        ContentCoding::BY_PREFERENCE
            .into_iter()
            .filter(move |&coding| self.contains(coding))
    }

    /// The value of `grpc-accept-encoding` that offers this set.
    pub const fn wire(self) -> &'static str {
        const GZIP: u8 = 1 << ContentCoding::Gzip as u8;
        const DEFLATE: u8 = 1 << ContentCoding::Deflate as u8;
        const ZSTD: u8 = 1 << ContentCoding::Zstd as u8;
        const GZIP_DEFLATE: u8 = GZIP | DEFLATE;
        const ZSTD_GZIP: u8 = ZSTD | GZIP;
        const ZSTD_DEFLATE: u8 = ZSTD | DEFLATE;
        const ALL: u8 = ZSTD | GZIP | DEFLATE;
        match self.bits & ALL {
            GZIP => "gzip,identity",
            DEFLATE => "deflate,identity",
            ZSTD => "zstd,identity",
            GZIP_DEFLATE => "gzip,deflate,identity",
            ZSTD_GZIP => "zstd,gzip,identity",
            ZSTD_DEFLATE => "zstd,deflate,identity",
            ALL => "zstd,gzip,deflate,identity",
            _ => "identity",
        }
    }
}

impl Default for ContentCodings {
    fn default() -> Self {
        ContentCodings::NONE
    }
}

impl FromIterator<ContentCoding> for ContentCodings {
    fn from_iter<I: IntoIterator<Item = ContentCoding>>(codings: I) -> Self {
        codings
            .into_iter()
            .fold(ContentCodings::NONE, ContentCodings::with)
    }
}

impl fmt::Debug for ContentCodings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire())
    }
}

impl fmt::Display for ContentCodings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire())
    }
}

/// What to send messages in: the best that we may write and the peer can read, `identity` if
/// nothing else.
pub const fn choose(ours: ContentCodings, theirs: ContentCodings) -> ContentCoding {
    // The list of the peer decides, not the coding that the peer used itself.
    let common = ContentCodings {
        bits: ours.bits & theirs.bits,
    };
    let mut at = 0;
    while at < ContentCoding::BY_PREFERENCE.len() {
        if common.contains(ContentCoding::BY_PREFERENCE[at]) {
            return ContentCoding::BY_PREFERENCE[at];
        }
        at += 1;
    }
    ContentCoding::Identity
}

#[cfg(test)]
mod tests {
    use ContentCoding::{Deflate, Gzip, Identity, Zstd};

    use super::*;

    fn set(codings: &[ContentCoding]) -> ContentCodings {
        codings.iter().copied().collect()
    }

    /// All eight sets.
    fn sets() -> impl Iterator<Item = ContentCodings> {
        (0..8u8).map(|n| {
            let chosen = |(i, _): &(usize, ContentCoding)| n >> i & 1 == 1;
            [Gzip, Deflate, Zstd]
                .into_iter()
                .enumerate()
                .filter(chosen)
                .map(|(_, coding)| coding)
                .collect()
        })
    }

    #[test]
    fn reads_one_name() {
        let rows = [
            ("", None, "nothing"),
            ("identity", Some(Identity), "no coding has a name too"),
            ("gzip", Some(Gzip), "as written"),
            ("GZip", Some(Gzip), "codings have no case"),
            (" zstd ", Some(Zstd), "space around it"),
            ("deflate", Some(Deflate), "as written"),
            ("snappy", None, "in the grammar, but not ours"),
            ("gzip,zstd", None, "a list is no name"),
            ("x-gzip", None, "an alias that gRPC does not have"),
        ];
        for (value, expected, why) in rows {
            assert_eq!(
                ContentCoding::parse(value.as_bytes()),
                expected,
                "{value:?}: {why}"
            );
        }
    }

    #[test]
    fn reads_a_list() {
        #[rustfmt::skip]
        let rows: [(&str, &[ContentCoding], &str); 7] = [
            ("", &[], "identity needs no mention"),
            ("identity", &[], "nor does mentioning it add anything"),
            ("gzip", &[Gzip], "one"),
            ("identity, deflate, gzip", &[Deflate, Gzip], "what gRPC core sends"),
            ("snappy,br,zstd", &[Zstd], "unknown names are skipped"),
            ("gzip,,gzip,", &[Gzip], "empty and repeated ones"),
            ("gzip;q=0.5", &[], "weights are HTTP's, not gRPC's"),
        ];
        for (value, expected, why) in rows {
            assert_eq!(
                ContentCodings::parse(value.as_bytes()),
                set(expected),
                "{value:?}: {why}"
            );
        }
    }

    #[test]
    fn every_set_comes_back_from_the_wire() {
        for codings in sets() {
            let names: Vec<_> = codings.iter().map(ContentCoding::name).collect();
            assert_eq!(codings.wire(), names.join(","));
            assert_eq!(ContentCodings::parse(codings.wire().as_bytes()), codings);
        }
    }

    #[test]
    fn b19_chooses_only_what_both_have() {
        #[rustfmt::skip]
        let rows: [(&[_], &[_], _, &str); 6] = [
            (&[], &[], Identity, "nobody has anything"),
            (&[], &[Gzip, Zstd], Identity, "we may not"),
            (&[Gzip, Zstd], &[], Identity, "the peer cannot"),
            (&[Gzip], &[Zstd], Identity, "nothing in common"),
            (&[Gzip, Zstd], &[Deflate, Gzip], Gzip, "the one in common"),
            (&[Deflate, Gzip, Zstd], &[Gzip, Zstd], Zstd, "the better of two"),
        ];
        for (ours, theirs, expected, why) in rows {
            assert_eq!(choose(set(ours), set(theirs)), expected, "{why}");
        }
        for ours in sets() {
            for theirs in sets() {
                let chosen = choose(ours, theirs);
                assert!(ours.contains(chosen) && theirs.contains(chosen));
            }
        }
    }
}
