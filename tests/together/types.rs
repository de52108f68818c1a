//! What a program may do with the public types: move them between threads, lend them across an `.await`, print them,
//! clone them, return them as errors. All of it is decided when this is compiled.

use std::error::Error as StdError;
use std::fmt::{Debug, Display};
use std::future::Future;

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::client::{CallReceiver, CallSender, ConnectivityState};
use temaki::codec::{BytesCodec, Codec, ProstCodec};
use temaki::interceptor::InterceptedCall;
use temaki::metadata::*;
use temaki::server::{
    Acceptor, DrainReport, Methods, Observer, RegisteredMethods, ServiceServer, TcpIncoming,
};
use temaki::{
    Call, Channel, Code, ConnectInfo, Endpoint, Error, ErrorKind, Origin, Request, Response,
    ResponseSink, ResponseStream, Server, Status, Streaming,
};

/// A message that may go to another thread and may not be looked at from two: all that a codec asks for.
#[derive(Debug)]
struct OfOneThread(#[allow(dead_code, reason = "it is not `Sync`")] std::cell::Cell<u8>);

fn shared<T: Send + Sync + Unpin + 'static>() {}
fn sent<T: Send + Unpin + 'static>() {}
fn printed<T: Debug>() {}
fn cloned<T: Clone>() {}
fn an_error<T: StdError + Send + Sync + Display + 'static>() {}

#[test]
fn all_may_be_shared_between_threads() {
    shared::<Channel>();
    shared::<Endpoint>();
    shared::<Call<OfOneThread, OfOneThread>>();
    shared::<CallSender<OfOneThread>>();
    shared::<CallReceiver<OfOneThread>>();
    shared::<Streaming<OfOneThread>>();
    shared::<Request<Streaming<OfOneThread>>>();
    shared::<Response<Streaming<OfOneThread>>>();
    shared::<ResponseSink<OfOneThread>>();
    sent::<ResponseStream<OfOneThread>>();
    shared::<Request<Bytes>>();
    shared::<Response<Bytes>>();
    shared::<Status>();
    shared::<MetadataMap>();
    shared::<Server>();
    shared::<Acceptor>();
    shared::<TcpIncoming>();
    shared::<Methods<()>>();
    shared::<ConnectInfo>();
    shared::<InterceptedCall>();
}

#[test]
fn all_print_themselves() {
    printed::<(Channel, Endpoint, ConnectivityState, Server, Acceptor)>();
    printed::<(Call<(), ()>, CallSender<()>, CallReceiver<()>)>();
    printed::<(Streaming<()>, ResponseStream<()>, ResponseSink<()>)>();
    printed::<(Request<()>, Response<()>, Status, Code, Origin)>();
    printed::<(Error, ErrorKind, ConnectInfo, InterceptedCall)>();
    printed::<(
        MetadataMap,
        AsciiMetadataKey,
        BinaryMetadataKey,
        AsciiMetadataValue,
    )>();
    printed::<(
        KeyAndValueRef<'_>,
        KeyRef<'_>,
        ValueRef<'_>,
        GetAll<'_, Ascii>,
        ValueIter<'_, Ascii>,
        Iter<'_>,
    )>();
    printed::<(
        BytesCodec,
        ProstCodec<(), ()>,
        DrainReport,
        TcpIncoming,
        Methods<()>,
        RegisteredMethods,
    )>();
    fn of_a_service<T, M>() {
        printed::<ServiceServer<T, M>>();
    }
    of_a_service::<(), ()>();
}

#[test]
fn those_are_cloned_that_tonics_users_clone() {
    cloned::<(Channel, Endpoint, Status, Code, MetadataMap, Error)>();
    cloned::<(AsciiMetadataKey, AsciiMetadataValue, BinaryMetadataValue)>();
    fn of_a_service<T, M>() {
        cloned::<ServiceServer<T, M>>();
    }
    of_a_service::<(), ()>();
}

#[test]
fn errors_are_errors() {
    an_error::<Status>();
    an_error::<Error>();
    an_error::<InvalidMetadataKey>();
    an_error::<InvalidMetadataValue>();
    an_error::<InvalidMetadataValueBytes>();
    an_error::<ToStrError>();
    // `?` into what most programs return.
    fn boxed(status: Status) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Err(status)?
    }
    assert!(boxed(Status::not_found("x")).unwrap_err().is::<Status>());
}

/// Futures of calls may run on any thread, and a handler may lend its request to a function that waits.
#[test]
fn futures_may_be_sent() {
    fn may_be_sent<F: Future + Send>(_: F) {}

    async fn look<T>(_: &T) {}

    async fn handler(request: Request<Streaming<OfOneThread>>) -> Result<(), Status> {
        look(&request).await;
        let mut messages = request.into_inner();
        while messages.message().await?.is_some() {
            look(&messages).await;
        }
        Ok(())
    }

    async fn calls<C>(channel: Channel, codec: C) -> Result<(), Status>
    where
        C: Codec<Encode = Bytes, Decode = Bytes>,
    {
        let path = || PathAndQuery::from_static("/test.Kit/Any");
        let one = || Request::new(Bytes::new());
        let many = || Request::new(futures_util::stream::empty());
        channel.unary(path(), codec.clone(), one()).await?;
        channel
            .server_streaming(path(), codec.clone(), one())
            .await?;
        channel
            .client_streaming(path(), codec.clone(), many())
            .await?;
        channel.streaming(path(), codec.clone(), many()).await?;
        let mut call = channel.start(path(), codec);
        call.send(Bytes::new()).await?;
        look(&call).await;
        call.half_close().await?;
        call.metadata().await?;
        call.message().await?;
        call.trailers().await?;
        Ok(())
    }

    async fn serves(server: Server, incoming: TcpIncoming) {
        let _ = server.serve_with_incoming(incoming).await;
    }

    // They are made, and never run.
    let _ = |request| may_be_sent(handler(request));
    let _ = |channel| may_be_sent(calls(channel, BytesCodec));
    let _ = |server, incoming| may_be_sent(serves(server, incoming));
    let _ = |endpoint: Endpoint| may_be_sent(async move { endpoint.connect().await });
}

/// An observer is shared by all connections, as one object.
#[test]
fn an_observer_may_be_an_object() {
    shared::<std::sync::Arc<dyn Observer>>();
}
