//! Both ends are temaki's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use temaki::codec::{Compression, ContentCodec, Corrupt, Deflater, Inflater, Progress};

use super::support::shapes::{self, Shape};
use crate::*;

fn channel(server: &TestServer) -> Channel {
    Channel::connect_lazy(format!("http://{}", server.addr)).expect("a target")
}

/// Each coding, both ways, in all five kinds of call; and one end that compresses while the other does not.
#[tokio::test]
async fn b19_each_coding_both_ways_in_all_kinds_of_call() {
    for &encoding in CompressionEncoding::ALL {
        for (asks, answers) in [(true, true), (true, false), (false, true)] {
            let mut builder = Server::builder().compression_threshold(10);
            if asks {
                builder = builder.accept_compressed(encoding);
            }
            if answers {
                builder = builder.send_compressed(encoding);
            }
            let server = TestServer::start(builder).await;
            let mut channel = channel(&server).compression_threshold(10);
            if asks {
                channel = channel.send_compressed(encoding);
            }
            if answers {
                channel = channel.accept_compressed(encoding);
            }
            for shape in Shape::ALL {
                let call = soon("a call", shapes::call(&channel, shape)).await;
                call.unwrap_or_else(|status| panic!("{encoding} {shape:?}: {status}"));
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_compresses_for_a_server_that_does_not_read_it_has_a_status_that_names_the_remedy()
 {
    let server = TestServer::start(Server::builder()).await;
    let channel = channel(&server);
    let channel = channel.send_compressed(CompressionEncoding::Gzip);
    for shape in Shape::ALL {
        let call = soon("a call", shapes::call(&channel, shape)).await;
        let status = call.unwrap_err();
        assert_eq!(
            (status.code(), status.origin()),
            (Code::Unimplemented, Origin::Peer)
        );
        assert!(status.message().contains("Server::accept_compressed_all()"));
    }
}

#[tokio::test]
async fn long_messages_and_short_ones_in_one_held_call() {
    let builder = Server::builder().accept_compressed_all();
    let server = TestServer::start(builder.send_compressed(CompressionEncoding::Zstd)).await;
    let channel = channel(&server).accept_compressed_all();
    let channel = channel.send_compressed(CompressionEncoding::Gzip);
    let path = PathAndQuery::from_static("/test.Kit/Both");
    let mut call = channel.start(path, BytesCodec);
    for len in [10, 2000, 1 << 20, 0, 200_000, 3 << 20, 1] {
        let message = Bytes::from(vec![b'x'; len]);
        call.send(message.clone()).await.unwrap();
        assert!(call.message().await.unwrap().unwrap() == message, "{len}");
        call.send_as_is(message.clone()).await.unwrap();
        assert!(call.message().await.unwrap().unwrap() == message, "{len}");
    }
    call.half_close().await.unwrap();
    assert!(call.message().await.unwrap().is_none());
}

/// A coding that is none, and counts.
#[derive(Clone, Debug, Default)]
struct Counting {
    inflated: Arc<AtomicUsize>,
    deflated: Arc<AtomicUsize>,
}

impl ContentCodec for Counting {
    fn name(&self) -> &str {
        "x-last"
    }

    fn inflater(&self) -> Box<dyn Inflater> {
        Box::new(self.clone())
    }

    fn deflater(&self) -> Box<dyn Deflater> {
        Box::new(self.clone())
    }
}

/// A message of 100 equal bytes is sent as one of them.
impl Inflater for Counting {
    fn begin(&mut self) {
        self.inflated.fetch_add(1, Ordering::Relaxed);
    }

    fn inflate(&mut self, payload: &[u8], message: &mut [u8]) -> Result<Progress, Corrupt> {
        let (Some(byte), Some(room)) = (payload.first(), message.get_mut(..100)) else {
            return Err(Corrupt::new("no byte, or no room"));
        };
        room.fill(*byte);
        Ok(Progress {
            read: 1,
            written: 100,
            is_done: true,
        })
    }
}

impl Deflater for Counting {
    fn deflate(&mut self, message: &[u8], payload: &mut [u8]) -> Result<Option<usize>, Corrupt> {
        if message.len() != 100 {
            return Ok(None);
        }
        self.deflated.fetch_add(1, Ordering::Relaxed);
        payload[0] = message[0];
        Ok(Some(1))
    }
}

#[tokio::test]
async fn a_coding_of_the_users_serves_both_ends() {
    let counting = Counting::default();
    let coding = Compression::custom(counting.clone());
    let builder = Server::builder().accept_compressed(coding.clone());
    let builder = builder
        .send_compressed(coding.clone())
        .compression_threshold(100);
    let server = TestServer::start(builder).await;
    let channel = channel(&server).accept_compressed(coding.clone());
    let channel = channel.send_compressed(coding).compression_threshold(100);
    for shape in Shape::ALL {
        let call = soon("a call", shapes::call(&channel, shape)).await;
        call.unwrap_or_else(|status| panic!("{shape:?}: {status}"));
    }
    // 1 + 1, 0 + 10, 10 + 0, 10 + 10, 10 + 10
    assert_eq!(counting.deflated.load(Ordering::Relaxed), 62);
    assert_eq!(counting.inflated.load(Ordering::Relaxed), 62);
}
