//! Lays Rust text out as rustfmt would.
//!
//! Generated text is meant to be read, and may be checked in (and then `cargo fmt --check` reads it
//! too). Running rustfmt would need it on the machine, and `prettyplease` would pull `syn` into
//! every build; so the text is written in its final form. This file knows rustfmt's widths and how
//! it breaks a type, a signature and an attribute; it does not know what any of them means.
//! `tests/codegen/output.rs` sweeps names of all lengths past rustfmt itself.

/// rustfmt's `max_width`: no line is longer, where it can be helped.
pub(super) const MAX_WIDTH: usize = 100;
/// rustfmt's `attr_fn_like_width`: longer arguments of an attribute go one to a line.
const ATTRIBUTE_WIDTH: usize = 70;
/// rustfmt's `fn_call_width`: longer arguments of a call go one to a line.
const CALL_WIDTH: usize = 60;
/// A closure that is longer stands below the arguments before it, not behind them.
const CLOSURE_WIDTH: usize = 64;
/// Behind a head that reaches beyond this column, rustfmt gives the brace a line of its own.
const BRACE_MARGIN: usize = 90;
/// The columns of one step of indentation.
pub(super) const STEP: usize = 4;

/// Text under construction, and how deep in braces it is.
#[derive(Default)]
pub(super) struct Text {
    out: String,
    depth: usize,
}

