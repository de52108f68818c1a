//! The events of feature `tracing`: the facts of an `Observer`, and no call is looked at while nobody listens.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::*;
use temaki::Server;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

type Heard = VecDeque<(Level, BTreeMap<&'static str, String>)>;

thread_local! {
    /// Events in their order: level, then fields by name. Of this test's thread: the program has other tests, whose
    /// servers have events too.
    static HEARD: RefCell<Heard> = const { RefCell::new(VecDeque::new()) };
}
/// Whether somebody listens below INFO.
static DEBUG: AtomicBool = AtomicBool::new(true);

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let debug = DEBUG.load(Ordering::SeqCst);
        metadata.target().starts_with("temaki") && (debug || *metadata.level() <= Level::INFO)
    }

    // Asked each time, since the answer changes.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        HEARD.with_borrow_mut(|heard| heard.push_back((level, fields.0)));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

/// The next event that says this; what came before it is dropped.
fn heard(message: &str) -> Option<(Level, BTreeMap<&'static str, String>)> {
    let says = |fields: &BTreeMap<_, String>| {
        let text = fields.get("message");
        text.is_some_and(|text| text.starts_with(message))
    };
    HEARD.with_borrow_mut(|heard| {
        while let Some((level, fields)) = heard.pop_front() {
            if says(&fields) {
                return Some((level, fields));
            }
        }
        None
    })
}

/// One test, since there is one listener for the whole process.
#[tokio::test]
async fn connections_calls_and_the_drain_are_told() {
    tracing::subscriber::set_global_default(Listener).expect("the only listener");
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let (level, accepted) = heard("connection accepted").expect("told");
    assert_eq!(level, Level::DEBUG);
    assert!(accepted["remote"].contains("127.0.0.1"), "{accepted:?}");

    peer.call(1, &request("/test.Kit/Echo"), "hello").await;
    peer.answer(1).await.expect_one();
    let (level, call) = heard("call ended").expect("told");
    assert_eq!(level, Level::DEBUG);
    assert_eq!(call["method"], "/test.Kit/Echo");
    assert_eq!(call["outcome"], "Status(Ok)");
    assert_eq!(
        (call["received"].as_str(), call["sent"].as_str()),
        ("10", "10")
    );
    assert!(call["duration"].ends_with('s'), "{call:?}");

    peer.call(3, &request("/test.Kit/Fail"), "secret text")
        .await;
    peer.answer(3).await;
    let (_, call) = heard("call ended").expect("told");
    assert_eq!(call["outcome"], "Status(NotFound)");
    assert!(
        !format!("{call:?}").contains("secret"),
        "a message is the caller's affair"
    );

    // `h2` refuses the call before the server has it: what is wrong is said all the same.
    let unreadable = request_but("/test.Kit/Echo", ":authority", Some("%2Fx.sock"));
    peer.call(5, &unreadable, "hello").await;
    peer.expect_reset(5, PROTOCOL_ERROR).await;
    let (level, reset) = heard("a stream was reset").expect("d05: a line that names the cause");
    assert_eq!((level, reset["stream"].as_str()), (Level::DEBUG, "5"));
    assert!(reset["message"].contains(":authority"), "{reset:?}");

    // Nobody listens to calls: they are not told, and what is told at INFO still is.
    DEBUG.store(false, Ordering::SeqCst);
    peer.call(7, &request("/test.Kit/Echo"), "hello").await;
    peer.answer(7).await.expect_one();
    assert!(heard("call ended").is_none());

    peer.raw(&[0; 64]).await; // frames that are none
    peer.expect_closed().await;
    // The socket goes when its peer has gone too.
    drop(peer);
    let closed = async {
        loop {
            if let Some(closed) = heard("connection closed") {
                return closed;
            }
            tokio::task::yield_now().await;
        }
    };
    let (level, closed) = soon("the end of the connection", closed).await;
    server.stop().await;
    assert_eq!(
        (level, closed["reason"].as_str()),
        (Level::INFO, "protocol")
    );
    assert!(closed["error"].contains("broke HTTP/2"), "{closed:?}");
    let (level, _) = heard("draining").expect("told");
    assert_eq!(level, Level::INFO);
    let (_, drained) = heard("drained").expect("told");
    assert_eq!(
        (drained["finished"].as_str(), drained["cut"].as_str()),
        ("0", "0")
    );
}
