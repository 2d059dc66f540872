//! The keys of `blkreplay.toml`: names, what they take, what they are for.
//!
//! The only table of keys: the reader and its JSON Schema are made from it, and the book is held against it. Invariant: a key that is not here is an
//! error.

use blkreplay_core::diff::{Align, Barrier, PRESETS, RUNS_MIN};
use blkreplay_core::limits::DIFF_RUNS_A_SIDE_MAX;
use blkreplay_tui::keymap::Preset as KeyPreset;
use blkreplay_tui::look::{Glyphs, Theme};
use blkreplay_tui::state::coloring::Color;
use serde_json::{Map, Value, json};

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    /// A string.
    Text,
    /// One of some words.
    Word(fn() -> Vec<&'static str>),
    /// A list of some words.
    Words(fn() -> Vec<&'static str>),
    /// A whole number, or one with a unit as a string.
    Limit,
    /// A whole number in this range.
    Count(u64, u64),
    /// A day.
    Day,
    /// Yes or no.
    Flag,
    /// A list of strings.
    Texts,
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(crate) name: &'a str,
    pub(crate) takes: Takes,
    pub(crate) needed: bool,
    pub(crate) about: &'static str,
}

impl<'a> Key<'a> {
    /// The same under a name that somebody chose.
    pub(crate) fn called(self, name: &'a str) -> Key<'a> {
        Key { name, ..self }
    }
}

const fn key(name: &'static str, takes: Takes, about: &'static str) -> Key<'static> {
    Key { name, takes, needed: false, about }
}

const fn needed(name: &'static str, takes: Takes, about: &'static str) -> Key<'static> {
    Key { needed: true, ..key(name, takes, about) }
}

/// Largest window that is taken.
pub(crate) const WINDOW_MAX: u64 = 1 << 24;

/// What can be ignored: these four always are, the others take something out of the comparison.
pub(crate) const IGNORABLE: [&str; 9] =
    ["time", "id", "conn", "queue", "order", "payload", "result", "flags", "len"];

fn aligns() -> Vec<&'static str> {
    Align::NAMES.iter().map(|(_, name)| *name).collect()
}

fn barriers() -> Vec<&'static str> {
    Barrier::NAMES.iter().map(|(_, name)| *name).collect()
}

fn ignorable() -> Vec<&'static str> {
    IGNORABLE.to_vec()
}

fn presets() -> Vec<&'static str> {
    PRESETS.iter().map(|preset| preset.name).collect()
}

/// `[diff]`.
pub(crate) const DIFF: [Key<'static>; 5] = [
    key("align", Takes::Word(aligns), "how requests are paired"),
    key("ignore", Takes::Words(ignorable), "what of them is not compared"),
    key("barrier", Takes::Word(barriers), "what ends an epoch"),
    key("window", Takes::Count(1, WINDOW_MAX), "requests of each side that are looked at together"),
    key("preset", Takes::Words(presets), "masks that come with the program"),
];

/// `[[diff.ignore-rule]]`.
pub(crate) const IGNORE_RULE: [Key<'static>; 5] = [
    needed("name", Takes::Text, "what it is called in reports"),
    key("where", Takes::Text, "which requests are meant, as a filter; without it, all"),
    key("bytes", Takes::Text, "which bytes are masked; without it, requests are left out"),
    needed("reason", Takes::Text, "why they may differ; `?` is a reason that is still to be found"),
    key("until", Takes::Day, "the last day of the rule; then it is off, with a warning"),
];

/// `[[diff.budget]]`.
pub(crate) const BUDGET: [Key<'static>; 9] = [
    needed("name", Takes::Text, "what it is called in reports"),
    needed("metric", Takes::Text, "a number that all requests give together: `count(flush)`"),
    key("max", Takes::Limit, "it is not above this"),
    key("min", Takes::Limit, "it is not below this"),
    key("max-increase", Takes::Text, "by how much it may rise, as a part of base: `5%`"),
    key("max-increase-abs", Takes::Limit, "the same as a number; with both, both must be exceeded"),
    key("max-decrease", Takes::Text, "by how much it may fall, as a part of base"),
    key("max-decrease-abs", Takes::Limit, "the same as a number"),
    key(
        "runs",
        Takes::Count(RUNS_MIN as u64, DIFF_RUNS_A_SIDE_MAX as u64),
        "runs a side that a budget on times takes; 5 if nothing is said",
    ),
];

/// `[suite."GLOB"]`.
pub(crate) const SUITE: [Key<'static>; 1] = [needed(
    "new",
    Takes::Text,
    "where the new trace of a baseline is; `{name}` is what the `*` in the last part of GLOB stands for",
)];

