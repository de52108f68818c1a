//! Silence in TLS: clients that connect and send nothing, half of their first message, or that complete the handshake and send nothing in
//! it. The guards are those of every handshake: its own task, `handshake_timeout`, the limit on how many are pending; and no state of TLS
//! before the first byte.

use std::time::Duration;

use temaki::Server;
use temaki::tls::{TlsAcceptor, TlsErrorKind as Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::kit::*;
use crate::raw;
use crate::support::apart::{Apart, alone, connect};
use crate::support::shapes::{Shape, call};
use crate::support::{Probe, server as kit_server, soon};

const KIB: isize = 1024;

/// The beginning of a record that holds a client's first message: 512 bytes are promised, and 100 come.
fn half_a_hello() -> Vec<u8> {
    let mut bytes = vec![22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    bytes.resize(100, 7);
    bytes
}

fn tls() -> TlsAcceptor {
    TlsAcceptor::from_config(server()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_tls_handshake_that_does_not_end_is_cut() {
    for bytes in [vec![], vec![22], half_a_hello()] {
        let builder = Server::builder()
            .handshake_timeout(Duration::from_secs(3))
            .handshake(tls());
        let (mut ours, served) = kit_server::pipe(builder, &Probe::default(), 1024);
        let began = Instant::now();
        ours.write_all(&bytes).await.unwrap();
        let error = served.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("handshake_timeout"), "{error}");
        assert_eq!(began.elapsed().as_secs(), 3, "{} bytes", bytes.len());
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_handshake_is_reported() {
    let served = Served::start(server()).await;
    drop(connect(served.address).await);
    let end = served.ends.next().await;
    assert!(end.contains(&format!("{:?}", Kind::Truncated)), "{end}");
}

/// 500 of each kind, and a neighbour whose calls end in time beside them.
#[tokio::test]
async fn a_silent_tls_client_holds_less_than_16_kib_and_delays_no_peer() {
    let _alone = alone().await;
    let mut worst = 0;
    for (what, bytes, completes) in [
        ("nothing", vec![], false),
        ("half of the first message", half_a_hello(), false),
        ("nothing after the handshake", vec![], true),
    ] {
        let server = Apart::measured(Server::builder().handshake(tls()));
        let target = format!("https://localhost:{}", server.addr.port());
        let endpoint = temaki::Endpoint::new(target)
            .unwrap()
            .tls_config(client())
            .unwrap();
        let neighbour = endpoint.connect().await.unwrap();
        call(&neighbour, Shape::Unary).await.unwrap();
        let before = temaki_heap::watched();
        let (mut silent, mut shaken) = (Vec::new(), Vec::new());
        for n in 0..500 {
            if completes {
                shaken.push(raw::dial(server.addr, &["h2"]).await.unwrap());
            } else {
                let mut socket = connect(server.addr).await;
                socket.write_all(&bytes).await.unwrap();
                silent.push(socket);
            }
            if n % 100 == 0 {
                call(&neighbour, Shape::Unary).await.unwrap();
            }
        }
        // The server responds on a connection after it has accepted all that came before.
        let last = soon("a newcomer", endpoint.connect()).await.unwrap();
        call(&last, Shape::Unary).await.unwrap();
        let each = (temaki_heap::watched() - before) / 500;
        println!("{what}: {each} bytes each");
        worst = worst.max(each);
    }
    assert!(worst > 0 && worst <= 16 * KIB, "{worst} bytes");
}
