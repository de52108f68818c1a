//! The client against odd servers: each row of the protocol checklist that concerns a client is a test named
//! after its number, and each is a conversation with a peer that speaks frames. Beside them, what a hostile
//! server may try, and how little it gets.

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod answers;
mod connections;
mod endings;
mod held;
mod hostile;
mod interceptors;
mod keepalive;
mod kit;
mod metadata;
mod runtimes;
mod subchannel;
mod texts;
mod transports;
mod turns;
mod user_code;
