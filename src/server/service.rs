//! What does a server serve?
//!
//! A [`Service`] gives its methods. How each of them came to be a route is in `method.rs`, and for generated code in
//! `service_server.rs`.

use super::route::Route;
use crate::interceptor::Interceptors;

/// Something with methods that a [`Server`](super::Server) can answer calls with.
///
/// Generated servers are; [`Methods`](super::Methods) is, for services put together by hand.
pub trait Service {
    /// Hands over the methods.
    fn into_methods(self) -> RegisteredMethods;
}

/// The methods of one service, ready to be served.
pub struct RegisteredMethods {
    pub(crate) service: &'static str,
    pub(crate) routes: Vec<Route>,
    /// They see every call of these methods.
    pub(crate) interceptors: Interceptors,
}

impl std::fmt::Debug for RegisteredMethods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegisteredMethods")
            .field("service", &self.service)
            .field("methods", &self.routes.len())
            .finish_non_exhaustive()
    }
}

/// A service whose name on the wire is known from its type.
pub trait NamedService {
    /// `package.Service`.
    const NAME: &'static str;
}
