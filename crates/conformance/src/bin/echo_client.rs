//! temaki's client against somebody else's server of `proto/echo.proto`: `echo_client ADDRESS [--gzip | --gzip-both]`.
//!
//! With `--gzip` the server is known to compress its answers without having been offered that, and each call must say so.
//! With `--gzip-both` this client reads gzip and writes it, and everything is as without.
//! The last line counts the checks; the exit status is 1 when one failed.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures_util::stream;
use temaki::codec::CompressionEncoding;
use temaki::metadata::{MetadataMap, MetadataValue};
use temaki::{Channel, Code, Request, Status};
use temaki_conformance::tally::{Outcome, Tally};
use temaki_protos::echo::EchoRequest;
use temaki_protos::echo::echo_client::EchoClient;

type Client = EchoClient<Channel>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .ok_or("usage: echo_client ADDRESS [--gzip | --gzip-both]")?;
    let mut client = EchoClient::new(Channel::connect(format!("http://{address}")).await?);
    let way = arguments.next();
    if way.as_deref() == Some("--gzip-both") {
        client = client
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .compression_threshold(0);
    }
    // 30 s are for a slow machine, not for any of these.
    let mut tally = Tally::new(Duration::from_secs(30));
    if way.as_deref() == Some("--gzip") {
        tally
            .check(
                "a compressed unary answer is refused",
                compressed_unary(&client),
            )
            .await;
        tally
            .check(
                "a compressed server stream is refused",
                compressed_server_stream(&client),
            )
            .await;
        tally
            .check(
                "a compressed answer to a client stream is refused",
                compressed_client_stream(&client),
            )
            .await;
        tally
            .check(
                "a compressed bidi stream is refused",
                compressed_bidi(&client),
            )
            .await;
    } else {
        tally.check("unary", unary(&client)).await;
        tally
            .check("unary with an empty message both ways", empty(&client))
            .await;
        tally.check("unary of 3 MiB", unary_of_3_mib(&client)).await;
        tally
            .check("an answer over 4 MiB is refused", too_large(&client))
            .await;
        tally.check("metadata both ways", metadata(&client)).await;
        tally
            .check(
                "metadata before and after a stream",
                metadata_around_streams(&client),
            )
            .await;
        tally
            .check(
                "metadata after a stream that ends in an error",
                metadata_after_an_error(&client),
            )
            .await;
        tally
            .check("each status code with its message", each_code(&client))
            .await;
        tally
            .check("a status message of any text", any_text(&client))
            .await;
        tally.check("server stream", server_stream(&client)).await;
        tally
            .check(
                "server stream that ends in an error",
                server_stream_error(&client),
            )
            .await;
        tally
            .check("server stream of 20 MiB read slowly", slow_reader(&client))
            .await;
        tally.check("client stream", client_stream(&client)).await;
        tally
            .check("client stream of no request", no_request(&client))
            .await;
        tally
            .check(
                "client stream answered before its end",
                answered_early(&client),
            )
            .await;
        tally.check("bidi of 10,000 messages", bidi(&client)).await;
        tally.check("held call, in turns", in_turns(&client)).await;
        tally
            .check("held call, both halves at once", both_halves(&client))
            .await;
        tally
            .check("deadline of a unary call", deadline(&client))
            .await;
        tally
            .check("deadline in a server stream", deadline_in_stream(&client))
            .await;
        tally
            .check(
                "a dropped call leaves the connection usable",
                dropped(&client),
            )
            .await;
        tally.check("200 calls at once", many(&client)).await;
    }
    tally.finish()
}

fn expect<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, got {got:?}"))
    }
}

fn failed(status: Status) -> String {
    format!("{status:?}")
}

/// The call must end like this.
fn ends_with<T>(code: Code, result: Result<T, Status>) -> Result<Status, String> {
    match result {
        Err(status) if status.code() == code => Ok(status),
        Err(status) => Err(format!("expected {code:?}, got {status:?}")),
        Ok(_) => Err(format!("expected {code:?}, got an answer")),
    }
}

fn text(text: impl Into<String>) -> EchoRequest {
    EchoRequest {
        text: text.into(),
        ..EchoRequest::default()
    }
}

async fn unary(client: &Client) -> Outcome {
    let request = EchoRequest {
        text: "hi".into(),
        payload: vec![0, 255].into(),
        ..EchoRequest::default()
    };
    let reply = client.unary(request).await.map_err(failed)?.into_inner();
    expect(
        "reply",
        (reply.text.as_str(), &*reply.payload, reply.number),
        ("hi", &[0, 255], 0),
    )
}

