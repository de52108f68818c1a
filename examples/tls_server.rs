//! A greeter in TLS: the certificate and its key from files, and, if a third file is given, only for clients with a
//! certificate that its authority has issued.
//!
//! ```text
//! scripts/dev_ca certs
//! cargo run --features tls-ring --example tls_server -- certs/server.pem certs/server.key
//! cargo run --features tls-ring --example tls_client -- localhost:50051 certs/ca.pem
//! ```
//!
//! With client certificates, the server takes `certs/ca.pem` as its third argument, and the client
//! `certs/client.pem certs/client.key` as its third and fourth. The server reads its files anew when they change.

use std::time::Duration;

use temaki::tls::TlsFiles;
use temaki::{Request, Response, Server, Status};
use temaki_protos::helloworld::greeter_server::{Greeter, GreeterServer};
use temaki_protos::helloworld::{HelloReply, HelloRequest};

struct MyGreeter;

impl Greeter for MyGreeter {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let certificates = request.peer_certs().map_or(0, |certs| certs.len());
        let name = request.into_inner().name;
        let message = format!("Hello {name}, who has sent {certificates} certificates!");
        Ok(Response::new(HelloReply { message }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(certificate), Some(key)) = (args.next(), args.next()) else {
        return Err("usage: tls_server CERTIFICATE KEY [CLIENT_CA]".into());
    };
    let mut files = TlsFiles::new(certificate, key);
    if let Some(root) = args.next() {
        files = files.client_ca_root(root);
    }
    let tls = files.load()?;
    tokio::spawn(files.watch(
        tls.clone(),
        Duration::from_secs(60),
        |outcome| match outcome {
            Ok(()) => println!("the certificates are new"),
            Err(error) => println!("the certificates stay as they were: {error}"),
        },
    ));
    let server = Server::builder()
        .handshake(tls)
        .add_service(GreeterServer::new(MyGreeter));
    println!("serving on https://localhost:50051");
    server.serve("127.0.0.1:50051".parse()?).await?;
    Ok(())
}
