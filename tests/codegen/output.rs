//! What the code generator writes, held against files, against rustfmt and against its options.
//!
//! `TEMAKI_BLESS=1 cargo test --features codegen --test codegen output` rewrites the files in
//! `tests/golden/`; read the difference before it is committed. `tests/codegen/golden.rs` compiles them.

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

#[test]
fn golden_stubs_and_a_codec() {
    let text = generate(
        &["tests/codegen/helloworld.proto"],
        &[PROTOS],
        "helloworld.rs",
        |b| {
            b.generate_default_stubs(true)
                .codec_path("::temaki::codec::ProstCodec")
                .build_transport(false)
        },
    );
    golden("stubs.rs", &text);
}

/// All options of fields and types at once; `tests/codegen/golden.rs` compiles the text and uses it.
#[test]
fn golden_options_of_fields_and_types() {
    let text = generate(
        &["tests/codegen/fields.proto"],
        &[PROTOS],
        "fields.rs",
        |b| {
            b.bytes(".fields.Parcel.content")
                .btree_map(".fields")
                .boxed("Parcel.heaviest")
                .skip_debug(["Secret"])
                .type_attribute("Kind", "#[doc(alias = \"sort\")]")
                .enum_attribute("Parcel.sender", "#[derive(Eq, Hash)]")
                .message_attribute("Item", "#[derive(Eq, Hash)]")
                .field_attribute("Item.grams", "#[doc(alias = \"weight\")]")
                .field_attribute("Kind.KIND_LETTER", "#[doc(alias = \"mail\")]")
                .server_attribute("Post", "#[derive(Default)]")
                .client_attribute("Post", "#[derive(Default)]")
        },
    );
    golden("fields.rs", &text);
}

#[test]
fn golden_packages_in_packages() {
    let scratch = Scratch::new();
    scratch
        .builder()
        .include_file("nested.rs")
        .compile_protos(&["tests/codegen/nested/outer.proto"], &[PROTOS])
        .unwrap();
    for name in [
        "nested.rs",
        "nested.outer.rs",
        "nested.outer.inner.rs",
        "nested.shared.rs",
    ] {
        golden(&format!("nested/{name}"), &scratch.read(name));
    }
}

/// As `build.rs` makes it, for maintainers.
#[test]
fn what_is_checked_in_under_generated_is_what_is_generated() {
    let text = generate(
        &["proto/health.proto"],
        &["proto"],
        "grpc.health.v1.rs",
        |b| b,
    );
    assert!(
        text == fs::read_to_string("src/generated/health.rs").unwrap(),
        "TEMAKI_REGENERATE=1 cargo check --features _regenerate"
    );
}

#[test]
fn a_service_of_two_methods_stays_short() {
    let text = generate(
        &["tests/codegen/helloworld.proto"],
        &[PROTOS],
        "helloworld.rs",
        |b| b,
    );
    // The client's side has each signature twice: a mock's, and a transport's.
    for (side, limit) in [("server", 60), ("client", 85)] {
        let begin = text.find(&format!("/// The {side}'s side")).unwrap();
        let length = text[begin..].find("\n}\n").unwrap();
        let lines = text[begin..begin + length + 2].lines().count();
        assert!(lines < limit, "the {side}'s side has {lines} lines");
    }
}

