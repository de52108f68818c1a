//! What a channel's interceptors see of how calls end, whatever their shape.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use temaki::interceptor::InterceptedCall;
use temaki::metadata::MetadataMap;
use temaki::{AsyncInterceptor, Channel, Code, Request, Status};

use crate::kit::*;
use crate::support::*;

/// Notes how calls end, and adds to their trailers.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<Code>>>);

impl AsyncInterceptor for Ends {
    fn trailers(&self, _: &InterceptedCall, status: &Status, trailers: &mut MetadataMap) {
        self.0.lock().unwrap().push(status.code());
        trailers.insert("x-added", "1".parse().unwrap());
    }
}

/// How a call of each shape fails: at once, or when its answers are read.
async fn each_shape(channel: &Channel, shape: usize) -> Status {
    let one = || vec![Bytes::from("a")];
    let answers = match shape {
        0 => return failed(unary(channel, "a")).await,
        1 => return failed(client_streaming(channel, one())).await,
        2 => server_streaming(channel, "a"),
        3 => streaming(channel, one()),
        _ => {
            let mut call = held(channel);
            call.send(Bytes::from("a")).await.unwrap();
            return judged(soon("a message", call.message()).await.unwrap_err());
        }
    };
    match ended(answers).await {
        Ok(answers) => broken(&mut answers.into_inner()).await,
        Err(status) => judged(status),
    }
}

#[tokio::test]
async fn they_see_every_end_once_and_add_to_its_metadata() {
    let (channel, mut peer) = connected().await;
    let ends = Ends::default();
    let channel = channel.with_async_interceptor(ends.clone());
    for shape in 0..5 {
        for (way, code) in [
            ("trailers", Code::Aborted),
            ("trailers only", Code::Aborted),
            ("not gRPC", Code::Unavailable),
            ("a reset", Code::Internal),
            ("half a message", Code::Internal),
        ] {
            let answer = async {
                let (stream, _) = peer.expect_request().await;
                let end = [("grpc-status", "10"), ("x-tail", "1")];
                match way {
                    "trailers" => {
                        peer.headers(stream, 0, &response()).await;
                        peer.headers(stream, END_STREAM, &end).await;
                    }
                    "trailers only" => {
                        let end = response_with(&end);
                        peer.headers(stream, END_STREAM, &end).await;
                    }
                    "not gRPC" => {
                        let head = [(":status", "503")];
                        peer.headers(stream, END_STREAM, &head).await;
                    }
                    "a reset" => peer.reset(stream, INTERNAL_ERROR).await,
                    _ => {
                        peer.headers(stream, 0, &response()).await;
                        peer.data(stream, 0, &message("a")[..3]).await;
                        let end = [("grpc-status", "0")];
                        peer.headers(stream, END_STREAM, &end).await;
                    }
                }
            };
            let (status, ()) = tokio::join!(each_shape(&channel, shape), answer);
            assert_eq!(status.code(), code, "{way}, shape {shape}: {status:?}");
            let added = status.metadata().get("x-added");
            assert!(added.is_some(), "{way}, shape {shape}: {status:?}");
            if way.starts_with("trailers") {
                assert!(status.metadata().get("x-tail").is_some(), "{status:?}");
            }
            let seen = std::mem::take(&mut *ends.0.lock().unwrap());
            assert_eq!(seen, [code], "{way}, shape {shape}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_seen_by_those_that_let_the_call_pass() {
    let (channel, _peer) = connected().await;
    let ends = Ends::default();
    let channel = channel
        .with_async_interceptor(ends.clone())
        .with_interceptor(|_: Request<()>| Err(Status::permission_denied("no")));
    for shape in 0..5 {
        let status = match shape {
            4 => {
                let mut call = held(&channel);
                soon("an end", call.message()).await.unwrap_err()
            }
            shape => each_shape(&channel, shape).await,
        };
        assert_eq!(status.code(), Code::PermissionDenied);
        assert!(status.metadata().get("x-added").is_some(), "shape {shape}");
        let seen = std::mem::take(&mut *ends.0.lock().unwrap());
        assert_eq!(seen, [Code::PermissionDenied], "shape {shape}");
    }
}
