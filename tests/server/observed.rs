//! What an [`Observer`] is told of connections and calls.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use temaki::server::{
    CallEnd, CallOutcome, CallStart, CloseReason, ConnectionEnd, DrainReport, Observer,
};
use temaki::{Code, ConnectInfo, Server};

use crate::support::*;

/// Writes down what it is told.
#[derive(Default)]
struct Log {
    lines: Mutex<VecDeque<String>>,
    more: tokio::sync::Notify,
}

impl Log {
    fn say(&self, line: String) {
        self.lines.lock().unwrap().push_back(line);
        self.more.notify_one();
    }

    /// The next line, which is waited for.
    async fn next(&self) -> String {
        soon("an event", async {
            loop {
                let first = self.lines.lock().unwrap().pop_front();
                match first {
                    Some(line) => return line,
                    None => self.more.notified().await,
                }
            }
        })
        .await
    }
}

impl Observer for Log {
    fn connection_opened(&self, connection: &ConnectInfo) {
        let is_tcp = connection.remote_addr.is_some();
        self.say(format!("connection opened, TCP {is_tcp}"));
    }

    fn connection_closed(&self, _: &ConnectInfo, end: &ConnectionEnd<'_>) {
        let error = end
            .error
            .map_or(String::new(), |error| format!(": {error}"));
        self.say(format!("connection closed, {}{error}", end.reason.as_str()));
        assert_eq!(end.reason == CloseReason::Done, end.error.is_none());
    }

    fn call_started(&self, call: &CallStart<'_>) {
        self.say(format!("{} started", call.method));
    }

    fn call_ended(&self, call: &CallEnd<'_>) {
        let outcome = match call.outcome {
            CallOutcome::Status(code) => code.name().to_owned(),
            CallOutcome::Http(status) => format!("HTTP {status}"),
            CallOutcome::Cut => "cut".to_owned(),
            other => format!("{other:?}"),
        };
        assert!(call.duration < PATIENCE);
        let (method, received, sent) = (call.method, call.received, call.sent);
        self.say(format!(
            "{method} ended {outcome}, {received} in, {sent} out"
        ));
    }

    fn draining(&self) {
        self.say("draining".into());
    }

    fn drained(&self, report: &DrainReport) {
        self.say(format!("drained, {report}"));
    }
}

async fn observed(builder: Server) -> (TestServer, Arc<Log>) {
    let log = Arc::new(Log::default());
    let server = TestServer::start(builder.observer(log.clone())).await;
    (server, log)
}

#[tokio::test]
async fn each_call_is_told_with_its_method_its_outcome_and_its_bytes() {
    let (server, log) = observed(Server::builder()).await;
    let mut peer = server.peer().await;
    assert_eq!(log.next().await, "connection opened, TCP true");
    server.probe.open_gate(1);
    let rows = [
        (
            "/test.Kit/Echo",
            "hello",
            "/test.Kit/Echo",
            "OK, 10 in, 10 out",
        ),
        // In a task of its own.
        (
            "/test.Kit/Gate",
            "hello",
            "/test.Kit/Gate",
            "OK, 10 in, 10 out",
        ),
        (
            "/test.Kit/Fail",
            "hello",
            "/test.Kit/Fail",
            "NOT_FOUND, 10 in, 0 out",
        ),
        (
            "/test.Kit/Panic",
            "hello",
            "/test.Kit/Panic",
            "INTERNAL, 10 in, 0 out",
        ),
        (
            "/test.Kit/Repeat",
            "3 15",
            "/test.Kit/Repeat",
            "OK, 9 in, 60 out",
        ),
        (
            "/test.Kit/Join",
            "hello",
            "/test.Kit/Join",
            "OK, 10 in, 10 out",
        ),
        (
            "/test.Kit/Both",
            "hello",
            "/test.Kit/Both",
            "OK, 10 in, 10 out",
        ),
        (
            "/test.Kit/Nothing",
            "hello",
            "*",
            "UNIMPLEMENTED, 0 in, 0 out",
        ),
        ("/anything/else", "hello", "*", "UNIMPLEMENTED, 0 in, 0 out"),
    ];
    let mut stream = 1;
    for (path, text, method, end) in rows {
        peer.call(stream, &request(path), text).await;
        peer.answer(stream).await;
        assert_eq!(log.next().await, format!("{method} started"));
        assert_eq!(log.next().await, format!("{method} ended {end}"), "{path}");
        stream += 2;
    }
    // What is refused by its head.
    let odd = request_but("/test.Kit/Echo", "content-type", Some("text/html"));
    peer.call(stream, &odd, "").await;
    peer.answer(stream).await;
    assert_eq!(log.next().await, "/test.Kit/Echo started");
    assert_eq!(
        log.next().await,
        "/test.Kit/Echo ended HTTP 415, 0 in, 0 out"
    );
    // What its caller gives up.
    for path in ["/test.Kit/Hang", "/test.Kit/Unread", "/test.Kit/Stay"] {
        stream += 2;
        peer.call(stream, &request(path), "hello").await;
        assert_eq!(log.next().await, format!("{path} started"));
        if path == "/test.Kit/Stay" {
            peer.expect_headers(stream).await;
        }
        peer.reset(stream, CANCEL).await;
        let end = log.next().await;
        assert!(end.starts_with(&format!("{path} ended cut, ")), "{end}");
    }
    drop(peer);
    let end = log.next().await;
    assert!(end.starts_with("connection closed, "), "{end}");
}

