//! May a call begin? What its head says decides.
//!
//! A function and no future: a request that is refused costs none. All of it is one function, since both halves of the call are
//! large: handed on from one function to the next, they would be copied each time.

use std::sync::Arc;

use http::uri::PathAndQuery;

use super::coding::Agreed;
use super::context::{CallContext, Incoming};
use super::end::Outcome;
use super::options::MethodOptions;
use super::reply::Reply;
use super::request::RequestHalf;
use crate::call::Side;
use crate::call::reader::MessageReader;
use crate::call::source::Source;
use crate::call::timer;
use crate::compression::codings::Allowed;
use crate::deadline;
use crate::head;
use crate::interceptor::Interceptors;
use crate::metadata::MetadataMap;
use crate::request::{Request, ServerFacts};

/// Where the paths of the health service begin.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Begins a call: is it gRPC, can this side read it, when does it have to end? An error is a call that is over.
#[inline(always)]
pub(super) fn begin(
    incoming: Incoming,
    context: Arc<CallContext>,
    interceptors: &Interceptors,
    options: &MethodOptions,
) -> Result<(Reply, RequestHalf), Outcome> {
    let Incoming { request, respond } = incoming;
    let (parts, body) = request.into_parts();
    let mut reply = Reply::new(respond, context);
    let context = reply.context();
    let source = Source::new(body, Side::Server, context.unread.clone());
    let max_len = options.max_decoding_message_size;
    let mut reader = MessageReader::new(source, max_len, context.meter.clone());
    // Whether a server lives is asked most when it has most to do.
    reader.hold_unless(|| parts.uri.path().starts_with(HEALTH));
    let head = match head::read_request(&parts.method, &parts.headers) {
        Ok(head) => head,
        Err(refusal) => return Err(reply.finish(Err(refusal.into()))),
    };
    let allowed = Allowed([&options.compression, &context.compression].map(Option::as_deref));
    let mut agreed = None;
    if head.encoding.is_some() || !allowed.is_nothing() {
        match Agreed::new(allowed, head.encoding, &parts.headers) {
            Ok(found) => agreed = Some(found.reading_with(&mut reader)),
            Err(failure) => return Err(reply.finish(Err(failure))),
        }
    }
    //= GRPC-TIMEOUT-ABSENT  no header means no limit
    let deadline = match (head.timeout, context.timeout) {
        (None, None) => None,
        both => deadline::earliest(timer::now(), both.into()),
    };
    if reply.set_deadline(deadline) {
        return Err(reply.finish(Err(deadline::exceeded(deadline::IN_HANDLER).into())));
    }
    let facts = ServerFacts {
        deadline,
        path: parts
            .uri
            .into_parts()
            .path_and_query
            .unwrap_or(PathAndQuery::from_static("/")),
        connection: reply.context().connection.clone(),
        extensions: parts.extensions,
    };
    let metadata = MetadataMap::from_headers(parts.headers);
    let request = RequestHalf {
        request: Some(Request::from_server(metadata, (), facts)),
        reader: Some(reader),
        agreed,
        kept: None,
        interceptors: interceptors.clone(),
        intercepted: None,
    };
    Ok((reply, request))
}
