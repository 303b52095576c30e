//! The tree that go-toml 1 makes of a file, and the places that it keeps.

use std::collections::HashMap;
use std::sync::Arc;

use super::token::At;
use crate::place::SourceLocation;
use crate::toml::{Data, Table, Value};

#[derive(Clone, Debug)]
pub enum Node {
    /// What is neither table nor tables; arrays may hold tables beside other things.
    Value(Data, At),
    Tree(Tree),
    /// Never empty.
    Trees(Vec<Tree>),
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub key: At,
    pub node: Node,
}

#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub entries: Vec<Entry>,
    index: HashMap<String, usize>,
    /// Written in braces, which closes it.
    pub inline: bool,
    /// What made it: a header's bracket or a dotted key. Of an inline table: where it stands, which the library forgets.
    pub at: At,
    /// The rank of its header among the file's.
    pub header: Option<isize>,
}

/// One step of a path, with the place where it is written.
pub type Step = (String, At);

impl Node {
    /// The table that keys below this one go to: of several, the last.
    fn tree_mut(&mut self) -> Option<&mut Tree> {
        match self {
            Self::Tree(tree) => Some(tree),
            Self::Trees(trees) => trees.last_mut(),
            Self::Value(..) => None,
        }
    }
}

impl Tree {
    pub fn new(at: At, inline: bool) -> Self {
        Self { inline, at, ..Self::default() }
    }

    pub fn child(&mut self, name: &str) -> Option<&mut Node> {
        let at = *self.index.get(name)?;
        self.entries.get_mut(at).map(|entry| &mut entry.node)
    }

    pub fn has(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    pub fn set(&mut self, name: &str, key: At, node: Node) {
        if let Some(at) = self.index.get(name) {
            if let Some(entry) = self.entries.get_mut(*at) {
                *entry = Entry { name: name.to_owned(), key, node };
            }
            return;
        }
        self.index.insert(name.to_owned(), self.entries.len());
        self.entries.push(Entry { name: name.to_owned(), key, node });
    }

    /// What a path leads to; `None`: nothing, or something on the way that is no table. The empty path is for the
    /// caller.
    pub fn at_path(&mut self, path: &[Step]) -> Option<&mut Node> {
        let ((last, _), above) = path.split_last()?;
        let mut tree = self;
        for (name, _) in above {
            tree = tree.child(name)?.tree_mut()?;
        }
        tree.child(last)
    }

    /// Makes the tables of a path that are not there yet. `Err`: the step that is no table.
    pub fn make(&mut self, path: &[Step], at: At) -> Result<(), String> {
        let mut tree = self;
        for (name, key) in path {
            if !tree.has(name) {
                let inline = tree.inline;
                tree.set(name, *key, Node::Tree(Self::new(at, inline)));
            }
            tree = tree.child(name).and_then(Node::tree_mut).ok_or_else(|| name.clone())?;
        }
        Ok(())
    }

    /// Puts something at a path, over whatever is there. A step that is no table is passed over.
    pub fn put(&mut self, path: &[Step], node: Node) {
        let Some(((last, key), above)) = path.split_last() else { return };
        let mut tree = self;
        for (name, key) in above {
            if !tree.has(name) {
                tree.set(name, *key, Node::Tree(Self::new(*key, false)));
            }
            if tree.child(name).is_some_and(|node| node.tree_mut().is_some()) {
                let Some(inner) = tree.child(name).and_then(Node::tree_mut) else { return };
                tree = inner;
            }
        }
        tree.set(last, *key, node);
    }

    pub fn into_table(self, file: &Arc<str>) -> Table {
        let place = |at: At| SourceLocation::new(Arc::clone(file), at.position());
        let tree =
            |tree: Self| Value { key: place(tree.at), at: place(tree.at), data: Data::Table(tree.into_table(file)) };
        let value = |entry: Entry| {
            let key = place(entry.key);
            let value = match entry.node {
                Node::Value(data, at) => Value { data, at: place(at), key },
                Node::Tree(inner) => Value { key, ..tree(inner) },
                Node::Trees(trees) => {
                    let at = place(trees.last().map_or(entry.key, |tree| tree.at));
                    Value { data: Data::Array(trees.into_iter().map(tree).collect()), at, key }
                }
            };
            (entry.name, value)
        };
        let (header, inline) = (self.header, self.inline);
        Table { entries: self.entries.into_iter().map(value).collect(), header, inline }
    }
}
