//! Readers that lag, and answers that come before their requests have ended.

use temaki::Code;

use crate::*;

const MESSAGES: usize = 20_000;

/// A stream of small messages that waits for its reader, beside one that is read at once.
pub(crate) async fn lagging(soak: Soak, addr: std::net::SocketAddr) -> Ledger {
    let (mut ledger, channel) = (Ledger::new("lagging readers"), lazy(addr));
    while soak.goes_on() {
        ledger.begin(2);
        let request = || Request::new(Bytes::from(format!("{MESSAGES} 16")));
        let open = || channel.server_streaming(path("/test.Kit/Items"), BytesCodec, request());
        let mut lagging = soon("a stream", open())
            .await
            .expect("a stream")
            .into_inner();
        let mut active = soon("a stream", open())
            .await
            .expect("a stream")
            .into_inner();
        for (what, stream) in [("active", &mut active), ("lagging", &mut lagging)] {
            let read = async {
                let mut count = 0;
                while stream.message().await?.is_some() {
                    count += 1;
                }
                Ok::<_, Status>(count)
            };
            let read = soon(what, read).await;
            assert_eq!(
                read.as_ref().copied().unwrap_or_default(),
                MESSAGES,
                "{what}: {read:?}"
            );
            ledger.end(read, &[Code::Ok]);
        }
    }
    ledger
}

/// Rounds of uploads over one channel. `h2` never frees a stream that was reset while it waited for the *connection's*
/// window (DESIGN.md, "What is not reached"): some of these do, and what they take is given back with their connection.
const ROUNDS: usize = 20;

/// Uploads that are answered before they end.
pub(crate) async fn early_answers(soak: Soak, addr: std::net::SocketAddr) -> Ledger {
    let (mut ledger, mut channel) = (Ledger::new("early answers"), lazy(addr));
    for round in 1.. {
        if !soak.goes_on() {
            break;
        }
        if round % ROUNDS == 0 {
            channel = lazy(addr);
        }
        ledger.begin(100);
        let mut calls = JoinSet::new();
        for _ in 0..100 {
            let channel = channel.clone();
            calls.spawn(async move {
                let upload = stream::iter(vec![Bytes::from(vec![b'u'; 4000]); 40]);
                let request = Request::new(upload);
                channel
                    .client_streaming(path("/test.Kit/Early"), BytesCodec, request)
                    .await
            });
        }
        while let Some(call) = soon("an early answer", calls.join_next()).await {
            ledger.end(call.expect("no panic"), &[Code::Ok]);
        }
    }
    ledger
}
