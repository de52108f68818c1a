//! What may stand under a generated client: a channel, a wrapper of one, a fault injector, a mock. The generated code is
//! of another crate here; `tests/golden.rs` has it in the same one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream;
use temaki::client::{Call, Channel, PathAndQuery, Transport};
use temaki::codec::Codec;
use temaki::{
    Code, ConnectInfo, Endpoint, Origin, Request, Response, ResponseStream, Server, Status, Stream,
    Streaming,
};
use temaki_protos::routeguide::route_guide_client::{RouteGuideCalls, RouteGuideClient};
use temaki_protos::routeguide::route_guide_server::{RouteGuide, RouteGuideServer};
use temaki_protos::routeguide::{
    Feature, Point, Rectangle, RouteNote, RouteSummary, route_guide_paths,
};

/// Answers each of the four shapes.
struct Guide;

impl RouteGuide for Guide {
    async fn get_feature(&self, request: Request<Point>) -> Result<Response<Feature>, Status> {
        let name = format!("at {}", request.into_inner().latitude);
        Ok(Response::new(Feature {
            name,
            ..Feature::default()
        }))
    }

    type ListFeaturesStream = ResponseStream<Feature>;

    async fn list_features(
        &self,
        _: Request<Rectangle>,
    ) -> Result<Response<Self::ListFeaturesStream>, Status> {
        Ok(Response::new(ResponseStream::new(async move |mut out| {
            out.send(Feature::default()).await
        })))
    }

    async fn record_route(
        &self,
        request: Request<Streaming<Point>>,
    ) -> Result<Response<RouteSummary>, Status> {
        let mut points = request.into_inner();
        let mut summary = RouteSummary::default();
        while points.message().await?.is_some() {
            summary.point_count += 1;
        }
        Ok(Response::new(summary))
    }

    type RouteChatStream = Streaming<RouteNote>;

    async fn route_chat(
        &self,
        request: Request<Streaming<RouteNote>>,
    ) -> Result<Response<Self::RouteChatStream>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

/// A channel to a [`Guide`], over a pipe.
async fn channel() -> Channel {
    let (here, there) = tokio::io::duplex(64 * 1024);
    let server = Server::builder().add_service(RouteGuideServer::new(Guide));
    tokio::spawn(async move { server.serve_connection(there, ConnectInfo::default()).await });
    let endpoint = Endpoint::from_static("http://localhost");
    endpoint.connect_with_io(here).await.unwrap()
}

/// Sees the path of each call, and refuses those of one method.
struct Watched<T> {
    inner: T,
    seen: Mutex<Vec<String>>,
    refused: Option<&'static str>,
}

impl<T> Watched<T> {
    fn new(inner: T, refused: Option<&'static str>) -> Arc<Self> {
        let seen = Mutex::default();
        Arc::new(Self {
            inner,
            seen,
            refused,
        })
    }

    fn admit(&self, path: &PathAndQuery) -> Result<(), Status> {
        self.seen.lock().unwrap().push(path.to_string());
        match self.refused.is_some_and(|refused| *path == refused) {
            true => Err(Status::unavailable("refused by the test")),
            false => Ok(()),
        }
    }
}

impl<T: Transport> Transport for Watched<T> {
    async fn unary<C: Codec>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<C::Encode>,
    ) -> Result<Response<C::Decode>, Status> {
        self.admit(&path)?;
        self.inner.unary(path, codec, request).await
    }

    async fn server_streaming<C: Codec>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<C::Encode>,
    ) -> Result<Response<Streaming<C::Decode>>, Status> {
        self.admit(&path)?;
        self.inner.server_streaming(path, codec, request).await
    }

    async fn client_streaming<C: Codec, S>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<S>,
    ) -> Result<Response<C::Decode>, Status>
    where
        S: Stream<Item = C::Encode> + Send + 'static,
    {
        self.admit(&path)?;
        self.inner.client_streaming(path, codec, request).await
    }

    async fn streaming<C: Codec, S>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<S>,
    ) -> Result<Response<Streaming<C::Decode>>, Status>
    where
        S: Stream<Item = C::Encode> + Send + 'static,
    {
        self.admit(&path)?;
        self.inner.streaming(path, codec, request).await
    }

    fn start<C: Codec>(&self, path: PathAndQuery, codec: C) -> Call<C::Encode, C::Decode> {
        match self.admit(&path) {
            Ok(()) => self.inner.start(path, codec),
            Err(status) => Call::failed(status),
        }
    }
}

const POINT: Point = Point {
    latitude: 3,
    longitude: 4,
};

