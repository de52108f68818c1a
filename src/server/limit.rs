//! How many calls may a server have at once?
//!
//! A connection's calls are bounded, and so are connections, but not their product. A server that knows what it can
//! bear says so (`max_concurrent_calls`), and sheds what is over before the handler runs: an answer at once is better
//! than one that comes too late, and other servers may take the call. Health checks are not shed: a server that is
//! busy is not ill.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::context::{CallContext, Incoming};
use super::end::Outcome;
use super::events::Events;
use super::route::CallFuture;
use super::router::Entry;
use crate::conn::counter::{Counted, Counter};
use crate::{Code, Origin, Status};

/// So many calls of a server may run, on all connections together.
pub(crate) struct CallLimit {
    limit: usize,
    open: Arc<Counter>,
}

impl CallLimit {
    pub(crate) fn new(limit: usize) -> Self {
        let open = Arc::default();
        Self { limit, open }
    }

    /// Begins a call, or answers that there are too many.
    #[cold]
    pub(crate) fn begin(
        &self,
        entry: &Arc<Entry>,
        incoming: Incoming,
        context: Arc<CallContext>,
        events: &Events,
    ) -> Result<CallFuture, Outcome> {
        // Counted first, so that two connections cannot both take the last place.
        let counted = self.open.clone().count();
        if self.open.more_than(self.limit) {
            drop(counted);
            return Err(events.shed(entry, incoming, context, self.status()));
        }
        let call = if events.watch_calls() {
            events.handle(entry, incoming, context)
        } else {
            entry.handle(incoming, context)
        }?;
        Ok(Box::pin(Limited {
            call,
            _counted: counted,
        }))
    }

    fn status(&self) -> Status {
        let message = format!(
            "the server has {} calls open, which is its max_concurrent_calls; try again later, or raise it there",
            self.limit
        );
        Status::library(Code::ResourceExhausted, message, Origin::LocalLimit)
    }
}

/// A call that counts.
struct Limited {
    /// Dropped before it is counted out: a handler that is counted as gone is gone.
    call: CallFuture,
    _counted: Counted,
}

impl Future for Limited {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.call.as_mut().poll(cx)
    }
}
