//! The server under test: the suite's service on temaki, told by the runner what to be and by each request how to answer.

use std::time::Instant;

use temaki::codec::CompressionEncoding;
use temaki::server::{Server, TcpIncoming};
use temaki::transport::{Certificate, Identity, ServerTlsConfig};
use temaki::{Request, Response, ResponseStream, Status, Streaming};
use temaki_conformance::suite::conformance_service_server::{
    ConformanceService, ConformanceServiceServer,
};
use temaki_conformance::suite::{
    self, conformance_payload::RequestInfo, unary_response_definition,
};
use temaki_conformance::{any_of, framing, headers_of, metadata_of, millis, status_of, timeout_ms};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted: suite::ServerCompatRequest = framing::read(&mut tokio::io::stdin())
        .await?
        .ok_or("the runner closed stdin before it asked for a server")?;
    let mut service = ConformanceServiceServer::new(UnderTest);
    if wanted.message_receive_limit != 0 {
        service = service.max_decoding_message_size(wanted.message_receive_limit as usize);
    }
    let incoming = TcpIncoming::bind("127.0.0.1:0").await?;
    let address = incoming.local_addr()?;
    let running = suite::ServerCompatResponse {
        host: address.ip().to_string(),
        port: address.port().into(),
        pem_cert: wanted
            .server_creds
            .iter()
            .flat_map(|it| it.cert.clone())
            .collect(),
    };
    framing::write(&mut tokio::io::stdout(), &running).await?;
    let mut server = Server::builder()
        .accept_compressed_all()
        .compression_threshold(0);
    for &encoding in CompressionEncoding::ALL {
        server = server.send_compressed(encoding);
    }
    let server = server.add_service(service);
    // Until the runner's SIGTERM.
    if wanted.use_tls {
        let creds = wanted.server_creds.ok_or("TLS, and no certificate")?;
        let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(creds.cert, creds.key));
        if !wanted.client_tls_cert.is_empty() {
            tls = tls.client_ca_root(Certificate::from_pem(wanted.client_tls_cert));
        }
        server
            .tls_config(tls)?
            .serve_with_incoming(incoming)
            .await?;
    } else {
        server.serve_with_incoming(incoming).await?;
    }
    Ok(())
}

struct UnderTest;

/// What a request told about itself before its messages: echoed in the first answer.
struct Observed {
    headers: Vec<suite::Header>,
    deadline: Option<Instant>,
}

impl Observed {
    fn of<T>(request: &Request<T>) -> Self {
        Observed {
            headers: headers_of(request.metadata()),
            deadline: request.deadline(),
        }
    }

    fn info(&self, requests: Vec<prost_types::Any>) -> RequestInfo {
        RequestInfo {
            request_headers: self.headers.clone(),
            timeout_ms: timeout_ms(self.deadline),
            requests,
            connect_get_info: None,
        }
    }
}

/// A test case that asks for what HTTP cannot carry.
fn unsendable(reason: String) -> Status {
    Status::internal(format!("the test case cannot be answered: {reason}"))
}

fn payload(data: Vec<u8>, request_info: Option<RequestInfo>) -> Option<suite::ConformancePayload> {
    Some(suite::ConformancePayload { data, request_info })
}

/// One answer, or one error: unary and client streaming.
async fn answer_once(
    definition: Option<suite::UnaryResponseDefinition>,
    info: RequestInfo,
) -> Result<Response<Option<suite::ConformancePayload>>, Status> {
    let Some(definition) = definition else {
        return Ok(Response::new(payload(Vec::new(), Some(info))));
    };
    let headers = metadata_of(&definition.response_headers).map_err(unsendable)?;
    let trailers = metadata_of(&definition.response_trailers).map_err(unsendable)?;
    tokio::time::sleep(millis(definition.response_delay_ms)).await;
    let data = match definition.response {
        Some(unary_response_definition::Response::Error(mut error)) => {
            error
                .details
                .push(any_of("ConformancePayload.RequestInfo", &info));
            // A call that fails at once is Trailers-Only: what was asked for as headers travels in the one block there is.
            let mut metadata = headers;
            metadata.extend(trailers.iter());
            return Err(status_of(error, metadata));
        }
        Some(unary_response_definition::Response::ResponseData(data)) => data,
        None => Vec::new(),
    };
    let mut response = Response::new(payload(data, Some(info)));
    *response.metadata_mut() = headers;
    *response.trailers_mut() = trailers;
    Ok(response)
}

impl ConformanceService for UnderTest {
    async fn unary(
        &self,
        request: Request<suite::UnaryRequest>,
    ) -> Result<Response<suite::UnaryResponse>, Status> {
        let observed = Observed::of(&request);
        let request = request.into_inner();
        let info = observed.info(vec![any_of("UnaryRequest", &request)]);
        Ok(answer_once(request.response_definition, info)
            .await?
            .map(|payload| suite::UnaryResponse { payload }))
    }

