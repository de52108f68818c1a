//! A request that is larger than what is handed to `h2` at once.
//!
//! It is sent as the peer takes it, in the caller's own task, while the answer is waited for: the answer may come
//! before the request is all sent, and is then the call's end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use h2::SendStream;

use super::retry::Failed;
use crate::call::send;
use crate::status::Origin;

/// Waits for `answer`, and meanwhile gives `body` to the peer as it takes it.
pub(super) async fn uploading<T>(
    stream: &mut SendStream<Bytes>,
    mut body: Bytes,
    answer: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    let mut answer = pin!(answer);
    let mut sent = false;
    let answer = poll_fn(|cx| {
        if !sent {
            match send::poll_send(stream, cx, &mut body) {
                Poll::Ready(Ok(())) => {
                    sent = true;
                    let _ = stream.send_data(Bytes::new(), true);
                }
                // The answer fails with it, and knows why.
                Poll::Ready(Err(_)) => sent = true,
                Poll::Pending => {}
            }
        }
        answer.as_mut().poll(cx)
    })
    .await;
    let by_peer = |failed: &Failed| failed.status.origin() == Origin::Peer;
    if !sent && answer.as_ref().err().is_none_or(by_peer) {
        //= GRPC-EARLY-CLOSE-CLIENT  answered before our end: RST_STREAM(NO_ERROR)
        stream.send_reset(h2::Reason::NO_ERROR);
    }
    answer
}
