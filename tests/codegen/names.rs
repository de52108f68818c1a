//! Whatever the things in a `.proto` file are called: what is generated is Rust in which no two items have one name, or the file is
//! refused with the place of the name. What rustc says of generated text, at a place that nobody wrote, helps nobody.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use temaki::codegen;

/// Compiles one file, with all packages in one tree of modules; the text of each package, or what is said.
fn generate(proto: &str) -> Result<Vec<String>, String> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("temaki-names-{}-{count}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("x.proto");
    fs::write(&path, proto).unwrap();
    let outcome = codegen::configure()
        .out_dir(&directory)
        .include_file("all.rs")
        .emit_rerun_if_changed(false)
        .compile_protos(&[&path], &[&directory]);
    let files = fs::read_dir(&directory).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|rs| rs == "rs"));
    let files: Vec<PathBuf> = files.collect();
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    let texts = texts.collect();
    fs::remove_dir_all(&directory).unwrap();
    outcome.map(|()| texts).map_err(|error| error.to_string())
}

/// What is wrong with the text as Rust, as far as its names go.
fn fault(text: &str) -> Option<String> {
    match syn::parse_file(text) {
        Ok(file) => fault_of_items(&file.items),
        Err(error) => Some(error.to_string()),
    }
}

fn fault_of_items(items: &[syn::Item]) -> Option<String> {
    let mut types = HashSet::new();
    let mut fault = None;
    let mut take = |name: &syn::Ident| {
        if !types.insert(name.to_string()) {
            fault = Some(format!("two items are called {name}"));
        }
    };
    let mut inner = Vec::new();
    for item in items {
        match item {
            syn::Item::Struct(item) => {
                take(&item.ident);
                let names = item.fields.iter().filter_map(|field| field.ident.as_ref());
                inner.extend(repeated(names));
            }
            syn::Item::Enum(item) => {
                take(&item.ident);
                inner.extend(repeated(item.variants.iter().map(|variant| &variant.ident)));
            }
            syn::Item::Mod(item) => {
                take(&item.ident);
                let items = item.content.as_ref().map(|(_, items)| items.as_slice());
                inner.extend(fault_of_items(items.unwrap_or_default()));
            }
            syn::Item::Trait(item) => {
                take(&item.ident);
                let functions = item.items.iter().filter_map(|item| match item {
                    syn::TraitItem::Fn(function) => Some(&function.sig.ident),
                    _ => None,
                });
                inner.extend(repeated(functions));
                let types = item.items.iter().filter_map(|item| match item {
                    syn::TraitItem::Type(ty) => Some(&ty.ident),
                    _ => None,
                });
                inner.extend(repeated(types));
            }
            syn::Item::Type(item) => take(&item.ident),
            syn::Item::Macro(item) if item.mac.path.segments.iter().any(is_half) => {
                match syn::parse2::<syn::File>(item.mac.tokens.clone()) {
                    Ok(file) => inner.extend(fault_of_items(&file.items)),
                    Err(error) => inner.push(error.to_string()),
                }
            }
            _ => {}
        }
    }
    fault.or(inner.into_iter().next())
}

/// `::temaki::__if_server! { … }`: a half of a service.
fn is_half(segment: &syn::PathSegment) -> bool {
    segment.ident == "__if_server" || segment.ident == "__if_client"
}

fn repeated<'a>(names: impl Iterator<Item = &'a syn::Ident>) -> Option<String> {
    let mut seen = HashSet::new();
    let mut names = names.map(ToString::to_string);
    let second = names.find(|name| !seen.insert(name.clone()));
    second.map(|name| format!("{name} is there twice"))
}

/// Compiles, and checks what comes of it.
fn check(proto: &str) -> Result<(), String> {
    match generate(proto) {
        Ok(texts) => match texts.iter().find_map(|text| fault(text)) {
            None => Ok(()),
            Some(fault) => Err(format!("{fault}, of\n{proto}\n{}", texts.join("\n"))),
        },
        // With its place, or protox's own words about a name that is there twice.
        Err(error) if error.contains("x.proto:") && error.contains("^") => Ok(()),
        Err(error) => Err(format!("{error}, of\n{proto}")),
    }
}