/// Each option alone, and what it puts into the text or takes out of it.
#[test]
fn options() {
    type Change = fn(Builder) -> Builder;
    let rows: &[(&str, Change, &[&str], &[&str])] = &[
        (
            "build_server",
            |b| b.build_server(false),
            &["pub mod greeter_client {"],
            &["greeter_server"],
        ),
        (
            "build_client",
            |b| b.build_client(false),
            &["pub mod greeter_server {"],
            &["greeter_client"],
        ),
        (
            "neither",
            |b| b.build_client(false).build_server(false),
            &["pub struct HelloRequest {"],
            &["greeter_server", "greeter_client"],
        ),
        (
            "build_transport",
            |b| b.build_transport(false),
            &["::temaki::__client!(GreeterClient, without connect);"],
            &["::temaki::__client!(GreeterClient);"],
        ),
        (
            "extern_path of a message",
            |b| b.extern_path(".helloworld.HelloReply", "crate::Reply"),
            &["Response<crate::Reply>", "Request<super::HelloRequest>"],
            &["HelloReply"],
        ),
        (
            "extern_path of a package",
            |b| b.extern_path(".helloworld", "::elsewhere::v1"),
            &["Response<::elsewhere::v1::HelloReply>"],
            &["pub struct Hello", "super::Hello"],
        ),
        (
            "type_attribute",
            |b| b.type_attribute(".helloworld", "#[derive(PartialOrd)]"),
            &["#[derive(PartialOrd, Clone, PartialEq"],
            &[],
        ),
        (
            "message_attribute",
            |b| b.message_attribute("HelloReply", "#[derive(PartialOrd)]"),
            &["#[derive(PartialOrd, Clone, PartialEq"],
            &[],
        ),
        (
            "field_attribute",
            |b| b.field_attribute("HelloRequest.name", "#[doc(hidden)]"),
            &["    #[doc(hidden)]\n    pub name:"],
            &[],
        ),
        (
            "server_attribute",
            |b| b.server_attribute(".helloworld.Greeter", "#[derive(Default)]"),
            &["    #[derive(Debug, Clone, Copy, Default)]\n    pub struct GreeterMethods;"],
            &[],
        ),
        (
            "server_mod_attribute",
            |b| b.server_mod_attribute("Greeter", "#[cfg(unix)]"),
            &["#[cfg(unix)]\npub mod greeter_server {"],
            &["#[cfg(unix)]\npub mod greeter_client {"],
        ),
        (
            "trait_attribute",
            |b| b.trait_attribute(".", "#[diagnostic::on_unimplemented()]"),
            &["    #[diagnostic::on_unimplemented()]\n    pub trait Greeter: Send"],
            &["on_unimplemented()]\n    pub trait GreeterCalls"],
        ),
        (
            "client_attribute",
            |b| b.client_attribute("helloworld.Greeter", "#[derive(Default)]"),
            &["    #[derive(Debug, Clone, Default)]\n    pub struct GreeterClient<"],
            &[],
        ),
        (
            "client_mod_attribute",
            |b| b.client_mod_attribute(".", "#[cfg(unix)]"),
            &["#[cfg(unix)]\npub mod greeter_client {"],
            &["#[cfg(unix)]\npub mod greeter_server {"],
        ),
        (
            "an attribute of another service",
            |b| b.client_attribute(".other", "#[derive(Default)]"),
            &[],
            &["Default)]"],
        ),
        (
            "skip_debug",
            |b| b.skip_debug(["HelloRequest"]),
            &["#[prost(skip_debug)]\n#[allow"],
            &[],
        ),
        (
            "disable_comments of a field",
            |b| b.disable_comments([".helloworld.HelloRequest"]),
            &["/// Sends a greeting."],
            &["Whom to greet."],
        ),
        (
            "disable_comments of a method",
            |b| b.disable_comments(["helloworld.Greeter.SayHello"]),
            &[
                "/// The call `/helloworld.Greeter/SayHello`.",
                "/// The greeting service.",
            ],
            &["/// Sends a greeting.\n"],
        ),
        (
            "codec_path",
            |b| b.codec_path("crate::json::JsonCodec"),
            &["                crate::json::JsonCodec::default(),"],
            &["ProstCodec"],
        ),
        (
            "generate_default_stubs",
            |b| b.generate_default_stubs(true),
            &[
                "Result<Response<ResponseStream<super::HelloReply>>, Status>> + Send\n        {",
                "Status::unimplemented(message)",
            ],
            &["Stream<Item"],
        ),
    ];
    for (name, change, present, absent) in rows {
        let text = generate(
            &["tests/codegen/helloworld.proto"],
            &[PROTOS],
            "helloworld.rs",
            change,
        );
        for part in *present {
            assert!(text.contains(part), "{name}: {part} is missing in\n{text}");
        }
        for part in *absent {
            assert!(!text.contains(part), "{name}: {part} is still in\n{text}");
        }
    }
}