async fn empty(client: &Client) -> Outcome {
    let reply = client
        .unary(EchoRequest::default())
        .await
        .map_err(failed)?
        .into_inner();
    expect("reply", reply, Default::default())
}

async fn unary_of_3_mib(client: &Client) -> Outcome {
    let payload: Vec<u8> = (0..=255).cycle().take(3 << 20).collect();
    let reply = client
        .unary(EchoRequest {
            payload: payload.clone().into(),
            ..EchoRequest::default()
        })
        .await
        .map_err(failed)?
        .into_inner();
    if reply.payload == payload {
        Ok(())
    } else {
        Err("the payload came back changed".to_owned())
    }
}

async fn too_large(client: &Client) -> Outcome {
    ends_with(
        Code::ResourceExhausted,
        client
            .unary(EchoRequest {
                answer_size: 4 << 20,
                ..EchoRequest::default()
            })
            .await,
    )?;
    unary(client).await
}

async fn metadata(client: &Client) -> Outcome {
    let mut request = Request::new(EchoRequest::default());
    let sent = request.metadata_mut();
    sent.append("x-echo-text", MetadataValue::from_static("one"));
    sent.append("x-echo-text", MetadataValue::from_static("two"));
    sent.append_bin("x-echo-bin", MetadataValue::from_bytes(b"\x00\x01,\xff"));
    sent.append_bin("x-trailer-bin", MetadataValue::from_bytes(b"\xff\xfe"));
    let response = client.unary(request).await.map_err(failed)?;
    let texts: Vec<_> = response
        .metadata()
        .get_all("x-echo-text")
        .iter()
        .map(|value| value.to_str().unwrap_or("?").to_owned())
        .collect();
    expect(
        "x-echo-text",
        texts,
        vec!["one".to_owned(), "two".to_owned()],
    )?;
    expect(
        "x-echo-bin",
        binary(response.metadata(), "x-echo-bin"),
        Some(b"\x00\x01,\xff".to_vec()),
    )?;
    expect(
        "x-trailer-bin",
        binary(response.trailers(), "x-trailer-bin"),
        Some(b"\xff\xfe".to_vec()),
    )
}

/// A request that asks for metadata before and after its answer.
fn labelled<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let sent = request.metadata_mut();
    sent.insert("x-echo-text", MetadataValue::from_static("before"));
    sent.insert("x-trailer-text", MetadataValue::from_static("after"));
    request
}

fn expect_label(what: &str, metadata: &MetadataMap, name: &'static str, value: &str) -> Outcome {
    let found = metadata.get(name).and_then(|value| value.to_str().ok());
    expect(what, found, Some(value))
}

async fn metadata_around_streams(client: &Client) -> Outcome {
    let two = || stream::iter([text("a"), text("b")]);
    let response = client
        .client_stream(labelled(two()))
        .await
        .map_err(failed)?;
    expect_label(
        "client stream",
        response.metadata(),
        "x-echo-text",
        "before",
    )?;
    expect_label(
        "client stream",
        response.trailers(),
        "x-trailer-text",
        "after",
    )?;

    let request = EchoRequest {
        count: 2,
        ..text("x")
    };
    let server_stream = client.server_stream(labelled(request)).await;
    let bidi = client.bidi(labelled(two())).await;
    for (what, response) in [("server stream", server_stream), ("bidi", bidi)] {
        let response = response.map_err(failed)?;
        expect_label(what, response.metadata(), "x-echo-text", "before")?;
        let mut replies = response.into_inner();
        let mut count = 0;
        while replies.message().await.map_err(failed)?.is_some() {
            count += 1;
        }
        expect(what, count, 2)?;
        let trailers = replies.trailers().await.map_err(failed)?;
        let trailers = trailers.ok_or("no trailers")?;
        expect_label(what, &trailers, "x-trailer-text", "after")?;
    }
    Ok(())
}

async fn metadata_after_an_error(client: &Client) -> Outcome {
    let request = EchoRequest {
        count: 2,
        fail_with: 9,
        ..EchoRequest::default()
    };
    let response = client.server_stream(labelled(request)).await;
    let mut replies = response.map_err(failed)?.into_inner();
    let status = loop {
        match replies.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Err("a clean end".into()),
            Err(status) => break status,
        }
    };
    expect("code", status.code(), Code::FailedPrecondition)?;
    expect_label("trailers", status.metadata(), "x-trailer-text", "after")
}