#[tokio::test]
async fn each_connection_is_told_with_the_reason_of_its_end() {
    let quick = Server::builder().handshake_timeout(Duration::from_millis(50));
    let (server, log) = observed(quick).await;
    // In good order.
    let mut peer = server.peer().await;
    peer.goaway(0, NO_ERROR).await;
    peer.shutdown().await;
    peer.expect_closed().await;
    assert_eq!(log.next().await, "connection opened, TCP true");
    assert_eq!(log.next().await, "connection closed, done");
    let rows: [(&[u8], &str); 4] = [
        (
            b"",
            "timed_out: the HTTP/2 preface and SETTINGS did not come within handshake_timeout",
        ),
        (b"GET / HTTP/1.1\r\n\r\n", "foreign: an HTTP/1.1 client"),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00",
            "foreign: a TLS client",
        ),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x01\x04\x00\x00\x00\x00\x00x",
            "protocol: the peer broke HTTP/2",
        ),
    ];
    for (first, reason) in rows {
        let mut peer = Peer::silent(server.socket().await);
        peer.raw(first).await;
        assert_eq!(log.next().await, "connection opened, TCP true");
        let end = log.next().await;
        assert!(
            end.starts_with(&format!("connection closed, {reason}")),
            "{end}"
        );
    }
}

#[tokio::test]
async fn a_drain_is_told_from_its_beginning_to_its_end() {
    let builder = Server::builder().drain_timeout(Duration::from_millis(50));
    let (server, log) = observed(builder).await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Kit/Hang"), "hello").await;
    server.probe.until_started(1).await;
    server.stop().await;
    let expected = [
        "connection opened, TCP true",
        "/test.Kit/Hang started",
        "draining",
        "/test.Kit/Hang ended cut, 10 in, 0 out",
        "connection closed, forced: the connection was cut: the server stopped",
        "drained, 0 calls finished, 1 cut",
    ];
    for line in expected {
        assert_eq!(log.next().await, line);
    }
    assert_eq!(CallOutcome::Cut.code(), Code::Cancelled);
}

/// A load balancer that looks whether somebody listens is no connection that was lost.
#[tokio::test]
async fn s22_a_probe_that_connects_and_closes_is_nothing_to_tell_of() {
    for resets in [false, true] {
        let log = Arc::new(Log::default());
        let server = TestServer::start(Server::builder().observer(log.clone())).await;
        let socket = server.socket().await;
        assert_eq!(log.next().await, "connection opened, TCP true");
        if resets {
            let socket = socket2::SockRef::from(&socket);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(socket);
        assert_eq!(log.next().await, "connection closed, done", "{resets}");
    }
}
