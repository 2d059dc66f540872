//! The layer rule of core: each layer may name only those before it. A file's tokens come in, faults go out.
//!
//! Reads every path that starts at the crate's root, however it is written (`crate::a`, `crate::{a, b}`,
//! `super::super::a`), in code, in tests and in macros.

use super::source::{Source, Token, closing, starts_with};

/// The layers of core, lowest first.
const LAYERS: [&str; 13] = [
    "units", "limits", "request", "event", "format", "device", "engine", "rows", "position",
    "query", "view", "edit", "diff",
];

/// Modules on top of the layers, which no layer names. Each may use all layers; none another adapter.
const ADAPTERS: [&str; 2] = ["nbd", "qemu"];

/// The modules over all: each may use everything below, and is used by nothing in core.
const OVER_ALL: [&str; 2] = ["open", "words"];

/// Each path in `source` that goes up, and each file without a place.
pub(super) fn faults(source: &Source) -> Vec<String> {
    let Some(module) = module_path(&source.path) else { return Vec::new() };
    let Some(own) = module.first() else { return Vec::new() };
    let Some(allowed) = rank(own) else {
        return vec![source.fault(1, &format!("`{own}` has no place among the layers"))];
    };
    let mut faults = Vec::new();
    for (name, line) in root_names(&source.tokens, &module) {
        let fault = match rank(&name) {
            _ if name == *own => None,
            None => {
                Some(format!("`crate::{name}` is no layer; name the module that owns the thing"))
            }
            Some(rank) if rank >= allowed => Some(format!("`{own}` may not use `{name}`")),
            Some(_) => None,
        };
        faults.extend(fault.map(|fault| source.fault(line, &fault)));
    }
    faults
}

/// The height of a module: it may use what has a smaller one.
fn rank(name: &str) -> Option<usize> {
    let adapters = ADAPTERS.iter().map(|adapter| (*adapter, LAYERS.len()));
    let over_all = OVER_ALL.iter().map(|module| (*module, LAYERS.len() + 1));
    let layers = LAYERS.iter().enumerate().map(|(rank, layer)| (*layer, rank));
    layers.chain(adapters).chain(over_all).find(|(known, _)| *known == name).map(|(_, rank)| rank)
}

/// `core/src/a/b.rs` is the module `a::b`; `None` for a file that is not core's, empty for its root.
fn module_path(path: &str) -> Option<Vec<String>> {
    let inside = path.strip_prefix("core/src/")?.strip_suffix(".rs")?;
    let mut parts: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    Some(parts)
}

/// Every name that is looked up in the crate's root, with its line.
fn root_names(tokens: &[Token], module: &[String]) -> Vec<(String, usize)> {
    let mut names = Vec::new();
    // Where each inline module around the current token ends.
    let mut inline: Vec<usize> = Vec::new();
    let mut place = 0;
    while place < tokens.len() {
        inline.retain(|end| *end > place);
        let rest = &tokens[place..];
        if rest.len() > 2 && rest[0].text == "mod" && rest[2].text == "{" {
            inline.push(closing(tokens, place + 2));
            place += 3;
            continue;
        }
        let ups = ups(rest);
        let at_root = starts_with(rest, &["crate", ":", ":"])
            || (ups > 0 && ups == module.len() + inline.len());
        let steps = ups.max(1);
        if at_root {
            names.extend(first_names(&rest[3 * steps..]));
        }
        place += if ups > 0 { 3 * steps } else { 1 };
    }
    names
}

/// How many `super::` stand at the start.
fn ups(tokens: &[Token]) -> usize {
    let mut count = 0;
    while starts_with(&tokens[3 * count..], &["super", ":", ":"]) {
        count += 1;
    }
    count
}

/// The first names of what follows `crate::`: one, or those of a group.
fn first_names(tokens: &[Token]) -> Vec<(String, usize)> {
    let name = |token: &Token| (token.text.clone(), token.line);
    if tokens.first().is_none_or(|token| token.text != "{") {
        return tokens.first().map(name).into_iter().collect();
    }
    let end = closing(tokens, 0);
    let mut names = Vec::new();
    let mut place = 1;
    while place < end {
        names.push(name(&tokens[place]));
        while place < end && tokens[place].text != "," {
            place = if tokens[place].text == "{" { closing(tokens, place) } else { place } + 1;
        }
        place += 1;
    }
    names
}
