//! The floors hold: a file uses its own floor and those below, and the two endpoints never meet.
//!
//! The drawing is in `src/lib.rs`. This test reads the paths that each file of `src/` names
//! (`crate::…`, `super::…`, and `::temaki::…` in generated code), comments and unit tests left out,
//! and finds the floor of each. It knows Rust only as far as this crate writes it: a path that it
//! cannot place is an error, not a pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What stands where. The name is that of a top-level module.
const FLOORS: [(u8, &[&str]); 5] = [
    (0, &["wire"]),
    (
        1,
        &[
            "status",
            "metadata",
            "request",
            "response",
            "connect_info",
            "interceptor",
            "head",
            "header_map",
            "trailers",
            "deadline",
            "error",
        ],
    ),
    (2, &["call", "compression", "conn"]),
    (3, &["server", "client"]),
    (4, &["health", "tls", "generated"]),
];

/// Files that belong to no floor: they only name what the floors have. `guide` is documentation.
const ROOF: [&str; 3] = ["lib", "transport", "guide"];

/// Beside the floors, at build time. It may name nothing of the crate, since the root `build.rs`
/// includes it without the crate around it.
const BESIDE: &str = "codegen";

struct Rule {
    /// Modules; a directory ends with `/`.
    places: &'static [&'static str],
    words: &'static [&'static str],
    exceptions: &'static [Exception],
}

/// This text may stand in this module nevertheless.
struct Exception {
    module: &'static str,
    text: &'static str,
    _reason: &'static str,
}

const fn except(module: &'static str, text: &'static str, reason: &'static str) -> Exception {
    Exception {
        module,
        text,
        _reason: reason,
    }
}

/// Words that a floor's code must not hold.
const RULES: [Rule; 3] = [
    // Floor 0: bytes and strings.
    Rule {
        places: &["wire/"],
        #[rustfmt::skip]
        words: &[
            "http::", "h2::", "tokio", "futures", "prost", "std::io", "std::net", "std::fs", "std::thread",
            "std::sync", "std::task", "Instant", "SystemTime", "async ", ".await", "extern crate",
        ],
        exceptions: &[],
    },
    // Floor 1: the types of `http`; no stream, no socket, no clock.
    Rule {
        #[rustfmt::skip]
        places: &[
            "status", "metadata/", "request", "response", "connect_info", "interceptor", "head", "header_map",
            "trailers",
            "deadline", "error",
        ],
        #[rustfmt::skip]
        words: &[
            "h2::", "tokio", "prost", "std::io", "io::", "std::fs", "std::thread", "std::task", "Instant::now",
            "SystemTime", "async ", ".await",
        ],
        exceptions: &[
            except(
                "status",
                "io::Error",
                "an io::Error becomes a status: a type, and no IO",
            ),
            except(
                "request",
                "Instant::now",
                "`remaining` is for a handler to look at; nothing here decides by it",
            ),
            except(
                "interceptor",
                "async fn request",
                "the list waits for those of its members that wait",
            ),
            except("interceptor", "future.await", "the same"),
        ],
    },
    // Above: what decides is apart from what waits, so that it is tested without sleeping.
    Rule {
        places: &[
            "client/addresses",
            "client/backoff",
            "client/target",
            "server/inline",
            "server/router",
        ],
        words: &[
            "tokio",
            "h2::",
            "Instant::now",
            "SystemTime",
            "async ",
            ".await",
        ],
        exceptions: &[],
    },
];

