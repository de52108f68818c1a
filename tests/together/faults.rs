//! A network that fails: temaki's two ends with a proxy between them that resets, closes, truncates, stalls
//! and delays, at places that a seed decides (`support/faulty.rs`).
//!
//! Whatever it does, each call ends by its deadline, either well and with the right answer, or with
//! UNAVAILABLE or DEADLINE_EXCEEDED and a text that tells why; and when all is over, nothing is left behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::faulty::*;
use crate::support::*;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http::uri::PathAndQuery;
use temaki::client::ConnectivityState;
use temaki::codec::BytesCodec;
use temaki::{Channel, Code, Endpoint, Request, Server, Status};

/// The deadline of each call.
const DEADLINE: Duration = Duration::from_millis(400);
/// Channels to each proxy, and calls of each channel, one after the other.
const CHANNELS: u64 = 6;
const CALLS: u64 = 12;

/// One call of the kit's service; gives what is wrong with its answer, if anything is.
async fn call(channel: &Channel, random: &mut Random) -> Result<Option<String>, Status> {
    let path = |method| PathAndQuery::from_static(method);
    let size = 1 + random.below(3000) as usize;
    let message = Bytes::from(vec![b'm'; size]);
    let count = 1 + random.below(5) as usize;
    let wait = random.below(2) == 0;
    fn request<T>(message: T, wait: bool) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(DEADLINE);
        request.set_wait_for_ready(wait);
        request
    }
    let found = match random.below(4) {
        0 => {
            let request = request(message.clone(), wait);
            let answer = channel.unary(path("/test.Kit/Echo"), BytesCodec, request);
            return Ok((answer.await?.into_inner() != message).then(|| "another echo".into()));
        }
        1 => {
            let request = request(Bytes::from(format!("{count} {size}")), wait);
            let answers = channel.server_streaming(path("/test.Kit/Repeat"), BytesCodec, request);
            let mut answers = answers.await?.into_inner();
            let mut found = 0;
            while let Some(answer) = answers.message().await? {
                found += answer.len();
            }
            found
        }
        2 => {
            let request = request(stream::iter(vec![message; count]), wait);
            let answer = channel.client_streaming(path("/test.Kit/Join"), BytesCodec, request);
            answer.await?.into_inner().len()
        }
        _ => {
            let held = channel.start(path("/test.Kit/Both"), BytesCodec);
            let mut held = held.with_timeout(DEADLINE);
            let mut found = 0;
            for _ in 0..count {
                // A call that is over is told of by its receiver.
                let _ = held.send(message.clone()).await;
                found += held.message().await?.map_or(0, |answer| answer.len());
            }
            let _ = held.half_close().await;
            match held.message().await? {
                None => found,
                Some(_) => return Ok(Some("more answers than questions".into())),
            }
        }
    };
    let expected = count * size;
    Ok((found != expected).then(|| format!("{found} bytes instead of {expected}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_ends_in_time_and_tells_the_truth() {
    let server = TestServer::start(Server::builder()).await;
    let ended = Arc::new(AtomicU64::new(0));
    let codes = join_all(FAULTS.map(|fault| {
        let (addr, ended) = (server.addr, ended.clone());
        async move {
            let mut random = Random(fault as u64 + 1);
            let (addr, proxy) = proxy(addr, fault, Random(random.next())).await;
            let channels = (0..CHANNELS).map(|_| {
                let (mut random, ended) = (Random(random.next()), ended.clone());
                tokio::spawn(async move {
                    let channel = Endpoint::new(format!("http://{addr}")).unwrap();
                    let channel = channel.connect_lazy();
                    let mut codes = BTreeMap::<_, u64>::new();
                    for _ in 0..CALLS {
                        let result = soon("a call", call(&channel, &mut random)).await;
                        ended.fetch_add(1, Ordering::SeqCst);
                        let code = match result {
                            Ok(wrong) => {
                                assert_eq!(wrong, None, "{fault:?}");
                                Code::Ok
                            }
                            Err(status) => {
                                assert!(
                                    [Code::Unavailable, Code::DeadlineExceeded]
                                        .contains(&status.code()),
                                    "{fault:?}: {status:?}"
                                );
                                assert!(status.message().len() > 20, "{status}");
                                status.code()
                            }
                        };
                        *codes.entry(format!("{code:?}")).or_default() += 1;
                    }
                    let mut states = channel.watch_state();
                    drop(channel);
                    let shutdown = states.wait_for(|state| *state == ConnectivityState::Shutdown);
                    soon("SHUTDOWN", shutdown).await.expect("the last state");
                    codes
                })
            });
            let mut all = BTreeMap::<_, u64>::new();
            for channel in join_all(channels).await {
                for (code, count) in channel.expect("no panic") {
                    *all.entry(code).or_default() += count;
                }
            }
            drop(proxy);
            (fault, all)
        }
    }))
    .await;
    println!("{codes:?}");
    assert_eq!(ended.load(Ordering::SeqCst), 6 * CHANNELS * CALLS);
    for (fault, codes) in codes {
        assert!(codes.contains_key("Ok"), "{fault:?}: some come through");
        assert!(
            fault == Fault::Delay || codes.len() > 1,
            "{fault:?}: some do not"
        );
    }
    // What the proxy held is gone, and with it every handler; the server stops without anybody to wait for.
    server.probe.until_idle().await;
    let report = server.stop().await;
    assert_eq!(report.total.cut, 0, "{report}");
}
