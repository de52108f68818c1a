//! The load: calls over raw h2, so many at a time, every answer checked.
//!
//! Its request is fixed bytes; an answer counts when its messages are the expected ones to the byte and its trailers say `grpc-status: 0`. One thread, whose CPU is pinned away from the server's by whoever runs it.
//!
//! Flags: those of [`gates::callers::Plan`]; `--max-frame N`, the largest DATA frame it takes; `--deadline 1S`, a `grpc-timeout` for each call; `--metadata N`,
//! as many headers more in each call.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gates::batch::{BatchedIo, Outbox};
use gates::callers::{self, Method, Plan, fail};
use gates::{echo, flags, tuning};
use h2::client::SendRequest;
use http::{HeaderName, HeaderValue};
use tokio::net::TcpStream;

fn main() {
    let mut flags = flags::Flags::from_env();
    let plan = Plan::from_flags(&mut flags);
    let max_frame = flags.number("max-frame", 16 << 10) as u32;
    let deadline = flags.word("deadline", "");
    let metadata = flags.number("metadata", 0);
    flags.done();
    flags::run_on("ct", async move {
        let address = format!("127.0.0.1:{}", plan.port);
        let mut call = Call::new(plan, &address);
        call.say_more(&deadline, metadata);
        let call: &'static Call = Box::leak(Box::new(call));
        let mut senders = Vec::new();
        for _ in 0..plan.connections {
            senders.push(connect(&address, max_frame, plan.in_flight).await);
        }
        callers::run(plan, senders, move |sender, _| async {
            one_call(sender, call)
                .await
                .unwrap_or_else(|problem| fail(&problem))
        })
        .await;
    });
}

/// The one call that is made again and again.
struct Call {
    head: http::Request<()>,
    request: Bytes,
    /// Every byte of the answer's DATA.
    answer: Bytes,
}

impl Call {
    /// Adds to the head what a plain call does without.
    fn say_more(&mut self, deadline: &str, metadata: usize) {
        let headers = self.head.headers_mut();
        if !deadline.is_empty() {
            let value = HeaderValue::from_str(deadline).expect("a timeout is text");
            headers.insert("grpc-timeout", value);
        }
        for number in 0..metadata {
            let name = HeaderName::try_from(format!("x-metadata-{number}"));
            headers.insert(name.expect("a header name"), HeaderValue::from(number));
        }
    }

    fn new(plan: &Plan, address: &str) -> Call {
        let said = echo::frame(&echo::Words {
            text: plan.text.clone(),
            times: 0,
        });
        let (path, request, answer) = match plan.method {
            Method::Say => (echo::SAY, echo::frame(&plan.words()), said),
            Method::Repeat => (
                echo::REPEAT,
                echo::frame(&plan.words()),
                echo::repeated(&said, plan.times as usize),
            ),
            Method::Carry => (
                echo::CARRY,
                echo::frame(&plan.cargo()),
                echo::frame(&plan.cargo()),
            ),
        };
        Call {
            head: echo::request(address, path),
            request,
            answer,
        }
    }
}

async fn connect(address: &str, max_frame: u32, in_flight: usize) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(address)
        .await
        .unwrap_or_else(|error| fail(&format!("connect to {address}: {error}")));
    let (io, outbox) = BatchedIo::new(socket);
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(tuning::STREAM_WINDOW)
        .initial_connection_window_size(tuning::CONNECTION_WINDOW)
        .max_header_list_size(tuning::HEADER_LIST)
        .max_send_buffer_size(tuning::SEND_BUFFER)
        .initial_max_send_streams(in_flight)
        // A server that sends each small message in a DATA frame of its own is slow, not hostile.
        .data_frame_budget(256 << 20)
        .max_frame_size(max_frame)
        .enable_push(false)
        .handshake(io)
        .await
        .unwrap_or_else(|error| fail(&format!("HTTP/2 handshake: {error}")));
    tokio::spawn(async move {
        if let Err(error) = (Connection {
            connection,
            outbox,
            may_wait: in_flight > 1,
            waited: false,
        })
        .await
        {
            fail(&format!("the connection failed: {error}"));
        }
    });
    sender
}

async fn one_call(sender: SendRequest<Bytes>, call: &Call) -> Result<SendRequest<Bytes>, String> {
    let mut sender = sender
        .ready()
        .await
        .map_err(|error| format!("no stream is to be had: {error}"))?;
    let (response, mut body) = sender
        .send_request(call.head.clone(), false)
        .map_err(|error| format!("HEADERS: {error}"))?;
    body.send_data(call.request.clone(), true)
        .map_err(|error| format!("DATA: {error}"))?;
    let response = response
        .await
        .map_err(|error| format!("no answer: {error}"))?;
    if response.status() != 200 {
        return Err(format!("HTTP status {}", response.status()));
    }
    let mut body = response.into_body();
    let mut seen = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(|error| format!("the answer broke off: {error}"))?;
        if call.answer.get(seen..seen + chunk.len()) != Some(&chunk[..]) {
            return Err(format!(
                "another answer than the expected one, in the {} bytes from {seen}",
                chunk.len()
            ));
        }
        seen += chunk.len();
        body.flow_control()
            .release_capacity(chunk.len())
            .map_err(|error| format!("WINDOW_UPDATE: {error}"))?;
    }
    let trailers = body
        .trailers()
        .await
        .map_err(|error| format!("no trailers: {error}"))?;
    match trailers
        .as_ref()
        .and_then(|trailers| trailers.get("grpc-status"))
    {
        Some(status) if status == "0" && seen == call.answer.len() => Ok(sender),
        status => Err(format!(
            "{seen} bytes of {}, grpc-status {status:?}, {trailers:?}",
            call.answer.len()
        )),
    }
}

/// The connection's task: h2's work, then one write.
struct Connection {
    connection: h2::client::Connection<BatchedIo, Bytes>,
    outbox: Outbox,
    /// With one caller nobody else adds to the batch.
    may_wait: bool,
    /// The callers have had their turn since bytes were first there.
    waited: bool,
}

impl Future for Connection {
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.connection).poll(cx);
        if polled.is_pending() && self.may_wait && !self.waited && !self.outbox.is_empty() {
            // Callers that were just woken are in the run queue before us: let them write into the same batch.
            self.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = false;
        if let Poll::Ready(Err(error)) = self.outbox.poll_drain(cx) {
            fail(&format!("write: {error}"));
        }
        polled
    }
}
