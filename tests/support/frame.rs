//! HTTP/2 frames: nine bytes of head, then a payload (RFC 9113 §4.1).

use std::fmt;

use bytes::Bytes;

use super::peer::Fields;

/// What a client says first (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types (RFC 9113 §6).
pub mod kind {
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const PRIORITY: u8 = 0x2;
    pub const RST_STREAM: u8 = 0x3;
    pub const SETTINGS: u8 = 0x4;
    pub const PUSH_PROMISE: u8 = 0x5;
    pub const PING: u8 = 0x6;
    pub const GOAWAY: u8 = 0x7;
    pub const WINDOW_UPDATE: u8 = 0x8;
    pub const CONTINUATION: u8 = 0x9;
}

/// Flags. ACK and END_STREAM are the same bit, on different frames.
pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const PRIORITY: u8 = 0x20;

/// Settings (RFC 9113 §6.5.2).
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 0x1;
    pub const ENABLE_PUSH: u16 = 0x2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
    pub const MAX_FRAME_SIZE: u16 = 0x5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 0x6;
}

/// Error codes (RFC 9113 §7).
pub const NO_ERROR: u32 = 0x0;
pub const PROTOCOL_ERROR: u32 = 0x1;
pub const INTERNAL_ERROR: u32 = 0x2;
pub const FLOW_CONTROL_ERROR: u32 = 0x3;
pub const STREAM_CLOSED: u32 = 0x5;
pub const FRAME_SIZE_ERROR: u32 = 0x6;
pub const REFUSED_STREAM: u32 = 0x7;
pub const CANCEL: u32 = 0x8;
pub const COMPRESSION_ERROR: u32 = 0x9;
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// One frame's bytes.
pub fn encode(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9 + payload.len());
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The payload of SETTINGS.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let pair = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    values.iter().flat_map(pair).collect()
}

/// A frame that was read. A header block is one frame here, however many it came in.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    Data {
        stream: u32,
        end: bool,
        bytes: Bytes,
    },
    Headers {
        stream: u32,
        end: bool,
        fields: Fields,
    },
    Reset {
        stream: u32,
        code: u32,
    },
    Settings {
        ack: bool,
        values: Vec<(u16, u32)>,
    },
    Ping {
        ack: bool,
        opaque: [u8; 8],
    },
    GoAway {
        last: u32,
        code: u32,
        debug: Bytes,
    },
    WindowUpdate {
        stream: u32,
        by: u32,
    },
    Other {
        kind: u8,
        stream: u32,
    },
}

impl Frame {
    /// The stream it belongs to; 0 is the connection.
    pub fn stream(&self) -> u32 {
        match *self {
            Self::Data { stream, .. }
            | Self::Headers { stream, .. }
            | Self::Reset { stream, .. }
            | Self::WindowUpdate { stream, .. }
            | Self::Other { stream, .. } => stream,
            Self::Settings { .. } | Self::Ping { .. } | Self::GoAway { .. } => 0,
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = |end: &bool| if *end { " END_STREAM" } else { "" };
        match self {
            Self::Data { stream, end, bytes } => {
                write!(f, "DATA stream={stream}{} len={}", ended(end), bytes.len())
            }
            Self::Headers {
                stream,
                end,
                fields,
            } => write!(f, "HEADERS stream={stream}{} {fields:?}", ended(end)),
            Self::Reset { stream, code } => write!(f, "RST_STREAM stream={stream} {}", name(*code)),
            Self::Settings { ack: true, .. } => write!(f, "SETTINGS ACK"),
            Self::Settings { values, .. } => write!(f, "SETTINGS {values:?}"),
            Self::Ping { ack, opaque } => {
                write!(f, "PING{} {opaque:?}", if *ack { " ACK" } else { "" })
            }
            Self::GoAway { last, code, debug } => {
                write!(f, "GOAWAY last={last} {} {debug:?}", name(*code))
            }
            Self::WindowUpdate { stream, by } => {
                write!(f, "WINDOW_UPDATE stream={stream} by={by}")
            }
            Self::Other { kind, stream } => write!(f, "type {kind:#x} stream={stream}"),
        }
    }
}

/// The name of an error code.
pub fn name(code: u32) -> String {
    let names = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    names
        .get(code as usize)
        .map_or_else(|| format!("{code:#x}"), |name| (*name).to_owned())
}
