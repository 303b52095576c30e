//! Which file of the program uses which: read from its `use` lines and paths, as the compiler resolves them.
//!
//! What a macro writes is not seen, nor what only unit tests use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Item, UseTree, Visibility};

/// A module as its path below the crate's root; the root's is empty.
pub type Module = Vec<String>;

/// One file.
pub struct Source {
    pub file: PathBuf,
    pub text: String,
    syntax: syn::File,
}

/// A crate, file by file, without the modules that only unit tests have.
pub struct Graph {
    pub sources: BTreeMap<Module, Source>,
}

impl Graph {
    /// Reads a crate from the file of its root on.
    pub fn read(root: &Path) -> Self {
        let mut graph = Self { sources: BTreeMap::new() };
        graph.add(&Vec::new(), root);
        graph
    }

    fn add(&mut self, module: &Module, file: &Path) {
        let text = std::fs::read_to_string(file).unwrap();
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let directory = if module.is_empty() { file.parent().unwrap().to_owned() } else { file.with_extension("") };
        let declared = syntax.items.iter().filter_map(|item| match item {
            Item::Mod(child) if child.content.is_none() && !is_of_tests(&child.attrs) => Some(child.ident.to_string()),
            _ => None,
        });
        let children: Vec<String> = declared.collect();
        self.sources.insert(module.clone(), Source { file: file.to_owned(), text, syntax });
        for child in children {
            let path = [module.as_slice(), std::slice::from_ref(&child)].concat();
            self.add(&path, &directory.join(format!("{child}.rs")));
        }
    }

    /// Every file with the files that it uses. Those of its own folder's parents do not count: what a
    /// file says is there for the files below it.
    pub fn edges(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let used = |module: &Module, source: &Source| {
            let mut paths = Paths::default();
            paths.visit_file(&source.syntax);
            let targets = paths.found.iter().filter_map(|path| self.resolve(module, path));
            targets.filter(|target| !module.starts_with(target)).collect()
        };
        self.sources.iter().map(|(module, source)| (module.clone(), used(module, source))).collect()
    }

    /// Whether a file names another crate.
    pub fn uses_crate(&self, module: &Module, name: &str) -> bool {
        let mut paths = Paths::default();
        paths.visit_file(&self.sources[module].syntax);
        paths.found.iter().any(|path| path.first().is_some_and(|first| first == name))
    }

    /// The file that says what a path at a place names. `None`: it is of another crate, or of this very file.
    fn resolve(&self, from: &Module, path: &[String]) -> Option<Module> {
        let absolute = self.absolute(from, path)?;
        let (module, rest) = self.split(&absolute);
        Some(self.through(module, rest, 8))
    }

    fn absolute(&self, from: &Module, path: &[String]) -> Option<Module> {
        let supers = path.iter().take_while(|part| *part == "super").count();
        let base = match path.first()?.as_str() {
            "crate" => return Some(path[1..].to_vec()),
            "self" => return Some(from.iter().chain(&path[1..]).cloned().collect()),
            "super" => &from[..from.len().checked_sub(supers)?],
            child => {
                let below: Module = from.iter().cloned().chain([child.to_owned()]).collect();
                return self.sources.contains_key(&below).then(|| from.iter().chain(path).cloned().collect());
            }
        };
        Some(base.iter().chain(&path[supers..]).cloned().collect())
    }

    /// The longest beginning that is a file, and what is left.
    fn split<'p>(&self, path: &'p [String]) -> (Module, &'p [String]) {
        let known = (0..=path.len()).rev().find(|length| self.sources.contains_key(&path[..*length])).unwrap();
        (path[..known].to_vec(), &path[known..])
    }

    /// Follows `pub use` to where a name is defined.
    fn through(&self, module: Module, rest: &[String], steps: usize) -> Module {
        let Some(name) = rest.first().filter(|_| steps > 0) else { return module };
        let handed_on = self.sources[&module].syntax.items.iter().filter_map(|item| match item {
            Item::Use(line) if !matches!(line.vis, Visibility::Inherited) => Some(&line.tree),
            _ => None,
        });
        let found = handed_on.flat_map(leaves).find(|(_, known)| known == name).map(|(path, _)| path);
        let Some(absolute) = found.and_then(|path| self.absolute(&module, &path)) else { return module };
        let (next, rest) = self.split(&absolute);
        if next == module { module } else { self.through(next, rest, steps - 1) }
    }
}

