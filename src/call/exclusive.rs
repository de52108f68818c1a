//! What is reached by `&mut` alone is as good as [`Sync`].
//!
//! A handler that lends its `Request<Streaming<T>>` across an `.await` has a future that is `Send` only if the
//! stream is `Sync`; what is inside need not be. `std` has no stable type for this. A mutex that is never locked
//! is one.

use std::sync::{Mutex, PoisonError};

/// A value that is `Sync` if it is `Send`.
pub(crate) struct Exclusive<T>(Mutex<T>);

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// The value. Nobody else can have it, so nothing is locked.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
