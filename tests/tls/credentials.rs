//! What must not be read by others is not sent in plaintext.

use std::sync::Arc;

use temaki::{AsyncInterceptor, Channel, Code, Endpoint, Request, Server, Status};
use tokio::net::TcpStream;

use crate::kit::*;
use crate::support::TestServer;
use crate::support::shapes::{Shape, call};

/// Adds a token to each call.
struct Token;

impl AsyncInterceptor for Token {
    async fn request(&self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let token = "Bearer secret".parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        Ok(request)
    }

    fn adds_credentials(&self) -> bool {
        true
    }
}

async fn is_refused(channel: Channel) -> bool {
    let channel = channel.with_async_interceptor(Arc::new(Token));
    let mut refused = 0;
    for shape in Shape::ALL {
        match call(&channel, shape).await {
            Ok(()) => {}
            Err(status) => {
                assert_eq!(status.code(), Code::Unauthenticated, "{status}");
                assert!(status.message().contains("https://"), "{status}");
                refused += 1;
            }
        }
    }
    assert!(refused == 0 || refused == Shape::ALL.len(), "{refused}");
    refused > 0
}

#[tokio::test]
async fn credentials_travel_on_private_connections_only() {
    let plain = TestServer::start(Server::builder()).await;
    let target = || Endpoint::new(format!("http://{}", plain.addr)).unwrap();
    assert!(is_refused(target().connect().await.unwrap()).await);
    assert_eq!(plain.probe.counts().started, 0, "nothing was sent");
    let allowed = target().credentials_over_plaintext(true);
    assert!(!is_refused(allowed.connect().await.unwrap()).await);

    let served = Served::start(server()).await;
    assert!(!is_refused(served.connect(client()).await.unwrap()).await);
}

/// A connector of one's own says by `https://` that it speaks TLS.
#[tokio::test]
async fn credentials_travel_by_a_connector_to_an_https_target() {
    let plain = TestServer::start(Server::builder()).await;
    let address = plain.addr;
    for (scheme, expected) in [("http", true), ("https", false)] {
        let endpoint = Endpoint::new(format!("{scheme}://{address}")).unwrap();
        let dial = move |_| TcpStream::connect(address);
        let channel = endpoint.connect_with_connector(dial).await.unwrap();
        assert_eq!(is_refused(channel).await, expected, "{scheme}");
    }
}
