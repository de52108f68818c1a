//! `proto/echo.proto` served on a free port of 127.0.0.1, for h2spec and for clients in other languages.
//!
//! Metadata of a request whose name starts with `x-echo` comes back as response metadata, and with `x-trailer` as trailers.
//! Prints `listening on ADDRESS` when it does, and ends with the process.
//!
//! `echo_server [MAX_FRAME_SIZE]`: h2spec takes it for granted that no server lets frames be larger than HTTP/2's 16,384 bytes.

use std::time::Duration;

use temaki::codec::CompressionEncoding;
use temaki::metadata::{KeyAndValueRef, MetadataMap};
use temaki::server::{Server, TcpIncoming};
use temaki::{Code, Request, Response, ResponseStream, Status, Streaming};
use temaki_protos::echo::echo_server::{Echo, EchoServer};
use temaki_protos::echo::{EchoRequest, EchoResponse};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let incoming = TcpIncoming::bind("127.0.0.1:0").await?;
    println!("listening on {}", incoming.local_addr()?);
    let mut server = Server::builder();
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("--gzip") => {
            server = server
                .accept_compressed_all()
                .send_compressed(CompressionEncoding::Gzip)
                .compression_threshold(0);
        }
        Some(size) => server = server.max_frame_size(size.parse::<u32>()?),
    }
    server
        .add_service(EchoServer::new(EchoService))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

struct EchoService;

/// The part of the metadata whose names start like this.
fn picked(metadata: &MetadataMap, start: &str) -> MetadataMap {
    let mut picked = MetadataMap::new();
    picked.extend(metadata.iter().filter(|entry| match entry {
        KeyAndValueRef::Ascii(name, _) => name.as_str().starts_with(start),
        KeyAndValueRef::Binary(name, _) => name.as_str().starts_with(start),
    }));
    picked
}

fn respond<T>(message: T, metadata: &MetadataMap) -> Response<T> {
    let mut response = Response::new(message);
    *response.metadata_mut() = picked(metadata, "x-echo");
    *response.trailers_mut() = picked(metadata, "x-trailer");
    response
}

fn reply(request: &EchoRequest, number: u64) -> EchoResponse {
    let payload = if request.answer_size == 0 {
        request.payload.clone()
    } else {
        vec![0; request.answer_size as usize].into()
    };
    EchoResponse {
        text: request.text.clone(),
        payload,
        number,
    }
}

/// Waits as the request says.
async fn delay(request: &EchoRequest) {
    if request.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(request.delay_ms)).await;
    }
}

/// How the request says that its call shall end.
fn end(request: &EchoRequest) -> Result<(), Status> {
    match Code::from_i32(request.fail_with as i32) {
        Code::Ok => Ok(()),
        code => Err(Status::new(code, request.text.clone())),
    }
}

impl Echo for EchoService {
    async fn unary(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        delay(request.get_ref()).await;
        end(request.get_ref())?;
        Ok(respond(reply(request.get_ref(), 0), request.metadata()))
    }

    type ServerStreamStream = ResponseStream<EchoResponse>;

    async fn server_stream(
        &self,
        request: Request<EchoRequest>,
    ) -> Result<Response<Self::ServerStreamStream>, Status> {
        let metadata = request.metadata().clone();
        let request = request.into_inner();
        let answers = ResponseStream::new(async move |mut out| {
            for number in 0..u64::from(request.count) {
                delay(&request).await;
                out.send(reply(&request, number)).await?;
            }
            end(&request)
        });
        Ok(respond(answers, &metadata))
    }

    async fn client_stream(
        &self,
        request: Request<Streaming<EchoRequest>>,
    ) -> Result<Response<EchoResponse>, Status> {
        let metadata = request.metadata().clone();
        let mut requests = request.into_inner();
        let (mut joined, mut payload) = (EchoResponse::default(), Vec::new());
        while let Some(request) = requests.message().await? {
            end(&request)?;
            joined.text.push_str(&request.text);
            payload.extend_from_slice(&request.payload);
            joined.number += 1;
        }
        joined.payload = payload.into();
        Ok(respond(joined, &metadata))
    }

    type BidiStream = ResponseStream<EchoResponse>;

    async fn bidi(
        &self,
        request: Request<Streaming<EchoRequest>>,
    ) -> Result<Response<Self::BidiStream>, Status> {
        let metadata = request.metadata().clone();
        let mut requests = request.into_inner();
        let answers = ResponseStream::new(async move |mut out| {
            let mut number = 0;
            while let Some(request) = requests.message().await? {
                delay(&request).await;
                end(&request)?;
                out.send(reply(&request, number)).await?;
                number += 1;
            }
            Ok(())
        });
        Ok(respond(answers, &metadata))
    }
}
