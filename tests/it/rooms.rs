//! Imports run downwards only: the table in `tests/data/rooms.toml` against the paths in the code.
//!
//! The scanner knows just enough Rust: comments, strings, nested `use` groups, `super` chains, inline modules.
//! Test code is left out; it may look wherever it needs to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[derive(serde::Deserialize)]
struct Table {
    leaves: BTreeMap<String, Vec<String>>,
    pure: BTreeMap<String, Vec<String>>,
    rooms: toml::Table,
}

impl Table {
    fn read() -> Self {
        toml::from_str(include_str!("../data/rooms.toml")).unwrap()
    }

    fn row(&self, room: &str) -> Option<Vec<&str>> {
        match self.leaves.get(room) {
            Some(row) => Some(row.iter().map(String::as_str).collect()),
            None => Some(
                self.rooms.get(room)?.as_array()?.iter().filter_map(|it| it.as_str()).collect(),
            ),
        }
    }

    /// What is wrong with a path that `room` names.
    fn fault(&self, room: &str, path: &Named) -> Option<String> {
        let Some(row) = self.row(room) else { return Some(format!("{room} is not in the table")) };
        match path {
            Named::Room(other) if other == room || row.contains(&other.as_str()) => None,
            Named::Room(leaf) if self.leaves.contains_key(leaf) => {
                let allowed = self.rooms.contains_key(room) && !self.pure.contains_key(room);
                (!allowed).then(|| format!("{room} may not import the leaf {leaf}"))
            }
            Named::Room(other) => Some(format!("{room} may not import {other}")),
            Named::Crate(name) => {
                let allowed = self.pure.get(room).is_none_or(|crates| crates.contains(name));
                (!allowed).then(|| format!("{room} is pure and may not use the crate {name}"))
            }
        }
    }
}

/// What a path in the code names.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Room(String),
    Crate(String),
}

#[test]
fn every_import_in_the_code_is_an_edge_of_the_table() {
    let (table, crates) = (Table::read(), dependencies());
    let mut faults = Vec::new();
    let mut edges = 0;
    for (file, text) in sources() {
        let modules = modules(&file);
        let room = modules.first().map_or("lib", String::as_str);
        if room != "lib" && table.row(room).is_none() {
            faults.push(format!("{file}: {room} is not in the table"));
        }
        for named in named(&text, &modules, &crates) {
            edges += 1;
            faults.extend(table.fault(room, &named).map(|fault| format!("{file}: {fault}")));
        }
    }
    assert!(edges > 20, "the scan found next to nothing: {edges}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    let text = include_str!("../data/rooms.toml");
    let table = Table::read();
    // The parser sorts its keys; the file's own order is the claim.
    let rooms = text.split_once("\n[rooms]\n").unwrap().1;
    let mut above: Vec<&str> = Vec::new();
    for room in rooms.lines().filter_map(|line| line.split_once(" = [")).map(|(room, _)| room) {
        let row = table.row(room).unwrap();
        assert!(row.iter().all(|other| above.contains(other)), "{room} imports upwards");
        above.push(room);
    }
    assert_eq!(above.len(), table.rooms.len());
    for (leaf, row) in &table.leaves {
        assert!(row.iter().all(|room| table.pure.contains_key(room)), "{leaf} could close a cycle");
    }
}

#[test]
fn a_forbidden_edge_is_seen_however_it_is_written() {
    let (table, crates) = (Table::read(), dependencies());
    let faults = |file: &str, text: &str| {
        let modules = modules(file);
        let all = named(text, &modules, &crates);
        all.iter().filter_map(|it| table.fault(&modules[0], it)).collect::<Vec<_>>()
    };
    for (file, text, expected) in [
        ("channel/mod.rs", "use crate::store::Store;", "channel may not import store"),
        ("channel/a.rs", "use crate::{care::{Phi, ids}, store};", "channel may not import store"),
        (
            "channel/a.rs",
            "pub(crate) use crate :: { care, store as s };",
            "channel may not import store",
        ),
        ("channel/a.rs", "fn f() -> crate::store::Row { x }", "channel may not import store"),
        ("channel/a.rs", "use super::super::store;", "channel may not import store"),
        (
            "channel/mod.rs",
            "mod b { fn f() { super::super::store::g() } }",
            "channel may not import store",
        ),
        (
            "timing/mod.rs",
            "let t = crate::clock::SystemClock;",
            "timing may not import the leaf clock",
        ),
        (
            "config/mod.rs",
            "use crate::security::Keyring;",
            "config may not import the leaf security",
        ),
        (
            "care/mod.rs",
            "let r = sqlx::query(\"x\");",
            "care is pure and may not use the crate sqlx",
        ),
        ("policy/a.rs", "use tokio;", "policy is pure and may not use the crate tokio"),
        ("attic/mod.rs", "use crate::care::Phi;", "attic is not in the table"),
        ("main.rs", "fn main() { carebell::store::open() }", "main may not import store"),
    ] {
        assert_eq!(faults(file, text), [expected], "{file}: {text}");
    }
    for (file, text) in [
        (
            "channel/mod.rs",
            "// use crate::store;\n/* crate::store /* */ crate::store */ \"crate::store\" r#\"crate::store\"#",
        ),
        (
            "channel/mod.rs",
            "#[cfg(test)] mod tests { use crate::store::Row; } #[cfg(test)] use crate::store;",
        ),
        ("channel/mod.rs", "mod b { fn f<'a>(c: char) { super::a::g('\"', '\\'', c) } }"),
        ("channel/a.rs", "use super::b::store; use crate::{clock, config::Mode, zones};"),
        ("deliver/a.rs", "use crate::store::Row; let x = reqwest::Client::builder();"),
    ] {
        assert_eq!(faults(file, text), [""; 0], "{file}: {text}");
    }
}

/// The files of `src`, by their paths below it.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found
}

