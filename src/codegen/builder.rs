//! The options of code generation, and which of them prost-build is told.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use prost_build::Config;

use super::layout::Text;
use super::names::{self, Imports, Service};
use super::{Services, tidy};

/// The options of code generation.
///
/// Where an option takes a *path* of the `.proto` files, `.` means everything, `.package.Message`
/// that item and all that is in it, and `Message.field` without a leading dot whatever ends so. An
/// option given several times adds up.
#[derive(Clone, Default)]
pub struct Builder {
    pub(super) options: Options,
    pub(super) out_dir: Option<PathBuf>,
    pub(super) include_file: Option<PathBuf>,
    pub(super) file_descriptor_set_path: Option<PathBuf>,
    emit_rerun_if_changed: Option<bool>,
    type_attributes: Vec<(String, String)>,
    message_attributes: Vec<(String, String)>,
    enum_attributes: Vec<(String, String)>,
    field_attributes: Vec<(String, String)>,
    bytes: Vec<String>,
    btree_map: Vec<String>,
    boxed: Vec<String>,
    skip_debug: Vec<String>,
}

/// Those options that the services' text depends on.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) build_server: bool,
    pub(super) build_client: bool,
    pub(super) build_transport: bool,
    pub(super) default_stubs: bool,
    pub(super) compile_well_known_types: bool,
    pub(super) codec_path: Option<String>,
    pub(super) extern_paths: Vec<(String, String)>,
    pub(super) disable_comments: Vec<String>,
    pub(super) server_mod_attributes: Vec<(String, String)>,
    pub(super) server_attributes: Vec<(String, String)>,
    pub(super) trait_attributes: Vec<(String, String)>,
    pub(super) client_mod_attributes: Vec<(String, String)>,
    pub(super) client_attributes: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            build_server: true,
            build_client: true,
            build_transport: true,
            default_stubs: false,
            compile_well_known_types: false,
            codec_path: None,
            extern_paths: Vec::new(),
            disable_comments: Vec::new(),
            server_mod_attributes: Vec::new(),
            server_attributes: Vec::new(),
            trait_attributes: Vec::new(),
            client_mod_attributes: Vec::new(),
            client_attributes: Vec::new(),
        }
    }
}

fn pair(path: impl AsRef<str>, text: impl AsRef<str>) -> (String, String) {
    (path.as_ref().to_owned(), text.as_ref().to_owned())
}

impl Builder {
    /// Whether to write the servers' side; yes unless told otherwise.
    #[must_use]
    pub fn build_server(mut self, enable: bool) -> Self {
        self.options.build_server = enable;
        self
    }

    /// Whether to write the clients' side; yes unless told otherwise.
    #[must_use]
    pub fn build_client(mut self, enable: bool) -> Self {
        self.options.build_client = enable;
        self
    }

    /// Whether clients get a `connect` of their own; yes unless told otherwise. Without it a client
    /// is made from a channel, by `new`.
    #[must_use]
    pub fn build_transport(mut self, enable: bool) -> Self {
        self.options.build_transport = enable;
        self
    }