#[test]
fn options_of_fields_and_enums() {
    let scratch = Scratch::new();
    let proto = scratch.write(
        "fields.proto",
        r#"syntax = "proto3";
        package fields;
        message A { bytes one = 1; bytes two = 2; map<string, B> three = 3; B four = 4; }
        message B { enum Kind { ZERO = 0; } Kind kind = 1; }"#,
    );
    scratch
        .builder()
        .bytes("one")
        .bytes(".fields.B")
        .btree_map(".")
        .boxed(".fields.A.four")
        .enum_attribute("Kind", "#[derive(Default)]")
        .compile_protos(&[proto], &[&scratch.0])
        .unwrap();
    let text = scratch.read("fields.rs");
    for part in [
        "pub one: ::temaki::prost::bytes::Bytes,",
        "pub two: ::temaki::prost::alloc::vec::Vec<u8>,",
        "    pub three:\n        ::temaki::prost::alloc::collections::BTreeMap<",
        "pub four: ::core::option::Option<::temaki::prost::alloc::boxed::Box<B>>,",
        "    #[derive(\n        Default,\n        Clone,",
        "#[derive(Clone, Debug, PartialEq, ::temaki::prost::Message)]\n#[prost(skip_debug)]",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn well_known_types_can_be_compiled_like_any_other() {
    let scratch = Scratch::new();
    scratch
        .builder()
        .compile_well_known_types(true)
        .include_file("all.rs")
        .compile_protos(&["tests/codegen/well_known.proto"], &[PROTOS])
        .unwrap();
    let text = scratch.read("well_known.rs");
    assert!(
        text.contains("Request<super::super::google::protobuf::Empty>"),
        "{text}"
    );
    assert!(text.contains("pub at: ::core::option::Option<super::google::protobuf::Timestamp>,"));
    assert!(!text.contains("prost_types"));
    assert!(
        scratch
            .read("google.protobuf.rs")
            .contains("pub struct Timestamp {")
    );
    let all = scratch.read("all.rs");
    assert!(
        all.contains("    pub mod protobuf {\n        include!(\"google.protobuf.rs\");"),
        "{all}"
    );
}

#[test]
fn the_descriptor_set_is_written_and_read_again() {
    let (first, second, third) = (Scratch::new(), Scratch::new(), Scratch::new());
    let set = first.0.join("set.bin");
    first
        .builder()
        .file_descriptor_set_path(&set)
        .compile_protos(&["tests/codegen/comments.proto"], &[PROTOS])
        .unwrap();
    second.builder().compile_fds_file(&set).unwrap();
    assert_eq!(
        first.read("comments.rs"),
        second.read("comments.rs"),
        "a ready descriptor set"
    );

    // As `buf build --exclude-source-info` writes it, and as a careless tool might.
    use protox::prost::Message as _;
    let mut fds = codegen::FileDescriptorSet::decode(fs::read(&set).unwrap().as_slice()).unwrap();
    let info = fds.file[0].source_code_info.as_mut().unwrap();
    info.location.retain(|location| location.path.len() < 3);
    third.builder().compile_fds(fds.clone()).unwrap();
    assert!(
        third.read("comments.rs").contains("/// How it \\[went\\]."),
        "the comments that are left"
    );
    fds.file[0].source_code_info = None;
    third.builder().compile_fds(fds.clone()).unwrap();
    assert!(!third.read("comments.rs").contains("How it"), "no comments");

    fds.file[0].syntax = Some("editions".to_owned());
    let error = third.builder().compile_fds(fds).unwrap_err();
    assert_eq!(
        error.to_string(),
        "comments.proto: this file uses editions, which temaki's codegen does not read"
    );
}

/// Written by the build script of `crates/protos`, included there by the macro.
#[test]
fn the_descriptor_set_is_included_by_its_name() {
    use protox::prost::Message as _;
    let set = codegen::FileDescriptorSet::decode(temaki_protos::FILE_DESCRIPTOR_SET).unwrap();
    let file = set.file.iter().find(|file| file.name() == "user.proto");
    assert_eq!(file.unwrap().service[0].name(), "UserService");
}

/// A set whose imports were left out (`protoc -o` without `--include_imports`), and what is no
/// sound set at all: errors, no panics.
#[test]
fn a_descriptor_set_with_gaps_is_an_error() {
    use protox::prost::Message as _;
    let scratch = Scratch::new();
    let set = scratch.0.join("set.bin");
    scratch
        .builder()
        .file_descriptor_set_path(&set)
        .compile_protos(&["tests/codegen/nested/outer.proto"], &[PROTOS])
        .unwrap();
    let whole = codegen::FileDescriptorSet::decode(fs::read(&set).unwrap().as_slice()).unwrap();
    let error = |change: &dyn Fn(&mut codegen::FileDescriptorSet)| {
        let mut fds = whole.clone();
        change(&mut fds);
        scratch.builder().compile_fds(fds).unwrap_err().to_string()
    };

    let lonely = error(&|fds| fds.file.retain(|file| file.name() == "nested/outer.proto"));
    assert_eq!(
        lonely,
        "the descriptor set is not whole: imported file 'nested/inner.proto' has not been added\n\
         let it include its imports: `protoc --include_imports -o`, or `buf build -o`"
    );
    let typo = error(&|fds| {
        for file in &mut fds.file {
            for service in &mut file.service {
                service.method[0].input_type = Some(".nested.Absent".to_owned());
            }
        }
    });
    assert!(
        typo.starts_with("the descriptor set is not whole: name '.nested.Absent' is not defined"),
        "{typo}"
    );
}

/// The well-known types as another version of another tool has them; without them a set is not whole.
#[test]
fn a_descriptor_set_brings_its_own_well_known_types() {
    use protox::prost::Message as _;
    let scratch = Scratch::new();
    let set = scratch.0.join("set.bin");
    scratch
        .builder()
        .file_descriptor_set_path(&set)
        .compile_protos(&["tests/codegen/well_known.proto"], &[PROTOS])
        .unwrap();
    let text = scratch.read("well_known.rs");
    let whole = codegen::FileDescriptorSet::decode(fs::read(&set).unwrap().as_slice()).unwrap();

    let mut other = whole.clone();
    for file in &mut other.file {
        if file.name().starts_with("google/") {
            file.source_code_info = None;
            file.options = None;
        }
    }
    assert_ne!(other, whole);
    scratch.builder().compile_fds(other).unwrap();
    assert_eq!(scratch.read("well_known.rs"), text);

    let mut none = whole.clone();
    none.file.retain(|file| !file.name().starts_with("google/"));
    assert!(none.file.len() < whole.file.len());
    let error = scratch.builder().compile_fds(none).unwrap_err().to_string();
    assert!(
        error.starts_with("the descriptor set is not whole: imported file 'google/protobuf/"),
        "{error}"
    );
}

/// What cargo gives and takes: `OUT_DIR`, and lines on standard output. In a process of its own,
/// since both are the whole process's.
#[test]
fn in_a_build_script() {
    let scratch = Scratch::new();
    let run = |script: &str, change: &dyn Fn(&mut Command)| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args([
                "output::a_build_script",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env("OUT_DIR", &scratch.0)
            .env("CARGO_CFG_TARGET_OS", "linux")
            .env(BUILD_SCRIPT, script);
        change(&mut child);
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}: {text}");
        let said = |line: &&str| line.contains("cargo:") || line.starts_with("error: ");
        text.lines().filter(said).map(str::to_owned).collect()
    };
    let as_it_is = |_: &mut Command| {};
    let without = |child: &mut Command, name: &str| {
        child.env_remove(name);
    };
    let nothing: Vec<String> = Vec::new();

    let said: Vec<String> = run("one file", &as_it_is);
    assert_eq!(
        said,
        ["cargo:rerun-if-changed=tests/codegen/helloworld.proto"]
    );
    assert!(
        scratch
            .read("helloworld.rs")
            .contains("pub mod greeter_client {")
    );
    assert_eq!(
        run("one file", &|child: &mut Command| {
            without(child, "CARGO_CFG_TARGET_OS");
            child.env("CARGO", "cargo");
        }),
        nothing,
        "a test, or a program that `cargo run` started"
    );

    let mut said = run("imports", &as_it_is);
    said.sort();
    let files = ["inner", "outer", "shared"];
    let files =
        files.map(|name| format!("cargo:rerun-if-changed=tests/codegen/nested/{name}.proto"));
    assert_eq!(said, files, "what was imported counts, too");
    let all = scratch.read("all.rs");
    assert!(
        all.contains("include!(concat!(env!(\"OUT_DIR\"), \"/nested.outer.rs\"));"),
        "{all}"
    );
    assert!(scratch.0.join("nested.outer.inner.rs").is_file());

    assert_eq!(run("quiet", &as_it_is), nothing, "emit_rerun_if_changed");
    assert_eq!(
        run("one file", &|child: &mut Command| without(child, "OUT_DIR")).last(),
        Some(
            &"error: where to? OUT_DIR is not set: outside a build script, say it with out_dir(…)"
                .to_owned()
        )
    );
}

const BUILD_SCRIPT: &str = "TEMAKI_TEST_BUILD_SCRIPT";

#[test]
#[ignore = "not a test: the process that `in_a_build_script` runs"]
fn a_build_script() {
    let outcome = match std::env::var(BUILD_SCRIPT).as_deref() {
        Ok("one file") => codegen::compile_protos("tests/codegen/helloworld.proto"),
        Ok("imports") => codegen::configure()
            .include_file("all.rs")
            .compile_protos(&["tests/codegen/nested/outer.proto"], &[PROTOS]),
        Ok("quiet") => codegen::configure()
            .emit_rerun_if_changed(false)
            .compile_protos(&["tests/codegen/nested/outer.proto"], &[PROTOS]),
        _ => return,
    };
    if let Err(error) = outcome {
        // On a line of its own, away from the test harness's words.
        println!("\nerror: {error}");
    }
}

#[test]
fn a_file_that_says_the_same_is_left_alone() {
    let scratch = Scratch::new();
    let written = || {
        let files = &["tests/codegen/helloworld.proto"];
        scratch.builder().compile_protos(files, &[PROTOS]).unwrap();
        fs::metadata(scratch.0.join("helloworld.rs"))
            .unwrap()
            .modified()
            .unwrap()
    };
    assert_eq!(written(), written(), "cargo would build everything anew");
}

/// A mistake, and all that is said of it.
#[test]
fn errors_say_where_and_what_to_do() {
    let rows = [
        (
            "syntax = \"proto3\";\nservice A {\n  rpc B(C) returns (C);\n}\n",
            "x.proto:3:9: name 'C' is not defined\n  |\n3 |   rpc B(C) returns (C);\n  |         ^\n\
             define it, or import the file that does",
        ),
        (
            "syntax = \"proto3\";\nmessage A {\n\tstring a = 1\n}\n",
            "x.proto:4:1: expected ';' or '[', but found '}'\n  |\n4 | }\n  | ^",
        ),
        (
            "edition = \"2023\";\nmessage A {}\n",
            "x.proto:1:1: this file uses editions, which temaki's codegen does not read\n  |\n\
             1 | edition = \"2023\";\n  | ^\nwrite `syntax = \"proto3\";` (or \"proto2\") in place of \
             the edition, and say the same with its keywords",
        ),
        (
            "syntax = \"proto3\";\nimport \"y.proto\";\n",
            "x.proto:2:1: import 'y.proto' not found\n  |\n2 | import \"y.proto\";\n  | ^\n\
             a path in an import begins at one of the include directories, the second argument of \
             compile_protos",
        ),
        (
            "syntax = \"proto2\";\nmessage A {\n  optional int32 a_b = 1;\n  optional int32 aB = 2;\n}\n",
            "x.proto:4:18: a field with the same JSON name is already defined\n  |\n\
             4 |   optional int32 aB = 2;\n  |                  ^\nrename one of the two",
        ),
        (
            "syntax = \"proto3\";\nmessage A {\n\tint32 a = 1;\n\tint32 b = 1;\n}\n",
            "x.proto:4:12: field number '1' is already used\n  |\n4 | \tint32 b = 1;\n  | \t          ^\n\
             give it a number of its own",
        ),
    ];
    for (proto, expected) in rows {
        assert_eq!(compiled("x.proto", proto).unwrap_err(), expected);
    }
}

/// Compiles one file alone; what is said of it, with the folder taken out.
fn compiled(name: &str, proto: &str) -> Result<(), String> {
    let scratch = Scratch::new();
    let path = scratch.write(name, proto);
    let outcome = scratch.builder().compile_protos(&[path], &[&scratch.0]);
    outcome.map_err(|error| {
        assert_eq!(
            format!("{error:?}"),
            error.to_string(),
            "main prints the one, people write the other"
        );
        error
            .to_string()
            .replace(&format!("{}/", scratch.0.display()), "")
    })
}

/// Files by name and text, compiled in an order; the descriptor set, or what is said.
fn compiled_set(
    files: &[(&str, &str)],
    order: &[&str],
) -> Result<(Scratch, codegen::FileDescriptorSet), String> {
    use protox::prost::Message as _;
    let scratch = Scratch::new();
    for (name, text) in files {
        if let Some((directory, _)) = name.rsplit_once('/') {
            fs::create_dir_all(scratch.0.join(directory)).unwrap();
        }
        scratch.write(name, text);
    }
    let set = scratch.0.join("set.bin");
    let outcome = scratch
        .builder()
        .include_file("all.rs")
        .file_descriptor_set_path(&set)
        .compile_protos(order, &[&scratch.0]);
    let directory = format!("{}/", scratch.0.display());
    outcome.map_err(|error| error.to_string().replace(&directory, ""))?;
    let fds = codegen::FileDescriptorSet::decode(fs::read(&set).unwrap().as_slice()).unwrap();
    Ok((scratch, fds))
}

const D_C_A: [(&str, &str); 3] = [
    (
        "d.proto",
        "syntax = \"proto3\";\npackage x.ext.config;\nmessage D {}\n",
    ),
    (
        "c.proto",
        "syntax = \"proto3\";\npackage x.config;\nmessage C { message In {} }\n",
    ),
    (
        "a.proto",
        "syntax = \"proto3\";\npackage x.ext.tls;\nimport \"c.proto\";\n\
         message A { config.C c = 1; config.C.In in = 2; map<string, config.C> m = 3;\n\
         oneof o { config.C one = 4; } message Deep { config.C c = 1; } }\n\
         service S { rpc Get(config.C) returns (stream config.C.In); }\n",
    ),
];

/// Packages of files that were not imported are not seen, in whatever order the files come.
#[test]
fn d06_names_of_files_that_were_not_imported_are_not_seen() {
    let orders: [&[&str]; 5] = [
        &["d.proto", "a.proto"],
        &["a.proto", "d.proto"],
        &["d.proto", "c.proto", "a.proto"],
        &["a.proto", "d.proto", "a.proto", "d.proto"],
        &["c.proto", "a.proto", "d.proto"],
    ];
    let mut texts = Vec::new();
    for order in orders {
        let (scratch, fds) = compiled_set(&D_C_A, order).expect("as protoc does");
        assert_eq!(fds.file.len(), 3, "{order:?}");
        let a = fds
            .file
            .iter()
            .find(|file| file.name() == "a.proto")
            .unwrap();
        let field = |index: usize| a.message_type[0].field[index].type_name();
        assert_eq!((field(0), field(1)), (".x.config.C", ".x.config.C.In"));
        assert_eq!(a.service[0].method[0].input_type(), ".x.config.C");
        texts.push(scratch.read("x.ext.tls.rs"));
        assert!(scratch.read("x.ext.config.rs").contains("pub struct D {}"));
    }
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]));

    // What an import imports for itself is not seen either; what it hands on is.
    let mut files = D_C_A;
    files[1].1 = "syntax = \"proto3\";\npackage x.config;\nimport \"d.proto\";\n\
                  message C { message In {} }\n";
    compiled_set(&files, &["a.proto"]).expect("d.proto is c.proto's own affair");
    files[1].1 = "syntax = \"proto3\";\npackage x.config;\nimport public \"d.proto\";\n\
                  message C { message In {} }\n";
    let error = compiled_set(&files, &["a.proto"]).err().unwrap();
    let expected = "a.proto:4:13: 'config.C' resolves to 'x.ext.config.C', which is not defined";
    assert!(error.starts_with(expected), "{error}");
    assert!(
        error.contains("\n4 | message A { config.C c = 1;"),
        "{error}"
    );
}

