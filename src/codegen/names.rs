//! What a service and its methods are called in Rust, and on the wire.
//!
//! A `.proto` file may name things in ways that Rust does not take (keywords), that meet each other
//! once they are written in Rust's case (`GetUser` and `get_user`), or that meet a name of the
//! generated code (`connect`, `new`). All of that is settled here, once; `server.rs` and
//! `client.rs` write down what this file says.

use std::collections::{BTreeSet, HashSet};

use prost_build::Module;

use super::builder::Options;
use super::comments;
use super::layout::{MAX_WIDTH, STEP};

/// What the generated client has besides the service's methods. A method of the same name gets an
/// underscore at its end. Some of these are not there yet; their names are kept, so that adding
/// them will rename nobody's method.
const CLIENT_OWN_NAMES: &[&str] = &[
    "new",
    "clone",
    "connect",
    "with_origin",
    "with_interceptor",
    "with_async_interceptor",
    "send_compressed",
    "accept_compressed",
    "max_decoding_message_size",
    "max_encoding_message_size",
];

/// Names that Rust has without a `use`, and where they come from.
const PRELUDE: &[&str] = &[
    "::core::marker::Send",
    "::core::marker::Sized",
    "::core::marker::Sync",
    "::core::result::Result",
];

/// A service, ready to be written down.
pub(super) struct Service {
    /// `Greeter`, the trait.
    pub(super) name: String,
    /// `Greeter`, the beginning of its other types' names. Not the same for `Self` alone, whose
    /// trait is `Self_`.
    pub(super) stem: String,
    /// `greeter`, the beginning of both module names.
    pub(super) module: String,
    /// `helloworld.Greeter`, as it stands in the path of a call.
    pub(super) full_name: String,
    /// Lines for `///`, from the `.proto` file; never empty.
    pub(super) docs: Vec<String>,
    pub(super) deprecated: bool,
    pub(super) methods: Vec<Method>,
}

/// A method of a service.
pub(super) struct Method {
    /// In both traits: `say_hello`, `r#type`.
    pub(super) name: String,
    /// In the client struct: the same, unless the client has that name already.
    pub(super) client_name: String,
    /// The call that is held open, `start_…`; only for methods that take a stream.
    pub(super) held_name: String,
    /// The associated type of the answers, `…Stream`; only for methods that answer with a stream.
    pub(super) stream_type: String,
    /// `SayHello`, as it stands in the path of a call.
    pub(super) proto_name: String,
    /// `/helloworld.Greeter/SayHello`
    pub(super) path: String,
    /// As seen from within the generated module: `super::HelloRequest`.
    pub(super) input: String,
    pub(super) output: String,
    pub(super) docs: Vec<String>,
    pub(super) deprecated: bool,
    pub(super) shape: Shape,
}

/// How many messages go each way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Unary,
    ClientStreaming,
    ServerStreaming,
    Bidirectional,
}

impl Method {
    /// `SAY_HELLO`, the constant that holds its path.
    pub(super) fn constant(&self) -> String {
        plain(&self.name).to_ascii_uppercase()
    }

    /// That constant, as seen from within a generated module.
    pub(super) fn path_constant(&self, service: &Service) -> String {
        format!("super::{}_paths::{}", service.module, self.constant())
    }
}

impl Shape {
    pub(super) fn takes_stream(self) -> bool {
        matches!(self, Shape::ClientStreaming | Shape::Bidirectional)
    }

    pub(super) fn answers_stream(self) -> bool {
        matches!(self, Shape::ServerStreaming | Shape::Bidirectional)
    }
}

impl Service {
    pub(super) fn new(service: prost_build::Service, options: &Options) -> Self {
        //= GRPC-SERVICE-NAME  the package, a dot, the service; without a package the service alone
        let full_name = match service.package.as_str() {
            "" => service.proto_name.clone(),
            package => format!("{package}.{}", service.proto_name),
        };
        let commented = !options.comments_disabled(&format!(".{full_name}"));
        let mut docs = if commented {
            comments::docs(&service.comments)
        } else {
            Vec::new()
        };
        if docs.is_empty() {
            docs.push(format!(" The service `{full_name}`."));
        }
        Self {
            module: snake(&service.proto_name),
            stem: service.name.trim_end_matches('_').to_owned(),
            methods: methods(service.methods, &full_name, options),
            name: service.name,
            docs,
            deprecated: service.options.deprecated(),
            full_name,
        }
    }

    /// Whether any method is deprecated: then the code that dispatches to it must be allowed to.
    pub(super) fn any_deprecated(&self) -> bool {
        self.deprecated || self.methods.iter().any(|method| method.deprecated)
    }
}

