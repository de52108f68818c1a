//! TLS peers that are not temaki: what is offered by ALPN, how a connection ends, how bytes fill records.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use temaki::tls::rustls::{self, ClientConfig, RootCertStore};
use temaki::tls::{TlsAcceptor, TlsErrorKind as Kind};
use temaki::{ConnectInfo, Endpoint, Server};
use temaki_certs::tokio_rustls::{self, client::TlsStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::kit::*;
use crate::support::{
    END_HEADERS, END_STREAM, Peer, Probe, frame, hpack, kind, message, request, server, soon,
};

/// A client of `rustls` that offers these protocols.
fn offering(protocols: &[&str]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut roots = RootCertStore::empty();
    use rustls::pki_types::pem::PemObject;
    roots
        .add(rustls::pki_types::CertificateDer::from_pem_slice(CA.pem().as_bytes()).unwrap())
        .unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub(crate) async fn connect<IO>(io: IO, protocols: &[&str]) -> io::Result<TlsStream<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(offering(protocols))
        .connect(name, io)
        .await
}

pub(crate) async fn dial(
    address: SocketAddr,
    protocols: &[&str],
) -> io::Result<TlsStream<TcpStream>> {
    connect(TcpStream::connect(address).await.unwrap(), protocols).await
}

//= GRPC-TLS  type=test
#[tokio::test]
async fn a_server_says_what_a_client_offered_that_is_not_h2() {
    let served = Served::start(super::kit::server()).await;
    for (offered, text) in [
        (
            &["http/1.1", "h3"][..],
            "the client offers \"http/1.1\", \"h3\" by ALPN, and gRPC needs \"h2\"",
        ),
        (
            &[],
            "the client offers no protocol by ALPN, and gRPC needs \"h2\"",
        ),
    ] {
        let error = dial(served.address, offered).await.unwrap_err();
        assert!(
            error.to_string().contains("NoApplicationProtocol"),
            "the alert: {error}"
        );
        let end = served.ends.next().await;
        assert!(end.starts_with("handshake Some(Alpn)"), "{end}");
        assert!(end.contains(text), "{end}");
    }
    let stream = dial(served.address, &["http/1.1", "h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}

/// A TLS server that knows these protocols and no HTTP.
async fn listening(protocols: &[&str]) -> SocketAddr {
    let mut config = super::kit::server().into_rustls().unwrap();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(socket).await {
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_client_says_what_a_server_offered_that_is_not_h2() {
    for (protocols, text) in [
        (
            &["http/1.1"][..],
            "the server does not offer \"h2\" by ALPN",
        ),
        (
            &[],
            "the server offers no protocol by ALPN, and gRPC needs \"h2\"",
        ),
    ] {
        let address = listening(protocols).await;
        let target = format!("https://localhost:{}", address.port());
        let endpoint = Endpoint::new(target).unwrap().tls_config(client()).unwrap();
        let error = endpoint.connect().await.unwrap_err();
        assert_eq!(kind(&error), Kind::Alpn, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// A pipe that counts the records of TLS that were written to it.
struct Counted {
    io: DuplexStream,
    records: Arc<Mutex<Vec<usize>>>,
    /// What was written, as far as it is not a whole record.
    rest: Vec<u8>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = &polled {
            self.rest.extend_from_slice(&buf[..*n]);
            while self.rest.len() >= 5 {
                let length = usize::from(u16::from_be_bytes([self.rest[3], self.rest[4]]));
                if self.rest.len() < 5 + length {
                    break;
                }
                self.rest.drain(..5 + length);
                self.records.lock().unwrap().push(length);
            }
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The responses to ten calls that come together leave in two records at most, though each response has three frames.
#[tokio::test]
async fn what_leaves_in_one_turn_shares_a_record() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let records = Arc::new(Mutex::new(Vec::new()));
    let counted = Counted {
        io: theirs,
        records: records.clone(),
        rest: Vec::new(),
    };
    let tls = TlsAcceptor::from_config(super::kit::server()).unwrap();
    let server = Server::builder()
        .handshake(tls)
        .add_service(server::kit(&Probe::default()));
    let task = tokio::spawn(server.serve_connection(counted, ConnectInfo::default()));
    let stream = connect(ours, &["h2"]).await.unwrap();
    let mut peer = Peer::client(stream, &[]).await;
    peer.ping().await;
    records.lock().unwrap().clear();
    let head = hpack::encode(&request("/test.Kit/Echo"));
    let mut calls = Vec::new();
    for n in 0..10 {
        let stream = 1 + 2 * n;
        calls.extend_from_slice(&frame::encode(kind::HEADERS, END_HEADERS, stream, &head));
        calls.extend_from_slice(&frame::encode(
            kind::DATA,
            END_STREAM,
            stream,
            &message("hello"),
        ));
    }
    peer.raw(&calls).await;
    for n in 0..10 {
        assert_eq!(peer.answer(1 + 2 * n).await.expect_one(), "hello");
    }
    let records = records.lock().unwrap().clone();
    assert!(
        records.len() <= 2,
        "ten responses of three frames: {records:?}"
    );
    task.abort();
}

/// The end of a connection in good order is `close_notify`; an end without it is an error, at both ends.
#[tokio::test]
async fn close_notify_is_sent_and_is_missed() {
    let served = Served::start(super::kit::server()).await;
    let mut stream = dial(served.address, &["h2"]).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.unwrap();
    // In good order: `read_to_end` of `rustls` fails where close_notify is missing.
    stream.shutdown().await.unwrap();
    soon("the server to close", stream.read_to_end(&mut Vec::new()))
        .await
        .unwrap();
    assert_eq!(served.ends.next().await, "done None ");
}

/// An end without close_notify looks like no end of a call: what came may not be all.
#[tokio::test]
async fn a_truncated_stream_ends_its_calls_with_an_error() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let probe = Probe::default();
    let tls = TlsAcceptor::from_config(super::kit::server()).unwrap();
    let server = Server::builder()
        .handshake(tls)
        .add_service(server::kit(&probe));
    let _served = tokio::spawn(server.serve_connection(theirs, ConnectInfo::default()));
    let mut peer = Peer::client(connect(ours, &["h2"]).await.unwrap(), &[]).await;
    peer.headers(1, 0, &request("/test.Kit/Join")).await;
    peer.data(1, 0, &message("one")).await;
    probe.until_started(1).await;
    peer.ping().await;
    drop(peer);
    let status = probe.next_end().await.unwrap_err();
    assert!(status.message().contains("close_notify"), "{status}");
}
