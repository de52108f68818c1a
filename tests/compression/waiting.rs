//! What a server holds of compressed messages that wait for their turn.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use temaki::codec::{Compression, ContentCodec, Corrupt, Deflater, Inflater, Progress};

use crate::*;

/// A coding whose messages are not whole before the gate is open. Each is long, and becomes one byte.
#[derive(Clone, Debug, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

impl ContentCodec for Gate {
    fn name(&self) -> &str {
        "x-gate"
    }

    fn inflater(&self) -> Box<dyn Inflater> {
        Box::new(self.clone())
    }

    fn deflater(&self) -> Box<dyn Deflater> {
        Box::new(self.clone())
    }
}

impl Inflater for Gate {
    fn begin(&mut self) {}

    fn announced_len(&self, _: &[u8]) -> Option<u64> {
        Some(1 << 20)
    }

    fn inflate(&mut self, payload: &[u8], message: &mut [u8]) -> Result<Progress, Corrupt> {
        let is_open = self.0.0.lock().unwrap();
        // A test that fails must end: then the gate is not opened.
        let patience = Duration::from_secs(60);
        let waited = self
            .0
            .1
            .wait_timeout_while(is_open, patience, |is_open| !*is_open);
        drop(waited.unwrap());
        message[0] = b'a';
        Ok(Progress {
            read: payload.len(),
            written: 1,
            is_done: true,
        })
    }
}

impl Deflater for Gate {
    fn deflate(&mut self, _: &[u8], _: &mut [u8]) -> Result<Option<usize>, Corrupt> {
        Ok(None)
    }
}

/// A payload that waits for its turn is held by the library, so `max_buffered_bytes` counts it.
#[test]
fn a_payload_that_waits_to_be_inflated_counts_as_buffered() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Each message that is inflated occupies a thread here.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores + 2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let gate = Gate::default();
        let builder = Server::builder()
            .max_buffered_bytes(1_000_000)
            .accept_compressed(Compression::custom(gate.clone()));
        let server = TestServer::start(builder).await;
        let mut peer = server.peer().await;
        let whole = coded(vec![0; 400_000]);
        for stream in [1, 3, 5] {
            let fields = request_with("/test.Kit/Join", &[("grpc-encoding", "x-gate")]);
            peer.headers(stream, 0, &fields).await;
            let (len, flags) = match stream {
                5 => (300_000, 0), // no more can be sent on a stream that is over
                _ => (whole.len(), END_STREAM),
            };
            peer.data_within_windows(stream, flags, &whole[..len]).await;
        }
        let answer = peer.answer(5).await;
        let text = answer.expect_status(code::RESOURCE_EXHAUSTED);
        assert!(text.contains("max_buffered_bytes"), "{text}");
        gate.open();
        for stream in [1, 3] {
            assert_eq!(peer.answer(stream).await.expect_one(), "a");
        }
        // There is room again.
        peer.headers(7, 0, &request_with(ECHO, &[("grpc-encoding", "x-gate")]))
            .await;
        peer.data_within_windows(7, END_STREAM, &coded(vec![0; 900_000]))
            .await;
        assert_eq!(peer.answer(7).await.expect_one(), "a");
    });
}
