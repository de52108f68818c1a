//! Slow headers: a frame or a header block that is begun and not finished. Nothing else can come on its connection
//! meanwhile, and no timer of HTTP/2's runs.
//!
//! Guard: a header block, a frame's head and a control frame have 10 s to their end; of DATA some must come within
//! that. After that, GOAWAY ENHANCE_YOUR_CALM and the end.

use tokio::time::Instant;

use crate::*;

#[tokio::test(start_paused = true)]
async fn l18_what_is_begun_and_not_finished_is_cut_in_11_seconds() {
    let block = hpack::encode(&request("/test.Kit/Hang"));
    let whole = frame::encode(kind::HEADERS, END_HEADERS, 3, &block);
    let open = frame::encode(kind::HEADERS, 0, 3, &block);
    let data = frame::encode(kind::DATA, 0, 1, &[7; 1000]);
    let ping = frame::encode(kind::PING, 0, 0, &[7; 8]);
    let large = frame::encode(kind::DATA, 0, 1, &[7; 256 * 1024]);
    let rows: [(&[u8], &str); 8] = [
        (&whole[..1], "a byte of a head"),
        (&whole[..9], "a head"),
        (&whole[..40], "half of HEADERS"),
        (&open, "a block without its end"),
        (&ping[..12], "half of a PING"),
        (&data[..9], "the head of DATA"),
        (&data[..500], "half of DATA"),
        (&large[..1000], "the beginning of a large frame"),
    ];
    for (bytes, what) in rows {
        let probe = Probe::default();
        let (ours, served) = support::server::pipe(Server::builder(), &probe, 64 * 1024);
        let mut peer = Peer::client(ours, &[]).await;
        peer.headers(1, 0, &request("/test.Kit/Unread")).await;
        probe.until_started(1).await;
        let began = Instant::now();
        peer.raw(bytes).await;
        peer.expect_goaway(ENHANCE_YOUR_CALM).await;
        peer.expect_closed().await;
        let took = began.elapsed().as_secs_f64();
        assert!((10.0..=11.5).contains(&took), "{what}: {took}");
        let error = served.await.unwrap().expect_err(what).to_string();
        assert!(error.contains("did not finish it within 10 s"), "{error}");
    }
}

/// Also where nothing else happens, and nothing has for a while.
#[tokio::test(start_paused = true)]
async fn l18_half_a_frame_on_a_connection_at_rest_is_cut() {
    let probe = Probe::default();
    let (ours, _served) = support::server::pipe(Server::builder(), &probe, 64 * 1024);
    let mut peer = Peer::client(ours, &[]).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let began = Instant::now();
    peer.raw(&[0, 0, 8]).await;
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
    peer.expect_closed().await;
    let took = began.elapsed().as_secs_f64();
    assert!((10.0..=11.5).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn l18_a_block_that_drips_is_cut_too() {
    let probe = Probe::default();
    let (ours, _served) = support::server::pipe(Server::builder(), &probe, 64 * 1024);
    let mut peer = Peer::client(ours, &[]).await;
    let frame = frame::encode(kind::HEADERS, 0, 1, &[0; 100]);
    let began = Instant::now();
    for byte in frame.chunks(1) {
        if peer.try_raw(byte).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
    peer.expect_closed().await;
    // It is cut at 10 s or 11; the bytes after that went to nobody.
    assert!(began.elapsed() >= Duration::from_secs(10));
    probe.until_idle().await;
}