    async fn idempotent_unary(
        &self,
        request: Request<suite::IdempotentUnaryRequest>,
    ) -> Result<Response<suite::IdempotentUnaryResponse>, Status> {
        let observed = Observed::of(&request);
        let request = request.into_inner();
        let info = observed.info(vec![any_of("IdempotentUnaryRequest", &request)]);
        Ok(answer_once(request.response_definition, info)
            .await?
            .map(|payload| suite::IdempotentUnaryResponse { payload }))
    }

    async fn unimplemented(
        &self,
        _: Request<suite::UnimplementedRequest>,
    ) -> Result<Response<suite::UnimplementedResponse>, Status> {
        Err(Status::unimplemented(
            "connectrpc.conformance.v1.ConformanceService.Unimplemented is not implemented, as its name says",
        ))
    }

    async fn client_stream(
        &self,
        request: Request<Streaming<suite::ClientStreamRequest>>,
    ) -> Result<Response<suite::ClientStreamResponse>, Status> {
        let observed = Observed::of(&request);
        let mut stream = request.into_inner();
        let (mut definition, mut seen) = (None, Vec::new());
        while let Some(message) = stream.message().await? {
            seen.push(any_of("ClientStreamRequest", &message));
            if seen.len() == 1 {
                definition = message.response_definition;
            }
        }
        Ok(answer_once(definition, observed.info(seen))
            .await?
            .map(|payload| suite::ClientStreamResponse { payload }))
    }

    type ServerStreamStream = ResponseStream<suite::ServerStreamResponse>;

    async fn server_stream(
        &self,
        request: Request<suite::ServerStreamRequest>,
    ) -> Result<Response<Self::ServerStreamStream>, Status> {
        let observed = Observed::of(&request);
        let request = request.into_inner();
        let seen = any_of("ServerStreamRequest", &request);
        let definition = request.response_definition.unwrap_or_default();
        let headers = metadata_of(&definition.response_headers).map_err(unsendable)?;
        let trailers = metadata_of(&definition.response_trailers).map_err(unsendable)?;
        let on_error = trailers.clone();
        let mut response = Response::new(ResponseStream::new(async move |mut out| {
            let mut info = Some(observed.info(vec![seen]));
            for data in definition.response_data {
                tokio::time::sleep(millis(definition.response_delay_ms)).await;
                out.send(suite::ServerStreamResponse {
                    payload: payload(data, info.take()),
                })
                .await?;
            }
            end(definition.error, info, on_error)
        }));
        *response.metadata_mut() = headers;
        *response.trailers_mut() = trailers;
        Ok(response)
    }

    type BidiStreamStream = ResponseStream<suite::BidiStreamResponse>;

    async fn bidi_stream(
        &self,
        request: Request<Streaming<suite::BidiStreamRequest>>,
    ) -> Result<Response<Self::BidiStreamStream>, Status> {
        let observed = Observed::of(&request);
        let mut stream = request.into_inner();
        // The first request says which headers to answer with, so the response starts after it.
        let first = stream.message().await?;
        let definition = first
            .as_ref()
            .and_then(|first| first.response_definition.clone())
            .unwrap_or_default();
        let headers = metadata_of(&definition.response_headers).map_err(unsendable)?;
        let trailers = metadata_of(&definition.response_trailers).map_err(unsendable)?;
        let on_error = trailers.clone();
        let mut response = Response::new(ResponseStream::new(async move |mut out| {
            let full_duplex = first.as_ref().is_some_and(|first| first.full_duplex);
            let (mut next, mut seen, mut answers) = (first, Vec::new(), 0);
            let mut left = definition.response_data.into_iter();
            while let Some(message) = next {
                seen.push(any_of("BidiStreamRequest", &message));
                if full_duplex {
                    let Some(data) = left.next() else { break };
                    let requests = std::mem::take(&mut seen);
                    let info = if answers == 0 {
                        observed.info(requests)
                    } else {
                        RequestInfo {
                            requests,
                            ..RequestInfo::default()
                        }
                    };
                    tokio::time::sleep(millis(definition.response_delay_ms)).await;
                    out.send(suite::BidiStreamResponse {
                        payload: payload(data, Some(info)),
                    })
                    .await?;
                    answers += 1;
                }
                next = stream.message().await?;
            }
            // Half duplex: all answers. Full duplex: those that no request was left for.
            let mut info = (answers == 0).then(|| observed.info(seen));
            for data in left {
                tokio::time::sleep(millis(definition.response_delay_ms)).await;
                out.send(suite::BidiStreamResponse {
                    payload: payload(data, info.take()),
                })
                .await?;
            }
            end(definition.error, info, on_error)
        }));
        *response.metadata_mut() = headers;
        *response.trailers_mut() = trailers;
        Ok(response)
    }
}

/// The end of an answer stream. `info` is what no answer has carried yet.
fn end(
    error: Option<suite::Error>,
    info: Option<RequestInfo>,
    trailers: temaki::metadata::MetadataMap,
) -> Result<(), Status> {
    let Some(mut error) = error else {
        return Ok(());
    };
    if let Some(info) = info {
        error
            .details
            .push(any_of("ConformancePayload.RequestInfo", &info));
    }
    Err(status_of(error, trailers))
}
