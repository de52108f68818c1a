//! What a call says before its first message: request headers and response headers.
//!
//! Spec: PROTOCOL-HTTP2.md, "Requests" (Request-Headers, Call-Definition) and "Responses"
//! (Response-Headers). Both directions of both are here, side by side, so that what one end writes can
//! be held against what the other reads. This file does not wait for anything, and knows no body.

use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TE, USER_AGENT};
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::header_map;
use crate::metadata::MetadataMap;
use crate::status::{Origin, Status};
use crate::trailers;
use crate::wire::code::Code;
use crate::wire::content_type::{self, ContentType};
use crate::wire::{self, content_coding, mapping, timeout};

// Names are compared as names, which for those that HTTP knows is a comparison of two numbers.
static GRPC_TIMEOUT: HeaderName = HeaderName::from_static(wire::GRPC_TIMEOUT);
pub(crate) static GRPC_ENCODING: HeaderName = HeaderName::from_static(wire::GRPC_ENCODING);
pub(crate) static GRPC_ACCEPT_ENCODING: HeaderName =
    HeaderName::from_static(wire::GRPC_ACCEPT_ENCODING);
const APPLICATION_GRPC: HeaderValue = HeaderValue::from_static(content_type::APPLICATION_GRPC);

/// A request that is refused before its handler is looked for, or run.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Not gRPC at all: it is answered in the words of HTTP.
    Http(StatusCode),
    /// gRPC, and wrong: Trailers-Only.
    Grpc(Status),
}

/// What a request says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequestHead<'a> {
    /// How long the client will wait.
    pub(crate) timeout: Option<Duration>,
    /// The coding of the messages that are flagged as compressed, if it is not `identity`.
    pub(crate) encoding: Option<&'a HeaderValue>,
}

/// Reads a request's headers.
pub(crate) fn read_request<'a>(
    method: &Method,
    headers: &'a HeaderMap,
) -> Result<RequestHead<'a>, Refusal> {
    //= GRPC-METHOD-POST  request method is POST
    if method != Method::POST {
        return Err(Refusal::Http(StatusCode::METHOD_NOT_ALLOWED));
    }
    // One look at each header: there are few, and asking for three of them by name costs more.
    let (mut content_type, mut encoding, mut timeout, mut hosts) = (None, None, None, 0);
    for (name, value) in headers {
        if name == CONTENT_TYPE {
            content_type.get_or_insert(value);
        } else if name == HOST {
            hosts += 1;
        } else if *name == GRPC_TIMEOUT {
            timeout.get_or_insert(value);
        } else if *name == GRPC_ENCODING {
            encoding.get_or_insert(value);
        }
    }
    // Two names for one server: whoever decides by name, here or before us, may have read the other.
    if hosts > 1 {
        return Err(Refusal::Http(StatusCode::BAD_REQUEST));
    }
    //= GRPC-CT-415  otherwise HTTP 415, not a gRPC error
    match content_type.and_then(|value| content_type::parse(value.as_bytes())) {
        Some(ContentType::Proto) => {}
        Some(ContentType::Other(subtype)) => return Err(Refusal::Grpc(unknown_subtype(subtype))),
        None => return Err(Refusal::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
    }
    let timeout = timeout.map(|value| timeout::decode(value.as_bytes()));
    let timeout = timeout.transpose().map_err(|error| {
        //= CODE-LIB-ONLY  INVALID_ARGUMENT would fit better, but is the application's to use
        let message = format!("malformed grpc-timeout: {error}");
        Refusal::Grpc(Status::library(Code::Internal, message, Origin::Protocol))
    })?;
    Ok(RequestHead {
        timeout,
        encoding: encoding
            .filter(|it| !content_coding::is(it.as_bytes(), content_coding::IDENTITY)),
    })
}

fn unknown_subtype(subtype: &str) -> Status {
    let message = format!(
        "content-type application/grpc+{subtype} is not served here; expected application/grpc+proto"
    );
    Status::library(Code::Unimplemented, message, Origin::Protocol)
}

