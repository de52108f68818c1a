//! Calls with tonic's client, as its guide connects one; every answer is checked.
//!
//! Flags: those of [`gates::callers::Plan`], `--runtime ct|mt`; `--gzip 1`: messages are compressed both ways; `--tls FOLDER`: TLS.

use gates::callers::{self, Method, Plan, check, fail};
use gates::flags;
use peers::tonic_echo::echo_client::EchoClient;
use tonic::Status;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

fn main() {
    let mut flags = flags::Flags::from_env();
    let runtime = flags.word("runtime", "mt");
    let tls = flags.word("tls", "");
    let plan = Plan::from_flags(&mut flags);
    let gzip = flags.number("gzip", 0) != 0;
    flags.done();
    flags::run_on(&runtime, async move {
        let mut clients = Vec::new();
        for _ in 0..plan.connections {
            let scheme = if tls.is_empty() { "http" } else { "https" };
            let target = format!("{scheme}://127.0.0.1:{}", plan.port);
            let mut endpoint = Endpoint::from_shared(target).expect("a target");
            if !tls.is_empty() {
                let [_, _, ca] = gates::certificates(&tls);
                let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
                endpoint = endpoint.tls_config(config).expect("certificates");
            }
            let mut client = EchoClient::new(endpoint.connect().await.expect("a connection"));
            if gzip {
                let gzip = tonic::codec::CompressionEncoding::Gzip;
                client = client.accept_compressed(gzip).send_compressed(gzip);
            }
            clients.push(client);
        }
        callers::run(plan, clients, |client, plan| async {
            one_call(client, plan)
                .await
                .unwrap_or_else(|status| fail(&status.to_string()))
        })
        .await;
    });
}

async fn one_call(
    mut client: EchoClient<Channel>,
    plan: &Plan,
) -> Result<EchoClient<Channel>, Status> {
    match plan.method {
        Method::Say => check(
            client.say(plan.words()).await?.into_inner().text.as_bytes(),
            plan,
        ),
        Method::Carry => check(
            &client.carry(plan.cargo()).await?.into_inner().payload,
            plan,
        ),
        Method::Repeat => {
            let mut answers = client.repeat(plan.words()).await?.into_inner();
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
    Ok(client)
}
