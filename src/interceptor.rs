//! Interceptors: user code that sees every call of a service, a server or a channel.
//!
//! [`Interceptor`] is a function over the request, as in tonic. [`AsyncInterceptor`] may wait, and
//! also sees the answer's metadata and the call's end. Both work on either side: on a server
//! `request` is what arrived and the rest is what will be sent; on a client it is the other way
//! round. Neither sees messages.
//!
//! Inside, a list of them is `Interceptors`: one pointer, null when there are none, so that a
//! call without interceptors pays one branch.

use crate::{metadata::MetadataMap, request::Request, status::Status};
use http::{Extensions, uri::PathAndQuery};
use std::{fmt, future::Future, pin::Pin, sync::Arc};

/// Sees, changes or refuses each request before its handler (server) or its stream (client) exists.
///
/// Every `FnMut(Request<()>) -> Result<Request<()>, Status>` is one. It is cloned for each call, so
/// what it shall remember across calls goes behind an `Arc`; what the handler shall know goes into
/// the request's extensions.
///
/// ```
/// use temaki::{Request, Status};
///
/// fn authenticated(request: Request<()>) -> Result<Request<()>, Status> {
///     match request.metadata().get("authorization") {
///         Some(token) if token == "Bearer some-token" => Ok(request),
///         _ => Err(Status::unauthenticated("no valid token")),
///     }
/// }
/// # assert!(authenticated(Request::new(())).is_err());
/// ```
pub trait Interceptor {
    /// Returns the request that goes on, or the status that ends the call here.
    ///
    /// # Errors
    /// The status is the call's end: on a server it is sent, on a client no stream is opened.
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status>;
}

impl<F> Interceptor for F
where
    F: FnMut(Request<()>) -> Result<Request<()>, Status>,
{
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self(request)
    }
}

/// An interceptor that may wait, and that also sees the answer.
///
/// Each method has a default that changes nothing. One value serves all calls at once. What one
/// call's methods have to say to each other goes into the request's extensions, which come back as
/// [`InterceptedCall::extensions`]:
///
/// ```
/// use std::time::Instant;
/// use temaki::interceptor::{AsyncInterceptor, InterceptedCall};
/// use temaki::{Request, Status, metadata::MetadataMap};
///
/// #[derive(Clone, Copy)]
/// struct Started(Instant);
///
/// struct Timing;
/// impl AsyncInterceptor for Timing {
///     async fn request(&self, mut request: Request<()>) -> Result<Request<()>, Status> {
///         request.extensions_mut().insert(Started(Instant::now()));
///         Ok(request)
///     }
///     fn trailers(&self, call: &InterceptedCall, status: &Status, _: &mut MetadataMap) {
///         let took = call.extensions().get::<Started>().map(|started| started.0.elapsed());
///         println!("{} ended with {:?} after {took:?}", call.path(), status.code());
///     }
/// }
/// ```
pub trait AsyncInterceptor: Send + Sync + 'static {
    /// As [`Interceptor::call`], with time to wait: for a token, for a rate limiter. The wait
    /// counts against the call's deadline, and dropping the call drops the future.
    ///
    /// Write it as `async fn request(&self, …)`.
    fn request(
        &self,
        request: Request<()>,
    ) -> impl Future<Output = Result<Request<()>, Status>> + Send {
        std::future::ready(Ok(request))
    }

    /// Whether [`request`](Self::request) adds what nobody else may read: a token, a password. A client then refuses
    /// to make the call on a plaintext connection, unless
    /// `Endpoint::credentials_over_plaintext` allows it. Asked once, when the interceptor is set on a channel; a server
    /// does not ask. Default: no.
    fn adds_credentials(&self) -> bool {
        false
    }

    /// Sees and changes the response metadata: on a server before it is sent, on a client before
    /// the caller gets it. Not called where the call ends without any (Trailers-Only).
    fn response(&self, call: &InterceptedCall, metadata: &mut MetadataMap) {
        let _ = (call, metadata);
    }

    /// Sees how the call ended, success included, and sees and changes the trailing metadata: on a
    /// server before it is sent, on a client before the caller gets it. `status` is for reading
    /// code and message; its own metadata is `trailers`. Called once at most: not where the call
    /// was dropped or cut off, and not for a call that this interceptor or an earlier one did not
    /// let pass. One that ended at a later interceptor has ended as well, and is seen.
    fn trailers(&self, call: &InterceptedCall, status: &Status, trailers: &mut MetadataMap) {
        let _ = (call, status, trailers);
    }
}

