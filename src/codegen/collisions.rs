//! Names that are two in a `.proto` file and one in Rust.
//!
//! `Foo` and `FOO` are both `Foo` in Rust's case, and the modules of such services both
//! `foo_server`. rustc would say so of the generated text, at a place that nobody wrote; here it is
//! said of the `.proto` file.
//!
//! What is told apart elsewhere is not looked at: methods get an underscore (`names.rs`); of enum
//! values, and of a oneof beside a type of its name, prost-build takes care.

use std::collections::HashMap;
use std::path::PathBuf;

use prost_build::Module;
use protox::prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto};

use super::builder::Options;
use super::error::{Error, Place};
use super::names::{plain, snake, upper_camel};

/// Refuses files in which two names meet. `nested`: each package becomes a module in its parent's.
pub(super) fn check(
    files: &[FileDescriptorProto],
    options: &Options,
    nested: bool,
    includes: &[PathBuf],
) -> Result<(), Error> {
    let mut taken = HashMap::new();
    for file in files {
        let mut names = Names {
            file,
            options,
            includes,
            taken: &mut taken,
        };
        names.take_file(nested)?;
    }
    Ok(())
}

/// Something in a `.proto` file that has a name.
struct Item<'a> {
    kind: &'static str,
    name: &'a str,
    file: &'a FileDescriptorProto,
    /// The way to it from the file, in the field numbers of descriptor.proto and indices.
    path: Vec<i32>,
}

/// The names of one file, and of those before it.
struct Names<'n, 'a> {
    file: &'a FileDescriptorProto,
    options: &'n Options,
    includes: &'n [PathBuf],
    /// By name in Rust: `a::b::foo_server`; that of a field is `a::b::Foo.bar`.
    taken: &'n mut HashMap<String, Item<'a>>,
}

impl<'a> Names<'_, 'a> {
    fn take_file(&mut self, nested: bool) -> Result<(), Error> {
        let file = self.file;
        let package = match file.package() {
            "" => String::new(),
            package => format!(".{package}"),
        };
        let mut scope = String::new();
        for part in Module::from_protobuf_package_name(file.package()).parts() {
            scope += plain(part);
            if nested && !self.options.is_extern(&package) {
                self.take(&scope, "package", file.package(), vec![2])?;
            }
            scope += "::";
        }
        for (index, message) in enumerate(&file.message_type) {
            self.take_message(&scope, &package, message, vec![4, index])?;
        }
        for (index, item) in enumerate(&file.enum_type) {
            self.take_enum(&scope, &package, item.name(), vec![5, index])?;
        }
        for (index, service) in enumerate(&file.service) {
            let module = format!("{scope}{}", snake(service.name()));
            let sides = [
                (self.options.build_server, "server"),
                (self.options.build_client, "client"),
            ];
            for (_, side) in sides.iter().filter(|(build, _)| *build) {
                let module = format!("{module}_{side}");
                self.take(&module, "service", service.name(), vec![6, index])?;
            }
        }
        Ok(())
    }

    fn take_message(
        &mut self,
        scope: &str,
        parent: &str,
        message: &'a DescriptorProto,
        path: Vec<i32>,
    ) -> Result<(), Error> {
        let (name, full) = (message.name(), format!("{parent}.{}", message.name()));
        if self.options.is_extern(&full) {
            return Ok(());
        }
        let below = |field, index| [&path[..], &[field, index]].concat();
        let rust = format!("{scope}{}", type_name(name));
        self.take(&rust, "message", name, path.clone())?;

        // What stands in a oneof is a variant of its enum, not a field of the struct.
        let mut oneofs = Vec::new();
        for (index, field) in enumerate(&message.field) {
            let oneof = field.oneof_index.filter(|_| !field.proto3_optional());
            let rust = match oneof {
                Some(oneof) => format!("{rust}.{oneof}.{}", type_name(field.name())),
                None => format!("{rust}.{}", snake(field.name())),
            };
            oneofs.extend(oneof);
            self.take(&rust, "field", field.name(), below(2, index))?;
        }
        for (index, oneof) in enumerate(&message.oneof_decl) {
            if oneofs.contains(&index) {
                let rust = format!("{rust}.{}", snake(oneof.name()));
                self.take(&rust, "oneof", oneof.name(), below(8, index))?;
            }
        }

        let is_map = |nested: &DescriptorProto| {
            let options = nested.options.as_ref();
            options.is_some_and(|options| options.map_entry())
        };
        let nested = enumerate(&message.nested_type);
        let nested: Vec<_> = nested.filter(|(_, nested)| !is_map(nested)).collect();
        if nested.is_empty() && message.enum_type.is_empty() && oneofs.is_empty() {
            return Ok(());
        }
        let module = format!("{scope}{}", snake(name));
        self.take(&module, "message", name, path.clone())?;
        let scope = format!("{module}::");
        for (index, nested) in nested {
            self.take_message(&scope, &full, nested, below(3, index))?;
        }
        for (index, item) in enumerate(&message.enum_type) {
            self.take_enum(&scope, &full, item.name(), below(4, index))?;
        }
        Ok(())
    }

    fn take_enum(
        &mut self,
        scope: &str,
        parent: &str,
        name: &'a str,
        path: Vec<i32>,
    ) -> Result<(), Error> {
        if self.options.is_extern(&format!("{parent}.{name}")) {
            return Ok(());
        }
        self.take(&format!("{scope}{}", type_name(name)), "enum", name, path)
    }

    /// Gives the name `rust` to an item, unless it has an owner.
    fn take(
        &mut self,
        rust: &str,
        kind: &'static str,
        name: &'a str,
        path: Vec<i32>,
    ) -> Result<(), Error> {
        let file = self.file;
        let item = Item {
            kind,
            name,
            file,
            path,
        };
        match self.taken.get(rust) {
            None => {
                self.taken.insert(rust.to_owned(), item);
                Ok(())
            }
            // Several files may be of one package, and several packages in one.
            Some(first) if (first.kind, kind) == ("package", "package") => Ok(()),
            Some(first) => Err(self.collision(rust, first, &item)),
        }
    }

    fn collision(&self, rust: &str, first: &Item<'_>, second: &Item<'_>) -> Error {
        let rust = rust.rsplit([':', '.']).next().unwrap_or(rust);
        let place = |item: &Item<'_>| Place::of(item.file, &item.path, self.includes);
        let (there, here) = (place(first), place(second));
        let there = match there.file == here.file && there.line > 0 {
            true => format!("line {}", there.line),
            false => there.to_string(),
        };
        let message = format!(
            "{} '{}' and {} '{}' ({there}) are both `{rust}` in Rust",
            second.kind, second.name, first.kind, first.name
        );
        Error::at(&here, &message)
    }
}

/// What prost-build makes of the name of a type.
fn type_name(name: &str) -> String {
    upper_camel(&snake(name))
}

/// With indices as descriptor.proto has them.
fn enumerate<T>(items: &[T]) -> impl Iterator<Item = (i32, &T)> {
    (0..).zip(items)
}
