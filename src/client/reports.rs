//! What does a connection report to its subchannel?
//!
//! That no more calls may start on it, and what its peer complained of. The connection knows its subchannel as an [`Owner`]
//! and does not keep it: a channel that was dropped is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use crate::conn::announced::GoAway;

/// What a connection was made for, which is a subchannel.
pub(super) trait Owner: Send + Sync {
    /// A number for one more connection, which no other has.
    fn next_id(&self) -> u64;

    /// No more calls may start on connection `id`.
    fn lost(&self, id: u64);

    /// The peer finds that it is asked too often whether it is there.
    fn too_many_pings(&self);
}

/// Leads from a connection to its subchannel.
#[derive(Clone)]
pub(super) struct Handle {
    owner: Weak<dyn Owner>,
    /// The connection's number, which no other connection of the subchannel has.
    pub(super) id: u64,
}

impl Handle {
    /// No more calls may start on the connection.
    pub(super) fn lost(&self) {
        if let Some(owner) = self.owner.upgrade() {
            owner.lost(self.id);
        }
    }
}

/// What a connection reports to the subchannel that it was made for. Dropping this reports that the connection is over.
pub(super) struct Reports {
    pub(super) owner: Handle,
    pub(super) loss: Arc<Loss>,
}

/// Whether no more calls may start on a connection. It may be told of one that has not yet been handed over: SETTINGS
/// and GOAWAY can arrive together.
#[derive(Debug, Default)]
pub(super) struct Loss {
    lost: AtomicBool,
    /// What the peer said, if it did.
    said: OnceLock<String>,
}

impl Loss {
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn said(&self) -> Option<&str> {
        self.said.get().map(String::as_str)
    }
}

impl Reports {
    /// For one more connection.
    pub(super) fn new(owner: &Weak<dyn Owner>) -> Self {
        let id = owner.upgrade().map(|owner| owner.next_id());
        Self {
            owner: Handle {
                owner: owner.clone(),
                id: id.unwrap_or_default(),
            },
            loss: Arc::default(),
        }
    }

    /// No more calls may start on the connection.
    pub(super) fn lost(&self) {
        self.loss.lost.store(true, Ordering::Relaxed);
        self.owner.lost();
    }

    /// The same, by the peer's GOAWAY.
    pub(super) fn turned_away(&self, goaway: &GoAway) {
        let _ = self.loss.said.set(goaway.to_string());
        self.lost();
    }

    /// The peer finds that it is asked too often whether it is there.
    pub(super) fn too_many_pings(&self) {
        if let Some(owner) = self.owner.owner.upgrade() {
            owner.too_many_pings();
        }
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.lost();
    }
}
