//! A service of all four shapes and a client of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};

use tonic::metadata::{Ascii, MetadataValue};
use tonic::server::NamedService;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};

pub mod idioms;

pub mod pb {
    tonic::include_proto!("notes");
}

use pb::notes_client::NotesClient;
use pb::notes_server::{Notes, NotesServer};
use pb::{AddReply, GetRequest, ListRequest, Note};

// The server.

#[derive(Debug, Default)]
pub struct NoteStore {
    notes: Arc<Mutex<BTreeMap<String, Note>>>,
}

/// Who calls, as the interceptor found out.
#[derive(Debug, Clone)]
struct Caller(String);

type NoteStream = Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;

#[tonic::async_trait]
impl Notes for NoteStore {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<Note>, Status> {
        let Some(Caller(caller)) = request.extensions().get::<Caller>().cloned() else {
            return Err(Status::internal("the interceptor was not asked"));
        };
        let from = request
            .remote_addr()
            .map_or("nowhere".to_string(), |addr| addr.ip().to_string());
        let name = request.into_inner().name;
        if name.is_empty() {
            return Err(Status::invalid_argument("a note has a name"));
        }
        let note = self.notes.lock().unwrap().get(&name).cloned();
        let Some(note) = note else {
            let details = name.clone().into_bytes().into();
            let mut status = Status::with_details(Code::NotFound, "no such note", details);
            status
                .metadata_mut()
                .insert("x-asked-by", caller.parse().unwrap());
            return Err(status);
        };
        let mut response = Response::new(note);
        let metadata = response.metadata_mut();
        metadata.insert("x-asked-by", caller.parse().unwrap());
        metadata.insert("x-asked-from", from.parse().unwrap());
        metadata.insert_bin("x-sum-bin", MetadataValue::from_bytes(&[0, 159, 255]));
        Ok(response)
    }

    type ListStream = NoteStream;

    async fn list(
        &self,
        request: Request<ListRequest>,
    ) -> Result<Response<Self::ListStream>, Status> {
        let prefix = request.into_inner().prefix;
        let notes: Vec<Note> = self.notes.lock().unwrap().values().cloned().collect();
        let (tx, rx) = mpsc::channel(4);
        tokio::spawn(async move {
            for note in notes {
                if note.name.starts_with(&prefix) && tx.send(Ok(note)).await.is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(rx))))
    }

    async fn add(&self, request: Request<Streaming<Note>>) -> tonic::Result<Response<AddReply>> {
        let mut notes = request.into_inner();
        let mut added = 0;
        while let Some(note) = notes.message().await? {
            self.notes.lock().unwrap().insert(note.name.clone(), note);
            added += 1;
        }
        Ok(Response::new(AddReply { added }))
    }

    type ChatStream = NoteStream;

    async fn chat(
        &self,
        request: Request<Streaming<Note>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let mut incoming = request.into_inner();
        let (tx, rx) = mpsc::channel(4);
        tokio::spawn(async move {
            while let Some(note) = incoming.next().await {
                let louder = note.map(|note| Note {
                    text: note.text.to_uppercase(),
                    ..note
                });
                let failed = louder.is_err();
                if tx.send(louder).await.is_err() || failed {
                    break;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(rx))))
    }
}

fn check_token(mut request: Request<()>) -> Result<Request<()>, Status> {
    let token: MetadataValue<_> = "Bearer open sesame".parse().unwrap();
    match request.metadata().get("authorization") {
        Some(given) if token == given => {
            request.extensions_mut().insert(Caller("ali".to_string()));
            Ok(request)
        }
        _ => Err(Status::unauthenticated("no valid token")),
    }
}

pub async fn serve(
    listener: TcpListener,
    stop: oneshot::Receiver<()>,
) -> Result<(), tonic::transport::Error> {
    Server::builder()
        .timeout(Duration::from_secs(30))
        .concurrency_limit_per_connection(64)
        .max_concurrent_streams(128)
        .http2_keepalive_interval(Some(Duration::from_secs(60)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .tcp_nodelay(true)
        .add_service(NotesServer::with_interceptor(
            NoteStore::default(),
            check_token,
        ))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            stop.await.ok();
        })
        .await?;
    Ok(())
}

pub fn service_name() -> &'static str {
    <NotesServer<NoteStore> as NamedService>::NAME
}

// The client.

#[derive(Clone)]
pub struct AddToken {
    token: MetadataValue<Ascii>,
}

impl Interceptor for AddToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.token.clone());
        Ok(request)
    }
}

pub struct NotesApi {
    client: NotesClient<InterceptedService<Channel, AddToken>>,
}

impl NotesApi {
    pub async fn connect(
        addr: SocketAddr,
        token: &str,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let channel = Endpoint::from_shared(format!("http://{addr}"))?
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(10))
            .user_agent("notes/1.0")?
            .connect()
            .await?;
        let token = format!("Bearer {token}").parse()?;
        let client = NotesClient::with_interceptor(channel, AddToken { token })
            .max_decoding_message_size(1024 * 1024);
        Ok(Self { client })
    }

    pub async fn get(&mut self, name: &str) -> Result<Response<Note>, Status> {
        let mut request = Request::new(GetRequest {
            name: name.to_string(),
        });
        request.set_timeout(Duration::from_secs(5));
        self.client.get(request).await
    }

    pub async fn list(&mut self, prefix: &str) -> Result<Vec<Note>, Status> {
        let prefix = prefix.to_string();
        let mut stream = self.client.list(ListRequest { prefix }).await?.into_inner();
        let mut notes = Vec::new();
        while let Some(note) = stream.message().await? {
            notes.push(note);
        }
        assert!(stream.trailers().await?.is_some());
        Ok(notes)
    }

    pub async fn add(&mut self, notes: Vec<Note>) -> Result<u32, Status> {
        let reply = self.client.add(tokio_stream::iter(notes)).await?;
        Ok(reply.get_ref().added)
    }

    pub async fn chat(&mut self, texts: &[&str]) -> Result<Vec<String>, Status> {
        let (tx, rx) = mpsc::channel(1);
        let outgoing = Request::new(ReceiverStream::new(rx));
        let mut incoming = self.client.chat(outgoing).await?.into_inner();
        let mut answers = Vec::new();
        for text in texts {
            let note = Note {
                name: "chat".to_string(),
                text: text.to_string(),
            };
            tx.send(note).await.expect("the call is open");
            match incoming.next().await {
                Some(answer) => answers.push(answer?.text),
                None => return Err(Status::data_loss("no answer")),
            }
        }
        drop(tx);
        assert!(incoming.next().await.is_none());
        Ok(answers)
    }
}
