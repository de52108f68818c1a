//! Moving here from tonic: `tests/migration/tonic/` was written for tonic 0.14 (and is compiled and run with it, in
//! `benches/versus/peers`); `crates/migration` is what `scripts/port_from_tonic` makes of it. Nobody touched it in between.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use temaki::{Code, Origin};
use temaki_migration::pb::Note;
use temaki_migration::{NotesApi, serve, service_name};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The source, and the same as ported.
const FILES: [(&str, &str); 2] = [
    (
        "tests/migration/tonic/build.rs",
        "crates/migration/build.rs",
    ),
    (
        "tests/migration/tonic/lib.rs",
        "crates/migration/src/lib.rs",
    ),
];

#[test]
fn the_script_makes_the_one_of_the_other() {
    let directory = std::env::temp_dir().join(format!("temaki-migration-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (original, ported) in FILES {
        let copy = directory.join("copy.rs");
        std::fs::copy(original, &copy).unwrap();
        let script = Command::new("scripts/port_from_tonic")
            .arg(&copy)
            .output()
            .unwrap();
        let left = String::from_utf8_lossy(&script.stdout);
        assert!(script.status.success() && left.is_empty(), "{left}");
        let made = std::fs::read_to_string(&copy).unwrap();
        let kept = std::fs::read_to_string(ported).unwrap();
        for (made, kept) in made.lines().zip(kept.lines()) {
            assert_eq!(made, kept, "{ported} is not what is made of {original}");
        }
        assert_eq!(made.lines().count(), kept.lines().count(), "{ported}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// What it cannot do it names, with the line's number.
#[test]
fn the_script_names_what_is_left_to_do() {
    let file = std::env::temp_dir().join(format!("temaki-migration-{}.rs", std::process::id()));
    std::fs::write(&file, "use tonic::Status;\nuse tower::ServiceBuilder;\nuse tonic_health::pb;\n// reporter.set_serving::<S>().await\n").unwrap();
    let script = Command::new("scripts/port_from_tonic")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&script.stdout),
        format!(
            "{file}:2:use tower::ServiceBuilder;\n{file}:4:// reporter.set_serving::<S>().await\n",
            file = file.display()
        )
    );
    assert!(String::from_utf8_lossy(&script.stderr).contains("by hand"));
    let ported = std::fs::read_to_string(&file).unwrap();
    assert!(ported.starts_with("use temaki::Status;\n"), "{ported}");
    std::fs::remove_file(&file).unwrap();

    let missing = Command::new("scripts/port_from_tonic")
        .arg(Path::new("no/such/file.rs"))
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(1));
}

#[tokio::test]
async fn what_was_ported_serves_and_calls_in_all_four_shapes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(serve(listener, stopped));
    let mut notes = NotesApi::connect(addr, "open sesame").await.unwrap();

    let note = |name: &str, text: &str| Note {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let all = vec![note("a1", "one"), note("a2", "two"), note("b", "three")];
    assert_eq!(notes.add(all.clone()).await.unwrap(), 3);
    assert_eq!(notes.list("a").await.unwrap(), all[..2]);
    assert_eq!(notes.chat(&["ho", "hum"]).await.unwrap(), ["HO", "HUM"]);

    let response = notes.get("b").await.unwrap();
    let metadata = response.metadata();
    assert_eq!(metadata.get("x-asked-by").unwrap(), "ali");
    assert_eq!(metadata.get("x-asked-from").unwrap(), "127.0.0.1");
    let sum = metadata.get_bin("x-sum-bin").unwrap().to_bytes().unwrap();
    assert_eq!(sum, [0, 159, 255].as_slice());
    assert_eq!(response.into_inner(), all[2]);

    let status = notes.get("absent").await.unwrap_err();
    assert_eq!(
        (status.code(), status.message(), status.origin()),
        (Code::NotFound, "no such note", Origin::Peer)
    );
    assert_eq!(status.details(), b"absent");
    assert_eq!(status.metadata().get("x-asked-by").unwrap(), "ali");
    assert_eq!(
        notes.get("").await.unwrap_err().code(),
        Code::InvalidArgument
    );

    let mut stranger = NotesApi::connect(addr, "knock knock").await.unwrap();
    let status = stranger.get("b").await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);

    assert_eq!(service_name(), "notes.Notes");
    drop((notes, stranger));
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}
