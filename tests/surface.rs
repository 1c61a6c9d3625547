//! The library for tests of others (`testing/`) keeps what it has promised: its public items are written down, and what changes of them asks for a version.
//!
//! `INSTA_UPDATE=always cargo nextest run --test surface` writes the file anew, once the version says what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use quote::ToTokens;
use syn::{Fields, ImplItem, Item, TraitItem, UseTree, Visibility};

/// What is written down, from the repository's root.
const FILE: &str = "tests/surface.txt";
/// The crate.
const CRATE: &str = "testing";

/// Public items, a line each, of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Surface {
    version: (u64, u64, u64),
    items: BTreeSet<String>,
}

impl Surface {
    /// As it is written down.
    fn parse(text: &str) -> Option<Self> {
        let (version, items) = text.split_once('\n')?;
        let version = version_of(version.strip_prefix("lab-testing ")?)?;
        Some(Self { version, items: items.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect() })
    }

    fn text(&self) -> String {
        let (major, minor, patch) = self.version;
        let mut text = format!("lab-testing {major}.{minor}.{patch}\n");
        for item in &self.items {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{item}");
        }
        text
    }

    /// As it is in the sources.
    fn of_sources() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(CRATE);
        let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
        let manifest: toml_edit::DocumentMut = manifest.parse().expect("TOML");
        let version = manifest["package"]["version"].as_str().and_then(version_of).expect("a version");
        let mut modules = BTreeMap::new();
        for entry in fs::read_dir(root.join("src")).expect("sources") {
            let path = entry.expect("an entry").path();
            assert!(path.is_file(), "this test reads no directories of modules: {}", path.display());
            let text = fs::read_to_string(&path).expect("text");
            let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
            modules.insert(module, syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
        }
        Self { version, items: items_of(&modules) }
    }
}

fn version_of(text: &str) -> Option<(u64, u64, u64)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// What is wrong with the sources by what is written down, and what to do; nothing when they agree.
fn complaint(written: &Surface, now: &Surface) -> Option<String> {
    let lines = |of: &Surface, other: &Surface| of.items.difference(&other.items).cloned().collect::<Vec<_>>();
    let (gone, new) = (lines(written, now), lines(now, written));
    let (major, minor, patch) = written.version;
    // As cargo understands versions: below 1.0 the second number is what the first is from then on.
    let least = match (major, gone.is_empty(), new.is_empty()) {
        (_, true, true) => return (written.version > now.version).then(|| "the version has gone back".to_owned()),
        (0, false, _) => (0, minor + 1, 0),
        (0, true, false) => (0, minor, patch + 1),
        (_, false, _) => (major + 1, 0, 0),
        (_, true, false) => (major, minor + 1, 0),
    };
    if now.version >= least {
        return None;
    }
    let (major, minor, patch) = least;
    let mut text = format!("raise `version` in {CRATE}/Cargo.toml to {major}.{minor}.{patch} at least");
    let why =
        if gone.is_empty() { "there are new public items" } else { "what others may have used has changed or is gone" };
    // Writing to a string cannot fail.
    let _ = writeln!(text, ": {why}");
    for (sign, lines) in [("-", gone), ("+", new)] {
        for line in lines {
            let _ = writeln!(text, "{sign} {line}");
        }
    }
    Some(text)
}

/// The public items of modules by name, `lib` being the root: those of the root, and those that it passes on.
fn items_of(modules: &BTreeMap<String, syn::File>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut names = BTreeSet::new();
    let root = &modules["lib"];
    for item in &root.items {
        if let Item::Use(used) = item
            && matches!(used.vis, Visibility::Public(_))
        {
            passed_on(&used.tree, &mut Vec::new(), &mut |path| {
                if path.first().is_some_and(|module| modules.contains_key(module)) {
                    names.extend(path.last().cloned());
                } else {
                    found.insert(format!("use {}", path.join("::")));
                }
            });
        }
        names.extend(name_of_public(item));
    }
    for item in modules.values().flat_map(|file| &file.items) {
        match item {
            Item::Impl(block) => found.extend(implemented(block, &names)),
            item if name_of_public(item).is_some_and(|name| names.contains(&name)) => found.extend(defined(item)),
            _ => {}
        }
    }
    found
}

