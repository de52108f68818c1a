//! A soak: honest callers of all kinds, failing networks, restarts and floods at once, for ten minutes.
//!
//! ```sh
//! cargo test --release --test soak                             # ten minutes
//! TEMAKI_SOAK_SECONDS=60 cargo test --release --test soak      # one
//! cargo test --test soak                                       # a few seconds: that the soak itself works
//! ```
//!
//! What must hold: each call is accounted for, and with an ending that its situation allows; whoever is honest is never
//! cut; when all is over no handler, no connection and no descriptor is left; and the heap does not grow. Time decides
//! only how long it goes on. Each kind of traffic is a file, and prints what became of its calls.

#[path = "../support/mod.rs"]
mod support;

mod buffered;
mod cancels;
mod failing;
mod floods;
mod ledger;
mod readers;
mod restarts;
mod steady;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::server::{ConnectionEnd, Observer};
use temaki::{Channel, ConnectInfo, Endpoint, Request, Server, Status};
use tokio::task::JoinSet;

use ledger::Ledger;
use support::shapes::{self, Shape};
use support::*;

#[global_allocator]
static HEAP: temaki_heap::Counting = temaki_heap::Counting;

/// What growth of the heap is chance: buffers of calls that happen to be open when it is looked at.
const CHANCE: isize = 4 * 1024 * 1024;

/// How long it goes on.
fn duration() -> Duration {
    let set = std::env::var("TEMAKI_SOAK_SECONDS").ok();
    let default = if cfg!(debug_assertions) { 5 } else { 600 };
    Duration::from_secs(set.and_then(|set| set.parse().ok()).unwrap_or(default))
}

/// What all kinds of traffic share: whether to go on.
#[derive(Clone, Default)]
struct Soak(Arc<AtomicBool>);

impl Soak {
    fn goes_on(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

/// Connections that the server has.
#[derive(Clone, Debug, Default)]
struct Gauge(Arc<AtomicIsize>);

impl Observer for Gauge {
    fn connection_opened(&self, _: &ConnectInfo) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn connection_closed(&self, _: &ConnectInfo, _: &ConnectionEnd<'_>) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

fn lazy(addr: std::net::SocketAddr) -> Channel {
    Endpoint::new(format!("http://{addr}"))
        .expect("an address")
        .connect_lazy()
}

/// One call of one of the five kinds, with its answer checked.
async fn call(channel: &Channel, n: u64) -> Result<(), Status> {
    shapes::call(channel, Shape::nth(n)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_and_nothing_left() {
    let (soak, gauge) = (Soak::default(), Gauge::default());
    let server = TestServer::start(Server::builder().observer(gauge.clone())).await;
    let mut traffic = JoinSet::new();
    traffic.spawn(steady::run(soak.clone(), server.addr));
    traffic.spawn(cancels::run(soak.clone(), server.addr));
    traffic.spawn(cancels::deadlines(soak.clone(), server.addr));
    traffic.spawn(readers::lagging(soak.clone(), server.addr));
    traffic.spawn(readers::early_answers(soak.clone(), server.addr));
    traffic.spawn(failing::run(soak.clone(), server.addr));
    traffic.spawn(floods::run(soak.clone(), server.addr));
    traffic.spawn(restarts::run(soak.clone()));
    traffic.spawn(buffered::run(soak.clone()));

    // The least that the heap held in a stretch of time is what nobody gave back: what is open comes and goes.
    let (begun, duration) = (Instant::now(), duration());
    let mut least = Vec::new();
    for part in 1..=10 {
        let mut held = isize::MAX;
        while begun.elapsed() < duration * part / 10 {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
                ended = traffic.join_next() => panic!("one kind of traffic has ended early: {ended:?}"),
            }
            held = held.min(temaki_heap::all());
        }
        least.push(held);
    }
    soak.0.store(true, Ordering::SeqCst);
    while let Some(ended) = traffic.join_next().await {
        let ledger = ended.expect("no traffic panicked");
        println!("{ledger}");
        ledger.adds_up();
    }
    println!(
        "heap, least of each tenth, KiB: {:?}",
        least.iter().map(|held| held / 1024).collect::<Vec<_>>()
    );

    server.probe.until_idle().await;
    let report = server.stop().await;
    assert_eq!(report.total.cut, 0, "{report}");
    assert_eq!(gauge.0.load(Ordering::SeqCst), 0, "connections");
    let (early, late) = (least[1].max(least[2]), least[9].min(least[8]));
    assert!(
        late <= early + CHANCE,
        "the heap has grown from {early} to {late} bytes"
    );
}
