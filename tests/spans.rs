//! The `tracing` span that code of the user's runs in, where it runs in a task that it did not make.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::server::Methods;
use temaki::{ConnectInfo, Endpoint, Request, Response, Server, Streaming};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Span, Subscriber};
use tracing_core::span::Current;

thread_local! {
    static ENTERED: RefCell<Vec<(u64, &'static Metadata<'static>)>> = const { RefCell::new(Vec::new()) };
}

/// Knows which span is the current one, and nothing else.
#[derive(Default)]
struct Stack {
    last: AtomicU64,
    spans: Mutex<Vec<&'static Metadata<'static>>>,
}

impl Subscriber for Stack {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "spans"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.spans.lock().unwrap().push(attributes.metadata());
        Id::from_u64(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn enter(&self, id: &Id) {
        let metadata = self.spans.lock().unwrap()[id.into_u64() as usize - 1];
        ENTERED.with_borrow_mut(|entered| entered.push((id.into_u64(), metadata)));
    }

    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.pop());
    }

    fn current_span(&self) -> Current {
        let last = ENTERED.with_borrow(|entered| entered.last().copied());
        last.map_or_else(Current::none, |(id, metadata)| {
            Current::new(Id::from_u64(id), metadata)
        })
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
}

fn current() -> Option<Id> {
    Span::current().id()
}

/// Runs `work` in `span`.
async fn within<F: Future>(span: Span, work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|cx| span.in_scope(|| work.as_mut().poll(cx))).await
}

type Seen = Mutex<Vec<Option<Id>>>;

#[tokio::test]
async fn s18_c20_the_span_goes_along_to_another_task() {
    tracing::subscriber::set_global_default(Stack::default()).expect("the first");
    let seen = Arc::new(Seen::default());
    let mut methods = Methods::new("test.Kit", seen.clone());
    methods.client_streaming(
        "Join",
        BytesCodec,
        |seen: Arc<Seen>, request: Request<Streaming<Bytes>>| async move {
            let mut messages = request.into_inner();
            seen.lock().unwrap().push(current());
            // From here on in a task of its own.
            while messages.message().await?.is_some() {
                seen.lock().unwrap().push(current());
            }
            Ok(Response::new(Bytes::new()))
        },
    );
    let server = Server::builder().add_service(methods);
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let serving = tracing::info_span!(target: "spans", "serving");
    let served = server.serve_connection(theirs, ConnectInfo::default());
    tokio::spawn(within(serving.clone(), served));

    let channel = Endpoint::from_static("http://test")
        .connect_with_io(ours)
        .await
        .unwrap();
    let calling = tracing::info_span!(target: "spans", "calling");
    let sent = Arc::new(Seen::default());
    let mut left = 3;
    let requests = stream::poll_fn({
        let sent = sent.clone();
        move |cx| {
            sent.lock().unwrap().push(current());
            left -= 1;
            match left {
                2 => Poll::Ready(Some(Bytes::from("a"))),
                1 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                _ => Poll::Ready(None),
            }
        }
    });
    let path = PathAndQuery::from_static("/test.Kit/Join");
    let call = channel.client_streaming(path, BytesCodec, Request::new(requests));
    within(calling.clone(), call).await.unwrap();

    assert_eq!(*seen.lock().unwrap(), [serving.id(), serving.id()]);
    assert_eq!(
        *sent.lock().unwrap(),
        [calling.id(), calling.id(), calling.id()]
    );
    assert!(serving.id().is_some() && calling.id().is_some() && current().is_none());
}
