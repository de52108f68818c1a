//! SPEC.md and the marks in the code say the same.
//!
//! A mark is a comment `//= ID  why` where the code does what the row asks for, or `//= ID  type=test`
//! where a test proves it. This test holds the two together, and prints the matrix.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Where marks stand. Only `src/` can meet a demand; all can test one.
const FOLDERS: [&str; 4] = ["src", "tests", "examples", "crates"];

/// A row of SPEC.md.
struct Row {
    id: String,
    level: String,
    demand: String,
    state: String,
}

/// A mark in the code: file and line, and whether it says `type=test`.
struct Mark {
    place: String,
    is_test: bool,
}

#[test]
fn the_ledger_and_the_code_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = rows(&fs::read_to_string(root.join("SPEC.md")).unwrap());
    let mut marks = BTreeMap::new();
    for folder in FOLDERS.map(|folder| root.join(folder)) {
        collect(root, &folder, &mut marks);
    }
    let matrix = matrix(&rows, &marks);
    println!("{matrix}");
    let wrong = compare(&rows, &marks);
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// What does not fit together.
fn compare(rows: &[Row], marks: &BTreeMap<String, Vec<Mark>>) -> String {
    let mut wrong = String::new();
    let mut ids = BTreeSet::new();
    for Row {
        id, level, state, ..
    } in rows
    {
        if !ids.insert(id) {
            let _ = writeln!(wrong, "SPEC.md has {id} twice");
        }
        if !["must", "should", "may"].contains(&level.as_str()) {
            let _ = writeln!(
                wrong,
                "{id}: the level is must, should or may, not {level:?}"
            );
        }
        let (in_src, in_tests) = count(marks.get(id));
        match state.split_once(": ") {
            None if state == "done" => {
                for (missing, what) in [(in_src == 0, "code"), (in_tests == 0, "test")] {
                    if missing {
                        let _ = writeln!(wrong, "{id} is done, but no {what} is marked with it");
                    }
                }
            }
            Some(("exception" | "todo", why)) if !why.is_empty() => {}
            _ => {
                let _ = writeln!(
                    wrong,
                    "{id}: the state is `done`, `exception: why` or `todo: what`, not {state:?}"
                );
            }
        }
    }
    for (id, marks) in marks.iter().filter(|(id, _)| !ids.contains(id)) {
        for mark in marks {
            let _ = writeln!(wrong, "{}: SPEC.md has no row {id}", mark.place);
        }
    }
    for mark in marks.values().flatten() {
        if !mark.is_test && !mark.place.starts_with("src") {
            let _ = writeln!(
                wrong,
                "{}: outside of src/ a mark says `type=test`",
                mark.place
            );
        }
    }
    wrong
}

/// The marks in the library and in tests.
fn count(marks: Option<&Vec<Mark>>) -> (usize, usize) {
    let marks = marks.map(Vec::as_slice).unwrap_or_default();
    let tests = marks.iter().filter(|mark| mark.is_test).count();
    (marks.len() - tests, tests)
}

fn matrix(rows: &[Row], marks: &BTreeMap<String, Vec<Mark>>) -> String {
    let mut text = format!("{:24} {:6}  src test\n", "", "");
    let mut done = BTreeMap::<&str, (usize, usize)>::new();
    for row in rows {
        let (in_src, in_tests) = count(marks.get(&row.id));
        let state = if row.state == "done" { "" } else { &row.state };
        let (id, level) = (&row.id, &row.level);
        let _ = writeln!(text, "{id:24} {level:6} {in_src:4} {in_tests:4}  {state}");
        let tally = done.entry(&row.level).or_default();
        tally.0 += usize::from(row.state == "done");
        tally.1 += 1;
    }
    for (level, (done, all)) in done {
        let _ = writeln!(text, "{level}: {done} of {all} done");
    }
    text
}

/// The rows of every table that begins with the column `ID`.
fn rows(spec: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut in_ledger = false;
    for line in spec.lines() {
        let Some(line) = line.strip_prefix("| ") else {
            in_ledger = in_ledger && line.starts_with("|--");
            continue;
        };
        let cells: Vec<&str> = line
            .trim_end_matches('|')
            .split(" | ")
            .map(str::trim)
            .collect();
        match cells[..] {
            ["ID", ..] => in_ledger = true,
            [id, level, demand, _source, state] if in_ledger => rows.push(Row {
                id: id.to_owned(),
                level: level.to_owned(),
                demand: demand.to_owned(),
                state: state.to_owned(),
            }),
            _ => assert!(!in_ledger, "a row of the ledger has five cells: {line}"),
        }
    }
    assert!(rows.iter().all(|row| !row.demand.is_empty()));
    assert!(rows.len() > 40, "the tables were not found");
    rows
}

fn collect(root: &Path, path: &Path, marks: &mut BTreeMap<String, Vec<Mark>>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(root, &entry.unwrap().path(), marks);
        }
        return;
    }
    if path.extension().is_none_or(|extension| extension != "rs") {
        return;
    }
    let name = path.strip_prefix(root).unwrap().display();
    let text = fs::read_to_string(path).unwrap();
    for (index, line) in text.lines().enumerate() {
        let Some(mark) = line.trim_start().strip_prefix("//= ") else {
            continue;
        };
        let (id, why) = mark.split_once("  ").unwrap_or((mark, ""));
        let place = format!("{name}:{}", index + 1);
        assert!(
            !why.is_empty(),
            "{place}: a mark is `//= ID  why`, with two spaces"
        );
        marks.entry(id.to_owned()).or_default().push(Mark {
            place,
            is_test: why == "type=test",
        });
    }
}