/// One interceptor for several channels or services.
impl<I: AsyncInterceptor> AsyncInterceptor for Arc<I> {
    fn request(
        &self,
        request: Request<()>,
    ) -> impl Future<Output = Result<Request<()>, Status>> + Send {
        I::request(self, request)
    }

    fn adds_credentials(&self) -> bool {
        I::adds_credentials(self)
    }

    fn response(&self, call: &InterceptedCall, metadata: &mut MetadataMap) {
        I::response(self, call, metadata);
    }

    fn trailers(&self, call: &InterceptedCall, status: &Status, trailers: &mut MetadataMap) {
        I::trailers(self, call, status, trailers);
    }
}

/// The call whose answer an [`AsyncInterceptor`] sees.
#[derive(Debug, Clone)]
pub struct InterceptedCall {
    path: PathAndQuery,
    extensions: Extensions,
    /// So many interceptors, from the first on, have let it pass; they see its end.
    passed: usize,
}

impl InterceptedCall {
    fn of(request: &Request<()>, passed: usize) -> Self {
        let path = request.path().cloned();
        Self {
            path: path.unwrap_or(PathAndQuery::from_static("/")),
            extensions: request.extensions().clone(),
            passed,
        }
    }

    /// The path of the method, `/package.Service/Method`.
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    /// The request's extensions as they were behind the last interceptor that let it pass.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }
}

/// The interceptors of a server, a service or a channel, in the order in which they see a request;
/// they see the answer in reverse.
#[derive(Clone, Default)]
pub(crate) struct Interceptors {
    /// None if empty. The list is made when things are set up and only read afterwards.
    list: Option<Arc<List>>,
}

#[derive(Clone, Default)]
struct List {
    all: Vec<Arc<dyn Erased>>,
    /// Does any of them look at answers?
    sees_answers: bool,
}

impl Interceptors {
    /// Adds one behind the others.
    pub(crate) fn push<I>(&mut self, interceptor: I)
    where
        I: Interceptor + Clone + Send + Sync + 'static,
    {
        self.add(Arc::new(Plain(interceptor)));
    }

    /// Adds one behind the others.
    pub(crate) fn push_async<I: AsyncInterceptor>(&mut self, interceptor: I) {
        self.add(Arc::new(Async(interceptor)));
        self.list_mut().sees_answers = true;
    }

    /// These, then `inner`: a server's before a service's.
    pub(crate) fn then(&self, inner: &Interceptors) -> Interceptors {
        match (&self.list, &inner.list) {
            (None, _) => inner.clone(),
            (_, None) => self.clone(),
            (Some(outer), Some(inside)) => Interceptors {
                list: Some(Arc::new(List {
                    all: outer.all.iter().chain(&inside.all).cloned().collect(),
                    sees_answers: outer.sees_answers || inside.sees_answers,
                })),
            },
        }
    }

