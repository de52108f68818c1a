//! What goes wrong while code is generated, told so that it can be put right.
//!
//! A build script's user sees an error through `{:?}` (that is what `main` and `unwrap` print), so
//! `Debug` says the same as `Display`: the place as `file:line:column`, the line itself, a mark
//! under the column, and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use protox::prost_reflect::prost_types::FileDescriptorProto;

use super::source;

/// Why no code was generated.
///
/// Printed with `{}` or with `{:?}`, it is the same text for people, of several lines:
///
/// ```text
/// proto/user.proto:7:27: name 'GetUserRequset' is not defined
///   |
/// 7 |   rpc GetUserUUID(GetUserRequset) returns (GetUserResponse);
///   |                   ^
/// define it, or import the file that does
/// ```
pub struct Error {
    text: String,
    source: Option<io::Error>,
}

impl Error {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            source: None,
        }
    }

    /// Reading or writing `path` failed.
    pub(super) fn io(doing: &str, path: &Path, source: io::Error) -> Self {
        Self {
            text: format!("cannot {doing} {}: {source}", path.display()),
            source: Some(source),
        }
    }

    /// A file that is not there, neither by its own path nor under an include directory.
    pub(super) fn no_such_file(path: &Path, includes: &[PathBuf]) -> Self {
        Self::new(format!(
            "no such file: '{}'\nlooked in the working directory, and in: {}",
            path.display(),
            join(includes)
        ))
    }

    /// The same error, where the program gave a file and no include directories.
    pub(super) fn of_one_file(mut self) -> Self {
        for (with_directories, alone) in ADVICE_FOR_ONE_FILE {
            self.text = self.text.replace(with_directories, alone);
        }
        self
    }

    /// A file that is there, and lies under no include directory.
    pub(super) fn not_included(path: &Path, includes: &[PathBuf]) -> Self {
        let message = format!("file '{}' is not in any include path", path.display());
        let advice = advice(&message).unwrap_or_default();
        Self::new(format!(
            "{message}\nlooked in: {}\n{advice}",
            join(includes)
        ))
    }

    /// A file that an `import` of its name would not find, but another one.
    pub(super) fn shadowed(path: &Path, first: &Path) -> Self {
        let (path, first) = (path.display(), first.display());
        Self::new(format!(
            "path '{path}' is shadowed by '{first}', which an include directory before its own has\n\
             name '{first}' in its place, or the include directories in another order"
        ))
    }

    /// An error at a place in a file.
    pub(super) fn at(place: &Place, message: &str) -> Self {
        let Place { file, line, column } = place;
        let mut text = format!("{place}: {message}");
        let source = source::read_anyhow(file);
        let source_line = line
            .checked_sub(1)
            .and_then(|line| source.lines().nth(line));
        if let Some(source_line) = source_line {
            let margin = " ".repeat(line.to_string().len());
            // Tabs are as wide as the terminal likes: the mark's line repeats them.
            let before = source_line.chars().take(column.saturating_sub(1));
            let before: String = before.map(|c| if c == '\t' { c } else { ' ' }).collect();
            text += &format!("\n{margin} |\n{line} | {source_line}\n{margin} | {before}^");
        }
        if let Some(advice) = advice(message) {
            text += &format!("\n{advice}");
        }
        Self::new(text)
    }

    /// What protox said, with the place it named looked up under `includes`.
    pub(super) fn from_protox(error: &protox::Error, includes: &[PathBuf]) -> Self {
        // protox gives the place to miette's printers, and besides only in its `Debug` text:
        // "file:line:column: message".
        let (message, debug) = (error.to_string(), format!("{error:?}"));
        // A name that the file does not give is not known to what says this.
        let message = message.replace("JSON name ''", "the same JSON name");
        let message = message.replace("identifiers may not be negative", NEGATIVE);
        let file = error.file().map(|file| on_disk(file, includes));
        if let Some(place) = file.as_ref().and_then(|file| Place::in_text(&debug, file)) {
            let message = match is_edition(&place) {
                true => EDITIONS.to_owned(),
                false => message,
            };
            return Self::at(&place, &message);
        }
        let mut text = match &file {
            Some(file) if file.exists() => format!("{}: {message}", file.display()),
            _ => message.clone(),
        };
        if debug.len() > message.len() && debug.starts_with(&message) {
            text = debug;
        }
        if let Some(advice) = advice(&message) {
            text += &format!("\n{advice}");
        }
        Self::new(text)
    }
}

/// protoc takes `-inf` there, and nothing else of the kind.
const NEGATIVE: &str = "the value of an option is a name behind a minus, such as `-inf`, which temaki's codegen does not read";

