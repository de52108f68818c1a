//! The service on tonic, as its guide starts a server.
//!
//! Flags: `--runtime ct|mt`; `--gzip 1`, messages are compressed both ways; `--tls FOLDER`, TLS.

use gates::{control, echo, flags};
use peers::tonic_echo::echo_server::{Echo, EchoServer};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

fn main() {
    let mut flags = flags::Flags::from_env();
    let runtime = flags.word("runtime", "mt");
    let gzip = flags.number("gzip", 0) != 0;
    let tls = flags.word("tls", "");
    flags.done();
    flags::run_on(&runtime, async move {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address"))
            .expect("loopback has a free port");
        // What `serve` does for who does not bring a socket.
        let incoming = incoming.with_nodelay(Some(true));
        control::listening(
            incoming
                .local_addr()
                .expect("a bound socket has an address")
                .port(),
        );
        let mut echo = EchoServer::new(Echoing);
        if gzip {
            let gzip = tonic::codec::CompressionEncoding::Gzip;
            echo = echo.accept_compressed(gzip).send_compressed(gzip);
        }
        let mut server = Server::builder();
        if !tls.is_empty() {
            let [certificate, key, _] = gates::certificates(&tls);
            let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
            server = server.tls_config(tls).expect("certificates");
        }
        server
            .add_service(echo)
            .serve_with_incoming(incoming)
            .await
            .expect("tonic serves");
    });
}

struct Echoing;

#[tonic::async_trait]
impl Echo for Echoing {
    async fn say(&self, request: Request<echo::Words>) -> Result<Response<echo::Words>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type RepeatStream = tokio_stream::Iter<Repeated>;

    async fn repeat(
        &self,
        request: Request<echo::Words>,
    ) -> Result<Response<Self::RepeatStream>, Status> {
        let echo::Words { text, times } = request.into_inner();
        Ok(Response::new(tokio_stream::iter(Repeated {
            text,
            left: times,
        })))
    }

    async fn carry(&self, request: Request<echo::Cargo>) -> Result<Response<echo::Cargo>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

struct Repeated {
    text: String,
    left: u32,
}

impl Iterator for Repeated {
    type Item = Result<echo::Words, Status>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(Ok(echo::Words {
            text: self.text.clone(),
            times: 0,
        }))
    }
}
