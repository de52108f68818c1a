//! `.proto` files and all that they import, to descriptors.
//!
//! protox parses a file and prost-reflect checks what the names in it mean. Their own driver,
//! `protox::Compiler`, is not used, for one reason: of `config.C` in package `x.ext.tls` it takes
//! the first `config` that any file knows, `x.ext.config` of a file that was never imported, and
//! finds no `C` there. The language (and protoc) look among the file's own names and those of its
//! imports. So names of several parts are looked up here, by protoc's rule, and handed on whole:
//! `.x.config.C`. Names that this file does not find stay as they are, for prost-reflect to refuse.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use protox::file::{File, FileResolver, GoogleFileResolver};
use protox::prost_reflect::DescriptorPool;
use protox::prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    UninterpretedOption, field_descriptor_proto::Type,
};

use super::error::{Error, Place};
use super::source;

/// Compiled files, each behind those that it imports.
pub(super) struct Compiled {
    pub(super) pool: DescriptorPool,
    /// Where they were found on disk; those that protox brings are nowhere.
    pub(super) paths: Vec<PathBuf>,
}

/// Compiles `protos`, and what they import from `includes`.
pub(super) fn compile(
    protos: &[impl AsRef<Path>],
    includes: &[PathBuf],
) -> Result<Compiled, Error> {
    let mut compiler = Compiler {
        includes,
        google: GoogleFileResolver::new(),
        pool: DescriptorPool::new(),
        paths: Vec::new(),
        scopes: Vec::new(),
        by_name: HashMap::new(),
    };
    for proto in protos {
        let name = compiler.name_of(proto.as_ref())?;
        compiler.open(&name, &mut Vec::new())?;
    }
    let Compiler { pool, paths, .. } = compiler;
    Ok(Compiled { pool, paths })
}

struct Compiler<'a> {
    includes: &'a [PathBuf],
    google: GoogleFileResolver,
    pool: DescriptorPool,
    paths: Vec<PathBuf>,
    /// What each file in the pool defines, in the pool's order.
    scopes: Vec<Scope>,
    /// The index in `scopes` by the file's name.
    by_name: HashMap<String, usize>,
}

impl Compiler<'_> {
    /// What an `import` would call the file: its path from an include directory.
    fn name_of(&self, proto: &Path) -> Result<String, Error> {
        let mut includes = self.includes.iter();
        let within = includes.find_map(|include| {
            // `.` is no part of a path: `./proto/a.proto` lies in `proto`.
            let (path, include) = (without_dots(proto), without_dots(include));
            let relative = path.strip_prefix(include).ok()?.to_owned();
            name_of_relative(&relative)
        });
        let is_within = within.is_some();
        let name = within.or_else(|| name_of_relative(proto));
        let found = name.filter(|name| self.find(name).is_some() || self.google(name).is_some());
        let Some(name) = found else {
            return Err(match proto.exists() {
                true => Error::not_included(proto, self.includes),
                false => Error::no_such_file(proto, self.includes),
            });
        };
        match self.find(&name) {
            Some(first) if is_within && without_dots(&first) != without_dots(proto) => {
                Err(Error::shadowed(proto, &first))
            }
            _ => Ok(name),
        }
    }

    /// The file of that name in the first include directory that has it.
    fn find(&self, name: &str) -> Option<PathBuf> {
        let mut paths = self.includes.iter().map(|include| include.join(name));
        paths.find(|path| path.is_file())
    }

    fn google(&self, name: &str) -> Option<File> {
        self.google.open_file(name).ok()
    }

    /// Puts a file and all that it imports into the pool. `above` are the files that import it.
    fn open(&mut self, name: &str, above: &mut Vec<String>) -> Result<usize, Error> {
        if let Some(&index) = self.by_name.get(name) {
            return Ok(index);
        }
        let (text, file) = match self.find(name) {
            Some(path) => {
                let text = source::read(&path)?;
                self.paths.push(path);
                let file = File::from_source(name, &text);
                let file = file.map_err(|error| Error::from_protox(&error, self.includes))?;
                (text, file)
            }
            None => match self.google(name) {
                Some(file) => (String::new(), file),
                None => return Err(Error::not_included(Path::new(name), self.includes)),
            },
        };
        let mut file = FileDescriptorProto::from(file);

        above.push(name.to_owned());
        let mut imports = Vec::new();
        for (index, import) in file.dependency.iter().enumerate() {
            let refused = |message: String| {
                let path = [3, i32::try_from(index).unwrap_or(0)];
                Error::at(&Place::of(&file, &path, self.includes), &message)
            };
            if file.dependency[..index].contains(import) {
                return Err(refused(format!("import '{import}' was listed twice")));
            }
            if above.contains(import) {
                let cycle = [above.as_slice(), std::slice::from_ref(import)]
                    .concat()
                    .join(" -> ");
                return Err(refused(format!("import cycle detected: {cycle}")));
            }
            if self.find(import).is_none() && self.google(import).is_none() {
                return Err(refused(format!("import '{import}' not found")));
            }
            imports.push(self.open(import, above)?);
        }
        above.pop();

        let mut scope = Scope::of(&file);
        for index in &file.public_dependency {
            let import = usize::try_from(*index).ok().and_then(|i| imports.get(i));
            scope.handed_on.extend(import);
        }
        let mut names = Names {
            scopes: &self.scopes,
            visible: self.visible(&imports),
            own: &scope,
        };
        names.resolve_file(&mut file);

        let added = self.pool.add_file_descriptor_proto(file);
        added.map_err(|error| {
            let error = protox::Error::from(error.with_source_code(&text));
            Error::from_protox(&error, self.includes)
        })?;
        self.scopes.push(scope);
        let index = self.scopes.len() - 1;
        self.by_name.insert(name.to_owned(), index);
        Ok(index)
    }

    /// The files whose names can be used by one with these imports: they, and what they import
    /// publicly.
    fn visible(&self, imports: &[usize]) -> Vec<usize> {
        let mut visible: Vec<usize> = Vec::new();
        let mut waiting = imports.to_vec();
        while let Some(index) = waiting.pop() {
            if !visible.contains(&index) {
                visible.push(index);
                waiting.extend(&self.scopes[index].handed_on);
            }
        }
        visible
    }
}

