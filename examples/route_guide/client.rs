//! How each of the four shapes is called. A client's methods take `&self`: share it, or clone it; either way it is one connection.

use futures_util::stream;
use temaki::Status;
use temaki_protos::routeguide::route_guide_client::RouteGuideClient;
use temaki_protos::routeguide::{Rectangle, RouteNote};

use crate::geo::{point, show};

/// Unary.
pub async fn get_feature(client: &RouteGuideClient) -> Result<(), Status> {
    for place in [point(48.4592, -5.1294), point(0.0, 0.0)] {
        let feature = client.get_feature(place).await?.into_inner();
        let name = match feature.name.as_str() {
            "" => "nothing is known of it",
            name => name,
        };
        println!("GetFeature     {}: {name}", show(place));
    }
    Ok(())
}

/// Server streaming: `message` until `None`, which is status OK. A call that fails half-way is an error there, and not an end.
pub async fn list_features(client: &RouteGuideClient) -> Result<(), Status> {
    let area = Rectangle {
        lo: Some(point(45.0, -6.0)),
        hi: Some(point(49.0, -1.0)),
    };
    let mut features = client.list_features(area).await?.into_inner();
    let mut names = Vec::new();
    while let Some(feature) = features.message().await? {
        names.push(feature.name);
    }
    println!("ListFeatures   {}", names.join(", "));
    Ok(())
}

/// Client streaming: any `Stream` of messages will do. It is polled when there is room to send.
pub async fn record_route(client: &RouteGuideClient) -> Result<(), Status> {
    let route = [
        point(43.3859, -8.4065), // Torre de Hércules
        point(46.0000, -7.0000), // out at sea
        point(48.0504, -4.9986), // Ar-Men
        point(51.3892, -9.6031), // Fastnet
    ];
    let summary = client.record_route(stream::iter(route)).await?.into_inner();
    println!(
        "RecordRoute    {} points, {} lighthouses passed, {} km",
        summary.point_count,
        summary.feature_count,
        summary.distance / 1000
    );
    Ok(())
}

/// Bidirectional, with the requests known beforehand. Where they depend on the responses, hold the call: `client.start_route_chat()`,
/// and `examples/held_call.rs`.
pub async fn route_chat(client: &RouteGuideClient) -> Result<(), Status> {
    let note = |latitude, longitude, message: &str| RouteNote {
        location: Some(point(latitude, longitude)),
        message: message.to_owned(),
    };
    let notes = [
        note(51.3892, -9.6031, "fog since noon"),
        note(45.5863, -1.1734, "open for visits"),
        note(51.3892, -9.6031, "it clears"),
        note(51.3892, -9.6031, "two ships, eastbound"),
    ];
    let mut answers = client.route_chat(stream::iter(notes)).await?.into_inner();
    while let Some(RouteNote { location, message }) = answers.message().await? {
        let place = show(location.unwrap_or_default());
        println!("RouteChat      at {place}: {message}");
    }
    Ok(())
}