/// Names that were trouble once, and what is refused of them.
#[test]
fn d08_names_that_were_trouble_once() {
    let rows = [
        (
            "service S { rpc _1(Q) returns (stream Q); } message Q {}",
            None,
        ),
        (
            "service S { rpc self(stream Q) returns (stream Q); rpc Self(Q) returns (Q); } message Q {}",
            None,
        ),
        (
            "service _1 { rpc crate(Q) returns (stream Q); } message Q {}",
            None,
        ),
        (
            "enum Inner { A = 0; } message Q { repeated Inner i = 1; map<string, Inner> m = 2; }",
            None,
        ),
        ("message _1 {} message Q { _1 a = 1; int32 _2 = 2; }", None),
        (
            "message Q { enum E { A = 0; } E value = 1; int32 set_value = 2; }",
            None,
        ),
        (
            "message _1 { message In {} }",
            Some("x.proto:3:9: message '_1' and the module of what is in it are both `_1` in Rust"),
        ),
        (
            "message Q { oneof items { int32 a = 1; } message Items {} message ItemsOneOf {} }",
            Some(
                "x.proto:3:19: oneof 'items' and message 'ItemsOneOf' (line 3) are both `ItemsOneOf` in Rust",
            ),
        ),
        (
            "message Q { enum E { A = 0; } E value = 1; E set_value = 2; }",
            Some(
                "x.proto:3:46: field 'set_value' and field 'value' (line 3) are both `set_value()` in Rust",
            ),
        ),
        (
            "enum Foo { FOO_A = 0; A = 1; }",
            Some("x.proto:3:23: value 'A' and value 'FOO_A' (line 3) are both `A` in Rust"),
        ),
        (
            "message __ {}",
            Some("x.proto:3:9: message '__' has neither letter nor digit"),
        ),
        (
            "message Q { int32 _ = 1; }",
            Some("x.proto:3:19: field '_' has neither letter nor digit"),
        ),
        (
            "message Q { oneof _ { int32 a = 1; } }",
            Some("x.proto:3:19: oneof '_' has neither"),
        ),
        (
            "enum E { A = 0; __ = 1; }",
            Some("x.proto:3:17: value '__' has neither"),
        ),
        (
            "service _ {}",
            Some("x.proto:3:9: service '_' has neither letter nor digit"),
        ),
        (
            "service S { rpc __(Q) returns (Q); } message Q {}",
            Some("x.proto:3:17: method '__' has neither"),
        ),
    ];
    for (text, expected) in rows {
        let proto = format!("syntax = \"proto3\";\npackage p;\n{text}\n");
        let said = generate(&proto).err();
        let said = said.map(|said| said[said.find("x.proto").unwrap_or(0)..].to_owned());
        match expected {
            None => assert_eq!(said, None, "{text}"),
            Some(expected) => assert!(
                said.as_ref().is_some_and(|said| said.starts_with(expected)),
                "{text}: {said:?}"
            ),
        }
        check(&proto).unwrap();
    }
    for (package, expected) in [
        (
            "google.protobuf.mine",
            "x.proto:2:1: package 'google.protobuf.mine' lies in google.protobuf, whose types",
        ),
        (
            "google.protobuf",
            "x.proto:2:1: package 'google.protobuf' lies in google.protobuf, whose types",
        ),
        (
            "a.__",
            "x.proto:2:1: package 'a.__' has neither letter nor digit",
        ),
    ] {
        let error = generate(&format!(
            "syntax = \"proto3\";\npackage {package};\nmessage M {{}}\n"
        ));
        let error = error.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

/// A legal identifier: anything, a keyword of Rust, or a name of its standard library or of generated code.
fn identifier() -> impl Strategy<Value = String> {
    let taken: Vec<&str> = "as async await box break const continue crate do dyn else enum extern false final fn for gen if impl in let \
        loop macro match mod move mut override priv pub ref return self Self static struct super trait true try type typeof union \
        unsafe unsized use virtual where while yield abstract become safe raw \
        Option Some None Result Ok Err Vec String Box Send Sync Sized Clone Copy Debug Default Drop Into From Iterator Future Stream \
        Message Enumeration Oneof prost temaki core std alloc Inner ScalarWrapper MapWrapper items ItemsOneOf _1 _2x a_ a__b A_B aB \
        Request Response Status Streaming Channel Calls Call Methods MethodTable ServiceServer ProstCodec SERVICE_NAME \
        new connect clone with_interceptor with_origin start_a unary streaming fmt default into clear encode decode merge set_a \
        get_a push_a insert_a str i32 u8 bool T U S C get Get GET getUser get_user GetUser HTTPServer http_server"
        .split_whitespace()
        .collect();
    prop_oneof![
        2 => "[A-Za-z_][A-Za-z0-9_]{0,6}",
        3 => proptest::sample::select(taken).prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn d08_any_legal_name_is_valid_rust_or_refused_with_its_place(
        package in proptest::collection::vec(identifier(), 1..3),
        names in proptest::collection::vec(identifier(), 14),
    ) {
        let [m, n, e, nested, kind, f1, f2, f3, o, o1, v1, s, r1, r2] = &names[..] else { unreachable!() };
        let proto = format!(
            "syntax = \"proto3\";\npackage {};\n\
             message {m} {{\n  message {nested} {{ {nested} a = 1; }}\n  enum {kind} {{\n    {v1}_X = 0;\n    {v1} = 1;\n  }}\n\
             \x20 {kind} {f1} = 1;\n  repeated {kind} {f2} = 2;\n  optional {nested} {f3} = 3;\n\
             \x20 oneof {o} {{\n    {nested} {o1} = 4;\n  }}\n  map<string, {kind}> m = 5;\n}}\n\
             message {n} {{ string a = 1; }}\nenum {e} {{\n  {e}_X = 0;\n}}\n\
             service {s} {{\n  rpc {r1}({n}) returns (stream {n});\n  rpc {r2}(stream {n}) returns ({n});\n}}\n",
            package.join("."),
        );
        if let Err(error) = check(&proto) {
            return Err(TestCaseError::fail(error));
        }
    }
}
