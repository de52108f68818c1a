//! A stream of answers written as straight-line code.
//!
//! A handler that streams has a loop in mind: find a thing, send it, wait if the caller is slow. A
//! [`ResponseStream`] is that loop. There is no channel and no task behind it: the loop is a future
//! that the call polls when it wants a message, and `send` hands one over through a single slot. It goes on
//! when the next one is wanted, and not before: a caller who takes nothing makes it hold no message ahead.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use crate::call::coding;
use crate::status::{Origin, Status};
use crate::wire::code;

/// Answers with the messages that a piece of `async` code sends.
///
/// ```
/// use temaki::{Response, ResponseStream, Status};
///
/// fn count(to: u32) -> Response<ResponseStream<u32>> {
///     Response::new(ResponseStream::new(async move |mut out| {
///         for n in 1..=to {
///             out.send(n).await?; // waits while the caller is slow
///         }
///         Ok(())
///     }))
/// }
/// ```
///
/// The code ends the stream: `Ok(())` with status OK after everything it sent, `Err(status)` with that
/// status. Dropping the stream drops the code where it stands; that is what happens when the caller
/// cancels, goes away, or the deadline passes.
pub struct ResponseStream<T> {
    /// `None` once it has ended.
    code: Option<Code>,
    shared: Arc<Shared<T>>,
    /// How the code ended, while its last message waits to be taken.
    end: Option<Result<(), Status>>,
}

type Code = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

/// Sends messages from inside a [`ResponseStream`].
pub struct ResponseSink<T> {
    shared: Arc<Shared<T>>,
}

/// What the stream and its sink have in common.
struct Shared<T> {
    slot: Mutex<Slot<T>>,
    /// The stream polls its code now, and will look at the slot when that returns. A sink that is polled by the same
    /// task meanwhile is polled from inside the code.
    is_inside: AtomicBool,
}

/// Where a message waits between `send` and the call that takes it.
struct Slot<T> {
    message: Option<T>,
    /// The message is not compressed, also where the call compresses the others.
    is_as_is: bool,
    /// Who waits for the slot to become free, and whether it said so from inside the code.
    waiting: Option<(Waker, bool)>,
    /// Who waits for a message to be there.
    reading: Option<Waker>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            message: None,
            is_as_is: false,
            waiting: None,
            reading: None,
        }
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            slot: Mutex::default(),
            is_inside: AtomicBool::new(false),
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_inside(&self) -> bool {
        self.is_inside.load(Ordering::Relaxed)
    }
}

impl<T: Send + 'static> ResponseStream<T> {
    /// A stream of what `code` sends through the sink it is given.
    pub fn new<F, Fut>(code: F) -> Self
    where
        F: FnOnce(ResponseSink<T>) -> Fut,
        Fut: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let shared = Arc::new(Shared::default());
        let sink = ResponseSink {
            shared: shared.clone(),
        };
        Self {
            code: Some(Box::pin(code(sink))),
            shared,
            end: None,
        }
    }
}

impl<T: Send + 'static> ResponseSink<T> {
    /// Sends one message. Waits until it has been taken and the next one is wanted, which is how a slow
    /// caller slows the handler down.
    ///
    /// It fails when the stream that would take the message is gone; `?` is the right answer, and is
    /// rarely seen at work, because the code is dropped together with its stream. Dropping the future
    /// before it is ready leaves open whether the message is sent: once it lies ready to be taken, it will be.
    pub async fn send(&mut self, message: T) -> Result<(), Status> {
        self.put(message, false).await
    }

    /// As [`send`](Self::send), for a message that is not compressed, also where the service compresses the others: a picture, or a
    /// secret whose length must not depend on what stands beside it.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn send_as_is(&mut self, message: T) -> Result<(), Status> {
        self.put(message, true).await
    }

    async fn put(&mut self, message: T, is_as_is: bool) -> Result<(), Status> {
        let mut message = Some(message);
        std::future::poll_fn(|cx| {
            let mut slot = self.shared.lock();
            if slot.message.is_none() && message.is_none() {
                return Poll::Ready(Ok(()));
            }
            // The stream holds the only other handle. A sink that outlives it talks to nobody.
            if Arc::strong_count(&self.shared) == 1 {
                return Poll::Ready(Err(dropped()));
            }
            if slot.message.is_none() {
                slot.message = message.take();
                slot.is_as_is = is_as_is;
            }
            let is_inside = self.shared.is_inside();
            slot.waiting = Some((cx.waker().clone(), is_inside));
            let reading = slot.reading.take();
            drop(slot);
            // Who polls the code around this finds the message; who reads elsewhere, in this task or another,
            // must be told.
            if let Some(reading) = reading.filter(|it| !(is_inside && it.will_wake(cx.waker()))) {
                reading.wake();
            }
            Poll::Pending
        })
        .await
    }
}

/// What a sink says that outlives its stream.
#[cold]
fn dropped() -> Status {
    let message = "the response stream was dropped";
    Status::library(code::Code::Cancelled, message, Origin::Library)
}

