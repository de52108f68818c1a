//! Twenty small programs, as they are written for tonic: its first program, metadata, interceptors with a type of their own, streams
//! that are passed on, statuses with details, a client behind a trait.
#![allow(unused_mut, reason = "tonic's clients are called by `&mut self`")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_stream::{Stream, StreamExt};

use temaki::metadata::{Ascii, Binary, KeyAndValueRef, MetadataKey, MetadataMap, MetadataValue};
use temaki::service::Interceptor;
use temaki::transport::{Channel, Endpoint, Server, Uri};
use temaki::{Code, IntoRequest, IntoStreamingRequest, Request, Response, Status, Streaming};

use super::pb::notes_client::NotesClient;
use super::pb::notes_server::NotesServer;
use super::pb::{GetRequest, ListRequest, Note};
use super::{NoteStore, NoteStream};

/// tonic's first program.
pub async fn first_program() -> Result<(), Box<dyn std::error::Error>> {
    let addr = "[::1]:50051".parse()?;
    let notes = NoteStore::default();

    Server::builder()
        .add_service(NotesServer::new(notes))
        .serve(addr)
        .await?;

    Ok(())
}

/// The same, as others write it.
pub async fn until_a_signal(
    addr: SocketAddr,
    stop: tokio::sync::oneshot::Receiver<()>,
) -> Result<(), temaki::transport::Error> {
    let router = Server::builder()
        .timeout(Duration::from_secs(30))
        .add_service(
            NotesServer::from_arc(Arc::new(NoteStore::default()))
                .max_decoding_message_size(1 << 20),
        );
    router
        .serve_with_shutdown(addr, async {
            drop(stop.await);
        })
        .await?;
    Ok(())
}

pub async fn first_call() -> Result<Note, Box<dyn std::error::Error>> {
    let mut client = NotesClient::connect("http://[::1]:50051").await?;
    let request = temaki::Request::new(GetRequest {
        name: "Tonic".into(),
    });
    let response = client.get(request).await?;
    println!("RESPONSE={response:?}");
    Ok(response.into_inner())
}

pub async fn lazily(uri: Uri) -> NotesClient<Channel> {
    let channel = Channel::builder(uri)
        .connect_timeout(Duration::from_secs(1))
        .connect_lazy();
    NotesClient::new(channel)
}

pub fn endpoint(host: String) -> Result<Endpoint, temaki::transport::Error> {
    Ok(Endpoint::from_shared(host)?
        .keep_alive_while_idle(true)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .tcp_nodelay(true))
}

// Metadata.

pub fn tenant<T>(request: &Request<T>) -> Result<String, Status> {
    let value = request
        .metadata()
        .get("x-tenant")
        .ok_or_else(|| Status::unauthenticated("no tenant"))?;
    let text = value
        .to_str()
        .map_err(|_| Status::invalid_argument("not text"))?;
    Ok(text.to_string())
}

pub fn describe(metadata: &MetadataMap) -> Vec<String> {
    let mut all = Vec::new();
    for entry in metadata.iter() {
        match entry {
            KeyAndValueRef::Ascii(key, value) => {
                all.push(format!("{key}: {}", value.to_str().unwrap_or("?")))
            }
            KeyAndValueRef::Binary(key, value) => all.push(format!(
                "{key}: {} bytes",
                value.to_bytes().map(|b| b.len()).unwrap_or(0)
            )),
        }
    }
    all
}

pub fn append(metadata: &mut MetadataMap) {
    let key = MetadataKey::<Ascii>::from_bytes(b"x-many").unwrap();
    metadata.insert(key.clone(), MetadataValue::from_static("one"));
    metadata.append(key, "two".parse().unwrap());
    let bytes = MetadataValue::<Binary>::from_bytes(&[1, 2, 3]);
    metadata.insert_bin("x-bytes-bin", bytes);
    assert_eq!(metadata.get_all("x-many").iter().count(), 2);
    assert!(metadata.contains_key("x-bytes-bin"));
    metadata.remove("x-many");
}

// Interceptors.

#[derive(Clone, Default)]
pub struct Counted {
    calls: Arc<AtomicU64>,
}

impl Interceptor for Counted {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let number = number
            .to_string()
            .parse()
            .map_err(|_| Status::internal("a number"))?;
        request.metadata_mut().insert("x-number", number);
        request.set_timeout(Duration::from_secs(1));
        Ok(request)
    }
}

pub type CountedNotes = NotesClient<Channel>;

pub fn counted(channel: Channel, counted: Counted) -> CountedNotes {
    NotesClient::with_interceptor(channel, counted)
}

pub fn closure(channel: Channel, token: MetadataValue<Ascii>) {
    let _client = NotesClient::with_interceptor(channel, move |mut req: Request<()>| {
        req.metadata_mut().insert("authorization", token.clone());
        Ok(req)
    });
}

// Statuses.

pub fn classify(status: &Status) -> Option<Duration> {
    match status.code() {
        Code::Unavailable | Code::ResourceExhausted => Some(Duration::from_millis(100)),
        Code::Ok => None,
        other if other == Code::Aborted => Some(Duration::ZERO),
        _ => None,
    }
}

pub fn detailed() -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert("x-reason", "disk".parse().unwrap());
    Status::with_details_and_metadata(Code::DataLoss, "gone", vec![8, 1].into(), metadata)
}

pub fn from_io(error: std::io::Error) -> Status {
    Status::from(error)
}

pub fn from_any(error: Box<dyn std::error::Error + Send + Sync>) -> Status {
    Status::from_error(error)
}

// Streams.

pub fn mapped(notes: Streaming<Note>) -> NoteStream {
    Box::pin(notes.map(|note| {
        note.map(|note| Note {
            text: note.text.to_lowercase(),
            ..note
        })
    }))
}

pub fn throttled(notes: Vec<Note>) -> impl Stream<Item = Result<Note, Status>> {
    tokio_stream::iter(notes.into_iter().map(Ok::<_, Status>))
}

pub async fn with_metadata(client: &mut NotesClient<Channel>) -> Result<usize, Status> {
    let mut request = ListRequest { prefix: "a".into() }.into_request();
    request
        .metadata_mut()
        .insert("x-tenant", "a".parse().unwrap());
    let response: Response<Streaming<Note>> = client.list(request).await?;
    let (metadata, stream, _extensions) = response.into_parts();
    let mut stream = std::pin::pin!(stream);
    let mut count = metadata.len();
    while let Some(note) = stream.next().await {
        note?;
        count += 1;
    }
    Ok(count)
}

pub async fn upload(client: &mut NotesClient<Channel>, notes: Vec<Note>) -> temaki::Result<u32> {
    let mut request = tokio_stream::iter(notes).into_streaming_request();
    request
        .metadata_mut()
        .insert_bin("x-id-bin", MetadataValue::from_bytes(b"id"));
    Ok(client.add(request).await?.into_inner().added)
}

/// A trait of one's own in front of a client.
pub trait Lookup {
    fn lookup(&mut self, name: &str) -> impl Future<Output = Result<Option<Note>, Status>> + Send;
}

impl Lookup for NotesClient<Channel> {
    async fn lookup(&mut self, name: &str) -> Result<Option<Note>, Status> {
        match self
            .get(GetRequest {
                name: name.to_owned(),
            })
            .await
        {
            Ok(note) => Ok(Some(note.into_inner())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }
}

/// A client whose extensions the interceptor reads.
pub fn extended(name: &str) -> Request<GetRequest> {
    let mut request = Request::new(GetRequest {
        name: name.to_owned(),
    });
    request.extensions_mut().insert(Counted::default());
    request
}
