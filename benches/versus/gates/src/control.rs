//! How a script talks to a server: lines.
//!
//! On its standard output a server first says `listening PORT`. Each line it then reads is answered with `allocations=N bytes=N faults=N cpu_ns=N`; the end of its standard
//! input ends the process. So nothing outlives the script that started it, even one that crashed, and tools that report at exit (callgrind, strace) see a
//! clean one.

use std::io::{BufRead, Write};

use crate::meter::Reading;

/// Says which port it is and answers lines from a thread of its own, which sleeps in `read` while calls are measured.
pub fn listening(port: u16) {
    say(format_args!("listening {port}"));
    std::thread::spawn(|| {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() {
                break;
            }
            let now = Reading::now();
            say(format_args!(
                "allocations={} bytes={} faults={} cpu_ns={}",
                now.allocations, now.bytes, now.faults, now.cpu_ns
            ));
        }
        std::process::exit(0);
    });
}

/// Prints what a client has measured about itself between two readings, in which it made `calls`.
pub fn report(calls: u64, elapsed: std::time::Duration, before: Reading, after: Reading) {
    say(format_args!(
        "calls={calls} elapsed_ns={} allocations={} bytes={} faults={} cpu_ns={}",
        elapsed.as_nanos(),
        after.allocations - before.allocations,
        after.bytes - before.bytes,
        after.faults - before.faults,
        after.cpu_ns - before.cpu_ns
    ));
}

fn say(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    // The script went away: nobody is left to be told.
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}
