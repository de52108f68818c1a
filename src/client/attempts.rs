//! Who tries to connect, and what do connections tell?
//!
//! A subchannel that leaves IDLE sets one task to work, which attempts to connect until that succeeds or nobody
//! needs it any more. Neither it nor a connection holds the subchannel: when the last channel is dropped, it
//! is gone, and they find that out. Which state follows from what happened, the subchannel decides.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::endpoint::Config;
use super::subchannel::Subchannel;
use crate::{Error, ErrorKind};

/// Attempts to connect until one succeeds, or nobody needs it any more.
pub(super) async fn keep_trying(subchannel: Weak<Subchannel>) {
    let mut attempts = Attempts {
        subchannel,
        ended: false,
    };
    while let Some(this) = attempts.subchannel.upgrade() {
        let reports = Reports {
            subchannel: attempts.subchannel.clone(),
            id: this.last_id.fetch_add(1, Ordering::Relaxed) + 1,
        };
        let (connector, config) = (this.connector.clone(), next_config(&this));
        drop(this);
        // In a task of its own, so that a connector which panics is an attempt that failed.
        let attempt = async move { connector.connect(&config, reports).await };
        let result = tokio::spawn(attempt).await.unwrap_or_else(|_| {
            let what = "cannot connect: the connector panicked";
            Err(Error::new(ErrorKind::Connect, what))
        });

        let Some(this) = attempts.subchannel.upgrade() else {
            break;
        };
        let Some(wait) = this.attempted(result) else {
            break;
        };
        drop(this);
        tokio::time::sleep(wait).await;

        let wanted = attempts
            .subchannel
            .upgrade()
            .is_some_and(|this| this.try_again());
        if !wanted {
            break;
        }
    }
    attempts.ended = true;
}

/// The settings of the next connection.
fn next_config(subchannel: &Subchannel) -> Arc<Config> {
    let calmed = subchannel.calmed.load(Ordering::Relaxed);
    let config = &subchannel.config;
    match config.keepalive_interval {
        Some(interval) if calmed > 0 => {
            let mut config = Config::clone(config);
            let doubled = interval.saturating_mul(1u32.checked_shl(calmed).unwrap_or(u32::MAX));
            config.keepalive_interval = Some(doubled);
            Arc::new(config)
        }
        _ => config.clone(),
    }
}

/// The attempts of a subchannel. If they are dropped before their end, their runtime has stopped; calls from
/// another one begin anew.
struct Attempts {
    subchannel: Weak<Subchannel>,
    ended: bool,
}

impl Drop for Attempts {
    fn drop(&mut self) {
        let (false, Some(this)) = (self.ended, self.subchannel.upgrade()) else {
            return;
        };
        let what = "cannot connect: the runtime has stopped";
        this.stopped(Error::new(ErrorKind::Connect, what));
    }
}

/// What a connection tells the subchannel that it was made for. Dropping it tells that it is over.
pub(super) struct Reports {
    subchannel: Weak<Subchannel>,
    pub(super) id: u64,
}

impl Reports {
    /// No more calls may start on the connection.
    pub(super) fn lost(&self) {
        if let Some(subchannel) = self.subchannel.upgrade() {
            subchannel.lost(self.id);
        }
    }

    /// The peer finds that it is asked too often whether it is there.
    pub(super) fn too_many_pings(&self) {
        if let Some(subchannel) = self.subchannel.upgrade() {
            //= KEEPALIVE-DOUBLE  for all connections from now on
            subchannel.calmed.fetch_add(1, Ordering::Relaxed);
            #[cfg(feature = "tracing")]
            tracing::warn!(
                keepalive_interval = ?next_config(&subchannel).keepalive_interval,
                "the server said too_many_pings: the keepalive interval is doubled; raise http2_keep_alive_interval"
            );
        }
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.lost();
    }
}
