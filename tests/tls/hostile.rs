//! Where a TLS connection stops: in the middle of a handshake, without close_notify, after junk, in a drain, and where the reader is slow.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::server::{Methods, TcpIncoming};
use temaki::tls::TlsAcceptor;
use temaki::{Channel, Code, ConnectInfo, Endpoint, Request, Response, Server, Status};
use temaki_certs::tokio_rustls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use crate::kit::*;
use crate::raw::{connect, dial};
use crate::support::{END_STREAM, Peer, Probe, message, request, response, server, soon};

async fn echo(channel: Channel, message: Bytes) -> Result<Bytes, Status> {
    let path = PathAndQuery::from_static("/test.Kit/Echo");
    let call = channel.unary(path, BytesCodec, Request::new(message));
    soon("a response", call).await.map(Response::into_inner)
}

/// How much of its response a server sends before it closes.
const MOMENTS: [&str; 4] = ["nothing", "headers", "a message", "all"];

/// A response that was complete before the connection ended is one. What was not is an error, whatever came of it.
#[tokio::test]
async fn a_server_that_closes_without_close_notify_at_each_moment() {
    let mut config = super::kit::server().into_rustls().unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    for is_notified in [false, true] {
        for (sent, moment) in MOMENTS.into_iter().enumerate() {
            let endpoint = Endpoint::new(target.clone()).unwrap();
            let channel = endpoint.tls_config(client()).unwrap().connect_lazy();
            let call = tokio::spawn(echo(channel, Bytes::from(vec![7; 30_000])));
            let (socket, _) = listener.accept().await.unwrap();
            let stream = acceptor.accept(socket).await.unwrap();
            let mut peer = Peer::server(stream, &[]).await;
            peer.expect_headers(1).await;
            peer.expect_body(1).await;
            if sent > 0 {
                peer.headers(1, 0, &response()).await;
            }
            if sent > 1 {
                peer.data(1, 0, &message(vec![7; 30_000])).await;
            }
            if sent > 2 {
                peer.headers(1, END_STREAM, &[("grpc-status", "0")]).await;
            }
            if is_notified {
                peer.shutdown().await;
            }
            drop(peer);
            let found = call.await.unwrap();
            match moment {
                "all" => assert_eq!(found.unwrap().len(), 30_000, "{is_notified}"),
                _ => {
                    let status = found.unwrap_err();
                    assert_eq!(status.code(), Code::Unavailable, "{moment}: {status}");
                }
            }
        }
    }
}

/// A socket that takes a few bytes at a time, and each second time none; so are its flushes.
struct Crumbs {
    io: DuplexStream,
    size: usize,
    is_full: bool,
    is_busy: bool,
}

