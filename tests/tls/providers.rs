//! The process default of `rustls` is neither read nor set: it stays unset, with two providers compiled in (feature `tls-aws-lc`) as well.

use std::sync::Arc;

use temaki::tls::rustls::crypto::{CryptoProvider, ring};

use crate::kit::*;
use crate::support::shapes::{Shape, call};

#[tokio::test]
async fn the_process_default_stays_unset() {
    let served = Served::start(server().client_ca_root(root(&CLIENTS))).await;
    let tls = client().identity(identity(&CLIENTS.client("ada")));
    call(&served.connect(tls).await.unwrap(), Shape::Unary)
        .await
        .unwrap();
    assert!(CryptoProvider::get_default().is_none());
}

#[tokio::test]
async fn a_provider_that_is_named_is_used() {
    let mut only = ring::default_provider();
    only.cipher_suites
        .retain(|it| it.suite() == ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256.suite());
    let served = Served::start(server().crypto_provider(Arc::new(only))).await;
    let channel = served.connect(client()).await.unwrap();
    assert!(
        ask_who(&channel)
            .await
            .unwrap()
            .ends_with("TLS13_CHACHA20_POLY1305_SHA256")
    );

    #[cfg(feature = "tls-aws-lc")]
    {
        use temaki::tls::rustls::crypto::aws_lc_rs;
        let tls = client().crypto_provider(Arc::new(aws_lc_rs::default_provider()));
        let served = Served::start(server()).await;
        call(&served.connect(tls).await.unwrap(), Shape::Unary)
            .await
            .unwrap();
    }
}
