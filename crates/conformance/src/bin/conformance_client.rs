//! The client under test: reads calls to make from the runner, makes them with temaki's generated client, and reports what came.
//!
//! Three shapes are called as tonic's users call them; a bidirectional stream is held (`start_bidi_stream`), since the runner
//! orders when to send, when to read, and when to give up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream;
use prost::Message;
use suite::client_compat_request::cancel::CancelTiming;
use suite::conformance_service_client::ConformanceServiceClient;
use temaki::codec::CompressionEncoding;
use temaki::transport::{Certificate, ClientTlsConfig, Identity};
use temaki::{Channel, Endpoint, Request, Response, Status};
use temaki_conformance::{error_of, framing, headers_of, metadata_of, millis, suite};
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::JoinSet;

/// Calls at the same time. Most of a run is waiting for delays.
const AT_ONCE: usize = 16;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut input, output) = (
        tokio::io::stdin(),
        Arc::new(Mutex::new(tokio::io::stdout())),
    );
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut channels: HashMap<_, Channel> = HashMap::new();
    let mut calls = JoinSet::new();
    while let Some(order) = framing::read::<suite::ClientCompatRequest>(&mut input).await? {
        let creds = order.client_tls_creds.clone();
        let creds = creds.map(|creds| (creds.cert, creds.key));
        let key = (
            order.host.clone(),
            order.port,
            order.server_tls_cert.clone(),
            creds,
        );
        let channel = match channels.entry(key) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => {
                let channel = endpoint(place.key())?.connect_lazy();
                place.insert(channel).clone()
            }
        };
        let place = places.clone().acquire_owned().await?;
        let output = output.clone();
        calls.spawn(async move {
            let test_name = order.test_name.clone();
            let result = match call(channel, order).await {
                Ok(response) => suite::client_compat_response::Result::Response(response),
                Err(message) => {
                    suite::client_compat_response::Result::Error(suite::ClientErrorResult {
                        message,
                    })
                }
            };
            drop(place);
            let answer = suite::ClientCompatResponse {
                test_name,
                result: Some(result),
            };
            framing::write(&mut *output.lock().await, &answer).await
        });
    }
    while let Some(written) = calls.join_next().await {
        written??;
    }
    Ok(())
}

/// Host, port, the server's certificate, and the client's with its key.
type Target = (String, u32, Vec<u8>, Option<(Vec<u8>, Vec<u8>)>);

fn endpoint((host, port, server, client): &Target) -> Result<Endpoint, temaki::Error> {
    if server.is_empty() {
        return Endpoint::from_shared(format!("http://{host}:{port}"));
    }
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(server));
    if let Some((cert, key)) = client {
        tls = tls.identity(Identity::from_pem(cert, key));
    }
    Endpoint::from_shared(format!("https://{host}:{port}"))?.tls_config(tls)
}

/// When the test case gives up.
#[derive(Clone, Copy, PartialEq)]
enum GiveUp {
    Never,
    /// Instead of the request stream's end.
    BeforeHalfClose,
    AfterHalfClose(Duration),
    AfterAnswers(usize),
}

impl GiveUp {
    fn of(order: &suite::ClientCompatRequest) -> Self {
        match &order.cancel {
            None => GiveUp::Never,
            Some(cancel) => match cancel.cancel_timing {
                Some(CancelTiming::BeforeCloseSend(())) => GiveUp::BeforeHalfClose,
                Some(CancelTiming::AfterCloseSendMs(after)) => {
                    GiveUp::AfterHalfClose(millis(after))
                }
                Some(CancelTiming::AfterNumResponses(answers)) => {
                    GiveUp::AfterAnswers(answers as usize)
                }
                None => GiveUp::AfterHalfClose(Duration::ZERO),
            },
        }
    }
}

/// In Rust a call is cancelled by dropping it, and then there is nobody to report: the program says what it did.
fn given_up() -> Status {
    Status::cancelled("the call was dropped, as the test case orders")
}

/// What became of one call, kept also when it failed half way.
#[derive(Default)]
struct Outcome {
    headers: Vec<suite::Header>,
    payloads: Vec<suite::ConformancePayload>,
    trailers: Vec<suite::Header>,
    unsent: usize,
}

impl Outcome {
    fn answered<T>(
        &mut self,
        response: Response<T>,
        payload: impl FnOnce(T) -> Option<suite::ConformancePayload>,
    ) {
        self.headers = headers_of(response.metadata());
        self.trailers = headers_of(response.trailers());
        self.payloads
            .push(payload(response.into_inner()).unwrap_or_default());
    }

