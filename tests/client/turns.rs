//! How often does a client's connection take its turn? Streams that are open and silent must not make a caller wait:
//! each turn more is a place at the back of the run queue.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::{ConnectInfo, Endpoint, Request, Server};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::support::*;

/// Counts how often it is read from: once in each turn that finds nothing.
struct Counting(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        dst: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, dst);
        if read.is_pending() {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        src: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, src)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The turns that a connection takes for 200 calls, beside so many streams that are open.
async fn turns(idle: u64) -> usize {
    let probe = Probe::default();
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let server = Server::builder().add_service(server::kit(&probe));
    let served = tokio::spawn(server.serve_connection(theirs, ConnectInfo::default()));
    let turns = Arc::new(AtomicUsize::new(0));
    let endpoint = Endpoint::from_static("http://pipe");
    let io = Counting(ours, turns.clone());
    let channel = endpoint.connect_with_io(io).await.expect("a channel");
    let mut open = Vec::new();
    for _ in 0..idle {
        let path = PathAndQuery::from_static("/test.Kit/Stay");
        let request = Request::new(Bytes::from_static(b"here"));
        let stay = channel.server_streaming(path, BytesCodec, request);
        let mut stay = stay.await.expect("an answer").into_inner();
        assert_eq!(stay.message().await.unwrap().unwrap(), "here");
        open.push(stay);
    }
    let before = turns.load(Ordering::Relaxed);
    for _ in 0..200 {
        let path = PathAndQuery::from_static("/test.Kit/Hello");
        let request = Request::new(Bytes::from_static(b"hello"));
        let call = channel.unary(path, BytesCodec, request);
        assert_eq!(soon("an answer", call).await.unwrap().into_inner(), "hello");
    }
    let took = turns.load(Ordering::Relaxed) - before;
    served.abort();
    took
}

#[tokio::test(start_paused = true)]
async fn s10_idle_streams_cost_a_caller_next_to_no_turn() {
    let alone = turns(0).await;
    for idle in [1, 100] {
        let beside = turns(idle).await;
        assert!(
            beside <= alone + alone / 20 + 5,
            "{beside} turns beside {idle}, {alone} alone"
        );
    }
}
