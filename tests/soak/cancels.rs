//! Bursts of calls that are dropped in one poll, and calls that expire, each with a neighbour on the same connection
//! whose calls are answered.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use futures_util::future::join_all;
use temaki::Code;

use crate::*;

/// As many as one connection may have open at once, less the neighbour.
const BURST: u64 = 200;

pub(crate) async fn run(soak: Soak, addr: std::net::SocketAddr) -> Ledger {
    let (mut ledger, channel) = (Ledger::new("cancels"), lazy(addr));
    while soak.goes_on() {
        ledger.begin(BURST + 1);
        {
            let calls = (0..BURST).map(|n| {
                let method = if n % 2 == 0 {
                    "/test.Kit/Hang"
                } else {
                    "/test.Kit/Echo"
                };
                let request = Request::new(Bytes::from_static(b"dropped"));
                Box::pin(channel.unary(path(method), BytesCodec, request))
            });
            let mut calls: Vec<_> = calls.collect();
            for call in &mut calls {
                let _ = pin!(call).poll(&mut Context::from_waker(Waker::noop()));
            }
            tokio::task::yield_now().await;
        } // all of them are dropped here
        (0..BURST).for_each(|_| ledger.end_as("dropped"));
        let neighbour = soon("a call beside cancels", call(&channel, 0)).await;
        ledger.end(neighbour, &[Code::Ok]);

        // Streams that are read for one message and dropped.
        ledger.begin(10);
        for _ in 0..10 {
            let request = Request::new(Bytes::from("1000 16"));
            let answers = channel.server_streaming(path("/test.Kit/Repeat"), BytesCodec, request);
            let answers = soon("a stream", answers).await;
            let mut answers = answers.expect("a stream").into_inner();
            let first = soon("its first message", answers.message()).await;
            ledger.end(first, &[Code::Ok]);
        }
    }
    ledger
}

/// Calls that expire at both ends at about the same time.
pub(crate) async fn deadlines(soak: Soak, addr: std::net::SocketAddr) -> Ledger {
    let (mut ledger, channel) = (Ledger::new("deadlines"), lazy(addr));
    while soak.goes_on() {
        ledger.begin(301);
        let calls = (0..300).map(|n| {
            let mut request = Request::new(Bytes::from_static(b"late"));
            request.set_timeout(Duration::from_millis(5 + n % 40));
            channel.unary(path("/test.Kit/Hang"), BytesCodec, request)
        });
        for result in soon("calls to expire", join_all(calls)).await {
            ledger.end(result, &[Code::DeadlineExceeded]);
        }
        let neighbour = soon("a call beside expiring ones", call(&channel, 4)).await;
        ledger.end(neighbour, &[Code::Ok]);
    }
    ledger
}
