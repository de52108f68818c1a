//! What several targets need: headers out of bytes, and conversations of frames out of bytes.

use std::future::Future;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

/// A header map: lines of `name:value`. What HTTP does not allow is left out, as it is on the wire.
pub fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().skip(1).position(|&byte| byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon + 1], &line[colon + 2..]);
        let name = HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// Runs `work` on a clock that jumps: an hour passes as soon as everybody waits for it.
pub fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(work);
}

/// Longer than every limit that a connection or a call has by itself.
pub const AN_HOUR: Duration = Duration::from_secs(3600);

/// What a peer says. The first byte tells how the others are meant: as bytes, or as frames, of which each
/// is type, flags, stream, length of the payload and the payload, so that most inputs are frames at all.
/// With bit 1, `opening` comes first.
pub fn speech(data: &[u8], opening: &[u8]) -> Vec<u8> {
    let Some((&how, mut rest)) = data.split_first() else {
        return Vec::new();
    };
    let mut said = if how & 2 == 0 {
        opening.to_vec()
    } else {
        Vec::new()
    };
    if how & 1 != 0 {
        said.extend_from_slice(rest);
        return said;
    }
    while let [kind, flags, stream, len, payload @ ..] = rest {
        let (payload, more) = payload.split_at(payload.len().min(usize::from(*len)));
        said.extend_from_slice(&[0, 0, payload.len() as u8, *kind, *flags, 0, 0, 0, *stream]);
        said.extend_from_slice(payload);
        rest = more;
    }
    said
}

/// Says all of it, reads whatever comes, and closes. A peer that does not listen is cut off.
pub async fn speak(io: DuplexStream, said: Vec<u8>) {
    let (mut read, mut write) = tokio::io::split(io);
    let speaking = async {
        let _ = write.write_all(&said).await;
        // What the other side makes of it may take its time: limits pass, answers come.
        tokio::time::sleep(AN_HOUR).await;
        let _ = write.shutdown().await;
    };
    let listening = async {
        let mut buffer = [0; 4096];
        while matches!(read.read(&mut buffer).await, Ok(len) if len > 0) {}
    };
    let _ = timeout(2 * AN_HOUR, async { tokio::join!(speaking, listening) }).await;
}

/// How long a message may become in the targets of the codings, in bytes: longer than what is inflated at once.
const MAX_MESSAGE: usize = 1 << 20;

/// A payload is inflated, up to the limit and no further; what it became is deflated and inflated again.
pub fn inflate(encoding: temaki::codec::CompressionEncoding, payload: &[u8]) {
    let Some(message) = temaki::__fuzz::inflate(encoding, payload, MAX_MESSAGE) else {
        return;
    };
    assert!(message.len() <= MAX_MESSAGE);
    if let Some(payload) = temaki::__fuzz::deflate(encoding, &message) {
        assert!(payload.len() < message.len());
        assert_eq!(temaki::__fuzz::inflate(encoding, &payload, MAX_MESSAGE), Some(message));
    }
}
