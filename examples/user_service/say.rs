//! Standard output that may have no reader.

use std::fmt::Display;
use std::io::Write;

/// As `println!`, which panics once the reader has gone (`| head`, `| grep -q`). A server goes on
/// serving.
pub fn say(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
