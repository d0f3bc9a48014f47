//! The order of the source files: in no crate do files import each other in a circle, so that each can be read, tested
//! and moved with what stands below it. A file's imports are all paths by which it names another file of its crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, Meta, UseTree};

/// Two files of one thought each, which may name each other.
const TOGETHER: &[(&str, [&str; 2])] = &[
    ("vloopback-abi", ["v4l2::fourcc", "v4l2::pixel"]),
    ("vloopback-sdk", ["pixels", "planes"]),
    ("vloopback", ["demo::client", "demo::tool"]),
    ("vloopback", ["demo::client", "demo::v4l2"]),
    // The layout's number is made of all pages, which all use its macro.
    ("vloopback-ring", ["layout", "*"]),
];

/// Crates in which even a module and the files below it form no circle. Elsewhere a file may use what the module above
/// it keeps for its parts.
const STRICT: &[&str] =
    &["vloopback-device", "vloopback-link", "vloopback-preload", "vloopback-runtime", "vloopback-sys"];

/// Module path to what it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The crates' names and `src` folders.
fn crates() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for folder in ["driver", ""] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder").flatten() {
            let (manifest, src) = (entry.path().join("Cargo.toml"), entry.path().join("src"));
            let Ok(text) = fs::read_to_string(manifest) else { continue };
            let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
            if let (Some(name), true) = (name, src.is_dir()) {
                found.push((name.to_owned(), src));
            }
        }
    }
    found
}

/// Module path and text of each file below `src`, but the crate's root, which names all.
fn files(src: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(src).expect("below").with_extension("");
            let mut parts: Vec<_> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if parts.last().is_some_and(|last| last == "mod") {
                parts.pop();
            }
            let module = parts.join("::");
            let is_source = path.extension().is_some_and(|extension| extension == "rs");
            if is_source && !["", "lib", "main", "tests"].contains(&module.as_str()) {
                all.insert(module, fs::read_to_string(&path).expect("a source file"));
            }
        }
    }
    all
}

/// Finds the paths of a file that may lead to other files.
struct Paths<'a> {
    module: &'a str,
    /// Modules that the file itself is the parent of.
    children: BTreeSet<String>,
    found: Vec<String>,
}

fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

impl Paths<'_> {
    fn see(&mut self, segments: &[String]) {
        let parent = || self.module.rsplit_once("::").map_or("", |(parent, _)| parent).to_owned();
        let (start, rest) = match segments.first().map(String::as_str) {
            Some("crate") => (String::new(), &segments[1..]),
            Some("super") => (parent(), &segments[1..]),
            Some("self") => (self.module.to_owned(), &segments[1..]),
            Some(first) if self.children.contains(first) => (self.module.to_owned(), segments),
            _ => return,
        };
        let path: Vec<&str> = start
            .split("::")
            .filter(|part| !part.is_empty())
            .chain(rest.iter().map(String::as_str))
            .collect();
        self.found.push(path.join("::"));
    }

    fn see_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.see_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.see(&with(&name.ident)),
            UseTree::Rename(name) => self.see(&with(&name.ident)),
            UseTree::Glob(_) => self.see(before),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.see_tree(before, item)),
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_of_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.see_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.see(&segments);
        visit::visit_path(self, path);
    }
}

/// What each file imports of its own crate's files.
fn imports(files: &BTreeMap<String, String>) -> Imports {
    let mut all = Imports::new();
    for (module, text) in files {
        let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{module}: {e}"));
        let children = file.items.iter().filter_map(|item| match item {
            Item::Mod(child) if child.content.is_none() => Some(child.ident.to_string()),
            _ => None,
        });
        let mut paths = Paths { module, children: children.collect(), found: Vec::new() };
        paths.visit_file(&file);
        let to = all.entry(module.clone()).or_default();
        for found in paths.found {
            // The longest beginning of the path that is a file.
            let mut path = found.as_str();
            while !files.contains_key(path) {
                let Some((shorter, _)) = path.rsplit_once("::") else { break };
                path = shorter;
            }
            if files.contains_key(path) && path != module {
                to.insert(path.to_owned());
            }
        }
    }
    all
}

/// A circle, if there is one: each file of it imports the next one, the last one the first.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    fn go(at: &str, imports: &Imports, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        if let Some(begin) = way.iter().position(|file| file == at) {
            way.drain(..begin);
            return true;
        }
        if !done.insert(at.to_owned()) {
            return false;
        }
        way.push(at.to_owned());
        let found = imports.get(at).is_some_and(|to| to.iter().any(|next| go(next, imports, way, done)));
        if !found {
            way.pop();
        }
        found
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|file| {
        let mut way = Vec::new();
        go(file, imports, &mut way, &mut done).then_some(way)
    })
}

fn without_what_is_together(name: &str, mut imports: Imports) -> Imports {
    if !STRICT.contains(&name) {
        for (module, to) in &mut imports {
            to.retain(|other| !module.starts_with(&format!("{other}::")));
        }
    }
    for (of, [one, other]) in TOGETHER {
        if of != &name {
            continue;
        }
        if *other == "*" {
            for to in imports.values_mut() {
                to.remove(*one);
            }
        } else {
            if let Some(to) = imports.get_mut(*one) {
                to.remove(*other);
            }
        }
    }
    imports
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let crates = crates();
    assert!(crates.len() > 10, "{crates:?}");
    let mut wrong = Vec::new();
    for (name, src) in crates {
        let imports = without_what_is_together(&name, imports(&files(&src)));
        if let Some(circle) = circle(&imports) {
            wrong.push(format!("{name}: {}", circle.join(" -> ")));
        }
    }
    assert!(wrong.is_empty(), "circles of files: {wrong:#?}");
}

/// What a device does is for whoever calls: no file of `driver/device` knows this process's numbers, its word size, its
/// environment or a path.
#[test]
fn a_device_knows_no_process() {
    let files = files(&root().join("driver/device/src"));
    assert!(files.len() > 30);
    for (module, text) in files {
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        for word in ["table::", "environment::", "Abi::NATIVE", "libc::open", "std::env", "getenv"] {
            let line = code.lines().find(|line| line.contains(word) && !line.trim_start().starts_with("//"));
            assert_eq!(line, None, "{module} knows {word}");
        }
    }
}

/// The finder itself: circles of any length, by any kind of path; not by tests, nor by other crates.
#[test]
fn a_circle_is_found() {
    let crate_of = |files: &[(&str, &str)]| -> BTreeMap<String, String> {
        files.iter().map(|(module, text)| ((*module).to_owned(), (*text).to_owned())).collect()
    };
    let of = |files: &[(&str, &str)]| circle(&imports(&crate_of(files)));
    assert_eq!(
        of(&[("a", "use crate::b::x;"), ("b", "fn f() { std::mem::take(crate::c::y()); }"), ("c", "")]),
        None
    );
    let three = [("a", "use crate::b;"), ("b", "fn f() { crate::c::y(); }"), ("c", "use super::a::{x, y};")];
    assert_eq!(of(&three), Some(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
    let child = [("v", "mod w;\nfn f() { w::g(); }"), ("v::w", "use super::x;")];
    assert_eq!(of(&child), Some(vec!["v".to_owned(), "v::w".to_owned()]));
    let test = [("a", "use crate::b;"), ("b", "#[cfg(test)]\nmod tests { use crate::a::x; }")];
    assert_eq!(of(&test), None);
    assert_eq!(of(&[("a", "use other::b;"), ("b", "use crate::a;")]), None);
}