/// The innermost scope that has the first part of a name decides, as in protoc.
#[test]
fn d06_names_mean_what_they_mean_to_protoc() {
    let head = "syntax = \"proto3\";\npackage a.b;\nimport \"o.proto\";\n";
    let other = "syntax = \"proto3\";\npackage a;\nmessage M { message In {} }\n\
                 message N { message In {} }\n";
    // The file's own text, and the type of the first field, or what is said.
    let rows = [
        ("message X { a.M.In f = 1; }", Ok(".a.M.In")),
        ("message X { .a.M.In f = 1; }", Ok(".a.M.In")),
        ("message X { M.In f = 1; }", Ok(".a.M.In")),
        (
            "message X { M.In f = 1; message M { message In {} } }",
            Ok(".a.b.X.M.In"),
        ),
        (
            "message X { N.In f = 1; } message N { message In {} }",
            Ok(".a.b.N.In"),
        ),
        ("message X { M.In f = 1; int32 M = 2; }", Ok(".a.M.In")),
        (
            "message X { M.In f = 1; } message M {}",
            Err("x.proto:4:13: 'M.In' resolves to 'a.b.M.In', which is not defined"),
        ),
        (
            "message X { M.Out f = 1; }",
            Err("x.proto:4:13: 'M.Out' resolves to 'a.M.Out', which is not defined"),
        ),
        (
            "message X { no.M f = 1; }",
            Err("x.proto:4:13: name 'no.M' is not defined"),
        ),
    ];
    for (text, expected) in rows {
        let text = format!("{head}{text}\n");
        let outcome = compiled_set(&[("o.proto", other), ("x.proto", &text)], &["x.proto"]);
        match (outcome, expected) {
            (Ok((_, fds)), Ok(expected)) => {
                let x = fds
                    .file
                    .iter()
                    .find(|file| file.name() == "x.proto")
                    .unwrap();
                assert_eq!(x.message_type[0].field[0].type_name(), expected, "{text}");
            }
            (Err(error), Err(expected)) => assert!(error.starts_with(expected), "{error}"),
            (outcome, _) => panic!("{text}: {:?}", outcome.map(|_| "compiled")),
        }
    }
}

