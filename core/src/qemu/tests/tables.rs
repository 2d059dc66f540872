//! The tables of all layouts against two lists that were made from QEMU's source apart from them.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::super::layout::Nesting;
use super::super::*;

/// A layout as the list has it.
#[derive(Debug, Deserialize)]
struct Listed {
    version: String,
    nested_async: bool,
    async_has_checkpoint_byte: bool,
    async_kinds: Vec<String>,
    events: Vec<String>,
}

fn listed() -> HashMap<String, Listed> {
    let list = include_str!("../../../../fixtures/data/qemu/layouts.json");
    serde_json::from_str(list).unwrap()
}

fn names(kinds: &[LogKind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.name()).collect()
}

#[test]
fn all_tables_are_those_of_the_list() {
    let listed = listed();
    assert_eq!(listed.len(), LAYOUTS.len());
    for layout in &LAYOUTS {
        let list = &listed[layout.label];
        assert_eq!(format!("{:#x}", layout.version), list.version, "{}", layout.label);
        assert_eq!(names(&layout.events()), list.events, "{}", layout.label);
        let asyncs = layout.async_kinds();
        let asyncs: Vec<_> = asyncs.iter().map(|kind| &kind.name()["ASYNC_".len()..]).collect();
        assert_eq!(asyncs, list.async_kinds, "{}", layout.label);
        assert_eq!(layout.nesting != Nesting::Flat, list.nested_async, "{}", layout.label);
        let says_checkpoint = layout.nesting == Nesting::Checkpoint;
        assert_eq!(says_checkpoint, list.async_has_checkpoint_byte, "{}", layout.label);
    }
}

#[test]
fn no_table_has_a_gap_or_a_kind_twice() {
    for layout in &LAYOUTS {
        let events = layout.events();
        let set: BTreeSet<_> = events.iter().copied().collect();
        assert_eq!(set.len(), events.len(), "{}", layout.label);
        assert_eq!(events.last(), Some(&LogKind::End), "{}", layout.label);
        let names: BTreeSet<_> = names(&events).into_iter().collect();
        assert_eq!(names.len(), events.len(), "{}: two kinds of one name", layout.label);
        assert!(events.len() <= super::super::codes::CODES_MAX);
        assert!(layout.async_kinds().len() <= super::super::codes::ASYNCS_MAX);
    }
    let labels: BTreeSet<_> = LAYOUTS.iter().map(|layout| layout.label).collect();
    let ranks: BTreeSet<_> = LAYOUTS.iter().map(|layout| layout.rank).collect();
    assert_eq!((labels.len(), ranks.len()), (LAYOUTS.len(), LAYOUTS.len()));
}

/// The releases of the second list, with what their layout is called here.
const RELEASES: [(&str, &str); 12] = [
    ("v2.5.0", "02/v2.5"),
    ("v2.6.0", "04/v2.6"),
    ("v2.9.0", "06/v2.9"),
    ("v2.10.0", "06/v2.10"),
    ("v2.12.0", "07/v2.12"),
    ("v3.0.0", "07/v3.0"),
    ("v4.0.0", "07/v4.0"),
    ("v4.2.0", "08/v4.2"),
    ("v5.0.0", "09/v5.0"),
    ("v5.1.0", "0a/v5.1"),
    ("v7.1.0", "0c/v7.1"),
    ("v8.0.0", "0c/v8.0"),
];

#[test]
fn the_tables_of_releases_are_those_of_their_enums() {
    let list = include_str!("../../../../fixtures/data/qemu/event-tables-by-release.txt");
    let mut lines = list.lines();
    let mut seen = 0;
    while let Some(line) = lines.next() {
        let Some(words) = line.strip_prefix("== ") else { continue };
        let words: Vec<_> = words.split_whitespace().collect();
        if words.last() == Some(&"SAME") {
            continue;
        }
        let (release, label) = RELEASES[seen];
        assert_eq!(words[0], release);
        let layout = Layout::named(label).unwrap();
        assert_eq!(words[2], format!("{:#x}", layout.version), "{label}");
        let numbered = |kinds: &[LogKind], name: fn(&str) -> String| {
            let numbered = kinds.iter().enumerate();
            let numbered = numbered.map(|(number, kind)| format!("{number}={}", name(kind.name())));
            numbered.collect::<Vec<_>>().join(" ")
        };
        let events = numbered(&layout.events(), enum_name);
        assert_eq!(lines.next().unwrap().trim(), events, "{label}");
        let asyncs = numbered(&layout.async_kinds(), |name| name["ASYNC_".len()..].to_owned());
        assert_eq!(lines.next().unwrap().trim(), format!("async: {asyncs}"), "{label}");
        seen += 1;
    }
    assert_eq!(seen, RELEASES.len());
}

/// The name of a member as the second list writes it: the part of another enum behind a colon.
fn enum_name(name: &str) -> String {
    for (start, part) in [
        ("ASYNC_", "ASYNC:"),
        ("SHUTDOWN_", "SHUTDOWN:"),
        ("CLOCK_", "CLOCK:"),
        ("CP_", "CHECKPOINT:"),
    ] {
        if let Some(rest) = name.strip_prefix(start) {
            return format!("EVENT_{part}{rest}");
        }
    }
    format!("EVENT_{name}")
}
