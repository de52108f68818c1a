//! A test in a process of its own: what such a process holds, nobody but the test does.
//!
//! Tests of one program run in threads of one process. A neighbour's runtime, begun or ended at any time, takes
//! and gives back descriptors and memory of the same process, and so whoever counts those has to be alone.

use std::process::Command;

/// Set in such a process: how many descriptors it may have.
const ALONE: &str = "TEMAKI_ALONE";

/// Runs `test` again, alone in a process that may have `wanted` descriptors, or as many as this user may have.
/// There, gives how many that is; here, `None`, when it has passed.
pub fn alone_with(test: &str, wanted: usize) -> Option<usize> {
    if let Ok(descriptors) = std::env::var(ALONE) {
        return Some(descriptors.parse().expect("a number of descriptors"));
    }
    let script = format!(
        "n={wanted}
         hard=$(ulimit -Hn)
         [ \"$hard\" = unlimited ] || [ \"$hard\" -ge $n ] || n=$hard
         ulimit -Sn $n
         export {ALONE}=$n
         exec \"$0\" {test} --exact --nocapture"
    );
    let ran = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(std::env::current_exe().expect("this program"))
        .output()
        .expect("a shell");
    // Shown or not, as is all that a test prints.
    print!("{}", String::from_utf8_lossy(&ran.stdout));
    eprint!("{}", String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{test}, in a process of its own");
    None
}