fn without_dots(path: &Path) -> PathBuf {
    let parts = path.components();
    parts.filter(|part| *part != Component::CurDir).collect()
}

/// A name has slashes on every system.
fn name_of_relative(path: &Path) -> Option<String> {
    let parts = path.components().map(|part| match part {
        Component::Normal(part) => part.to_str(),
        _ => None,
    });
    let name = parts.collect::<Option<Vec<&str>>>()?.join("/");
    (!name.is_empty()).then_some(name)
}

/// The names that a file defines.
struct Scope {
    package: String,
    /// By full name, without the dot in front.
    names: HashMap<String, Kind>,
    /// The files that it imports publicly.
    handed_on: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A message, enum or service: there may be more behind its name.
    Aggregate,
    /// An extension, and whether it is a `float` or a `double`.
    Extension { is_float: bool },
}

impl Scope {
    fn of(file: &FileDescriptorProto) -> Self {
        let mut scope = Self {
            package: file.package().to_owned(),
            names: HashMap::new(),
            handed_on: Vec::new(),
        };
        let package = file.package();
        scope.take(
            package,
            &file.message_type,
            &file.enum_type,
            &file.extension,
        );
        for service in &file.service {
            let name = join(package, service.name());
            scope.names.insert(name, Kind::Aggregate);
        }
        scope
    }

    fn take(
        &mut self,
        parent: &str,
        messages: &[DescriptorProto],
        enums: &[EnumDescriptorProto],
        extensions: &[FieldDescriptorProto],
    ) {
        for item in enums {
            self.names
                .insert(join(parent, item.name()), Kind::Aggregate);
        }
        for field in extensions {
            let is_float = matches!(field.r#type(), Type::Float | Type::Double);
            let is_float = is_float && field.r#type.is_some();
            let kind = Kind::Extension { is_float };
            self.names.insert(join(parent, field.name()), kind);
        }
        for message in messages {
            let name = join(parent, message.name());
            self.take(
                &name,
                &message.nested_type,
                &message.enum_type,
                &message.extension,
            );
            self.names.insert(name, Kind::Aggregate);
        }
    }

    /// Whether `name` is its package, or one that its package lies in.
    fn is_in_package(&self, name: &str) -> bool {
        let rest = self.package.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

fn join(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        _ => format!("{scope}.{name}"),
    }
}

/// The names that one file can use.
struct Names<'a> {
    own: &'a Scope,
    scopes: &'a [Scope],
    visible: Vec<usize>,
}

impl Names<'_> {
    fn scopes(&self) -> impl Iterator<Item = &Scope> {
        let imported = self.visible.iter().map(|index| &self.scopes[*index]);
        std::iter::once(self.own).chain(imported)
    }

    fn kind(&self, name: &str) -> Option<Kind> {
        self.scopes()
            .find_map(|scope| scope.names.get(name))
            .copied()
    }

    /// Where there may be more behind `name`.
    fn is_parent(&self, name: &str) -> bool {
        self.kind(name) == Some(Kind::Aggregate)
            || self.scopes().any(|scope| scope.is_in_package(name))
    }

