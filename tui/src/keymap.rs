//! Which key does what: made from one table, as somebody rebinds it; keys, help and hints are made of it.
//!
//! Keys that somebody wants in, a map of keys out, or all that is wrong with them. Invariants: no key does two things, and none that does
//! something begins another; there is a key that ends the inspector.

use crate::action::Action;
use crate::key::Key;

mod bindings;
mod rebinding;

pub use bindings::BINDINGS;
pub use rebinding::{Preset, Rebinding, WrongBinding};

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// Names of the keys that do it, the usual one first.
    pub keys: &'static [&'static str],
    /// The name of what they do.
    pub name: &'static str,
    /// What they do, for the help.
    pub help: &'static str,
    /// What they do.
    pub action: Action,
}

/// What keys do that were pressed one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// This.
    Action(Action),
    /// Nothing yet: more must follow.
    Begun,
    /// Nothing.
    Nothing,
}

/// A command with its keys.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The keys, the usual one first; none, if somebody took them away.
    pub keys: Vec<String>,
    /// What they do.
    pub binding: &'static Binding,
}

/// Which key does what.
#[derive(Debug, Clone)]
pub struct Keymap {
    lines: Vec<Bound>,
}

impl Default for Keymap {
    fn default() -> Keymap {
        let bound = |binding: &'static Binding| Bound {
            keys: binding.keys.iter().map(|key| (*key).to_owned()).collect(),
            binding,
        };
        Keymap { lines: BINDINGS.iter().map(bound).collect() }
    }
}

impl Keymap {
    /// All commands with their keys, in the order of the table.
    pub fn lines(&self) -> &[Bound] {
        &self.lines
    }

    /// What `key` does after those that were pressed `before`, which only begin something.
    pub fn meaning(&self, before: &[Key], key: Key) -> Meaning {
        let pressed: Vec<String> = before.iter().chain([&key]).map(Key::to_string).collect();
        let pressed = pressed.join(" ");
        if let Some(bound) = self.lines.iter().find(|bound| bound.keys.contains(&pressed)) {
            return Meaning::Action(bound.binding.action);
        }
        if self.following(&pressed).next().is_some() { Meaning::Begun } else { Meaning::Nothing }
    }

    /// What may follow keys that only begin something: the rest of the keys, and the name of what they do.
    pub fn following(&self, begun: &str) -> impl Iterator<Item = (&str, &'static str)> {
        let rest = move |key: &'_ str| {
            let rest = key.strip_prefix(begun)?.strip_prefix(' ')?;
            Some(key.len() - rest.len())
        };
        self.lines.iter().flat_map(move |bound| {
            let behind = move |key: &'_ String| rest(key);
            bound
                .keys
                .iter()
                .filter_map(move |key| Some((&key[behind(key)?..], bound.binding.name)))
        })
    }

    /// The usual key of the command of this name.
    pub fn key_of(&self, name: &str) -> Option<&str> {
        let bound = self.lines.iter().find(|bound| bound.binding.name == name)?;
        bound.keys.first().map(String::as_str)
    }
}

/// The command of this name.
pub fn named(name: &str) -> Option<&'static Binding> {
    BINDINGS.iter().find(|binding| binding.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_key_of_the_table_is_a_key_and_does_one_thing() {
        let keymap = Keymap::default();
        let mut keys = HashSet::new();
        let mut names = HashSet::new();
        for binding in BINDINGS {
            assert!(names.insert(binding.name), "{} is there twice", binding.name);
            for key in binding.keys {
                assert!(keys.insert(*key), "{key} does two things");
                let parts: Vec<Key> = key.split(' ').map(|part| part.parse().unwrap()).collect();
                let names: Vec<String> = parts.iter().map(Key::to_string).collect();
                assert_eq!(names.join(" "), *key);
                let (last, before) = parts.split_last().unwrap();
                assert_eq!(keymap.meaning(before, *last), Meaning::Action(binding.action));
                for begun in 0..before.len() {
                    assert_eq!(keymap.meaning(&before[..begun], before[begun]), Meaning::Begun);
                }
            }
        }
        assert_eq!(keymap.meaning(&[], Key::char('\u{1}')), Meaning::Nothing);
        let y = Key::char('y');
        assert_eq!(keymap.meaning(&[y], y), Meaning::Nothing);
        assert_eq!(keymap.following("y").next(), Some(("l", "copy-line")));
    }
}
