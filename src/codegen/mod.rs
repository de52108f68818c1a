//! `.proto` files to Rust, in a build script: no `protoc`, nothing to install.
//!
//! ```toml
//! [dependencies]
//! temaki = "0.1"
//!
//! [build-dependencies]
//! temaki = { version = "0.1", default-features = false, features = ["codegen"] }
//! ```
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), temaki::codegen::Error> {
//!     temaki::codegen::compile_protos("proto/helloworld.proto")
//! }
//! ```
//!
//! ```ignore
//! // src/main.rs
//! mod helloworld {
//!     temaki::include_proto!("helloworld");
//! }
//! ```
//!
//! The name is that of the `.proto` file's *package*; a file without a package is included as
//! `temaki::include_proto!("_")`. For packages in packages, and messages shared between them, let
//! [`Builder::include_file`] write the modules.
//!
//! # What comes out
//!
//! One file a package: the messages as [prost] writes them, then for each service `Greeter` a module
//! `greeter_server` (a trait to implement, `GreeterServer` to serve it) and a module `greeter_client`
//! (`GreeterClient`, and the trait that a mock of it implements). The text is laid out as rustfmt
//! does and meant to be read.
//!
//! It may just as well be **checked in**: write it with [`Builder::out_dir`] into the source tree,
//! from a test or a small program of your own, and declare it as an ordinary module. Then the crate
//! needs no build script and nobody who builds it compiles the code generator.
//!
//! Lints of your crate do not reach into generated code: each item carries an `allow` of
//! `missing_docs` and of clippy's groups, because what they ask for would have to be changed in the
//! `.proto` file.
//!
//! # What is refused
//!
//! Editions (`edition = "2023";`): the files are read as proto2 or proto3 only.
//!
//! [prost]: https://docs.rs/prost
//
// The maintainers' build.rs includes this module by its path, without the library around it. So
// nothing in it may use any other part of the crate.

mod client;
mod comments;
mod error;
mod layout;
mod names;
mod server;
mod tidy;

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use prost_build::{Config, Module};
use protox::Compiler;
use protox::prost::Message as _;

pub use self::error::Error;
/// A compiled set of `.proto` files, as `protoc -o` and `buf build` write it.
pub use protox::prost_reflect::prost_types::FileDescriptorSet;

use self::error::EDITIONS;
use self::layout::Text;
use self::names::{Imports, Service};

/// Compiles one `.proto` file, with everything it imports from its own directory.
///
/// The same as [`configure`]`().`[`compile_protos`](Builder::compile_protos) with the file's
/// directory as the only include.
///
/// # Errors
///
/// A file that cannot be read, a mistake in a `.proto` file, an output directory that cannot be
/// written. The [`Error`] is for people: file, line, column, and what to do.
pub fn compile_protos(proto: impl AsRef<Path>) -> Result<(), Error> {
    let proto = proto.as_ref();
    let directory = proto.parent().unwrap_or(Path::new(""));
    configure().compile_protos(&[proto], &[directory])
}

/// Compiles a descriptor set that something else has made, with default options.
///
/// # Errors
///
/// As [`Builder::compile_fds`].
pub fn compile_fds(fds: FileDescriptorSet) -> Result<(), Error> {
    configure().compile_fds(fds)
}

/// Code generation with options: start here, end with [`Builder::compile_protos`].
pub fn configure() -> Builder {
    Builder {
        emit_rerun_if_changed: env::var_os("CARGO").is_some(),
        ..Builder::default()
    }
}

/// The options of code generation.
///
/// Where an option takes a *path* of the `.proto` files, `.` means everything, `.package.Message` that
/// item and all that is in it, and `Message.field` without a leading dot whatever ends so. An option
/// given several times adds up.
#[derive(Clone, Default)]
pub struct Builder {
    options: Options,
    out_dir: Option<PathBuf>,
    include_file: Option<PathBuf>,
    file_descriptor_set_path: Option<PathBuf>,
    emit_rerun_if_changed: bool,
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
struct Options {
    build_server: bool,
    build_client: bool,
    build_transport: bool,
    default_stubs: bool,
    compile_well_known_types: bool,
    codec_path: Option<String>,
    extern_paths: Vec<(String, String)>,
    disable_comments: Vec<String>,
    server_mod_attributes: Vec<(String, String)>,
    server_attributes: Vec<(String, String)>,
    trait_attributes: Vec<(String, String)>,
    client_mod_attributes: Vec<(String, String)>,
    client_attributes: Vec<(String, String)>,
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

    /// Makes `bytes` fields `bytes::Bytes` in place of `Vec<u8>`: a received message then shares the
    /// memory it was received in.
    #[must_use]
    pub fn bytes(mut self, path: impl AsRef<str>) -> Self {
        self.bytes.push(path.as_ref().to_owned());
        self
    }

    /// Makes `map` fields `BTreeMap` in place of `HashMap`.
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

    /// Whether the well-known types (`google.protobuf.Timestamp` …) are written as any other message.
    ///
    /// Unless told so, they are those of `prost-types`, and the wrappers and `Empty` are plain Rust:
    /// `i64`, `String`, `()`. With it, `google/protobuf/*.proto` becomes a package among yours, to be
    /// included as `google.protobuf`, or replaced by an [`extern_path`](Self::extern_path).
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

    /// The codec of all methods, in place of `::temaki::codec::ProstCodec`: the path of a type that is
    /// `Default` and the library's `Codec`.
    #[must_use]
    pub fn codec_path(mut self, path: impl AsRef<str>) -> Self {
        self.options.codec_path = Some(path.as_ref().to_owned());
        self
    }

    /// Whether each method of a server's trait has a body that answers UNIMPLEMENTED; no unless told
    /// so. A new method in the `.proto` file then breaks no implementation.
    ///
    /// Methods that answer with a stream then return `ResponseStream`, not a type of their own.
    #[must_use]
    pub fn generate_default_stubs(mut self, enable: bool) -> Self {
        self.options.default_stubs = enable;
        self
    }

    /// Whether to tell cargo which files the build depends on; yes under cargo.
    ///
    /// Imports that were found on disk are named too. Cargo then no longer runs the build script
    /// whenever any file of the package changes.
    #[must_use]
    pub fn emit_rerun_if_changed(mut self, enable: bool) -> Self {
        self.emit_rerun_if_changed = enable;
        self
    }

    /// Also writes a file of this name that declares a module for each package, one within another
    /// as the packages are, and includes the rest. Then one `include!` of it is enough.
    #[must_use]
    pub fn include_file(mut self, path: impl AsRef<Path>) -> Self {
        self.include_file = Some(path.as_ref().to_owned());
        self
    }

    /// Compiles `.proto` files.
    ///
    /// `includes` are the directories that the paths in `import` begin at, searched in order; each of
    /// `protos` must lie under one of them. Files of a package that are only imported are written
    /// too. The well-known `google/protobuf/*.proto` are always there.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, a mistake in a `.proto` file, an output directory that cannot be
    /// written. The [`Error`] is for people: file, line, column, and what to do.
    pub fn compile_protos(
        self,
        protos: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> Result<(), Error> {
        let here = |path: &Path| {
            if path.as_os_str().is_empty() {
                Path::new(".")
            } else {
                path
            }
            .to_owned()
        };
        let includes: Vec<PathBuf> = includes.iter().map(|path| here(path.as_ref())).collect();
        let failed = |error| Error::from_protox(&error, &includes);

        let mut compiler = Compiler::new(&includes).map_err(failed)?;
        compiler.include_imports(true).include_source_info(true);
        for proto in protos {
            compiler.open_file(proto.as_ref()).map_err(failed)?;
        }
        if self.emit_rerun_if_changed {
            for path in compiler.files().filter_map(|file| file.path()) {
                println!("cargo:rerun-if-changed={}", path.display());
            }
        }
        if let Some(path) = &self.file_descriptor_set_path {
            // Encoded by protox, which keeps custom options that the types of prost do not know.
            write(path, &compiler.encode_file_descriptor_set())?;
        }
        self.write_rust(compiler.file_descriptor_set())
    }

    /// Compiles a descriptor set that something else has made, such as `buf build`.
    ///
    /// # Errors
    ///
    /// An output directory that cannot be written, or a file in the set that uses editions.
    pub fn compile_fds(self, fds: FileDescriptorSet) -> Result<(), Error> {
        if let Some(path) = &self.file_descriptor_set_path {
            write(path, &fds.encode_to_vec())?;
        }
        self.write_rust(fds)
    }

    /// Reads a descriptor set from a file, as `protoc -o` and `buf build -o` write it, and compiles it.
    ///
    /// # Errors
    ///
    /// As [`compile_fds`](Self::compile_fds), and a file that is no descriptor set.
    pub fn compile_fds_file(self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        if self.emit_rerun_if_changed {
            println!("cargo:rerun-if-changed={}", path.display());
        }
        let encoded = fs::read(path).map_err(|error| Error::io("read", path, error))?;
        let fds = FileDescriptorSet::decode(encoded.as_slice()).map_err(|error| {
            let path = path.display();
            Error::new(format!(
                "{path} is no encoded google.protobuf.FileDescriptorSet: {error}"
            ))
        })?;
        self.compile_fds(fds)
    }

    fn write_rust(self, mut fds: FileDescriptorSet) -> Result<(), Error> {
        let (target, in_out_dir) = match (&self.out_dir, env::var_os("OUT_DIR")) {
            (Some(path), _) => (path.clone(), false),
            (None, Some(path)) => (PathBuf::from(path), true),
            (None, None) => {
                return Err(Error::new(
                    "where to? OUT_DIR is not set: outside a build script, say it with out_dir(…)",
                ));
            }
        };

        let mut sources: BTreeMap<Module, Vec<String>> = BTreeMap::new();
        let mut requests = Vec::new();
        for mut file in fds.file.drain(..) {
            if file.syntax() == "editions" {
                return Err(Error::new(format!("{}: {EDITIONS}", file.name())));
            }
            let module = Module::from_protobuf_package_name(file.package());
            sources
                .entry(module.clone())
                .or_default()
                .push(file.name().to_owned());
            comments::rewrite(&mut file);
            requests.push((module, file));
        }
        let texts = self.prost_config().generate(requests).map_err(|error| {
            Error::new(format!("{error}\n(from the paths given to extern_path)"))
        })?;

        let mut names = BTreeMap::new();
        for (module, text) in texts {
            let sources = sources
                .get(&module)
                .map(|names| names.join(", "))
                .unwrap_or_default();
            let header = format!("// @generated by temaki's codegen from {sources}");
            let name = module.to_file_name_or("_");
            write(&target.join(&name), tidy::tidy(&text, &header).as_bytes())?;
            names.insert(module, name);
        }
        if let Some(file) = &self.include_file {
            write(
                &target.join(file),
                include_text(&names, in_out_dir).as_bytes(),
            )?;
        }
        Ok(())
    }

    fn prost_config(&self) -> Config {
        let mut config = Config::new();
        // The one crate that the user has to name. See `tidy::PROST_TYPES` for the second path.
        config.prost_path("::temaki::__private::prost");
        config.prost_types_path(tidy::PROST_TYPES);
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

/// What prost-build calls for each service.
struct Services(Options);

impl prost_build::ServiceGenerator for Services {
    fn generate(&mut self, service: prost_build::Service, out: &mut String) {
        let service = Service::new(service, &self.0);
        let mut text = Text::default();
        text.line(tidy::VERBATIM_BEGIN);
        if self.0.build_server {
            server::write(&service, &self.0, &mut text);
        }
        if self.0.build_server && self.0.build_client {
            text.blank();
        }
        if self.0.build_client {
            client::write(&service, &self.0, &mut text);
        }
        text.line(tidy::VERBATIM_END);
        out.push_str(&text.finish());
    }
}

impl Options {
    fn comments_disabled(&self, path: &str) -> bool {
        self.disable_comments
            .iter()
            .any(|pattern| names::matches(pattern, path))
    }

    /// The expression that makes a method's codec.
    fn codec(&self, imports: &mut Imports) -> String {
        match &self.codec_path {
            Some(path) => format!("{path}::default()"),
            None => format!("{}::default()", imports.name("::temaki::codec::ProstCodec")),
        }
    }

    /// The path of a message from within a service's module, which lies beside the messages.
    fn rust_path(&self, rust: &str, proto: &str) -> String {
        let within = |path: &str| names::matches(path, proto);
        let is_extern = self.extern_paths.iter().any(|(path, _)| within(path))
            || (!self.compile_well_known_types && within(".google.protobuf"));
        let rust = tidy::real_paths(rust);
        if is_extern {
            rust
        } else {
            format!("super::{rust}")
        }
    }

    fn write_attributes(
        &self,
        attributes: &[(String, String)],
        service: &Service,
        text: &mut Text,
    ) {
        let path = format!(".{}", service.full_name);
        for (_, attribute) in attributes
            .iter()
            .filter(|(pattern, _)| names::matches(pattern, &path))
        {
            text.line(attribute);
        }
    }

    fn write_module_attributes(
        &self,
        attributes: &[(String, String)],
        service: &Service,
        text: &mut Text,
    ) {
        text.attribute(
            "allow",
            "dead_code, clippy::all, clippy::pedantic, reason = \"generated\"",
        );
        if service.any_deprecated() {
            text.attribute(
                "allow",
                "deprecated, reason = \"the deprecated is served as well\"",
            );
        }
        self.write_attributes(attributes, service, text);
    }
}

/// The file that declares a module for each package.
fn include_text(files: &BTreeMap<Module, String>, in_out_dir: bool) -> String {
    let mut text = Text::default();
    text.line("// @generated by temaki's codegen");
    let mut open: Vec<&str> = Vec::new();
    for (module, file) in files {
        let parts: Vec<&str> = module.parts().collect();
        let common = open.iter().zip(&parts).take_while(|(a, b)| a == b).count();
        while open.len() > common {
            text.close("}");
            open.pop();
        }
        for (index, part) in parts[common..].iter().enumerate() {
            if index == 0 {
                text.blank();
            }
            open.push(part);
            text.docs([format!(
                " The package `{}`.",
                open.join(".").replace("r#", "")
            )]);
            text.open(&format!("pub mod {part} {{"));
        }
        match in_out_dir {
            true => text.line(&format!(
                "include!(concat!(env!(\"OUT_DIR\"), \"/{file}\"));"
            )),
            false => text.line(&format!("include!(\"{file}\");")),
        }
    }
    while open.pop().is_some() {
        text.close("}");
    }
    text.finish()
}

/// Writes a file unless it says the same already: cargo goes by the time of the last change.
fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|error| Error::io("create", directory, error))?;
    }
    fs::write(path, content).map_err(|error| Error::io("write", path, error))
}
