//! Each call of `proto/user.proto` from the command line, against `examples/user_service`.
//!
//! ```text
//! cargo run --example user_client -- get alice wonderland
//! cargo run --example user_client -- --help
//! ```
#![allow(
    unreachable_pub,
    reason = "in a program `pub` says what a module offers to the others"
)]

#[path = "user_service/csv.rs"]
mod csv;
#[path = "user_service/import.rs"]
mod import;
#[path = "user_service/progress.rs"]
mod progress;
#[path = "user_service/tls.rs"]
mod tls;

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;
use temaki::{Request, Status};
use temaki_protos::user::user_service_client::UserServiceClient;
use temaki_protos::user::{
    GetUserRequest, ListUsersRequest, RegisterUserRequest, ResolveUserRequest,
};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::tls::Tls;

const HELP: &str = "\
Calls the user service.

Usage: user_client [--addr ADDR] COMMAND

  get NAME HASH       print the UUID of NAME, if HASH is what NAME was registered with (GetUserUUID)
  register NAME HASH  make a user and print the UUID (RegisterUser)
  import FILE         add the users of a CSV file, `username,password_hash` in each line (ImportUsers)
  list [PREFIX]       print UUID and name of each user whose name begins with PREFIX (ListUsers)
  resolve [NAME...]   print UUID and name for each name, or for each line of the standard input (ResolveUsers)

  --addr ADDR         host and port of the server [default: 127.0.0.1:50051]
  --ca FILE           call in TLS, and trust what this authority issues (built with --features tls-ring)
  --tls-cert FILE, --tls-key FILE
                      the certificate and key to show to a server that asks for one
  --help              print this

Exit status: 0 done; 1 the call failed, a name was not found, a line was rejected; 2 a wrong command or flag.
";

/// For unary calls. Streams may go on as long as they move.
const TIMEOUT: Duration = Duration::from_secs(10);

enum Command {
    Help,
    Get {
        username: String,
        password_hash: String,
    },
    Register {
        username: String,
        password_hash: String,
    },
    Import(PathBuf),
    List {
        prefix: String,
    },
    Resolve {
        names: Vec<String>,
    },
}

fn main() -> ExitCode {
    let (status, sentence) = match parse(lexopt::Parser::from_env()) {
        Ok((_, _, Command::Help)) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok((addr, tls, command)) => match run(&addr, &tls, command) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(sentence) => (1, sentence),
        },
        Err(sentence) => (2, sentence),
    };
    eprintln!("user_client: {sentence}");
    ExitCode::from(status)
}

fn parse(mut args: lexopt::Parser) -> Result<(String, Tls, Command), String> {
    let mut tls = Tls::default();
    let (mut addr, mut words) = ("127.0.0.1:50051".to_owned(), Vec::new());
    while let Some(arg) = args.next().map_err(|error| error.to_string())? {
        match arg {
            Long("help") | Short('h') => return Ok((addr, tls, Command::Help)),
            Long("addr") => {
                let value = args.value();
                addr = text(value.map_err(|_| "--addr needs a value; --help lists the flags")?)?;
                let port = addr.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                if !matches!(port, Some(Ok(1..))) {
                    return Err(format!(
                        "--addr {addr:?} has no port; write host and port, as 127.0.0.1:50051"
                    ));
                }
            }
            Long("ca") => tls.ca = Some(file(&mut args, "--ca")?),
            Long("tls-cert") => tls.certificate = Some(file(&mut args, "--tls-cert")?),
            Long("tls-key") => tls.key = Some(file(&mut args, "--tls-key")?),
            Value(word) => words.push(text(word)?),
            other => {
                return Err(format!(
                    "{}; --help lists what there is",
                    other.unexpected()
                ));
            }
        }
    }
    let mut words = words.into_iter();
    let command = words.next().ok_or("which call? --help lists them")?;
    let command = match (command.as_str(), words.next(), words.next(), words.next()) {
        ("get", Some(username), Some(password_hash), None) => Command::Get {
            username,
            password_hash,
        },
        ("register", Some(username), Some(password_hash), None) => Command::Register {
            username,
            password_hash,
        },
        ("import", Some(file), None, None) => Command::Import(file.into()),
        ("list", prefix, None, None) => Command::List {
            prefix: prefix.unwrap_or_default(),
        },
        ("resolve", a, b, c) => Command::Resolve {
            names: [a, b, c].into_iter().flatten().chain(words).collect(),
        },
        ("get" | "register" | "import" | "list", ..) => {
            return Err(format!(
                "wrong number of arguments for {command}; --help shows them"
            ));
        }
        _ => {
            return Err(format!(
                "there is no command {command:?}; --help lists them"
            ));
        }
    };
    tls.check(false)?;
    Ok((addr, tls, command))
}