impl<T> Stream for ResponseStream<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(code) = &mut this.code {
            this.shared.is_inside.store(true, Ordering::Relaxed);
            let polled = code.as_mut().poll(cx);
            this.shared.is_inside.store(false, Ordering::Relaxed);
            if let Poll::Ready(end) = polled {
                this.code = None;
                this.end = Some(end);
            }
        }
        // What was sent last goes out before the end does.
        let mut slot = this.shared.lock();
        if let Some(message) = slot.message.take() {
            if slot.is_as_is {
                coding::mark_next();
            }
            // Straight-line code is polled again by the next `poll_next`, and needs no wake-up. Code that waits
            // inside a combinator with wakers of its own does, and so does a sink beside the stream.
            let waiting = slot.waiting.take();
            let waiting =
                waiting.filter(|(waker, inside)| !(*inside && waker.will_wake(cx.waker())));
            if let Some((waker, _)) = waiting {
                drop(slot);
                waker.wake();
            }
            return Poll::Ready(Some(Ok(message)));
        }
        match (this.end.take(), &this.code) {
            (Some(Err(status)), _) => Poll::Ready(Some(Err(status))),
            (Some(Ok(())), _) | (None, None) => Poll::Ready(None),
            (None, Some(_)) => {
                slot.reading = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for ResponseStream<T> {
    fn drop(&mut self) {
        // A sink that was moved out of the code, into a task of its own, learns that nobody listens.
        self.code = None;
        let waiting = self.shared.lock().waiting.take();
        self.shared = Arc::default();
        if let Some((waker, _)) = waiting {
            waker.wake();
        }
    }
}

impl<T> std::fmt::Debug for ResponseStream<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseStream")
            .field("ended", &self.code.is_none())
            .finish_non_exhaustive()
    }
}

impl<T> std::fmt::Debug for ResponseSink<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseSink")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn next<T: Send + 'static>(stream: &mut ResponseStream<T>) -> Option<T> {
        let next = std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await;
        next.map(|item| item.expect("a message"))
    }

    #[tokio::test]
    async fn no_message_is_made_before_it_is_wanted() {
        let made = Arc::new(AtomicU32::new(0));
        let count = made.clone();
        let mut stream = ResponseStream::new(async move |mut out| {
            for n in 1..=3 {
                count.store(n, Ordering::Relaxed);
                out.send(n).await?;
            }
            Ok(())
        });
        for n in 1..=3 {
            assert_eq!(next(&mut stream).await, Some(n));
            assert_eq!(made.load(Ordering::Relaxed), n, "and none ahead");
        }
        assert_eq!(next(&mut stream).await, None);
        assert_eq!(next(&mut stream).await, None);
    }

    #[tokio::test]
    async fn a_message_sent_by_another_task_arrives() {
        let mut stream = ResponseStream::new(async |mut out: ResponseSink<u32>| {
            let sender = tokio::spawn(async move {
                for n in 1..=3 {
                    out.send(n).await?;
                }
                Ok(())
            });
            sender.await.expect("a task that ends")
        });
        for n in 1..=3 {
            assert_eq!(next(&mut stream).await, Some(n));
        }
        assert_eq!(next(&mut stream).await, None);
    }

    /// A stream, and its sink outside of it.
    async fn apart() -> (ResponseStream<u32>, ResponseSink<u32>) {
        let (give, given) = tokio::sync::oneshot::channel();
        let mut stream = ResponseStream::new(async move |out| {
            let _ = give.send(out);
            std::future::pending().await
        });
        tokio::select! {
            biased;
            _ = next(&mut stream) => panic!("nothing was sent"),
            () = std::future::ready(()) => {}
        }
        (stream, given.await.expect("a sink"))
    }

    /// In one task the reader's waker is the sender's: it must be woken all the same.
    #[tokio::test(start_paused = true)]
    async fn s17_a_sink_polled_beside_its_stream_loses_no_wake_up() {
        let limit = std::time::Duration::from_secs(60);
        for way in 0..6 {
            let (mut stream, mut out) = apart().await;
            let read = async {
                for n in 1..=3 {
                    assert_eq!(next(&mut stream).await, Some(n));
                }
                std::future::pending::<()>().await;
            };
            let send = async {
                for n in 1..=3 {
                    out.send(n).await.expect("a stream that takes it");
                }
            };
            let both = async {
                match way {
                    0 => tokio::select! { biased; () = read => {}, () = send => {} },
                    1 => tokio::select! { biased; () = send => {}, () = read => {} },
                    2 => tokio::select! { () = read => {}, () = send => {} },
                    3 => drop(futures_util::future::select(Box::pin(read), Box::pin(send)).await),
                    4 => {
                        let all = [Box::pin(read) as Pin<Box<dyn Future<Output = ()> + Send>>];
                        let mut all: futures_util::stream::FuturesUnordered<_> =
                            all.into_iter().collect();
                        all.push(Box::pin(send));
                        futures_util::StreamExt::next(&mut all).await;
                    }
                    _ => {
                        let mut read = Box::pin(read);
                        let mut send = Box::pin(send);
                        // Each is polled by itself, and only then if it was woken.
                        std::future::poll_fn(|cx| {
                            let _ = read.as_mut().poll(cx);
                            send.as_mut().poll(cx)
                        })
                        .await;
                    }
                }
            };
            let ended = tokio::time::timeout(limit, both).await;
            ended.unwrap_or_else(|_| panic!("a wake-up was lost, way {way}"));
        }
    }

    #[tokio::test]
    async fn a_sink_that_outlives_its_stream_fails() {
        let (give, given) = tokio::sync::oneshot::channel();
        let mut stream = ResponseStream::new(async move |out: ResponseSink<u32>| {
            let _ = give.send(out);
            std::future::pending().await
        });
        let sender = tokio::spawn(async move {
            let mut out = given.await.expect("a sink");
            out.send(1).await.expect("a stream that takes it");
            out.send(2).await.expect_err("no stream")
        });
        assert_eq!(next(&mut stream).await, Some(1));
        drop(stream);
        let status = sender.await.expect("a task that ends");
        assert_eq!(status.code(), crate::Code::Cancelled);
    }
}
