//! The service on temaki, with its defaults.
//!
//! The method table is the one that temaki's code generator would write; by hand here, so that the gates need no `.proto` compiler.
//!
//! Flags: `--runtime ct|mt`; `--slowed 1` where a tool makes the process tens of times slower, so that the server's budget of time for handlers in place
//! (50 µs, which is 64 of these handlers at full speed) stands for as many handlers as without the tool; `--busy-us N`, `Say` computes for so long;
//! `--spawn 1`, each handler runs in a task of its own from the start; `--gzip 1`, messages are compressed both ways; `--tls FOLDER`, TLS by the
//! certificates of `scripts/dev_ca`.

use gates::{control, echo, flags};
use temaki::codec::ProstCodec;
use temaki::server::{MethodTable, Methods, Server, ServiceServer, TcpIncoming};
use temaki::tls::{Identity, ServerTlsConfig};
use temaki::{Request, Response, ResponseStream};

fn main() {
    let mut flags = flags::Flags::from_env();
    let runtime = flags.word("runtime", "mt");
    let slowed = flags.number("slowed", 0) != 0;
    let busy = std::time::Duration::from_micros(flags.number("busy-us", 0) as u64);
    let spawn = flags.number("spawn", 0) != 0;
    let gzip = flags.number("gzip", 0) != 0;
    let tls = flags.word("tls", "");
    flags.done();
    flags::run_on(&runtime, async move {
        let incoming = TcpIncoming::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        control::listening(
            incoming
                .local_addr()
                .expect("a bound socket has an address")
                .port(),
        );
        let mut echo: ServiceServer<Echo, EchoMethods> = ServiceServer::new(Echo { busy });
        if spawn {
            echo = echo.spawn_always();
        }
        let mut server = Server::builder();
        if gzip {
            let gzip = temaki::codec::CompressionEncoding::Gzip;
            server = server.accept_compressed(gzip).send_compressed(gzip);
        }
        if slowed {
            server = server.handlers_in_place(std::time::Duration::from_secs(1));
        }
        let server = server.add_service(echo);
        let served = if tls.is_empty() {
            server.serve_with_incoming(incoming).await
        } else {
            let [certificate, key, _] = gates::certificates(&tls);
            let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
            let server = server.tls_config(tls).expect("certificates");
            server.serve_with_incoming(incoming).await
        };
        served.expect("temaki serves");
    });
}

struct Echo {
    /// How long `Say` computes; zero for the handlers that all other figures are about.
    busy: std::time::Duration,
}

impl Echo {
    async fn say(
        &self,
        request: Request<echo::Words>,
    ) -> Result<Response<echo::Words>, temaki::Status> {
        if !self.busy.is_zero() {
            let began = std::time::Instant::now();
            while began.elapsed() < self.busy {
                std::hint::spin_loop();
            }
        }
        Ok(Response::new(request.into_inner()))
    }

    async fn repeat(
        &self,
        request: Request<echo::Words>,
    ) -> Result<Response<ResponseStream<echo::Words>>, temaki::Status> {
        let echo::Words { text, times } = request.into_inner();
        Ok(Response::new(ResponseStream::new(async move |mut out| {
            for _ in 0..times {
                out.send(echo::Words {
                    text: text.clone(),
                    times: 0,
                })
                .await?;
            }
            Ok(())
        })))
    }

    async fn carry(
        &self,
        request: Request<echo::Cargo>,
    ) -> Result<Response<echo::Cargo>, temaki::Status> {
        Ok(Response::new(request.into_inner()))
    }
}

struct EchoMethods;

impl MethodTable<Echo> for EchoMethods {
    const SERVICE: &'static str = echo::SERVICE;

    fn register(methods: &mut Methods<Echo>) {
        methods.unary(
            "Say",
            ProstCodec::default(),
            |service, request| async move { service.say(request).await },
        );
        methods.server_streaming(
            "Repeat",
            ProstCodec::default(),
            |service, request| async move { service.repeat(request).await },
        );
        methods.unary(
            "Carry",
            ProstCodec::default(),
            |service, request| async move { service.carry(request).await },
        );
    }
}
