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
//! One file a package: the messages as [prost] writes them, then for each service `Greeter` a
//! module `greeter_server` (a trait to implement, `GreeterServer` to serve it) and a module
//! `greeter_client` (`GreeterClient`, and `GreeterCalls` that a mock implements). The text is laid
//! out as rustfmt does and meant to be read.
//!
//! Each side stands in a macro, `::temaki::__if_server! { … }`, that leaves it out where the crate has
//! temaki without that feature: a program that only calls may leave `server` out, and need not say so
//! in its build script too.
//!
//! It may just as well be **checked in**: write it with [`Builder::out_dir`] into the source tree,
//! from a test or a small program of your own, and declare it as an ordinary module. Then the crate
//! needs no build script and nobody who builds it compiles the code generator.
//!
//! Lints of your crate do not reach into generated code: each item, or the macro around it, carries
//! an `allow` of `missing_docs` and of clippy's groups `all`, `pedantic`, `nursery` and `restriction`, because
//! what they ask for would have to be changed in the `.proto` file. One lint is out of its reach:
//! `clippy::arbitrary_source_item_ordering` is about the module that includes the code.
//!
//! # What is refused
//!
//! Editions (`edition = "2023";`): the files are read as proto2 or proto3 only. Names that are two in
//! the `.proto` file and one in Rust, such as services `Foo` and `FOO`; only methods of one service
//! get an underscore in such a case. Names of which Rust's case leaves nothing, such as `__`. And
//! `-inf` as the value of an option of one's own.
//!
//! [prost]: https://docs.rs/prost
//
// The maintainers' build.rs includes this module by its path, without the library around it. So
// nothing in it may use any other part of the crate.

mod builder;
mod client;
mod collisions;
mod comments;
mod compile;
mod error;
mod layout;
mod names;
mod server;
mod source;
mod tidy;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use prost_build::Module;
use protox::prost::Message as _;
use protox::prost_reflect::DescriptorPool;

pub use self::builder::Builder;
pub use self::error::Error;
/// A compiled set of `.proto` files, as `protoc -o` and `buf build` write it.
pub use protox::prost_reflect::prost_types::FileDescriptorSet;

use self::builder::Options;
use self::compile::Compiled;
use self::error::EDITIONS;
use self::layout::Text;
use self::names::Service;

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
    Builder::default()
}

impl Builder {
    /// Compiles `.proto` files.
    ///
    /// `includes` are the directories that the paths in `import` begin at, searched in order; each
    /// of `protos` must lie under one of them. Files of a package that are only imported are
    /// written too. The well-known `google/protobuf/*.proto` are always there.
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
        let Compiled { pool, paths } = compile::compile(protos, &includes)?;
        if self.tells_cargo() {
            for path in paths {
                println!("cargo:rerun-if-changed={}", path.display());
            }
        }
        if let Some(path) = &self.file_descriptor_set_path {
            // Encoded by prost-reflect, which keeps custom options that the types of prost do not
            // know.
            write(path, &pool.encode_to_vec())?;
        }
        let file = pool.file_descriptor_protos().cloned().collect();
        self.write_rust(FileDescriptorSet { file }, &includes)
    }

    /// Compiles a descriptor set that something else has made, such as `buf build`.
    ///
    /// # Errors
    ///
    /// A set that is not whole (an import is missing, a type is nowhere defined), a file in it that
    /// uses editions, an output directory that cannot be written.
    pub fn compile_fds(self, fds: FileDescriptorSet) -> Result<(), Error> {
        check_is_whole(&fds)?;
        if let Some(path) = &self.file_descriptor_set_path {
            write(path, &fds.encode_to_vec())?;
        }
        self.write_rust(fds, &[])
    }

    /// Reads a descriptor set from a file, as `protoc -o` and `buf build -o` write it, and compiles
    /// it.
    ///
    /// # Errors
    ///
    /// As [`compile_fds`](Self::compile_fds), and a file that is no descriptor set.
    pub fn compile_fds_file(self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        if self.tells_cargo() {
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

    fn write_rust(self, mut fds: FileDescriptorSet, includes: &[PathBuf]) -> Result<(), Error> {
        let nested = self.include_file.is_some();
        collisions::check(&fds.file, &self.options, nested, includes)?;
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
            let module = Module::from_protobuf_package_name(file.package());
            sources
                .entry(module.clone())
                .or_default()
                .push(file.name().to_owned());
            comments::rewrite(&mut file);
            requests.push((module, file));
        }
        // All that prost-build itself has to say is about the paths given to `extern_path`.
        let texts = self.prost_config().generate(requests).map_err(|error| {
            let advice = match error.to_string().contains(".google.protobuf") {
                true => "\ncompile_well_known_types(true) makes room for another",
                false => "",
            };
            Error::new(format!("extern_path: {error}{advice}"))
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
}

/// prost-build takes a set on trust, and panics where something in it leads nowhere.
fn check_is_whole(fds: &FileDescriptorSet) -> Result<(), Error> {
    if let Some(file) = fds.file.iter().find(|file| file.syntax() == "editions") {
        return Err(Error::new(format!("{}: {EDITIONS}", file.name())));
    }
    match DescriptorPool::from_file_descriptor_set(fds.clone()) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(format!(
            "the descriptor set is not whole: {error}\nlet it include its imports: \
             `protoc --include_imports -o`, or `buf build -o`"
        ))),
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
            write_half("server", &mut text, |text| {
                server::write(&service, &self.0, text);
            });
        }
        if self.0.build_server && self.0.build_client {
            text.blank();
        }
        if self.0.build_client {
            write_half("client", &mut text, |text| {
                client::write(&service, &self.0, text);
            });
        }
        text.line(tidy::VERBATIM_END);
        out.push_str(&text.finish());
    }
}

/// One side of a service, in a macro that leaves it out where the crate has temaki without that
/// side: generated code cannot ask for another crate's features. Its text is laid out as if the
/// macro were not there, as rustfmt leaves it.
fn write_half(feature: &str, text: &mut Text, half: impl FnOnce(&mut Text)) {
    text.line(&format!("// There if temaki has its feature `{feature}`."));
    text.line(&format!("::temaki::__if_{feature}! {{"));
    half(text);
    text.line("}");
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
            if open.len() == 1 {
                tidy::allow_in_types(&mut text);
            }
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