fn binary(metadata: &MetadataMap, name: &'static str) -> Option<Vec<u8>> {
    Some(metadata.get_bin(name)?.to_bytes().ok()?.to_vec())
}

async fn each_code(client: &Client) -> Outcome {
    for number in 1..=16 {
        let message = format!("code {number}");
        let request = EchoRequest {
            fail_with: number,
            text: message.clone(),
            ..EchoRequest::default()
        };
        let status = ends_with(Code::from_i32(number as i32), client.unary(request).await)?;
        expect("message", status.message(), &message)?;
    }
    Ok(())
}

async fn any_text(client: &Client) -> Outcome {
    let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n100%";
    let request = EchoRequest {
        fail_with: 2,
        text: message.to_owned(),
        ..EchoRequest::default()
    };
    let status = ends_with(Code::Unknown, client.unary(request).await)?;
    expect("message", status.message(), message)
}

async fn server_stream(client: &Client) -> Outcome {
    let mut replies = client
        .server_stream(EchoRequest {
            count: 1000,
            ..text("x")
        })
        .await
        .map_err(failed)?
        .into_inner();
    let mut next = 0;
    while let Some(reply) = replies.message().await.map_err(failed)? {
        expect("index", reply.number, next)?;
        next += 1;
    }
    expect("replies", next, 1000)
}

async fn server_stream_error(client: &Client) -> Outcome {
    let request = EchoRequest {
        count: 3,
        fail_with: 9,
        text: "enough".into(),
        ..EchoRequest::default()
    };
    let mut replies = client
        .server_stream(request)
        .await
        .map_err(failed)?
        .into_inner();
    for _ in 0..3 {
        replies
            .message()
            .await
            .map_err(failed)?
            .ok_or("the stream ended too early")?;
    }
    let status = ends_with(Code::FailedPrecondition, replies.message().await)?;
    expect("message", status.message(), "enough")
}

