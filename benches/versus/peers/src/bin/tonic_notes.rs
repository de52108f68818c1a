//! `tests/migration/tonic`, which is ported from there to temaki, is code for tonic as it stands: it is compiled here, and
//! serves and calls itself in the four shapes.

#[path = "../../../../../tests/migration/tonic/lib.rs"]
mod notes;

use notes::pb::Note;
use notes::{NotesApi, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

fn main() {
    gates::flags::run_on("ct", async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, stopped));
        let mut api = NotesApi::connect(addr, "open sesame")
            .await
            .expect("a server");
        let note = Note {
            name: "a".to_string(),
            text: "one".to_string(),
        };
        assert_eq!(api.add(vec![note.clone()]).await.expect("an answer"), 1);
        assert_eq!(api.list("a").await.expect("answers"), [note.clone()]);
        assert_eq!(api.chat(&["ho"]).await.expect("answers"), ["HO"]);
        assert_eq!(api.get("a").await.expect("an answer").into_inner(), note);
        let absent = api.get("absent").await.expect_err("no such note");
        assert_eq!(absent.details(), b"absent");
        assert_eq!(notes::service_name(), "notes.Notes");
        drop(api);
        stop.send(()).expect("a server");
        server.await.expect("no panic").expect("a clean end");
        println!("tonic served {}", notes::service_name());
    });
}