fn methods(methods: Vec<prost_build::Method>, service: &str, options: &Options) -> Vec<Method> {
    let (mut names, mut stream_types) = (HashSet::new(), HashSet::new());
    let mut methods: Vec<Method> = methods
        .into_iter()
        .map(|method| {
            let path = format!("/{service}/{}", method.proto_name);
            let commented =
                !options.comments_disabled(&format!(".{service}.{}", method.proto_name));
            let mut docs = if commented {
                comments::docs(&method.comments)
            } else {
                Vec::new()
            };
            if docs.is_empty() {
                docs.push(format!(" The call `{path}`."));
            }
            Method {
                name: unique(method.name, &mut names),
                client_name: String::new(),
                held_name: String::new(),
                stream_type: unique(
                    valid(format!("{}Stream", upper_camel(&method.proto_name))),
                    &mut stream_types,
                ),
                path,
                input: options.rust_path(&method.input_type, &method.input_proto_type),
                output: options.rust_path(&method.output_type, &method.output_proto_type),
                docs,
                deprecated: method.options.deprecated(),
                shape: match (method.client_streaming, method.server_streaming) {
                    (false, false) => Shape::Unary,
                    (true, false) => Shape::ClientStreaming,
                    (false, true) => Shape::ServerStreaming,
                    (true, true) => Shape::Bidirectional,
                },
                proto_name: method.proto_name,
            }
        })
        .collect();

    // The service's own methods choose before the held calls do: a name from the .proto file is
    // kept where it can be.
    let mut names: HashSet<String> = CLIENT_OWN_NAMES.iter().map(ToString::to_string).collect();
    for method in &mut methods {
        method.client_name = unique(method.name.clone(), &mut names);
    }
    for method in &mut methods {
        method.held_name = unique(format!("start_{}", plain(&method.name)), &mut names);
    }
    methods
}

/// Takes `name`, with as many underscores at its end as it needs to be new.
fn unique(mut name: String, taken: &mut HashSet<String>) -> String {
    while !taken.insert(name.clone()) {
        // With an underscore it is no keyword any more.
        name = format!("{}_", plain(&name));
    }
    name
}

/// The name without the mark that lets it be a keyword.
pub(super) fn plain(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// A name that Rust takes, of one that has been put into Rust's case: the rules are prost-build's,
/// which makes all other names. What has neither letter nor digit is refused before
/// (`collisions.rs`): there is nothing to make a name of.
pub(super) fn valid(name: String) -> String {
    match name.as_str() {
        "Self" | "self" | "super" | "crate" | "extern" | "_" => format!("{name}_"),
        _ if name.starts_with(|first: char| first.is_ascii_digit()) => format!("_{name}"),
        _ => name,
    }
}

/// What prost-build makes of the name of a type.
pub(super) fn type_name(name: &str) -> String {
    valid(upper_camel(&snake(name)))
}

/// What prost-build makes of the name of an enum's value: without that of the enum before it.
pub(super) fn variant_name(of: &str, value: &str) -> String {
    let name = upper_camel(&snake(value));
    let rest = name.strip_prefix(of);
    let rest = rest.filter(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()));
    valid(rest.map_or(name.clone(), str::to_owned))
}

/// `UserService` to `user_service`, by the rules that prost-build applies to everything else.
pub(super) fn snake(name: &str) -> String {
    let module = Module::from_protobuf_package_name(name);
    let name: String = module.parts().map(plain).collect();
    // `self_`, which is no keyword: nor is what begins with `self`.
    name.trim_end_matches('_').to_owned()
}

/// `ListUsers` and `list_users` to `ListUsers`. Capitals stay as they are (`GetUserUUID`): tonic
/// does the same.
pub(super) fn upper_camel(name: &str) -> String {
    let capitalise = |word: &str| {
        let mut chars = word.chars();
        chars
            .next()
            .map(|first| first.to_ascii_uppercase())
            .into_iter()
            .chain(chars)
            .collect::<String>()
    };
    name.split('_').map(capitalise).collect()
}

/// Whether an option given for `pattern` is meant for the item `path`.
///
/// The rules are those of prost-build's own options: `.` is everything, `.package.Service` that
/// item and all that is in it, `Service` without a leading dot whatever ends so.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let rest = |prefix| {
        path.strip_prefix(prefix)
            .map(|rest: &str| rest.is_empty() || rest.starts_with('.'))
    };
    match pattern {
        "." => true,
        prefix if prefix.starts_with('.') => rest(prefix) == Some(true),
        suffix => path
            .strip_suffix(suffix)
            .is_some_and(|rest| rest.ends_with('.')),
    }
}

/// The names that a generated module takes from elsewhere: short in the text, each in a `use` above
/// it.
///
/// A service may be called `Status` or `Request`. Then that name is the service's, and the other
/// one is written in full.
pub(super) struct Imports {
    own: Vec<String>,
    used: BTreeSet<(&'static str, &'static str)>,
}

