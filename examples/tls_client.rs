//! Calls `examples/tls_server`: it trusts the authority of the first file, and shows the certificate
//! of the others.
//!
//! ```text
//! cargo run --features tls-ring --example tls_client -- localhost:50051 certs/ca.pem [certs/client.pem certs/client.key]
//! ```

use std::fs;

use temaki::Endpoint;
use temaki::tls::{Certificate, ClientTlsConfig, Identity};
use temaki_protos::helloworld::HelloRequest;
use temaki_protos::helloworld::greeter_client::GreeterClient;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(ca)) = (args.next(), args.next()) else {
        return Err("usage: tls_client ADDRESS CA [CERTIFICATE KEY]".into());
    };
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(fs::read(ca)?));
    if let (Some(certificate), Some(key)) = (args.next(), args.next()) {
        tls = tls.identity(Identity::from_pem(fs::read(certificate)?, fs::read(key)?));
    }
    let endpoint = Endpoint::new(format!("https://{address}"))?.tls_config(tls)?;
    let client = GreeterClient::new(endpoint.connect().await?);
    let request = HelloRequest { name: "Ada".into() };
    println!("{}", client.say_hello(request).await?.into_inner().message);
    Ok(())
}
