//! Two servers behind one address, of which one is always there: no call fails when they take turns.

use std::net::SocketAddr;
use std::sync::Mutex;

use temaki::Code;
use tokio::net::TcpStream;

use crate::*;

const CALLERS: u64 = 8;
const CALLS: u64 = 25;

pub(crate) async fn run(soak: Soak) -> Ledger {
    let mut ledger = Ledger::new("rolling restarts");
    let mut server = TestServer::start(Server::builder()).await;
    let address = Arc::new(Mutex::new(server.addr));
    let connector = {
        let address = address.clone();
        move |_| {
            let now: SocketAddr = *address.lock().expect("an address");
            async move { TcpStream::connect(now).await }
        }
    };
    let channel = Endpoint::from_static("http://test").connect_with_connector_lazy(connector);
    while soak.goes_on() {
        ledger.begin(CALLERS * CALLS);
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let channel = channel.clone();
            callers.spawn(async move {
                let mut results = Vec::new();
                for n in 0..CALLS {
                    results.push(soon("a call", call(&channel, caller + n)).await);
                }
                results
            });
        }
        server.probe.until_started(CALLERS).await;
        let next = TestServer::start(Server::builder()).await;
        *address.lock().expect("an address") = next.addr;
        let report = std::mem::replace(&mut server, next).stop().await;
        assert_eq!(report.total.cut, 0, "{report}");
        while let Some(results) = callers.join_next().await {
            for result in results.expect("no caller panicked") {
                ledger.end(result, &[Code::Ok]);
            }
        }
    }
    drop(channel);
    server.stop().await;
    ledger
}