/// Not now, but each second time.
fn poll_each_second(is_over: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
    *is_over = !*is_over;
    if *is_over {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(())
}

impl AsyncRead for Crumbs {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Crumbs {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(poll_each_second(&mut self.is_full, cx));
        let len = buf.len().min(self.size);
        Pin::new(&mut self.io).poll_write(cx, &buf[..len])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(poll_each_second(&mut self.is_busy, cx));
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A server at a socket that takes `size` bytes at a time, and a raw client of it.
async fn over(size: usize) -> (Peer, tokio::task::JoinHandle<()>) {
    let (ours, io) = tokio::io::duplex(8 * 1024);
    let tls = TlsAcceptor::from_config(super::kit::server()).unwrap();
    let server = Server::builder().handshake(tls);
    let server = server.add_service(server::kit(&Probe::default()));
    let task = tokio::spawn(async move {
        let (is_full, is_busy) = (false, false);
        let crumbs = Crumbs {
            io,
            size,
            is_full,
            is_busy,
        };
        let _ = server
            .serve_connection(crumbs, ConnectInfo::default())
            .await;
    });
    let stream = connect(ours, &["h2"]).await.unwrap();
    (Peer::client(stream, &[]).await, task)
}

/// What TLS holds back is asked for until it has left, also where the socket takes a few bytes at a time, and the last bytes before
/// the connection ends.
#[tokio::test]
async fn every_byte_leaves_where_the_reader_is_slow() {
    for size in [7, 64, 5000, 1 << 16] {
        let (mut peer, task) = over(size).await;
        let len = if size < 64 { 3000 } else { 60_000 };
        for stream in [1, 3] {
            peer.headers(stream, 0, &request("/test.Kit/Echo")).await;
            let body = message(vec![7; len]);
            peer.data_within_windows(stream, END_STREAM, &body).await;
        }
        // Nothing more is said by the client: what is left has to come of itself.
        for stream in [1, 3] {
            let answer = soon("a response", peer.answer(stream)).await;
            assert_eq!(answer.expect_one().len(), len, "{size}");
        }
        peer.headers(5, 0, &request("/test.Kit/Echo")).await;
        peer.data(5, END_STREAM, &message(vec![8; 500])).await;
        peer.goaway(0, 0).await;
        let answer = soon("the last response", peer.answer(5)).await;
        assert_eq!(answer.expect_one().len(), 500, "{size}");
        peer.shutdown().await;
        soon("the server to end", task).await.unwrap();
    }
}

/// What is no record after the handshake ends that connection, with an error that is typed, and no other.
#[tokio::test]
async fn junk_after_the_handshake_and_in_the_middle_of_it() {
    let served = Served::start(super::kit::server()).await;
    let channel = served.connect(client()).await.unwrap();
    let handshake_of_tls_1_2 = b"\x16\x03\x03\x00\x04\x01\x00\x00\x00";
    for junk in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        handshake_of_tls_1_2,
        b"\x17\x03\x03\xff\xff",
    ] {
        let mut stream = dial(served.address, &["h2"]).await.unwrap();
        let socket = stream.get_mut().0;
        socket.write_all(junk).await.unwrap();
        let _ = soon("the end", socket.read_to_end(&mut Vec::new())).await;
        let end = served.ends.next().await;
        assert!(end.contains("Some("), "{junk:?}: {end}");
        assert_eq!(echo(channel.clone(), "a".into()).await.unwrap(), "a");
    }
    // A ClientHello that never comes to its end.
    for len in [1, 5, 9, 100] {
        let hello = [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
            &[0; 200],
        ]
        .concat();
        let mut socket = TcpStream::connect(served.address).await.unwrap();
        socket.write_all(&hello[..len]).await.unwrap();
        socket.shutdown().await.unwrap();
        let _ = soon("the end", socket.read_to_end(&mut Vec::new())).await;
        let end = served.ends.next().await;
        assert!(end.starts_with("handshake"), "{len}: {end}");
        assert_eq!(echo(channel.clone(), "a".into()).await.unwrap(), "a");
    }
}

/// A hundred calls are open when a server begins to stop: each has its response, and the server ends.
#[tokio::test]
async fn a_drain_loses_no_call() {
    let (open, gate) = watch::channel(false);
    let (started, mut count) = watch::channel(0);
    let mut methods = Methods::new("test.Slow", Arc::new((gate, started)));
    methods.unary("Echo", BytesCodec, |state: Arc<(watch::Receiver<bool>, watch::Sender<i32>)>, request: Request<Bytes>| async move {
        state.1.send_modify(|count| *count += 1);
        let mut gate = state.0.clone();
        gate.wait_for(|is_open| *is_open).await.map_err(|_| Status::internal("no gate"))?;
        Ok(Response::new(request.into_inner()))
    });
    let tls = TlsAcceptor::from_config(super::kit::server()).unwrap();
    let server = Server::builder().handshake(tls).add_service(methods);
    let incoming = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
    let port = incoming.local_addr().unwrap().port();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async { stopped.await.unwrap() };
        server
            .serve_with_incoming_shutdown(incoming, stopped)
            .await
            .unwrap();
    });
    let mut calls = Vec::new();
    for _ in 0..10 {
        let endpoint = Endpoint::new(format!("https://localhost:{port}")).unwrap();
        let channel = endpoint
            .tls_config(client())
            .unwrap()
            .connect()
            .await
            .unwrap();
        for _ in 0..10 {
            let channel = channel.clone();
            calls.push(tokio::spawn(async move {
                let path = PathAndQuery::from_static("/test.Slow/Echo");
                let request = Request::new(Bytes::from(vec![7; 40_000]));
                channel.unary(path, BytesCodec, request).await
            }));
        }
    }
    soon("all calls", count.wait_for(|count| *count == 100))
        .await
        .unwrap();
    stop.send(()).unwrap();
    tokio::task::yield_now().await;
    open.send(true).unwrap();
    for call in calls {
        let response = soon("a response", call).await.unwrap().unwrap();
        assert_eq!(response.into_inner().len(), 40_000);
    }
    soon("the server to end", serving).await.unwrap();
}