/// Refused in a sentence of our own, since both libraries beneath would only name a token.
pub(super) const EDITIONS: &str = "this file uses editions, which temaki's codegen does not read";

/// A place in a file; line and column count from 1, and are 0 where nothing tells them.
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    /// Where an element stands, as far as its file tells: its name, if it has one. `path` is the
    /// way to it from the file, in the field numbers of descriptor.proto and indices.
    pub(super) fn of(file: &FileDescriptorProto, path: &[i32], includes: &[PathBuf]) -> Self {
        let info = file.source_code_info.as_ref();
        let start = |path: &[i32]| {
            let mut locations = info?.location.iter();
            let found = locations.find(|location| location.path == path)?;
            let from_one = |span: &i32| usize::try_from(*span).unwrap_or(0) + 1;
            Some((
                found.span.first().map(from_one)?,
                found.span.get(1).map(from_one)?,
            ))
        };
        let name = [path, &[1]].concat();
        let (line, column) = start(&name).or_else(|| start(path)).unwrap_or((0, 0));
        let file = on_disk(file.name(), includes);
        Self { file, line, column }
    }

    /// Finds ":line:column:" in what protox prints.
    fn in_text(text: &str, file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_str()?;
        let (_, numbers) = text.split_once(&format!("{name}:"))?;
        let mut numbers = numbers.split(':');
        Some(Self {
            file: file.to_owned(),
            line: numbers.next()?.trim().parse().ok()?,
            column: numbers.next()?.trim().parse().ok()?,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column } = self;
        match line {
            0 => write!(f, "{}", file.display()),
            _ => write!(f, "{}:{line}:{column}", file.display()),
        }
    }
}

fn is_edition(place: &Place) -> bool {
    let source = source::read_anyhow(&place.file);
    let line = source.lines().nth(place.line.saturating_sub(1));
    line.is_some_and(|line| line.trim_start().starts_with("edition"))
}

/// The file that protox calls `name`, by the path that the user knows it by.
pub(super) fn on_disk(name: &str, includes: &[PathBuf]) -> PathBuf {
    let found = includes.iter().map(|include| tidy_join(include, name));
    let mut found = found.filter(|path| path.exists());
    found.next().unwrap_or_else(|| PathBuf::from(name))
}

/// `./x` is said `x`.
fn tidy_join(include: &Path, name: &str) -> PathBuf {
    match include.to_str() {
        Some("" | ".") => PathBuf::from(name),
        _ => include.join(name),
    }
}

fn join(includes: &[PathBuf]) -> String {
    let includes: Vec<String> = includes.iter().map(|i| i.display().to_string()).collect();
    includes.join(", ")
}

/// What to do about it, for the mistakes that people make most.
fn advice(message: &str) -> Option<&'static str> {
    let rows = [
        (
            "uses editions",
            "write `syntax = \"proto3\";` (or \"proto2\") in place of the edition, and say the same \
             with its keywords",
        ),
        ("is not defined", "define it, or import the file that does"),
        (
            "unknown syntax",
            "the syntaxes are \"proto2\" and \"proto3\"",
        ),
        (
            "not found",
            "a path in an import begins at one of the include directories, the second argument of \
             compile_protos",
        ),
        (
            "not in any include path",
            "name an include directory that the file lies under, the second argument of \
             compile_protos",
        ),
        ("is defined twice", "rename one of the two"),
        ("conflicts with field", "rename one of the two"),
        ("the same JSON name", "rename one of the two"),
        ("no name in Rust", "give it a name with a letter"),
        (
            "the module of what is in it",
            "give it a name with a letter",
        ),
        (
            "those of prost-types",
            "compile_well_known_types(true) writes all of google.protobuf; or name the package otherwise",
        ),
        ("in Rust", "rename one of the two"),
        ("is already used", "give it a number of its own"),
        ("enums must be 0", "give the first value the number 0"),
        (
            "fields must have a label",
            "begin the file with `syntax = \"proto3\";`, or write a label",
        ),
        ("import cycle", "move what both need into a file of its own"),
        ("listed twice", "one of the two lines is enough"),
    ];
    let row = rows.iter().find(|(part, _)| message.contains(part));
    row.map(|(_, advice)| *advice)
}

/// Advice about include directories, and the same for a program that calls `compile_protos(file)`.
const ADVICE_FOR_ONE_FILE: [(&str, &str); 2] = [
    (
        "begins at one of the include directories, the second argument of compile_protos",
        "begins at the directory of the file that is compiled; \
         configure().compile_protos(files, directories) takes others",
    ),
    // There is one include directory, the file's own.
    (
        "\nlooked in the working directory, and in: ",
        "\nlooked in: ",
    ),
];

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// For a build script whose `main` returns [`std::io::Result`], as with other code generators.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}
