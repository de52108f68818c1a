//! What the documents name is there: links lead to files, paths in prose exist, the features are those of Cargo.toml, the reading
//! path has its stops, and each file of the source says at its head what it is.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Where paths in prose begin.
const FOLDERS: [&str; 9] = [
    "benches/",
    "crates/",
    "examples/",
    "fuzz/",
    "proto/",
    "scripts/",
    "src/",
    "tests/",
    ".ci/",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Each `*.md` of the repository, with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut documents = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() {
                // Build output, caches, what package managers fetched.
                let foreign = ["target", "node_modules"].contains(&&*name) || name.starts_with('.');
                if !foreign {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                let text = fs::read_to_string(&path).unwrap();
                documents.push((path, text));
            }
        }
    }
    assert!(
        documents
            .iter()
            .any(|(path, _)| path.ends_with("README.md"))
    );
    documents
}

/// The document without its blocks of code, which may hold anything.
fn prose(text: &str) -> String {
    let mut in_block = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !in_block && !fence
    });
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// `[text](target)` and `[name]: target`.
fn links(prose: &str) -> Vec<&str> {
    let inline = prose.split("](").skip(1);
    let inline = inline.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let defined = prose.lines().filter(|line| line.starts_with('['));
    let defined = defined.filter_map(|line| line.split_once("]: ").map(|(_, target)| target));
    inline.chain(defined).collect()
}

/// What stands between single backticks.
fn code(prose: &str) -> impl Iterator<Item = &str> {
    prose.split('`').skip(1).step_by(2)
}

/// The anchor that a heading gets: lower case, hyphens for spaces, no punctuation.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().chars();
        let kept = kept.filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = String::new();
    for (path, text) in documents() {
        for target in links(&prose(&text)) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            let found = file.exists()
                && (anchor.is_empty()
                    || anchors(&fs::read_to_string(&file).unwrap()).contains(anchor));
            if !found {
                let _ = writeln!(wrong, "{}: {target}", path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "links to nothing:\n{wrong}");
}

#[test]
fn files_named_in_prose_exist() {
    let mut wrong = String::new();
    for (path, text) in documents() {
        for word in code(&prose(&text)) {
            let path_like = FOLDERS.iter().any(|folder| word.starts_with(folder));
            // Patterns and commands stand for more than themselves.
            let plain = !word.contains(['*', '{', '…', ' ', '<']);
            // A place in a file: `src/lib.rs:12`.
            let file = word.split(':').next().unwrap();
            if path_like && plain && !root().join(file).exists() {
                let _ = writeln!(wrong, "{}: {word}", path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "files that are not there:\n{wrong}");
}

#[test]
fn contributing_names_each_script() {
    let contributing = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let told: BTreeSet<&str> = code(&contributing).collect();
    for entry in fs::read_dir(root().join("scripts")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        // Folders are their programs; `.sh` is sourced.
        if path.is_file() && !name.ends_with(".sh") {
            let script = format!("scripts/{name}");
            assert!(
                told.contains(&*script),
                "CONTRIBUTING.md does not tell what {script} is for"
            );
        }
    }
}

#[test]
fn readme_names_the_examples() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("\n## Examples\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let words: BTreeSet<&str> = rows
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(code)
        .collect();
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.trim_end_matches(".rs");
        // A client of etcd's server.
        assert!(
            words.contains(name) || name == "etcd",
            "README does not name {name}"
        );
    }
    for word in words {
        let example = root().join("examples").join(word);
        assert!(
            example.exists() || example.with_extension("rs").exists(),
            "there is no example {word}"
        );
    }
}

#[test]
fn the_features_are_those_of_cargo_toml() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let manifest = read("Cargo.toml");
    let features = manifest.split("\n[features]\n").nth(1).unwrap();
    let features = features.split("\n[").next().unwrap().lines();
    let features = features.filter(|line| !line.starts_with('#'));
    let features: BTreeSet<String> = features
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name.to_owned()))
        // One that begins with `_` is the maintainers'.
        .filter(|name| name != "default" && !name.starts_with('_'))
        .collect();
    assert!(features.contains("server"));

    let readme = read("README.md");
    let lib = read("src/lib.rs").replace("//! ", "");
    for (name, text, heading) in [
        ("README.md", readme, "\n## Features\n"),
        ("src/lib.rs", lib, "\n# Features\n"),
    ] {
        let section = text.split(heading).nth(1).unwrap();
        let section = section.split("\n#").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let first = rows.filter_map(|row| row.split('|').nth(1));
        let told: BTreeSet<String> = first.flat_map(code).map(str::to_owned).collect();
        assert_eq!(told, features, "the table of features in {name}");
    }
}

/// Where COMPARE.md's table of what is the same as in tonic has its names from, by the first cell of a row.
const SAME: [(&str, &[&str]); 10] = [
    ("`Request`", &["src/request.rs"]),
    ("`Response`", &["src/response.rs"]),
    ("`Status`", &["src/status.rs"]),
    ("`Streaming`", &["src/call/streaming.rs"]),
    ("`Server`", &["src/server/builder.rs"]),
    ("`Endpoint`", &["src/client/endpoint.rs"]),
    (
        "`Channel`",
        &[
            "src/client/channel.rs",
            "src/client/connecting.rs",
            "src/client/calling.rs",
        ],
    ),
    ("health", &["src/health.rs"]),
    (
        "generated",
        &["src/client/calls.rs", "src/server/service_server.rs"],
    ),
    (
        "code generation",
        &["src/codegen/mod.rs", "src/codegen/builder.rs"],
    ),
];