    fn report(mut self, ended: Result<(), Status>) -> suite::ClientResponseResult {
        if let Err(status) = &ended {
            // A failed call's metadata is in its status.
            if self.trailers.is_empty() {
                self.trailers = headers_of(status.metadata());
            }
        }
        suite::ClientResponseResult {
            response_headers: self.headers,
            payloads: self.payloads,
            error: ended.err().as_ref().map(error_of),
            response_trailers: self.trailers,
            num_unsent_requests: i32::try_from(self.unsent).unwrap_or(i32::MAX),
            http_status_code: None,
            feedback: Vec::new(),
        }
    }
}

/// Makes the call. `Err` means that the order itself cannot be carried out.
async fn call(
    channel: Channel,
    order: suite::ClientCompatRequest,
) -> Result<suite::ClientResponseResult, String> {
    if order.raw_request.is_some() {
        return Err("this client makes no raw requests".to_owned());
    }
    let mut client = ConformanceServiceClient::new(channel)
        .accept_compressed_all()
        .compression_threshold(0);
    let encoding = match order.compression() {
        suite::Compression::Unspecified | suite::Compression::Identity => None,
        suite::Compression::Gzip => Some(CompressionEncoding::Gzip),
        suite::Compression::Deflate => Some(CompressionEncoding::Deflate),
        suite::Compression::Zstd => Some(CompressionEncoding::Zstd),
        other => return Err(format!("this client has no coding {}", other.as_str_name())),
    };
    if let Some(encoding) = encoding {
        client = client.send_compressed(encoding);
    }
    if order.message_receive_limit != 0 {
        client = client.max_decoding_message_size(order.message_receive_limit as usize);
    }
    let mut outcome = Outcome::default();
    let ended = match order.method() {
        "Unary" => {
            let request = the_one(&order)?;
            once(&order, &mut outcome, client.unary(request), |answer| {
                answer.payload
            })
            .await
        }
        "IdempotentUnary" => {
            let request = the_one(&order)?;
            once(
                &order,
                &mut outcome,
                client.idempotent_unary(request),
                |answer| answer.payload,
            )
            .await
        }
        "Unimplemented" => {
            let request = the_one(&order)?;
            once(&order, &mut outcome, client.unimplemented(request), |_| {
                None
            })
            .await
        }
        "ServerStream" => {
            let request = the_one(&order)?;
            server_stream(&order, &mut outcome, &client, request).await
        }
        "ClientStream" => client_stream(&order, &mut outcome, &client).await?,
        "BidiStream" => bidi_stream(&order, &mut outcome, &client).await?,
        other => return Err(format!("the suite's service has no method '{other}'")),
    };
    Ok(outcome.report(ended))
}

/// A message with the order's metadata and deadline.
fn request_of<T>(order: &suite::ClientCompatRequest, message: T) -> Result<Request<T>, String> {
    let mut request = Request::new(message);
    *request.metadata_mut() = metadata_of(&order.request_headers)?;
    if let Some(timeout) = order.timeout_ms {
        request.set_timeout(millis(timeout));
    }
    Ok(request)
}

fn messages<T: Message + Default>(order: &suite::ClientCompatRequest) -> Result<Vec<T>, String> {
    order
        .request_messages
        .iter()
        .map(|any| T::decode(any.value.as_slice()).map_err(|error| error.to_string()))
        .collect()
}

fn the_one<T: Message + Default>(order: &suite::ClientCompatRequest) -> Result<Request<T>, String> {
    let mut messages = messages(order)?;
    match (messages.pop(), messages.is_empty()) {
        (Some(message), true) => request_of(order, message),
        _ => Err(format!(
            "this method takes one request and the order has {}",
            order.request_messages.len()
        )),
    }
}

/// Runs a call until it ends or the order says to drop it.
async fn until_given_up<T>(
    give_up: impl Future<Output = ()>,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    tokio::select! {
        ended = call => ended,
        () = give_up => Err(given_up()),
    }
}

/// For the shapes that send one request: it is sent and half-closed when the call starts.
async fn after_half_close(give_up: GiveUp) {
    match give_up {
        GiveUp::AfterHalfClose(wait) => tokio::time::sleep(wait).await,
        _ => pending().await,
    }
}

async fn once<T>(
    order: &suite::ClientCompatRequest,
    outcome: &mut Outcome,
    call: impl Future<Output = Result<Response<T>, Status>>,
    payload: impl FnOnce(T) -> Option<suite::ConformancePayload>,
) -> Result<(), Status> {
    let response = until_given_up(after_half_close(GiveUp::of(order)), call).await?;
    outcome.answered(response, payload);
    Ok(())
}

