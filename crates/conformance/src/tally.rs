//! Checks are run by name, and the last line of a program counts them.

use std::future::Future;
use std::time::Duration;

/// How a check went; why it failed.
pub type Outcome = Result<(), String>;

/// What became of the checks so far.
#[derive(Debug)]
pub struct Tally {
    limit: Duration,
    passed: u32,
    failed: u32,
}

impl Tally {
    /// Each check has so much time: nothing may hang.
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            passed: 0,
            failed: 0,
        }
    }

    /// Runs a check, and says how it went.
    pub async fn check(&mut self, name: &str, check: impl Future<Output = Outcome>) {
        let outcome = tokio::time::timeout(self.limit, check).await;
        match outcome.unwrap_or_else(|_| Err("hangs".to_owned())) {
            Ok(()) => {
                self.passed += 1;
                println!("ok    {name}");
            }
            Err(reason) => {
                self.failed += 1;
                println!("FAIL  {name}: {reason}");
            }
        }
    }

    /// Prints the closing line and ends the program: with status 1 when a check failed.
    pub fn finish(self) -> ! {
        println!("{} passed, {} failed", self.passed, self.failed);
        std::process::exit(i32::from(self.failed > 0));
    }
}
