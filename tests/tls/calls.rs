//! All kinds of call over TLS, and what both ends know of the connection.

use std::sync::Arc;

use temaki::tls::{TlsAcceptor, TlsConnector, rustls};
use temaki::{Endpoint, Server};

use crate::kit::*;
use crate::support::shapes::{Shape, call};

#[tokio::test]
async fn the_five_kinds_of_call() {
    let served = Served::start(server()).await;
    let channel = served.connect(client()).await.unwrap();
    for shape in Shape::ALL {
        call(&channel, shape).await.unwrap();
    }
    let who = ask_who(&channel).await.unwrap();
    assert!(
        who.starts_with("0 certificates, for Some(\"localhost\"), TLSv1_3"),
        "{who}"
    );
}

#[tokio::test]
async fn tls_1_2_is_spoken() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    for root in rustls_pem(&CA.pem()) {
        roots.add(root).unwrap();
    }
    let own = builder.with_root_certificates(roots).with_no_client_auth();
    let served = Served::start(server()).await;
    let endpoint = served
        .endpoint()
        .tls_connector(TlsConnector::new(own).unwrap())
        .unwrap();
    let channel = endpoint.connect().await.unwrap();
    let who = ask_who(&channel).await.unwrap();
    assert!(
        who.starts_with("0 certificates, for Some(\"localhost\"), TLSv1_2"),
        "{who}"
    );
}

#[tokio::test]
async fn a_configuration_of_ones_own_serves_and_gets_h2() {
    let mut own = server().into_rustls().unwrap();
    own.alpn_protocols.clear();
    let served = Served::by(Server::builder().handshake(TlsAcceptor::new(own).unwrap())).await;
    call(&served.connect(client()).await.unwrap(), Shape::Unary)
        .await
        .unwrap();

    let mut own = server().into_rustls().unwrap();
    own.alpn_protocols = vec![b"http/1.1".to_vec()];
    let error = TlsAcceptor::new(own).unwrap_err();
    assert!(error.to_string().contains("\"http/1.1\""), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_may_carry_tls() {
    let folder = std::env::temp_dir().join(format!("temaki-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let incoming = temaki::server::UnixIncoming::bind(&path).unwrap();
    let builder = Server::builder().tls_config(server()).unwrap();
    let probe = crate::support::Probe::default();
    let builder = builder.add_service(crate::support::server::kit(&probe));
    let task = tokio::spawn(builder.serve_with_incoming(incoming));
    let endpoint = Endpoint::new(format!("unix:{}", path.display())).unwrap();
    let channel = endpoint
        .tls_config(client())
        .unwrap()
        .connect()
        .await
        .unwrap();
    for shape in Shape::ALL {
        call(&channel, shape).await.unwrap();
    }
    task.abort();
    let _ = std::fs::remove_dir_all(folder);
}

/// The certificate's name is the authority's, and `:authority` is what handlers see.
#[tokio::test]
async fn the_name_is_that_of_the_authority_unless_one_is_set() {
    let leaf = CA.server(&["a.test"]);
    let served = Served::start(temaki::tls::ServerTlsConfig::new().identity(identity(&leaf))).await;
    let origin = || {
        served
            .endpoint()
            .origin(http::Uri::from_static("https://a.test:1"))
    };
    let channel = origin()
        .tls_config(client())
        .unwrap()
        .connect()
        .await
        .unwrap();
    assert!(ask_who(&channel).await.unwrap().contains("\"a.test\""));
    let named = client().domain_name("a.test");
    let channel = served.connect(named).await.unwrap();
    assert!(ask_who(&channel).await.unwrap().contains("\"a.test\""));
    let other = origin()
        .tls_config(client().domain_name("localhost"))
        .unwrap();
    assert_eq!(
        kind(&other.connect().await.unwrap_err()),
        temaki::tls::TlsErrorKind::WrongName
    );
}

fn rustls_pem(pem: &str) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject;
    let certificates = rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes());
    certificates.map(Result::unwrap).collect()
}