/// In the manner of Envoy's API: packages in each other, options of one's own, one set of all.
#[test]
fn d06_a_large_set_of_packages_in_packages_compiles_as_one() {
    let files = [
        (
            "udpa/annotations/status.proto",
            "syntax = \"proto3\";\npackage udpa.annotations;\n\
             import \"google/protobuf/descriptor.proto\";\n\
             message StatusAnnotation { bool work_in_progress = 1; float weight = 2; }\n\
             extend google.protobuf.FileOptions { StatusAnnotation file_status = 222707719; }\n\
             extend google.protobuf.FieldOptions { float weight = 222707720; }\n",
        ),
        (
            "envoy/config/core/v3/base.proto",
            "syntax = \"proto3\";\npackage envoy.config.core.v3;\n\
             import \"udpa/annotations/status.proto\";\n\
             option (udpa.annotations.file_status).work_in_progress = true;\n\
             message Node { string id = 1 [(udpa.annotations.weight) = inf]; }\n",
        ),
        (
            "envoy/extensions/config/v3/config.proto",
            "syntax = \"proto3\";\npackage envoy.extensions.config.v3;\n\
             import \"envoy/config/core/v3/base.proto\";\n\
             message Config { envoy.config.core.v3.Node node = 1; }\n",
        ),
        (
            "envoy/extensions/udpa/v3/udpa.proto",
            "syntax = \"proto3\";\npackage envoy.extensions.udpa.v3;\nmessage Udpa {}\n",
        ),
        (
            "envoy/extensions/tls/v3/tls.proto",
            "syntax = \"proto3\";\npackage envoy.extensions.tls.v3;\n\
             import \"envoy/config/core/v3/base.proto\";\n\
             import \"udpa/annotations/status.proto\";\n\
             option (udpa.annotations.file_status).weight = 2;\n\
             message Tls { config.core.v3.Node node = 1; }\n",
        ),
    ];
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let reversed: Vec<&str> = names.iter().rev().copied().collect();
    for order in [names, reversed] {
        let (scratch, fds) = compiled_set(&files, &order).expect("as protoc does");
        assert_eq!(fds.file.len(), 6, "with descriptor.proto");
        let tls = scratch.read("envoy.extensions.tls.v3.rs");
        let node = "super::super::super::config::core::v3::Node";
        assert!(tls.contains(node), "{tls}");
    }
}

