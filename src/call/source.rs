//! Where one stream's DATA comes from, and when the peer may send more.
//!
//! Straight out of `h2`, as long as the reader is the only one who can reach the stream; or out of its
//! [`Inbox`], once the reader may lag. Credit follows what the reader takes, either way.

use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;

use crate::call::Side;
use crate::call::buffered::status_of_limit;
use crate::call::ending::status_of;
use crate::conn::inbox::{Broken, Inbox};
use crate::conn::ledger::FORGOTTEN;
use crate::conn::unread::Unread;
use crate::status::Status;

#[cfg(feature = "server")]
use crate::conn::inbox::Keeper;

/// A reader that has waited so often for DATA may wait long: its stream gets an inbox. Most answers of one
/// message are there before anybody asks, and do without.
const PATIENCE: u8 = 2;

/// The DATA of one stream.
#[derive(Debug)]
pub(crate) struct Source {
    reach: Reach,
    pub(crate) side: Side,
    /// END_STREAM or trailers have come and were seen: there is no more DATA.
    ended: bool,
    /// The call's time is over: what is on its way may still be read, and no more.
    is_late: bool,
    /// How often the reader has waited, while it had no inbox. `<= PATIENCE`.
    waited: u8,
    /// How many frames it has read, while it had no inbox.
    frames: u32,
    /// Bytes that were taken, and whose credit was not given back, because that is a lock less. It is less than
    /// the connection's [`portion`](Unread::portion), but where no more is given.
    owed: usize,
    pub(super) unread: Arc<Unread>,
}

/// Who can reach it.
#[derive(Debug)]
enum Reach {
    /// The reader alone.
    Own(RecvStream),
    /// The connection's task too, when the reader lags.
    Inbox(Arc<Inbox>),
    /// For the moment between the two.
    None,
}

impl Source {
    pub(crate) fn new(stream: RecvStream, side: Side, unread: Arc<Unread>) -> Self {
        Self {
            reach: Reach::Own(stream),
            side,
            ended: false,
            is_late: false,
            waited: 0,
            frames: 0,
            owed: 0,
            unread,
        }
    }

    /// The reader may lag: from here on the connection can take from `h2` what it leaves there.
    #[cold]
    pub(crate) fn share(&mut self, waker: Option<&Waker>) {
        self.reach = match std::mem::replace(&mut self.reach, Reach::None) {
            Reach::Own(stream) => {
                Reach::Inbox(Inbox::new(stream, waker.cloned(), self.unread.clone()))
            }
            shared => shared,
        };
    }

    /// As [`share`](Self::share), for a call that goes on when its reader is dropped. What this gives is held until
    /// the call is over.
    #[cfg(feature = "server")]
    pub(crate) fn share_with_call(&mut self) -> Option<Keeper> {
        self.share(None);
        match &self.reach {
            Reach::Inbox(inbox) => Some(inbox.keeper()),
            Reach::Own(_) | Reach::None => None,
        }
    }

    /// The next frame, or several that were put together; `None` at the end.
    #[inline]
    pub(crate) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Status>> {
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        let side = self.side;
        let polled = match &mut self.reach {
            Reach::Own(stream) => {
                let Poll::Ready(polled) = stream.poll_data(cx) else {
                    self.has_waited(cx);
                    return Poll::Pending;
                };
                self.frames += u32::from(polled.is_some());
                polled.map(|chunk| chunk.map_err(|error| status_of(error, side)))
            }
            Reach::Inbox(inbox) => ready!(inbox.poll_data(cx)).map(|chunk| {
                chunk.map_err(|broken| match broken {
                    Broken::H2(error) => status_of(error, side),
                    Broken::Shed(limit) => status_of_limit(limit),
                })
            }),
            Reach::None => None,
        };
        match polled {
            Some(Ok(chunk)) => {
                self.give_credit(chunk.len());
                Poll::Ready(Ok(Some(chunk)))
            }
            Some(Err(status)) => Poll::Ready(Err(status)),
            None => {
                self.ended = true;
                Poll::Ready(Ok(None))
            }
        }
    }

    fn has_waited(&mut self, cx: &mut Context<'_>) {
        self.waited += 1;
        if self.waited == PATIENCE {
            self.share(Some(cx.waker()));
        }
    }

    /// The trailers, once [`poll_data`](Self::poll_data) has said `None`; `None` if the peer sent none.
    pub(crate) fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, Status>> {
        let side = self.side;
        let polled = match &mut self.reach {
            Reach::Own(stream) => stream.poll_trailers(cx),
            Reach::Inbox(inbox) => inbox.poll_trailers(cx),
            Reach::None => Poll::Ready(Ok(None)),
        };
        polled.map_err(|error| status_of(error, side))
    }

    /// The trailers, if nothing else is left of the stream. `None` says nothing about it: then ask
    /// [`poll_data`](Self::poll_data). It is asked where DATA is not expected, and spares the look for it, in which
    /// `h2` takes the trailers out of their queue and puts them back.
    #[cfg(feature = "client")]
    pub(crate) fn trailers_now(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Option<Result<Option<HeaderMap>, Status>> {
        // `h2` gives them in their turn only: behind DATA that was not taken they are `Pending`.
        let Reach::Own(stream) = &mut self.reach else {
            return None;
        };
        let Poll::Ready(polled) = stream.poll_trailers(cx) else {
            return None;
        };
        self.ended = polled.is_ok();
        Some(polled.map_err(|error| status_of(error, self.side)))
    }

    /// Whether all has come and was read: no poll is needed to know.
    pub(crate) fn is_finished(&mut self) -> bool {
        self.ended = match &self.reach {
            Reach::Own(stream) => stream.is_end_stream(),
            Reach::Inbox(inbox) => inbox.is_end_stream(),
            Reach::None => true,
        };
        self.ended
    }

    /// From here on the peer is given no more credit.
    pub(crate) fn give_no_more_credit(&mut self) {
        self.is_late = true;
    }

    /// Tells `h2` that `len` bytes were taken, so that the peer may send as many again.
    fn give_credit(&mut self, len: usize) {
        self.owed += len;
        if self.owed >= self.unread.portion && !self.is_late {
            match &mut self.reach {
                // It fails only if more is given back than was received, which this line cannot do.
                Reach::Own(stream) => drop(stream.flow_control().release_capacity(self.owed)),
                Reach::Inbox(inbox) => inbox.release(self.owed),
                Reach::None => {}
            }
            self.owed = 0;
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        match &self.reach {
            Reach::Own(stream) => {
                // A small stream that was read to its end is in nobody's books.
                if !(self.ended && self.frames <= FORGOTTEN) {
                    self.unread.gone(stream.stream_id().as_u32());
                }
            }
            Reach::Inbox(inbox) => inbox.leave(self.ended),
            Reach::None => {}
        }
    }
}
