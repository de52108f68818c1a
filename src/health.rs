//! FLOOR 4. The health protocol: whether a server, or one service of it, takes calls.
//!
//! Spec: [health-checking]. Load balancers and orchestrators ask by `Check`, clients with client-side
//! health checking by `Watch`. This module answers them; what the answer is, the application says,
//! through a [`HealthReporter`].
//!
//! ```no_run
//! # use temaki::server::{NamedService, Service};
//! # async fn run<S: NamedService + Service>(greeter: S) -> Result<(), temaki::Error> {
//! let reporter = temaki::health::HealthReporter::new();
//! reporter.set_serving::<S>();
//! temaki::Server::builder()
//!     .add_service(reporter.service())
//!     .add_service(greeter)
//!     .serve("127.0.0.1:50051".parse().unwrap())
//!     .await
//! # }
//! ```
//!
//! All names are in one table behind one `watch` channel. A watcher keeps its name, not an entry: who
//! asks for names that do not exist makes nothing grow.
//!
//! [health-checking]: https://github.com/grpc/grpc/blob/master/doc/health-checking.md

use std::collections::BTreeMap;

use tokio::sync::watch;

pub use crate::generated::health as pb;

use crate::call::response_stream::ResponseStream;
use crate::generated::health::health_check_response::ServingStatus as Wire;
use crate::generated::health::health_server::{Health, HealthServer};
use crate::generated::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use crate::request::Request;
use crate::response::Response;
use crate::server::NamedService;
use crate::status::Status;

/// The longest request to accept, in bytes. It holds the name of a service.
const MAX_REQUEST: usize = 4 * 1024;
/// How many services `List` is willing to list: the answer is one message.
const MAX_LISTED: usize = 100;

/// What there is to say of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServingStatus {
    /// Nobody can say yet.
    Unknown,
    /// It takes calls.
    Serving,
    /// It takes none at present.
    NotServing,
}

impl From<ServingStatus> for Wire {
    fn from(status: ServingStatus) -> Self {
        match status {
            ServingStatus::Unknown => Wire::Unknown,
            ServingStatus::Serving => Wire::Serving,
            ServingStatus::NotServing => Wire::NotServing,
        }
    }
}

/// Says how the services are. Clones speak for the same server.
///
/// The empty name is the server as a whole; it is [`Serving`](ServingStatus::Serving) from the start.
/// Every other name is unknown until it is set.
#[derive(Debug, Clone)]
pub struct HealthReporter {
    table: watch::Sender<Table>,
}

#[derive(Debug, Default)]
struct Table {
    statuses: BTreeMap<String, ServingStatus>,
    /// Set once, by `shutdown`: then all are `NotServing`, whatever the table says.
    over: bool,
}

impl Default for HealthReporter {
    fn default() -> Self {
        Self::new()
    }
}

impl HealthReporter {
    /// A server that is serving, and knows of no service.
    pub fn new() -> Self {
        let statuses = BTreeMap::from([(String::new(), ServingStatus::Serving)]);
        let over = false;
        Self {
            table: watch::Sender::new(Table { statuses, over }),
        }
    }

    /// The service that answers, for [`Server::add_service`](crate::Server::add_service).
    pub fn service(&self) -> HealthServer<HealthService> {
        let table = self.table.clone();
        HealthServer::new(HealthService { table })
            .max_decoding_message_size(MAX_REQUEST)
            .never_shed()
    }

    /// A service is serving: `reporter.set_serving::<GreeterServer<MyGreeter>>()`.
    pub fn set_serving<S: NamedService>(&self) {
        self.set_service_status(S::NAME, ServingStatus::Serving);
    }

    /// A service is not serving at present.
    pub fn set_not_serving<S: NamedService>(&self) {
        self.set_service_status(S::NAME, ServingStatus::NotServing);
    }

    /// Sets the status of the service `name` (`package.Service`); empty means the whole server.
    pub fn set_service_status(&self, name: impl Into<String>, status: ServingStatus) {
        let name = name.into();
        self.table
            .send_if_modified(|table| table.statuses.insert(name, status) != Some(status));
    }

    /// Forgets a service: who asks is told that there is none.
    pub fn clear_service_status(&self, name: &str) {
        self.table
            .send_if_modified(|table| table.statuses.remove(name).is_some());
    }

    /// The server is about to stop: everything is `NotServing` from now on, whatever is set after
    /// this. Those who watch are told, and then their calls end with UNAVAILABLE, since an open call
    /// would hold up the drain.
    pub fn shutdown(&self) {
        self.table.send_modify(|table| table.over = true);
    }
}

impl Table {
    /// None: there is no such service.
    fn status(&self, name: &str) -> Option<ServingStatus> {
        let status = *self.statuses.get(name)?;
        Some(if self.over {
            ServingStatus::NotServing
        } else {
            status
        })
    }
}

/// Answers for a [`HealthReporter`], which makes it.
#[derive(Debug)]
pub struct HealthService {
    table: watch::Sender<Table>,
}

impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let status = self.table.borrow().status(&request.get_ref().service);
        //= HEALTH-CHECK-UNKNOWN  a service that nobody has set is NOT_FOUND
        let status = status.ok_or_else(|| Status::not_found("there is no such service"))?;
        Ok(Response::new(answer(status.into())))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let table = self.table.borrow();
        if table.statuses.len() > MAX_LISTED {
            let message = format!("there are more than {MAX_LISTED} services");
            return Err(Status::resource_exhausted(message));
        }
        let known = table.statuses.keys();
        let statuses = known.filter_map(|name| Some((name.clone(), table.status(name)?)));
        let statuses = statuses.map(|(name, status)| (name, answer(status.into())));
        Ok(Response::new(HealthListResponse {
            statuses: statuses.collect(),
        }))
    }

    type WatchStream = ResponseStream<HealthCheckResponse>;

    /// A watcher who reads slowly misses what came and went meanwhile, and never hears the same
    /// twice in a row.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let HealthCheckRequest { service } = request.into_inner();
        let mut table = self.table.subscribe();
        Ok(Response::new(ResponseStream::new(async move |mut out| {
            let mut sent = None;
            loop {
                let (status, over) = {
                    let table = table.borrow_and_update();
                    (table.status(&service), table.over)
                };
                //= HEALTH-WATCH-UNKNOWN  told so; it may be set later, and the call stays
                let status = status.map_or(Wire::ServiceUnknown, Wire::from);
                if sent != Some(status) {
                    out.send(answer(status)).await?;
                    sent = Some(status);
                }
                if over || table.changed().await.is_err() {
                    return Err(Status::unavailable("the server is about to stop"));
                }
            }
        })))
    }
}

fn answer(status: Wire) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

/// tonic-health's paths.
pub mod server {
    use crate::generated::health::health_server::HealthServer;
    pub use crate::health::{HealthReporter, HealthService};

    /// A reporter and its service.
    pub fn health_reporter() -> (HealthReporter, HealthServer<HealthService>) {
        let reporter = HealthReporter::new();
        let service = reporter.service();
        (reporter, service)
    }
}
