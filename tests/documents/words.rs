//! The words that CONTRIBUTING.md asks not to write, counted in documents, comments and names of tests.
//!
//! `words.txt` has the counts of the day on which the list was made. A count may fall, and it may not rise; a place without a
//! line there has none. `TEMAKI_BLESS=1 cargo test --test documents words` writes the counts that have fallen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The first column of the table of words.
fn words(contributing: &str) -> Vec<&str> {
    let table = contributing.split("\n| do not write |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

/// What people read of a file: a document's text, the comments of a program, the names of its functions.
fn prose(path: &Path, text: &str) -> String {
    if path.extension().is_some_and(|extension| extension == "md") {
        return text.to_lowercase();
    }
    let mut prose = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("//") && !line.starts_with("//=") {
            prose += line;
        } else if let Some((_, name)) = line.split_once("fn ") {
            prose += &name.split('(').next().unwrap().replace('_', " ");
        }
        prose.push('\n');
    }
    prose.to_lowercase()
}

/// How often the words stand in the text.
fn count(words: &[&str], prose: &str) -> usize {
    let found = prose.split(|c: char| !c.is_alphanumeric());
    found.filter(|word| words.contains(word)).count()
}

/// A document stands for itself, a program for its folder, since files are split and moved.
fn place(path: &Path) -> String {
    let is_document = path.extension().is_some_and(|extension| extension == "md");
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    match (is_document, parts.len()) {
        (true, _) => parts.join("/"),
        (false, 0..=2) => format!("{}/", parts[0]),
        (false, _) => format!("{}/{}/", parts[0], parts[1]),
    }
}

fn files(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        // What was written for tonic is as it came, and this list names the words.
        if ["migration", "golden", "words.rs"]
            .iter()
            .any(|name| path.ends_with(name))
        {
            continue;
        }
        if root.join(&path).is_dir() {
            files(root, &path, found);
        } else if path.extension().is_some_and(|e| e == "rs" || e == "md") {
            found.push(path);
        }
    }
}

#[test]
fn the_words_become_fewer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contributing = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let words = words(&contributing);
    assert!(words.len() > 10, "the table is not read: {words:?}");

    let mut found = Vec::new();
    for folder in ["src", "examples", "tests"] {
        files(root, Path::new(folder), &mut found);
    }
    for entry in fs::read_dir(root).unwrap() {
        let name = PathBuf::from(entry.unwrap().file_name());
        // The first names the words, the second is history.
        let is_exempt = ["CONTRIBUTING.md", "CHANGELOG.md"]
            .iter()
            .any(|file| name == Path::new(file));
        if name.extension().is_some_and(|extension| extension == "md") && !is_exempt {
            found.push(name);
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for path in &found {
        let text = fs::read_to_string(root.join(path)).unwrap();
        *counts.entry(place(path)).or_default() += count(&words, &prose(path, &text));
    }

    let list = root.join("tests/documents/words.txt");
    let text = fs::read_to_string(&list).unwrap_or_default();
    let limits: BTreeMap<&str, usize> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(count, place)| (place, count.parse().unwrap()))
        .collect();
    if std::env::var_os("TEMAKI_BLESS").is_some() {
        let mut lower = String::new();
        for (place, &count) in counts.iter().filter(|(_, count)| **count > 0) {
            let limit = limits
                .get(&**place)
                .copied()
                .unwrap_or(if limits.is_empty() { count } else { 0 });
            let _ = writeln!(lower, "{} {place}", count.min(limit));
        }
        fs::write(&list, lower).unwrap();
        return;
    }
    for (place, count) in counts {
        let limit = limits.get(&*place).copied().unwrap_or(0);
        assert!(
            count <= limit,
            "{place} has {count} of the words that CONTRIBUTING.md asks not to write, and may have {limit}"
        );
    }
}

#[test]
fn words_are_found_whole_and_in_names() {
    let text = prose(
        Path::new("a.rs"),
        "/// The answer.\nlet answer = 1;\nfn it_is_told() {}\n",
    );
    assert_eq!(count(&["answer", "told"], &text), 2);
    assert_eq!(count(&["answer"], "answers unanswered"), 0);
}

#[test]
fn errors_are_described_where_they_are_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    files(root, Path::new("src"), &mut found);
    for path in found {
        let text = fs::read_to_string(root.join(&path)).unwrap();
        assert!(!text.contains("/// As there."), "{}", path.display());
    }
}