    /// The full name that `name` has, said within `scope`. Inner scopes come first; the innermost
    /// that has the first part decides, whether or not it has the rest.
    fn find(&self, scope: &str, name: &str) -> Option<String> {
        if let Some(name) = name.strip_prefix('.') {
            return self.kind(name).map(|_| name.to_owned());
        }
        let (first, rest) = match name.split_once('.') {
            Some((first, rest)) => (first, Some(rest)),
            None => (name, None),
        };
        let mut scope = scope;
        loop {
            let here = join(scope, first);
            match rest {
                None if self.kind(&here).is_some() => return Some(here),
                Some(rest) if self.is_parent(&here) => {
                    let name = format!("{here}.{rest}");
                    return self.kind(&name).map(|_| name);
                }
                _ if scope.is_empty() => return None,
                _ => scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer),
            }
        }
    }

    /// Writes out a name of several parts. One of a single part means the same to prost-reflect.
    fn resolve(&self, scope: &str, name: &mut Option<String>) {
        let Some(name) = name.as_mut().filter(|name| name.contains('.')) else {
            return;
        };
        if let Some(full) = self.find(scope, name) {
            *name = format!(".{full}");
        }
    }

    fn resolve_file(&mut self, file: &mut FileDescriptorProto) {
        let package = file.package().to_owned();
        self.resolve_options(&package, &mut file.options);
        for message in &mut file.message_type {
            self.resolve_message(&package, message);
        }
        for item in &mut file.enum_type {
            self.resolve_enum(&package, item);
        }
        for field in &mut file.extension {
            self.resolve_field(&package, field);
        }
        for service in &mut file.service {
            let name = join(&package, service.name());
            self.resolve_options(&package, &mut service.options);
            for method in &mut service.method {
                self.resolve(&name, &mut method.input_type);
                self.resolve(&name, &mut method.output_type);
                self.resolve_options(&name, &mut method.options);
            }
        }
    }

    fn resolve_message(&self, scope: &str, message: &mut DescriptorProto) {
        let name = join(scope, message.name());
        self.resolve_options(scope, &mut message.options);
        for field in message.field.iter_mut().chain(&mut message.extension) {
            self.resolve_field(&name, field);
        }
        for nested in &mut message.nested_type {
            self.resolve_message(&name, nested);
        }
        for item in &mut message.enum_type {
            self.resolve_enum(&name, item);
        }
        for oneof in &mut message.oneof_decl {
            self.resolve_options(&name, &mut oneof.options);
        }
        for range in &mut message.extension_range {
            self.resolve_options(&name, &mut range.options);
        }
    }

    fn resolve_field(&self, scope: &str, field: &mut FieldDescriptorProto) {
        self.resolve(scope, &mut field.type_name);
        self.resolve(scope, &mut field.extendee);
        self.resolve_options(scope, &mut field.options);
    }

    fn resolve_enum(&self, scope: &str, item: &mut EnumDescriptorProto) {
        let name = join(scope, item.name());
        self.resolve_options(scope, &mut item.options);
        for value in &mut item.value {
            self.resolve_options(&name, &mut value.options);
        }
    }

    fn resolve_options(&self, scope: &str, options: &mut Option<impl Options>) {
        let Some(options) = options else { return };
        for option in options.uninterpreted() {
            // `(f) = inf`: prost-reflect takes numbers only, where the option is one.
            if let [part] = option.name.as_slice() {
                let kind = self.kind_of_option(scope, &part.name_part, part.is_extension);
                let value = match option.identifier_value.as_deref() {
                    Some("inf") => f64::INFINITY,
                    Some("nan") => f64::NAN,
                    _ => 0.0,
                };
                if value != 0.0 && kind == Some(Kind::Extension { is_float: true }) {
                    option.identifier_value = None;
                    option.double_value = Some(value);
                }
            }
            for part in option.name.iter_mut().filter(|part| part.is_extension) {
                if !part.name_part.contains('.') {
                    continue;
                }
                if let Some(full) = self.find(scope, &part.name_part) {
                    part.name_part = format!(".{full}");
                }
            }
        }
    }

    fn kind_of_option(&self, scope: &str, name: &str, is_extension: bool) -> Option<Kind> {
        self.kind(&self.find(scope, name).filter(|_| is_extension)?)
    }
}

/// The options of any element, while they are not interpreted.
trait Options {
    fn uninterpreted(&mut self) -> &mut [UninterpretedOption];
}

macro_rules! options {
    ($($name:ident)*) => {$(
        impl Options for protox::prost_reflect::prost_types::$name {
            fn uninterpreted(&mut self) -> &mut [UninterpretedOption] {
                &mut self.uninterpreted_option
            }
        }
    )*};
}

options! {
    FileOptions MessageOptions FieldOptions OneofOptions EnumOptions EnumValueOptions
    ExtensionRangeOptions ServiceOptions MethodOptions
}
