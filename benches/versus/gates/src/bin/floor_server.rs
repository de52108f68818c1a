//! The floor: what a unary call costs a server on h2 that does nothing but HTTP/2.
//!
//! Each request is read to its end and answered with the same HEADERS, DATA and trailers, inline in the connection's task, through [`gates::batch`]. No
//! protobuf, no routing beyond one comparison, no metadata, no deadline, no limit. `Repeat` gets its messages as one long body.
//!
//! Flags: `--runtime ct|mt`, `--text-bytes N` (text of the answer), `--times N` (messages of a `Repeat`), `--cargo 1` (answer `Cargo`, not `Words`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gates::batch::{BatchedIo, Outbox};
use gates::{control, echo, flags, tuning};
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::net::{TcpListener, TcpStream};

fn main() {
    let mut flags = flags::Flags::from_env();
    let runtime = flags.word("runtime", "ct");
    let len = flags.number("text-bytes", 16);
    let times = flags.number("times", 1);
    let cargo = flags.number("cargo", 0) != 0;
    flags.done();

    let message = if cargo {
        echo::frame(&echo::Cargo {
            payload: echo::payload(len),
        })
    } else {
        echo::frame(&echo::Words {
            text: echo::text(len),
            times: 0,
        })
    };
    let answers = Answers {
        repeated: echo::repeated(&message, times),
        message,
    };
    flags::run_on(&runtime, serve(answers));
}

/// The bodies of all answers.
#[derive(Clone)]
struct Answers {
    message: Bytes,
    repeated: Bytes,
}

async fn serve(answers: Answers) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    control::listening(
        listener
            .local_addr()
            .expect("a bound socket has an address")
            .port(),
    );
    loop {
        let (socket, _) = listener.accept().await.expect("a connection is accepted");
        let answers = answers.clone();
        tokio::spawn(async move {
            // A client that hangs up ends its connection and nothing else.
            let _ = serve_connection(socket, answers).await;
        });
    }
}

async fn serve_connection(socket: TcpStream, answers: Answers) -> Result<(), h2::Error> {
    let (io, outbox) = BatchedIo::new(socket);
    let mut connection = std::pin::pin!(handshake(io));
    let connection = std::future::poll_fn(|cx| {
        let polled = connection.as_mut().poll(cx);
        // The server's SETTINGS: without them the client does not begin.
        let _ = drain(&outbox, cx)?;
        polled
    })
    .await?;
    Connection {
        connection,
        outbox,
        answers,
    }
    .await
}

async fn handshake(io: BatchedIo) -> Result<h2::server::Connection<BatchedIo, Bytes>, h2::Error> {
    h2::server::Builder::new()
        .initial_window_size(tuning::STREAM_WINDOW)
        .initial_connection_window_size(tuning::CONNECTION_WINDOW)
        .max_concurrent_streams(tuning::STREAMS)
        .max_header_list_size(tuning::HEADER_LIST)
        .max_send_buffer_size(tuning::SEND_BUFFER)
        .handshake(io)
        .await
}

fn drain(outbox: &Outbox, cx: &mut Context<'_>) -> Result<Poll<()>, h2::Error> {
    match outbox.poll_drain(cx) {
        Poll::Ready(Err(error)) => Err(to_h2(error)),
        Poll::Ready(Ok(())) => Ok(Poll::Ready(())),
        Poll::Pending => Ok(Poll::Pending),
    }
}

/// The only public way to an `h2::Error` from elsewhere is a reason; the I/O error's text is lost, and nobody here would read it.
fn to_h2(_: io::Error) -> h2::Error {
    h2::Reason::INTERNAL_ERROR.into()
}

/// One connection: all requests that have come, then one write.
struct Connection {
    connection: h2::server::Connection<BatchedIo, Bytes>,
    outbox: Outbox,
    answers: Answers,
}

impl Future for Connection {
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let path = request.uri().path();
                    let body = if path == echo::REPEAT {
                        self.answers.repeated.clone()
                    } else {
                        self.answers.message.clone()
                    };
                    let mut exchange = Exchange {
                        request: request.into_body(),
                        respond,
                        body,
                    };
                    // A request whose body is still to come takes a task; in the measured calls none does.
                    if exchange.poll(cx).is_pending() {
                        tokio::spawn(
                            async move { std::future::poll_fn(|cx| exchange.poll(cx)).await },
                        );
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => {
                    let _ = ready!(self.outbox.poll_drain(cx));
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => {
                    let _ = drain(&self.outbox, cx)?;
                    return Poll::Pending;
                }
            }
        }
    }
}

/// One call: its request's body is read to the end, then the whole answer is with h2.
struct Exchange {
    request: RecvStream,
    respond: SendResponse<Bytes>,
    body: Bytes,
}

impl Exchange {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        while let Some(chunk) = ready!(self.request.poll_data(cx)) {
            self.request.flow_control().release_capacity(chunk?.len())?;
        }
        Poll::Ready(self.answer())
    }

    fn answer(&mut self) -> Result<(), h2::Error> {
        let mut head = http::Response::new(());
        *head.headers_mut() = HeaderMap::with_capacity(1);
        head.headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut stream = self.respond.send_response(head, false)?;
        stream.send_data(self.body.clone(), false)?;
        let mut trailers = HeaderMap::with_capacity(1);
        trailers.insert(
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        );
        stream.send_trailers(trailers)
    }
}
