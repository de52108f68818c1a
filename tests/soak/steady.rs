//! A caller whose calls are answered, whatever else goes on: all five kinds of call, on one connection.

use crate::*;

pub(crate) async fn run(soak: Soak, addr: std::net::SocketAddr) -> Ledger {
    let (mut ledger, channel) = (Ledger::new("steady"), lazy(addr));
    let mut shape = 0;
    while soak.goes_on() {
        ledger.begin(1);
        let result = soon("a steady call", call(&channel, shape)).await;
        ledger.end(result, &[temaki::Code::Ok]);
        shape += 1;
    }
    ledger
}
