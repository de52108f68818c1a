//! A handler that answers at once and lets a task read the requests on: the mirror of an answer that waits for a
//! caller who takes nothing. The stream is open, no handler runs, and nothing waits to be sent.
//!
//! Guard: `stall_timeout`. Its connection is as far from it as any: everything that was said was taken.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use temaki::codec::BytesCodec;
use temaki::server::Methods;
use temaki::{ConnectInfo, Request, Response, Streaming};
use tokio::sync::mpsc;

use crate::*;

#[tokio::test(start_paused = true)]
async fn s13_a_request_that_is_read_on_after_its_answer_is_not_cut() {
    let (read, mut reads) = mpsc::unbounded_channel();
    let mut methods = Methods::new("test.On", Arc::new(read));
    methods.client_streaming(
        "Reads",
        BytesCodec,
        |read: Arc<mpsc::UnboundedSender<Bytes>>, request: Request<Streaming<Bytes>>| async move {
            let mut messages = request.into_inner();
            tokio::spawn(async move {
                while let Ok(Some(message)) = messages.message().await {
                    let _ = read.send(message);
                }
            });
            Ok(Response::new(Bytes::from("read on")))
        },
    );
    let builder = Server::builder().stall_timeout(Duration::from_secs(5));
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let server = builder.add_service(methods);
    let served = tokio::spawn(server.serve_connection(theirs, ConnectInfo::default()));
    let mut peer = Peer::client(ours, &[]).await;
    peer.headers(1, 0, &request("/test.On/Reads")).await;
    assert_eq!(peer.answer(1).await.expect_one(), "read on");
    for second in 0..30 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if second % 10 == 9 {
            peer.data(1, 0, &message("more")).await;
            assert_eq!(soon("a message", reads.recv()).await.unwrap(), "more");
        }
    }
    peer.ping().await;
    assert!(!served.is_finished());
    served.abort();
}
