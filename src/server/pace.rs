//! What does a listener's error mean, and whose turn is it then?
//!
//! An error of one connection is no reason to keep the next one waiting; being out of descriptors is, since trying
//! again at once would only spin. And a listener that never has to wait must not keep its thread for itself.

use std::io;

/// So many in a row, without having to wait for one, and others have their turn.
const IN_A_ROW: u32 = 32;

/// Nobody's error has more errors below it; one that goes round in a circle does.
const MAX_SOURCES: usize = 16;

/// What the listener gave.
#[derive(Clone, Copy)]
pub(crate) enum Took {
    /// A connection that is served.
    Connection,
    /// An error of one connection, or one that is not served.
    Nothing,
    /// An error of the process: it has no descriptors or no memory left.
    Exhausted,
}

/// Whose turn it is after that.
pub(crate) enum Turn {
    Goes,
    /// Other tasks'.
    Yields,
    /// Nobody's, for a while.
    Pauses,
}

/// What the listener gave in a row, without having to wait for it.
#[derive(Default)]
pub(crate) struct Row {
    all: u32,
    /// At the end of the row, without a connection among them.
    useless: u32,
}

impl Row {
    /// Whose turn it is when the listener has given this.
    pub(crate) fn after(&mut self, took: Took) -> Turn {
        self.all += 1;
        match took {
            Took::Connection => self.useless = 0,
            Took::Nothing => self.useless = self.useless.saturating_add(1),
            Took::Exhausted => return Turn::Pauses,
        }
        if self.useless >= IN_A_ROW {
            return Turn::Pauses;
        }
        if self.all >= IN_A_ROW {
            self.all = 0;
            return Turn::Yields;
        }
        Turn::Goes
    }
}

/// Is the process out of what every connection needs? Any other error is of one connection.
pub(crate) fn is_exhaustion(error: &(dyn std::error::Error + 'static)) -> bool {
    // EMFILE, ENFILE, ENOMEM and ENOBUFS, which have no names in `std`.
    let codes: &[i32] = if cfg!(windows) {
        &[10_024, 10_055, 8, 14]
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        &[24, 23, 12, 105]
    } else {
        &[24, 23, 12, 55]
    };
    let is_one = |error: &io::Error| {
        let code = error.raw_os_error();
        error.kind() == io::ErrorKind::OutOfMemory || code.is_some_and(|code| codes.contains(&code))
    };
    std::iter::successors(Some(error), |error| error.source())
        .take(MAX_SOURCES)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
            is_one(error) || inner.is_some_and(is_one)
        })
}