/// Calls `tell` with every path that a `use` names.
fn passed_on(tree: &UseTree, before: &mut Vec<String>, tell: &mut impl FnMut(&[String])) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            passed_on(&path.tree, before, tell);
            before.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| passed_on(tree, before, tell)),
        UseTree::Name(name) => tell(&[&before[..], &[name.ident.to_string()]].concat()),
        UseTree::Rename(_) | UseTree::Glob(_) => panic!("this test knows only names: {}", words(tree)),
    }
}

fn name_of_public(item: &Item) -> Option<String> {
    let (visibility, name) = match item {
        Item::Struct(item) => (&item.vis, &item.ident),
        Item::Enum(item) => (&item.vis, &item.ident),
        Item::Trait(item) => (&item.vis, &item.ident),
        Item::Fn(item) => (&item.vis, &item.sig.ident),
        Item::Type(item) => (&item.vis, &item.ident),
        Item::Const(item) => (&item.vis, &item.ident),
        Item::Static(item) => (&item.vis, &item.ident),
        Item::Mod(item) => (&item.vis, &item.ident),
        _ => return None,
    };
    matches!(visibility, Visibility::Public(_)).then(|| name.to_string())
}

/// What an item promises, a line each.
fn defined(item: &Item) -> Vec<String> {
    match item {
        Item::Struct(item) => {
            let name = &item.ident;
            let mut lines = vec![format!("struct {name}{}{}", words(&item.generics), attributes(&item.attrs))];
            lines.extend(fields(&name.to_string(), &item.fields, true));
            // A field that is not public is no promise, but nobody can make such a value, or take it apart.
            let is_whole = item.fields.iter().all(|field| matches!(field.vis, Visibility::Public(_)));
            lines.extend((!is_whole).then(|| format!("struct {name}: has fields of its own")));
            lines.extend(derived(&name.to_string(), &item.attrs));
            lines
        }
        Item::Enum(item) => {
            let name = &item.ident;
            let mut lines = vec![format!("enum {name}{}{}", words(&item.generics), attributes(&item.attrs))];
            for variant in &item.variants {
                let place = format!("{name}::{}", variant.ident);
                lines.push(format!("variant {place}"));
                lines.extend(fields(&place, &variant.fields, false));
            }
            lines.extend(derived(&name.to_string(), &item.attrs));
            lines
        }
        Item::Trait(item) => {
            let name = &item.ident;
            let mut lines = vec![format!("trait {name}{}: {}", words(&item.generics), words(&item.supertraits))];
            for item in &item.items {
                match item {
                    TraitItem::Fn(f) => lines.push(format!("fn {name}::{}", words(&f.sig))),
                    other => lines.push(format!("{name}::{}", words(other))),
                }
            }
            lines
        }
        Item::Fn(item) => vec![words(&item.sig)],
        Item::Type(item) => vec![words(item)],
        Item::Const(item) => vec![format!("const {}: {}", item.ident, words(&item.ty))],
        Item::Static(item) => vec![format!("static {}: {}", item.ident, words(&item.ty))],
        Item::Mod(item) => panic!("this test reads no public modules: {}", item.ident),
        _ => Vec::new(),
    }
}

fn fields(of: &str, fields: &Fields, if_public: bool) -> Vec<String> {
    let is_told = |field: &&syn::Field| !if_public || matches!(field.vis, Visibility::Public(_));
    let told = fields.iter().enumerate().filter(|(_, field)| is_told(field));
    told.map(|(at, field)| {
        let name = field.ident.as_ref().map_or_else(|| at.to_string(), ToString::to_string);
        format!("field {of}.{name}: {}", words(&field.ty))
    })
    .collect()
}

/// Attributes that promise something.
fn attributes(all: &[syn::Attribute]) -> String {
    let told = ["non_exhaustive"];
    all.iter().filter(|a| told.iter().any(|t| a.path().is_ident(t))).map(|a| format!(" {}", words(a))).collect()
}

fn derived(of: &str, attributes: &[syn::Attribute]) -> Vec<String> {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("derive")) {
        let _ = attribute.parse_nested_meta(|derive| {
            lines.push(format!("impl {} for {of}", words(&derive.path)));
            Ok(())
        });
    }
    lines
}