async fn server_stream(
    order: &suite::ClientCompatRequest,
    outcome: &mut Outcome,
    client: &ConformanceServiceClient,
    request: Request<suite::ServerStreamRequest>,
) -> Result<(), Status> {
    let give_up = GiveUp::of(order);
    until_given_up(after_half_close(give_up), async {
        let response = client.server_stream(request).await?;
        outcome.headers = headers_of(response.metadata());
        let mut answers = response.into_inner();
        while let Some(answer) = answers.message().await? {
            outcome.payloads.push(answer.payload.unwrap_or_default());
            if give_up == GiveUp::AfterAnswers(outcome.payloads.len()) {
                return Err(given_up());
            }
        }
        outcome.trailers = answers
            .trailers()
            .await?
            .as_ref()
            .map(headers_of)
            .unwrap_or_default();
        Ok(())
    })
    .await
}

async fn client_stream(
    order: &suite::ClientCompatRequest,
    outcome: &mut Outcome,
    client: &ConformanceServiceClient,
) -> Result<Result<(), Status>, String> {
    let give_up = GiveUp::of(order);
    let messages: Vec<suite::ClientStreamRequest> = messages(order)?;
    let (total, delay) = (messages.len(), millis(order.request_delay_ms));
    let sent = Arc::new(AtomicUsize::new(0));
    let all_sent = Arc::new(Notify::new());
    let requests = stream::unfold(
        (messages.into_iter(), sent.clone(), all_sent.clone()),
        move |(mut left, sent, all_sent)| async move {
            let Some(message) = left.next() else {
                all_sent.notify_one();
                if give_up == GiveUp::BeforeHalfClose {
                    pending::<()>().await;
                }
                return None;
            };
            tokio::time::sleep(delay).await;
            sent.fetch_add(1, Ordering::Relaxed);
            Some((message, (left, sent, all_sent)))
        },
    );
    let request = request_of(order, Box::pin(requests))?;
    let when = async {
        match give_up {
            GiveUp::BeforeHalfClose => all_sent.notified().await,
            GiveUp::AfterHalfClose(wait) => {
                all_sent.notified().await;
                tokio::time::sleep(wait).await;
            }
            _ => pending().await,
        }
    };
    let ended = until_given_up(when, client.client_stream(request)).await;
    outcome.unsent = total - sent.load(Ordering::Relaxed);
    Ok(ended.map(|response| outcome.answered(response, |answer| answer.payload)))
}

async fn bidi_stream(
    order: &suite::ClientCompatRequest,
    outcome: &mut Outcome,
    client: &ConformanceServiceClient,
) -> Result<Result<(), Status>, String> {
    let messages: Vec<suite::BidiStreamRequest> = messages(order)?;
    let mut call = client
        .start_bidi_stream()
        .with_metadata(metadata_of(&order.request_headers)?);
    if let Some(timeout) = order.timeout_ms {
        call = call.with_timeout(millis(timeout));
    }
    Ok(converse(order, outcome, call, messages).await)
}

async fn converse(
    order: &suite::ClientCompatRequest,
    outcome: &mut Outcome,
    mut call: temaki::Call<suite::BidiStreamRequest, suite::BidiStreamResponse>,
    messages: Vec<suite::BidiStreamRequest>,
) -> Result<(), Status> {
    let give_up = GiveUp::of(order);
    let full_duplex = order.stream_type() == suite::StreamType::FullDuplexBidiStream;
    let mut ended = false;
    outcome.unsent = messages.len();
    for message in messages {
        tokio::time::sleep(millis(order.request_delay_ms)).await;
        call.send(message).await?;
        outcome.unsent -= 1;
        if full_duplex && !receive(&mut call, outcome, give_up).await? {
            ended = true;
            break;
        }
    }
    if give_up == GiveUp::BeforeHalfClose {
        return Err(given_up());
    }
    call.half_close().await?;
    let received = until_given_up(after_half_close(give_up), async {
        while !ended {
            ended = !receive(&mut call, outcome, give_up).await?;
        }
        Ok(())
    })
    .await;
    received?;
    outcome.trailers = headers_of(&call.trailers().await?);
    Ok(())
}

/// One answer; `false` at the end of the stream. The response's metadata is taken before the first.
async fn receive(
    call: &mut temaki::Call<suite::BidiStreamRequest, suite::BidiStreamResponse>,
    outcome: &mut Outcome,
    give_up: GiveUp,
) -> Result<bool, Status> {
    if outcome.payloads.is_empty() {
        outcome.headers = headers_of(call.metadata().await?);
    }
    let Some(answer) = call.message().await? else {
        return Ok(false);
    };
    outcome.payloads.push(answer.payload.unwrap_or_default());
    if give_up == GiveUp::AfterAnswers(outcome.payloads.len()) {
        return Err(given_up());
    }
    Ok(true)
}
