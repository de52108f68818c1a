//! The command line of the user service.

use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::tls::Tls;

pub const HELP: &str = "\
A user service on gRPC, with its users in one file.

Usage: user_service [--addr ADDR] [--db FILE] [--import FILE] [--once] [--tls-cert FILE --tls-key FILE --ca FILE [--mutual]]

  --addr ADDR    where to listen; port 0 lets the system choose [default: 127.0.0.1:50051]
  --db FILE      the store, made if it is not there [default: temaki-users.redb in the temporary directory]
  --import FILE  before serving on, add the users of a CSV file: `username,password_hash` in each line
  --once         end after the first call instead of serving until Ctrl-C or SIGTERM
  --tls-cert FILE, --tls-key FILE
                 serve in TLS, with this certificate and key (built with --features tls-ring; scripts/dev_ca makes some)
  --ca FILE      who has issued the certificate: this program is its own first client, and trusts it
  --mutual       ask clients for a certificate of --ca, too
  --help         print this

Exit status: 0 done; 1 it could not be done (address in use, store or file not readable,
import cut short, ...); 2 a wrong flag.
";

#[derive(Debug, PartialEq)]
pub enum Command {
    Help,
    Serve(Flags),
}

#[derive(Debug, PartialEq)]
pub struct Flags {
    pub addr: SocketAddr,
    pub db: PathBuf,
    pub import: Option<PathBuf>,
    pub once: bool,
    pub tls: Tls,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 50051)),
            db: std::env::temp_dir().join("temaki-users.redb"),
            import: None,
            once: false,
            tls: Tls::default(),
        }
    }
}

/// Reads the flags. The error is a sentence for people.
pub fn parse(mut args: lexopt::Parser) -> Result<Command, String> {
    let mut flags = Flags::default();
    while let Some(arg) = args.next().map_err(|error| error.to_string())? {
        match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("addr") => flags.addr = address(&value(&mut args, "--addr")?.to_string_lossy())?,
            Long("db") => flags.db = value(&mut args, "--db")?.into(),
            Long("import") => flags.import = Some(value(&mut args, "--import")?.into()),
            Long("once") => flags.once = true,
            Long("tls-cert") => {
                flags.tls.certificate = Some(value(&mut args, "--tls-cert")?.into());
            }
            Long("tls-key") => flags.tls.key = Some(value(&mut args, "--tls-key")?.into()),
            Long("ca") => flags.tls.ca = Some(value(&mut args, "--ca")?.into()),
            Long("mutual") => flags.tls.mutual = true,
            other => return Err(format!("{}; --help lists the flags", other.unexpected())),
        }
    }
    flags.tls.check(true)?;
    Ok(Command::Serve(flags))
}

/// The value of a flag. An empty one (a shell variable that is not set) and what looks like the
/// next flag are as good as none.
fn value(args: &mut lexopt::Parser, flag: &str) -> Result<OsString, String> {
    let value = args
        .value()
        .ok()
        .filter(|value| !value.is_empty() && !value.as_encoded_bytes().starts_with(b"--"));
    value.ok_or_else(|| format!("{flag} needs a value; --help lists the flags"))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    // Names are taken too: `localhost:50051`.
    let found = text
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| {
        format!("--addr {text:?} is not an address and a port, such as 127.0.0.1:50051")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, String> {
        parse(lexopt::Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn flags_that_are_right() {
        let default = Flags::default;
        // (command line, expected, why this row)
        for (line, expected, why) in [
            ("", default(), "every flag has a default"),
            (
                "--once",
                Flags {
                    once: true,
                    ..default()
                },
                "a switch",
            ),
            (
                "--db=/tmp/x.redb",
                Flags {
                    db: "/tmp/x.redb".into(),
                    ..default()
                },
                "with =",
            ),
            (
                "--db /tmp/x.redb",
                Flags {
                    db: "/tmp/x.redb".into(),
                    ..default()
                },
                "with a space",
            ),
            (
                "--import users.csv --once",
                Flags {
                    import: Some("users.csv".into()),
                    once: true,
                    ..default()
                },
                "two",
            ),
            (
                "--addr [::1]:0",
                Flags {
                    addr: "[::1]:0".parse().unwrap(),
                    ..default()
                },
                "IPv6, any port",
            ),
            (
                "--addr 0.0.0.0:1 --addr 127.0.0.1:2",
                Flags {
                    addr: "127.0.0.1:2".parse().unwrap(),
                    ..default()
                },
                "the last counts",
            ),
        ] {
            assert_eq!(parse_line(line), Ok(Command::Serve(expected)), "{why}");
        }
        assert_eq!(parse_line("--once --help"), Ok(Command::Help));
        assert_eq!(parse_line("-h"), Ok(Command::Help));
    }

    #[test]
    fn flags_that_are_wrong_get_a_sentence() {
        // (command line, what the sentence must contain, why this row)
        for (line, contains, why) in [
            ("--port 1", "'--port'", "unknown"),
            ("-x", "'-x'", "unknown, short"),
            ("serve", "\"serve\"", "there are no commands"),
            ("--once=yes", "--once", "a switch takes no value"),
            ("--db", "--db needs a value", "the end of the line"),
            ("--db=", "--db needs a value", "empty"),
            (
                "--db --once",
                "--db needs a value",
                "not a store named --once",
            ),
            ("--addr 50051", "127.0.0.1:50051", "a port alone"),
            ("--addr 127.0.0.1", "127.0.0.1:50051", "no port"),
            (
                "--addr 127.0.0.1:65536",
                "127.0.0.1:50051",
                "a port of 17 bits",
            ),
        ] {
            let sentence = parse_line(line).expect_err(why);
            assert!(
                sentence.contains(contains) && !sentence.contains('\n'),
                "{why}: {sentence}"
            );
        }
    }
}
