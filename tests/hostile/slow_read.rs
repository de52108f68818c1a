//! Slow read: as `zero_window`, one floor down. The peer opens every HTTP/2 window as far as it goes and then does
//! not read its socket: the kernel's buffers fill, and everything behind them is the server's to hold.
//!
//! Guard: `h2` takes 64 KiB of one stream and not more (`max_send_buffer_size`); 64 KiB of written frames wait for
//! the socket, and then `h2` waits too (`conn/io.rs`); a connection whose socket takes no byte for
//! `stall_timeout` is closed. The kernel helps where it can: `TCP_USER_TIMEOUT` on the sockets of `serve`.

use tokio::time::Instant;

use crate::*;

const ALL_WINDOW: &[(u16, u32)] = &[(setting::INITIAL_WINDOW_SIZE, (1 << 31) - 1)];

#[tokio::test]
async fn a_stream_that_nobody_reads_holds_less_than_96_kib() {
    let _alone = alone().await;
    let server = Apart::measured(Server::builder().stall_timeout(Duration::from_secs(1)));
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
    server.probe.until_started(200).await;
    server.probe.until_idle().await;
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
        let limit = Duration::from_secs(5)..=Duration::from_millis(6_010);
        assert!(limit.contains(&took), "{method}: {took:?}");
        probe.until_idle().await;
        drop(peer);
    }
}

/// The same after a quiet time, when every timer of the connection has rung, and where no handler is left: all
/// have answered where they stood, and the answers wait.
#[tokio::test(start_paused = true)]
async fn a_socket_that_takes_nothing_is_closed_with_all_handlers_ended() {
    let probe = Probe::default();
    let builder = Server::builder()
        .stall_timeout(Duration::from_secs(5))
        .handlers_in_place(Duration::from_secs(3600));
    let (ours, served) = server::pipe(builder, &probe, 16 * 1024);
    let mut peer = Peer::client(ours, ALL_WINDOW).await;
    peer.window_update(0, (1 << 31) - 1 - 65_535).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let began = Instant::now();
    for stream in streams(20) {
        let path = "/test.Kit/Repeat";
        peer.call(stream, &request(path), "1 16000").await;
    }
    probe.until_started(20).await;
    assert_eq!(probe.counts().live, 0);
    let error = soon("the end", served).await.unwrap().unwrap_err();
    let took = began.elapsed();
    assert!(error.to_string().contains("stall_timeout"), "{error}");
    let limit = Duration::from_secs(5)..=Duration::from_millis(6_010);
    assert!(limit.contains(&took), "{took:?}");
}
