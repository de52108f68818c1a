//! Callers behind a network that fails.

use temaki::Code;

use crate::support::faulty::{FAULTS, Random, proxy};
use crate::*;

pub(crate) async fn run(soak: Soak, addr: std::net::SocketAddr) -> Ledger {
    let mut ledger = Ledger::new("failing networks");
    let mut random = Random(1);
    while soak.goes_on() {
        for fault in FAULTS {
            let (addr, network) = proxy(addr, fault, Random(random.next())).await;
            let channel = lazy(addr);
            for _ in 0..8 {
                ledger.begin(1);
                let call =
                    tokio::time::timeout(Duration::from_millis(300), call(&channel, random.next()));
                match call.await {
                    Ok(result) => ledger.end(result, &[Code::Ok, Code::Unavailable]),
                    Err(_) => ledger.end_as("given up"),
                }
            }
            drop(network);
        }
    }
    ledger
}