#[test]
fn what_compare_calls_the_same_is_there_and_what_it_lacks_is_not() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let compare = read("COMPARE.md");
    let section = |heading: &str| {
        let rest = compare.split(heading).nth(1).unwrap();
        rest.split("\n### ")
            .next()
            .unwrap()
            .split("\n## ")
            .next()
            .unwrap()
            .to_owned()
    };
    let functions = |text: &str| -> BTreeSet<String> {
        let name = |rest: &str| rest.split(['(', '<']).next().unwrap().to_owned();
        let found = text.split("pub fn ").skip(1).map(name);
        found
            .chain(text.split("pub async fn ").skip(1).map(name))
            .collect()
    };
    let is_function = |word: &&str| {
        word.chars()
            .all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c))
    };

    let same = section("\n### Same\n");
    for (first, files) in SAME {
        let row = same
            .lines()
            .find(|line| line.starts_with(&format!("| {first} |")));
        let names = row
            .unwrap_or_else(|| panic!("no row {first}"))
            .split('|')
            .nth(2)
            .unwrap();
        let there: BTreeSet<String> = files
            .iter()
            .flat_map(|file| functions(&read(file)))
            .collect();
        for name in code(names).filter(is_function) {
            assert!(there.contains(name), "{first} has no {name}");
        }
    }
    let sources = SAME.iter().flat_map(|(_, files)| files.iter());
    let all: BTreeSet<String> = sources.flat_map(|file| functions(&read(file))).collect();
    let lacks = section("\n### Not supported\n");
    for row in lacks.lines().filter(|line| line.starts_with("| ")) {
        for name in code(row.split('|').nth(1).unwrap()).filter(is_function) {
            assert!(
                !all.contains(name),
                "there is a {name}, and COMPARE.md says there is not"
            );
        }
    }
}

#[test]
fn security_has_the_defaults() {
    let security = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let server = format!("{:?}", temaki::Server::builder());
    #[rustfmt::skip]
    let rows = [
        ("max_concurrent_streams: 256", "max_concurrent_streams", "256"),
        ("max_header_list_size: 16384", "http2_max_header_list_size", "16 KiB"),
        ("stream_window: 524288", "initial_stream_window_size", "512 KiB"),
        ("connection_window: 7340032", "initial_connection_window_size", "7 MiB"),
        ("max_frame_size: 262144", "max_frame_size", "256 KiB"),
        ("handshake_timeout: 10s", "handshake_timeout", "10 s"),
        ("stall_timeout: 30s", "stall_timeout", "30 s"),
        ("keepalive_timeout: 20s", "http2_keepalive_timeout", "20 s"),
        ("handlers_in_place: 50µs", "handlers_in_place", "50 µs"),
    ];
    for (default, knob, told) in rows {
        assert!(server.contains(default), "{default} is not in {server}");
        let row = security
            .lines()
            .find(|line| line.ends_with(&format!("| `{knob}` |")));
        let row = row.unwrap_or_else(|| panic!("no row ends with {knob}"));
        assert!(row.contains(told), "{row} does not tell {told}");
    }
}

#[test]
fn the_reading_path_has_its_stops() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let stops = lib.split("in eleven stops").nth(1).unwrap();
    let stops = stops.split("//! # ").next().unwrap();
    let rows = stops.lines().filter(|line| line.starts_with("//! | "));
    let files: Vec<&str> = rows
        .filter_map(|row| row.split('|').nth(2))
        .flat_map(code)
        .filter(|word| word.ends_with(".rs"))
        .collect();
    assert!(files.len() > 12, "{files:?}");
    for file in files {
        let folder = if file.starts_with("examples/") {
            "."
        } else {
            "src"
        };
        assert!(root().join(folder).join(file).exists(), "{file}");
    }
}

#[test]
fn the_guide_lists_its_pages() {
    let guide = root().join("src/guide");
    let list = fs::read_to_string(guide.join("mod.rs")).unwrap();
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for entry in fs::read_dir(guide).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let page = name.trim_end_matches(".rs");
        if page != "mod" {
            assert!(list.contains(&format!("| [`{page}`] |")), "{page}");
            assert!(lib.contains(&format!("| [`guide::{page}`] |")), "{page}");
        }
    }
}

#[test]
fn each_file_says_what_it_is() {
    let mut folders = vec![
        root().join("src"),
        root().join("examples"),
        root().join("tests"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // What the generator writes has a head of its own, and what was written for tonic is as it came.
            let foreign = ["golden", "generated", "migration"].map(|name| path.ends_with(name));
            if path.is_dir() && foreign != [false; 3] {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.starts_with("//! "), "{} has no head", path.display());
            }
        }
    }
}

#[test]
fn links_and_code_are_found_in_prose() {
    let text = "see [a](b.md) and [c](d.md#e-f)\n```sh\n[x](y)\n```\n[g]: h.md\nand `src/i.rs`\n";
    assert_eq!(links(&prose(text)), ["b.md", "d.md#e-f", "h.md"]);
    assert_eq!(code(&prose(text)).collect::<Vec<_>>(), ["src/i.rs"]);
    assert!(anchors("## What it does, and *how*\n").contains("what-it-does-and-how"));
}