    /// Nothing to do for any call?
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_none()
    }

    /// Passes the request through all of them, first to last. Without an asynchronous one among
    /// them this never waits and never allocates.
    ///
    /// `call` is what [`response`](Self::response) and [`trailers`](Self::trailers) will need. It
    /// is written at each step, so that those who let the call pass see its end, whichever it is: a
    /// later one may refuse it, or not be done when its time is up. It stays None if nobody looks at
    /// answers.
    pub(crate) async fn request(
        &self,
        mut request: Request<()>,
        call: &mut Option<Box<InterceptedCall>>,
    ) -> Result<Request<()>, Status> {
        let Some(list) = &self.list else {
            return Ok(request);
        };
        for (at, interceptor) in list.all.iter().enumerate() {
            let passed = match interceptor.request(request) {
                Step::Done(result) => result,
                Step::Wait(future) => future.await,
            };
            request = passed?;
            if list.sees_answers {
                *call = Some(Box::new(InterceptedCall::of(&request, at + 1)));
            }
        }
        Ok(request)
    }

    /// Shows the response metadata to all that let `call` pass, last to first.
    pub(crate) fn response(&self, call: &InterceptedCall, metadata: &mut MetadataMap) {
        for interceptor in self.who_let_pass(call) {
            interceptor.response(call, metadata);
        }
    }

    /// Shows the end to all that let `call` pass, last to first.
    pub(crate) fn trailers(
        &self,
        call: &InterceptedCall,
        status: &Status,
        trailers: &mut MetadataMap,
    ) {
        for interceptor in self.who_let_pass(call) {
            interceptor.trailers(call, status, trailers);
        }
    }

    fn who_let_pass(&self, call: &InterceptedCall) -> impl Iterator<Item = &Arc<dyn Erased>> {
        let all = self
            .list
            .as_ref()
            .map_or(&[][..], |list| list.all.as_slice());
        all.iter().take(call.passed).rev()
    }

    fn add(&mut self, interceptor: Arc<dyn Erased>) {
        self.list_mut().all.push(interceptor);
    }

    fn list_mut(&mut self) -> &mut List {
        Arc::make_mut(self.list.get_or_insert_default())
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} interceptors",
            self.list.as_ref().map_or(0, |list| list.all.len())
        )
    }
}

/// Either kind behind one pointer. The boxed future is made here, for asynchronous ones only, and
/// never in user code.
trait Erased: Send + Sync {
    fn request<'a>(&'a self, request: Request<()>) -> Step<'a>;
    fn response(&self, call: &InterceptedCall, metadata: &mut MetadataMap);
    fn trailers(&self, call: &InterceptedCall, status: &Status, trailers: &mut MetadataMap);
}

/// What became of a request: known at once, or to be waited for.
#[allow(
    clippy::large_enum_variant,
    reason = "it lives between two lines; a box would be an allocation per call"
)]
enum Step<'a> {
    Done(Result<Request<()>, Status>),
    Wait(Pin<Box<dyn Future<Output = Result<Request<()>, Status>> + Send + 'a>>),
}

struct Plain<I>(I);

impl<I: Interceptor + Clone + Send + Sync> Erased for Plain<I> {
    fn request<'a>(&'a self, request: Request<()>) -> Step<'a> {
        // `call` takes `&mut self`, and calls run at once: each has its own copy.
        Step::Done(self.0.clone().call(request))
    }

    fn response(&self, _: &InterceptedCall, _: &mut MetadataMap) {}

    fn trailers(&self, _: &InterceptedCall, _: &Status, _: &mut MetadataMap) {}
}

struct Async<I>(I);

