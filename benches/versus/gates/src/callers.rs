//! Making calls: the same loop for every client, so that clients differ in the call alone.
//!
//! So many tasks a connection, each with its own handle of the client, call until the calls of the round are used up. What a call gives back is checked by the
//! client's program; one that is wrong ends the process ([`fail`]), because a figure of calls that failed is no figure.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use bytes::Bytes;

use crate::control;
use crate::echo;
use crate::flags::{self, Flags};
use crate::meter::Reading;

/// Which method is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A small unary call.
    Say,
    /// A stream of small messages.
    Repeat,
    /// A unary call in bulk.
    Carry,
}

/// What a client is to do, from its flags.
#[derive(Debug)]
pub struct Plan {
    /// `--port`: the server's, on loopback.
    pub port: u16,
    /// `--method`: `say`, `repeat` or `carry`.
    pub method: Method,
    /// `--text-bytes`: the text that is sent, and that answers carry.
    pub text: String,
    /// The same bytes, for `Carry`.
    pub payload: Bytes,
    /// `--times`: messages that answer a `Repeat`.
    pub times: u32,
    /// `--connections`.
    pub connections: usize,
    /// `--in-flight`: calls at a time on each connection.
    pub in_flight: usize,
    warm_up: usize,
    calls: usize,
    /// Calls begun in this round.
    begun: AtomicUsize,
}

impl Plan {
    /// Reads the flags that every client has. A plan lives as long as the process.
    pub fn from_flags(flags: &mut Flags) -> &'static Plan {
        let len = flags.number("text-bytes", 16);
        Box::leak(Box::new(Plan {
            port: flags.number("port", 0) as u16,
            method: match flags.word("method", "say").as_str() {
                "say" => Method::Say,
                "repeat" => Method::Repeat,
                "carry" => Method::Carry,
                other => flags::usage(&format!(
                    "--method {other:?}: `say`, `repeat` or `carry` is wanted"
                )),
            },
            text: echo::text(len),
            payload: echo::payload(len),
            times: flags.number("times", 1) as u32,
            connections: flags.number("connections", 1),
            in_flight: flags.number("in-flight", 1),
            warm_up: flags.number("warm-up", 0),
            calls: flags.number("calls", 1000),
            begun: AtomicUsize::new(0),
        }))
    }

    /// The message that asks for a small answer.
    pub fn words(&self) -> echo::Words {
        echo::Words {
            text: self.text.clone(),
            times: if self.method == Method::Repeat {
                self.times
            } else {
                0
            },
        }
    }

    /// The message that asks for bulk.
    pub fn cargo(&self) -> echo::Cargo {
        echo::Cargo {
            payload: self.payload.clone(),
        }
    }
}

/// Warms up, makes the plan's calls, prints what they cost this process. `call` gives its client back for the next call.
pub async fn run<C, F>(
    plan: &'static Plan,
    clients: Vec<C>,
    call: impl Fn(C, &'static Plan) -> F + Copy + Send + 'static,
) where
    C: Clone + Send + 'static,
    F: Future<Output = C> + Send + 'static,
{
    round(plan, plan.warm_up, &clients, call).await;
    let (began, before) = (Instant::now(), Reading::now());
    round(plan, plan.calls, &clients, call).await;
    control::report(plan.calls as u64, began.elapsed(), before, Reading::now());
}

async fn round<C, F>(
    plan: &'static Plan,
    calls: usize,
    clients: &[C],
    call: impl Fn(C, &'static Plan) -> F + Copy + Send + 'static,
) where
    C: Clone + Send + 'static,
    F: Future<Output = C> + Send + 'static,
{
    plan.begun.store(0, Relaxed);
    let mut callers = Vec::new();
    for client in clients
        .iter()
        .flat_map(|client| std::iter::repeat_n(client, plan.in_flight))
    {
        let mut client = client.clone();
        callers.push(tokio::spawn(async move {
            while plan.begun.fetch_add(1, Relaxed) < calls {
                client = call(client, plan).await;
            }
        }));
    }
    for caller in callers {
        caller
            .await
            .unwrap_or_else(|error| fail(&format!("a caller: {error}")));
    }
}

/// Says what went wrong with a call and ends the process with status 1.
pub fn fail(problem: &str) -> ! {
    eprintln!("{problem}");
    std::process::exit(1)
}

/// Ends the process when the text of an answer is another than the plan's.
pub fn check(found: &[u8], plan: &Plan) {
    if found != plan.payload {
        fail(&format!(
            "an answer of {} bytes that is not the text of {} bytes",
            found.len(),
            plan.payload.len()
        ));
    }
}
