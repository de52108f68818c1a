//! Ctrl-C and SIGTERM, the ways in which people and their supervisors ask a server to end.

use std::io;
#[cfg(unix)]
use std::time::{Duration, Instant};

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that come within this time of the last one are the same request to end: `timeout`, for example, signals its child and the
/// child's process group.
#[cfg(unix)]
const SAME: Duration = Duration::from_secs(1);

/// From here on the signals no longer kill the process: the program must wait for [`Signals::next`].
pub struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    /// When the last signal came that counted.
    #[cfg(unix)]
    last: Option<Instant>,
}

impl Signals {
    #[cfg(unix)]
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            last: None,
        })
    }

    #[cfg(not(unix))]
    pub fn catch() -> io::Result<Self> {
        Ok(Self {})
    }

    /// The name of the next signal.
    #[cfg(unix)]
    pub async fn next(&mut self) -> &'static str {
        loop {
            let name = tokio::select! {
                _ = self.interrupt.recv() => "Ctrl-C",
                _ = self.terminate.recv() => "SIGTERM",
            };
            let now = Instant::now();
            if self.last.is_none_or(|last| now - last >= SAME) {
                self.last = Some(now);
                return name;
            }
        }
    }

    /// The name of the next signal.
    #[cfg(not(unix))]
    pub async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await, // nothing can be caught here; it kills as it always did
        }
    }
}
