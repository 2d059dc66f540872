//! Which key does what: the one table that keys and help are made from.
//!
//! Invariants: no key does two things; every action that has a name has a key, and the help lists exactly these.

use crate::action::Action;
use crate::key::Key;

mod bindings;

pub use bindings::BINDINGS;

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

/// What `key` does after those that were pressed `before`, which only begin something.
pub fn meaning(before: &[Key], key: Key) -> Meaning {
    let pressed: Vec<String> = before.iter().chain([&key]).map(Key::to_string).collect();
    let pressed = pressed.join(" ");
    let does = |binding: &&Binding| binding.keys.contains(&pressed.as_str());
    if let Some(binding) = BINDINGS.iter().find(does) {
        return Meaning::Action(binding.action);
    }
    if following(&pressed).next().is_some() { Meaning::Begun } else { Meaning::Nothing }
}

/// What may follow keys that only begin something: the rest of the keys, and the name of what they do.
pub fn following(begun: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let rest = move |key: &'static str| key.strip_prefix(begun)?.strip_prefix(' ');
    BINDINGS.iter().flat_map(move |binding| {
        binding.keys.iter().filter_map(move |key| Some((rest(key)?, binding.name)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_key_of_the_table_is_a_key_and_does_one_thing() {
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
                assert_eq!(meaning(before, *last), Meaning::Action(binding.action));
                for begun in 0..before.len() {
                    assert_eq!(meaning(&before[..begun], before[begun]), Meaning::Begun);
                }
            }
        }
        assert_eq!(meaning(&[], Key::char('\u{1}')), Meaning::Nothing);
        let y = Key::char('y');
        assert_eq!(meaning(&[y], y), Meaning::Nothing);
        assert_eq!(following("y").next(), Some(("l", "copy-line")));
    }
}
