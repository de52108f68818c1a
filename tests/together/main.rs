//! Both ends of temaki together, over real sockets: what a program that has a server and a client may rely on.

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod handover;
mod hazards;
mod origin;
mod proxy;
mod rolling;
mod shapes;
mod types;
mod user_service;
