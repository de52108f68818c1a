//! A CSV file through `ImportUsers`, as a client does it.
//!
//! A client stream gets one response, at its end, so nothing can be said of a row before its call is
//! over. The file goes out in calls of a hundred rows, one after the other: each response is a step
//! of the progress line, and what it counts is in the server's file to stay.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use temaki::Status;
use temaki_protos::user::import_summary::Rejected;
use temaki_protos::user::user_service_client::UserServiceClient;
use temaki_protos::user::{ImportSummary, ImportUser};

use crate::csv::{Lines, User};
use crate::progress::Progress;

/// The service's own batch: fewer would pay more commits, more would show less often.
const ROWS_PER_CALL: usize = 100;

/// Ample for a hundred hashes on one slow core; a server that hangs shall not hang the import for
/// ever.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// What became of the lines of the file.
#[derive(Debug, Default, PartialEq)]
pub struct Imported {
    pub imported: u64,
    pub already_there: u64,
    /// Each was reported on standard error with its line's number and the reason.
    pub rejected: u64,
}

impl Imported {
    fn rows(&self) -> u64 {
        self.imported + self.already_there + self.rejected
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            imported,
            already_there,
            rejected,
        } = self;
        write!(f, "{} imported, ", count(*imported, "user", "users"))?;
        write!(
            f,
            "{} there already, ",
            count(*already_there, "was", "were")
        )?;
        write!(f, "{} rejected", count(*rejected, "line", "lines"))
    }
}

/// `1 line`, `2 lines`.
pub fn count(number: u64, one: &str, more: &str) -> String {
    let word = if number == 1 { one } else { more };
    format!("{number} {word}")
}

/// Adds to `total` after each call, so that its owner knows how far the import came when it drops this future. The error is a
/// sentence for people. What was imported before it stays, and the import can be run again.
pub async fn import(
    client: &UserServiceClient,
    path: &Path,
    total: &mut Imported,
) -> Result<(), String> {
    let cannot_read = |error| format!("cannot read {}: {error}", path.display());
    let mut lines = Lines::open(path).await.map_err(cannot_read)?;
    let mut progress = Progress::new(lines.size());
    let mut more = true;
    while more {
        // Read before the call begins: it has a deadline, and a file may be a slow pipe.
        let (mut numbers, mut users) = (Vec::new(), Vec::new());
        while more && users.len() < ROWS_PER_CALL {
            match lines.next().await.map_err(cannot_read)? {
                Some(line) => match line.user {
                    Ok(user) => {
                        numbers.push(line.number);
                        users.push(user);
                    }
                    Err(problem) => {
                        total.rejected += 1;
                        progress.note(&format!("line {}: {problem}", line.number));
                    }
                },
                None => more = false,
            }
        }
        let summary = send(client, users).await.map_err(failed)?;
        total.imported += summary.imported;
        total.already_there += summary.already_there;
        for Rejected { row, reason } in summary.rejected {
            total.rejected += 1;
            // The service counts the rows of a call, people the lines of their file.
            match numbers.get((row as usize).wrapping_sub(1)) {
                Some(number) => progress.note(&format!("line {number}: {reason}")),
                None => progress.note(&reason),
            }
        }
        progress.show(total.rows(), lines.read());
    }
    Ok(())
}

/// One call.
async fn send(client: &UserServiceClient, users: Vec<User>) -> Result<ImportSummary, Status> {
    let mut call = client.start_import_users().with_timeout(CALL_TIMEOUT);
    for User {
        username,
        password_hash,
    } in users
    {
        let row = ImportUser {
            username,
            password_hash,
        };
        if call.send(row).await.is_err() {
            break; // the call is over, and `message` says why
        }
    }
    let _ = call.half_close().await; // likewise
    Ok(call.message().await?.unwrap_or_default())
}

fn failed(status: Status) -> String {
    let code = status.code().name();
    format!("the import failed: {code}: {}", status.message())
}