impl<I: AsyncInterceptor> Erased for Async<I> {
    fn request<'a>(&'a self, request: Request<()>) -> Step<'a> {
        Step::Wait(Box::pin(self.0.request(request)))
    }

    fn response(&self, call: &InterceptedCall, metadata: &mut MetadataMap) {
        self.0.response(call, metadata);
    }

    fn trailers(&self, call: &InterceptedCall, status: &Status, trailers: &mut MetadataMap) {
        self.0.trailers(call, status, trailers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::code::Code;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    type Log = Arc<Mutex<Vec<String>>>;

    /// Runs a future that has no reason to wait.
    fn at_once<F: Future>(future: F) -> F::Output {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it waits"),
        }
    }

    fn plain(name: &'static str, log: &Log) -> impl Interceptor + Clone + Send + Sync + 'static {
        let log = Arc::clone(log);
        move |request| {
            log.lock().unwrap().push(format!("{name} request"));
            Ok(request)
        }
    }

    struct Watch(&'static str, Log);

    #[derive(Clone)]
    struct SeenBy(&'static str);

    impl AsyncInterceptor for Watch {
        async fn request(&self, mut request: Request<()>) -> Result<Request<()>, Status> {
            self.1.lock().unwrap().push(format!("{} request", self.0));
            request.extensions_mut().insert(SeenBy(self.0));
            Ok(request)
        }

        fn response(&self, call: &InterceptedCall, metadata: &mut MetadataMap) {
            self.1
                .lock()
                .unwrap()
                .push(format!("{} response of {}", self.0, call.path()));
            metadata.insert("x-seen-by", self.0.parse().unwrap());
        }

        fn trailers(&self, call: &InterceptedCall, status: &Status, _: &mut MetadataMap) {
            let last = call.extensions().get::<SeenBy>().map(|by| by.0);
            self.1
                .lock()
                .unwrap()
                .push(format!("{} {status}, last {last:?}", self.0));
        }
    }

    struct OnlyDefaults;
    impl AsyncInterceptor for OnlyDefaults {}

    #[test]
    fn requests_pass_first_to_last_and_answers_last_to_first() {
        let log = Log::default();
        let mut outer = Interceptors::default();
        outer.push(plain("a", &log));
        outer.push_async(Watch("b", Arc::clone(&log)));
        let mut inner = Interceptors::default();
        inner.push_async(Arc::new(Watch("c", Arc::clone(&log))));
        inner.push_async(OnlyDefaults);
        let all = outer.then(&inner);

        let mut request = Request::new(());
        request.set_path(PathAndQuery::from_static("/S/M"));
        let mut call = None;
        at_once(all.request(request, &mut call)).unwrap();
        let call = call.unwrap();
        let mut metadata = MetadataMap::new();
        all.response(&call, &mut metadata);
        all.trailers(&call, &Status::not_found("x"), &mut MetadataMap::new());
        assert_eq!(
            *log.lock().unwrap(),
            [
                "a request",
                "b request",
                "c request",
                "c response of /S/M",
                "b response of /S/M",
                "c code NOT_FOUND: x, last Some(\"c\")",
                "b code NOT_FOUND: x, last Some(\"c\")",
            ]
        );
        assert_eq!(metadata.get("x-seen-by").unwrap(), "b");
    }

    #[test]
    fn a_refusal_ends_the_way() {
        let log = Log::default();
        let mut all = Interceptors::default();
        all.push(|_: Request<()>| Err(Status::unauthenticated("no token")));
        all.push(plain("never", &log));
        let mut call = None;
        let refused = at_once(all.request(Request::new(()), &mut call)).unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(call.is_none() && log.lock().unwrap().is_empty());
    }

    #[test]
    fn a_refusal_is_seen_by_those_before_it() {
        let log = Log::default();
        let mut all = Interceptors::default();
        all.push_async(Watch("a", Arc::clone(&log)));
        all.push_async(Watch("b", Arc::clone(&log)));
        all.push(|_: Request<()>| Err(Status::unauthenticated("no token")));
        all.push_async(Watch("never", Arc::clone(&log)));
        let mut call = None;
        let refused = at_once(all.request(Request::new(()), &mut call)).unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        all.trailers(&call.unwrap(), &refused, &mut MetadataMap::new());
        assert_eq!(
            *log.lock().unwrap(),
            [
                "a request",
                "b request",
                "b code UNAUTHENTICATED: no token, last Some(\"b\")",
                "a code UNAUTHENTICATED: no token, last Some(\"b\")",
            ]
        );
    }

    #[test]
    fn each_call_has_its_own_copy_of_a_plain_one() {
        let mut all = Interceptors::default();
        let mut calls = 0;
        all.push(move |mut request: Request<()>| {
            calls += 1;
            request.metadata_mut().insert("x-calls", calls.into());
            Ok(request)
        });
        for _ in 0..2 {
            let request = at_once(all.request(Request::new(()), &mut None)).unwrap();
            assert_eq!(request.metadata().get("x-calls").unwrap(), "1");
        }
    }

    #[test]
    fn none_is_one_null_pointer() {
        let none = Interceptors::default();
        assert!(none.is_empty() && none.then(&none).is_empty());
        let mut call = None;
        assert!(at_once(none.request(Request::new(()), &mut call)).is_ok());
        assert!(call.is_none());

        let mut plain_only = Interceptors::default();
        plain_only.push(|request: Request<()>| Ok(request));
        assert!(!plain_only.is_empty());
        assert!(at_once(plain_only.request(Request::new(()), &mut call)).is_ok());
        assert!(call.is_none(), "nobody looks at answers");
    }
}
