//! go-toml 1's reading of its tokens: which tables there are, what goes into them, and what it refuses.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::keys::{self, Part};
use super::token::{At, Kind, Token};
use super::tree::{Node, Step, Tree};
use super::values::{self, NotANumber};
use crate::place::SourceLocation;
use crate::toml::{Data, Value};

/// Deeper nesting is nobody's configuration, and costs stack.
const DEPTH_LIMIT: usize = 128;

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub at: At,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The library's own words, place and all.
    Words(String),
    /// The library refuses it, in words that are not known.
    Told(String),
    /// What the library makes of it is not known.
    Unknown(String),
}

pub struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    tree: Tree,
    table: Vec<Step>,
    /// The headers so far, letter by letter.
    seen: BTreeSet<String>,
    headers: isize,
    file: &'a Arc<str>,
    depth: usize,
}

fn refuse<T>(token: &Token, words: &str) -> Result<T, Refusal> {
    let words = format!("({}, {}): {words}", token.at.line, token.at.column);
    Err(Refusal { at: token.start, why: Why::Words(words) })
}

pub fn read(tokens: Vec<Token>, file: &Arc<str>) -> Result<Tree, Refusal> {
    let tokens = tokens.into_iter().peekable();
    let tree = Tree::new(At { line: 1, column: 1 }, false);
    let mut parser = Parser { tokens, tree, table: Vec::new(), seen: BTreeSet::new(), headers: 0, file, depth: 0 };
    while let Some(token) = parser.tokens.next() {
        match token.kind {
            Kind::DoubleLeftBracket => parser.array_header(&token)?,
            Kind::LeftBracket => parser.header(&token)?,
            Kind::Key => parser.assignment(&token)?,
            Kind::Eof => break,
            Kind::Error => return refuse(&token, &format!("parsing error: {}", token.text)),
            kind => return refuse(&token, &format!("unexpected token {}", kind.name())),
        }
    }
    Ok(parser.tree)
}

/// The parts of a key with their places. A key of many parts is as many tables, and each is one more to go down for
/// whoever walks them: below `above` tables it may have few.
fn steps(token: &Token, parts: Vec<Part>, above: usize) -> Result<Vec<Step>, Refusal> {
    if above + parts.len() > DEPTH_LIMIT {
        let why = Why::Unknown(format!("it nests tables more than {DEPTH_LIMIT} deep"));
        return Err(Refusal { at: token.start, why });
    }
    let (mut at, mut seen) = (token.at, 0);
    let mut characters = token.text.chars();
    let step = |part: Part| {
        for c in characters.by_ref().take(part.before - seen) {
            at = if c == '\n' { At { line: at.line + 1, column: 1 } } else { At { column: at.column + 1, ..at } };
        }
        seen = part.before;
        (part.name, at)
    };
    Ok(parts.into_iter().map(step).collect())
}

fn joined(path: &[Step]) -> String {
    path.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(".")
}

