//! Which coding, and how hard does it try?
//!
//! A [`CompressionEncoding`] is a coding of this crate by its name. A [`Compression`] is what both ends work with: a coding of this
//! crate with its level, or one that the user added.

use std::fmt;
use std::sync::Arc;

use http::header::HeaderValue;

use super::codec::ContentCodec;
#[cfg(feature = "gzip")]
use super::gzip::Gzip;
#[cfg(feature = "deflate")]
use super::zlib::Deflate;
#[cfg(feature = "zstd")]
use super::zstd::Zstd;

/// A coding that this crate was built with. Each is a feature, and none is used unless it is enabled with
/// `accept_compressed` or `send_compressed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CompressionEncoding {
    /// RFC 1952; `gzip` on the wire. All gRPC libraries have it. Feature `gzip`.
    #[cfg(feature = "gzip")]
    Gzip,
    /// The zlib format of RFC 1950, which HTTP calls `deflate`. Feature `deflate`.
    #[cfg(feature = "deflate")]
    Deflate,
    /// RFC 8878; `zstd` on the wire: several times as quick as the others. Feature `zstd`.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl CompressionEncoding {
    /// All codings that this crate was built with, the quickest first.
    pub const ALL: &'static [CompressionEncoding] = &[
        #[cfg(feature = "zstd")]
        CompressionEncoding::Zstd,
        #[cfg(feature = "gzip")]
        CompressionEncoding::Gzip,
        #[cfg(feature = "deflate")]
        CompressionEncoding::Deflate,
    ];

    /// The name in `grpc-encoding`.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "gzip")]
            CompressionEncoding::Gzip => "gzip",
            #[cfg(feature = "deflate")]
            CompressionEncoding::Deflate => "deflate",
            #[cfg(feature = "zstd")]
            CompressionEncoding::Zstd => "zstd",
        }
    }

    /// This coding, which tries as hard as `level` says.
    ///
    /// `gzip` and `deflate` have 0 (as it is) to 9 (smallest), zstd -7 (quickest) to 22 (smallest). A level outside of
    /// that is the nearest one inside. Default: 6 for `gzip` and `deflate`, 3 for zstd, as their own tools have it.
    pub fn level(self, level: i32) -> Compression {
        Compression(Kind::Own(self, level))
    }

    fn default_level(self) -> i32 {
        match self {
            #[cfg(feature = "gzip")]
            CompressionEncoding::Gzip => 6,
            #[cfg(feature = "deflate")]
            CompressionEncoding::Deflate => 6,
            #[cfg(feature = "zstd")]
            CompressionEncoding::Zstd => 3,
        }
    }
}

impl fmt::Display for CompressionEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A coding with its level: what `accept_compressed` and `send_compressed` take. A [`CompressionEncoding`] turns into one.
#[derive(Clone)]
pub struct Compression(Kind);

#[derive(Clone)]
enum Kind {
    Own(CompressionEncoding, i32),
    Custom(Arc<dyn ContentCodec>),
}

impl Compression {
    /// A coding that the user adds. Both ends have to know it.
    pub fn custom(codec: impl ContentCodec) -> Self {
        Self(Kind::Custom(Arc::new(codec)))
    }

    /// The name in `grpc-encoding`.
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::Own(encoding, _) => encoding.name(),
            Kind::Custom(codec) => codec.name(),
        }
    }

    /// The value of `grpc-encoding`; `None` for a name of the user's that is not a header value.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        match &self.0 {
            Kind::Own(encoding, _) => Some(HeaderValue::from_static(encoding.name())),
            Kind::Custom(codec) => HeaderValue::from_str(codec.name()).ok(),
        }
    }

    /// Does what `use_codec` does with the coding.
    pub(super) fn with_codec<T>(&self, use_codec: impl FnOnce(&dyn ContentCodec) -> T) -> T {
        match &self.0 {
            #[cfg(feature = "gzip")]
            Kind::Own(CompressionEncoding::Gzip, level) => use_codec(&Gzip { level: *level }),
            #[cfg(feature = "deflate")]
            Kind::Own(CompressionEncoding::Deflate, level) => use_codec(&Deflate { level: *level }),
            #[cfg(feature = "zstd")]
            Kind::Own(CompressionEncoding::Zstd, level) => use_codec(&Zstd { level: *level }),
            Kind::Custom(codec) => use_codec(codec.as_ref()),
            #[cfg(not(any(feature = "gzip", feature = "deflate", feature = "zstd")))]
            Kind::Own(encoding, _) => match *encoding {},
        }
    }

    /// Whether what decompresses the one decompresses the other.
    pub(super) fn reads_like(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Own(one, _), Kind::Own(other, _)) => one == other,
            (Kind::Custom(one), Kind::Custom(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Whether what compresses for the one compresses for the other.
    pub(super) fn writes_like(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Own(one, level), Kind::Own(other, like)) => one == other && level == like,
            _ => self.reads_like(other),
        }
    }
}

impl From<CompressionEncoding> for Compression {
    fn from(encoding: CompressionEncoding) -> Self {
        encoding.level(encoding.default_level())
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Own(encoding, level) => write!(f, "{encoding}:{level}"),
            Kind::Custom(codec) => f.write_str(codec.name()),
        }
    }
}