#[test]
fn d06_what_an_import_lacks_is_said_at_the_import() {
    let rows = [
        (
            "import \"y.proto\";\nimport \"y.proto\";\n",
            "x.proto:3:1: import 'y.proto' was listed twice",
        ),
        (
            "import \"x.proto\";\n",
            "x.proto:2:1: import cycle detected: x.proto -> x.proto",
        ),
        (
            "import \"z.proto\";\n",
            "z.proto:2:1: import cycle detected: x.proto -> z.proto -> x.proto",
        ),
    ];
    for (text, expected) in rows {
        let text = format!("syntax = \"proto3\";\n{text}");
        let files = [
            ("x.proto", text.as_str()),
            ("y.proto", "syntax = \"proto3\";\n"),
            ("z.proto", "syntax = \"proto3\";\nimport \"x.proto\";\n"),
        ];
        let error = compiled_set(&files, &["x.proto"]).err().unwrap();
        assert!(error.starts_with(expected), "{error}");
    }
    // The same name under two includes: the first is meant.
    let scratch = Scratch::new();
    for directory in ["one", "two"] {
        fs::create_dir_all(scratch.0.join(directory)).unwrap();
        scratch.write(&format!("{directory}/x.proto"), "syntax = \"proto3\";\n");
    }
    let includes = ["one", "two"].map(|directory| scratch.0.join(directory));
    let second = scratch.0.join("two/x.proto");
    let outcome = scratch.builder().compile_protos(&[&second], &includes);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("/two/x.proto' is shadowed by '"), "{error}");
}

/// What protoc reads in a file, whatever an editor or a time long ago has left there.
#[test]
fn d07_marks_and_old_letters_and_declarations_are_taken() {
    let rows: [(&[u8], &str); 5] = [
        (
            b"\xEF\xBB\xBFsyntax = \"proto3\";\npackage p;\nmessage A {}\n",
            "a byte order mark",
        ),
        (
            b"// caf\xE9\nsyntax = \"proto3\";\npackage p;\n/* \xFCber */ message A {}\n",
            "Latin-1 in comments",
        ),
        (
            b"syntax = \"proto2\";\npackage p;\nmessage A {\n  extensions 100 [declaration = {\n\
              number: 100 full_name: \".p.x\" type: \"int32\" }];\n}\n",
            "a declaration of one number",
        ),
        (
            b"syntax = \"proto2\";\npackage p;\nmessage A {\n  extensions 1 to max [\n\
              verification = UNVERIFIED ];\n}\n",
            "a declaration of a range",
        ),
        (
            b"syntax = \"proto2\";\npackage p;\nimport \"google/protobuf/descriptor.proto\";\n\
              extend google.protobuf.FieldOptions { optional double f = 50000; }\n\
              message A { optional float a = 1 [(f) = inf, default = -inf];\n\
              optional float b = 2 [(p.f) = nan, default = nan]; }\n",
            "numbers that are names",
        ),
    ];
    for (bytes, why) in rows {
        let scratch = Scratch::new();
        let path = scratch.0.join("x.proto");
        fs::write(&path, bytes).unwrap();
        let outcome = scratch.builder().compile_protos(&[path], &[&scratch.0]);
        outcome.unwrap_or_else(|error| panic!("{why}: {error}"));
        assert!(scratch.read("p.rs").contains("pub struct A"), "{why}");
    }
    let latin = b"syntax = \"proto3\";\npackage p;\n// caf\xE9\nmessage A {}\n";
    let scratch = Scratch::new();
    let path = scratch.0.join("x.proto");
    fs::write(&path, latin).unwrap();
    let outcome = scratch.builder().compile_protos(&[path], &[&scratch.0]);
    outcome.unwrap();
    assert!(
        scratch.read("p.rs").contains("/// caf\u{E9}\n"),
        "it is read"
    );
}

/// … and what is not taken, in plain words and with its place, which stays where it was.
#[test]
fn d07_what_is_not_taken_is_refused_with_its_place() {
    let rows: [(&[u8], &str); 4] = [
        (
            b"syntax = \"proto3\";\nmessage A\xE9 {}\n",
            "x.proto:2:10: the byte 0xE9 is not UTF-8, which a file is outside its comments\n  |\n\
             2 | message A\u{FFFD} {}\n  |          ^",
        ),
        (
            b"syntax = \"proto2\";\nimport \"google/protobuf/descriptor.proto\";\n\
              extend google.protobuf.FieldOptions { optional float f = 50000; }\n\
              message A { optional int32 a = 1 [(f) = -inf]; }\n",
            "x.proto:4:41: the value of an option is a name behind a minus, such as `-inf`, which \
             temaki's codegen does not read\n",
        ),
        (
            b"\xEF\xBB\xBFsyntax = \"proto3\"; mesage A {}\n",
            "x.proto:1:20: expected ",
        ),
        (
            b"syntax = \"proto2\"; message A { extensions 100 [a = {b: [1]}]; optional Gone b = 1; }\n",
            "x.proto:1:72: name 'Gone' is not defined\n",
        ),
    ];
    for (bytes, expected) in rows {
        let scratch = Scratch::new();
        let path = scratch.0.join("x.proto");
        fs::write(&path, bytes).unwrap();
        let outcome = scratch.builder().compile_protos(&[path], &[&scratch.0]);
        let error = outcome.unwrap_err().to_string();
        let error = error.replace(&format!("{}/", scratch.0.display()), "");
        assert!(error.starts_with(expected), "{error}");
    }
}

