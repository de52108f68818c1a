//! One line on the terminal that says how far a long import is. Nothing at all when standard error
//! is not a terminal: a log file should not fill with it.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// No eye follows more.
const BETWEEN: Duration = Duration::from_millis(100);

pub struct Progress {
    /// Bytes of the whole file; 0 if it is not known.
    total: u64,
    started: Instant,
    /// When the line was painted last; `None` when there is no line to wipe.
    painted: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub fn new(total: u64) -> Self {
        Self {
            total,
            started: Instant::now(),
            painted: None,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Paints the line, if the output is a terminal: `rows` users, which lie in the first
    /// `bytes` of the file, are done.
    pub fn show(&mut self, rows: u64, bytes: u64) {
        let now = Instant::now();
        if self.terminal && self.painted.is_none_or(|last| now - last >= BETWEEN) {
            self.painted = Some(now);
            // To the first column; what is left of a longer line before it is erased.
            eprint!(
                "\r{}\x1b[K",
                line(rows, bytes, self.total, now - self.started)
            );
            let _ = std::io::stderr().flush();
        }
    }

    /// Says something that stays, terminal or not.
    pub fn note(&mut self, text: &str) {
        self.wipe();
        eprintln!("{text}");
    }

    fn wipe(&mut self) {
        if self.painted.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    /// Whatever is said next, result or error, begins on a clean line.
    fn drop(&mut self) {
        self.wipe();
    }
}

/// Rows differ little in length, so the bytes say how much is left without reading the file twice.
fn line(rows: u64, bytes: u64, total: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    let mut line = format!("{rows} users, {:.0} a second", rows as f64 / seconds);
    if total > 0 && bytes > 0 {
        let done = (bytes as f64 / total as f64).min(1.0);
        let left = seconds / done - seconds;
        line += &format!(
            ", {:.0} %, {} left",
            done * 100.0,
            clock(left.ceil() as u64)
        );
    }
    line
}

fn clock(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        // (rows, bytes, total, seconds, expected, why this row)
        for (rows, bytes, total, seconds, expected, why) in [
            (0, 0, 1000, 0, "0 users, 0 a second", "nothing is known yet"),
            (
                100,
                250,
                1000,
                1,
                "100 users, 100 a second, 25 %, 3 s left",
                "a quarter",
            ),
            (
                50,
                10,
                1000,
                10,
                "50 users, 5 a second, 1 %, 16 min 30 s left",
                "minutes",
            ),
            (
                1,
                1,
                1001,
                10,
                "1 users, 0 a second, 0 %, 2 h 46 min left",
                "hours",
            ),
            (
                10,
                1000,
                1000,
                2,
                "10 users, 5 a second, 100 %, 0 s left",
                "the end",
            ),
            (
                10,
                2000,
                1000,
                2,
                "10 users, 5 a second, 100 %, 0 s left",
                "the file grew meanwhile",
            ),
            (
                10,
                500,
                0,
                2,
                "10 users, 5 a second",
                "a pipe has no length",
            ),
        ] {
            assert_eq!(
                line(rows, bytes, total, Duration::from_secs(seconds)),
                expected,
                "{why}"
            );
        }
    }
}
