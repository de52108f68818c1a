//! CHECKLIST.md and the names of tests: each number in a name has a row, and each row has a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// `b07`: one letter of the list's, two digits.
fn is_row(token: &str) -> bool {
    let bytes = token.as_bytes();
    bytes.len() == 3 && b"bcdlps".contains(&bytes[0]) && bytes[1..].iter().all(u8::is_ascii_digit)
}

/// `b7`: a row in a form that the list does not have.
fn is_almost_a_row(token: &str) -> bool {
    let digits = token.get(1..).unwrap_or_default();
    let letter = token.starts_with(['b', 'c', 'd', 'l', 'p', 's']);
    letter && !is_row(token) && digits.starts_with(|c: char| c.is_ascii_digit()) && token.len() < 5
}

/// The rows at the beginning of a test's name: `b03_b05_…` has two, `b01_to_b03_…` three.
fn rows_of_name(name: &str) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    let mut is_range = false;
    for token in name.split('_') {
        if is_row(token) {
            let number = |row: &str| row[1..].parse::<u32>().unwrap();
            match rows.last() {
                Some(first) if is_range => {
                    let letter = token.as_bytes()[0] as char;
                    let between = number(first) + 1..number(token);
                    rows.extend(between.map(|number| format!("{letter}{number:02}?")));
                }
                _ => {}
            }
            rows.push(token.to_owned());
            is_range = false;
        } else if token == "to" && !rows.is_empty() && !is_range {
            is_range = true;
        } else {
            break;
        }
    }
    rows
}

/// The names of all functions in the Rust files below `folder`.
fn functions(folder: &Path, names: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for rest in text.split("fn ").skip(1) {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                names.push((rest[..end].to_owned(), path.display().to_string()));
            }
        }
    }
}

#[test]
fn each_number_has_a_row_and_each_row_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("CHECKLIST.md")).unwrap();
    let mut rows: BTreeMap<&str, bool> = BTreeMap::new();
    for line in list.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", row, situation, expected, source, ""] = cells[..]
            && is_row(row)
        {
            assert!(rows.insert(row, false).is_none(), "{row} stands twice");
            assert!(![situation, expected, source].contains(&""), "{row}");
        }
    }
    assert!(rows.len() > 100, "the table is not read");

    let mut names = Vec::new();
    functions(&root.join("src"), &mut names);
    functions(&root.join("tests"), &mut names);
    let mut wrong = BTreeSet::new();
    for (name, file) in &names {
        if is_almost_a_row(name.split('_').next().unwrap()) && name.contains('_') {
            wrong.insert(format!("{file}: {name}: a row has two digits"));
        }
        for row in rows_of_name(name) {
            // What a range covers need not exist: numbers are missing.
            let (row, is_inside) = match row.strip_suffix('?') {
                Some(row) => (row.to_owned(), true),
                None => (row, false),
            };
            match rows.get_mut(&*row) {
                Some(has_test) => *has_test = true,
                None if is_inside => {}
                None => {
                    wrong.insert(format!("{file}: {name}: CHECKLIST.md has no row {row}"));
                }
            }
        }
    }
    for (row, has_test) in rows {
        if !has_test {
            wrong.insert(format!("{row} has no test"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rows_are_read_from_names() {
    assert_eq!(rows_of_name("b03_b05_what_is_served"), ["b03", "b05"]);
    assert_eq!(rows_of_name("b01_to_b03_x"), ["b01", "b02?", "b03"]);
    assert_eq!(rows_of_name("a_b03_elsewhere"), [""; 0]);
    assert!(is_almost_a_row("b7") && is_almost_a_row("b70a") && !is_almost_a_row("b07"));
}
