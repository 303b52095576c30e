//! Undoes what YAML does to long texts: `kubectl get -o yaml` breaks a message at a space before column 80 and writes
//! the rest below, further in.
//!
//! Only fields that hold messages are looked at: other texts with a colon, such as `kubectl describe`, mean nothing
//! by what is further in.

use std::borrow::Cow;

/// The fields of events and statuses.
const FIELDS: [&str; 2] = ["message: ", "note: "];

/// How the value of a field is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
}

/// The text with each folded message in one line.
pub fn unfolded(text: &str) -> Cow<'_, str> {
    if !FIELDS.iter().any(|field| text.contains(field)) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((column, value)) = field(line) else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let style = match value.chars().next() {
            Some('\'') => Style::Single,
            Some('"') => Style::Double,
            _ => Style::Plain,
        };
        let mut whole = value.to_owned();
        let mut is_open = !is_closed(&whole, style);
        while is_open && let Some(next) = lines.next_if(|next| belongs(next, column)) {
            join(&mut whole, next.trim(), style);
            is_open = !is_closed(&whole, style);
        }
        out.push_str(&line[..line.len() - value.len()]);
        out.push_str(&content(&whole, style));
        out.push('\n');
    }
    out.into()
}

/// The column of a field for messages, and its value.
fn field(line: &str) -> Option<(usize, &str)> {
    let inner = line.trim_start_matches([' ', '-']);
    let value = FIELDS.iter().find_map(|field| inner.strip_prefix(field))?.trim();
    let line = line.trim_end();
    let is_block = value.starts_with(['|', '>']);
    (!is_block && !value.is_empty()).then(|| (line.len() - inner.trim_end().len(), value))
}

/// Whether a line is further in than the field that it goes on from. An empty one is a line feed of the text.
fn belongs(line: &str, column: usize) -> bool {
    line.trim().is_empty() || line.len() - line.trim_start().len() > column
}

fn join(whole: &mut String, next: &str, style: Style) {
    let is_escaped = style == Style::Double && whole.ends_with('\\') && !whole.ends_with("\\\\");
    if is_escaped {
        whole.pop();
    } else if next.is_empty() {
        whole.push('\n');
    } else if !whole.ends_with('\n') {
        whole.push(' ');
    }
    // A space at the beginning has to be written so.
    let is_space = style == Style::Double && next.starts_with("\\ ");
    whole.push_str(if is_space { &next[1..] } else { next });
}

/// Whether the quotes that a value begins with are closed again.
fn is_closed(value: &str, style: Style) -> bool {
    let Some(inner) = value.get(1..) else { return false };
    match style {
        Style::Plain => false,
        Style::Single => inner.replace("''", "").ends_with('\''),
        Style::Double => {
            let text = inner.strip_suffix('"').unwrap_or_default();
            let escapes = text.len() - text.trim_end_matches('\\').len();
            inner.ends_with('"') && escapes % 2 == 0
        }
    }
}

/// Without its own quotes. What is escaped in double ones is left to who undoes the quoting of all the others.
fn content(value: &str, style: Style) -> String {
    let without = |quote: char| {
        let inner = value.strip_prefix(quote).unwrap_or(value);
        inner.strip_suffix(quote).unwrap_or(inner).to_owned()
    };
    match style {
        Style::Plain => value.to_owned(),
        Style::Single => without('\'').replace("''", "'"),
        Style::Double => without('"'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_however_yaml_writes_it() {
        // What kubectl 1.32 wrote.
        let single = "      waiting:\n        message: 'Failed to pull image \"r.example/app:1\": failed to\n          \
                      pull it: can''t\n          dial: refused'\n        reason: ImagePullBackOff\n";
        let whole = "      waiting:\n        message: Failed to pull image \"r.example/app:1\": failed to pull it: can't \
                     dial: refused\n        reason: ImagePullBackOff\n";
        assert_eq!(unfolded(single), whole);
        let plain = "- message: Back-off pulling image \"r.example/app:1\" that is not\n    there\n  reason: x\n";
        assert_eq!(
            unfolded(plain),
            "- message: Back-off pulling image \"r.example/app:1\" that is not there\n  reason: x\n"
        );
        let double =
            "message: \"Back-off \\\"r.example/a:1\\\": rpc error:\n  code = NotFound\\t\n  \\ tab\"\nreason: x\n";
        assert_eq!(
            unfolded(double),
            "message: Back-off \\\"r.example/a:1\\\": rpc error: code = NotFound\\t  tab\nreason: x\n"
        );
    }

    #[test]
    fn what_is_no_folded_message_stays_as_it_is() {
        for text in [
            "State:          Waiting\n  Reason:       ErrImagePull\n  Message:      x\n    y\n",
            "message: |-\n  failed: 403 Forbidden\n  denied: no\nreason: x\n",
            "message: one line\nreason: x\n",
            "image: x\n  message\n",
            "message:\n  y: 1\n",
        ] {
            assert_eq!(unfolded(text), text);
        }
        assert_eq!(unfolded("message: 'it never ends\nreason: x\n"), "message: it never ends\nreason: x\n");
        assert_eq!(unfolded("message: '\n\u{e9}\n"), "message: \n\u{e9}\n");
        assert_eq!(unfolded("message: '\u{e9}\n  \u{e9}'"), "message: \u{e9} \u{e9}\n");
        assert_eq!(unfolded("message: '"), "message: \n");
    }
}