/// Names that rustc would find to be the same, at a place that nobody wrote.
#[test]
fn names_that_are_one_in_rust_are_refused() {
    // The file after `package p;` on its second line, and what is said.
    let rows = [
        (
            "service Foo {}\nservice FOO {}\n",
            "x.proto:4:9: service 'FOO' and service 'Foo' (line 3) are both `foo_server` in Rust\n  |\n\
             4 | service FOO {}\n  |         ^\nrename one of the two",
        ),
        (
            "service FooBar {}\nservice Foo_Bar {}\n",
            "x.proto:4:9: service 'Foo_Bar' and service 'FooBar' (line 3) are both `foo_bar_server` in Rust",
        ),
        (
            "service Foo {}\nmessage FooServer { message In {} }\n",
            "x.proto:3:9: service 'Foo' and message 'FooServer' (line 4) are both `foo_server` in Rust",
        ),
        (
            "service Foo {}\nmessage FooClient { oneof in { int32 a = 1; } }\n",
            "x.proto:3:9: service 'Foo' and message 'FooClient' (line 4) are both `foo_client` in Rust",
        ),
        (
            "message User_Id {}\nmessage UserID {}\n",
            "x.proto:4:9: message 'UserID' and message 'User_Id' (line 3) are both `UserId` in Rust",
        ),
        (
            "message Kind {}\nenum KIND { NO = 0; }\n",
            "x.proto:4:6: enum 'KIND' and message 'Kind' (line 3) are both `Kind` in Rust",
        ),
        (
            "message Outer {\n  message In {}\n  enum IN { NO = 0; }\n}\n",
            "x.proto:5:8: enum 'IN' and message 'In' (line 4) are both `In` in Rust",
        ),
        (
            "message A {\n  int32 aB = 1;\n  oneof a_b { int32 c = 2; }\n}\n",
            "x.proto:5:9: oneof 'a_b' and field 'aB' (line 4) are both `a_b` in Rust",
        ),
        (
            "message A {\n  int32 a_b = 1;\n  int32 AB = 2;\n}\n",
            "x.proto:5:9: camel-case name of field 'a_b' conflicts with field 'AB'\n  |\n\
             5 |   int32 AB = 2;\n  |         ^\nrename one of the two",
        ),
    ];
    for (proto, expected) in rows {
        let error = compiled(
            "x.proto",
            &format!("syntax = \"proto3\";\npackage p;\n{proto}"),
        );
        let error = error.expect_err(proto);
        assert!(error.starts_with(expected), "{error}");
        assert!(error.ends_with("rename one of the two"), "{error}");
    }
    // Proto2 has fields that proto3 would not.
    let error = compiled(
        "x.proto",
        "syntax = \"proto2\";\nmessage A {\n  oneof o { int32 A_B = 1; int32 a_b = 2; }\n}\n",
    );
    let error = error.unwrap_err();
    let expected = "x.proto:3:34: field 'a_b' and field 'A_B' (line 3) are both `AB` in Rust";
    assert!(error.starts_with(expected), "{error}");
}

/// What looks like a collision, and is none.
#[test]
fn names_that_only_look_the_same_are_taken() {
    let rows = [
        (
            "service Foo {} message FooServer {}",
            "a message without a module",
        ),
        (
            "service Foo {} message foo { message In {} }",
            "another module",
        ),
        ("service Foo {} service FooServer {}", "one more `_server`"),
        (
            "message A { oneof kind { int32 b = 1; } message Kind {} }",
            "prost-build's `KindOneOf`",
        ),
        (
            "enum Kind { KIND_A = 0; } message A { Kind kind = 1; }",
            "a field and a type",
        ),
        (
            "message A { optional int32 b = 1; }",
            "the oneof of `optional`",
        ),
        (
            "message A { map<string, A> b = 1; message B {} }",
            "the message of a map",
        ),
        (
            "service A { rpc Get(M) returns (M); rpc get(M) returns (M); } message M {}",
            "methods",
        ),
    ];
    for (proto, why) in rows {
        let proto = format!("syntax = \"proto3\";\npackage p;\n{proto}");
        compiled("x.proto", &proto).unwrap_or_else(|error| panic!("{why}: {error}"));
    }
}