fn file(args: &mut lexopt::Parser, flag: &str) -> Result<PathBuf, String> {
    let value = args.value();
    let value = value.map_err(|_| format!("{flag} needs a value; --help lists the flags"))?;
    Ok(value.into())
}

fn text(word: std::ffi::OsString) -> Result<String, String> {
    word.into_string()
        .map_err(|word| format!("{word:?} is not UTF-8"))
}

#[tokio::main]
async fn run(addr: &str, tls: &Tls, command: Command) -> Result<(), String> {
    let channel = tls.connect(addr).await;
    let channel =
        channel.map_err(|error| format!("{error}; --addr says where the user service is"))?;
    let client = UserServiceClient::new(channel);
    match command {
        Command::Help => Ok(()),
        Command::Get {
            username,
            password_hash,
        } => get(&client, username, password_hash).await.map_err(failed),
        Command::Register {
            username,
            password_hash,
        } => register(&client, username, password_hash)
            .await
            .map_err(failed),
        Command::Import(file) => {
            let mut total = import::Imported::default();
            import::import(&client, &file, &mut total).await?;
            say(&total);
            if total.rejected == 0 {
                Ok(())
            } else {
                let lines = import::count(total.rejected, "line was", "lines were");
                Err(format!("{lines} rejected"))
            }
        }
        Command::List { prefix } => list(&client, prefix).await.map_err(failed),
        Command::Resolve { names } => resolve(&client, names).await,
    }
}

/// As `println!`, but ends the program quietly when the reader of its output is gone (`| head`).
fn say(text: impl Display) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(1);
    }
}

fn failed(status: Status) -> String {
    format!("{}: {}", status.code().name(), status.message())
}

async fn get(
    client: &UserServiceClient,
    username: String,
    password_hash: String,
) -> Result<(), Status> {
    let mut request = Request::new(GetUserRequest {
        username,
        password_hash,
    });
    request.set_timeout(TIMEOUT);
    say(client.get_user_uuid(request).await?.into_inner().uuid);
    Ok(())
}

async fn register(
    client: &UserServiceClient,
    username: String,
    password_hash: String,
) -> Result<(), Status> {
    let mut request = Request::new(RegisterUserRequest {
        username,
        password_hash,
    });
    request.set_timeout(TIMEOUT);
    say(client.register_user(request).await?.into_inner().uuid);
    Ok(())
}

async fn list(client: &UserServiceClient, prefix: String) -> Result<(), Status> {
    let mut users = client
        .list_users(ListUsersRequest { prefix, limit: 0 })
        .await?
        .into_inner();
    while let Some(user) = users.message().await? {
        say(format_args!("{} {}", user.uuid, user.username));
    }
    Ok(())
}

/// Sends and receives at the same time: who first sends everything and then reads stands still as
/// soon as responses that are not read fill the window.
async fn resolve(client: &UserServiceClient, names: Vec<String>) -> Result<(), String> {
    let (mut questions, mut answers) = client.start_resolve_users().split();
    let ask = async {
        let mut names = names.into_iter();
        let mut stdin = BufReader::new(tokio::io::stdin()).lines();
        let from_stdin = names.len() == 0;
        loop {
            let username = if from_stdin {
                stdin
                    .next_line()
                    .await
                    .map_err(|error| format!("standard input: {error}"))?
            } else {
                names.next()
            };
            // When the call is over, the responses end with the reason.
            let Some(username) = username else { break };
            if questions
                .send(ResolveUserRequest { username })
                .await
                .is_err()
            {
                break;
            }
        }
        let _ = questions.half_close().await;
        Ok::<(), String>(())
    };
    let print = async {
        let mut unknown = 0;
        while let Some(answer) = answers.message().await.map_err(failed)? {
            if answer.uuid.is_empty() {
                unknown += 1;
                say(format_args!("{:36} {}", "-", answer.username));
            } else {
                say(format_args!("{} {}", answer.uuid, answer.username));
            }
        }
        if unknown == 0 {
            Ok(())
        } else {
            let names = import::count(unknown, "name is", "names are");
            Err(format!("{names} not known"))
        }
    };
    // Ends at the first error of either side; dropping the other half cancels the call.
    let ((), ()) = tokio::try_join!(ask, print)?;
    Ok(())
}
