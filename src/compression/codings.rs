//! Which codings has one side enabled?
//!
//! A server and its services, or a channel, each have a set of codings to read and a list of those to write. Both are empty until the
//! user says otherwise, whatever features the crate was built with. What a call uses is decided by what its peer says; here
//! is only what this side allows.

use std::sync::Arc;

use http::header::HeaderValue;

use super::encoding::{Compression, CompressionEncoding};
use crate::wire::content_coding;

/// A shorter message is sent as it is, in bytes: to compress it costs more than it gains.
const MIN_LEN: usize = 1024;

/// What the user enabled somewhere: for a service, a server, or a channel.
#[derive(Clone, Debug)]
pub(crate) struct Codings {
    reads: Vec<Compression>,
    /// The one that was enabled first is the best.
    writes: Vec<Compression>,
    /// The names in `reads`, as `grpc-accept-encoding` has them.
    list: HeaderValue,
    min_len: Option<usize>,
}

impl Default for Codings {
    fn default() -> Self {
        Self {
            reads: Vec::new(),
            writes: Vec::new(),
            list: IDENTITY,
            min_len: None,
        }
    }
}

const IDENTITY: HeaderValue = HeaderValue::from_static(content_coding::IDENTITY);

/// `None`, which costs a pointer: nothing was enabled.
pub(crate) type Enabled = Option<Arc<Codings>>;

impl Codings {
    fn of(enabled: &mut Enabled) -> &mut Self {
        Arc::make_mut(enabled.get_or_insert_default())
    }

    /// Messages in this coding are read.
    pub(crate) fn accept(enabled: &mut Enabled, compression: Compression) {
        let codings = Self::of(enabled);
        put(&mut codings.reads, compression);
        codings.list = list(codings.reads.iter());
    }

    /// Messages in every coding that the crate was built with are read.
    pub(crate) fn accept_all(enabled: &mut Enabled) {
        for &encoding in CompressionEncoding::ALL {
            Self::accept(enabled, encoding.into());
        }
    }

    /// Messages may be written in this coding, too.
    pub(crate) fn send(enabled: &mut Enabled, compression: Compression) {
        put(&mut Self::of(enabled).writes, compression);
    }

    /// Messages are written in this coding.
    pub(crate) fn send_only(enabled: &mut Enabled, compression: Compression) {
        Self::of(enabled).writes = vec![compression];
    }

    /// Shorter messages are sent as they are.
    pub(crate) fn set_min_len(enabled: &mut Enabled, bytes: usize) {
        Self::of(enabled).min_len = Some(bytes);
    }
}

fn put(list: &mut Vec<Compression>, compression: Compression) {
    match list.iter_mut().find(|it| it.name() == compression.name()) {
        Some(same) => *same = compression,
        None => list.push(compression),
    }
}

/// The value of `grpc-accept-encoding`. A name of the user's that is no header value is not offered.
fn list<'a>(codings: impl Iterator<Item = &'a Compression>) -> HeaderValue {
    let names = codings.map(Compression::name);
    HeaderValue::try_from(content_coding::list(names)).unwrap_or(IDENTITY)
}

/// What a call may use: of its service, and of its server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed<'a>(pub(crate) [Option<&'a Codings>; 2]);

impl<'a> Allowed<'a> {
    /// What a client's channel allows.
    #[cfg(feature = "client")]
    pub(crate) fn of(enabled: &'a Enabled) -> Self {
        Self([enabled.as_deref(), None])
    }

    fn each(self) -> impl Iterator<Item = &'a Codings> {
        self.0.into_iter().flatten()
    }

    /// Whether nothing was enabled.
    #[cfg(feature = "server")]
    #[inline]
    pub(crate) fn is_nothing(self) -> bool {
        matches!(self.0, [None, None])
    }

    /// How messages in the coding `name` are read, if they are.
    pub(crate) fn reads(self, name: &[u8]) -> Option<&'a Compression> {
        self.each()
            .flat_map(|codings| &codings.reads)
            .find(|it| content_coding::is(name, it.name()))
    }

    /// The best coding that this side may write and `theirs`, a `grpc-accept-encoding`, names.
    #[cfg(feature = "server")]
    pub(crate) fn writes(self, theirs: &[u8]) -> Option<&'a Compression> {
        //= COMP-ASYMMETRIC  the peer's list decides, not the coding that it used itself
        self.each().flat_map(|codings| &codings.writes).find(|it| {
            content_coding::names(theirs).any(|name| content_coding::is(name, it.name()))
        })
    }

    /// The coding to write in, whether the peer reads it or not.
    #[cfg(feature = "client")]
    pub(crate) fn writes_always(self) -> Option<&'a Compression> {
        self.each().find_map(|codings| codings.writes.first())
    }

    /// A shorter message is sent as it is, in bytes.
    pub(crate) fn min_len(self) -> usize {
        self.each()
            .find_map(|codings| codings.min_len)
            .unwrap_or(MIN_LEN)
    }

    /// The value of `grpc-accept-encoding`: what is read, the one that was enabled first before the others.
    pub(crate) fn list(self) -> HeaderValue {
        match self.0 {
            [Some(service), Some(server)] => {
                let others = server.reads.iter();
                let others = others.filter(|it| {
                    let mut known = service.reads.iter();
                    known.all(|known| known.name() != it.name())
                });
                list(service.reads.iter().chain(others))
            }
            [Some(one), None] | [None, Some(one)] => one.list.clone(),
            [None, None] => IDENTITY,
        }
    }
}

