//! What to make of an answer that is not gRPC?
//!
//! A proxy answers for a server that is gone, a web server for one that was never there. Their pages are no
//! messages, so nothing of them is decoded; but what they say is worth more to people than any code that could be
//! guessed.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use h2::RecvStream;

use crate::call::timer::{self, Timer};
use crate::conn::unread::Unread;
use crate::status::Status;
use crate::trailers;

/// How much of the body is quoted.
const QUOTE: usize = 256;

/// How long a call waits for it.
const QUOTE_WAIT: Duration = Duration::from_millis(100);

/// What is known of such an answer, and the body that may tell more.
pub(super) struct Foreign {
    status: Status,
    body: RecvStream,
}

impl Foreign {
    pub(super) fn new(status: Status, body: RecvStream, unread: &Unread) -> Self {
        // A little of it is read, and soon; the connection's books need not know.
        unread.gone(body.stream_id().as_u32());
        Self { status, body }
    }

    /// Adds the start of the body to the status that says so: it tells people which proxy answered. A status
    /// in trailers wins over everything that was guessed.
    pub(super) async fn quote(self) -> Status {
        let Self { status, mut body } = self;
        let mut text = Vec::new();
        let mut read = pin!(async {
            while let Some(Ok(chunk)) = poll_fn(|cx| body.poll_data(cx)).await {
                let _ = body.flow_control().release_capacity(chunk.len());
                text.extend_from_slice(&chunk[..chunk.len().min(QUOTE - text.len())]);
                if text.len() == QUOTE {
                    return None;
                }
            }
            poll_fn(|cx| body.poll_trailers(cx))
                .await
                .ok()
                .flatten()
                .filter(trailers::has_status)
        });
        // Outside of any runtime nothing is waited for.
        let mut enough = Timer::new(timer::now().checked_add(QUOTE_WAIT));
        let trailers = poll_fn(|cx| match read.as_mut().poll(cx) {
            Poll::Pending => enough.poll(cx).map(|()| None),
            ready => ready,
        });
        let trailers = trailers.await;
        if let Some(trailers) = trailers {
            if let Err(status) = trailers::read_end(Some(trailers)) {
                return status;
            }
        }
        if text.is_empty() {
            return status;
        }
        let message = format!(
            "{}; its body begins {:?}",
            status.message(),
            String::from_utf8_lossy(&text)
        );
        Status::library(status.code(), message, status.origin())
    }
}
