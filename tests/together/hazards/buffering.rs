//! Bytes must leave also where the IO buffers, as TLS does: written is not sent until it is flushed, and a flush
//! may have to wait for a pipe that is full.
//!
//! A loop that does not ask again for a flush that had to wait leaves the end of what it said in the IO, until
//! something else is said. Here pipes are so small that nearly every flush waits.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::{Channel, ConnectInfo, Endpoint, Request, Server};
use tokio::io::DuplexStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::support::*;

/// Windows that never close, so that only the pipe makes anybody wait.
const WIDE: [(u16, u32); 1] = [(setting::INITIAL_WINDOW_SIZE, (1 << 31) - 1)];

/// Longer than anybody who is paused needs.
const PAUSE: Duration = Duration::from_millis(150);

/// A server at the far end of a pipe for `size` bytes, behind a buffer of `room`.
fn served(
    builder: Server,
    size: usize,
    room: usize,
) -> (DuplexStream, Probe, JoinHandle<Result<(), temaki::Error>>) {
    let probe = Probe::default();
    let (ours, theirs) = tokio::io::duplex(size);
    let server = builder.add_service(server::kit(&probe));
    let theirs = Buffering::with_room(theirs, room);
    let served = tokio::spawn(server.serve_connection(theirs, ConnectInfo::default()));
    (ours, probe, served)
}

async fn wide(io: DuplexStream) -> Peer {
    let mut peer = Peer::client(io, &WIDE).await;
    peer.window_update(0, (1 << 31) - 1 - 65_535).await;
    peer
}

