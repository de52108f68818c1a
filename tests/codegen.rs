//! What the code generator writes, held against files, against rustfmt and against its options.
//!
//! `TEMAKI_BLESS=1 cargo test --features codegen --test codegen` rewrites the files in
//! `tests/golden/`; read the difference before it is committed. `tests/golden.rs` compiles them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use temaki::codegen::{self, Builder};

const PROTOS: &str = "tests/codegen";

/// An output directory of its own for each run of the generator, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("temaki-codegen-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn builder(&self) -> Builder {
        codegen::configure()
            .out_dir(&self.0)
            .emit_rerun_if_changed(false)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn generate(
    protos: &[&str],
    includes: &[&str],
    name: &str,
    options: impl FnOnce(Builder) -> Builder,
) -> String {
    let scratch = Scratch::new();
    options(scratch.builder())
        .compile_protos(protos, includes)
        .unwrap();
    scratch.read(name)
}

fn golden(file: &str, text: &str) {
    let path = Path::new("tests/golden").join(file);
    if std::env::var_os("TEMAKI_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{} is not what is generated; TEMAKI_BLESS=1 writes it anew. Generated:\n{text}",
        path.display()
    );
}

#[test]
fn golden_texts() {
    let rows = [
        ("helloworld.proto", "helloworld.rs"),
        ("odd_names.proto", "odd.r#type.rs"),
        ("proto2.proto", "old.rs"),
        ("well_known.proto", "well_known.rs"),
        ("comments.proto", "comments.rs"),
    ];
    for (proto, name) in rows {
        let proto = format!("{PROTOS}/{proto}");
        let text = generate(&[&proto], &[PROTOS], name, |b| b);
        golden(&name.replace("r#", ""), &text);
    }
}

/// A file with names of all lengths in all places, so that each line breaks in each way it can.
fn long_names() -> String {
    let mut proto = String::from("syntax = \"proto3\";\npackage long;\n");
    for length in 1..=48 {
        let (upper, lower) = ("A".repeat(length), "b".repeat(length));
        proto += &format!(
            "message M{upper} {{
                string {lower}_text = 1;
                optional bytes {lower}_bytes = 2;
                repeated M{upper} {lower}_nested = 3;
                map<string, M{upper}> {lower}_map = 4;
                E{upper} {lower}_enum = 5;
                repeated E{upper} {lower}_enums = 6 [packed = false, deprecated = true];
                oneof {lower} {{ string {lower}_one = 7; M{upper} {lower}_other = 8; }}
            }}
            enum E{upper} {{ {upper}_ZERO = 0; {upper}_ONE = 1 [deprecated = true]; }}
            service Svc{upper} {{
                rpc Unary{upper}(M{upper}) returns (M{upper});
                rpc Client{upper}(stream M{upper}) returns (M{upper});
                rpc Server{upper}(M{upper}) returns (stream M{upper});
                rpc Both{upper}(stream M{upper}) returns (stream M{upper});
                rpc U(M{upper}) returns (M{upper});
                rpc S(M{upper}) returns (stream M{upper});
            }}
            service S{upper} {{ rpc Method{upper}(stream MAAA) returns (stream MAAA); }}
            "
        );
    }
    proto
}

#[test]
fn text_is_as_rustfmt_would_have_it() {
    let scratch = Scratch::new();
    let proto = scratch.write("long.proto", &long_names());
    scratch
        .builder()
        .compile_protos(&[proto], &[&scratch.0])
        .unwrap();
    let golden = fs::read_dir("tests/golden").unwrap();
    let golden: Vec<PathBuf> = golden.map(|entry| entry.unwrap().path()).collect();
    // The styles differ only where a line has to be broken in more than one place.
    for (style, files) in [("2024", vec![scratch.0.join("long.rs")]), ("2015", golden)] {
        let check = Command::new("rustfmt")
            .args(["--check", "--edition=2024", "--style-edition", style])
            .args(&files)
            .output();
        let Ok(check) = check else {
            eprintln!("no rustfmt on this machine: nothing to compare with");
            return;
        };
        let difference = String::from_utf8_lossy(&check.stdout);
        assert!(
            check.status.success(),
            "{difference}{}",
            String::from_utf8_lossy(&check.stderr)
        );
    }
}
