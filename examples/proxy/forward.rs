//! One call, passed on: what comes from the client goes to the upstream, and back. `tests/together/proxy.rs` tests it frame by frame.

use std::future::pending;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use temaki::codec::BytesCodec;
use temaki::{Channel, Code, Request, Response, ResponseStream, Status, Streaming};
use tokio::sync::mpsc;

/// Passes a call on to `upstream`, whatever its service and shape are: to who does not look inside, every call is two
/// streams of bytes.
///
/// The request goes on as it came: its path, its metadata without the names that belong to each connection, and its deadline,
/// which the channel sends as the time that is left. Back comes all the upstream says: metadata, messages, status with its
/// details, trailing metadata. What a client may not see of an upstream's metadata has to be taken out here.
///
/// If the client gives up, this call is dropped, and the call to the upstream with it, which cancels that too.
pub(crate) async fn pass_on(
    upstream: Channel,
    request: Request<Streaming<Bytes>>,
) -> Result<Response<ResponseStream<Bytes>>, Status> {
    let path = request.method_path().unwrap_or("/");
    let path = path
        .parse()
        .map_err(|_| Status::internal("the path cannot be sent on"))?;
    let (broken, mut failure) = mpsc::channel(1);
    let request = request.map(|messages| while_whole(messages, broken));

    let answer = tokio::select! {
        answer = upstream.streaming(path, BytesCodec, request) => answer.map_err(Status::forward_metadata)?,
        status = reason(&mut failure) => return Err(status),
    };
    let (metadata, mut messages, extensions) = answer.into_parts();
    let answers = ResponseStream::new(async move |mut out| {
        loop {
            let message = tokio::select! {
                message = messages.message() => message.map_err(Status::forward_metadata)?,
                status = reason(&mut failure) => return Err(status),
            };
            match message {
                Some(message) => out.send(message).await?,
                None => break,
            }
        }
        // What comes behind the last message is known only now. OK is a status as well, and takes it along.
        match messages.trailers().await? {
            Some(trailers) => Err(Status::with_metadata(Code::Ok, "", trailers)),
            None => Ok(()),
        }
    });
    Ok(Response::from_parts(metadata, answers, extensions))
}

/// The messages of a request while it is in order. A request that breaks never ends for the upstream: what looked like its end
/// would be taken for it. The reason goes to `broken`, and the code that waits there drops the call.
fn while_whole(
    messages: Streaming<Bytes>,
    broken: mpsc::Sender<Status>,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold((messages, broken), |(mut messages, broken)| async {
        match messages.next().await? {
            Ok(message) => Some((message, (messages, broken))),
            Err(status) => {
                let _ = broken.try_send(status);
                pending().await
            }
        }
    })
}

/// Why the request broke; never ready if it did not.
async fn reason(failure: &mut mpsc::Receiver<Status>) -> Status {
    match failure.recv().await {
        Some(status) => status,
        None => pending().await,
    }
}
