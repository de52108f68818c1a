//! The main job: a user service with its users in one file, called over TCP by a client in the same
//! program, then by any client.
//!
//! [`run`] is the server's whole life; [`service`] is what it serves, and the file to read first.
//!
//! ```text
//! cargo run --release --example user_service            # serves until Ctrl-C or SIGTERM
//! cargo run --release --example user_service -- --help
//! ```
//!
//! | file | what it knows |
//! |---|---|
//! | `flags`, `signals`, `say` | the command line, how the program is asked to end, what it prints |
//! | `service`, `batch` | the five calls of `proto/user.proto` |
//! | `limits` | what the service takes at most |
//! | `store` | the file (redb) |
//! | `password`, `blocking` | hashing (argon2), and where it runs |
//! | `tls` | `--tls-cert` and its like: TLS on both ends; `examples/user_client.rs` uses it too |
//! | `hello` | the first call, and how to make it from other languages |
//! | `import`, `csv`, `progress` | `--import`, a client of the service; `examples/user_client.rs` uses them too |
#![allow(
    unreachable_pub,
    reason = "in a program `pub` says what a module offers to the others"
)]

mod batch;
mod blocking;
mod csv;
mod flags;
mod hello;
mod import;
mod limits;
mod password;
mod progress;
mod say;
mod service;
mod signals;
mod store;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
#[cfg(feature = "tls-ring")]
use std::time::Duration;

use temaki::Server;
use temaki::server::{DrainReport, TcpIncoming};
use temaki_protos::user::user_service_server::UserServiceServer;
use tokio::task::JoinHandle;

use crate::flags::{Command, Flags};
use crate::import::Imported;
use crate::say::say;
use crate::service::Users;
use crate::signals::Signals;
use crate::store::Store;
use crate::tls::Tls;

fn main() -> ExitCode {
    let flags = match flags::parse(lexopt::Parser::from_env()) {
        Ok(Command::Serve(flags)) => flags,
        Ok(Command::Help) => {
            print!("{}", flags::HELP);
            return ExitCode::SUCCESS;
        }
        Err(sentence) => {
            eprintln!("user_service: {sentence}");
            return ExitCode::from(2);
        }
    };
    match run(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("user_service: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// The server's whole life. The error is a sentence for people.
#[tokio::main]
async fn run(flags: Flags) -> Result<(), String> {
    // A file that cannot be read is reported before a client can call.
    if let Some(file) = &flags.import {
        std::fs::File::open(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    }
    // Both before anything is said: a program that reads the address may connect or send a signal at once.
    let mut signals = Signals::catch().map_err(|error| format!("cannot catch signals: {error}"))?;
    let cannot_listen = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "cannot listen on {}: the address is in use; choose another one with --addr",
                flags.addr
            )
        }
        _ => format!("cannot listen on {}: {error}", flags.addr),
    };
    let incoming = TcpIncoming::bind(flags.addr).await.map_err(cannot_listen)?;
    let addr = incoming.local_addr().map_err(cannot_listen)?;
    // Blocks, but nothing else runs yet.
    let store = Store::open(&flags.db)?;

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let users =
        UserServiceServer::new(Users::new(store)).max_decoding_message_size(limits::MAX_MESSAGE);
    // How far a client may run ahead of a call that reads slowly. Thousands of names; the default,
    // 1 MiB, is for larger messages.
    let server = Server::builder()
        .initial_stream_window_size(64 * 1024)
        .add_service(users);
    // `stopped` ends when `stop` is dropped.
    let stopped = async move { drop(stopped.await) };
    let mut server = serve(server, &flags.tls, incoming, stopped)?;

    say(format_args!("serving {} on {addr}", flags.db.display()));
    let mut importing = None;
    let outcome = tokio::select! {
        outcome = work(addr, &flags, &mut importing) => outcome,
        signal = signals.next() => {
            say(format_args!("{signal}: draining; no new calls, those under way may finish"));
            match importing {
                None => Ok(()),
                Some(total) => Err(cut_short(&total)),
            }
        }
        ended = &mut server => return Err(format!("the server ended by itself: {ended:?}")),
    };

    drop(stop);
    tokio::select! {
        report = server => match report {
            Ok(Ok(report)) => say(format_args!("drained: {report}")),
            Ok(Err(error)) => return Err(format!("the server failed: {error}")),
            Err(panic) => return Err(format!("the server failed: {panic}")),
        },
        signal = signals.next() => return Err(format!("{signal} again: calls under way were cut")),
    }
    outcome
}

type Served = JoinHandle<Result<DrainReport, temaki::Error>>;

/// Serves in a task, in TLS if that is asked for.
fn serve(
    server: Server,
    tls: &Tls,
    incoming: TcpIncoming,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<Served, String> {
    #[cfg(feature = "tls-ring")]
    if let Some(files) = tls::files(tls) {
        let tls = files.load().map_err(|error| error.to_string())?;
        let changes = files.watch(
            tls.clone(),
            Duration::from_secs(60),
            |outcome| match outcome {
                Ok(()) => say("the certificates are new"),
                Err(error) => say(format_args!("the certificates stay as they were: {error}")),
            },
        );
        tokio::spawn(changes);
        let server = server.handshake(tls);
        return Ok(tokio::spawn(
            server.serve_with_incoming_shutdown(incoming, stopped),
        ));
    }
    let _ = tls;
    Ok(tokio::spawn(
        server.serve_with_incoming_shutdown(incoming, stopped),
    ))
}

/// The sentence about an import that a signal has ended.
fn cut_short(total: &Imported) -> String {
    format!(
        "the import was cut short: {total}, and perhaps some of the next hundred; import the file again to add the rest"
    )
}

/// What this program does as a client of itself; then it only serves. While it imports, `importing` says how far it is.
async fn work(
    addr: SocketAddr,
    flags: &Flags,
    importing: &mut Option<Imported>,
) -> Result<(), String> {
    let client = hello::connect(addr, &flags.tls).await?;
    hello::ask_for_alice(&client, addr, &flags.tls).await?;
    let mut rejected = 0;
    if let Some(file) = &flags.import {
        let total = importing.insert(Imported::default());
        import::import(&client, file, total).await?;
        say(format_args!("{}: {total}", file.display()));
        rejected = total.rejected;
        *importing = None;
    }
    match (flags.once, rejected) {
        (true, 0) => Ok(()),
        (true, _) => {
            let lines = import::count(rejected, "line was", "lines were");
            Err(format!("{lines} rejected"))
        }
        (false, _) => {
            say("serving until Ctrl-C or SIGTERM; --once would end here");
            std::future::pending().await
        }
    }
}
