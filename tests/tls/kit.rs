//! A TLS server with the kit's service, and the authorities to trust for it.

#![allow(
    unreachable_pub,
    reason = "a kit, whose users are the other files of this program"
)]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use temaki::codec::BytesCodec;
use temaki::server::{ConnectionEnd, Handshake, Methods, Observer, TcpIncoming};
use temaki::tls::{
    Certificate, ClientTlsConfig, Identity, ServerTlsConfig, TlsConnectInfo, TlsError,
};
use temaki::{Channel, ConnectInfo, Endpoint, Request, Response, Server};
use temaki_certs::{Authority, Leaf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::server::kit;
use crate::support::{Probe, soon};

/// The authority that clients of these tests trust.
pub static CA: LazyLock<Authority> = LazyLock::new(|| Authority::new("servers' authority"));
/// The authority that issues client certificates.
pub static CLIENTS: LazyLock<Authority> = LazyLock::new(|| Authority::new("clients' authority"));
/// An authority that no test trusts.
pub static STRANGER: LazyLock<Authority> = LazyLock::new(|| Authority::new("a stranger"));

pub fn identity(leaf: &Leaf) -> Identity {
    Identity::from_pem(&leaf.certificate, &leaf.key)
}

pub fn root(authority: &Authority) -> Certificate {
    Certificate::from_pem(authority.pem())
}

/// A server's configuration: `localhost`, by [`CA`].
pub fn server() -> ServerTlsConfig {
    ServerTlsConfig::new().identity(identity(&CA.server(&["localhost"])))
}

/// A client's configuration that trusts [`CA`].
pub fn client() -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(root(&CA))
}

/// The ends of connections.
#[derive(Clone, Default)]
pub struct Ends(Arc<watch::Sender<Vec<String>>>);

impl Observer for Ends {
    fn connection_closed(&self, _: &ConnectInfo, end: &ConnectionEnd<'_>) {
        let kind = end
            .error
            .and_then(|error| TlsError::of(error))
            .map(TlsError::kind);
        let text = end.error.map_or(String::new(), ToString::to_string);
        let line = format!("{} {kind:?} {text}", end.reason.as_str());
        self.0.send_modify(|ends| ends.push(line));
    }
}

impl Ends {
    /// Waits for the next end.
    pub async fn next(&self) -> String {
        let mut ends = self.0.subscribe();
        soon(
            "a connection to end",
            ends.wait_for(|ends| !ends.is_empty()),
        )
        .await
        .unwrap();
        let mut first = String::new();
        self.0.send_modify(|ends| first = ends.remove(0));
        first
    }
}

/// A server in TLS at a port of its own.
pub struct Served {
    pub address: SocketAddr,
    pub ends: Ends,
    task: JoinHandle<()>,
}

impl Served {
    pub async fn start(config: ServerTlsConfig) -> Self {
        let tls = temaki::tls::TlsAcceptor::from_config(config).unwrap();
        Self::by(Server::builder().handshake(tls)).await
    }

    /// Any server.
    pub async fn by<H: Handshake<TcpStream>>(builder: Server<H>) -> Self {
        let (probe, ends) = (Probe::default(), Ends::default());
        let builder = builder.observer(ends.clone());
        let server = builder.add_service(kit(&probe)).add_service(who());
        let incoming = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
        let address = incoming.local_addr().unwrap();
        let task = tokio::spawn(async move {
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Self {
            address,
            ends,
            task,
        }
    }

    /// The endpoint by name, without TLS yet.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(format!("https://localhost:{}", self.address.port())).unwrap()
    }

    /// A channel by this configuration.
    pub async fn connect(&self, config: ClientTlsConfig) -> Result<Channel, temaki::Error> {
        self.endpoint().tls_config(config)?.connect().await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `test.Who/Peer` describes the TLS side of the connection.
fn who() -> Methods<()> {
    let mut methods = Methods::new("test.Who", Arc::new(()));
    methods.unary(
        "Peer",
        BytesCodec,
        |_, request: Request<Bytes>| async move {
            let certs = request.peer_certs().map_or(0, |certs| certs.len());
            let info = request.connect_info().expect("a connection");
            let text = match TlsConnectInfo::find(info) {
                None => "plaintext".to_owned(),
                Some(tls) => format!(
                    "{certs} certificates, for {:?}, {:?}, {:?}",
                    tls.server_name(),
                    tls.protocol_version().unwrap(),
                    tls.cipher_suite().unwrap()
                ),
            };
            Ok(Response::new(Bytes::from(text)))
        },
    );
    methods
}

/// What the server knows of the peer.
pub async fn ask_who(channel: &Channel) -> Result<String, temaki::Status> {
    let path = http::uri::PathAndQuery::from_static("/test.Who/Peer");
    let answer = channel
        .unary(path, BytesCodec, Request::new(Bytes::new()))
        .await?;
    Ok(String::from_utf8(answer.into_inner().to_vec()).unwrap())
}

/// The kind of TLS error below `error`.
pub fn kind(error: &(dyn Error + 'static)) -> temaki::tls::TlsErrorKind {
    TlsError::of(error)
        .unwrap_or_else(|| panic!("no TLS error in {error:?}"))
        .kind()
}
