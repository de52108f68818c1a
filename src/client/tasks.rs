//! Which runtime do a channel's tasks run on?
//!
//! A channel may outlive the runtime that it was made in, and calls may come from another, or from a thread that
//! is in none: an exporter that drives its future by itself. So a channel keeps a handle of the runtime that it
//! was made in, its home.
//!
//! - What serves all calls, the attempts to connect and the connection, runs at home, so that it does not end with
//!   the runtime of one caller. A home with one thread moves only while somebody blocks on it, which cannot be
//!   seen from outside; a caller from another runtime then takes its own.
//! - What serves one call runs on its caller's runtime, whose timers and sockets the stream of requests may
//!   need; at home, if the caller has none.
//! - A home that has ended is replaced by the runtime of the next caller.
//!
//! That a runtime has ended cannot be asked; tasks are dropped by it, with or without having been polled. So what a
//! task's end means to others is told by a guard among the task's arguments, never by one made in its body.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::{Error, ErrorKind};
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// The runtimes that a channel knows of.
#[derive(Debug)]
pub(super) struct Tasks(Mutex<Home>);

#[derive(Debug)]
struct Home {
    /// The one that the channel was made in; or, if there was none or it has ended, that of the first caller after.
    runtime: Option<Handle>,
    /// How many have ended: tells each from those before it.
    ended: u64,
}

/// Where a task that serves all calls shall run.
pub(super) struct Place {
    pub(super) runtime: Handle,
    pub(super) home: Option<HomeId>,
}

/// Tells a home from those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HomeId(u64);

impl Tasks {
    /// At home in the current runtime, if there is one.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Home {
            runtime: Handle::try_current().ok(),
            ended: 0,
        }))
    }

    /// Where to run what serves all calls.
    ///
    /// # Errors
    /// If there is no runtime at all.
    pub(super) fn place(&self) -> Result<Place, NoRuntime> {
        let mut home = self.lock();
        let id = HomeId(home.ended);
        let current = Handle::try_current().ok();
        match (&home.runtime, current) {
            (Some(runtime), Some(current))
                if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread =>
            {
                Ok(Place {
                    runtime: current,
                    home: None,
                })
            }
            (Some(runtime), _) => Ok(Place {
                runtime: runtime.clone(),
                home: Some(id),
            }),
            (None, Some(current)) => {
                home.runtime = Some(current.clone());
                Ok(Place {
                    runtime: current,
                    home: Some(id),
                })
            }
            (None, None) => Err(home.missing()),
        }
    }

    /// Where to run what serves one call.
    ///
    /// # Errors
    /// If there is no runtime at all.
    pub(super) fn of_call(&self) -> Result<Handle, NoRuntime> {
        Handle::try_current().or_else(|_| {
            let home = self.lock();
            home.runtime.clone().ok_or_else(|| home.missing())
        })
    }

    /// Whose timers to use where there is no current runtime.
    pub(super) fn home(&self) -> Option<Handle> {
        self.lock().runtime.clone()
    }

    /// This home runs no tasks any more.
    pub(super) fn ended(&self, id: HomeId) {
        let mut home = self.lock();
        if home.ended == id.0 {
            home.ended += 1;
            home.runtime = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Home> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Home {
    #[cold]
    fn missing(&self) -> NoRuntime {
        NoRuntime {
            ended: self.ended > 0,
        }
    }
}

/// There is none to run on.
#[derive(Debug)]
pub(super) struct NoRuntime {
    /// There was one.
    ended: bool,
}

impl std::fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.ended {
            "the one of the channel has ended"
        } else {
            "the channel was made outside of any"
        };
        write!(
            f,
            "there is no tokio runtime to run on: this call is polled outside of any, and {what}; make the channel \
             in a runtime that outlives it, or poll the call in one"
        )
    }
}

impl From<NoRuntime> for Status {
    fn from(none: NoRuntime) -> Self {
        Self::library(Code::Unavailable, none.to_string(), Origin::Library)
    }
}

impl From<NoRuntime> for Error {
    fn from(none: NoRuntime) -> Self {
        Self::new(ErrorKind::Connect, format!("cannot connect: {none}"))
    }
}
