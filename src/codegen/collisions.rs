//! Names that are two in a `.proto` file and one in Rust.
//!
//! `Foo` and `FOO` are both `Foo` in Rust's case, and the modules of such services both
//! `foo_server`. rustc would say so of the generated text, at a place that nobody wrote; here it is
//! said of the `.proto` file.
//!
//! Refused as well are names that Rust has no place for at all: `__`, of which Rust's case leaves
//! nothing, and a message `_1` beside the module of what is in it.
//!
//! Of methods that meet, only the names are looked at here: they get an underscore (`names.rs`).

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use prost_build::Module;
use protox::prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

use super::builder::Options;
use super::error::{Error, Place};
use super::names::{plain, snake, type_name, variant_name};

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
        self.check_is_named("package", file.package(), &[2])?;
        self.check_is_no_ones(&package)?;
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
            self.take_enum(&scope, &package, item, vec![5, index])?;
        }
        for (index, service) in enumerate(&file.service) {
            self.check_is_named("service", service.name(), &[6, index])?;
            for (method, item) in enumerate(&service.method) {
                self.check_is_named("method", item.name(), &[6, index, 2, method])?;
            }
            let module = format!("{scope}{}", snake(service.name()));
            let Options {
                build_server,
                build_client,
                ..
            } = *self.options;
            let any = build_server || build_client;
            let modules = [
                (any && !service.method.is_empty(), "paths"),
                (build_server, "server"),
                (build_client, "client"),
            ];
            for (_, side) in modules.iter().filter(|(build, _)| *build) {
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
        let of = rust.clone();
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
            for accessor in accessors(self.file, message, field).filter(|_| oneof.is_none()) {
                let rust = format!("{of}.{accessor}()");
                self.take(&rust, "field", field.name(), below(2, index))?;
            }
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
        let module = format!("{scope}{}", plain(&snake(name)));
        if module == rust {
            let text = format!(
                "message '{name}' and the module of what is in it are both `{name}` in Rust"
            );
            return Err(Error::at(
                &Place::of(self.file, &path, self.includes),
                &text,
            ));
        }
        self.take(&module, "message", name, path.clone())?;
        let scope = format!("{module}::");
        for (index, nested) in nested {
            self.take_message(&scope, &full, nested, below(3, index))?;
        }
        for (index, item) in enumerate(&message.enum_type) {
            self.take_enum(&scope, &full, item, below(4, index))?;
        }
        for (index, oneof) in enumerate(&message.oneof_decl) {
            if oneofs.contains(&index) {
                let name = type_of_oneof(message, oneof.name());
                self.take(
                    &format!("{scope}{name}"),
                    "oneof",
                    oneof.name(),
                    below(8, index),
                )?;
            }
        }
        Ok(())
    }

    fn take_enum(
        &mut self,
        scope: &str,
        parent: &str,
        item: &'a EnumDescriptorProto,
        path: Vec<i32>,
    ) -> Result<(), Error> {
        if self.options.is_extern(&format!("{parent}.{}", item.name())) {
            return Ok(());
        }
        let name = type_name(item.name());
        let rust = format!("{scope}{name}");
        self.take(&rust, "enum", item.name(), path.clone())?;
        // Of values with one number (`allow_alias`), the first is written.
        let mut numbers = HashSet::new();
        for (index, value) in enumerate(&item.value) {
            let path = [&path[..], &[2, index]].concat();
            match numbers.insert(value.number()) {
                true => {
                    let rust = format!("{rust}.{}", variant_name(&name, value.name()));
                    self.take(&rust, "value", value.name(), path)?;
                }
                false => self.check_is_named("value", value.name(), &path)?,
            }
        }
        Ok(())
    }

    /// Refuses a name that has nothing but underscores, between dots.
    fn check_is_named(&self, kind: &str, name: &str, path: &[i32]) -> Result<(), Error> {
        let nothing = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte == b'_');
        if !name.split('.').any(nothing) {
            return Ok(());
        }
        let place = Place::of(self.file, path, self.includes);
        let text = format!("{kind} '{name}' has neither letter nor digit, and so no name in Rust");
        Err(Error::at(&place, &text))
    }

    /// Refuses a file of one's own among the well-known types, which are not written.
    fn check_is_no_ones(&self, package: &str) -> Result<(), Error> {
        let file = self.file;
        if !self.options.is_well_known(package) || WELL_KNOWN.contains(&file.name()) {
            return Ok(());
        }
        let place = Place::of(file, &[2], self.includes);
        let text = format!(
            "package '{}' lies in google.protobuf, whose types are those of prost-types",
            file.package()
        );
        Err(Error::at(&place, &text))
    }

    /// Gives the name `rust` to an item, unless it has an owner.
    fn take(
        &mut self,
        rust: &str,
        kind: &'static str,
        name: &'a str,
        path: Vec<i32>,
    ) -> Result<(), Error> {
        self.check_is_named(kind, name, &path)?;
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

/// The files whose types `prost-types` has.
const WELL_KNOWN: &[&str] = &[
    "google/protobuf/any.proto",
    "google/protobuf/api.proto",
    "google/protobuf/compiler/plugin.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/type.proto",
    "google/protobuf/wrappers.proto",
];

/// The methods that prost derives for a field, beside the field.
fn accessors(
    file: &FileDescriptorProto,
    message: &DescriptorProto,
    field: &FieldDescriptorProto,
) -> impl Iterator<Item = String> {
    let entry = field.type_name().rsplit('.').next().unwrap_or_default();
    let mut entries = message.nested_type.iter();
    let entry = entries.find(|nested| {
        let options = nested.options.as_ref();
        nested.name() == entry && options.is_some_and(|options| options.map_entry())
    });
    let is_enum = |field: &FieldDescriptorProto| field.r#type() == Type::Enum;
    let value_is_enum = entry.is_some_and(|entry| entry.field.get(1).is_some_and(is_enum));
    let is_optional = file.syntax() != "proto3" || field.proto3_optional();
    let is_message = matches!(field.r#type(), Type::Message | Type::Group);
    let prefixes: &[&str] = match (is_enum(field), field.label()) {
        (true, Label::Repeated) => &["", "push_"],
        (true, _) => &["", "set_"],
        _ if value_is_enum => &["get_", "insert_"],
        // The value, or its default.
        (false, Label::Optional) if is_optional && !is_message => &[""],
        _ => &[],
    };
    let name = snake(field.name());
    prefixes.iter().map(move |prefix| format!("{prefix}{name}"))
}

/// What prost-build calls the enum of a oneof.
fn type_of_oneof(message: &DescriptorProto, oneof: &str) -> String {
    let messages = message.nested_type.iter().map(DescriptorProto::name);
    let mut types = messages.chain(message.enum_type.iter().map(EnumDescriptorProto::name));
    let name = type_name(oneof);
    match types.any(|other| type_name(other) == name) {
        true => format!("{name}OneOf"),
        false => name,
    }
}

/// With indices as descriptor.proto has them.
fn enumerate<T>(items: &[T]) -> impl Iterator<Item = (i32, &T)> {
    (0..).zip(items)
}
