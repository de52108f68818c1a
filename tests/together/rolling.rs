//! A rolling restart: of two servers behind one address one is always there, and no call fails for it.
//! Nobody has set a policy, waits for ready, or tries again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::shapes::{Shape, call};
use crate::support::*;
use temaki::{Endpoint, Server};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Restarts, and calls that must have ended between two of them.
const RESTARTS: usize = 10;
const CALLS: u64 = 200;
/// Callers of each shape at once.
const CALLERS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_in_a_rolling_restart() {
    let mut server = TestServer::start(Server::builder()).await;
    // The address that both servers are behind.
    let address = Arc::new(Mutex::new(server.addr));
    let connector = {
        let address = address.clone();
        move |_| {
            let now: SocketAddr = *address.lock().unwrap();
            async move { TcpStream::connect(now).await }
        }
    };
    let channel = Endpoint::from_static("http://test").connect_with_connector_lazy(connector);
    let (ended, over) = (
        Arc::new(watch::Sender::new(0u64)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut callers = JoinSet::new();
    for shape in Shape::ALL {
        for _ in 0..CALLERS {
            let (channel, ended, over) = (channel.clone(), ended.clone(), over.clone());
            callers.spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    if let Err(status) = soon("a call", call(&channel, shape)).await {
                        panic!("{shape:?}: {status:?}");
                    }
                    ended.send_modify(|ended| *ended += 1);
                }
            });
        }
    }

    let mut counts = ended.subscribe();
    for _ in 0..RESTARTS {
        let begin = *counts.borrow_and_update();
        let enough = counts.wait_for(|ended| *ended >= begin + CALLS);
        tokio::select! {
            enough = soon("calls to end", enough) => drop(enough.expect("a count")),
            failed = callers.join_next() => panic!("{failed:?}"),
        }
        let next = TestServer::start(Server::builder()).await;
        *address.lock().unwrap() = next.addr;
        // As SIGTERM does: GOAWAY, and calls in flight end.
        let report = std::mem::replace(&mut server, next).stop().await;
        assert_eq!(report.total.cut, 0, "{report}");
    }
    over.store(true, Ordering::SeqCst);
    while let Some(caller) = callers.join_next().await {
        caller.expect("no call failed");
    }
    let report = server.stop().await;
    assert_eq!(report.total.cut, 0, "{report}");
}
