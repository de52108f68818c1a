//! Which method does a path name?
//!
//! Spec: PROTOCOL-HTTP2.md, "Path". The path is compared byte by byte, with its query: no decoding, no
//! normalising, no case folding, so that nothing but the exact name of a method reaches a handler.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::{CallContext, Incoming};
use super::end::Outcome;
use super::route::{CallFuture, Route};
use super::service::RegisteredMethods;
use crate::interceptor::Interceptors;
use crate::wire;
use crate::{Code, Error, Origin, Status, error::ErrorKind};

/// All methods of a server, found by path.
#[derive(Default)]
pub(crate) struct Router {
    /// Sorted by path: a handful of comparisons finds a method, and no hash can be flooded.
    entries: Vec<Arc<Entry>>,
    services: BTreeSet<&'static str>,
    /// Answers what no route does.
    fallback: Option<Arc<Entry>>,
}

/// A route and those who look on.
pub(crate) struct Entry {
    route: Route,
    interceptors: Interceptors,
}

impl Entry {
    /// `/package.Service/Method`, or `*` for the fallback.
    pub(crate) fn path(&self) -> &Arc<str> {
        &self.route.path
    }

    pub(crate) fn spawn_always(&self) -> bool {
        self.route.spawn_always
    }

    pub(crate) fn never_shed(&self) -> bool {
        self.route.never_shed
    }

    /// Begins a call. The handler does not run before the future is polled; an error is a request that was
    /// answered without it.
    pub(crate) fn handle(
        &self,
        incoming: Incoming,
        context: Arc<CallContext>,
    ) -> Result<CallFuture, Outcome> {
        (self.route.handler)(incoming, context, &self.interceptors)
    }
}

impl Router {
    /// A router for these services, whose calls `interceptors` see before the services' own do.
    pub(crate) fn new(
        services: Vec<RegisteredMethods>,
        fallback: Option<Route>,
        interceptors: &Interceptors,
    ) -> Result<Self, Error> {
        let mut router = Self::default();
        for methods in services {
            if !router.services.insert(methods.service) {
                let message = format!(
                    "the service {} was added twice; add it once",
                    methods.service
                );
                return Err(Error::new(ErrorKind::Config, message));
            }
            let interceptors = interceptors.then(&methods.interceptors);
            let entries = methods.routes.into_iter().map(|route| {
                Arc::new(Entry {
                    route,
                    interceptors: interceptors.clone(),
                })
            });
            router.entries.extend(entries);
        }
        router.entries.sort_by(|a, b| a.path().cmp(b.path()));
        let mut pairs = router.entries.windows(2);
        if let Some([twice, _]) = pairs.find(|pair| pair[0].path() == pair[1].path()) {
            let message = format!("the method {} was registered twice", twice.path());
            return Err(Error::new(ErrorKind::Config, message));
        }
        router.fallback = fallback.map(|route| {
            Arc::new(Entry {
                route,
                interceptors: interceptors.clone(),
            })
        });
        Ok(router)
    }

    /// The method that `path` names, or the fallback.
    pub(crate) fn find(&self, path: &str) -> Option<&Arc<Entry>> {
        //= GRPC-PATH  path is /Service/Method, case-sensitive
        match self
            .entries
            .binary_search_by(|entry| (**entry.path()).cmp(path))
        {
            Ok(index) => self.entries.get(index),
            Err(_) => self.fallback.as_ref(),
        }
    }

    /// Why nothing was found for `path`: is it the service that is unknown, or only the method?
    pub(crate) fn not_found(&self, path: &str) -> Status {
        let message = match wire::path::split(path) {
            Some((service, method)) if self.services.contains(service) => {
                format!("the service {service} has no method {method} here")
            }
            Some((service, _)) => format!("no service {service} is served here"),
            None => "the path names no method; expected /package.Service/Method".to_owned(),
        };
        Status::library(Code::Unimplemented, message, Origin::Library)
    }
}