async fn slow_reader(client: &Client) -> Outcome {
    let request = EchoRequest {
        payload: vec![0; 1 << 20].into(),
        count: 20,
        ..EchoRequest::default()
    };
    let mut replies = client
        .server_stream(request)
        .await
        .map_err(failed)?
        .into_inner();
    let (mut bytes, mut read) = (0, 0);
    while let Some(reply) = replies.message().await.map_err(failed)? {
        bytes += reply.payload.len();
        read += 1;
        if read < 5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    expect("bytes", bytes, 20 << 20)
}

async fn client_stream(client: &Client) -> Outcome {
    let reply = client
        .client_stream(stream::iter((0..1000).map(|_| text("a"))))
        .await
        .map_err(failed)?
        .into_inner();
    expect("reply", (reply.text.len(), reply.number), (1000, 1000))
}

async fn no_request(client: &Client) -> Outcome {
    let reply = client
        .client_stream(stream::empty::<EchoRequest>())
        .await
        .map_err(failed)?
        .into_inner();
    expect("index", reply.number, 0)
}

async fn answered_early(client: &Client) -> Outcome {
    let last_word = EchoRequest {
        fail_with: 7,
        text: "no more".into(),
        ..EchoRequest::default()
    };
    let endless =
        stream::iter(
            std::iter::once(last_word).chain(std::iter::repeat_with(|| EchoRequest {
                payload: vec![0; 1000].into(),
                ..EchoRequest::default()
            })),
        );
    let status = ends_with(Code::PermissionDenied, client.client_stream(endless).await)?;
    expect("message", status.message(), "no more")
}

async fn bidi(client: &Client) -> Outcome {
    let requests = stream::iter((0..10_000).map(|n: u32| text(n.to_string())));
    let mut replies = client.bidi(requests).await.map_err(failed)?.into_inner();
    let mut next = 0;
    while let Some(reply) = replies.message().await.map_err(failed)? {
        expect(
            "reply",
            (reply.text, reply.number),
            (next.to_string(), next),
        )?;
        next += 1;
    }
    expect("replies", next, 10_000)
}

async fn in_turns(client: &Client) -> Outcome {
    let begun = Instant::now();
    let mut call = client.start_bidi();
    for n in 0..200 {
        call.send(text(n.to_string())).await.map_err(failed)?;
        let reply = call
            .message()
            .await
            .map_err(failed)?
            .ok_or("the stream ended too early")?;
        expect("text", reply.text, n.to_string())?;
    }
    call.half_close().await.map_err(failed)?;
    expect("end", call.message().await.map_err(failed)?, None)?;
    let took = begun.elapsed();
    if took < Duration::from_secs(5) {
        Ok(())
    } else {
        Err(format!("200 turns on loopback took {took:?}"))
    }
}

async fn both_halves(client: &Client) -> Outcome {
    let (mut sender, mut receiver) = client.start_bidi().split();
    let sending = tokio::spawn(async move {
        for n in 0..10_000 {
            sender.send(text(n.to_string())).await?;
        }
        sender.half_close().await
    });
    let mut next = 0;
    while let Some(reply) = receiver.message().await.map_err(failed)? {
        expect("text", reply.text, next.to_string())?;
        next += 1;
    }
    expect("replies", next, 10_000)?;
    sending
        .await
        .map_err(|error| error.to_string())?
        .map_err(failed)
}

async fn deadline(client: &Client) -> Outcome {
    let mut request = Request::new(EchoRequest {
        delay_ms: 2000,
        ..EchoRequest::default()
    });
    request.set_timeout(Duration::from_millis(200));
    let begun = Instant::now();
    ends_with(Code::DeadlineExceeded, client.unary(request).await)?;
    let took = begun.elapsed();
    if took < Duration::from_secs(1) {
        Ok(())
    } else {
        Err(format!("came after {took:?}"))
    }
}

async fn deadline_in_stream(client: &Client) -> Outcome {
    let mut request = Request::new(EchoRequest {
        count: 100,
        delay_ms: 20,
        ..EchoRequest::default()
    });
    request.set_timeout(Duration::from_millis(300));
    let mut replies = client
        .server_stream(request)
        .await
        .map_err(failed)?
        .into_inner();
    let mut read = 0;
    loop {
        match replies.message().await {
            Ok(Some(_)) => read += 1,
            Ok(None) => return Err("a clean end".to_owned()),
            Err(status) => {
                ends_with::<()>(Code::DeadlineExceeded, Err(status))?;
                return if read > 0 {
                    Ok(())
                } else {
                    Err("no reply before the deadline".to_owned())
                };
            }
        }
    }
}

async fn dropped(client: &Client) -> Outcome {
    for _ in 0..50 {
        let mut replies = client
            .server_stream(EchoRequest {
                count: 1000,
                payload: vec![0; 1000].into(),
                ..EchoRequest::default()
            })
            .await
            .map_err(failed)?
            .into_inner();
        replies
            .message()
            .await
            .map_err(failed)?
            .ok_or("the stream ended too early")?;
    }
    unary(client).await
}

async fn many(client: &Client) -> Outcome {
    let calls: Vec<_> = (0..200)
        .map(|n: u32| {
            let client = client.clone();
            tokio::spawn(async move {
                client
                    .unary(EchoRequest {
                        delay_ms: 5,
                        ..text(n.to_string())
                    })
                    .await
            })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        let reply = call
            .await
            .map_err(|error| error.to_string())?
            .map_err(failed)?
            .into_inner();
        expect("text", reply.text, n.to_string())?;
    }
    Ok(())
}

/// Something that gzip makes smaller; what it does not, grpcio sends as it is.
fn compressible() -> EchoRequest {
    EchoRequest {
        count: 3,
        ..text("z".repeat(1000))
    }
}

/// INTERNAL and not UNIMPLEMENTED: the server broke the protocol, the caller asked for nothing wrong.
fn refused<T>(result: Result<T, Status>) -> Outcome {
    let status = ends_with(Code::Internal, result)?;
    if status.message().contains("gzip") {
        Ok(())
    } else {
        Err(format!("the message does not name the coding: {status:?}"))
    }
}

async fn compressed_unary(client: &Client) -> Outcome {
    refused(client.unary(compressible()).await)
}

async fn compressed_server_stream(client: &Client) -> Outcome {
    refused(
        async {
            client
                .server_stream(compressible())
                .await?
                .into_inner()
                .message()
                .await
        }
        .await,
    )
}

async fn compressed_client_stream(client: &Client) -> Outcome {
    refused(client.client_stream(stream::iter([compressible()])).await)
}

async fn compressed_bidi(client: &Client) -> Outcome {
    refused(
        async {
            client
                .bidi(stream::iter([compressible()]))
                .await?
                .into_inner()
                .message()
                .await
        }
        .await,
    )
}
