//! What the programs under test share: the generated services, the runner's framing, and the runner's words for metadata and errors.

use std::time::{Duration, Instant};

use temaki::metadata::{KeyAndValueRef, MetadataKey, MetadataMap, MetadataValue};
use temaki::{Code, Status};

/// The conformance suite's messages and service.
pub mod suite {
    temaki::include_proto!("connectrpc.conformance.v1");
}

pub mod framing;
pub mod tally;

/// `google.rpc.Status`, the content of `grpc-status-details-bin`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<prost_types::Any>,
}

/// Metadata as the runner writes it: one entry for each name, with its values in order. Binary values stay base64.
pub fn headers_of(metadata: &MetadataMap) -> Vec<suite::Header> {
    let mut headers: Vec<suite::Header> = Vec::new();
    for entry in metadata.iter() {
        let (name, value) = match &entry {
            KeyAndValueRef::Ascii(name, value) => (name.as_str(), value.as_encoded_bytes()),
            KeyAndValueRef::Binary(name, value) => (name.as_str(), value.as_encoded_bytes()),
        };
        let value = String::from_utf8_lossy(value).into_owned();
        match headers.iter_mut().find(|header| header.name == name) {
            Some(header) => header.value.push(value),
            None => headers.push(suite::Header {
                name: name.to_owned(),
                value: vec![value],
            }),
        }
    }
    headers
}

/// The other direction. A name or value that HTTP does not allow is the test case's mistake, and said so.
pub fn metadata_of(headers: &[suite::Header]) -> Result<MetadataMap, String> {
    let mut metadata = MetadataMap::new();
    for header in headers {
        let name = header.name.to_ascii_lowercase();
        let wrong = |what: &dyn std::fmt::Debug| format!("header '{name}': {what:?}");
        for value in &header.value {
            if name.ends_with("-bin") {
                let bytes =
                    temaki::wire::base64::decode(value.as_bytes()).map_err(|e| wrong(&e))?;
                let key = MetadataKey::from_bytes(name.as_bytes()).map_err(|e| wrong(&e))?;
                metadata.append_bin(key, MetadataValue::from_bytes(&bytes));
            } else {
                let key = MetadataKey::from_bytes(name.as_bytes()).map_err(|e| wrong(&e))?;
                metadata.append(key, value.parse().map_err(|_| wrong(value))?);
            }
        }
    }
    Ok(metadata)
}

/// The status that a test case asks for, with its trailing metadata.
pub fn status_of(error: suite::Error, trailers: MetadataMap) -> Status {
    let code = Code::from_i32(error.code);
    let message = error.message.unwrap_or_default();
    let details = if error.details.is_empty() {
        Vec::new()
    } else {
        prost::Message::encode_to_vec(&RpcStatus {
            code: error.code,
            message: message.clone(),
            details: error.details,
        })
    };
    Status::with_details_and_metadata(code, message, details.into(), trailers)
}

/// A status as the runner wants it told.
pub fn error_of(status: &Status) -> suite::Error {
    let details = <RpcStatus as prost::Message>::decode(status.details())
        .map(|status| status.details)
        .unwrap_or_default();
    suite::Error {
        code: status.code() as i32,
        message: Some(status.message().to_owned()),
        details,
    }
}

/// A message of the suite in an `Any`.
pub fn any_of(name: &str, message: &impl prost::Message) -> prost_types::Any {
    prost_types::Any {
        type_url: format!("type.googleapis.com/connectrpc.conformance.v1.{name}"),
        value: message.encode_to_vec(),
    }
}

/// What is left until a deadline, in the milliseconds that the runner compares.
pub fn timeout_ms(deadline: Option<Instant>) -> Option<i64> {
    let left = deadline?.saturating_duration_since(Instant::now());
    Some(i64::try_from(left.as_millis()).unwrap_or(i64::MAX))
}

/// A number of milliseconds from a test case.
pub fn millis(milliseconds: u32) -> Duration {
    Duration::from_millis(milliseconds.into())
}
