//! A gRPC client in one file, from `temaki::wire` and `h2` alone: what is left when streaming, retries, reconnecting and codegen
//! are taken away. [`call`] is the whole of it; `src/wire/mod.rs` draws the bytes that it sends and reads.
//!
//! It prints:
//!
//! ```text
//! SayHello      Hello Ada!
//! SayGoodbye    UNIMPLEMENTED: the service helloworld.Greeter has no method SayGoodbye here
//! ```

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use prost::Message;
use temaki::wire::content_type::{self, ContentType};
use temaki::wire::length_prefixed::{self, Decoder, LengthError};
use temaki::wire::{self, code::Code, mapping, percent, timeout, user_agent};
use temaki_protos::helloworld::greeter_server::{Greeter, GreeterServer};
use temaki_protos::helloworld::{HelloReply, HelloRequest};

/// How a call can fail: grpc-status and grpc-message, the server's or made up here.
type Failure = (Code, String);

const MAX_MESSAGE: usize = 4 << 20;
const LIMIT: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = serve().await?;
    let socket = tokio::net::TcpStream::connect(&address).await?;
    let (h2, connection) = h2::client::handshake(socket).await?;
    tokio::spawn(connection); // moves the bytes of all calls; its errors come out of them

    let ada = HelloRequest { name: "Ada".into() }.encode_to_vec();
    for method in ["SayHello", "SayGoodbye"] {
        let path = wire::path::join("helloworld.Greeter", method);
        match unary(&h2, &format!("http://{address}{path}"), &ada).await {
            Ok(reply) => println!("{method:13} {}", HelloReply::decode(reply)?.message),
            Err((code, message)) => println!("{method:13} {}: {message}", code.name()),
        }
    }
    Ok(())
}

/// A call and its deadline. The request carries it, and the server may end the call by itself. Our own clock counts: when it
/// has run out, the call is dropped, and h2 resets the stream with CANCEL.
async fn unary(h2: &SendRequest<Bytes>, url: &str, message: &[u8]) -> Result<Bytes, Failure> {
    let head = Request::post(url)
        .header(wire::GRPC_TIMEOUT, timeout::encode(LIMIT).as_str())
        .header(wire::TE, wire::TE_TRAILERS)
        .header(wire::CONTENT_TYPE, content_type::APPLICATION_GRPC)
        .header(wire::USER_AGENT, user_agent::USER_AGENT)
        .body(())
        .map_err(|error| (Code::Internal, format!("no such request: {error}")))?;
    match tokio::time::timeout(LIMIT, call(h2.clone(), head, message)).await {
        Ok(outcome) => outcome,
        Err(_) => Err((Code::DeadlineExceeded, format!("no answer in {LIMIT:?}"))),
    }
}

/// HEADERS and one message there; HEADERS, one message and trailers back.
async fn call(h2: SendRequest<Bytes>, head: Request<()>, message: &[u8]) -> Result<Bytes, Failure> {
    let mut h2 = h2.ready().await.map_err(broken)?;
    let (response, mut request) = h2.send_request(head, false).map_err(broken)?;
    let prefix = length_prefixed::prefix(false, message.len() as u32);
    let framed = [&prefix[..], message].concat();
    request.send_data(framed.into(), true).map_err(broken)?;

    let (head, mut body) = response.await.map_err(broken)?.into_parts();
    // Trailers-Only: the server had nothing to say but how the call ended, and says it in the first HEADERS.
    let trailers_only = body.is_end_stream() && head.headers.contains_key(wire::GRPC_STATUS);
    if !trailers_only && head.status != StatusCode::OK {
        let code = mapping::code_from_http(head.status.as_u16());
        return Err((code, format!("HTTP status {}, and no gRPC", head.status)));
    }
    let kind = head.headers.get(wire::CONTENT_TYPE);
    match kind.and_then(|kind| content_type::parse(kind.as_bytes())) {
        _ if trailers_only => {}
        Some(ContentType::Proto) => {}
        Some(other) => return Err((Code::Internal, format!("{other:?}, not protobuf"))),
        None => return Err((Code::Unknown, format!("content-type {kind:?} is not gRPC"))),
    }
    let framing = |error: LengthError| match error {
        LengthError::TooLong { .. } => (Code::ResourceExhausted, error.to_string()),
        _ => (Code::Internal, error.to_string()),
    };
    let (mut decoder, mut reply) = (Decoder::new(MAX_MESSAGE), None);
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(broken)?;
        // Nothing is held back here, so the server may go on sending at once.
        let _ = body.flow_control().release_capacity(chunk.len());
        decoder.push(chunk);
        while let Some(message) = decoder.next().map_err(framing)? {
            if message.compressed {
                return Err((Code::Internal, "a compressed message, unasked".into()));
            }
            if reply.replace(message.bytes).is_some() {
                return Err((Code::Unimplemented, "more than one message".into()));
            }
        }
    }
    decoder.finish().map_err(framing)?;
    let mut end = trailers_only.then_some(head.headers);
    if end.is_none() {
        end = body.trailers().await.map_err(broken)?;
    }
    status(&end.ok_or((Code::Internal, "ended without trailers".into()))?)?;
    reply.ok_or((Code::Unimplemented, "no message".into()))
}

/// How the call ended, as the trailers say it. A call whose end has no status has failed.
fn status(trailers: &HeaderMap) -> Result<(), Failure> {
    let Some(status) = trailers.get(wire::GRPC_STATUS) else {
        return Err((Code::Unknown, "ended without a grpc-status".into()));
    };
    let message = trailers.get(wire::GRPC_MESSAGE);
    let message = percent::decode(message.map_or(b"", HeaderValue::as_bytes)).into_owned();
    match Code::from_bytes(status.as_bytes()) {
        Code::Ok => Ok(()),
        code => Err((code, message)),
    }
}

/// What it means that a stream was reset, or its connection lost.
fn broken(error: h2::Error) -> Failure {
    let code = match error.reason() {
        Some(reason) if error.is_reset() => mapping::code_from_reset(reason.into()),
        _ => Code::Unavailable,
    };
    (code, error.to_string())
}

struct Hello;
impl Greeter for Hello {
    async fn say_hello(&self, request: temaki::Request<HelloRequest>) -> Answer<HelloReply> {
        let message = format!("Hello {}!", request.into_inner().name);
        Ok(temaki::Response::new(HelloReply { message }))
    }
}
type Answer<T> = Result<temaki::Response<T>, temaki::Status>;

async fn serve() -> std::io::Result<String> {
    let incoming = temaki::server::TcpIncoming::bind("127.0.0.1:0").await?;
    let address = incoming.local_addr()?.to_string();
    let server = temaki::Server::builder().add_service(GreeterServer::new(Hello));
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(address)
}