fn path(method: &str) -> PathAndQuery {
    format!("/test.Kit/{method}").parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn s01_an_answer_arrives_whole_though_its_caller_pauses() {
    for (size, room) in [(4096, 64 * 1024), (64 * 1024, 16 * 1024), (100, 1000)] {
        for len in [70_000, 1_000_000, 3_000_000] {
            if len > 70_000 && size < 4096 {
                continue; // it would take seconds
            }
            let (io, _probe, _served) = served(Server::builder(), size, room);
            let mut peer = wide(io).await;
            let message = Bytes::from(vec![b'm'; len]);
            peer.headers(1, 0, &request("/test.Kit/Echo")).await;
            let framed = prefixed(0, &message);
            peer.data_within_windows(1, END_STREAM, &framed).await;
            // It does not read now: the pipe is full, and so is the buffer.
            sleep(PAUSE).await;
            let answer = soon("the answer", peer.answer(1)).await;
            assert_eq!(answer.expect_one().len(), len, "{size} {room}");
        }
        if size < 4096 {
            continue;
        }
        let (io, _probe, _served) = served(Server::builder(), size, room);
        let mut peer = wide(io).await;
        for stream in [1, 3] {
            let count = if stream == 1 {
                "1 5000000"
            } else {
                "5 1000001"
            };
            peer.call(stream, &request("/test.Kit/Repeat"), count).await;
            sleep(PAUSE).await;
            soon("the stream", peer.answer(stream)).await;
        }
    }
}

/// Frames that nothing follows: each must come without help.
#[tokio::test(start_paused = true)]
async fn s01_small_frames_leave_a_buffer_by_themselves() {
    for (size, room) in [(24, 64 * 1024), (32, 10), (64, 100)] {
        let builder = Server::builder()
            .initial_stream_window_size(16_384)
            .initial_connection_window_size(65_535);
        let (io, _probe, served) = served(builder, size, room);
        // SETTINGS, and the ACK of ours.
        let mut peer = wide(io).await;
        peer.acks = false;
        peer.frame(kind::PING, 0, 0, b"01234567").await;
        sleep(PAUSE).await;
        let next = soon("a PING's answer", peer.next(0)).await;
        assert!(
            matches!(next, Some(Frame::Ping { ack: true, .. })),
            "{next:?}"
        );
        // Credit, without which the rest of the upload could not come.
        peer.headers(1, 0, &request("/test.Kit/Join")).await;
        let upload = message(vec![b'u'; 200_000]);
        let sent = peer.data_within_windows(1, END_STREAM, &upload);
        soon("credit", sent).await;
        assert_eq!(peer.answer(1).await.expect_one().len(), 200_000);
        // GOAWAY for what breaks the protocol.
        peer.frame(kind::DATA, 0, 0, b"for no stream").await;
        sleep(PAUSE).await;
        soon("GOAWAY", peer.expect_goaway(PROTOCOL_ERROR)).await;
        soon("the end", peer.expect_closed()).await;
        drop(peer);
        let _ = soon("the server's end", served).await;
    }
}

/// temaki at both ends, and a buffer under each.
async fn both(size: usize, room: usize) -> (Channel, Probe) {
    let (ours, probe, _) = served(Server::builder(), size, room);
    let endpoint = Endpoint::from_static("http://pipe");
    let connected = endpoint.connect_with_io(Buffering::with_room(ours, room));
    let channel = soon("a connection", connected).await.expect("a connection");
    (channel, probe)
}

#[tokio::test(start_paused = true)]
async fn s01_every_kind_of_call_passes_through_buffers_at_both_ends() {
    for (size, room) in [(256, 64 * 1024), (4096, 64 * 1024), (64 * 1024, 3000)] {
        let (channel, _probe) = both(size, room).await;
        for len in [0, 1, 20_000, 300_000] {
            let message = Bytes::from(vec![b'm'; len]);
            let call = channel.unary(path("Echo"), BytesCodec, Request::new(message.clone()));
            assert_eq!(soon("unary", call).await.unwrap().into_inner(), message);

            let count = Bytes::from(format!("3 {len}"));
            let call = async {
                let request = Request::new(count);
                let call = channel.server_streaming(path("Repeat"), BytesCodec, request);
                let mut answers = call.await?.into_inner();
                let mut came = 0;
                while let Some(answer) = answers.message().await? {
                    assert_eq!(answer.len(), len);
                    came += 1;
                }
                Ok::<_, temaki::Status>(came)
            };
            assert_eq!(soon("server streaming", call).await.unwrap(), 3);

            let uploads = Request::new(stream::iter(vec![message.clone(); 3]));
            let call = channel.client_streaming(path("Join"), BytesCodec, uploads);
            let joined = soon("client streaming", call).await.unwrap().into_inner();
            assert_eq!(joined.len(), 3 * len);

            let call = async {
                let messages = Request::new(stream::iter(vec![message.clone(); 3]));
                let call = channel.streaming(path("Both"), BytesCodec, messages);
                let mut answers = call.await?.into_inner();
                let mut came = 0;
                while let Some(answer) = answers.message().await? {
                    assert_eq!(answer, message);
                    came += 1;
                }
                Ok::<_, temaki::Status>(came)
            };
            assert_eq!(soon("bidi", call).await.unwrap(), 3);

            let call = async {
                let mut call = channel.start::<BytesCodec>(path("Both"), BytesCodec);
                for _ in 0..3 {
                    call.send(message.clone()).await?;
                    assert_eq!(call.message().await?, Some(message.clone()));
                }
                call.half_close().await?;
                call.message().await
            };
            assert_eq!(soon("held", call).await.unwrap(), None);
        }
    }
}

/// The client's bytes: an upload to a server that pauses, and what the client says by itself.
#[tokio::test(start_paused = true)]
async fn s01_an_upload_arrives_whole_though_its_server_pauses() {
    for (size, room) in [(4096, 64 * 1024), (100, 1000), (64 * 1024, 16 * 1024)] {
        let (ours, theirs) = tokio::io::duplex(size);
        let endpoint = Endpoint::from_static("http://pipe");
        let io = Buffering::with_room(ours, room);
        let connecting = tokio::spawn(async move { endpoint.connect_with_io(io).await });
        let mut peer = Peer::server(theirs, &WIDE).await;
        peer.window_update(0, (1 << 31) - 1 - 65_535).await;
        let channel = soon("a channel", connecting).await.unwrap().unwrap();
        for (stream, len) in [(1, 70_000), (3, 1_000_000), (5, 3_000_000)] {
            if len > 70_000 && size < 4096 {
                break; // it would take seconds
            }
            let message = Bytes::from(vec![b'u'; len]);
            let call = tokio::spawn({
                let channel = channel.clone();
                async move {
                    let request = Request::new(message);
                    channel.unary(path("Echo"), BytesCodec, request).await
                }
            });
            sleep(PAUSE).await;
            let (came, _) = soon("a request", peer.expect_request()).await;
            assert_eq!(came, stream);
            let body = soon("the upload", peer.expect_body(stream)).await;
            assert_eq!(body.len(), len + 5, "{size} {room}");
            respond(&mut peer, stream).await;
            let answer = soon("the call", call).await.unwrap().unwrap();
            assert_eq!(answer.into_inner(), "taken");
        }
        peer.acks = false;
        peer.frame(kind::PING, 0, 0, b"01234567").await;
        sleep(PAUSE).await;
        let next = soon("a PING's answer", peer.next(0)).await;
        assert!(
            matches!(next, Some(Frame::Ping { ack: true, .. })),
            "{next:?}"
        );
        drop(channel);
        sleep(PAUSE).await;
        soon("GOAWAY", peer.expect_goaway(NO_ERROR)).await;
        soon("the end", peer.expect_closed()).await;
    }
}

/// Answers `taken`.
async fn respond(peer: &mut Peer, stream: u32) {
    let head = [(":status", "200"), ("content-type", "application/grpc")];
    peer.headers(stream, 0, &head).await;
    peer.data(stream, 0, &message("taken")).await;
    let trailers = [("grpc-status", "0")];
    peer.headers(stream, END_STREAM, &trailers).await;
}

/// A client whose channel was dropped, at a server that takes nothing: it goes, whether the server is silent or
/// talks on, and whether its bytes wait here or in the IO.
#[tokio::test(start_paused = true)]
async fn c14_a_client_that_nobody_needs_does_not_wait_for_its_peer_for_ever() {
    for (room, talks, has_call) in [
        (1, false, true),
        (64 * 1024, false, true),
        (64 * 1024, false, false),
        (1, true, true),
        (64 * 1024, true, true),
        (64 * 1024, true, false),
    ] {
        let (ours, theirs) = tokio::io::duplex(512);
        let endpoint = Endpoint::from_static("http://pipe");
        let io = Buffering::with_room(ours, room);
        let connecting = tokio::spawn(async move { endpoint.connect_with_io(io).await });
        let mut peer = Peer::server(theirs, &WIDE).await;
        let channel = soon("a channel", connecting).await.unwrap().unwrap();
        sleep(PAUSE).await;
        if has_call {
            // From here on the peer reads nothing.
            let request = Request::new(Bytes::from(vec![1; 20_000]));
            let call = channel.unary(path("Echo"), BytesCodec, request);
            tokio::time::timeout(PAUSE, call).await.unwrap_err();
        } else {
            // So many answers to PINGs that they fill the pipe.
            for _ in 0..40 {
                peer.frame(kind::PING, 0, 0, b"01234567").await;
            }
            sleep(PAUSE).await;
        }
        drop(channel);
        let begun = Instant::now();
        let patience = Duration::from_secs(60);
        let gone = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                // The connection's task is the only one.
                if Handle::current().metrics().num_alive_tasks() == 0 {
                    return;
                }
                if talks {
                    let update = frame::encode(kind::WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
                    let _ = peer.try_raw(&update).await;
                }
            }
        };
        let row = format!("{room} {talks} {has_call}");
        tokio::time::timeout(patience, gone)
            .await
            .unwrap_or_else(|_| panic!("it is still there after {patience:?}: {row}"));
        assert!(begun.elapsed() > Duration::from_secs(2), "{row}");
    }
}

/// The server's half: what it says to a peer who takes nothing ends its connection, when the IO holds it too.
#[tokio::test(start_paused = true)]
async fn s01_a_peer_that_takes_nothing_is_cut_though_the_io_has_taken_it() {
    for len in [1_000, 30_000] {
        let builder = Server::builder().stall_timeout(Duration::from_secs(5));
        let (io, _probe, served) = served(builder, 256, 64 * 1024);
        let mut peer = wide(io).await;
        peer.call(1, &request("/test.Kit/Repeat"), format!("1 {len}"))
            .await;
        let begun = Instant::now();
        let ended = soon("the server's end", served).await.unwrap();
        let error = ended.expect_err("it was cut").to_string();
        assert!(error.contains("stall_timeout"), "{error}");
        let took = begun.elapsed().as_secs();
        assert!((5..=7).contains(&took), "{took}");
    }
}
