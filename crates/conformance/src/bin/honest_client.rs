//! temaki's client at its worst, without ill will, against somebody else's server of `proto/echo.proto`: `honest_client ADDRESS`.
//!
//! Each check keeps a stream open on its connection, the witness: it lives only if neither end has cut the connection.
//! The last line counts the checks; the exit status is 1 when one failed.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream;
use temaki::{Channel, Code, Request, Status, Streaming};
use temaki_conformance::tally::{Outcome, Tally};
use temaki_protos::echo::echo_client::EchoClient;
use temaki_protos::echo::{EchoRequest, EchoResponse};

type Client = EchoClient<Channel>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .ok_or("usage: honest_client ADDRESS")?;
    let client = EchoClient::new(Channel::connect(format!("http://{address}")).await?);
    // 120 s are for a slow machine and a slow server.
    let mut tally = Tally::new(Duration::from_secs(120));
    let c = &client;
    tally
        .check(
            "100,000 small messages to a reader that lags",
            witnessed(c, lagging_reader(c)),
        )
        .await;
    tally
        .check(
            "eight streams that lag beside one that does not",
            witnessed(c, eight_lagging(c)),
        )
        .await;
    tally
        .check(
            "1,000 streams dropped after one message",
            witnessed(c, dropped_streams(c, 1_000, 1)),
        )
        .await;
    tally
        .check(
            "3,000 of them, 100 at a time",
            witnessed(c, dropped_streams(c, 30, 100)),
        )
        .await;
    tally
        .check(
            "bursts of calls that are dropped together",
            witnessed(c, bursts(c)),
        )
        .await;
    tally
        .check("calls that expire at both ends", witnessed(c, expiring(c)))
        .await;
    tally
        .check("900 calls at once", witnessed(c, many_at_once(c)))
        .await;
    tally
        .check(
            "uploads that are answered before they end",
            witnessed(c, early_answers(c)),
        )
        .await;
    tally
        .check("a heartbeat in turns", witnessed(c, heartbeat(c)))
        .await;
    tally
        .check("20,000 small requests", witnessed(c, small_requests(c)))
        .await;
    tally.finish()
}

fn text(text: impl ToString) -> EchoRequest {
    EchoRequest {
        text: text.to_string(),
        ..EchoRequest::default()
    }
}

fn told(status: Status) -> String {
    status.to_string()
}

/// A stream that says something before and after, and is answered both times.
async fn witnessed(client: &Client, check: impl Future<Output = Outcome>) -> Outcome {
    let mut witness = client.start_bidi();
    says(&mut witness, "before").await?;
    // Boxed: the future of a check is large, and nothing here is quick.
    Box::pin(check).await?;
    let after = says(&mut witness, "after").await;
    after.map_err(|reason| format!("the connection was cut: {reason}"))?;
    witness.half_close().await.map_err(told)
}

async fn says(witness: &mut temaki::Call<EchoRequest, EchoResponse>, word: &str) -> Outcome {
    witness.send(text(word)).await.map_err(told)?;
    match witness.message().await.map_err(told)? {
        Some(answer) if answer.text == word => Ok(()),
        other => Err(format!("the witness said {word} and heard {other:?}")),
    }
}

async fn open(client: &Client, count: u32) -> Result<Streaming<EchoResponse>, String> {
    let request = EchoRequest { count, ..text("x") };
    let answers = client.server_stream(request).await;
    Ok(answers.map_err(told)?.into_inner())
}

async fn all(mut answers: Streaming<EchoResponse>, count: u32) -> Outcome {
    let mut found = 0;
    while let Some(answer) = answers.message().await.map_err(told)? {
        if answer.number != u64::from(found) {
            return Err(format!("answer {} after {found} of them", answer.number));
        }
        found += 1;
    }
    (found == count)
        .then_some(())
        .ok_or(format!("{found} answers instead of {count}"))
}

async fn lagging_reader(client: &Client) -> Outcome {
    let answers = open(client, 100_000).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    all(answers, 100_000).await
}

async fn eight_lagging(client: &Client) -> Outcome {
    let lagging = join_all((0..8).map(|_| open(client, 10_000))).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    all(open(client, 1_000).await?, 1_000).await?;
    for answers in lagging {
        all(answers?, 10_000).await?;
    }
    Ok(())
}

async fn dropped_streams(client: &Client, rounds: usize, at_once: usize) -> Outcome {
    for _ in 0..rounds {
        let opened = (0..at_once).map(|_| async {
            let mut answers = open(client, 1_000).await?;
            answers.message().await.map_err(told).map(drop)
        });
        for outcome in join_all(opened).await {
            outcome?;
        }
    }
    Ok(())
}

async fn bursts(client: &Client) -> Outcome {
    for n in 0..20 {
        let mut calls: Vec<_> = (0..99)
            .map(|_| {
                let request = EchoRequest {
                    delay_ms: 50,
                    ..text("dropped")
                };
                Box::pin(client.unary(request))
            })
            .collect();
        for call in &mut calls {
            let _ = pin!(call).poll(&mut Context::from_waker(Waker::noop()));
        }
        // Half of the bursts have left before they are dropped.
        if n % 2 == 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(calls);
        beside(client).await?;
    }
    Ok(())
}

async fn beside(client: &Client) -> Outcome {
    let answer = client.unary(text("beside")).await.map_err(told)?;
    (answer.get_ref().text == "beside")
        .then_some(())
        .ok_or("another answer".to_owned())
}

async fn expiring(client: &Client) -> Outcome {
    for _ in 0..30 {
        let calls = (0..50).map(|_| {
            let mut request = Request::new(EchoRequest {
                delay_ms: 20,
                ..text("late")
            });
            request.set_timeout(Duration::from_millis(20));
            client.unary(request)
        });
        for result in join_all(calls).await {
            match result {
                Ok(_) => {}
                Err(status) if status.code() == Code::DeadlineExceeded => {}
                Err(status) => return Err(told(status)),
            }
        }
        beside(client).await?;
    }
    Ok(())
}

/// A grpcio server turns calls away when more than 1,000 wait for one of its threads.
async fn many_at_once(client: &Client) -> Outcome {
    let calls = (0..900).map(|_| client.unary(text("one of many")));
    for result in join_all(calls).await {
        result.map_err(told)?;
    }
    Ok(())
}

async fn early_answers(client: &Client) -> Outcome {
    for _ in 0..20 {
        let calls = (0..50).map(|_| {
            let mut requests = vec![
                EchoRequest {
                    payload: vec![0; 1024].into(),
                    ..text("more")
                };
                20
            ];
            requests[0] = EchoRequest {
                fail_with: 7,
                ..text("no more")
            };
            client.client_stream(stream::iter(requests))
        });
        for result in join_all(calls).await {
            match result {
                Err(status) if status.code() == Code::PermissionDenied => {}
                other => return Err(format!("{other:?}")),
            }
        }
    }
    Ok(())
}

async fn heartbeat(client: &Client) -> Outcome {
    let mut call = client.start_bidi();
    for n in 0..2_000 {
        call.send(text(n)).await.map_err(told)?;
        let answer = call.message().await.map_err(told)?;
        if answer.is_none_or(|answer| answer.number != n) {
            return Err(format!("no answer to {n}"));
        }
    }
    call.half_close().await.map_err(told)
}

async fn small_requests(client: &Client) -> Outcome {
    let requests = stream::iter((0..20_000).map(text));
    let answers = client.bidi(requests).await.map_err(told)?;
    all(answers.into_inner(), 20_000).await
}