    /// Where the files are written: cargo's `OUT_DIR` unless told otherwise.
    #[must_use]
    pub fn out_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.out_dir = Some(path.as_ref().to_owned());
        self
    }

    /// Takes a package or a type from elsewhere in place of writing it:
    /// `extern_path(".google.type", "::google_types")`.
    ///
    /// The first is a full path with its leading dot. The second begins with `::` or `crate`.
    #[must_use]
    pub fn extern_path(mut self, proto_path: impl AsRef<str>, rust_path: impl AsRef<str>) -> Self {
        self.options.extern_paths.push(pair(proto_path, rust_path));
        self
    }

    /// Puts an attribute on messages, enums and oneofs.
    #[must_use]
    pub fn type_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.type_attributes.push(pair(path, attribute));
        self
    }

    /// Puts an attribute on messages.
    #[must_use]
    pub fn message_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.message_attributes.push(pair(path, attribute));
        self
    }

    /// Puts an attribute on enums and oneofs.
    #[must_use]
    pub fn enum_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.enum_attributes.push(pair(path, attribute));
        self
    }

    /// Puts an attribute on fields, and on the values of enums.
    #[must_use]
    pub fn field_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.field_attributes.push(pair(path, attribute));
        self
    }

    /// Puts an attribute on the table of a server, `GreeterMethods`, a struct without fields.
    #[must_use]
    pub fn server_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.options.server_attributes.push(pair(path, attribute));
        self
    }

    /// Puts an attribute on the module of a server, such as `#[cfg(feature = "server")]`.
    #[must_use]
    pub fn server_mod_attribute(
        mut self,
        path: impl AsRef<str>,
        attribute: impl AsRef<str>,
    ) -> Self {
        self.options
            .server_mod_attributes
            .push(pair(path, attribute));
        self
    }

    /// Puts an attribute on the trait that a server implements.
    #[must_use]
    pub fn trait_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.options.trait_attributes.push(pair(path, attribute));
        self
    }

    /// Puts an attribute on the struct of a client, `GreeterClient`.
    #[must_use]
    pub fn client_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.options.client_attributes.push(pair(path, attribute));
        self
    }

    /// Puts an attribute on the module of a client, such as `#[cfg(feature = "client")]`.
    #[must_use]
    pub fn client_mod_attribute(
        mut self,
        path: impl AsRef<str>,
        attribute: impl AsRef<str>,
    ) -> Self {
        self.options
            .client_mod_attributes
            .push(pair(path, attribute));
        self
    }

    /// Makes `bytes` fields `bytes::Bytes` in place of `Vec<u8>`: a received message then shares
    /// the memory it was received in.
    #[must_use]
    pub fn bytes(mut self, path: impl AsRef<str>) -> Self {
        self.bytes.push(path.as_ref().to_owned());
        self
    }

    /// Makes `map` fields `BTreeMap` in place of `HashMap`. The `Debug` of a message with such a field
    /// shows its enums as their numbers.
    #[must_use]
    pub fn btree_map(mut self, path: impl AsRef<str>) -> Self {
        self.btree_map.push(path.as_ref().to_owned());
        self
    }

    /// Puts fields in a `Box`.
    #[must_use]
    pub fn boxed(mut self, path: impl AsRef<str>) -> Self {
        self.boxed.push(path.as_ref().to_owned());
        self
    }

    /// Leaves `Debug` out, to be written by hand: for messages that carry secrets.
    #[must_use]
    pub fn skip_debug(mut self, paths: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.skip_debug
            .extend(paths.into_iter().map(|path| path.as_ref().to_owned()));
        self
    }

    /// Whether the well-known types (`google.protobuf.Timestamp` …) are written as any other
    /// message.
    ///
    /// Unless told so, they are those of `prost-types`, and the wrappers and `Empty` are plain
    /// Rust: `i64`, `String`, `()`. With it, `google/protobuf/*.proto` becomes a package among
    /// yours, to be included as `google.protobuf`, or replaced by an
    /// [`extern_path`](Self::extern_path).
    #[must_use]
    pub fn compile_well_known_types(mut self, enable: bool) -> Self {
        self.options.compile_well_known_types = enable;
        self
    }

    /// Leaves the comments of these items out: of messages and fields, services and methods.
    #[must_use]
    pub fn disable_comments(mut self, paths: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let paths = paths.into_iter().map(|path| path.as_ref().to_owned());
        self.options.disable_comments.extend(paths);
        self
    }

    /// Also writes the compiled `.proto` files to this path, for reflection and for tools:
    /// `include_file_descriptor_set!` reads it when it is `NAME.bin` in `OUT_DIR`.
    #[must_use]
    pub fn file_descriptor_set_path(mut self, path: impl AsRef<Path>) -> Self {
        self.file_descriptor_set_path = Some(path.as_ref().to_owned());
        self
    }

    /// The codec of all methods, in place of `::temaki::codec::ProstCodec`: the path of a type that
    /// is `Default` and the library's `Codec`.
    #[must_use]
    pub fn codec_path(mut self, path: impl AsRef<str>) -> Self {
        self.options.codec_path = Some(path.as_ref().to_owned());
        self
    }

    /// Whether each method of a server's trait has a body that answers UNIMPLEMENTED; no unless
    /// told so. A new method in the `.proto` file then breaks no implementation.
    ///
    /// Methods that answer with a stream then return `ResponseStream`, not a type of their own.
    #[must_use]
    pub fn generate_default_stubs(mut self, enable: bool) -> Self {
        self.options.default_stubs = enable;
        self
    }

    /// Whether to print which files the build depends on, for cargo. Default: yes in a build script, no elsewhere.
    ///
    /// Imports that were found on disk are named too. Cargo then no longer runs the build script
    /// whenever any file of the package changes.
    #[must_use]
    pub fn emit_rerun_if_changed(mut self, enable: bool) -> Self {
        self.emit_rerun_if_changed = Some(enable);
        self
    }

    /// Also writes a file of this name that declares a module for each package, one within another
    /// as the packages are, and includes the rest. Then one `include!` of it is enough.
    #[must_use]
    pub fn include_file(mut self, path: impl AsRef<Path>) -> Self {
        self.include_file = Some(path.as_ref().to_owned());
        self
    }

    pub(super) fn tells_cargo(&self) -> bool {
        // cargo sets this for build scripts alone; CARGO and OUT_DIR are set for tests and `cargo run` too.
        let in_a_build_script = || env::var_os("CARGO_CFG_TARGET_OS").is_some();
        self.emit_rerun_if_changed.unwrap_or_else(in_a_build_script)
    }

    pub(super) fn prost_config(&self) -> Config {
        let mut config = Config::new();
        // Users name one crate in their Cargo.toml, temaki.
        config.prost_path("::temaki::prost");
        config.prost_types_path("::temaki::prost_types");
        for (path, attribute) in &self.type_attributes {
            config.type_attribute(path, attribute);
        }
        for (path, attribute) in &self.message_attributes {
            config.message_attribute(path, attribute);
        }
        for (path, attribute) in &self.enum_attributes {
            config.enum_attribute(path, attribute);
        }
        for (path, attribute) in &self.field_attributes {
            config.field_attribute(path, attribute);
        }
        for path in &self.boxed {
            config.boxed(path);
        }
        for (proto_path, rust_path) in &self.options.extern_paths {
            config.extern_path(proto_path, rust_path);
        }
        config.bytes(&self.bytes);
        config.btree_map(&self.btree_map);
        config.skip_debug(&self.skip_debug);
        config.disable_comments(&self.options.disable_comments);
        if self.options.compile_well_known_types {
            config.compile_well_known_types();
        }
        if self.options.build_server || self.options.build_client {
            config.service_generator(Box::new(Services(self.options.clone())));
        }
        config
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

impl Options {
    pub(super) fn comments_disabled(&self, path: &str) -> bool {
        self.disable_comments
            .iter()
            .any(|pattern| names::matches(pattern, path))
    }

    /// The expression that makes a method's codec.
    pub(super) fn codec(&self, imports: &mut Imports) -> String {
        match &self.codec_path {
            Some(path) => format!("{path}::default()"),
            None => format!("{}::default()", imports.name("::temaki::codec::ProstCodec")),
        }
    }

    /// Whether the item at this path is taken from elsewhere.
    pub(super) fn is_extern(&self, proto: &str) -> bool {
        let within = |path: &str| names::matches(path, proto);
        self.extern_paths.iter().any(|(path, _)| within(path)) || self.is_well_known(proto)
    }

    /// Whether the item at this path is taken from `prost-types`.
    pub(super) fn is_well_known(&self, proto: &str) -> bool {
        let within = |path: &str| names::matches(path, proto);
        let given = self.extern_paths.iter().any(|(path, _)| within(path));
        !self.compile_well_known_types && !given && within(".google.protobuf")
    }

    /// The path of a message from within a service's module, which lies beside the messages.
    pub(super) fn rust_path(&self, rust: &str, proto: &str) -> String {
        if self.is_extern(proto) {
            rust.to_owned()
        } else {
            format!("super::{rust}")
        }
    }

    pub(super) fn write_attributes(
        &self,
        attributes: &[(String, String)],
        service: &Service,
        text: &mut Text,
    ) {
        attributes_of(service, attributes).for_each(|attribute| text.line(attribute));
    }

    /// A derive of our own and the attributes behind it; derives among them join it, as rustfmt
    /// would have it.
    pub(super) fn write_derive(
        &self,
        derive: &str,
        attributes: &[(String, String)],
        service: &Service,
        text: &mut Text,
    ) {
        let mut given = attributes_of(service, attributes).peekable();
        let mut derives = derive.to_owned();
        while let Some(more) = given.next_if(|attribute| tidy::derive(attribute).is_some()) {
            derives += ", ";
            derives += tidy::derive(more).unwrap_or_default();
        }
        text.attribute("derive", &derives);
        given.for_each(|attribute| text.line(attribute));
    }

    pub(super) fn write_module_attributes(
        &self,
        attributes: &[(String, String)],
        service: &Service,
        text: &mut Text,
    ) {
        if service.any_deprecated() {
            text.attribute(
                "allow",
                "deprecated, reason = \"the deprecated is served as well\"",
            );
        }
        self.write_attributes(attributes, service, text);
    }
}

/// Those of the attributes that are meant for `service`.
fn attributes_of<'a>(
    service: &Service,
    attributes: &'a [(String, String)],
) -> impl Iterator<Item = &'a str> {
    let path = format!(".{}", service.full_name);
    attributes
        .iter()
        .filter(move |(pattern, _)| names::matches(pattern, &path))
        .map(|(_, attribute)| attribute.as_str())
}
