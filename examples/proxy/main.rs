//! A proxy for every service: it has no `.proto` file and decodes nothing.
//!
//! `Server::fallback` handles the calls whose path belongs to no service; with `BytesCodec` its messages are the bytes they are.
//! What passing on means is in `forward.rs`. Here a greeter and a guessing game stand behind the proxy, and their clients do
//! not notice.
//!
//! It prints:
//!
//! ```text
//! unary    Hello Ada! proxied: true
//! status   code INVALID_ARGUMENT: whom to greet?
//! stream   1 to 1000, 501 to 1000, 501 to 749, found 618
//! absent   code UNIMPLEMENTED: no service helloworld.Farewell is served here
//! ```

use std::error::Error;

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::server::TcpIncoming;
use temaki::{Channel, Request, Response, ResponseStream, Server, Status, Streaming};
use temaki_protos::guess::guessing_client::GuessingClient;
use temaki_protos::guess::guessing_server::{Guessing, GuessingServer};
use temaki_protos::guess::{Guess, Hint};
use temaki_protos::helloworld::greeter_client::GreeterClient;
use temaki_protos::helloworld::greeter_server::{Greeter, GreeterServer};
use temaki_protos::helloworld::{HelloReply, HelloRequest};

mod forward;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let upstream = serve(
        Server::builder()
            .add_service(GreeterServer::new(Hello))
            .add_service(GuessingServer::new(Game)),
    )
    .await?;
    let proxy =
        Server::builder().fallback(move |request| forward::pass_on(upstream.clone(), request));
    let channel = serve(proxy).await?;

    let greeter = GreeterClient::new(channel.clone());
    let hello = |name: &str| HelloRequest { name: name.into() };
    let reply = greeter.say_hello(hello("Ada")).await?;
    let seen = reply.trailers().get("x-user-agent").is_some();
    println!("unary    {} proxied: {seen}", reply.get_ref().message);
    if let Err(status) = greeter.say_hello(hello("")).await {
        println!("status   {status}");
    }

    // Each response depends on what was sent before it, so neither stream can be held back.
    let mut game = GuessingClient::new(channel.clone()).start_play();
    print!("stream   ");
    for number in [500, 750, 618] {
        if let Some(Hint { least, most }) = game.message().await? {
            print!("{least} to {most}, ");
        }
        game.send(Guess { number }).await?;
    }
    game.half_close().await?;
    while let Some(Hint { least, .. }) = game.message().await? {
        println!("found {least}");
    }

    let farewell = PathAndQuery::from_static("/helloworld.Farewell/SayGoodbye");
    let request = Request::new(Bytes::new());
    if let Err(status) = channel.unary(farewell, BytesCodec, request).await {
        println!("absent   {status}");
    }
    Ok(())
}

/// Serves on a free port; gives a channel to it.
async fn serve(server: Server) -> Result<Channel, Box<dyn Error>> {
    let incoming = TcpIncoming::bind("127.0.0.1:0").await?;
    let target = format!("http://{}", incoming.local_addr()?);
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(Channel::connect(target.as_str()).await?)
}

struct Hello;

impl Greeter for Hello {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let agent = request
            .metadata()
            .get("user-agent")
            .map(|agent| agent.to_owned());
        let name = request.into_inner().name;
        if name.is_empty() {
            return Err(Status::invalid_argument("whom to greet?"));
        }
        let mut response = Response::new(HelloReply {
            message: format!("Hello {name}!"),
        });
        if let Some(agent) = agent {
            response.trailers_mut().insert("x-user-agent", agent);
        }
        Ok(response)
    }
}

struct Game;

impl Guessing for Game {
    type PlayStream = ResponseStream<Hint>;

    async fn play(
        &self,
        request: Request<Streaming<Guess>>,
    ) -> Result<Response<Self::PlayStream>, Status> {
        let mut guesses = request.into_inner();
        Ok(Response::new(ResponseStream::new(async move |mut out| {
            let (mut least, mut most) = (1, 1000);
            out.send(Hint { least, most }).await?;
            while let Some(Guess { number }) = guesses.message().await? {
                (least, most) = match number.cmp(&618) {
                    std::cmp::Ordering::Less => (least.max(number + 1), most),
                    std::cmp::Ordering::Equal => (number, number),
                    std::cmp::Ordering::Greater => (least, most.min(number - 1)),
                };
                out.send(Hint { least, most }).await?;
            }
            Ok(())
        })))
    }
}
