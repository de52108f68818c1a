//! Client certificates: required, optional, refused.

use temaki::Code;
use temaki::tls::TlsErrorKind as Kind;
use temaki_certs::Valid;

use crate::kit::*;
use crate::support::shapes::{Shape, call};

#[tokio::test]
async fn a_required_certificate_is_seen_by_handlers() {
    let served = Served::start(server().client_ca_root(root(&CLIENTS))).await;
    let tls = client().identity(identity(&CLIENTS.client("ada")));
    let channel = served.connect(tls).await.unwrap();
    for shape in Shape::ALL {
        call(&channel, shape).await.unwrap();
    }
    assert!(
        ask_who(&channel)
            .await
            .unwrap()
            .starts_with("1 certificates")
    );
}

#[tokio::test]
async fn an_optional_certificate_may_be_missing_but_not_wrong() {
    let config = server()
        .client_ca_root(root(&CLIENTS))
        .client_auth_optional(true);
    let served = Served::start(config).await;
    let channel = served.connect(client()).await.unwrap();
    assert!(
        ask_who(&channel)
            .await
            .unwrap()
            .starts_with("0 certificates")
    );
    let good = client().identity(identity(&CLIENTS.client("ada")));
    let channel = served.connect(good).await.unwrap();
    assert!(
        ask_who(&channel)
            .await
            .unwrap()
            .starts_with("1 certificates")
    );
    let bad = client().identity(identity(&STRANGER.client("eve")));
    assert!(served.connect(bad).await.is_err());
}

#[tokio::test]
async fn a_certificate_that_the_server_did_not_ask_for_is_not_sent() {
    let served = Served::start(server()).await;
    let tls = client().identity(identity(&CLIENTS.client("ada")));
    let channel = served.connect(tls).await.unwrap();
    assert!(
        ask_who(&channel)
            .await
            .unwrap()
            .starts_with("0 certificates")
    );
}

/// In TLS 1.3 the client has completed its handshake when the server refuses its certificate.
#[tokio::test]
async fn a_client_that_is_refused_learns_why() {
    let expired = CLIENTS.issue(&["ada"], Valid::Before);
    #[rustfmt::skip]
    let rows = [
        (None, Kind::NoClientCertificate, Kind::NoClientCertificate, "ClientTlsConfig::identity"),
        (Some(expired), Kind::Refused, Kind::Expired, "it has expired; renew it"),
        (Some(STRANGER.client("eve")), Kind::Refused, Kind::UnknownIssuer, "add the issuer to the roots"),
    ];
    for (leaf, at_client, at_server, remedy) in rows {
        let served = Served::start(server().client_ca_root(root(&CLIENTS))).await;
        let tls = match &leaf {
            None => client(),
            Some(leaf) => client().identity(identity(leaf)),
        };
        let error = served.connect(tls.clone()).await.unwrap_err();
        assert_eq!(kind(&error), at_client, "{error}");
        assert!(error.to_string().contains(remedy), "{error}");
        let end = served.ends.next().await;
        assert!(
            end.starts_with(&format!("handshake Some({at_server:?})")),
            "{end}"
        );
        let lazy = served.endpoint().tls_config(tls).unwrap().connect_lazy();
        let status = call(&lazy, Shape::Unary).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(kind(&status), at_client, "{status}");
    }
}
