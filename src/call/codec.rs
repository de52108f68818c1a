//! Between a message and its bytes.
//!
//! gRPC does not care what a message is made of: protobuf is one [`Codec`], bytes as they are another.
//! A codec sees whole messages only; prefix, compression and size limits are not its business.

use std::marker::PhantomData;

use bytes::{Bytes, BytesMut};

pub use super::coding::send_as_is;
pub use crate::compression::codec::{ContentCodec, Corrupt, Deflater, Inflater, Progress};
pub use crate::compression::encoding::{Compression, CompressionEncoding};
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// Turns messages into bytes and back.
///
/// A codec is cloned into each call, so it should be free to clone; most are zero-sized.
pub trait Codec: Clone + Default + Send + Sync + 'static {
    /// What is sent: the server's answers, the client's requests.
    type Encode: Send + 'static;
    /// What is received.
    type Decode: Send + 'static;

    /// How many bytes [`encode`](Self::encode) will write, so that the buffer is allocated once.
    /// A guess is allowed; the default is 0, "unknown".
    fn encoded_len(&self, item: &Self::Encode) -> usize {
        let _ = item;
        0
    }

    /// Appends the bytes of `item` to `buf`. What is in `buf` already belongs to somebody else.
    ///
    /// A call that is made again encodes its message again.
    fn encode(&self, item: &Self::Encode, buf: &mut BytesMut) -> Result<(), Status>;

    /// Reads one message out of exactly its bytes. Parts of `payload` may be kept (they share its memory).
    ///
    /// A message that cannot be read is [`Code::Internal`], says the gRPC status code table.
    fn decode(&self, payload: &mut Bytes) -> Result<Self::Decode, Status>;
}

/// Protobuf by `prost`: `E` is sent, `D` is received.
pub struct ProstCodec<E, D>(PhantomData<fn(E) -> D>);

impl<E, D> Default for ProstCodec<E, D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E, D> Clone for ProstCodec<E, D> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<E, D> std::fmt::Debug for ProstCodec<E, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProstCodec")
    }
}

impl<E, D> Codec for ProstCodec<E, D>
where
    E: prost::Message + 'static,
    D: prost::Message + Default + 'static,
{
    type Encode = E;
    type Decode = D;

    fn encoded_len(&self, item: &E) -> usize {
        item.encoded_len()
    }

    fn encode(&self, item: &E, buf: &mut BytesMut) -> Result<(), Status> {
        item.encode(buf).map_err(|error| {
            Status::library(
                Code::Internal,
                format!("cannot encode the message: {error}"),
                Origin::Library,
            )
        })
    }

    fn decode(&self, payload: &mut Bytes) -> Result<D, Status> {
        D::decode(payload).map_err(|error| {
            Status::library(
                Code::Internal,
                format!("cannot decode the message: {error}"),
                Origin::Protocol,
            )
            .with_source(error)
        })
    }
}

/// Messages as the bytes they are: for proxies, and for messages of another kind than protobuf.
#[derive(Clone, Copy, Debug, Default)]
pub struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;

    fn encoded_len(&self, item: &Bytes) -> usize {
        item.len()
    }

    fn encode(&self, item: &Bytes, buf: &mut BytesMut) -> Result<(), Status> {
        buf.extend_from_slice(item);
        Ok(())
    }

    fn decode(&self, payload: &mut Bytes) -> Result<Bytes, Status> {
        Ok(std::mem::take(payload))
    }
}