/// The answer to what is not gRPC: a bare HTTP status, with `allow` where HTTP wants it.
pub(crate) fn write_http(status: StatusCode) -> http::Response<()> {
    let mut response = http::Response::new(());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// Response-Headers, before messages.
pub(crate) fn write_response(
    metadata: &MetadataMap,
    add_codings: impl FnOnce(&mut HeaderMap),
) -> http::Response<()> {
    //= GRPC-RES-200  gRPC outcomes travel under HTTP 200
    let mut headers = header_map::with_room(metadata.as_headers().len());
    headers.insert(CONTENT_TYPE, APPLICATION_GRPC);
    add_codings(&mut headers);
    metadata.extend_headers(&mut headers);
    let mut response = http::Response::new(());
    *response.headers_mut() = headers;
    response
}

/// Trailers-Only: headers and trailers in one, for a call that ends before its first message.
pub(crate) fn write_trailers_only(
    mut end: HeaderMap,
    accept: Option<HeaderValue>,
) -> http::Response<()> {
    //= GRPC-RES-TRAILERS-ONLY  immediate failure as one HEADERS with END_STREAM
    end.insert(CONTENT_TYPE, APPLICATION_GRPC);
    if let Some(codings) = accept {
        end.insert(&GRPC_ACCEPT_ENCODING, codings);
    }
    let mut response = http::Response::new(());
    *response.headers_mut() = end;
    response
}

/// What a caller's endpoint puts into each request.
#[derive(Clone, Debug)]
pub(crate) struct RequestTemplate {
    /// Scheme and authority; the path is each method's own.
    scheme: http::uri::Scheme,
    authority: http::uri::Authority,
    /// The headers of a call without timeout and metadata. Copying a map is cheaper than filling one.
    headers: HeaderMap,
}

impl RequestTemplate {
    /// What every request to this authority says.
    pub(crate) fn new(
        scheme: http::uri::Scheme,
        authority: http::uri::Authority,
        user_agent: HeaderValue,
    ) -> Self {
        let mut headers = header_map::with_room(0);
        //= GRPC-TE-TRAILERS  client sends te: trailers
        headers.insert(TE, HeaderValue::from_static(wire::TE_TRAILERS));
        headers.insert(CONTENT_TYPE, APPLICATION_GRPC);
        headers.insert(USER_AGENT, user_agent);
        Self {
            scheme,
            authority,
            headers,
        }
    }

    /// The size of the header list of a call of `path` without metadata, pseudo-headers included.
    pub(crate) fn size(&self, path: &str, has_timeout: bool) -> usize {
        let (scheme, authority) = (self.scheme.as_str(), self.authority.as_str());
        let pseudo = [
            (":method", Method::POST.as_str()),
            (":scheme", scheme),
            (":authority", authority),
            (":path", path),
        ];
        let pseudo = pseudo.map(|(name, value)| header_map::field_size(name.len(), value.len()));
        // Eight digits and a unit at most.
        let timeout = has_timeout.then_some(header_map::field_size(wire::GRPC_TIMEOUT.len(), 9));
        let pseudo: usize = pseudo.into_iter().chain(timeout).sum();
        pseudo + header_map::list_size(&self.headers)
    }

    /// For people: whom the requests are for.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }
}

/// Request-Headers. `add_codings` adds those of a call that compresses.
#[inline]
pub(crate) fn write_request(
    template: &RequestTemplate,
    path: http::uri::PathAndQuery,
    timeout: Option<Duration>,
    metadata: &MetadataMap,
    add_codings: impl FnOnce(&mut HeaderMap),
) -> http::Request<()> {
    let mut request = http::Request::new(());
    *request.method_mut() = Method::POST;
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(template.scheme.clone());
    parts.authority = Some(template.authority.clone());
    parts.path_and_query = Some(path);
    // The three parts together always make a URI; `/` would stand in if they ever did not.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    //= GRPC-HDR-ORDER  grpc-timeout right after pseudo-headers, call definition before metadata
    *request.headers_mut() = match timeout {
        None => template.headers.clone(),
        Some(timeout) => {
            let mut headers = header_map::with_room(metadata.as_headers().len());
            if let Ok(value) = HeaderValue::from_bytes(timeout::encode(timeout).as_bytes()) {
                headers.insert(GRPC_TIMEOUT.clone(), value);
            }
            for (name, value) in &template.headers {
                headers.insert(name.clone(), value.clone());
            }
            headers
        }
    };
    add_codings(request.headers_mut());
    if !metadata.is_empty() {
        metadata.extend_headers(request.headers_mut());
    }
    request
}

/// A response's headers, as its caller understands them.
#[derive(Debug)]
pub(crate) enum ResponseHead {
    /// Response-Headers: messages and trailers follow.
    Open(MetadataMap),
    /// The same, and the messages that are flagged as compressed are in this coding.
    Coded(Box<(MetadataMap, HeaderValue)>),
    /// Trailers-Only: the call is over.
    Over(Result<MetadataMap, Status>),
    /// Not gRPC. The status says what was found; the start of the body, if any, may be added to it.
    Foreign(Status),
}

/// Reads a response's headers. `is_end` is END_STREAM on them.
pub(crate) fn read_response(status: StatusCode, headers: HeaderMap, is_end: bool) -> ResponseHead {
    if is_end && trailers::has_status(&headers) {
        //= GRPC-RES-PRECEDENCE  whatever the HTTP status says, the peer spoke gRPC
        return ResponseHead::Over(trailers::read_end(Some(headers)));
    }
    //= HTTP-STATUS-MAP  HTTP status to code table
    if status != StatusCode::OK {
        let http = status.as_u16();
        let message = format!("the peer answered HTTP status {}, not gRPC", status);
        let guess = mapping::code_from_http(http);
        // A status in trailers would win; but a body that is not gRPC's has none.
        return ResponseHead::Foreign(Status::library(guess, message, Origin::Http(http)));
    }
    // One look at each header, as in a request.
    let (mut found, mut encoding) = (None, None);
    for (name, value) in &headers {
        if name == CONTENT_TYPE {
            found.get_or_insert(value);
        } else if *name == GRPC_ENCODING {
            encoding.get_or_insert(value);
        }
    }
    match found.and_then(|value| content_type::parse(value.as_bytes())) {
        Some(ContentType::Proto) if is_end => ResponseHead::Over(trailers::read_end(Some(headers))),
        Some(ContentType::Proto) => match encoding {
            Some(name) if !content_coding::is(name.as_bytes(), content_coding::IDENTITY) => {
                let name = name.clone();
                ResponseHead::Coded(Box::new((MetadataMap::from_headers(headers), name)))
            }
            _ => ResponseHead::Open(MetadataMap::from_headers(headers)),
        },
        Some(ContentType::Other(subtype)) => ResponseHead::Foreign(foreign(
            Code::Internal,
            format!("the answer is application/grpc+{subtype}; expected application/grpc+proto"),
        )),
        None => {
            //= GRPC-STATUS-SYNTH  missing status, odd HTTP status, odd content-type: make a status up
            let found = found.map_or("no content-type".into(), |v| {
                format!("content-type {:?}", String::from_utf8_lossy(v.as_bytes()))
            });
            ResponseHead::Foreign(foreign(
                Code::Unknown,
                format!("the peer answered HTTP 200 with {found}; expected application/grpc"),
            ))
        }
    }
}

fn foreign(code: Code, message: String) -> Status {
    Status::library(code, message, Origin::Protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: Method = Method::POST;

    /// Headers as rows have them.
    type Pairs = &'static [(&'static str, &'static str)];

    fn headers(pairs: Pairs) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect()
    }

    fn code_of(refusal: Refusal) -> Result<StatusCode, Code> {
        match refusal {
            Refusal::Http(status) => Ok(status),
            Refusal::Grpc(status) => Err(status.code()),
        }
    }

    //= GRPC-METHOD-POST  type=test
    //= GRPC-CT-415  type=test
    #[test]
    fn b01_to_b12_what_is_refused_before_any_handler() {
        const GRPC: (&str, &str) = ("content-type", "application/grpc");
        #[rustfmt::skip]
        let rows: [(Method, Pairs, _, &str); 7] = [
            (Method::GET, &[GRPC], Ok(405), "a browser"),
            (Method::PUT, &[GRPC], Ok(405), "no other verb either"),
            (POST, &[], Ok(415), "no content-type"),
            (POST, &[("content-type", "application/grpcfoo")], Ok(415), "another media type"),
            (POST, &[("content-type", "application/grpc+json")], Err(Code::Unimplemented), "gRPC, in a format that is not served"),
            (POST, &[GRPC, ("grpc-timeout", "123456789S")], Err(Code::Internal), "nine digits"),
            (POST, &[GRPC, ("grpc-timeout", "5")], Err(Code::Internal), "no unit"),
        ];
        for (method, pairs, expected, why) in rows {
            let refused = code_of(read_request(&method, &headers(pairs)).unwrap_err());
            assert_eq!(refused.map(|status| status.as_u16()), expected, "{why}");
        }
    }

    //= GRPC-TIMEOUT-ABSENT  type=test
    #[test]
    fn b03_b05_b08_what_is_served() {
        let secs = |n| Some(Duration::from_secs(n));
        #[rustfmt::skip]
        let rows: [(Pairs, _, &str); 5] = [
            (&[("content-type", "application/grpc")], None, "no timeout is no limit; no `te` is borne"),
            (&[("content-type", "application/grpc+proto")], None, "the format's name"),
            (&[("content-type", "APPLICATION/GRPC; charset=utf-8")], None, "case and parameters"),
            (&[("content-type", "application/grpc"), ("grpc-encoding", "identity")], None, "nothing in many words"),
            (&[("content-type", "application/grpc"), ("grpc-timeout", "2S")], secs(2), "a limit"),
        ];
        for (pairs, expected, why) in rows {
            let headers = headers(pairs);
            let head = read_request(&POST, &headers).unwrap();
            assert_eq!((head.timeout, head.encoding), (expected, None), "{why}");
        }
    }

    //= GRPC-TE-TRAILERS  type=test
    //= GRPC-HDR-ORDER  type=test
    #[test]
    fn b43_the_call_definition_stands_before_metadata() {
        let template = RequestTemplate::new(
            http::uri::Scheme::HTTP,
            http::uri::Authority::from_static("localhost:50051"),
            HeaderValue::from_static("test"),
        );
        let mut metadata = MetadataMap::new();
        metadata.insert("aaa", "first in the alphabet".parse().unwrap());
        let path = http::uri::PathAndQuery::from_static("/pkg.Service/Method");
        let timeout = Some(Duration::from_secs(1));
        let request = write_request(&template, path, timeout, &metadata, |_| {});
        assert_eq!(request.method(), POST);
        assert_eq!(request.uri(), "http://localhost:50051/pkg.Service/Method");
        let sent: Vec<_> = request.headers().iter().collect();
        let expected = [
            ("grpc-timeout", "1S"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "test"),
            ("aaa", "first in the alphabet"),
        ];
        assert_eq!(sent.len(), expected.len());
        for ((name, value), (expected_name, expected_value)) in sent.into_iter().zip(expected) {
            assert_eq!(
                (name.as_str(), value.as_bytes()),
                (expected_name, expected_value.as_bytes())
            );
        }
    }

    //= GRPC-RES-200  type=test
    //= GRPC-RES-TRAILERS-ONLY  type=test
    #[test]
    fn an_answer_is_http_200_whatever_became_of_the_call() {
        let open = write_response(&MetadataMap::new(), |_| {});
        let status = Status::not_found("no such user");
        let over = write_trailers_only(trailers::write_status(&status), None);
        for answer in [&open, &over] {
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/grpc");
        }
        assert_eq!(over.headers()["grpc-status"], "5");
        assert!(
            !open.headers().contains_key("grpc-status"),
            "that is for the end"
        );
    }

    //= GRPC-STATUS-SYNTH  type=test
    //= HTTP-STATUS-MAP  type=test
    //= GRPC-RES-PRECEDENCE  type=test
    #[test]
    fn b46_to_b54_what_a_caller_makes_of_an_answers_head() {
        enum Found {
            Open,
            Coded,
            Over(Code),
            Foreign(Code),
        }
        use Found::{Coded, Foreign, Open, Over};
        const GRPC: (&str, &str) = ("content-type", "application/grpc");
        #[rustfmt::skip]
        let rows: [(u16, Pairs, bool, Found, &str); 12] = [
            (200, &[GRPC], false, Open, "the usual"),
            (200, &[GRPC, ("grpc-status", "5")], false, Open, "a status in headers that a body follows counts for nothing"),
            (200, &[GRPC, ("grpc-status", "5")], true, Over(Code::NotFound), "Trailers-Only"),
            (200, &[("grpc-status", "5")], true, Over(Code::NotFound), "a status is a status"),
            (200, &[GRPC], true, Over(Code::Unknown), "Trailers-Only without a status"),
            (503, &[GRPC, ("grpc-status", "8")], true, Over(Code::ResourceExhausted), "gRPC wins over HTTP"),
            (503, &[("content-type", "text/html")], false, Foreign(Code::Unavailable), "a proxy's error page"),
            (404, &[], true, Foreign(Code::Unimplemented), "a web server"),
            (200, &[("content-type", "text/html")], false, Foreign(Code::Unknown), "a web page is not decoded as messages"),
            (200, &[], false, Foreign(Code::Unknown), "no content-type"),
            (200, &[("content-type", "application/grpc+json")], false, Foreign(Code::Internal), "a format we did not ask for"),
            (200, &[GRPC, ("grpc-encoding", "gzip")], false, Coded, "whether we offered that is not known here"),
        ];
        for (http, pairs, is_end, expected, why) in rows {
            let http = StatusCode::from_u16(http).unwrap();
            match (read_response(http, headers(pairs), is_end), expected) {
                (ResponseHead::Open(_), Open) | (ResponseHead::Coded(_), Coded) => {}
                (ResponseHead::Over(Err(status)), Over(code)) => {
                    assert_eq!(status.code(), code, "{why}")
                }
                (ResponseHead::Foreign(status), Foreign(code)) => {
                    assert_eq!(status.code(), code, "{why}")
                }
                (found, _) => panic!("{why}: {found:?}"),
            }
        }
    }

    #[test]
    fn more_metadata_than_a_header_map_holds_is_cut_and_no_panic() {
        let mut metadata = MetadataMap::new();
        for n in 0..30_000 {
            let key = format!("x-{n}").parse::<crate::metadata::AsciiMetadataKey>();
            metadata.insert(key.unwrap(), n.into());
        }
        let template = RequestTemplate::new(
            http::uri::Scheme::HTTP,
            http::uri::Authority::from_static("test"),
            HeaderValue::from_static("test"),
        );
        let path = http::uri::PathAndQuery::from_static("/S/M");
        let timeout = Some(Duration::from_secs(1));
        let request = write_request(&template, path, timeout, &metadata, |_| {});
        assert_eq!(request.headers()["grpc-timeout"], "1S");
        let response = write_response(&metadata, |_| {});
        assert_eq!(response.headers()[CONTENT_TYPE], APPLICATION_GRPC);
        let trailers = trailers::write_ok(Some(&metadata));
        assert_eq!(trailers["grpc-status"], "0");
    }

    /// The drawing in `wire/mod.rs`: the header lines of each block, in their order.
    fn drawn(block: usize) -> Vec<String> {
        let page = include_str!("wire/mod.rs");
        let drawing = page.split("```").nth(1).unwrap();
        let blocks = drawing.split("HEADERS").skip(1);
        let lines = blocks.map(|block| block.lines().skip(1));
        let block = lines.clone().nth(block).unwrap();
        block
            .take_while(|line| line.starts_with("//!     ") && line.contains(": "))
            .map(|line| line[8..].split("  ").next().unwrap().to_owned())
            .collect()
    }

    fn written(pseudo: &[&str], headers: &HeaderMap) -> Vec<String> {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        pseudo
            .iter()
            .map(ToString::to_string)
            .chain(headers)
            .collect()
    }

    #[test]
    fn the_page_on_the_wire_shows_what_is_sent() {
        let template = RequestTemplate::new(
            http::uri::Scheme::HTTP,
            http::uri::Authority::from_static("localhost:50051"),
            HeaderValue::from_static(wire::user_agent::USER_AGENT),
        );
        let mut metadata = MetadataMap::new();
        metadata.insert_bin(
            "trace-bin",
            crate::metadata::MetadataValue::from_bytes(&[0, 1, 2]),
        );
        let path = http::uri::PathAndQuery::from_static("/helloworld.Greeter/SayHello");
        let request = write_request(
            &template,
            path,
            Some(Duration::from_secs(1)),
            &metadata,
            |_| {},
        );
        let uri = request.uri();
        let pseudo = [
            format!(":method: {}", request.method()),
            format!(":scheme: {}", uri.scheme_str().unwrap()),
            format!(":path: {}", uri.path()),
            format!(":authority: {}", uri.authority().unwrap()),
        ];
        let pseudo: Vec<_> = pseudo.iter().map(String::as_str).collect();
        assert_eq!(written(&pseudo, request.headers()), drawn(0));

        let ok = [":status: 200"];
        let response = write_response(&MetadataMap::new(), |_| {});
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(written(&ok, response.headers()), drawn(1));
        assert_eq!(written(&[], &trailers::write_ok(None)), drawn(2));
        let status = Status::not_found("no user J\u{f8}rn");
        let only = write_trailers_only(trailers::write_status(&status), None);
        assert_eq!(written(&ok, only.headers()), drawn(3));
    }
}
