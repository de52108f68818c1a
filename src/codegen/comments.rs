//! Comments of a `.proto` file to Rust documentation.
//!
//! Such a comment was not written for rustdoc: an indented example would be compiled as a test,
//! `[Foo]` would be looked up as a link, `map<string, int32>` would be an HTML tag. Here code
//! becomes
//! ```` ```text ````, brackets and angles outside code are escaped, bare addresses become links; what
//! is Markdown in a harmless way (lists, headings, emphasis, links to the web) stays.
//!
//! prost-build writes the comments of messages itself, with changes of its own that would spoil
//! these. So the descriptors are given to it with their comments already done, what it looks for
//! masked, and `tidy.rs` takes the masks off again.

use prost_build::Comments;
use protox::prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, SourceCodeInfo,
    source_code_info::Location,
};

/// Stands where prost-build would otherwise change a comment, and for a bracket that it would
/// escape. Noncharacters: no text means them.
const GUARD: char = '\u{FDD0}';
const BRACKET: char = '\u{FDD1}';

/// A line of a comment as it was meant, once prost-build is through with it.
pub(super) fn unguarded(line: &str) -> String {
    line.replace(GUARD, "").replace(BRACKET, "[")
}

/// The documentation of a service or method: lines for `///`, each with its leading space.
pub(super) fn docs(comments: &Comments) -> Vec<String> {
    let mut lines = comments.leading.clone();
    if !lines.is_empty() && !comments.trailing.is_empty() {
        lines.push(String::new());
    }
    lines.extend_from_slice(&comments.trailing);
    lines.iter().map(|line| unguarded(line)).collect()
}

/// Rewrites the comments of a file, in place.
///
/// prost-build looks an element's comments up by its path and panics if there is none; a descriptor
/// set from elsewhere may lack some. So there is an entry for every element, empty if need be.
pub(super) fn rewrite(file: &mut FileDescriptorProto) {
    let Some(info) = file.source_code_info.take() else {
        return;
    };
    let mut location: Vec<Location> = paths(file)
        .into_iter()
        .map(|path| Location {
            path,
            ..Location::default()
        })
        .collect();
    location.sort_by(|a, b| a.path.cmp(&b.path));
    for old in info.location {
        let Ok(at) = location.binary_search_by(|new| new.path.cmp(&old.path)) else {
            continue;
        };
        let new = &mut location[at];
        let markdown = |comment: Option<String>| comment.map(|text| guarded(&markdown(&text)));
        new.leading_comments = new
            .leading_comments
            .take()
            .or(markdown(old.leading_comments));
        new.trailing_comments = new
            .trailing_comments
            .take()
            .or(markdown(old.trailing_comments));
        // These stand apart in the .proto file and become `//` comments: no Markdown there.
        let detached = old.leading_detached_comments.iter();
        new.leading_detached_comments = detached.map(|text| guarded(&lines_of(text))).collect();
    }
    file.source_code_info = Some(SourceCodeInfo { location });
}

/// The paths of all elements that prost-build asks the comments of. The numbers are those of the
/// fields in descriptor.proto.
fn paths(file: &FileDescriptorProto) -> Vec<Vec<i32>> {
    fn children(parent: &[i32], field: i32, count: usize) -> Vec<Vec<i32>> {
        (0..count as i32)
            .map(|index| [parent, &[field, index]].concat())
            .collect()
    }
    fn of_enum(path: Vec<i32>, item: &EnumDescriptorProto, out: &mut Vec<Vec<i32>>) {
        out.extend(children(&path, 2, item.value.len()));
        out.push(path);
    }
    fn of_message(path: Vec<i32>, message: &DescriptorProto, out: &mut Vec<Vec<i32>>) {
        out.extend(children(&path, 2, message.field.len()));
        out.extend(children(&path, 8, message.oneof_decl.len()));
        let nested = children(&path, 3, message.nested_type.len());
        for (path, nested) in nested.into_iter().zip(&message.nested_type) {
            of_message(path, nested, out);
        }
        let enums = children(&path, 4, message.enum_type.len());
        for (path, item) in enums.into_iter().zip(&message.enum_type) {
            of_enum(path, item, out);
        }
        out.push(path);
    }

    let mut out = Vec::new();
    for (path, message) in children(&[], 4, file.message_type.len())
        .into_iter()
        .zip(&file.message_type)
    {
        of_message(path, message, &mut out);
    }
    for (path, item) in children(&[], 5, file.enum_type.len())
        .into_iter()
        .zip(&file.enum_type)
    {
        of_enum(path, item, &mut out);
    }
    for (path, service) in children(&[], 6, file.service.len())
        .into_iter()
        .zip(&file.service)
    {
        out.extend(children(&path, 2, service.method.len()));
        out.push(path);
    }
    out
}

/// A comment as lines: one leading space of the comment's own taken off, tabs made spaces, nothing
/// in it that rustc refuses in a comment.
fn lines_of(comment: &str) -> Vec<String> {
    let clean = |line: &str| {
        let line = line.strip_prefix(' ').unwrap_or(line);
        let line = line.replace('\t', "    ");
        let visible = |c: &char| !c.is_control() && !is_refused(*c);
        line.chars().filter(visible).collect::<String>()
    };
    let mut lines: Vec<String> = comment
        .lines()
        .map(|line| clean(line).trim_end().to_owned())
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|line| line.is_empty()).count();
    lines.drain(..blank);
    lines
}

