//! A handler for each of the four shapes. Handlers are plain `async fn`; what a handler waits for, its client waits for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use temaki::{Request, Response, ResponseStream, Status, Streaming};
use temaki_protos::routeguide::route_guide_server::RouteGuide;
use temaki_protos::routeguide::{Feature, Point, Rectangle, RouteNote, RouteSummary};

use crate::{geo, places};

/// What clients may leave here, all of them together.
const MAX_NOTES: usize = 1000;

/// A server holds one `Guide`, and all its calls share it: what they change is behind a lock.
pub struct Guide {
    /// Shared with streams of responses, which outlive the handler that begins them.
    features: Arc<[Feature]>,
    notes: Arc<Mutex<Notes>>,
}

impl Default for Guide {
    fn default() -> Self {
        Self {
            features: places::all().into(),
            notes: Arc::default(),
        }
    }
}

impl RouteGuide for Guide {
    /// Unary: a message for a message.
    async fn get_feature(&self, request: Request<Point>) -> Result<Response<Feature>, Status> {
        let point = request.into_inner();
        let here = |feature: &&Feature| feature.location == Some(point);
        let unnamed = || Feature {
            name: String::new(),
            location: Some(point),
        };
        let feature = self.features.iter().find(here).cloned();
        Ok(Response::new(feature.unwrap_or_else(unnamed)))
    }

    type ListFeaturesStream = ResponseStream<Feature>;

    /// Server streaming: the handler returns at once, and what it returned is asked for messages when there is room for them.
    async fn list_features(
        &self,
        request: Request<Rectangle>,
    ) -> Result<Response<Self::ListFeaturesStream>, Status> {
        let (area, features) = (request.into_inner(), self.features.clone());
        Ok(Response::new(ResponseStream::new(async move |mut out| {
            for feature in features.iter() {
                let inside = |point| geo::contains(area, point);
                if feature.location.is_some_and(inside) {
                    out.send(feature.clone()).await?; // waits while the caller is slow
                }
            }
            Ok(())
        })))
    }

    /// Client streaming: any number of messages, then one response.
    async fn record_route(
        &self,
        request: Request<Streaming<Point>>,
    ) -> Result<Response<RouteSummary>, Status> {
        let (begun, mut points) = (Instant::now(), request.into_inner());
        let mut summary = RouteSummary::default();
        let (mut metres, mut last) = (0.0, None);
        // `None`: the client has arrived. If it went away on its way, that is an error, and `?` ends the handler.
        while let Some(point) = points.message().await? {
            summary.point_count = summary.point_count.saturating_add(1);
            let here = |feature: &Feature| feature.location == Some(point);
            let passed = i32::from(self.features.iter().any(here));
            summary.feature_count = summary.feature_count.saturating_add(passed);
            metres += last.map_or(0.0, |last| geo::distance(last, point));
            last = Some(point);
        }
        summary.distance = metres as i32;
        summary.elapsed_time = begun.elapsed().as_secs() as i32;
        Ok(Response::new(summary))
    }

    type RouteChatStream = ResponseStream<RouteNote>;

    /// Bidirectional: responses go out while requests come in. Here the responses to a note are sent before the next one is read. A
    /// client that does not read its responses is not read from either.
    async fn route_chat(
        &self,
        request: Request<Streaming<RouteNote>>,
    ) -> Result<Response<Self::RouteChatStream>, Status> {
        let (mut incoming, notes) = (request.into_inner(), self.notes.clone());
        Ok(Response::new(ResponseStream::new(async move |mut out| {
            while let Some(note) = incoming.message().await? {
                // The lock is held for the exchange alone, and never across an `.await`.
                let earlier = notes
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .leave(note)?;
                for note in earlier {
                    out.send(note).await?;
                }
            }
            Ok(())
        })))
    }
}

/// The notes by their place.
#[derive(Default)]
struct Notes {
    by_place: HashMap<Point, Vec<RouteNote>>,
    count: usize,
}

impl Notes {
    /// Keeps a note; returns those that others have left at the same place before.
    fn leave(&mut self, note: RouteNote) -> Result<Vec<RouteNote>, Status> {
        let place = note
            .location
            .ok_or_else(|| Status::invalid_argument("a note needs a location"))?;
        if self.count == MAX_NOTES {
            return Err(Status::resource_exhausted("no room for another note"));
        }
        self.count += 1;
        let here = self.by_place.entry(place).or_default();
        let earlier = here.clone();
        here.push(note);
        Ok(earlier)
    }
}
