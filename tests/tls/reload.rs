//! Certificates that change while calls are made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use temaki::Server;
use temaki::tls::{TlsFiles, TlsReloader};
use temaki_certs::{Authority, Leaf};
use tokio::sync::mpsc;

use crate::kit::*;
use crate::support::shapes::{Shape, call};
use crate::support::soon;

#[tokio::test]
async fn a_replacement_is_for_new_connections_and_leaves_the_old_ones() {
    let tls = TlsReloader::new(server()).unwrap();
    let served = Served::by(Server::builder().handshake(tls.clone())).await;
    let old = served.connect(client()).await.unwrap();
    let mut held = old.start(
        http::uri::PathAndQuery::from_static("/test.Kit/Both"),
        temaki::codec::BytesCodec,
    );
    held.send("before".into()).await.unwrap();
    assert_eq!(held.message().await.unwrap().unwrap(), "before");

    let next = Authority::new("the next authority");
    let leaf = next.server(&["localhost"]);
    let config = temaki::tls::ServerTlsConfig::new().identity(identity(&leaf));
    tls.replace(config.client_ca_root(root(&CLIENTS))).unwrap();
    assert!(
        served.connect(client()).await.is_err(),
        "the new identity is of another authority"
    );
    let trusts_next = temaki::tls::ClientTlsConfig::new().ca_certificate(root(&next));
    assert!(
        served.connect(trusts_next.clone()).await.is_err(),
        "the new roots demand a certificate"
    );
    let new = trusts_next.identity(identity(&CLIENTS.client("ada")));
    call(&served.connect(new).await.unwrap(), Shape::Unary)
        .await
        .unwrap();

    held.send("after".into()).await.unwrap();
    assert_eq!(held.message().await.unwrap().unwrap(), "after");
    call(&old, Shape::Unary).await.unwrap();

    // What cannot be used changes nothing.
    assert!(tls.replace(temaki::tls::ServerTlsConfig::new()).is_err());
    call(&old, Shape::Unary).await.unwrap();
}

/// A folder of its own, which is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("temaki-reload-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }

    fn write_leaf(&self, leaf: &Leaf) {
        self.write("server.pem", &leaf.certificate);
        self.write("server.key", &leaf.key);
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.0).join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn files_are_read_anew_when_they_change() {
    let folder = Folder::new();
    let files = TlsFiles::new(folder.path("server.pem"), folder.path("server.key"));
    let error = files.load().unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
    assert!(error.to_string().contains("server.pem"), "{error}");

    folder.write_leaf(&CA.server(&["localhost"]));
    let tls = files.load().unwrap();
    let (tell, mut told) = mpsc::unbounded_channel();
    let notice = move |outcome: Result<(), temaki::Error>| {
        let _ = tell.send(outcome.map_err(|error| error.to_string()));
    };
    let watch = tokio::spawn(files.watch(tls.clone(), Duration::from_millis(10), notice));
    let served = Served::by(Server::builder().handshake(tls)).await;
    call(&served.connect(client()).await.unwrap(), Shape::Unary)
        .await
        .unwrap();

    let next = Authority::new("the next authority");
    let leaf = next.server(&["localhost"]);
    // One file after the other, and a look may come between them.
    folder.write("server.pem", &format!("{}\n", leaf.certificate));
    let told_of_half = soon("a look", told.recv()).await.unwrap();
    let error = told_of_half.unwrap_err();
    assert!(
        error.contains("its key must be the one of its first certificate"),
        "{error}"
    );
    call(&served.connect(client()).await.unwrap(), Shape::Unary)
        .await
        .unwrap();
    folder.write("server.key", &leaf.key);
    while soon("a look", told.recv()).await.unwrap().is_err() {}
    let trusts_next = temaki::tls::ClientTlsConfig::new().ca_certificate(root(&next));
    call(&served.connect(trusts_next).await.unwrap(), Shape::Unary)
        .await
        .unwrap();
    watch.abort();
}
