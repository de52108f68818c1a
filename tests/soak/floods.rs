//! Peers with ill will, one after the other. Each is cut; who that concerns besides them, the others tell.

use crate::*;

/// Frames that an attacker says over and over.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let ping = frame::encode(kind::PING, 0, 0, &[0; 8]);
    let settings = frame::encode(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]);
    let unknown = frame::encode(0xbe, 0, 0, b"who knows");
    let window = frame::encode(kind::WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
    let empty = frame::encode(kind::DATA, 0, 1, b"");
    vec![
        ("PING", ping),
        ("SETTINGS", settings),
        ("unknown", unknown),
        ("WINDOW_UPDATE", window),
        ("empty DATA", empty),
    ]
}

pub(crate) async fn run(soak: Soak, addr: std::net::SocketAddr) -> Ledger {
    let mut ledger = Ledger::new("floods");
    while soak.goes_on() {
        for (what, frame) in floods() {
            ledger.begin(1);
            let mut peer = Peer::client(apart::connect(addr).await, &[]).await;
            peer.acks = false;
            peer.headers(1, 0, &request("/test.Kit/Unread")).await;
            let flood = frame.repeat(100);
            // A flood of 2 million frames at most, until the server has had enough.
            let mut said = 0;
            while said < 20_000 && peer.try_raw(&flood).await.is_ok() {
                said += 1;
            }
            assert!(said < 20_000, "{what}: nobody stopped it");
            ledger.end_as("cut");
        }
    }
    ledger
}
