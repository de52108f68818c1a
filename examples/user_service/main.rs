//! The main job: a user service with its users in one file.
//!
//! | file | what it knows |
//! |---|---|
//! | `flags`, `signals` | the command line, and how the program is asked to end |
//! | `limits` | what the service takes at most |
//! | `store` | the file (redb) |
//! | `password`, `blocking` | hashing (argon2), and where it runs |
//! | `csv`, `progress` | the file of an import, and how far it is |
#![allow(
    unreachable_pub,
    reason = "in a program `pub` says what a module offers to the others"
)]
#![allow(dead_code, reason = "the calls that need them come with the server")]

mod blocking;
mod csv;
mod flags;
mod limits;
mod password;
mod progress;
mod signals;
mod store;

fn main() {
    eprintln!("user_service: serves nothing yet");
}