/// What there is of signs; `None` looks at the terminal.
pub(crate) const GLYPHS: [(Option<Glyphs>, &str); 3] =
    [(None, "auto"), (Some(Glyphs::Unicode), "unicode"), (Some(Glyphs::Ascii), "ascii")];

fn key_presets() -> Vec<&'static str> {
    KeyPreset::ALL.iter().map(|(_, name)| *name).collect()
}

fn themes() -> Vec<&'static str> {
    Theme::ALL.iter().map(|(_, name)| *name).collect()
}

fn glyphs() -> Vec<&'static str> {
    GLYPHS.iter().map(|(_, name)| *name).collect()
}

fn colors() -> Vec<&'static str> {
    Color::ALL.iter().map(|(_, name)| *name).collect()
}

/// `[inspect]`.
pub(crate) const INSPECT: [Key<'static>; 5] = [
    key("keys", Takes::Word(key_presets), "which keys do what; in `termshark` `/` writes a filter"),
    key("theme", Takes::Word(themes), "colours; `default` are the sixteen of the terminal"),
    key("glyphs", Takes::Word(glyphs), "signs; `auto` looks at the terminal"),
    key("mouse", Takes::Flag, "whether the mouse is the inspector's; F2 changes it"),
    key(
        "copy-command",
        Takes::Texts,
        "the program that gets what is copied on its standard input, and its arguments; taken only from the file in your home folder",
    ),
];

/// `[inspect.bind]`, under the names of commands.
pub(crate) const BIND: [Key<'static>; 1] = [key(
    "COMMAND",
    Takes::Texts,
    "the keys of a command instead of its own, as `?` in the inspector names both; none takes them away",
)];

/// `[[inspect.color]]`.
pub(crate) const INSPECT_COLOR: [Key<'static>; 2] = [
    needed("filter", Takes::Text, "which requests are meant, by what they say themselves"),
    needed(
        "color",
        Takes::Word(colors),
        "their colour in the list, of the first rule that means them",
    ),
];

/// `[inspect.filters]`, under names of one's own.
pub(crate) const FILTERS: [Key<'static>; 1] =
    [key("NAME", Takes::Text, "a filter that the name stands for where one is written")];

impl Takes {
    /// In words.
    pub(crate) fn words(self) -> String {
        match self {
            Takes::Text => "a string".to_owned(),
            Takes::Word(words) => format!("one of {}", words().join(", ")),
            Takes::Words(words) => format!("a list of {}", words().join(", ")),
            Takes::Limit => "a number, or a string with a unit".to_owned(),
            Takes::Count(least, most) => format!("a number from {least} to {most}"),
            Takes::Day => "a day, as 2027-06-01".to_owned(),
            Takes::Flag => "true or false".to_owned(),
            Takes::Texts => "a list of strings".to_owned(),
        }
    }

    fn schema(self) -> Value {
        match self {
            Takes::Text => json!({"type": "string", "minLength": 1}),
            Takes::Word(words) => json!({"enum": words()}),
            Takes::Words(words) => json!({"type": "array", "items": {"enum": words()}}),
            Takes::Limit => json!({"type": ["integer", "string"], "minimum": 0, "minLength": 1}),
            Takes::Count(least, most) => {
                json!({"type": "integer", "minimum": least, "maximum": most})
            }
            Takes::Day => json!({"type": "string", "format": "date"}),
            Takes::Flag => json!({"type": "boolean"}),
            Takes::Texts => json!({"type": "array", "items": {"type": "string"}}),
        }
    }
}

fn table(keys: &[Key<'_>]) -> Value {
    let property = |key: &Key<'_>| {
        let mut schema = key.takes.schema();
        schema["description"] = key.about.into();
        (key.name.to_owned(), schema)
    };
    let properties: Map<String, Value> = keys.iter().map(property).collect();
    let required: Vec<_> = keys.iter().filter(|key| key.needed).map(|key| key.name).collect();
    let mut table =
        json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        table["required"] = required.into();
    }
    table
}

/// The JSON Schema of a file, for editors.
pub(crate) fn schema() -> Value {
    let mut diff = table(&DIFF);
    for (name, keys) in [("ignore-rule", &IGNORE_RULE[..]), ("budget", &BUDGET[..])] {
        diff["properties"][name] = json!({"type": "array", "items": table(keys)});
    }
    let mut inspect = table(&INSPECT);
    inspect["properties"]["color"] = json!({"type": "array", "items": table(&INSPECT_COLOR)});
    for (name, [key]) in [("bind", BIND), ("filters", FILTERS)] {
        inspect["properties"][name] = json!({"type": "object", "additionalProperties": key.takes.schema(), "description": key.about});
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "blkreplay.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "diff": diff,
            "suite": {"type": "object", "additionalProperties": table(&SUITE)},
            "inspect": inspect,
        },
    })
}
