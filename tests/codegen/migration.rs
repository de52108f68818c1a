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
const FILES: [(&str, &str); 3] = [
    (
        "tests/migration/tonic/build.rs",
        "crates/migration/build.rs",
    ),
    (
        "tests/migration/tonic/lib.rs",
        "crates/migration/src/lib.rs",
    ),
    (
        "tests/migration/tonic/idioms.rs",
        "crates/migration/src/idioms.rs",
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

/// Runs the script on files; its exit status, and what it lists.
fn port(files: &[&Path]) -> (Option<i32>, String) {
    let script = Command::new("scripts/port_from_tonic")
        .args(files)
        .output()
        .unwrap();
    let listed = String::from_utf8_lossy(&script.stdout).into_owned();
    let status = script.status.code();
    let said = String::from_utf8_lossy(&script.stderr);
    assert!(status != Some(3) || said.contains("by hand"), "{said}");
    (status, listed)
}

/// Programs in small, `tests/migration/fixtures/`: `x.rs` becomes `x.ported`. A line that ends with `//~` has to be
/// listed, one with `//?` is where temaki does not have that name yet, any other is not.
#[test]
fn p09_each_shape_is_rewritten_or_listed() {
    let directory =
        std::env::temp_dir().join(format!("temaki-migration-fixtures-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir("tests/migration/fixtures").unwrap() {
        let original = entry.unwrap().path();
        if original
            .extension()
            .is_none_or(|extension| extension != "rs")
        {
            continue;
        }
        seen += 1;
        let name = original.display();
        let copy = directory.join(original.file_name().unwrap());
        std::fs::copy(&original, &copy).unwrap();
        let (status, listed) = port(&[&copy]);
        let made = std::fs::read_to_string(&copy).unwrap();
        let kept = std::fs::read_to_string(original.with_extension("ported")).unwrap();
        assert_eq!(made, kept, "{name}");

        let mut left = 0;
        for (line, number) in made.lines().zip(1..) {
            let place = format!("{}:{number}:", copy.display());
            let is_listed = listed.contains(&format!("{place}{line}\n    -> "));
            left += usize::from(is_listed);
            let must = line.ends_with("//~") || line.contains("tonic::async_trait");
            let expected = must || (line.ends_with("//?") && is_listed);
            assert_eq!(is_listed, expected, "{name}:{number}: {line}\n{listed}");
        }
        assert_eq!(listed.lines().count(), 2 * left, "{name}: {listed}");
        assert_eq!(status, Some(if left == 0 { 0 } else { 3 }), "{name}");

        // Once more: nothing changes, and the same is listed.
        assert_eq!(port(&[&copy]), (status, listed), "{name}");
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), made, "{name}");
    }
    assert_eq!(seen, 7, "the fixtures");
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Where a generated trait comes from may stand in another file of the crate.
#[test]
fn p09_generated_traits_are_known_from_all_files() {
    let directory =
        std::env::temp_dir().join(format!("temaki-migration-two-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (modules, handler) = (directory.join("pb.rs"), directory.join("handler.rs"));
    std::fs::write(&modules, "pub use self::gen::greeter_server::Greeter;\n").unwrap();
    let text = "use tonic::{Request, async_trait};\nuse crate::pb::Greeter;\n\n#[async_trait]\nimpl Greeter for My {}\n";
    std::fs::write(&handler, text).unwrap();
    assert_eq!(port(&[&modules, &handler]), (Some(0), String::new()));
    let expected = "use temaki::{Request};\nuse crate::pb::Greeter;\n\nimpl Greeter for My {}\n";
    assert_eq!(std::fs::read_to_string(&handler).unwrap(), expected);

    // Alone, the file does not tell: its attribute stays, and is listed.
    std::fs::write(&handler, text).unwrap();
    let (status, listed) = port(&[&handler]);
    assert_eq!(status, Some(3), "{listed}");
    assert!(listed.contains("async-trait"), "{listed}");
    let kept = std::fs::read_to_string(&handler).unwrap();
    assert!(kept.contains("#[async_trait]\nimpl Greeter"), "{kept}");
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn p09_a_file_that_is_not_there_is_said() {
    assert_eq!(port(&[Path::new("no/such/file.rs")]).0, Some(1));
    assert_eq!(port(&[]).0, Some(2));
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
