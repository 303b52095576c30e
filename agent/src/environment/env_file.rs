//! Parses a file that `EnvironmentFile=` names: `NAME=value` lines with systemd's own quoting.

use std::iter::Peekable;
use std::str::Chars;

/// One assignment and its 1-based line. The name is not yet checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Assignment {
    pub name: String,
    pub value: String,
    pub line: usize,
}

/// Every assignment in order. A line without `=` is dropped, as systemd drops it.
pub fn parse(text: &str) -> Vec<Assignment> {
    let mut reader = Reader { chars: text.chars().peekable(), line: 1 };
    let mut assignments = Vec::new();
    while let Some(first) = reader.chars.peek().copied() {
        match first {
            '#' | ';' => reader.skip_comment(),
            c if c.is_whitespace() => drop(reader.next()),
            _ => {
                let line = reader.line;
                if let Some(name) = reader.name() {
                    assignments.push(Assignment { name, value: reader.value(), line });
                }
            }
        }
    }
    assignments
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.chars.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn skip_comment(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\\' => drop(self.next()),
                '\n' => return,
                _ => {}
            }
        }
    }

    /// Up to the `=`. `None` when the line ends first.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            match self.next()? {
                '=' => return Some(name.trim_end().to_owned()),
                '\n' => return None,
                c => name.push(c),
            }
        }
    }

    /// A value is quoted parts, then at most one bare part up to the end of the line.
    fn value(&mut self) -> String {
        let mut value = String::new();
        while let Some(c) = self.next() {
            match c {
                '\n' => break,
                '\'' => self.single_quoted(&mut value),
                '"' => self.double_quoted(&mut value),
                c if c.is_whitespace() => {}
                c => {
                    self.bare(c, &mut value);
                    break;
                }
            }
        }
        value
    }

    fn bare(&mut self, first: char, value: &mut String) {
        let mut kept = value.len();
        let mut next = Some(first);
        while let Some(c) = next {
            match c {
                '\n' => break,
                '\\' => {
                    value.extend(self.next().filter(|escaped| *escaped != '\n'));
                    kept = value.len();
                }
                c => {
                    value.push(c);
                    kept = if c.is_whitespace() { kept } else { value.len() };
                }
            }
            next = self.next();
        }
        value.truncate(kept);
    }

    fn single_quoted(&mut self, value: &mut String) {
        while let Some(c) = self.next().filter(|c| *c != '\'') {
            value.push(c);
        }
    }

    fn double_quoted(&mut self, value: &mut String) {
        while let Some(c) = self.next().filter(|c| *c != '"') {
            match (c, self.chars.peek()) {
                ('\\', Some('\n')) => drop(self.next()),
                ('\\', Some('"' | '\\' | '`' | '$')) => value.extend(self.next()),
                _ => value.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_file_reads_as_in_systemd() {
        let text = concat!(
            "# comment \\\n still comment\n; other\n\n",
            "A=1\n",
            "  B = two words  \n",
            "C=\"x \\\"y\\\" \\n\" 'z'\n",
            "D='it''s'\n",
            "E=a\\ b\\\n c\n",
            "F=say \"hi\"\n",
            "no equals sign\n",
            "export G=1\n",
            "H=\n",
            "I=last",
        );
        let parsed = parse(text);
        let shown: Vec<_> = parsed.iter().map(|a| (a.name.as_str(), a.value.as_str(), a.line)).collect();
        let expected = [
            ("A", "1", 5),
            ("B", "two words", 6),
            ("C", "x \"y\" \\nz", 7),
            ("D", "its", 8),
            ("E", "a b c", 9),
            ("F", "say \"hi\"", 11),
            ("export G", "1", 13),
            ("H", "", 14),
            ("I", "last", 15),
        ];
        assert_eq!(shown, expected);
    }
}
