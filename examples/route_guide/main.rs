//! The route guide of gRPC's tutorials: a call of each of the four shapes, on a handful of lighthouses.
//!
//! | file | what |
//! |---|---|
//! | `main` | starts the server, calls it, stops it |
//! | `server` | a handler for each shape |
//! | `client` | how each shape is called |
//! | `places`, `geo` | the data set, and what a rectangle and a distance are |
//!
//! The service is `proto/route_guide.proto`.
//!
//! It prints:
//!
//! ```text
//! GetFeature     48.4592, -5.1294: Créac'h
//! GetFeature     0.0000, 0.0000: nothing is known of it
//! ListFeatures   Cordouan, Ar-Men, La Jument, Kéréon, Créac'h
//! RecordRoute    4 points, 3 lighthouses passed, 1082 km
//! RouteChat      at 51.3892, -9.6031: fog since noon
//! RouteChat      at 51.3892, -9.6031: fog since noon
//! RouteChat      at 51.3892, -9.6031: it clears
//! drained: 0 calls finished, 0 cut
//! ```
#![allow(
    unreachable_pub,
    reason = "in a program `pub` says what a module offers to the others"
)]

mod client;
mod geo;
mod places;
mod server;

use std::error::Error;
use std::time::Duration;

use temaki::server::TcpIncoming;
use temaki::{Endpoint, Server};
use temaki_protos::routeguide::route_guide_client::RouteGuideClient;
use temaki_protos::routeguide::route_guide_server::RouteGuideServer;

use crate::server::Guide;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Port 0 is any free port; most servers would say `serve_with_shutdown("[::]:50051", …)` instead.
    let incoming = TcpIncoming::bind("127.0.0.1:0").await?;
    let address = incoming.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = Server::builder()
        .add_service(RouteGuideServer::new(Guide::default()))
        // Ready when `stop` is dropped.
        .serve_with_incoming_shutdown(incoming, async { drop(stopped.await) });
    let server = tokio::spawn(server);

    let channel = Endpoint::new(format!("http://{address}"))?
        .timeout(Duration::from_secs(10)) // of each call, streams included
        .connect()
        .await?;
    let client = RouteGuideClient::new(channel);
    client::get_feature(&client).await?;
    client::list_features(&client).await?;
    client::record_route(&client).await?;
    client::route_chat(&client).await?;

    // No new calls; those in flight may finish; then `serve…` is ready.
    drop(stop);
    let report = server.await??;
    println!("drained: {report}");
    Ok(())
}
