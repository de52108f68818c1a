//! Slow read: as `zero_window`, one floor down. The peer opens every HTTP/2 window as far as it goes and then does
//! not read its socket: the kernel's buffers fill, and everything behind them is the server's to hold.
//!
//! Guard: `h2` takes 64 KiB of one stream and not more (`max_send_buffer_size`); 64 KiB of written frames wait for
//! the socket, and then `h2` waits too (`conn/io.rs`); a connection whose socket takes no byte for
//! `stall_timeout` is closed. The kernel helps where it can: `TCP_USER_TIMEOUT` on the sockets of `serve`.

use std::time::Duration;

use tokio::time::Instant;

use crate::*;

const ALL_WINDOW: &[(u16, u32)] = &[(setting::INITIAL_WINDOW_SIZE, (1 << 31) - 1)];

#[tokio::test]
async fn a_stream_that_nobody_reads_holds_less_than_96_kib() {
    let _alone = alone().await;
    let server = Apart::start(Server::builder().stall_timeout(Duration::from_secs(1)));
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(ALL_WINDOW).await;
    peer.window_update(0, (1 << 31) - 1 - 65_535).await;
    let before = temaki_heap::watched();
    temaki_heap::take_peak();
    let ask = |stream| {
        let numbers = message("1000000 8192");
        let data = frame::encode(kind::DATA, END_STREAM, stream, &numbers);
        [headers(stream, 0, "Repeat"), data].concat()
    };
    // In one write, so that the server has them all before it finds that nobody reads.
    peer.raw(&streams(200).flat_map(ask).collect::<Vec<u8>>())
        .await;
    // Not a byte is read here until the server has given up.
    server.probe.until_started(200 + 1).await;
    server
        .probe
        .until("the handlers to be dropped", |counts| counts.live <= 1)
        .await;
    let each = (temaki_heap::take_peak() - before) / 200;
    println!("an unread stream of 8 KiB messages: {each} bytes held");
    assert!(each < 96 * KIB, "{each} bytes");
    drop(peer);
    neighbour.stays_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_takes_nothing_is_closed() {
    for method in ["/test.Kit/Endless", "/test.Kit/Repeat"] {
        let probe = Probe::default();
        let builder = Server::builder().stall_timeout(Duration::from_secs(5));
        let (ours, served) = server::pipe(builder, &probe, 16 * 1024);
        let mut peer = Peer::client(ours, ALL_WINDOW).await;
        peer.window_update(0, (1 << 31) - 1 - 65_535).await;
        let began = Instant::now();
        peer.call(1, &request(method), "30 10000").await;
        let error = soon("the end", served).await.unwrap().unwrap_err();
        let took = began.elapsed();
        assert!(error.to_string().contains("stall_timeout"), "{error}");
        let limit = Duration::from_secs(5)..=Duration::from_millis(6_100);
        assert!(limit.contains(&took), "{method}: {took:?}");
        probe.until_idle().await;
        drop(peer);
    }
}
