//! The features that are off by default: `health`, and the events of `tracing`. Their spans are in `tests/spans.rs`, since a process
//! has one subscriber.

#[path = "../support/mod.rs"]
mod support;

mod events;
mod health;
