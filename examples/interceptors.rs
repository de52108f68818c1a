//! Interceptors on both sides: a token that the client adds and the server checks, and a log of what was called.
//!
//! An interceptor sees the head of each call and never its messages. [`authenticate`] is a plain function over the request;
//! [`Log`] and [`Tokens`] are `AsyncInterceptor`s, which may wait, and see the response's metadata and the call's end as well.
//!
//! It prints:
//!
//! ```text
//! [server] somebody: /helloworld.Greeter/SayHello ended with UNAUTHENTICATED
//! without a token: code UNAUTHENTICATED: no token; send `authorization: Bearer …`
//! [client] a new token is fetched
//! [server] Ada: /helloworld.Greeter/SayHello ended with OK
//! Hello Bo, says Ada; served by node-7
//! [server] Ada: /helloworld.Greeter/SayHello ended with INVALID_ARGUMENT
//! without a name: code INVALID_ARGUMENT: whom to greet?
//! ```

use std::error::Error;

use temaki::interceptor::InterceptedCall;
use temaki::metadata::{AsciiMetadataValue, MetadataMap};
use temaki::server::TcpIncoming;
use temaki::{AsyncInterceptor, Channel, Request, Response, Server, Status};
use temaki_protos::helloworld::greeter_client::GreeterClient;
use temaki_protos::helloworld::greeter_server::{Greeter, GreeterServer};
use temaki_protos::helloworld::{HelloReply, HelloRequest};
use tokio::sync::OnceCell;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let channel = serve().await?;

    let stranger = GreeterClient::new(channel.clone());
    match stranger.say_hello(hello("Bo")).await {
        Ok(_) => return Err("the server let a stranger in".into()),
        Err(status) => println!("without a token: {status}"),
    }

    // Over the same connection: an interceptor belongs to a client, not to its channel.
    let ada = GreeterClient::with_async_interceptor(channel, Tokens::default());
    let reply = ada.say_hello(hello("Bo")).await?;
    let served_by = reply.metadata().get("x-served-by").ok_or("nobody served")?;
    println!(
        "{}; served by {}",
        reply.get_ref().message,
        served_by.to_str()?
    );
    if let Err(status) = ada.say_hello(hello("")).await {
        println!("without a name: {status}");
    }
    Ok(())
}

fn hello(name: &str) -> HelloRequest {
    HelloRequest { name: name.into() }
}

// The server's side.

/// The user that the token belongs to. Handlers and later interceptors find it among the request's extensions.
#[derive(Clone)]
struct Caller(&'static str);

/// Refuses calls without a token that is known. What it returns as an error is the call's end; the handler is never reached.
fn authenticate(mut request: Request<()>) -> Result<Request<()>, Status> {
    let caller = match request.metadata().get("authorization") {
        Some(token) if token == "Bearer adas-token" => Caller("Ada"),
        Some(_) => return Err(Status::unauthenticated("the token is not known")),
        None => {
            return Err(Status::unauthenticated(
                "no token; send `authorization: Bearer …`",
            ));
        }
    };
    request.extensions_mut().insert(caller);
    Ok(request)
}

/// Prints which user called which method, how the call ended, and which server responded.
struct Log {
    node: AsciiMetadataValue,
}

impl AsyncInterceptor for Log {
    fn response(&self, _: &InterceptedCall, metadata: &mut MetadataMap) {
        metadata.insert("x-served-by", self.node.clone());
    }

    fn trailers(&self, call: &InterceptedCall, status: &Status, _: &mut MetadataMap) {
        let caller = call
            .extensions()
            .get()
            .map_or("somebody", |Caller(name)| name);
        let code = status.code().name();
        println!("[server] {caller}: {} ended with {code}", call.path());
    }
}

struct MyGreeter;

impl Greeter for MyGreeter {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let Some(Caller(caller)) = request.extensions().get() else {
            return Err(Status::internal("served without `authenticate`"));
        };
        let name = &request.get_ref().name;
        if name.is_empty() {
            return Err(Status::invalid_argument("whom to greet?"));
        }
        let message = format!("Hello {name}, says {caller}");
        Ok(Response::new(HelloReply { message }))
    }
}

async fn serve() -> Result<Channel, Box<dyn Error>> {
    let incoming = TcpIncoming::bind("127.0.0.1:0").await?;
    let address = incoming.local_addr()?;
    let log = Log {
        node: "node-7".parse()?,
    };
    let server = Server::builder()
        // They see requests in this order and responses in reverse; what `authenticate` refuses, the log sees as well.
        // These are for all services of the server, `GreeterServer::with_interceptor` is for one.
        .async_interceptor(log)
        .interceptor(authenticate)
        .add_service(GreeterServer::new(MyGreeter));
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(Channel::connect(format!("http://{address}")).await?)
}

// The client's side.

/// Adds a token to each call. The first call waits until there is one; its deadline, had it one, would hold for that as well.
#[derive(Default)]
struct Tokens {
    token: OnceCell<AsciiMetadataValue>,
}

impl AsyncInterceptor for Tokens {
    async fn request(&self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let token = self.token.get_or_try_init(fetch_token).await?;
        request
            .metadata_mut()
            .insert("authorization", token.clone());
        Ok(request)
    }
}

/// Where a real client would ask its identity provider.
async fn fetch_token() -> Result<AsciiMetadataValue, Status> {
    println!("[client] a new token is fetched");
    let mut token = AsciiMetadataValue::from_static("Bearer adas-token");
    token.set_sensitive(true); // shown as [redacted], and kept out of HPACK's table
    Ok(token)
}