#[tokio::test]
async fn a_wrapper_of_a_channel_sees_the_five_kinds_of_call() {
    let watched = Watched::new(channel().await, None);
    // One wrapper in another; the client can be cloned, since what is shared can.
    let client = RouteGuideClient::new(Watched::new(watched.clone(), None)).clone();

    let feature = client.get_feature(POINT).await.unwrap().into_inner();
    assert_eq!(feature.name, "at 3");
    let listed = client.list_features(Rectangle::default()).await.unwrap();
    assert!(listed.into_inner().message().await.unwrap().is_some());
    let summary = client.record_route(stream::iter([POINT; 3])).await.unwrap();
    assert_eq!(summary.into_inner().point_count, 3);
    let notes = stream::iter([RouteNote::default()]);
    let chat = client.route_chat(notes).await.unwrap();
    assert!(chat.into_inner().message().await.unwrap().is_some());
    let mut held = client.start_route_chat();
    held.send(RouteNote::default()).await.unwrap();
    held.half_close().await.unwrap();
    assert!(held.message().await.unwrap().is_some());
    assert!(held.message().await.unwrap().is_none());

    use route_guide_paths::{GET_FEATURE, LIST_FEATURES, RECORD_ROUTE, ROUTE_CHAT};
    assert_eq!(
        *watched.seen.lock().unwrap(),
        [
            GET_FEATURE,
            LIST_FEATURES,
            RECORD_ROUTE,
            ROUTE_CHAT,
            ROUTE_CHAT
        ]
    );
    assert_eq!(GET_FEATURE, "/routeguide.RouteGuide/GetFeature");
}

#[tokio::test]
async fn a_fault_injector_refuses_calls_of_every_kind() {
    let unavailable = |status: Status| {
        let (code, origin) = (status.code(), status.origin());
        assert_eq!((code, origin), (Code::Unavailable, Origin::Application));
        assert_eq!(status.message(), "refused by the test");
    };
    let channel = channel().await;
    let refusing = |path| RouteGuideClient::new(Watched::new(channel.clone(), Some(path)));

    let client = refusing(route_guide_paths::GET_FEATURE);
    unavailable(client.get_feature(POINT).await.unwrap_err());
    let all = client.list_features(Rectangle::default()).await;
    assert!(all.is_ok(), "of another method");

    let client = refusing(route_guide_paths::LIST_FEATURES);
    unavailable(
        client
            .list_features(Rectangle::default())
            .await
            .err()
            .unwrap(),
    );
    let client = refusing(route_guide_paths::RECORD_ROUTE);
    let route = stream::iter([POINT]);
    unavailable(client.record_route(route).await.unwrap_err());
    let client = refusing(route_guide_paths::ROUTE_CHAT);
    let notes = stream::iter([RouteNote::default()]);
    unavailable(client.route_chat(notes).await.err().unwrap());
}

/// Whichever end of a refused call is used, in whatever order: each reports the refusal, and none waits.
#[tokio::test]
async fn a_held_call_that_is_refused_reports_it_at_both_ends() {
    let call = || {
        let channel = Call::<RouteNote, RouteNote>::failed(Status::aborted("refused by the test"));
        channel.with_timeout(std::time::Duration::from_secs(1))
    };
    let refused = |status: Status| assert_eq!(status.message(), "refused by the test");

    let mut held = call();
    refused(held.send(RouteNote::default()).await.unwrap_err());
    refused(held.half_close().await.unwrap_err());
    refused(held.message().await.unwrap_err());
    assert!(held.message().await.unwrap().is_none(), "once");
    refused(held.trailers().await.unwrap_err());
    refused(call().metadata().await.unwrap_err());

    let (sender, mut receiver) = call().split();
    drop(sender);
    refused(receiver.message().await.unwrap_err());
    let (mut sender, receiver) = call().split();
    drop(receiver);
    refused(sender.send(RouteNote::default()).await.unwrap_err());
}

/// A mock has the method that its test is about, and nothing else.
#[derive(Default)]
struct Mock {
    asked: AtomicUsize,
}

impl RouteGuideCalls for Mock {
    async fn get_feature(&self, _: Request<Point>) -> Result<Response<Feature>, Status> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(Feature::default()))
    }
}

/// A mock with a type parameter is local as well.
struct Fixed<F>(F);

impl<F> RouteGuideCalls for Fixed<F>
where
    F: Fn(Point) -> Result<Feature, Status> + Send + Sync + 'static,
{
    async fn get_feature(&self, request: Request<Point>) -> Result<Response<Feature>, Status> {
        self.0(request.into_inner()).map(Response::new)
    }
}

#[tokio::test]
async fn a_mock_has_the_methods_that_its_test_is_about() {
    let client = RouteGuideClient::new(Mock::default());
    client.get_feature(POINT).await.unwrap();
    let others = [
        client.list_features(Rectangle::default()).await.err(),
        client.record_route(stream::iter([POINT])).await.err(),
        client.route_chat(stream::empty()).await.err(),
    ];
    let paths = [
        route_guide_paths::LIST_FEATURES,
        route_guide_paths::RECORD_ROUTE,
        route_guide_paths::ROUTE_CHAT,
    ];
    for (status, path) in others.into_iter().zip(paths) {
        let status = status.expect(path);
        let (code, origin) = (status.code(), status.origin());
        assert_eq!((code, origin), (Code::Unimplemented, Origin::Library));
        assert!(status.message().starts_with(path), "{status}");
    }

    let client = RouteGuideClient::new(Fixed(|_| Err(Status::not_found("nothing there"))));
    let status = client.get_feature(POINT).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

/// Generic code needs one bound for all that can be under a client, mocks included.
#[tokio::test]
async fn code_may_be_generic_over_what_makes_the_calls() {
    async fn name<C: RouteGuideCalls>(client: &RouteGuideClient<C>) -> String {
        client.get_feature(POINT).await.unwrap().into_inner().name
    }
    assert_eq!(name(&RouteGuideClient::new(channel().await)).await, "at 3");
    assert_eq!(name(&RouteGuideClient::new(Mock::default())).await, "");
}
