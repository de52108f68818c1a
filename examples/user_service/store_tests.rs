//! The store alone: what it keeps, what it refuses, and what is left of it after `kill -9`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use redb::ReadableTableMetadata;

use super::*;

impl Snapshot {
    fn len(&self) -> u64 {
        self.table.len().unwrap()
    }
}

/// A file of its own for each test, removed at the end.
struct TempFile(PathBuf);

impl TempFile {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("temaki-{test}-{}.redb", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The store does not look into a verifier, so the tests spare the hashing.
fn user(name: &str) -> NewUser {
    NewUser {
        name: name.to_owned(),
        verifier: format!("verifier of {name}"),
    }
}

#[test]
fn a_user_is_found_again_also_after_reopening() {
    let file = TempFile::new("reopen");
    let store = Store::open(&file.0).unwrap();
    assert!(store.find("alice").unwrap().is_none());
    let uuid = store.add(&user("alice")).unwrap().unwrap();
    assert_eq!(uuid.get_version_num(), 7);
    drop(store);

    let store = Store::open(&file.0).unwrap();
    let alice = store.find("alice").unwrap().unwrap();
    assert_eq!(
        (alice.uuid, alice.verifier.as_str()),
        (uuid, "verifier of alice")
    );
    assert!(
        store.find("Alice").unwrap().is_none(),
        "names are compared bytewise"
    );
}

#[test]
fn the_first_user_of_a_name_keeps_it() {
    let file = TempFile::new("taken");
    let store = Store::open(&file.0).unwrap();
    let uuid = store.add(&user("alice")).unwrap().unwrap();
    let impostor = NewUser {
        name: "alice".into(),
        verifier: "another".into(),
    };
    assert!(store.add(&impostor).unwrap().is_none());
    assert_eq!(store.add_batch(&[impostor]).unwrap(), 0);
    let alice = store.find("alice").unwrap().unwrap();
    assert_eq!(
        (alice.uuid, alice.verifier.as_str()),
        (uuid, "verifier of alice")
    );
}

#[test]
fn a_batch_adds_what_is_new_and_the_first_of_two_equal_names_wins() {
    let file = TempFile::new("batch");
    let store = Store::open(&file.0).unwrap();
    store.add(&user("b")).unwrap();
    let again = NewUser {
        name: "a".into(),
        verifier: "second a".into(),
    };
    assert_eq!(
        store
            .add_batch(&[user("a"), user("b"), user("c"), again])
            .unwrap(),
        2
    );
    assert_eq!(store.snapshot().unwrap().len(), 3);
    assert_eq!(store.find("a").unwrap().unwrap().verifier, "verifier of a");
    assert_eq!(store.add_batch(&[]).unwrap(), 0);
}

#[test]
fn uuids_sort_as_their_users_came() {
    let file = TempFile::new("sorted");
    let store = Store::open(&file.0).unwrap();
    let batch: Vec<NewUser> = ["z", "y", "x"].map(user).into();
    store.add_batch(&batch).unwrap();
    let uuid = |name: &str| store.find(name).unwrap().unwrap().uuid;
    assert!(uuid("z") < uuid("y") && uuid("y") < uuid("x"));
}

#[test]
fn pages_are_sorted_bounded_and_of_one_moment() {
    let file = TempFile::new("pages");
    let store = Store::open(&file.0).unwrap();
    let batch: Vec<NewUser> = (0..10).rev().map(|i| user(&format!("user{i}"))).collect();
    store.add_batch(&batch).unwrap();
    let snapshot = store.snapshot().unwrap();
    // Sorts into the middle of the pages to come, and must not show.
    store.add(&user("user45")).unwrap();

    let (mut names, mut sizes, mut last) = (Vec::new(), Vec::new(), None::<String>);
    loop {
        let page = snapshot.page("", last.as_deref(), 4).unwrap();
        let Some((name, _)) = page.last() else { break };
        last = Some(name.clone());
        sizes.push(page.len());
        names.extend(page.into_iter().map(|(name, _)| name));
    }
    assert_eq!(sizes, [4, 4, 2]);
    assert_eq!(
        names,
        (0..10).map(|i| format!("user{i}")).collect::<Vec<_>>()
    );
    assert_eq!(snapshot.len(), 10);
    assert_eq!(store.snapshot().unwrap().len(), 11);
}

#[test]
fn a_page_with_a_prefix() {
    let file = TempFile::new("prefix");
    let store = Store::open(&file.0).unwrap();
    store
        .add_batch(&["a", "al", "alan", "alice", "am", "\u{10ffff}"].map(user))
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    // (prefix, after, limit, names, why this row)
    for (prefix, after, limit, names, why) in [
        (
            "al",
            None,
            9,
            &["al", "alan", "alice"][..],
            "the prefix itself is a name that begins so",
        ),
        ("al", Some("al"), 9, &["alan", "alice"], "the next page"),
        (
            "al",
            Some("alice"),
            9,
            &[],
            "the end, though the table goes on",
        ),
        ("al", None, 2, &["al", "alan"], "a full page"),
        ("b", None, 9, &[], "between two names"),
        (
            "\u{10ffff}",
            None,
            9,
            &["\u{10ffff}"],
            "no string sorts after it",
        ),
        ("", None, 1, &["a"], "all"),
    ] {
        let page = snapshot.page(prefix, after, limit).unwrap();
        assert_eq!(
            page.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            names,
            "{why}"
        );
    }
}

#[test]
fn what_cannot_be_opened_is_one_sentence_with_the_file_in_it() {
    let file = TempFile::new("garbage");
    std::fs::write(
        &file.0,
        "this is a letter to my aunt, not a database\n".repeat(200),
    )
    .unwrap();
    let open = TempFile::new("open");
    let _first = Store::open(&open.0).unwrap();

    let damaged = TempFile::new("damaged");
    let store = Store::open(&damaged.0).unwrap();
    store
        .add_batch(
            &(0..1000)
                .map(|i| user(&format!("user{i}")))
                .collect::<Vec<_>>(),
        )
        .unwrap();
    drop(store);
    let mut bytes = std::fs::read(&damaged.0).unwrap();
    bytes
        .iter_mut()
        .skip(4096)
        .step_by(97)
        .for_each(|byte| *byte ^= 0x55);
    std::fs::write(&damaged.0, bytes).unwrap();

    // (path, why this row)
    let refused: [(PathBuf, &str); 5] = [
        (file.0.clone(), "another program's file"),
        (open.0.clone(), "open already"),
        (damaged.0.clone(), "a page that is not as it was written"),
        (std::env::temp_dir(), "a directory"),
        (
            std::env::temp_dir().join("no-such-directory/users.redb"),
            "a directory that is not there",
        ),
    ];
    for (path, why) in refused {
        let Err(sentence) = Store::open(&path) else {
            panic!("opened {why}")
        };
        assert!(
            sentence.starts_with(&format!("cannot open the store {}: ", path.display())),
            "{why}: {sentence}"
        );
        assert!(
            !sentence.contains('\n') && !sentence.contains('"') && !sentence.contains('{'),
            "{why}: {sentence}"
        );
    }
    assert!(
        std::fs::read_to_string(&file.0)
            .unwrap()
            .starts_with("this is a letter"),
        "and is left as it was"
    );
}

#[cfg(unix)]
#[test]
fn other_users_cannot_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let file = TempFile::new("mode");
    let _store = Store::open(&file.0).unwrap();
    assert_eq!(
        std::fs::metadata(&file.0).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

const BATCH: u64 = 50;
const FILE_FOR_CHILD: &str = "TEMAKI_STORE_FOR_CHILD";

/// A process of its own writes batches as fast as it can and is killed without a warning, again and
/// again, on one file.
#[test]
fn after_kill_9_there_are_whole_batches_only_and_each_that_was_confirmed() {
    let file = TempFile::new("kill9");
    let mut confirmed = 0;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "store::tests::child_writes_batches",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env(FILE_FOR_CHILD, &file.0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut read_until = |at_least: u64| {
            for line in lines.by_ref() {
                if let Some(rows) = line
                    .strip_prefix("rows ")
                    .and_then(|rows| rows.parse().ok())
                {
                    confirmed = rows;
                    if rows >= at_least {
                        break;
                    }
                }
            }
        };
        read_until((round + 1) * 5 * BATCH);
        // A different moment of the next transaction each time.
        std::thread::sleep(std::time::Duration::from_micros(round * 350));
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        // What it had still said before it died is confirmed too.
        read_until(u64::MAX);

        let store = Store::open(&file.0).unwrap();
        let snapshot = store.snapshot().unwrap();
        let rows = snapshot.len();
        assert_eq!(rows % BATCH, 0, "half a batch: {rows} rows");
        assert!(
            rows >= confirmed && confirmed > 0,
            "{confirmed} rows were confirmed, {rows} are there"
        );
        let page = snapshot.page("", None, usize::MAX).unwrap();
        let expected = (0..rows).map(|row| format!("user{row:08}"));
        assert!(
            page.iter().map(|(name, _)| name.clone()).eq(expected),
            "a gap"
        );
    }
}

#[test]
#[ignore = "not a test: the process that the test above kills"]
fn child_writes_batches() {
    let Some(path) = std::env::var_os(FILE_FOR_CHILD) else {
        return;
    };
    let store = Store::open(Path::new(&path)).unwrap();
    let mut rows = store.snapshot().unwrap().len();
    loop {
        let batch: Vec<NewUser> = (rows..rows + BATCH)
            .map(|row| user(&format!("user{row:08}")))
            .collect();
        assert_eq!(store.add_batch(&batch).unwrap(), BATCH);
        rows += BATCH;
        println!("rows {rows}");
    }
}