/// Marks that turn the direction of text (rustc denies them in comments, since code can hide behind
/// them), and our own.
fn is_refused(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | GUARD | BRACKET)
}

/// Lines for prost-build, such that it changes none of them.
fn guarded(lines: &[String]) -> String {
    let guard = |line: &String| {
        if line.is_empty() {
            return String::new();
        }
        let mut out = format!(" {GUARD}");
        for c in line.chars() {
            match c {
                '[' => out.push(BRACKET),
                // No address without "://".
                ':' => out.extend([GUARD, ':']),
                c => out.push(c),
            }
        }
        out
    };
    let mut text = lines.iter().map(guard).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

/// A comment as Markdown that rustdoc takes for no more than prose, code and links to the web.
fn markdown(comment: &str) -> Vec<String> {
    let lines = lines_of(comment);
    let mut out: Vec<String> = Vec::new();
    let mut rest = lines.as_slice();
    while let Some((line, behind)) = rest.split_first() {
        if line.is_empty() {
            out.push(String::new());
            rest = behind;
        } else if let Some(fence) = fence(line) {
            let length = behind
                .iter()
                .position(|line| closes(line, fence))
                .unwrap_or(behind.len());
            push_code(&behind[..length], &mut out);
            rest = behind.get(length + 1..).unwrap_or_default();
        } else if is_indented(line) {
            let within = |line: &&String| line.is_empty() || is_indented(line);
            let mut length = rest.iter().take_while(within).count();
            while rest[length - 1].is_empty() {
                length -= 1;
            }
            push_code(&rest[..length], &mut out);
            rest = &rest[length..];
        } else {
            // A block ends where a code span cannot reach any further.
            let goes_on = |line: &&String| {
                !line.is_empty() && fence(line).is_none() && !starts_block(line.trim_start())
            };
            let length = 1 + behind.iter().take_while(goes_on).count();
            let block = escape(&rest[..length].join("\n"));
            out.extend(block.lines().map(str::to_owned));
            rest = &rest[length..];
        }
    }
    out
}

fn is_indented(line: &str) -> bool {
    line.starts_with("    ")
}

/// The marks that open a code block, without the name of the language behind them.
fn fence(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|mark| "`~".contains(*mark))?;
    let marks = &line[..line.len() - line.trim_start_matches(mark).len()];
    // "```a```" on one line is a code span.
    (marks.len() >= 3 && !(mark == '`' && line[marks.len()..].contains('`'))).then_some(marks)
}

fn closes(line: &str, fence: &str) -> bool {
    let line = line.trim();
    line.len() >= fence.len() && fence.starts_with(|mark| line.trim_matches(mark).is_empty())
}

fn starts_block(line: &str) -> bool {
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with(['-', '*', '+', '#', '>', '|'])
        || (number.len() < line.len() && number.starts_with(['.', ')']))
}

/// Code as a block that rustdoc neither compiles nor interprets.
fn push_code(lines: &[String], out: &mut Vec<String>) {
    let filled = lines.iter().filter(|line| !line.is_empty());
    let margin = filled
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    // Longer than any run of marks within.
    let longest = lines
        .iter()
        .flat_map(|line| line.split(|c| c != '`'))
        .map(str::len)
        .max();
    let fence = "`".repeat(longest.map_or(3, |longest| 3.max(longest + 1)));
    if out.last().is_some_and(|line| !line.is_empty()) {
        out.push(String::new());
    }
    out.push(format!("{fence}text"));
    out.extend(
        lines
            .iter()
            .map(|line| line.get(margin..).unwrap_or_default().to_owned()),
    );
    out.push(fence);
}

/// Escapes a paragraph outside its code spans and its links to the web.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\\' => {
                let escaped = rest[1..].chars().next().filter(char::is_ascii_punctuation);
                let length = 1 + escaped.map_or(0, char::len_utf8);
                out.push_str(&rest[..length]);
                length
            }
            '`' => {
                let marks = rest.len() - rest.trim_start_matches('`').len();
                let length = code_span(rest, marks);
                // A mark without a partner is no code; escaped, it cannot find one further down.
                if length == 0 {
                    out.push_str(&"\\`".repeat(marks));
                    marks
                } else {
                    out.push_str(&rest[..length]);
                    length
                }
            }
            '<' => match rest.find('>').filter(|&end| is_address(&rest[1..end])) {
                Some(end) => {
                    out.push_str(&rest[..=end]);
                    end + 1
                }
                None => {
                    out.push_str("\\<");
                    1
                }
            },
            '[' => match link(rest) {
                Some(length) => {
                    out.push_str(&rest[..length]);
                    length
                }
                None => {
                    out.push_str("\\[");
                    1
                }
            },
            ']' => {
                out.push_str("\\]");
                1
            }
            'h' if !out.ends_with(|c: char| c.is_alphanumeric()) && is_address(rest) => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || "<>()[]`\"".contains(c))
                    .unwrap_or(rest.len());
                // The full stop behind an address is the sentence's.
                let length = rest[..end]
                    .trim_end_matches(['.', ',', ';', ':', '!', '?', '\''])
                    .len();
                out.push('<');
                out.push_str(&rest[..length]);
                out.push('>');
                length
            }
            c => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    out
}

fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// The length of the code span that opens with `marks` backticks, 0 if nothing closes it.
fn code_span(text: &str, marks: usize) -> usize {
    let mut at = marks;
    while let Some(found) = text[at..].find('`') {
        let begin = at + found;
        let run = text[begin..].len() - text[begin..].trim_start_matches('`').len();
        at = begin + run;
        if run == marks {
            return at;
        }
    }
    0
}

/// The length of `[words](https://…)`. Other targets would be looked up among Rust's names.
fn link(text: &str) -> Option<usize> {
    let (words, target) = text[1..].split_once("](")?;
    let end = target.find(')')?;
    let plain = !words.contains(['[', ']', '<', '`', '\n']) && is_address(target);
    let whole = !target[..end].contains(char::is_whitespace);
    (plain && whole).then_some(1 + words.len() + 2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_escaped_and_code_is_not() {
        let rows = [
            ("plain words.", "plain words."),
            (
                "see [Foo] and [a][b.C].",
                "see \\[Foo\\] and \\[a\\]\\[b.C\\].",
            ),
            ("a [link](https://a.b/c_d).", "a [link](https://a.b/c_d)."),
            ("no [link](Foo).", "no \\[link\\](Foo)."),
            ("at https://a.b/c?d=1.", "at <https://a.b/c?d=1>."),
            ("at <https://a.b>.", "at <https://a.b>."),
            ("(https://a.b)", "(<https://a.b>)"),
            ("map<string, Foo>", "map\\<string, Foo>"),
            ("`map<a, b>` and `[x]`", "`map<a, b>` and `[x]`"),
            ("``a ` [b]`` [c]", "``a ` [b]`` \\[c\\]"),
            ("lone ` and [x]", "lone \\` and \\[x\\]"),
            ("done \\[so\\] \\`x", "done \\[so\\] \\`x"),
            (
                "a span `over\ntwo [lines]` and [out]",
                "a span `over\ntwo [lines]` and \\[out\\]",
            ),
        ];
        for (input, expected) in rows {
            assert_eq!(escape(input), expected, "{input}");
        }
    }

    #[test]
    fn code_is_fenced_as_text() {
        let rows: [(&str, &[&str], &str); 7] = [
            (
                " Words:\n\n     let x = [1];\n       y\n\n Words.",
                &[
                    "Words:",
                    "",
                    "```text",
                    "let x = [1];",
                    "  y",
                    "```",
                    "",
                    "Words.",
                ],
                "an indented block would be a doctest",
            ),
            (
                " ```rust\n a[0]\n ```\n b[0]",
                &["```text", "a[0]", "```", "b\\[0\\]"],
                "a fenced block too",
            ),
            (
                " ~~~\n a",
                &["```text", "a", "```"],
                "a fence that nobody closes",
            ),
            (
                " ````\n ```\n ````",
                &["````text", "```", "````"],
                "a fence around a fence",
            ),
            (
                " Words\n     go on [so].",
                &["Words", "    go on \\[so\\]."],
                "indented, but the same paragraph",
            ),
            (
                " - one ` here\n - two ` [there]",
                &["- one \\` here", "- two \\` \\[there\\]"],
                "a code span ends with its block",
            ),
            (
                "\n  \n\ttab",
                &["```text", "tab", "```"],
                "tabs are indentation",
            ),
        ];
        for (input, expected, why) in rows {
            assert_eq!(markdown(input), expected, "{why}");
        }
    }

    #[test]
    fn what_rustc_refuses_is_left_out() {
        assert_eq!(markdown(" a\u{202E}b\rc\u{0}d\u{FDD0}"), ["abcd"]);
    }

    proptest::proptest! {
        /// Whatever a comment says, rustdoc gets lines it can place, and code only where we put it.
        #[test]
        fn any_comment_is_survived(comment in "([ \\t]*[-a`~<>\\[\\]()\\\\:/#ht\u{FDD0}ü]*\n?){0,12}") {
            let mut fenced: Option<String> = None;
            let mut previous = String::new();
            for line in markdown(&comment) {
                assert!(!line.contains(['\n', '\t', '\u{FDD0}']), "{line}");
                match &fenced {
                    Some(marks) if line == *marks => fenced = None,
                    Some(_) => {}
                    None if line.starts_with("```") && line.ends_with("text") => {
                        fenced = line.strip_suffix("text").map(str::to_owned);
                    }
                    // Indented code would be a doctest; indented it may go on, in a paragraph.
                    None => assert!(!line.starts_with("    ") || !previous.is_empty(), "{comment:?}"),
                }
                previous = line;
            }
            assert!(fenced.is_none(), "an open block would swallow what follows");
        }
    }
}