#[test]
fn names_meet_across_files_and_packages() {
    let scratch = Scratch::new();
    let head = "syntax = \"proto3\";\npackage";
    scratch.write("a.proto", &format!("{head} p;\nservice Foo {{}}\n"));
    let same = scratch.write(
        "b.proto",
        &format!("{head} p;\nimport \"a.proto\";\nservice FOO {{}}\n"),
    );
    let below = scratch.write(
        "c.proto",
        &format!("{head} p.foo_client;\nimport \"a.proto\";\n"),
    );
    let directory = format!("{}/", scratch.0.display());
    let compile = |builder: Builder, proto: &Path| {
        let outcome = builder.compile_protos(&[proto], &[&scratch.0]);
        outcome.map_err(|error| error.to_string().replace(&directory, ""))
    };

    let error = compile(scratch.builder(), &same).unwrap_err();
    let expected =
        "b.proto:4:9: service 'FOO' and service 'Foo' (a.proto:3:9) are both `foo_server` in Rust";
    assert!(error.starts_with(expected), "{error}");
    compile(
        scratch.builder().build_client(false).build_server(false),
        &same,
    )
    .unwrap();

    compile(scratch.builder(), &below).unwrap();
    let error = compile(scratch.builder().include_file("all.rs"), &below).unwrap_err();
    let expected = "c.proto:2:1: package 'p.foo_client' and service 'Foo' (a.proto:3:9) are both `foo_client` in Rust";
    assert!(error.starts_with(expected), "{error}");

    // A descriptor set may not say where.
    use protox::prost::Message as _;
    let set = scratch.0.join("set.bin");
    let builder = scratch.builder().build_client(false).build_server(false);
    compile(builder.file_descriptor_set_path(&set), &same).unwrap();
    let mut fds = codegen::FileDescriptorSet::decode(fs::read(&set).unwrap().as_slice()).unwrap();
    for file in &mut fds.file {
        file.source_code_info = None;
    }
    assert_eq!(
        scratch.builder().compile_fds(fds).unwrap_err().to_string(),
        "b.proto: service 'FOO' and service 'Foo' (a.proto) are both `foo_server` in Rust\n\
         rename one of the two"
    );
}

#[test]
fn errors_about_files_name_them() {
    let scratch = Scratch::new();
    let proto = scratch.write("x.proto", "syntax = \"proto3\";");
    let compile = |protos: &[&Path], includes: &[&str]| {
        scratch
            .builder()
            .compile_protos(protos, includes)
            .unwrap_err()
            .to_string()
    };

    let error = compile(&[Path::new("nowhere.proto")], &["proto", "tests"]);
    assert_eq!(
        error,
        "no such file: 'nowhere.proto'\nlooked in the working directory, and in: proto, tests"
    );
    let error = compile(&[&proto], &["proto"]);
    assert!(
        error.contains("x.proto' is not in any include path"),
        "{error}"
    );

    let error = codegen::compile_protos(scratch.0.join("absent.proto"))
        .unwrap_err()
        .to_string();
    let (path, directory) = (scratch.0.join("absent.proto"), scratch.0.display());
    assert_eq!(
        error,
        format!("no such file: '{}'\nlooked in: {directory}", path.display())
    );
    let importing = scratch.write(
        "importing.proto",
        "syntax = \"proto3\";\nimport \"absent.proto\";\n",
    );
    let error = codegen::compile_protos(importing).unwrap_err().to_string();
    assert!(
        error.contains("import 'absent.proto' not found")
            && error.contains(
                "\na path in an import begins at the directory of the file that is compiled"
            )
            && !error.contains("argument"),
        "{error}"
    );

    let error = scratch
        .builder()
        .compile_fds_file(&proto)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("x.proto is no encoded google.protobuf.FileDescriptorSet"),
        "{error}"
    );

    let error = scratch
        .builder()
        .extern_path("no.dot", "::a")
        .compile_protos(&[&proto], &[&scratch.0]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("begin with a leading '.'"), "{error}");

    let error = scratch
        .builder()
        .extern_path(".google.protobuf", "::mine")
        .compile_protos(&[&proto], &[&scratch.0]);
    assert_eq!(
        error.unwrap_err().to_string(),
        "extern_path: duplicate extern Protobuf path: .google.protobuf\n\
         compile_well_known_types(true) makes room for another"
    );

    let error: std::io::Error = codegen::compile_protos("nowhere/at/all.proto")
        .unwrap_err()
        .into();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
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

/// Copies of the files, each without the macros around the sides of its services.
fn bare(files: &[PathBuf], scratch: &Scratch) -> Vec<PathBuf> {
    let directory = scratch.0.join("bare");
    fs::create_dir_all(&directory).unwrap();
    let bare = |path: &PathBuf| {
        let mut text = fs::read_to_string(path).unwrap();
        // Not here, where the modules are.
        text = text.replace("include!(\"", "include!(\"../");
        let (mut sides, mut ends) = (0, 0);
        for side in ["server", "client"] {
            let open = format!("::temaki::__if_{side}! {{\n");
            sides += text.matches(&open).count();
            text = text.replace(&open, "");
        }
        while let Some(at) = text.find("\n}\n}\n") {
            text.replace_range(at + 3..at + 5, "");
            ends += 1;
        }
        assert_eq!(sides, ends, "{}", path.display());
        let copy = directory.join(path.file_name().unwrap());
        fs::write(&copy, text).unwrap();
        copy
    };
    files.iter().map(bare).collect()
}

#[test]
fn text_is_as_rustfmt_would_have_it() {
    let scratch = Scratch::new();
    let proto = scratch.write("long.proto", &long_names());
    scratch
        .builder()
        .compile_protos(&[proto], &[&scratch.0])
        .unwrap();
    let golden = ["tests/golden", "tests/golden/nested"].map(|path| fs::read_dir(path).unwrap());
    let golden = golden
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    let golden: Vec<PathBuf> = golden.filter(|path| path.is_file()).collect();
    let long = vec![scratch.0.join("long.rs")];
    // The styles differ only where a line has to be broken in more than one place. What stands in a macro is checked without it:
    // rustfmt would pass over it.
    let rows = [
        ("2024", bare(&long, &scratch)),
        ("2015", bare(&golden, &scratch)),
        ("2024", long),
        ("2015", golden),
    ];
    for (style, files) in rows {
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
