//! What became of the calls of one kind of traffic.

use std::collections::BTreeMap;
use std::fmt;

use temaki::{Code, Status};

/// Calls that were begun, and how each has ended.
#[derive(Debug)]
pub(crate) struct Ledger {
    what: &'static str,
    begun: u64,
    ended: BTreeMap<String, u64>,
}

impl Ledger {
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            begun: 0,
            ended: BTreeMap::new(),
        }
    }

    /// `n` calls begin.
    pub(crate) fn begin(&mut self, n: u64) {
        self.begun += n;
    }

    /// A call has ended in a way that needs no code: it was dropped.
    pub(crate) fn end_as(&mut self, how: &str) {
        *self.ended.entry(how.to_owned()).or_default() += 1;
    }

    /// A call has ended, which may be with one of these codes.
    pub(crate) fn end<T>(&mut self, result: Result<T, Status>, may: &[Code]) {
        let code = match &result {
            Ok(_) => Code::Ok,
            Err(status) => status.code(),
        };
        assert!(
            may.contains(&code),
            "{}: {:?}",
            self.what,
            result.err().map(|status| status.to_string())
        );
        self.end_as(&format!("{code:?}"));
    }

    /// Each call that was begun has ended.
    pub(crate) fn adds_up(&self) {
        assert!(self.begun > 0, "{}: no call was made", self.what);
        assert_eq!(self.begun, self.ended.values().sum(), "{}", self.what);
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} calls, {:?}", self.what, self.begun, self.ended)
    }
}