/// The paths of a file outside its tests.
#[derive(Default)]
struct Paths {
    found: BTreeSet<Vec<String>>,
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(one) => &one.attrs,
            Item::Fn(one) => &one.attrs,
            Item::Impl(one) => &one.attrs,
            Item::Use(one) => &one.attrs,
            _ => return syn::visit::visit_item(self, item),
        };
        if !is_of_tests(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, line: &'ast syn::ItemUse) {
        self.found.extend(leaves(&line.tree).into_iter().map(|(path, _)| path));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.found.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        syn::visit::visit_path(self, path);
    }

    /// `matches!(x, module::Name)` and the like: what a macro is given is read as words.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let words = call.tokens.to_string().replace(" :: ", "::");
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        for path in words.split(|c| !is_word(c)).filter(|word| word.contains("::")) {
            self.found.insert(path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect());
        }
        syn::visit::visit_macro(self, call);
    }
}

fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let words = |list: &syn::MetaList| list.tokens.to_string();
        attribute.path().is_ident("cfg") && attribute.meta.require_list().is_ok_and(|list| words(list) == "test")
    })
}

/// Each path of a `use` line, and the name that it is known by from there on.
fn leaves(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(path) => {
            let below = leaves(&path.tree).into_iter();
            let first = path.ident.to_string();
            below
                .map(|(rest, name)| {
                    let name = if rest.is_empty() && name == "self" { first.clone() } else { name };
                    ([first.clone()].into_iter().chain(rest).collect(), name)
                })
                .collect()
        }
        UseTree::Name(name) if name.ident == "self" => vec![(Vec::new(), "self".into())],
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(rename) => vec![(vec![rename.ident.to_string()], rename.rename.to_string())],
        UseTree::Glob(_) => vec![(Vec::new(), "*".into())],
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

/// Groups of nodes that reach one another, each in order.
pub fn circles<N: Ord + Clone>(edges: &BTreeMap<N, BTreeSet<N>>) -> Vec<BTreeSet<N>> {
    let reach = |start: &N| {
        let mut seen: BTreeSet<N> = BTreeSet::new();
        let mut open: Vec<&N> = edges.get(start).into_iter().flatten().collect();
        while let Some(node) = open.pop() {
            if seen.insert(node.clone()) {
                open.extend(edges.get(node).into_iter().flatten());
            }
        }
        seen
    };
    let reached: BTreeMap<&N, BTreeSet<N>> = edges.keys().map(|node| (node, reach(node))).collect();
    let mutual = |node: &N| -> BTreeSet<N> {
        let back = |other: &&N| reached.get(other).is_some_and(|theirs| theirs.contains(node));
        reached[node].iter().filter(back).cloned().collect()
    };
    let groups: BTreeSet<BTreeSet<N>> = edges.keys().map(mutual).filter(|group| group.len() > 1).collect();
    groups.into_iter().collect()
}

#[test]
fn circles_are_found_and_what_is_none_is_not() {
    let edges = |pairs: &[(&'static str, &'static str)]| {
        let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, to) in pairs {
            edges.entry(from).or_default().insert(to);
            edges.entry(to).or_default();
        }
        edges
    };
    assert!(circles(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    let found = circles(&edges(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]));
    assert_eq!(found, [BTreeSet::from(["b", "c"])]);
}

#[test]
fn paths_are_followed_to_the_file_that_defines_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("lib.rs", "pub mod a;\npub mod b;\n#[cfg(test)]\nmod only_tests;\n");
    write("a.rs", "mod inner;\npub use inner::Thing;\n#[cfg(test)]\nmod tests { use crate::b::X; }\n");
    write("a/inner.rs", "use super::inner as _;\npub struct Thing;\n");
    write("b.rs", "use crate::{a::Thing as T};\npub struct X(T);\npub fn f() { println!(\"{}\", crate::a::g()); }\n");
    let edges = Graph::read(&directory.path().join("lib.rs")).edges();
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<Module>();
    assert_eq!(edges[&module("b")], BTreeSet::from([module("a"), module("a::inner")]));
    assert_eq!(edges[&module("a")], BTreeSet::from([module("a::inner")]));
    assert!(edges[&module("a::inner")].is_empty());
}
