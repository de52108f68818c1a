//! A service for the processes of one user: over a socket in the file system, with the kernel saying who calls.
//!
//! It prints:
//!
//! ```text
//! Hello Ada! You are a process of my user.
//! drained; the socket's file is gone: true
//! ```

#[cfg(unix)]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    local::run().await
}

#[cfg(not(unix))]
fn main() {
    println!("this system has no Unix sockets");
}

#[cfg(unix)]
mod local {
    use std::error::Error;
    use std::os::unix::fs::MetadataExt;

    use temaki::server::UnixIncoming;
    use temaki::{Request, Response, Server, Status};
    use temaki_protos::helloworld::greeter_client::GreeterClient;
    use temaki_protos::helloworld::greeter_server::{Greeter, GreeterServer};
    use temaki_protos::helloworld::{HelloReply, HelloRequest};

    /// Greets the processes of one user.
    struct Local {
        uid: u32,
    }

    impl Greeter for Local {
        async fn say_hello(
            &self,
            request: Request<HelloRequest>,
        ) -> Result<Response<HelloReply>, Status> {
            // What the kernel knew of the peer when it connected; nothing that the peer says itself.
            let peer = request.connect_info().and_then(|info| info.unix_peer);
            if peer.is_none_or(|peer| peer.uid != self.uid) {
                return Err(Status::permission_denied("this socket is another user's"));
            }
            let name = request.into_inner().name;
            let message = format!("Hello {name}! You are a process of my user.");
            Ok(Response::new(HelloReply { message }))
        }
    }

    pub(super) async fn run() -> Result<(), Box<dyn Error>> {
        let path = std::env::temp_dir().join(format!("temaki-{}.sock", std::process::id()));
        // Only this user may even connect. A file that a killed process left behind is replaced.
        let incoming = UnixIncoming::bind_with_mode(&path, 0o600)?;
        let uid = std::fs::metadata(&path)?.uid();

        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = Server::builder()
            .add_service(GreeterServer::new(Local { uid }))
            // Ready when `stop` is dropped.
            .serve_with_incoming_shutdown(incoming, async { drop(stopped.await) });
        let server = tokio::spawn(server);

        let client = GreeterClient::connect(format!("unix:{}", path.display())).await?;
        let reply = client
            .say_hello(HelloRequest { name: "Ada".into() })
            .await?;
        println!("{}", reply.into_inner().message);

        drop(stop);
        server.await??;
        println!("drained; the socket's file is gone: {}", !path.exists());
        Ok(())
    }
}
