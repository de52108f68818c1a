//! By what is a connection made, and for whom?

use std::sync::{Arc, Weak};

use super::config::{PerConnection, PingPolicy};
use super::places::Waiters;
use super::reports::Owner;

/// What an attempt is made by.
pub(super) struct Plan {
    pub(super) config: Arc<PerConnection>,
    /// Those of `config`, or calmer ones, once a server has complained.
    pub(super) keepalive: PingPolicy,
    /// What the connection is made for.
    pub(super) owner: Weak<dyn Owner>,
    /// Where calls wait for a place on it.
    pub(super) waiters: Waiters,
}
