//! How to stop a server without losing a call.
//!
//! # Serve until a signal
//!
//! ```no_run
//! # use temaki_protos::helloworld;
//! # use helloworld::greeter_server::{Greeter, GreeterServer};
//! # async fn run(greeter: impl Greeter) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use temaki::Server;
//!
//! let addr = "127.0.0.1:50051".parse()?;
//! let stop = async {
//!     let _ = tokio::signal::ctrl_c().await;
//! };
//! let report = Server::builder()
//!     .drain_timeout(Duration::from_secs(20)) // 30 s by default
//!     .add_service(GreeterServer::new(greeter))
//!     .serve_with_shutdown(addr, stop)
//!     .await?;
//! println!("{report}"); // 12 calls finished, 0 cut
//! # Ok(()) }
//! ```
//!
//! Under systemd, Docker or Kubernetes the signal is SIGTERM: `tokio::signal::unix::signal(SignalKind::terminate())`.
//!
//! # What a drain does
//!
//! | step | the server | a client |
//! |---|---|---|
//! | 1 | stops listening, and sends GOAWAY on each connection | makes new calls elsewhere, without an error |
//! | 2 | lets the calls go on that have begun | receives their responses |
//! | 3 | closes each connection after its last call | |
//! | 4 | after `drain_timeout`, cuts the calls that are left | receives UNAVAILABLE |
//!
//! The [`DrainReport`](crate::server::DrainReport) counts what finished and what was cut, by method.
//!
//! A stream without an end (a watch, a subscription) lasts until step 4. Let its handler end it when the server stops: for example,
//! let the handler wait for a `tokio::sync::watch` beside its source of messages.
//!
//! Dropping the future of `serve` stops the server at once, and cuts its calls.
//!
//! # Behind a load balancer
//!
//! A balancer needs a moment to notice. With the feature `health`, report first, and begin the drain after the balancer's interval:
//!
//! ```
//! # #[cfg(feature = "health")]
//! # fn run() {
//! use temaki::Server;
//! use temaki::health::HealthReporter;
//!
//! let health = HealthReporter::new();
//! let server = Server::builder().add_service(health.service());
//! // in the future that is passed to serve_with_shutdown, after the signal:
//! health.shutdown(); // NOT_SERVING from now on
//! # drop(server);
//! # }
//! ```
//!
//! # Stop a client
//!
//! Drop the [`Channel`](crate::Channel) and all its clones. Calls that are under way go on to their end; then the connection closes.
