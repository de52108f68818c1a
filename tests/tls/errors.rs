//! Each way in which TLS fails: its kind at both ends, and a sentence that says what to do.

use std::error::Error;
use std::time::Duration;

use temaki::tls::TlsErrorKind as Kind;
use temaki::tls::{ClientTlsConfig, ServerTlsConfig};
use temaki::{Code, Endpoint, Server};
use temaki_certs::Valid;

use crate::kit::*;
use crate::support::TestServer;
use crate::support::shapes::{Shape, call};

/// The certificate of the server does not please the client.
#[tokio::test]
async fn a_server_that_cannot_be_verified() {
    let by_ca =
        |names: &[&str], valid| ServerTlsConfig::new().identity(identity(&CA.issue(names, valid)));
    let by_stranger = ServerTlsConfig::new().identity(identity(&STRANGER.server(&["localhost"])));
    #[rustfmt::skip]
    let rows = [
        (by_ca(&["localhost"], Valid::Before), Kind::Expired, "renew it", "it has expired"),
        (by_ca(&["localhost"], Valid::Later), Kind::NotYetValid, "set the clock", "refused"),
        (by_ca(&["other.test"], Valid::Now), Kind::WrongName, "ClientTlsConfig::domain_name", "refused"),
        (by_stranger, Kind::UnknownIssuer, "ca_certificate", "its issuer is not trusted there"),
    ];
    for (config, expected, remedy, servers) in rows {
        let served = Served::start(config).await;
        let error = served.connect(client()).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{error}");
        let text = error.to_string();
        assert!(text.starts_with("cannot connect to localhost:"), "{text}");
        assert!(text.contains(remedy), "{text}");
        let end = served.ends.next().await;
        assert!(end.starts_with("handshake Some(Refused)"), "{end}");
        assert!(end.contains(servers), "{end}");
        // A call that waits for the connection ends with the same error.
        let channel = served
            .endpoint()
            .tls_config(client())
            .unwrap()
            .connect_lazy();
        let status = call(&channel, Shape::Unary).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(kind(&status), expected, "{status}");
    }
}

#[tokio::test]
async fn a_plaintext_client_at_a_tls_port() {
    let served = Served::start(server()).await;
    let plain = Endpoint::new(format!("http://localhost:{}", served.address.port())).unwrap();
    let error = plain.connect().await.unwrap_err();
    assert!(error.to_string().contains("https://"), "{error}");
    let end = served.ends.next().await;
    assert!(end.starts_with("handshake Some(Plaintext)"), "{end}");
    assert!(end.contains("the client has to use https://"), "{end}");
}

#[tokio::test]
async fn a_tls_client_at_a_plaintext_port() {
    let server = TestServer::start(Server::builder()).await;
    let endpoint = Endpoint::new(format!("https://localhost:{}", server.addr.port())).unwrap();
    let error = endpoint
        .tls_config(client())
        .unwrap()
        .connect()
        .await
        .unwrap_err();
    assert!(
        matches!(kind(&error), Kind::Plaintext | Kind::Truncated),
        "{error}"
    );
    assert!(error.to_string().contains("write http://"), "{error}");
}

#[tokio::test]
async fn https_needs_a_configuration_and_a_configuration_needs_https() {
    let error = Endpoint::from_static("https://localhost:1")
        .connect()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("Endpoint::tls_config"),
        "{error}"
    );
    let error = Endpoint::from_static("http://localhost:1")
        .tls_config(client())
        .unwrap_err();
    assert!(error.to_string().contains("write https://"), "{error}");
}

/// What is wrong in a configuration is found before anything is served.
#[tokio::test]
async fn configurations_that_cannot_work() {
    let (a, b) = (CA.server(&["localhost"]), CA.server(&["localhost"]));
    let mixed = temaki::tls::Identity::from_pem(&a.certificate, &b.key);
    let servers = [
        (ServerTlsConfig::new(), "ServerTlsConfig::identity"),
        (
            ServerTlsConfig::new().identity(mixed),
            "its key must be the one of its first certificate",
        ),
        (
            server().client_ca_root(temaki::tls::Certificate::from_pem("?")),
            "holds no certificate",
        ),
    ];
    for (config, text) in servers {
        let error = Server::builder().tls_config(config).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
    let clients = [
        (ClientTlsConfig::new(), "trusts no authority"),
        (client().domain_name("a b"), "\"a b\" cannot be the name"),
    ];
    for (config, text) in clients {
        let endpoint = Endpoint::from_static("https://localhost:1");
        let error = endpoint.tls_config(config).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// The handshake is under the connect timeout.
#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_no_longer_than_connect_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("https://{}", listener.local_addr().unwrap());
    let endpoint = Endpoint::new(target)
        .unwrap()
        .connect_timeout(Duration::from_millis(100));
    let error = endpoint
        .tls_config(client())
        .unwrap()
        .connect()
        .await
        .unwrap_err();
    let cause = error.source().map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("no answer within 100ms"), "{error}");
}