/// What a block promises of a public type: its public functions, or that it has a trait.
fn implemented(block: &syn::ItemImpl, names: &BTreeSet<String>) -> Vec<String> {
    let of = words(&block.self_ty);
    if !names.contains(of.split(' ').next().unwrap_or_default()) {
        return Vec::new();
    }
    if let Some((_, of_trait, _)) = &block.trait_ {
        let types = block.items.iter().filter(|item| matches!(item, ImplItem::Type(_)));
        let types: String = types.map(|item| format!(" {{ {} }}", words(item))).collect();
        return vec![format!("impl {} for {of}{types}", words(of_trait))];
    }
    let mut lines = Vec::new();
    for item in &block.items {
        match item {
            ImplItem::Fn(f) if matches!(f.vis, Visibility::Public(_)) => lines.push(format!("{of}: {}", words(&f.sig))),
            ImplItem::Const(c) if matches!(c.vis, Visibility::Public(_)) => {
                lines.push(format!("{of}: const {}: {}", c.ident, words(&c.ty)));
            }
            _ => {}
        }
    }
    lines
}

/// The words of a piece of source, with one space between them.
fn words(of: &impl ToTokens) -> String {
    of.to_token_stream().to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_change_of_the_library_raises_its_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let written = fs::read_to_string(&path).expect("what is written down");
    let written = Surface::parse(&written).unwrap_or_else(|| panic!("{FILE} cannot be read"));
    let now = Surface::of_sources();
    if let Some(complaint) = complaint(&written, &now) {
        panic!("{complaint}");
    }
    if written == now {
        return;
    }
    assert!(
        std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always"),
        "the version says what has changed; now write it down: INSTA_UPDATE=always cargo nextest run --test surface"
    );
    fs::write(&path, now.text()).expect("writes");
}

/// The surface of a library of one file.
fn surface(version: &str, text: &str) -> Surface {
    let modules = BTreeMap::from([("lib".to_owned(), syn::parse_file(text).expect("Rust"))]);
    Surface { version: version_of(version).expect("a version"), items: items_of(&modules) }
}

#[test]
fn what_is_gone_or_changed_is_told_with_the_version_that_it_takes() {
    let text = "#[derive(Clone)] pub struct Lab { pub name: String, hidden: u8 }\nimpl Lab { pub fn up(&self, at: u8) -> u8 { 1 } fn own(&self) {} }";
    let before = surface("0.3.1", text);
    let told = |version: &str, from: &str, to: &str| {
        assert!(text.contains(from));
        complaint(&before, &surface(version, &text.replace(from, to))).unwrap_or_default()
    };
    assert_eq!(told("0.3.1", "fn own(&self)", "fn other(&mut self)"), "", "nobody else sees it");
    assert_eq!(told("0.3.1", "{ 1 }", "{ 2 }"), "");
    let removed = told("0.3.1", "pub fn up", "fn up");
    assert!(
        removed.starts_with("raise `version` in testing/Cargo.toml to 0.4.0 at least: what others may have used"),
        "{removed}"
    );
    assert!(removed.contains("- Lab: fn up (& self , at : u8) -> u8"), "{removed}");
    for (from, to) in [
        ("at: u8", "at: u16"),
        ("pub name", "name"),
        ("(Clone)", "(Debug)"),
        ("String", "Vec<u8>"),
        ("pub struct", "struct"),
    ] {
        assert!(told("0.3.9", from, to).contains("to 0.4.0"), "{from}");
        assert_eq!(told("0.4.0", from, to), "", "{from}");
    }
    let added = told("0.3.1", "fn own", "pub fn own");
    assert!(added.contains("to 0.3.2 at least: there are new public items\n+ Lab: fn own"), "{added}");
    assert_eq!(told("0.3.2", "fn own", "pub fn own"), "");
    // From 1.0 on the first number counts.
    let stable = Surface { version: (1, 2, 0), ..before.clone() };
    let less = surface("1.9.0", &text.replace("pub fn up", "fn up"));
    assert!(complaint(&stable, &less).is_some_and(|told| told.contains("to 2.0.0")));
    assert!(
        complaint(&stable, &surface("1.2.1", &text.replace("fn own", "pub fn own")))
            .is_some_and(|told| told.contains("to 1.3.0"))
    );
    assert_eq!(Surface::parse(&before.text()), Some(before));
}