impl Parser<'_> {
    /// There is always one more: the end of the file, or what stopped the library, ends everything.
    fn token(&mut self) -> Token {
        let end = Token { kind: Kind::Eof, text: String::new(), at: At::default(), start: At::default() };
        self.tokens.next().unwrap_or(end)
    }

    fn peek(&mut self) -> Kind {
        self.tokens.peek().map_or(Kind::Eof, |token| token.kind)
    }

    fn expect(&mut self, kind: Kind) -> Result<(), Refusal> {
        let token = self.token();
        if token.kind == kind {
            return Ok(());
        }
        refuse(&token, &format!("was expecting token {}, but got {} instead", kind.name(), token.shown()))
    }

    fn rank(&mut self) -> isize {
        self.headers += 1;
        self.headers
    }

    fn array_header(&mut self, bracket: &Token) -> Result<(), Refusal> {
        let key = self.token();
        if key.kind != Kind::ArrayHeader {
            return refuse(&key, &format!("unexpected token {}, was expecting a table array key", key.shown()));
        }
        let parts =
            keys::parts(&key.text).or_else(|words| refuse(&key, &format!("invalid table array key: {words}")))?;
        let path = steps(&key, parts, 0)?;
        let above = path.get(..path.len() - 1).unwrap_or_default();
        // What stands in the way is noticed later, if at all.
        let _ = self.tree.make(above, bracket.at);
        let mut tree = Tree::new(bracket.at, false);
        tree.header = Some(self.rank());
        match self.tree.at_path(&path) {
            None => self.tree.put(&path, Node::Trees(vec![tree])),
            Some(Node::Trees(trees)) => trees.push(tree),
            Some(_) => {
                let words = format!("key {} is already assigned and not of type table array", key.shown());
                return refuse(&key, &words);
            }
        }
        let below = format!("{}.", key.text);
        let stale = self.seen.range(below.clone()..).take_while(|key| key.starts_with(&below));
        for key in stale.cloned().collect::<Vec<_>>() {
            self.seen.remove(&key);
        }
        self.seen.insert(key.text.clone());
        self.table = path;
        self.expect(Kind::DoubleRightBracket)
    }

    fn header(&mut self, bracket: &Token) -> Result<(), Refusal> {
        let key = self.token();
        if key.kind != Kind::Header {
            return refuse(&key, &format!("unexpected token {}, was expecting a table key", key.shown()));
        }
        if !self.seen.insert(key.text.clone()) {
            return refuse(&key, "duplicated tables");
        }
        let parts =
            keys::parts(&key.text).or_else(|words| refuse(&key, &format!("invalid table array key: {words}")))?;
        let path = steps(&key, parts, 0)?;
        if let Err(step) = self.tree.make(&path, bracket.at) {
            return Err(not_a_table(&key, &step));
        }
        let rank = self.rank();
        if let Some(Node::Tree(tree)) = self.tree.at_path(&path) {
            if tree.inline {
                let words = format!("could not re-define exist inline table or its sub-table : {}", joined(&path));
                return refuse(&key, &words);
            }
            tree.header = Some(rank);
        }
        self.table = path;
        self.expect(Kind::RightBracket)
    }

    fn assignment(&mut self, key: &Token) -> Result<(), Refusal> {
        self.expect(Kind::Equal)?;
        let parts = keys::parts(&key.text).or_else(|words| refuse(key, &format!("invalid key: {words}")))?;
        let written = steps(key, parts, self.table.len())?;
        let node = self.value()?;
        let Some(((name, place), above)) = written.split_last() else { return Ok(()) };
        let path = [self.table.as_slice(), above].concat();
        let target = match path.as_slice() {
            [] => &mut self.tree,
            path => {
                if self.tree.at_path(path).is_none()
                    && let Err(step) = self.tree.make(path, key.at)
                {
                    return Err(not_a_table(key, &step));
                }
                match self.tree.at_path(path) {
                    Some(Node::Tree(tree)) => tree,
                    Some(Node::Trees(trees)) if !trees.is_empty() => {
                        let last = trees.len() - 1;
                        &mut trees[last]
                    }
                    _ => return refuse(key, &format!("Unknown table type for path: {}", joined(path))),
                }
            }
        };
        if target.inline {
            let words = "could not add key or sub-table to exist inline table or its sub-table";
            return refuse(key, &format!("{words} : {}", joined(&path)));
        }
        if target.has(name) {
            let all = [path.as_slice(), &[(name.clone(), *place)]].concat();
            return refuse(key, &format!("The following key was defined twice: {}", joined(&all)));
        }
        target.set(name, *place, node);
        Ok(())
    }

    fn value(&mut self) -> Result<Node, Refusal> {
        let token = self.token();
        if self.depth >= DEPTH_LIMIT {
            let why = Why::Unknown(format!("it nests values more than {DEPTH_LIMIT} deep"));
            return Err(Refusal { at: token.start, why });
        }
        let scalar = |data: Data| Ok(Node::Value(data, token.start));
        match token.kind {
            Kind::Eof => refuse(&token, "expecting a value"),
            Kind::Error => refuse(&token, &token.text),
            Kind::Equal => refuse(&token, "cannot have multiple equals for the same key"),
            Kind::String => scalar(Data::String(token.text)),
            Kind::True => scalar(Data::Boolean(true)),
            Kind::False => scalar(Data::Boolean(false)),
            Kind::Infinite | Kind::NotANumber | Kind::Integer | Kind::Float => match values::number(&token) {
                Ok(data) => scalar(data),
                Err(why) => no_number(&token, why),
            },
            Kind::Date | Kind::Time => self.time(&token),
            Kind::LeftBracket => {
                self.depth += 1;
                let array = self.array(token.start);
                self.depth -= 1;
                array
            }
            Kind::LeftBrace => {
                self.depth += 1;
                let table = self.inline_table(token.start);
                self.depth -= 1;
                table.map(Node::Tree)
            }
            _ => {
                // Some releases end in a panic of Go's here.
                let why = Why::Told(format!("no value can begin with {}", token.shown()));
                Err(Refusal { at: token.start, why })
            }
        }
    }

    fn time(&mut self, token: &Token) -> Result<Node, Refusal> {
        let mut text = token.text.clone();
        let mut zoned = false;
        if token.kind == Kind::Date && self.peek() == Kind::Time {
            text = format!("{text}T{}", self.token().text);
            if self.peek() == Kind::Offset {
                text.push_str(&self.token().text);
                zoned = true;
            }
        }
        if values::is_time(&text, token.kind == Kind::Date, zoned) {
            return Ok(Node::Value(Data::Datetime, token.start));
        }
        let why = Why::Told(format!("{text} is no time that there is"));
        Err(Refusal { at: token.start, why })
    }

    fn array(&mut self, start: At) -> Result<Node, Refusal> {
        let mut nodes = Vec::new();
        while self.peek() != Kind::RightBracket {
            if self.peek() == Kind::Eof {
                return refuse(&self.token(), "unterminated array");
            }
            nodes.push(self.value()?);
            match self.peek() {
                Kind::Eof => return refuse(&self.token(), "unterminated array"),
                Kind::Comma => drop(self.token()),
                Kind::RightBracket => {}
                _ => return refuse(&self.token(), "missing comma"),
            }
        }
        self.token();
        // Tables and nothing else are an array of tables like any other.
        let tables_alone = !nodes.is_empty() && nodes.iter().all(|node| matches!(node, Node::Tree(_)));
        if tables_alone {
            let trees =
                nodes.into_iter().filter_map(|node| if let Node::Tree(tree) = node { Some(tree) } else { None });
            return Ok(Node::Trees(trees.collect()));
        }
        let place = |at: At| SourceLocation::new(Arc::clone(self.file), at.position());
        let item = |node: Node| match node {
            Node::Value(data, at) => Value { data, key: place(at), at: place(at) },
            Node::Tree(tree) => {
                let at = place(tree.at);
                Value { data: Data::Table(tree.into_table(self.file)), key: at.clone(), at }
            }
            Node::Trees(trees) => {
                let at = place(trees.first().map_or(start, |tree| tree.at));
                let values = trees.into_iter().map(|tree| {
                    let at = place(tree.at);
                    Value { data: Data::Table(tree.into_table(self.file)), key: at.clone(), at }
                });
                Value { data: Data::Array(values.collect()), key: at.clone(), at }
            }
        };
        Ok(Node::Value(Data::Array(nodes.into_iter().map(item).collect()), start))
    }

    /// A key that occurs twice counts the last time.
    fn inline_table(&mut self, start: At) -> Result<Tree, Refusal> {
        let mut tree = Tree::new(start, false);
        let mut previous: Option<Token> = None;
        loop {
            let follow = self.token();
            let after_comma = previous.as_ref().is_some_and(|token| token.kind == Kind::Comma);
            match follow.kind {
                Kind::Eof => return refuse(&follow, "unterminated inline table"),
                Kind::RightBrace => break,
                Kind::Comma if after_comma => {
                    return refuse(&follow, "need field between two commas in inline table");
                }
                Kind::Comma => {}
                Kind::Key | Kind::Integer | Kind::String => {
                    if previous.is_some() && !after_comma {
                        return refuse(&follow, "comma expected between fields in inline table");
                    }
                    self.expect(Kind::Equal)?;
                    let parts =
                        keys::parts(&follow.text).or_else(|words| refuse(&follow, &format!("invalid key: {words}")))?;
                    let path = steps(&follow, parts, self.depth)?;
                    self.depth += path.len();
                    let value = self.value();
                    self.depth -= path.len();
                    let value = value?;
                    tree.put(&path, value);
                }
                _ => {
                    return refuse(&follow, &format!("unexpected token type in inline table: {}", follow.shown()));
                }
            }
            previous = Some(follow);
        }
        if let Some(comma) = previous.filter(|token| token.kind == Kind::Comma) {
            return refuse(&comma, "trailing comma at the end of inline table");
        }
        tree.inline = true;
        Ok(tree)
    }
}

fn no_number<T>(token: &Token, why: NotANumber) -> Result<T, Refusal> {
    let why = match why {
        NotANumber::Words(words) => return refuse(token, &words),
        NotANumber::Base => Why::Words("invalid base".into()),
        NotANumber::TooLarge => Why::Told("a number is too large".into()),
        NotANumber::Unsigned => Why::Unknown("only some builds of this containerd read such a number".into()),
    };
    Err(Refusal { at: token.start, why })
}

/// The library shows the value's innards here.
fn not_a_table(key: &Token, step: &str) -> Refusal {
    Refusal { at: key.start, why: Why::Told(format!("`{step}` has a value already, and can be no table too")) }
}