impl Imports {
    /// For a module that defines `own` itself.
    pub(super) fn beside(own: impl IntoIterator<Item = String>) -> Self {
        Self {
            own: own.into_iter().collect(),
            used: BTreeSet::new(),
        }
    }

    /// What to write for the item at `path`.
    pub(super) fn name(&mut self, path: &'static str) -> &'static str {
        let Some((module, name)) = path.rsplit_once("::") else {
            return path;
        };
        if self.own.iter().any(|own| own == name) {
            return path;
        }
        if !PRELUDE.contains(&path) {
            self.used.insert((module, name));
        }
        name
    }

    /// The `use` lines, in rustfmt's order.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<(&str, Vec<&str>)> = Vec::new();
        for &(module, name) in &self.used {
            match lines.last_mut() {
                Some((last, names)) if *last == module => names.push(name),
                _ => lines.push((module, vec![name])),
            }
        }
        // A module's own names stand behind those of the modules in it.
        lines.sort_by_key(|(module, _)| {
            (
                module.starts_with("::temaki"),
                *module == "::temaki",
                *module,
            )
        });
        let line = |(module, names): (&str, Vec<&str>)| match names.as_slice() {
            [name] => format!("use {module}::{name};"),
            names => list(module, names),
        };
        lines.into_iter().map(line).collect()
    }
}

/// `use module::{names};`, in a module that is not in another: in rows where one line has no room.
fn list(module: &str, names: &[&str]) -> String {
    let one_line = format!("use {module}::{{{}}};", names.join(", "));
    // rustfmt leaves a column free.
    if STEP + one_line.len() < MAX_WIDTH {
        return one_line;
    }
    let mut text = format!("use {module}::{{");
    let mut column = MAX_WIDTH;
    for name in names {
        column += " ,".len() + name.len();
        if column > MAX_WIDTH {
            text += "\n       ";
            column = 2 * STEP + name.len() + ",".len();
        }
        text = text + " " + name + ",";
    }
    text + "\n    };"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_find_their_items_as_in_prost_build() {
        let rows = [
            (".", ".a.B", true, "everything"),
            (".a.B", ".a.B", true, "the item itself"),
            (".a", ".a.B", true, "what is in it"),
            (".a", ".ab.C", false, "half a name is not a name"),
            ("B", ".a.B", true, "the end"),
            ("a.B", ".a.B", true, "a longer end"),
            ("B", ".a.AB", false, "half a name is not a name"),
            (".b.B", ".a.B", false, "elsewhere"),
        ];
        for (pattern, path, expected, why) in rows {
            assert_eq!(
                matches(pattern, path),
                expected,
                "{pattern} on {path}: {why}"
            );
        }
    }

    #[test]
    fn a_name_that_is_taken_gets_an_underscore() {
        let mut taken = HashSet::from(["new".to_owned(), "r#type".to_owned()]);
        assert_eq!(unique("new".into(), &mut taken), "new_");
        assert_eq!(unique("new".into(), &mut taken), "new__");
        assert_eq!(unique("r#type".into(), &mut taken), "type_");
        assert_eq!(unique("free".into(), &mut taken), "free");
    }

    #[test]
    fn case_follows_prost_and_tonic() {
        assert_eq!(snake("UserService"), "user_service");
        assert_eq!(snake("Type"), "type");
        assert_eq!(snake("Self"), "self");
        assert_eq!(snake("HTTPProxy"), "http_proxy");
        assert_eq!(upper_camel("GetUserUUID"), "GetUserUUID");
        assert_eq!(upper_camel("list_users"), "ListUsers");
    }

    #[test]
    fn a_name_is_valid_in_rust() {
        assert_eq!(valid("1Stream".to_owned()), "_1Stream");
        assert_eq!(valid("Self".to_owned()), "Self_");
        assert_eq!(valid("Option".to_owned()), "Option");
        assert_eq!(type_name("_1"), "_1");
        assert_eq!(type_name("http2_frame"), "Http2Frame");
        assert_eq!(variant_name("Kind", "KIND_LETTER"), "Letter");
        assert_eq!(variant_name("Kind", "KINDLY"), "Kindly");
        assert_eq!(variant_name("Kind", "KIND_2"), "Kind2");
        assert_eq!(variant_name("Kind", "KIND_SELF"), "Self_");
    }

    #[test]
    fn a_service_named_like_an_import_keeps_its_name() {
        let mut imports = Imports::beside(["Status".to_owned()]);
        assert_eq!(imports.name("::temaki::Status"), "::temaki::Status");
        assert_eq!(imports.name("::temaki::Request"), "Request");
        assert_eq!(imports.name("::core::result::Result"), "Result");
        assert_eq!(imports.lines(), ["use ::temaki::Request;"]);
    }
}