/// The knobs that a server, a service, a channel and an endpoint have in common.
///
/// `$send` is what `send_compressed` does with one more coding, `$enabled` where the codings are.
macro_rules! compression_knobs {
    ($owner:literal, $send:ident, $this:ident => $enabled:expr) => {
        /// Reads messages that the peer compressed in this way. Default: none are read, whatever features the crate was built
        /// with. Call it once for each coding.
        ///
        /// The limit on a received message holds for its payload and for what that becomes.
        pub fn accept_compressed(
            mut self,
            compression: impl Into<$crate::compression::encoding::Compression>,
        ) -> Self {
            let $this = &mut self;
            $crate::compression::codings::Codings::accept(&mut $enabled, compression.into());
            self
        }

        /// Reads messages in every coding that the crate was built with: `gzip`, `deflate` and `zstd` are features.
        pub fn accept_compressed_all(mut self) -> Self {
            let $this = &mut self;
            $crate::compression::codings::Codings::accept_all(&mut $enabled);
            self
        }

        #[doc = $owner]
        pub fn send_compressed(
            mut self,
            compression: impl Into<$crate::compression::encoding::Compression>,
        ) -> Self {
            let $this = &mut self;
            $crate::compression::codings::Codings::$send(&mut $enabled, compression.into());
            self
        }

        /// Messages that are shorter than this, in bytes, are sent as they are. Default 1 KiB: to compress less costs more
        /// than it gains. A message that compressing makes no smaller is sent as it is, too.
        pub fn compression_threshold(mut self, bytes: usize) -> Self {
            let $this = &mut self;
            $crate::compression::codings::Codings::set_min_len(&mut $enabled, bytes);
            self
        }
    };
}
pub(crate) use compression_knobs;

#[cfg(all(test, feature = "gzip", feature = "deflate", feature = "zstd"))]
mod tests {
    use CompressionEncoding::{Deflate, Gzip, Zstd};

    use super::*;

    fn codings(reads: &[CompressionEncoding], writes: &[CompressionEncoding]) -> Enabled {
        let mut enabled = Enabled::default();
        for &encoding in reads {
            Codings::accept(&mut enabled, encoding.into());
        }
        for &encoding in writes {
            Codings::send(&mut enabled, encoding.into());
        }
        enabled
    }

    //= COMP-ASYMMETRIC  type=test
    #[test]
    fn b19_writes_only_what_both_have() {
        #[rustfmt::skip]
        let rows: [(&[_], &[_], _, Option<&str>, &str); 11] = [
            (&[], &[], "gzip", None, "nothing is enabled"),
            (&[Gzip], &[], "", None, "the peer reads nothing"),
            (&[Gzip], &[], "identity", None, "the same, in many words"),
            (&[Gzip], &[], "gzip", Some("gzip"), "both"),
            (&[Gzip], &[], "identity, deflate, gzip", Some("gzip"), "what gRPC core sends"),
            (&[Gzip], &[], "GZip", Some("gzip"), "codings have no case"),
            (&[Gzip], &[], "gzip;q=0.5", None, "weights are HTTP's, not gRPC's"),
            (&[Gzip], &[], "zstd,br", None, "nothing in common"),
            (&[Zstd, Gzip], &[], "gzip,zstd", Some("zstd"), "what was enabled first is the best"),
            (&[], &[Gzip], "gzip", Some("gzip"), "of the server"),
            (&[Deflate], &[Gzip], "gzip,deflate", Some("deflate"), "the service goes before the server"),
        ];
        for (service, server, theirs, expected, why) in rows {
            let (service, server) = (codings(&[], service), codings(&[], server));
            let allowed = Allowed([service.as_deref(), server.as_deref()]);
            let found = allowed.writes(theirs.as_bytes()).map(Compression::name);
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn b12_b17_the_list_is_of_what_is_read() {
        #[rustfmt::skip]
        let rows: [(&[_], &[_], &str); 4] = [
            (&[], &[], "identity"),
            (&[Gzip], &[], "gzip,identity"),
            (&[Gzip, Zstd, Gzip], &[], "gzip,zstd,identity"),
            (&[Gzip], &[Zstd, Gzip], "gzip,zstd,identity"),
        ];
        for (service, server, expected) in rows {
            let (service, server) = (codings(service, &[Deflate]), codings(server, &[Deflate]));
            let allowed = Allowed([service.as_deref(), server.as_deref()]);
            assert_eq!(allowed.list(), expected);
            for name in ["gzip", "zstd", "deflate"] {
                let is_listed = expected.contains(name);
                assert_eq!(
                    allowed.reads(name.as_bytes()).is_some(),
                    is_listed,
                    "{name}"
                );
            }
        }
    }
}
