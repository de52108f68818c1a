//! Servers take turns on one port, under load: each begins before the one before it drains, and no call is lost.
//!
//! The callers are temaki's channels without any retry policy. What carries them over is what both ends promise: two
//! GOAWAYs here, and there a new connection at the first, and transparent retry of what the second says was not seen.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::server::kit;
use crate::support::{Probe, soon};
use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::server::{DrainReport, TcpIncoming};
use temaki::{Channel, Request, Server, Status};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Fewer without optimisation, which is for correctness and not for load.
const CALLS: usize = if cfg!(debug_assertions) {
    5_000
} else {
    50_000
};
const SERVERS: usize = 10;
const CHANNELS: usize = 4;
/// In flight on each channel.
const CALLERS: usize = 16;

/// A server of the kit on a listener that others listen at as well.
struct Turn {
    stop: oneshot::Sender<()>,
    served: JoinHandle<DrainReport>,
}

impl Turn {
    fn begin(listener: &TcpListener, probe: &Probe) -> Self {
        let listener = listener.try_clone().expect("a descriptor");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::builder().add_service(kit(probe));
        let served = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            let incoming = TcpIncoming::from(listener);
            let served = server.serve_with_incoming_shutdown(incoming, stopped);
            served.await.expect("a server")
        });
        Self { stop, served }
    }

    async fn end(self) -> DrainReport {
        drop(self.stop);
        soon("a drain", self.served).await.expect("a report")
    }
}

/// Makes one call of one of three shapes; the answer must be the one to this call.
async fn call(channel: &Channel, number: usize) -> Result<(), Status> {
    let text = Bytes::from(format!("call {number}"));
    let path = |method| PathAndQuery::from_static(method);
    match number % 8 {
        0 => {
            let parts = stream::iter([text.slice(..3), text.slice(3..)]);
            let request = Request::new(parts);
            let answer = channel.client_streaming(path("/test.Kit/Join"), BytesCodec, request);
            assert_eq!(answer.await?.into_inner(), text);
        }
        1 => {
            let request = Request::new(stream::iter([text.clone(), text.clone()]));
            let answers = channel.streaming(path("/test.Kit/Both"), BytesCodec, request);
            let mut answers = answers.await?.into_inner();
            assert_eq!(answers.message().await?, Some(text.clone()));
            assert_eq!(answers.message().await?, Some(text));
            assert_eq!(answers.message().await?, None);
        }
        2 => {
            // It stays a while: the test opens the gate for it all the time.
            let request = Request::new(text.clone());
            let answer = channel.unary(path("/test.Kit/Gate"), BytesCodec, request);
            assert_eq!(answer.await?.into_inner(), text);
        }
        _ => {
            let request = Request::new(text.clone());
            let answer = channel.unary(path("/test.Kit/Echo"), BytesCodec, request);
            assert_eq!(answer.await?.into_inner(), text);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_while_servers_take_turns() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener");
    let addr: SocketAddr = listener.local_addr().expect("an address");
    let probe = Probe::default();
    let mut server = Turn::begin(&listener, &probe);

    let next = Arc::new(AtomicUsize::new(0));
    let (done, mut seen) = watch::channel(0);
    let done = Arc::new(done);
    let mut callers = JoinSet::new();
    for _ in 0..CHANNELS {
        let channel = Channel::connect(format!("http://{addr}").as_str()).await;
        let channel = channel.expect("a connection");
        for _ in 0..CALLERS {
            let (channel, next, done) = (channel.clone(), next.clone(), done.clone());
            callers.spawn(async move {
                let mut failures = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= CALLS {
                        return failures;
                    }
                    if let Err(status) = call(&channel, number).await {
                        failures.push((number, status));
                    }
                    done.send_modify(|done| *done += 1);
                }
            });
        }
    }

    // The gate lets one through for each few calls that have ended, so that some are always in flight.
    let mut reports = JoinSet::new();
    let mut turns = 1;
    let mut opened = 0;
    loop {
        let ended = *seen.borrow_and_update();
        let calls_at_gate = ended / 8 + CHANNELS * CALLERS / 2;
        probe.open_gate(calls_at_gate.saturating_sub(opened));
        opened = opened.max(calls_at_gate);
        if ended >= CALLS {
            break;
        }
        if ended >= turns * CALLS / SERVERS {
            turns += 1;
            let successor = Turn::begin(&listener, &probe);
            reports.spawn(std::mem::replace(&mut server, successor).end());
        }
        soon("calls to end", seen.changed()).await.expect("callers");
    }
    let mut failures = Vec::new();
    for caller in callers.join_all().await {
        failures.extend(caller);
    }
    assert!(
        failures.is_empty(),
        "{} of {CALLS} calls were lost: {:?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
    reports.spawn(server.end());
    let reports = reports.join_all().await;
    assert_eq!(reports.len(), SERVERS);
    for report in &reports {
        assert_eq!(report.total.cut, 0, "{report}");
    }
    let in_flight: u64 = reports.iter().map(|report| report.total.finished).sum();
    assert!(in_flight > 0, "some calls were in flight in a drain");
}
