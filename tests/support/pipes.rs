//! temaki's server over pipes in memory: with tokio's clock paused, an hour passes as soon as everybody
//! waits for it.

use std::io;

use temaki::Server;
use temaki::server::{DrainReport, Handshake};
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::peer::Peer;
use super::server::{Probe, kit};

/// A server with the [`kit`], whose connections the test makes itself.
pub struct Pipes {
    pub probe: Probe,
    connect: mpsc::UnboundedSender<DuplexStream>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<DrainReport>,
}

impl Pipes {
    /// Starts it. Dropping it cuts everything.
    pub fn start<H: Handshake<DuplexStream>>(builder: Server<H>) -> Self {
        let probe = Probe::default();
        let (connect, mut connections) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = builder.add_service(kit(&probe));
        let incoming = futures_util::stream::poll_fn(move |cx| {
            let next = connections.poll_recv(cx);
            next.map(|io| io.map(Ok::<DuplexStream, io::Error>))
        });
        let task = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            let served = server.serve_with_incoming_shutdown(incoming, stopped);
            served.await.expect("a server")
        });
        Self {
            probe,
            connect,
            stop: Some(stop),
            task,
        }
    }

    /// Our end of a new connection, with room for `size` bytes each way.
    pub fn pipe(&self, size: usize) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(size);
        self.connect.send(theirs).expect("a server that accepts");
        ours
    }

    /// A raw client that has shaken hands.
    pub async fn peer(&self) -> Peer {
        Peer::client(self.pipe(64 * 1024), &[]).await
    }

    /// Begins to drain.
    pub fn begin_stop(&mut self) {
        self.stop.take();
    }

    /// Waits for the end, and for as long as it takes by the clock that stands still.
    pub async fn ended(mut self) -> DrainReport {
        (&mut self.task)
            .await
            .expect("a server that ends in good order")
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        self.task.abort();
    }
}
