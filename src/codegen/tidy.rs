//! Makes the text that prost-build writes for messages readable.
//!
//! prost-build leaves its layout to a formatter that brings `syn` and `prettyplease` with it, and
//! that drops comments. What it writes without one is regular, line by line; this file knows those
//! lines and nothing of the messages. A line it does not know stays as it is.

use super::comments::unguarded;
use super::layout::{Text, split_top_level};

/// Lines around text that is laid out already.
pub(super) const VERBATIM_BEGIN: &str = "\u{FDD0}begin";
pub(super) const VERBATIM_END: &str = "\u{FDD0}end";

/// The lints of the including crate stop at generated text: what they would say has to be said in
/// the .proto file. On each item, since an included file cannot have attributes of its own, and
/// group by group, since `clippy::all` is not all. Two attributes, so that each keeps to a line.
/// (Around the sides of a service it is a macro of the library that says it.)
pub(super) fn allow_in_types(text: &mut Text) {
    text.attribute("allow", "missing_docs, clippy::all, clippy::pedantic");
    text.attribute("allow", OTHER_GROUPS);
}

fn allow_in_impls(text: &mut Text) {
    text.attribute("allow", "dead_code, clippy::all, clippy::pedantic");
    text.attribute("allow", OTHER_GROUPS);
}

pub(super) fn allow_in_constants(text: &mut Text) {
    let lints = "dead_code, missing_docs, clippy::all, clippy::pedantic";
    text.attribute("allow", lints);
    text.attribute("allow", OTHER_GROUPS);
}

const OTHER_GROUPS: &str = "clippy::nursery, clippy::restriction, reason = \"generated\"";

/// Lays out the text of one file, `header` in place of prost-build's own.
pub(super) fn tidy(text: &str, header: &str) -> String {
    let text = merge_derives(&debug_of_tree_maps(&apart_from_derive(text)));
    let mut lines = text.lines().skip(1).peekable();
    let mut out = Text::at_depth(0);
    out.line(header);

    // A blank line sets an item apart from the one before it, which ended with a brace.
    let mut item_ended = true;
    while let Some(line) = lines.next() {
        let content = line.trim();
        if item_ended && !content.is_empty() && content != "}" {
            out.blank();
        }
        if line == VERBATIM_BEGIN {
            for line in lines.by_ref().take_while(|line| *line != VERBATIM_END) {
                out.append(line);
                out.append("\n");
            }
            item_ended = true;
            continue;
        }
        let next = lines.peek().copied().unwrap_or_default();
        // prost-build does not indent this one.
        let misplaced = content.starts_with("#[prost(prost_path");
        let depth = depth_of(if misplaced { next } else { line });
        let mut item = Text::at_depth(depth);
        if content.starts_with("pub struct ") && next.trim() == "}" {
            lines.next();
            write_line(&format!("{content}}}"), depth, &mut item);
            item_ended = true;
        } else {
            write_line(content, depth, &mut item);
            item_ended = content == "}";
        }
        out.append(&item.finish());
    }
    out.finish()
}

/// Enums that are called as prost-derive 0.14 calls the types inside its `Debug` are named by way of
/// their module there.
fn apart_from_derive(text: &str) -> String {
    let mut text = text.to_owned();
    for name in ["Inner", "ScalarWrapper", "MapWrapper"] {
        let (alone, of_map) = (
            format!("enumeration = \"{name}\""),
            format!("enumeration({name})"),
        );
        text = text.replace(&alone, &format!("enumeration = \"self::{name}\""));
        text = text.replace(&of_map, &format!("enumeration(self::{name})"));
    }
    text
}

/// Lets rustc derive `Debug` for messages with a `BTreeMap`.
///
/// For such a map prost-derive 0.14 writes `::prost::alloc` whatever it was told of the path, and
/// prost is no crate that the user has. (`Debug` from rustc shows enums as their numbers.)
fn debug_of_tree_maps(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    // The derive of the message that is being read, unless its `Debug` is left out anyway.
    let mut derive = None;
    for line in text.lines() {
        let content = line.trim();
        if content.starts_with("#[derive(Clone, ") && content.ends_with("::Message)]") {
            derive = Some(out.len());
        } else if content == "#[prost(skip_debug)]" {
            derive = None;
        } else if content.starts_with("#[prost(btree_map") {
            if let Some(at) = derive.take() {
                let line: &mut String = &mut out[at];
                let indentation = " ".repeat(line.len() - line.trim_start().len());
                *line = line.replacen("Clone, ", "Clone, Debug, ", 1);
                *line += &format!("\n{indentation}#[prost(skip_debug)]");
            }
        }
        out.push(line.to_owned());
    }
    out.join("\n") + "\n"
}

/// Joins derives that stand one below the other, as rustfmt does: those of the options and the one
/// that prost-build writes.
fn merge_derives(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for line in text.lines() {
        let merged = out.last().and_then(|above| {
            let (above, below) = (derive(above)?, derive(line)?);
            Some(format!("#[derive({above}, {below})]"))
        });
        let Some(merged) = merged else {
            out.push(line.to_owned());
            continue;
        };
        out.pop();
        out.push(format!("{}{merged}", " ".repeat(depth_of(line) * 4)));
    }
    out.join("\n") + "\n"
}

/// The arguments, if the line is a derive and nothing else.
pub(super) fn derive(line: &str) -> Option<&str> {
    match attribute(line.trim())? {
        ("derive", arguments) => Some(arguments.trim_end_matches(',')),
        _ => None,
    }
}

fn depth_of(line: &str) -> usize {
    (line.len() - line.trim_start().len()) / 4
}

fn write_line(content: &str, depth: usize, out: &mut Text) {
    if content.is_empty() {
        return out.blank();
    }
    if content.starts_with("//") {
        return out.line(unguarded(content).trim_end());
    }
    if let Some((name, arguments)) = attribute(content) {
        return out.attribute(name, arguments);
    }
    if content.starts_with("impl ") {
        allow_in_impls(out);
    } else if depth == 0 && content.starts_with("pub ") {
        allow_in_types(out);
    }
    let Some(inner) = content.strip_suffix(',') else {
        return out.line(content);
    };
    if let Some((pattern, value)) = inner.split_once(" => ") {
        write_arm(pattern, value, out);
    } else if let Some((name, ty)) = inner.split_once(": ").filter(|_| inner.starts_with("pub ")) {
        out.field(name, ty);
    } else if let Some((name, ty)) = inner
        .strip_suffix(')')
        .and_then(|inner| inner.split_once('('))
    {
        out.variant(name, ty);
    } else {
        out.line(content);
    }
}

/// `#[name(arguments)]` and nothing behind it.
fn attribute(content: &str) -> Option<(&str, &str)> {
    let (name, arguments) = content
        .strip_prefix("#[")?
        .strip_suffix(")]")?
        .split_once('(')?;
    let whole = split_top_level(arguments)
        .iter()
        .all(|argument| !argument.contains(")]"));
    whole.then_some((name, arguments))
}

fn write_arm(pattern: &str, value: &str, out: &mut Text) {
    match value
        .strip_prefix("Some(#[allow(deprecated)] ")
        .and_then(|value| value.strip_suffix(')'))
    {
        Some(value) => {
            out.open(&format!("{pattern} => Some("));
            out.line("#[allow(deprecated)]");
            out.line(&format!("{value},"));
            out.close("),");
        }
        None => out.arm(pattern, value),
    }
}