impl Text {
    /// Begins at a depth of `depth` braces.
    pub(super) fn at_depth(depth: usize) -> Self {
        Self {
            out: String::new(),
            depth,
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    fn column(&self) -> usize {
        self.depth * STEP
    }

    /// One line, or several whose continuation lines carry their own indentation already.
    pub(super) fn line(&mut self, text: &str) {
        let column = self.column();
        indent(&mut self.out, column);
        self.out.push_str(text);
        self.out.push('\n');
    }

    pub(super) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// A line that opens a block.
    pub(super) fn open(&mut self, text: &str) {
        self.line(text);
        self.depth += 1;
    }

    /// A block, on one line if there is nothing in it.
    pub(super) fn block(&mut self, head: &str, inside: impl FnOnce(&mut Self)) {
        let begin = self.out.len();
        self.open(&format!("{head} {{"));
        let opened = self.out.len();
        inside(self);
        if self.out.len() == opened {
            self.out.truncate(begin);
            self.depth -= 1;
            self.line(&format!("{head} {{}}"));
        } else {
            self.close("}");
        }
    }

    /// The line that closes the block opened last.
    pub(super) fn close(&mut self, text: &str) {
        self.depth -= 1;
        self.line(text);
    }

    /// Text that was laid out elsewhere, at its own depth.
    pub(super) fn append(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Documentation: each line as it stands after the `///`, with its leading space.
    pub(super) fn docs<S: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = S>) {
        for line in lines {
            self.line(format!("///{}", line.as_ref()).trim_end());
        }
    }

    /// `#[deprecated]`, if it is so.
    pub(super) fn deprecated(&mut self, deprecated: bool) {
        if deprecated {
            self.line("#[deprecated]");
        }
    }

    /// A function without a body.
    pub(super) fn declare(&mut self, signature: &Signature<'_>) {
        self.signature(signature, ";");
    }

    /// A function with its body.
    pub(super) fn define(&mut self, signature: &Signature<'_>, body: impl FnOnce(&mut Self)) {
        match signature.bounds {
            None => self.signature(signature, " {"),
            Some((parameter, bounds)) => {
                self.signature(signature, "");
                self.open("where");
                self.bounded(parameter, bounds, ",");
                self.close("{");
            }
        }
        self.depth += 1;
        body(self);
        self.close("}");
    }

    fn signature(&mut self, signature: &Signature<'_>, end: &str) {
        let Signature {
            head,
            params,
            returns,
            ..
        } = signature;
        let one_line = format!("{head}({}) -> {returns}{end}", params.join(", "));
        if self.column() + one_line.len() <= MAX_WIDTH {
            return self.line(&one_line);
        }
        self.open(&format!("{head}("));
        for param in *params {
            match param.split_once(": ") {
                Some((name, ty)) => {
                    // rustfmt does not count the `impl` here.
                    let uncounted = if ty.starts_with("impl ") { 5 } else { 0 };
                    let used = self.column() + name.len() + 2 - uncounted;
                    let ty = break_type(ty, self.column(), used, 1);
                    self.line(&format!("{name}: {ty},"));
                }
                None => self.line(&format!("{param},")),
            }
        }
        self.depth -= 1;
        // rustfmt fits the type as if a little less stood before it, and without its bounds.
        let (ty, bounds, used) = match returns.split_once(" + ") {
            Some((ty, bounds)) => (ty, format!(" + {bounds}"), ") -> ".len()),
            None => (*returns, String::new(), "-> ".len()),
        };
        let column = self.column();
        let ty = break_type(ty, column, column + used, 0);
        let last = format!(") -> {ty}{bounds}");
        // A brace that is near the margin goes to the next line; a type that was broken leaves
        // room.
        if end == " {" && column + last.len() > BRACE_MARGIN && !ty.contains('\n') {
            self.line(&last);
            self.line("{");
        } else {
            self.line(&format!("{last}{end}"));
        }
    }

    /// `head: Type<…> + bound + bound` and `end`, for an associated type or the bounds of a type
    /// parameter.
    pub(super) fn bounded(&mut self, head: &str, bounds: &[&str], end: &str) {
        let one_line = format!("{head}: {}", bounds.join(" + "));
        // rustfmt forgets the semicolon here, though not the comma.
        let room = MAX_WIDTH - if end == ";" { 0 } else { end.len() };
        if self.column() + one_line.len() <= room {
            return self.line(&format!("{one_line}{end}"));
        }
        let Some((first, rest)) = bounds.split_first() else {
            return;
        };
        // The first bound is fitted as if it stood on a line of its own, like those behind it.
        let column = self.column() + STEP;
        let first = break_type(first, column, column, 0);
        // … and the bound after it joins its last line.
        let joined = first.contains('\n');
        let mut lines = format!("{head}: {first}");
        for (index, bound) in rest.iter().enumerate() {
            if joined && index == 0 {
                lines.push_str(" + ");
            } else {
                lines.push('\n');
                indent(&mut lines, self.column() + STEP);
                lines.push_str("+ ");
            }
            lines.push_str(bound);
        }
        self.line(&format!("{lines}{end}"));
    }

    /// `head = value;`
    pub(super) fn assign(&mut self, head: &str, value: &str) {
        let one_line = format!("{head} = {value};");
        let too_long = self.column() + one_line.len() > MAX_WIDTH;
        // … and what is too long for a line of its own gains nothing from one.
        if !too_long || self.column() + STEP + value.len() >= MAX_WIDTH {
            return self.line(&one_line);
        }
        self.open(&format!("{head} ="));
        self.line(&format!("{value};"));
        self.depth -= 1;
    }

    /// `head = function(argument);`
    pub(super) fn assign_call(&mut self, head: &str, function: &str, argument: &str) {
        let value = format!("{function}({argument})");
        if argument.len() <= CALL_WIDTH && self.column() + STEP + value.len() < MAX_WIDTH {
            return self.assign(head, &value);
        }
        self.open(&format!("{head} = {function}("));
        self.line(&format!("{argument},"));
        self.close(");");
    }

    /// `head: bounds { … }`, of a trait.
    pub(super) fn interface(&mut self, head: &str, bounds: &str, inside: impl FnOnce(&mut Self)) {
        let one_line = format!("{head}: {bounds}");
        if self.column() + one_line.len() <= BRACE_MARGIN {
            return self.block(&one_line, inside);
        }
        self.open(&format!("{head}:"));
        self.line(bounds);
        self.close("{");
        self.depth += 1;
        inside(self);
        self.close("}");
    }

    /// `head tail { … }`, of an `impl`.
    pub(super) fn implement(&mut self, head: &str, tail: &str, inside: impl FnOnce(&mut Self)) {
        let one_line = format!("{head} {tail}");
        // rustfmt is off by two here.
        if self.column() + one_line.len() <= MAX_WIDTH + " {".len() {
            return self.block(&one_line, inside);
        }
        self.open(head);
        self.line(tail);
        self.close("{");
        self.depth += 1;
        inside(self);
        self.close("}");
    }

    /// `head(arguments)`, as the last expression of a block.
    pub(super) fn call(&mut self, head: &str, arguments: &[&str]) {
        let list = arguments.join(", ");
        if list.len() <= CALL_WIDTH && self.column() + head.len() + list.len() + 2 <= MAX_WIDTH {
            return self.line(&format!("{head}({list})"));
        }
        self.open(&format!("{head}("));
        for argument in arguments {
            self.line(&format!("{argument},"));
        }
        self.close(")");
    }

    /// `head(arguments, closure { awaited });`
    pub(super) fn call_with(
        &mut self,
        head: &str,
        arguments: &[&str],
        closure: &str,
        (function, passed): (&str, &[&str]),
    ) {
        let one_line = format!("{closure} {{ {function}({}).await }}", passed.join(", "));
        let beginning = format!("{head}({}, {closure} {{", arguments.join(", "));
        if one_line.len() <= CLOSURE_WIDTH && self.column() + beginning.len() <= MAX_WIDTH {
            self.open(&beginning);
            self.awaited(function, passed);
            return self.close("});");
        }
        self.open(&format!("{head}("));
        for argument in arguments {
            self.line(&format!("{argument},"));
        }
        if self.column() + one_line.len() < MAX_WIDTH {
            self.line(&format!("{one_line},"));
        } else {
            self.open(&format!("{closure} {{"));
            self.awaited(function, passed);
            self.close("},");
        }
        self.close(");");
    }

    /// `head(arguments).await`, as the last expression of a block.
    pub(super) fn awaited(&mut self, head: &str, arguments: &[&str]) {
        let call = format!("{head}({})", arguments.join(", "));
        if self.column() + call.len() + ".await".len() <= MAX_WIDTH {
            self.line(&format!("{call}.await"));
        } else if self.column() + call.len() <= MAX_WIDTH {
            self.open(&call);
            self.line(".await");
            self.depth -= 1;
        } else {
            self.open(&format!("{head}("));
            for argument in arguments {
                self.line(&format!("{argument},"));
            }
            self.close(")");
            self.line(".await");
        }
    }

    /// `#[name(arguments)]`.
    pub(super) fn attribute(&mut self, name: &str, arguments: &str) {
        let width = if name == "derive" {
            // rustfmt leaves four columns free.
            MAX_WIDTH.saturating_sub(self.column() + "#[derive()]".len() + 4)
        } else {
            ATTRIBUTE_WIDTH
        };
        if arguments.len() <= width
            && self.column() + name.len() + arguments.len() + "#[()]".len() <= MAX_WIDTH
        {
            return self.line(&format!("#[{name}({arguments})]"));
        }
        self.open(&format!("#[{name}("));
        if name == "derive" && self.column() + arguments.len() < MAX_WIDTH {
            self.line(&format!("{arguments},"));
            return self.close(")]");
        }
        let arguments = split_top_level(arguments);
        for (index, argument) in arguments.iter().enumerate() {
            // rustfmt ends a list of derives with a comma, other attributes without.
            let comma = if name == "derive" || index + 1 < arguments.len() {
                ","
            } else {
                ""
            };
            self.line(&format!("{argument}{comma}"));
        }
        self.close(")]");
    }

    /// `pub name: type,`
    pub(super) fn field(&mut self, name: &str, ty: &str) {
        let one_line = format!("{name}: {ty},");
        if self.column() + one_line.len() <= MAX_WIDTH {
            return self.line(&one_line);
        }
        // The type goes to a line of its own if it fits there, or if it cannot be broken.
        if self.column() + STEP + ty.len() < MAX_WIDTH || !ty.contains('<') {
            self.open(&format!("{name}:"));
            self.line(&format!("{ty},"));
            self.depth -= 1;
            return;
        }
        let used = self.column() + name.len() + 2;
        self.line(&format!(
            "{name}: {},",
            break_type(ty, self.column(), used, 1)
        ));
    }

    /// `Name(type),`
    pub(super) fn variant(&mut self, name: &str, ty: &str) {
        let one_line = format!("{name}({ty}),");
        if self.column() + one_line.len() <= MAX_WIDTH {
            return self.line(&one_line);
        }
        self.open(&format!("{name}("));
        self.line(&format!(
            "{},",
            break_type(ty, self.column(), self.column(), 1)
        ));
        self.close("),");
    }

    /// `pattern => value,`
    pub(super) fn arm(&mut self, pattern: &str, value: &str) {
        let one_line = format!("{pattern} => {value},");
        if self.column() + one_line.len() <= MAX_WIDTH {
            return self.line(&one_line);
        }
        self.open(&format!("{pattern} => {{"));
        self.line(value);
        self.close("}");
    }
}

/// The head of a function.
pub(super) struct Signature<'a> {
    /// `fn name`, or with its type parameters.
    pub(super) head: &'a str,
    pub(super) params: &'a [&'a str],
    pub(super) returns: &'a str,
    /// A type parameter and its bounds, for a `where`.
    pub(super) bounds: Option<(&'a str, &'a [&'a str])>,
}

fn indent(out: &mut String, columns: usize) {
    out.extend(std::iter::repeat_n(' ', columns));
}

/// Breaks a type at its outermost `<…>`, and further in where that is not enough.
///
/// `column` is the indentation of the line the type begins on, `used` what stands on that line
/// before it (indentation included), `after` what must still fit behind it.
fn break_type(ty: &str, column: usize, used: usize, after: usize) -> String {
    if used + ty.len() + after <= MAX_WIDTH {
        return ty.to_owned();
    }
    let Some((head, arguments)) = ty.split_once('<') else {
        return ty.to_owned();
    };
    let Some((arguments, tail)) = arguments.rsplit_once('>') else {
        return ty.to_owned();
    };
    let mut out = format!("{head}<\n");
    for argument in split_top_level(arguments) {
        indent(&mut out, column + STEP);
        out.push_str(&break_type(argument, column + STEP, column + STEP, 1));
        out.push_str(",\n");
    }
    indent(&mut out, column);
    out.push('>');
    out.push_str(tail);
    out
}

/// Splits at the commas that stand outside brackets and string literals.
pub(super) fn split_top_level(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut nesting, mut quoted, mut escaped) =
        (Vec::new(), 0, 0_i32, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '<' | '(' | '[' => nesting += 1,
            '>' | ')' | ']' => nesting -= 1,
            ',' if nesting == 0 => {
                parts.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[begin..].trim());
    parts
}
