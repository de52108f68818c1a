//! How to send and read many messages in one call.
//!
//! | the `.proto` says | the client | the handler |
//! |---|---|---|
//! | `returns (stream T)` | reads a [`Streaming<T>`](crate::Streaming) | returns a [`ResponseStream<T>`](crate::ResponseStream), or any `Stream` |
//! | `(stream T)` | passes a `Stream` of `T` | reads a `Streaming<T>` |
//! | both | either of the above, or holds the call: [below](#a-conversation) | both of the above |
//!
//! # Serve a stream
//!
//! Write a loop. `send` waits while the client is slow, so the loop never runs far ahead:
//!
//! ```
//! # use temaki_protos::routeguide::{Feature, Point};
//! use temaki::{Response, ResponseStream};
//!
//! fn list_features(found: Vec<Feature>) -> Response<ResponseStream<Feature>> {
//!     Response::new(ResponseStream::new(async move |mut out| {
//!         for feature in found {
//!             out.send(feature).await?;
//!         }
//!         Ok(()) // the status of the call; an Err(status) ends it as well
//!     }))
//! }
//! ```
//!
//! When the client cancels or the deadline passes, the loop is dropped where it waits.
//!
//! # Read a stream
//!
//! ```no_run
//! # use temaki_protos::routeguide::{Feature, Point, Rectangle, route_guide_client::RouteGuideClient};
//! # async fn run(client: RouteGuideClient, area: Rectangle) -> Result<(), temaki::Status> {
//! let mut features = client.list_features(area).await?.into_inner();
//! while let Some(feature) = features.message().await? {
//!     println!("{}", feature.name);
//! }
//! # Ok(()) }
//! ```
//!
//! | `message()` returns | means |
//! |---|---|
//! | `Ok(Some(message))` | the next message |
//! | `Ok(None)` | the stream has ended with status OK |
//! | `Err(status)` | the stream has failed. Messages that you have read were still good |
//!
//! A handler reads the client's messages in the same way. There, `Ok(None)` means that the client has sent everything, and `Err`
//! means that the client has cancelled or the connection is lost. A handler that stores an upload must store it only at `Ok(None)`.
//!
//! # Send a stream
//!
//! Any `Stream` of messages will do, here from an iterator:
//!
//! ```no_run
//! # use temaki_protos::routeguide::{Point, route_guide_client::RouteGuideClient};
//! # async fn run(client: RouteGuideClient, points: Vec<Point>) -> Result<(), temaki::Status> {
//! let summary = client.record_route(futures_util::stream::iter(points)).await?;
//! println!("{} points", summary.get_ref().point_count);
//! # Ok(()) }
//! ```
//!
//! # A conversation
//!
//! If the next message depends on the last response, hold the call. The generated client has a `start_…` method for each method
//! that streams in both directions:
//!
//! ```no_run
//! # use temaki_protos::routeguide::{RouteNote, route_guide_client::RouteGuideClient};
//! # async fn run(client: RouteGuideClient) -> Result<(), temaki::Status> {
//! let mut call = client.start_route_chat();
//! call.send(RouteNote { message: "who is there?".into(), ..RouteNote::default() }).await?;
//! while let Some(note) = call.message().await? {
//!     println!("{}", note.message);
//!     call.half_close().await?; // nothing more to send; the server may go on
//! }
//! # Ok(()) }
//! ```
//!
//! [`Call::split`](crate::Call::split) gives the two ends to two tasks. `examples/held_call.rs` plays a game this way.
//!
//! # What dropping does
//!
//! | dropped | effect |
//! |---|---|
//! | a client's `Streaming` or `Call` before its end | the call is cancelled: RST_STREAM(CANCEL) |
//! | a future of `message()` or `send()` | nothing is lost, call it again; a message is sent whole or not at all |
//! | a handler's `Streaming` | what the client still sends is read and thrown away; the response goes on |
//!
//! # A slow reader
//!
//! A reader that does not read makes its sender wait, by HTTP/2's flow control: at 512 KiB a stream by default. A client's unread
//! streams do not stop the other calls of the connection; together they may hold
//! [`max_unread_bytes`](crate::Endpoint::max_unread_bytes).