#[test]
fn a_file_uses_its_own_floor_and_those_below() {
    let mut wrong = String::new();
    let roots = reexports();
    for file in files() {
        let Some(own) = floor_of(&file.module[0]) else {
            continue;
        };
        // The crate's hidden macros have no floor: they ask for a feature, and leave the rest as it is.
        for path in file.paths.iter().filter(|path| !path.starts_with("__if_")) {
            let Some(target) = place(path, &roots) else {
                let _ = writeln!(wrong, "{}: where is {path:?}?", file.name);
                continue;
            };
            match floor_of(&target) {
                Some(floor) if floor > own => {
                    let _ = writeln!(
                        wrong,
                        "{}, on floor {own}, uses {path}, which is on floor {floor}",
                        file.name
                    );
                }
                Some(_) => {}
                None => {
                    let _ = writeln!(wrong, "{}, on floor {own}, uses {path}", file.name);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_file_has_its_place() {
    for file in files() {
        let module = file.module[0].as_str();
        assert!(
            floor_of(module).is_some() || ROOF.contains(&module) || module == BESIDE,
            "{} stands on no floor: give {module} a place in this test, and in src/lib.rs",
            file.name
        );
    }
}

#[test]
fn the_endpoints_never_see_each_other() {
    for file in files() {
        let module = file.module[0].as_str();
        let other = match module {
            "server" => "client",
            "client" => "server",
            _ => continue,
        };
        for path in &file.paths {
            assert_ne!(
                place(path, &reexports()).as_deref(),
                Some(other),
                "{} uses {path}",
                file.name
            );
        }
    }
}

#[test]
fn the_code_generator_stands_alone() {
    for file in files().iter().filter(|file| file.module[0] == BESIDE) {
        let outside: Vec<_> = file
            .paths
            .iter()
            .filter(|path| path.split("::").next() != Some(BESIDE))
            .collect();
        assert!(outside.is_empty(), "{} uses {outside:?}", file.name);
    }
}

#[test]
fn lower_floors_know_no_io_and_no_clock() {
    let mut wrong = String::new();
    for file in files() {
        for rule in RULES {
            let stands_in = |place: &str| match place.strip_suffix('/') {
                Some(directory) => file.module[0] == directory,
                None => file.module.join("/") == place,
            };
            if !rule.places.iter().copied().any(stands_in) {
                continue;
            }
            let mut code = file.code.clone();
            let exceptions = rule.exceptions.iter();
            for except in exceptions.filter(|except| except.module == file.module[0]) {
                assert!(
                    code.contains(except.text),
                    "{}: the exception {:?} is not needed any more",
                    file.name,
                    except.text
                );
                code = code.replace(except.text, "");
            }
            for word in rule.words.iter().filter(|word| contains_word(&code, word)) {
                let _ = writeln!(wrong, "{} has {word:?}", file.name);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Paths that go through the crate's root, `crate::Status` and not `crate::status::Status`, by top-level
/// module. Such a path hides which floor it leads to. The numbers may only fall. Those of `client` are a macro's, which
/// is expanded in other crates, and links of documentation.
const THROUGH_THE_ROOF: [(&str, usize); 2] = [("client", 14), ("server", 50)];

#[test]
fn imports_name_the_owner() {
    let roots = reexports();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files() {
        let module = &file.module[0];
        if floor_of(module).is_none() || module == "generated" {
            continue;
        }
        for path in &file.paths {
            let first = path.split("::").next().unwrap_or_default();
            if roots.contains_key(first) && !first.starts_with("__") && floor_of(first).is_none() {
                let lines = found.entry(module.clone()).or_default();
                lines.push(format!("{}: crate::{path}", file.name));
            }
        }
    }
    let mut wrong = String::new();
    for (module, lines) in found {
        let allowed = THROUGH_THE_ROOF.iter().find(|(name, _)| *name == module);
        let allowed = allowed.map_or(0, |(_, count)| *count);
        if lines.len() > allowed {
            let _ = writeln!(wrong, "{module}: {} > {allowed}: {lines:#?}", lines.len());
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Files that import each other, directly or through others, by top-level module. The numbers may only fall.
const IN_CIRCLES: [(&str, usize); 3] = [("server", 6), ("conn", 2), ("metadata", 3)];

#[test]
fn no_file_stands_in_a_circle() {
    let files: Vec<_> = files()
        .into_iter()
        .filter(|file| floor_of(&file.module[0]).is_some())
        .collect();
    let modules: Vec<String> = files.iter().map(|file| file.module.join("::")).collect();
    let uses: Vec<String> = files.iter().map(|file| file.code.clone()).collect();
    let targets: Vec<BTreeSet<usize>> = files
        .iter()
        .enumerate()
        .map(|(own, file)| {
            let paths = file.paths.iter();
            let found = paths.filter_map(|path| owner(path, &modules, &uses, 0));
            found.filter(|target| *target != own).collect()
        })
        .collect();
    let reaches = |from: usize, to: usize| {
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![from]);
        while let Some(at) = ahead.pop() {
            for next in &targets[at] {
                if *next == to {
                    return true;
                }
                if seen.insert(*next) {
                    ahead.push(*next);
                }
            }
        }
        false
    };
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (at, file) in files.iter().enumerate().filter(|(at, _)| reaches(*at, *at)) {
        let back = targets[at].iter().filter(|target| reaches(**target, at));
        let back: Vec<_> = back.map(|target| modules[*target].as_str()).collect();
        let lines = found.entry(file.module[0].as_str()).or_default();
        lines.push(format!("{} <-> {}", modules[at], back.join(", ")));
    }
    let mut wrong = String::new();
    for (module, lines) in found {
        let allowed = IN_CIRCLES.iter().find(|(name, _)| *name == module);
        let allowed = allowed.map_or(0, |(_, count)| *count);
        if lines.len() > allowed {
            let _ = writeln!(wrong, "{module}: {} > {allowed}: {lines:#?}", lines.len());
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The file that a path from the crate's root leads to, re-exports of a `mod.rs` followed.
fn owner(path: &str, modules: &[String], code: &[String], depth: u8) -> Option<usize> {
    let mut module = path;
    loop {
        let file = modules.iter().position(|name| name == module);
        if let Some(file) = file {
            let rest = path[module.len()..].strip_prefix("::").unwrap_or_default();
            let item = rest.split("::").next().unwrap_or_default();
            // What a directory's map has from one of its files is that file's.
            for (at, _) in code[file].match_indices("use ") {
                let before = &code[file][..at];
                if !(before.ends_with("pub ") || before.ends_with(") ")) || depth > 3 {
                    continue;
                }
                for found in expand(&code[file][at + 4..]) {
                    if found.rsplit("::").next() == Some(item) && !found.starts_with("crate") {
                        let found = found.replace("self::", "");
                        let found = format!("{module}::{found}");
                        return owner(&found, modules, code, depth + 1);
                    }
                }
            }
            return Some(file);
        }
        module = &module[..module.rfind("::")?];
    }
}

/// What `wire/` offers and the library does not call, by the order that will call it. The list may only get shorter.
const NOT_YET_CALLED: [(&str, &str); 0] = [];

/// Floor 0 is read by people who want to know how gRPC works: what they read there is what runs.
#[test]
fn what_is_public_on_floor_0_is_used() {
    let files = files();
    let mut idle = BTreeSet::new();
    for file in files.iter().filter(|file| file.module[0] == "wire") {
        for line in file.code.lines() {
            let line = line.trim_start();
            let Some(item) = line.strip_prefix("pub ") else {
                continue;
            };
            let item = item.strip_prefix("const ").unwrap_or(item);
            let item = ["fn ", "struct ", "enum "]
                .iter()
                .find_map(|kind| item.strip_prefix(kind))
                .unwrap_or(item);
            let name: String = item
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if name.is_empty() || ["mod", "use"].contains(&name.as_str()) {
                continue;
            }
            let named = files
                .iter()
                .map(|file| named(&file.code, &name))
                .sum::<usize>();
            if named < 2 {
                idle.insert(format!("{}::{name}", file.module.join("::")));
            }
        }
    }
    for (name, order) in NOT_YET_CALLED {
        assert!(
            idle.remove(name),
            "{name} has a caller or is gone: strike it ({order})"
        );
    }
    assert!(idle.is_empty(), "no caller in src/: {idle:#?}");
}

/// How often the word stands in the code.
fn named(code: &str, word: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let found = code.match_indices(word);
    found
        .filter(|(at, _)| {
            !code[..*at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word)
        })
        .count()
}

/// The stops of the reading path in `src/lib.rs` are there, and can be read in an evening.
#[test]
fn the_reading_path_can_be_walked() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    let stops = lib.split("in eleven stops").nth(1).unwrap();
    let stops = stops.split("Files for other questions").next().unwrap();
    let stops = stops.lines().filter(|line| line.starts_with("//! | "));
    let names = stops.flat_map(|line| line.split('`').skip(1).step_by(2));
    let mut lines = 0;
    let mut count = 0;
    for name in names.filter(|name| name.ends_with(".rs")) {
        // The first stop is an example.
        let path = match name.starts_with("examples/") {
            true => src.join("..").join(name),
            false => src.join(name),
        };
        let text = fs::read_to_string(path);
        let text = text.unwrap_or_else(|error| panic!("src/lib.rs leads to {name}: {error}"));
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
        lines += code.count();
        count += 1;
    }
    assert!(count >= 15, "the table was not found");
    // 4,451 when this limit was set. The limit may only fall.
    assert!(lines <= 4_500, "{lines} lines are more than an evening");
}

/// A file of `src/`.
struct File {
    name: String,
    /// `["server", "call"]` for `server/call.rs`; a `mod.rs` is its directory.
    module: Vec<String>,
    /// Without comments and unit tests.
    code: String,
    /// The paths it names within the crate, from the crate's root on: `wire::code`, `Status`.
    paths: Vec<String>,
}

fn files() -> Vec<File> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut directories = vec![src.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(read(&src, &path));
            }
        }
    }
    files
}

fn read(src: &Path, path: &PathBuf) -> File {
    let name = path.strip_prefix(src).unwrap().with_extension("");
    let mut module: Vec<String> = name
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    let code = code_of(&fs::read_to_string(path).unwrap());
    let mut paths = Vec::new();
    // What the code generator *writes* names the crate, in strings.
    let crate_name = if module[0] == BESIDE {
        "crate::"
    } else {
        "::temaki::"
    };
    for (prefix, base) in [
        ("crate::", &[][..]),
        (crate_name, &[][..]),
        ("super::", &module[..module.len() - 1]),
        ("super::super::", &module[..module.len().saturating_sub(2)]),
    ] {
        for (at, _) in code.match_indices(prefix) {
            // `super::super::` is a prefix of its own; `$crate::` is `crate::` in a macro.
            let before = &code[..at];
            let after = &code[at + prefix.len()..];
            if before.ends_with("super::") || after.starts_with("super::") {
                continue;
            }
            if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            for path in expand(after) {
                let parts = base.iter().map(String::as_str).chain([path.as_str()]);
                paths.push(parts.collect::<Vec<_>>().join("::"));
            }
        }
    }
    let name = format!("src/{}.rs", name.display());
    File {
        name,
        module,
        code,
        paths,
    }
}

/// The code without comments, and without what stands behind the first `#[cfg(test)]` on the left
/// margin: unit tests are the end of a file.
fn code_of(text: &str) -> String {
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .map(|line| match line.find("//") {
            // Not the `//` of a URL in a string.
            Some(at) if !line[..at].ends_with(':') => &line[..at],
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first two parts of each path that `text` begins with: `a::b::c` is `a::b`, `{a, b::{c, d}}`
/// is `a` and `b::c` and `b::d`.
fn expand(text: &str) -> Vec<String> {
    let Some(group) = text.strip_prefix('{') else {
        let path: String = text
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '*' | '#'))
            .collect();
        if let Some(outer) = path.strip_suffix("::") {
            let inner = expand(&text[path.len()..]);
            return inner
                .iter()
                .map(|path| format!("{outer}::{path}"))
                .collect();
        }
        return vec![path];
    };
    let mut depth = 0;
    let mut items = vec![String::new()];
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => items.push(String::new()),
            c => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                items.last_mut().unwrap().push(c);
            }
        }
    }
    let items = items.iter().map(|item| item.trim());
    items
        .filter(|item| !item.is_empty())
        .flat_map(expand)
        .collect()
}

/// The top-level module that a path from the root leads to.
fn place(path: &str, roots: &BTreeMap<String, String>) -> Option<String> {
    let first = path.split("::").next()?;
    let is_module = floor_of(first).is_some() || ROOF.contains(&first) || first == BESIDE;
    match roots.get(first) {
        _ if is_module => Some(first.to_owned()),
        Some(module) => Some(module.clone()),
        // The foreign crates of generated code.
        None if first == "prost" => Some("wire".to_owned()),
        None => None,
    }
}

/// What the crate's root takes from the floors: `Status` is of `status`.
fn reexports() -> BTreeMap<String, String> {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let code = code_of(&fs::read_to_string(lib).unwrap());
    let mut roots = BTreeMap::new();
    for (at, _) in code.match_indices("\npub use ") {
        for path in expand(&code[at + "\npub use ".len()..]) {
            let module = path.split("::").next().unwrap();
            let name = path.rsplit("::").next().unwrap();
            // What is foreign is below everything.
            let module = floor_of(module).map_or("wire", |_| module);
            roots.insert(name.to_owned(), module.to_owned());
        }
    }
    // Its macros are found at the root as well.
    roots.insert("__client".to_owned(), "client".to_owned());
    // These only leave code out.
    roots.insert("__if_server".to_owned(), "wire".to_owned());
    roots.insert("__if_client".to_owned(), "wire".to_owned());
    roots
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(_, modules)| modules.contains(&module))
        .map(|(floor, _)| *floor)
}

/// Whether `word` stands in `code`, not as the end of another word.
fn contains_word(code: &str, word: &str) -> bool {
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn paths_are_read_as_rust_reads_them() {
    let rows: [(&str, &[&str], &str); 4] = [
        ("Status;", &["Status"], "one name"),
        (
            "call::timer::now)",
            &["call::timer::now"],
            "within an expression",
        ),
        (
            "{Code, Error, error::ErrorKind};",
            &["Code", "Error", "error::ErrorKind"],
            "a group",
        ),
        (
            "wire::{self, code::{self, Code}};",
            &["wire::self", "wire::code::self", "wire::code::Code"],
            "groups in a group",
        ),
    ];
    for (text, expected, why) in rows {
        assert_eq!(expand(text), expected, "{why}");
    }
    let upward = File {
        name: String::new(),
        module: vec!["wire".into(), "path".into()],
        code: String::new(),
        paths: vec!["server::router".into(), "Channel".into()],
    };
    let floors = upward
        .paths
        .iter()
        .map(|path| floor_of(&place(path, &reexports()).unwrap()));
    assert!(
        floors.eq([Some(3), Some(3)]),
        "what would be found, if it were there"
    );
}
