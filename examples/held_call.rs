//! A conversation: a call that is held by both its ends, so that what is sent next can depend on the responses.
//!
//! `client.play(stream)` takes requests that are known beforehand. `client.start_play()` takes none: it gives a
//! `Call`, to `send` to and to read a `message` from, in any order. The game is in `proto/guess.proto`.
//!
//! It prints:
//!
//! ```text
//! by halves      500 750 625 562 593 609 617 621 619: found 618
//! out of turn    code OUT_OF_RANGE: 7 is not between 501 and 1000
//! by the dozen   614 to 624; the sender was told CANCELLED
//! ```

use std::error::Error;

use temaki::server::TcpIncoming;
use temaki::{Request, Response, ResponseStream, Server, Status, Streaming};
use temaki_protos::guess::guessing_client::GuessingClient;
use temaki_protos::guess::guessing_server::{Guessing, GuessingServer};
use temaki_protos::guess::{Guess, Hint};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let incoming = TcpIncoming::bind("127.0.0.1:0").await?;
    let address = incoming.local_addr()?;
    let game = GuessingServer::new(Game { secret: 618 });
    tokio::spawn(
        Server::builder()
            .add_service(game)
            .serve_with_incoming(incoming),
    );

    let client = GuessingClient::connect(format!("http://{address}")).await?;
    by_halves(&client).await?;
    out_of_turn(&client).await?;
    by_the_dozen(&client).await?;
    Ok(())
}

/// Listens, thinks, asks; and says when it is done.
async fn by_halves(client: &GuessingClient) -> Result<(), Box<dyn Error>> {
    print!("by halves     ");
    let mut game = client.start_play();
    // The server speaks first. Reading opens the call as sending does: there is nothing to send yet.
    while let Some(Hint { least, most }) = game.message().await? {
        if least == most {
            println!(": found {least}");
            // "I have nothing more to ask": the server ends its side too, and `message` is `None`.
            game.half_close().await?;
            continue;
        }
        let number = least.midpoint(most);
        print!(" {number}");
        game.send(Guess { number }).await?;
    }
    Ok(())
}

/// If the server ends the call, the receiver gets the status.
async fn out_of_turn(client: &GuessingClient) -> Result<(), Box<dyn Error>> {
    let mut game = client.start_play();
    game.send(Guess { number: 500 }).await?;
    game.send(Guess { number: 7 }).await?;
    loop {
        match game.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Err("the game ended well".into()),
            Err(status) => break println!("out of turn    {status}"),
        }
    }
    Ok(())
}

/// The two ends in two tasks: one guesses without waiting for hints, one reads them. Back-pressure is each end's own: `send` waits
/// while the server does not read.
async fn by_the_dozen(client: &GuessingClient) -> Result<(), Box<dyn Error>> {
    let (mut guesses, mut hints) = client.start_play().split();
    let guessing = tokio::spawn(async move {
        for number in (1..).step_by(12) {
            guesses.send(Guess { number }).await?;
        }
        Ok::<(), Status>(())
    });
    print!("by the dozen   ");
    while let Some(Hint { least, most }) = hints.message().await? {
        if most - least < 12 {
            print!("{least} to {most};");
            break;
        }
    }
    // Dropped before its end, the call is cancelled. A sender that goes on gets an error.
    drop(hints);
    match guessing.await? {
        Ok(()) => Err("there was an end of guesses".into()),
        Err(status) => {
            println!(" the sender was told {}", status.code().name());
            Ok(())
        }
    }
}

/// The server's side.
struct Game {
    secret: u32,
}

impl Guessing for Game {
    type PlayStream = ResponseStream<Hint>;

    async fn play(
        &self,
        request: Request<Streaming<Guess>>,
    ) -> Result<Response<Self::PlayStream>, Status> {
        let (secret, mut guesses) = (self.secret, request.into_inner());
        Ok(Response::new(ResponseStream::new(async move |mut out| {
            let (mut least, mut most) = (1, 1000);
            out.send(Hint { least, most }).await?;
            // `Err` here: the client went away, or broke the protocol. `None`: the client half-closed.
            while let Some(Guess { number }) = guesses.message().await? {
                if !(least..=most).contains(&number) {
                    let message = format!("{number} is not between {least} and {most}");
                    return Err(Status::out_of_range(message));
                }
                (least, most) = match number.cmp(&secret) {
                    std::cmp::Ordering::Less => (number + 1, most),
                    std::cmp::Ordering::Equal => (secret, secret),
                    std::cmp::Ordering::Greater => (least, number - 1),
                };
                out.send(Hint { least, most }).await?;
            }
            Ok(())
        })))
    }
}
