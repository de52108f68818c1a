//! Floods of frames that cost their sender nothing: PING and SETTINGS (CVE-2019-9512, -9515), which must be
//! answered; PRIORITY (CVE-2019-9513), credit, unknown types, resets of streams that are gone, which must be read.
//! SETTINGS that change the window make a server walk over all of its streams. All of it runs in front of
//! the calls of other connections on the same thread.
//!
//! Guard: the frame meter takes 1,000 of them at once and then 100 a second, and 10 for each HEADERS or DATA frame
//! that was sent (credit also for each 4 bytes); changes of the window count eightfold. After that, GOAWAY ENHANCE_YOUR_CALM. (`h2` and tonic
//! answer a million a second.)

use crate::*;

/// Here the strikes of `ping_strikes` are out of the way.
fn permissive() -> Server {
    Server::builder()
        .http2_keepalive_permit_interval(Duration::ZERO)
        .http2_keepalive_permit_without_calls(true)
}

/// The flood, behind a connection with `calls` calls open, is cut with this text.
async fn is_cut(what: &str, calls: u32, flood: &[Vec<u8>]) {
    let server = Apart::start(permissive());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    let open: Vec<u8> = streams(calls)
        .flat_map(|s| headers(s, 0, "Unread"))
        .collect();
    peer.raw(&open).await;
    server.probe.until_started(calls.into()).await;
    let flood = flood.concat().repeat(50_000 / flood.len());
    let _ = peer.try_raw(&flood).await;
    let told = peer.expect_closed().await;
    let goaway = told.iter().find_map(|frame| match frame {
        Frame::GoAway { code, debug, last } => Some((*code, debug.clone(), *last)),
        _ => None,
    });
    let last = (2 * calls).saturating_sub(1);
    let expected = (
        ENHANCE_YOUR_CALM,
        Bytes::from("too_many_control_frames"),
        last,
    );
    assert_eq!(goaway, Some(expected), "{what}");
    let answers = told
        .iter()
        .filter(|frame| matches!(frame, Frame::Ping { ack: true, .. }));
    let answers = answers.count();
    assert!(
        answers <= 1200,
        "{what}: a burst was answered, and no more: {answers}"
    );
    server.probe.until_idle().await;
    neighbour.stays_well().await;
}

#[tokio::test]
async fn s24_floods_of_ping_and_settings_are_cut() {
    is_cut("PING", 1, &[frame::encode(kind::PING, 0, 0, &[7; 8])]).await;
    is_cut("PING ACK", 1, &[frame::encode(kind::PING, ACK, 0, &[7; 8])]).await;
    is_cut("SETTINGS", 1, &[frame::encode(kind::SETTINGS, 0, 0, &[])]).await;
}

#[tokio::test]
async fn s24_settings_that_change_the_window_of_250_streams_are_cut() {
    let window = |size| {
        let values = frame::settings(&[(setting::INITIAL_WINDOW_SIZE, size)]);
        frame::encode(kind::SETTINGS, 0, 0, &values)
    };
    is_cut("windows", 250, &[window(65_535), window(65_536)]).await;
}

#[tokio::test]
async fn s24_floods_that_nobody_answers_are_cut() {
    is_cut(
        "PRIORITY",
        1,
        &[frame::encode(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 1])],
    )
    .await;
    is_cut("unknown", 1, &[frame::encode(0x42, 0, 1, &[1; 20])]).await;
    is_cut(
        "credit",
        1,
        &[frame::encode(
            kind::WINDOW_UPDATE,
            0,
            0,
            &1_u32.to_be_bytes(),
        )],
    )
    .await;
}

/// A client has a guard of its own, and says whose it was.
#[tokio::test(start_paused = true)]
async fn s24_a_client_cuts_a_server_that_floods_it() {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let theirs = std::sync::Mutex::new(Some(theirs));
    let connector = move |_| {
        let theirs = theirs.lock().unwrap().take();
        async move { theirs.ok_or_else(|| std::io::Error::other("one connection is enough")) }
    };
    let channel =
        temaki::Endpoint::from_static("http://test").connect_with_connector_lazy(connector);
    let call = tokio::spawn(async move {
        let path = PathAndQuery::from_static("/test.Kit/Any");
        channel
            .unary(path, BytesCodec, Request::new(Bytes::from_static(b"a")))
            .await
    });
    let mut peer = Peer::server(ours, &[]).await;
    peer.expect_request().await;
    let credit = frame::encode(kind::WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
    let mut sent = 0;
    while sent < 50_000 && peer.try_raw(&credit.repeat(200)).await.is_ok() {
        sent += 200;
    }
    assert!((10_000..50_000).contains(&sent), "{sent}");
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
    let status = call.await.unwrap().expect_err("an end");
    let text = status.message();
    assert_eq!(status.code(), temaki::Code::Unavailable, "{text}");
    assert!(
        text.contains("this side closed the connection: the peer sent more PING"),
        "{text}"
    );
}
