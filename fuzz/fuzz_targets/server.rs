//! A server and what a client may say to it: it neither panics nor hangs, and lets go when the client does.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use temaki::codec::BytesCodec;
use temaki::server::Methods;
use temaki::{ConnectInfo, Request, Response, ResponseStream, Server, Streaming};
use temaki_fuzz::{AN_HOUR, run, speak, speech};
use tokio::time::timeout;

/// The preface, and SETTINGS of nothing.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Each shape once: what comes goes back.
fn methods() -> Methods<()> {
    let mut methods = Methods::new("k", Arc::new(()));
    methods.unary("u", BytesCodec, |_, request: Request<Bytes>| async move {
        Ok(Response::new(request.into_inner()))
    });
    methods.server_streaming("s", BytesCodec, |_, request: Request<Bytes>| async move {
        Ok(Response::new(ResponseStream::new(async move |mut out| {
            for byte in request.into_inner() {
                out.send(Bytes::copy_from_slice(&[byte])).await?;
            }
            Ok(())
        })))
    });
    type Stream = Request<Streaming<Bytes>>;
    methods.client_streaming("c", BytesCodec, |_, request: Stream| async move {
        let mut messages = request.into_inner();
        let mut len = 0;
        while let Some(message) = messages.message().await? {
            len += message.len();
        }
        Ok(Response::new(Bytes::from(len.to_string())))
    });
    methods.bidi_streaming("b", BytesCodec, |_, request: Stream| async move {
        Ok(Response::new(request.into_inner()))
    });
    methods
}

fuzz_target!(|data: &[u8]| {
    let said = speech(data, OPENING);
    run(async {
        let (ours, theirs) = tokio::io::duplex(4096);
        let server = Server::builder().add_service(methods());
        let served = server.serve_connection(theirs, ConnectInfo::default());
        let served = tokio::spawn(served);
        speak(ours, said).await;
        // The socket is gone; the stalled, the half-said and the unanswered have had their hours.
        let ended = timeout(AN_HOUR, served).await;
        let _ = ended.expect("a connection that ends").expect("no panic");
    });
});
