//! tonic's path of the errors of keys and values.

pub use super::encoding::{InvalidMetadataValue, InvalidMetadataValueBytes};
pub use super::key::InvalidMetadataKey;
