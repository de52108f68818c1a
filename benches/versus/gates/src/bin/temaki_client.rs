//! Calls with temaki's client, with its defaults; every answer is checked.
//!
//! Flags: those of [`gates::callers::Plan`], `--runtime ct|mt`; `--gzip 1`: messages are compressed both ways; `--tls FOLDER`: TLS, by the
//! certificates of `scripts/dev_ca`.

use gates::callers::{self, Method, Plan, check, fail};
use gates::{echo, flags};
use http::uri::PathAndQuery;
use temaki::codec::ProstCodec;
use temaki::tls::{Certificate, ClientTlsConfig};
use temaki::{Channel, Endpoint, Request, Response, Status, Streaming};

fn main() {
    let mut flags = flags::Flags::from_env();
    let runtime = flags.word("runtime", "mt");
    let tls = flags.word("tls", "");
    let plan = Plan::from_flags(&mut flags);
    let gzip = flags.number("gzip", 0) != 0;
    flags.done();
    flags::run_on(&runtime, async move {
        let mut channels = Vec::new();
        for _ in 0..plan.connections {
            let endpoint = if tls.is_empty() {
                Endpoint::new(format!("http://127.0.0.1:{}", plan.port))
            } else {
                let [_, _, ca] = gates::certificates(&tls);
                let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
                Endpoint::new(format!("https://127.0.0.1:{}", plan.port))
                    .and_then(|endpoint| endpoint.tls_config(config))
            };
            let endpoint = endpoint.expect("a target");
            let mut channel = endpoint.connect().await.expect("a connection");
            if gzip {
                let gzip = temaki::codec::CompressionEncoding::Gzip;
                channel = channel.accept_compressed(gzip).send_compressed(gzip);
            }
            channels.push(channel);
        }
        callers::run(plan, channels, |channel, plan| async {
            one_call(&channel, plan)
                .await
                .unwrap_or_else(|status| fail(&status.to_string()));
            channel
        })
        .await;
    });
}

async fn one_call(channel: &Channel, plan: &Plan) -> Result<(), Status> {
    match plan.method {
        Method::Say => {
            let answer: Response<echo::Words> = channel
                .unary(
                    path(echo::SAY),
                    ProstCodec::default(),
                    Request::new(plan.words()),
                )
                .await?;
            check(answer.get_ref().text.as_bytes(), plan);
        }
        Method::Carry => {
            let answer: Response<echo::Cargo> = channel
                .unary(
                    path(echo::CARRY),
                    ProstCodec::default(),
                    Request::new(plan.cargo()),
                )
                .await?;
            check(&answer.get_ref().payload, plan);
        }
        Method::Repeat => {
            let answers: Response<Streaming<echo::Words>> = channel
                .server_streaming(
                    path(echo::REPEAT),
                    ProstCodec::default(),
                    Request::new(plan.words()),
                )
                .await?;
            let mut answers = answers.into_inner();
            let mut seen = 0;
            while let Some(answer) = answers.message().await? {
                check(answer.text.as_bytes(), plan);
                seen += 1;
            }
            if seen != plan.times {
                fail(&format!("{seen} messages of {}", plan.times));
            }
        }
    }
    Ok(())
}

fn path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}
