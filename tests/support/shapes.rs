//! The five kinds of call, each with an answer that can be checked, of the kit's service.

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::{Channel, Request, Status};

/// How a call is made.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Unary,
    ServerStreaming,
    ClientStreaming,
    Bidi,
    Held,
}

/// One call, with its answer checked.
pub async fn call(channel: &Channel, shape: Shape) -> Result<(), Status> {
    let path = PathAndQuery::from_static;
    let message = Bytes::from_static(&[b'm'; 100]);
    let requests = || stream::iter(vec![Bytes::from_static(&[b'm'; 100]); 10]);
    match shape {
        Shape::Unary => {
            let request = Request::new(message.clone());
            let answer = channel.unary(path("/test.Kit/Echo"), BytesCodec, request);
            assert_eq!(answer.await?.into_inner(), message);
        }
        Shape::ServerStreaming => {
            let request = Request::new(Bytes::from("10 100"));
            let answers = channel.server_streaming(path("/test.Kit/Repeat"), BytesCodec, request);
            let mut answers = answers.await?.into_inner();
            for _ in 0..10 {
                assert_eq!(answers.message().await?.expect("an answer").len(), 100);
            }
            assert!(answers.message().await?.is_none());
        }
        Shape::ClientStreaming => {
            let request = Request::new(requests());
            let answer = channel.client_streaming(path("/test.Kit/Join"), BytesCodec, request);
            assert_eq!(answer.await?.into_inner().len(), 1000);
        }
        Shape::Bidi => {
            let request = Request::new(requests());
            let answers = channel.streaming(path("/test.Kit/Both"), BytesCodec, request);
            let mut answers = answers.await?.into_inner();
            for _ in 0..10 {
                assert_eq!(answers.message().await?.expect("an answer"), message);
            }
            assert!(answers.message().await?.is_none());
        }
        Shape::Held => {
            let mut held = channel.start(path("/test.Kit/Both"), BytesCodec);
            for _ in 0..10 {
                let sent = held.send(message.clone()).await;
                // The status of a call that is over is the receiver's to give.
                let received = held.message().await?;
                sent?;
                assert_eq!(received.expect("an answer"), message);
            }
            let closed = held.half_close().await;
            assert!(held.message().await?.is_none());
            closed?;
        }
    }
    Ok(())
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Unary,
        Self::ServerStreaming,
        Self::ClientStreaming,
        Self::Bidi,
        Self::Held,
    ];

    /// One of them for each number.
    pub fn nth(n: u64) -> Self {
        Self::ALL[(n % 5) as usize]
    }
}