/// The names under which the code sees its dependencies.
fn dependencies() -> BTreeSet<String> {
    let manifest: toml::Table = include_str!("../../Cargo.toml").parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

/// The module path of a file: `channel/a.rs` is `[channel, a]`, `lib.rs` is the root.
fn modules(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").unwrap();
    let parts = path.strip_suffix("/mod").unwrap_or(path);
    parts.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

/// Every room and crate that a text names outside of its test code.
fn named(text: &str, modules: &[String], crates: &BTreeSet<String>) -> BTreeSet<Named> {
    let tokens = without_tests(&tokens(text));
    let mut found = BTreeSet::new();
    let mut here = modules.to_vec();
    // One entry per open brace: whether it opened an inline module.
    let mut braces = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "mod" if tokens.get(at + 2).is_some_and(|next| next == "{") => {
                here.push(tokens[at + 1].clone());
                braces.push(Opened::Module);
                at += 3;
                continue;
            }
            "{" => braces.push(Opened::Block),
            "}" if braces.pop() == Some(Opened::Module) => {
                here.pop();
            }
            // `use<'a>` captures lifetimes; it names no path.
            "use" if tokens.get(at + 1).is_none_or(|next| next != "<") => {
                let mut paths = Vec::new();
                at = use_tree(&tokens, at + 1, &[], &mut paths);
                found.extend(paths.iter().filter_map(|path| resolve(path, &here, crates)));
                continue;
            }
            word if is_word(word) => {
                let preceded = at > 0 && ["::", "."].contains(&tokens[at - 1].as_str());
                let mut path = vec![word.to_owned()];
                while tokens.get(at + 1).is_some_and(|next| next == "::")
                    && tokens.get(at + 2).is_some_and(|next| is_word(next))
                {
                    path.push(tokens[at + 2].clone());
                    at += 2;
                }
                if path.len() > 1 && !preceded {
                    found.extend(resolve(&path, &here, crates));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

#[derive(PartialEq, Eq)]
enum Opened {
    Module,
    Block,
}

/// Collects the paths of a `use` tree; returns where it ends.
fn use_tree(
    tokens: &[String],
    mut at: usize,
    prefix: &[String],
    paths: &mut Vec<Vec<String>>,
) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|next| next != "}") {
                    at = use_tree(tokens, at, &path, paths);
                    at += usize::from(tokens.get(at).is_some_and(|next| next != "}"));
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            "as" => at += 1,
            word if is_word(word) => path.push(word.to_owned()),
            _ => {}
        }
        at += 1;
    }
    paths.push(path);
    at
}

/// The room or crate that a path seen in module `here` leads to.
fn resolve(path: &[String], here: &[String], crates: &BTreeSet<String>) -> Option<Named> {
    let first = path.first()?;
    if first == "crate" || (first == "carebell" && here == ["main"]) {
        return path.get(1).cloned().map(Named::Room);
    }
    let supers = path.iter().take_while(|part| *part == "super").count();
    if supers > 0 {
        let up = here.len().saturating_sub(supers);
        return here[..up].first().or(path.get(supers)).cloned().map(Named::Room);
    }
    crates.contains(first).then(|| Named::Crate(first.clone()))
}

/// Drops every item behind `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().take(MARK.len()).eq(MARK) {
            at += MARK.len();
            let mut depth = 0;
            while at < tokens.len() {
                match tokens[at].as_str() {
                    "{" | "(" | "[" => depth += 1,
                    "}" | ")" | "]" => depth -= 1,
                    _ => {}
                }
                at += 1;
                let ended = ["}", ";"].contains(&tokens[at - 1].as_str());
                if depth == 0 && ended {
                    break;
                }
            }
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single signs; comments, strings, characters and lifetimes are gone.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let starts = |at: usize, what: &str| {
        what.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c))
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if starts(at, "//") {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if starts(at, "/*") {
            let mut depth = 1;
            at += 2;
            while depth > 0 && at < chars.len() {
                let step = if starts(at, "/*") {
                    1
                } else if starts(at, "*/") {
                    -1
                } else {
                    0
                };
                depth += step;
                at += if step == 0 { 1 } else { 2 };
            }
        } else if let Some(hashes) = raw_string(&chars[at..]) {
            let close: String =
                std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            at += chars[at..].iter().take_while(|c| **c != '"').count() + 1;
            while at < chars.len() && !starts(at, &close) {
                at += 1;
            }
            at += close.len();
        } else if c == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if c == '\'' {
            // 'x' and '\n' are characters, 'x alone is a lifetime.
            at += match (chars.get(at + 1), chars.get(at + 2)) {
                (Some('\\'), _) => {
                    3 + chars[at + 3..].iter().take_while(|c| **c != '\'').count() + 1
                }
                (_, Some('\'')) => 3,
                _ => 1,
            };
        } else if c.is_alphanumeric() || c == '_' {
            let length =
                chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
            found.push(chars[at..at + length].iter().collect());
            at += length;
        } else if starts(at, "::") {
            found.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            at += 1;
        }
    }
    found
}

/// The number of `#` of a raw string that starts here.
fn raw_string(chars: &[char]) -> Option<usize> {
    let prefix = usize::from(chars.first() == Some(&'b'));
    (chars.get(prefix) == Some(&'r')).then_some(())?;
    let hashes = chars[prefix + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(prefix + 1 + hashes) == Some(&'"')).then_some(hashes)
}
