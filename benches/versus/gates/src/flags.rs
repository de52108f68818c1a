//! Flags of the programs: `--name value` pairs, and the runtime they choose.

use std::collections::HashMap;
use std::future::Future;

/// The flags as they were given. A name that no program asks for is an error, told by [`Flags::done`].
pub struct Flags {
    given: HashMap<String, String>,
}

impl Flags {
    /// Reads the command line.
    pub fn from_env() -> Flags {
        let mut given = HashMap::new();
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            match (name.strip_prefix("--"), arguments.next()) {
                (Some(name), Some(value)) => given.insert(name.to_owned(), value),
                _ => usage(&format!("{name:?}: flags come as pairs, `--name value`")),
            };
        }
        Flags { given }
    }

    /// The value of `--name`.
    pub fn word(&mut self, name: &str, default: &str) -> String {
        self.given
            .remove(name)
            .unwrap_or_else(|| default.to_owned())
    }

    /// The value of `--name`, a number.
    pub fn number(&mut self, name: &str, default: usize) -> usize {
        match self.given.remove(name) {
            None => default,
            Some(value) => value
                .parse()
                .unwrap_or_else(|_| usage(&format!("--{name} {value:?}: a number is wanted"))),
        }
    }

    /// Ends the process when a flag is left that nobody asked for, and starts counting allocations if that was asked for.
    ///
    /// Called when every flag has been read and before any work.
    pub fn done(mut self) {
        if self.number("count-allocations", 0) != 0 {
            crate::meter::count_allocations();
        }
        if let Some(name) = self.given.keys().next() {
            usage(&format!("--{name}: no such flag"));
        }
    }
}

/// Says what is wrong with the command line and ends the process with status 2.
pub fn usage(problem: &str) -> ! {
    eprintln!("{problem}");
    std::process::exit(2)
}

/// Runs `program` on the runtime named `ct` (one thread, what callgrind repeats exactly) or `mt` (tokio's default, what users run).
///
/// On `mt` the program itself is a task, as its connections are, and not the future of `block_on`, which no worker runs.
pub fn run_on<F>(runtime: &str, program: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let runtime = match runtime {
        "ct" => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
        "mt" => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build(),
        other => usage(&format!("--runtime {other:?}: `ct` or `mt` is wanted")),
    };
    let runtime = runtime.expect("a runtime starts");
    runtime.block_on(async {
        tokio::spawn(program)
            .await
            .expect("the program's task ends by itself")
    })
}
