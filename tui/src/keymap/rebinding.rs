//! Other keys than those of the table: a preset, and what somebody binds by the names of commands.
//!
//! Names and keys in, a map of keys or what is wrong with each out.

use std::collections::BTreeMap;
use std::fmt;

use super::{BINDINGS, Keymap, named};
use crate::key::Key;

/// Keys that people have in their fingers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// Those of the table.
    #[default]
    Default,
    /// `/` writes a filter, as in termshark and Wireshark.
    Termshark,
}

impl Preset {
    /// All, by their names.
    pub const ALL: [(Preset, &'static str); 2] =
        [(Preset::Default, "default"), (Preset::Termshark, "termshark")];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Preset> {
        Preset::ALL.iter().find(|(_, known)| *known == name).map(|(preset, _)| *preset)
    }

    fn keys(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Preset::Default => &[],
            Preset::Termshark => &[("filter", &["/", "f", "&"]), ("search", &["ctrl-f"])],
        }
    }
}

/// A command, and the keys that are to do it instead of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebinding {
    /// The name of the command.
    pub name: String,
    /// Its keys; none takes them away.
    pub keys: Vec<String>,
}

/// Why keys cannot be bound so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongBinding {
    /// Which of the rebindings is wrong; `None` if all together are.
    pub which: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to try.
    pub help: String,
}

impl fmt::Display for WrongBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.help)
    }
}

/// Commands of which one must have a key, or nobody gets out.
const WAYS_OUT: [&str; 2] = ["back", "quit"];

impl Keymap {
    /// The keys of a preset with others for some commands, or all that is wrong with these.
    pub fn of(preset: Preset, rebindings: &[Rebinding]) -> Result<Keymap, Vec<WrongBinding>> {
        let mut keymap = Keymap::default();
        for (name, keys) in preset.keys() {
            keymap.rebind(name, keys.iter().map(|key| (*key).to_owned()).collect());
        }
        let mut wrong = Vec::new();
        let mut whose = BTreeMap::new();
        for (which, Rebinding { name, keys }) in rebindings.iter().enumerate() {
            let mut is_wrong = |what: String, help: String| {
                wrong.push(WrongBinding { which: Some(which), what, help });
            };
            if named(name).is_none() {
                is_wrong(format!("`{name}` is no command"), like(name));
                continue;
            }
            let mut read = Vec::new();
            for key in keys {
                match spelled(key) {
                    Ok(key) => read.push(key),
                    Err(help) => is_wrong(format!("`{key}` is no key"), help),
                }
            }
            keymap.rebind(name, read);
            whose.insert(name.as_str(), which);
        }
        wrong.extend(keymap.doubles(&whose));
        if WAYS_OUT.iter().all(|name| keymap.key_of(name).is_none()) {
            let what = "no key would end the inspector".to_owned();
            let help = "`back` or `quit` needs one".to_owned();
            let which = WAYS_OUT.iter().find_map(|name| whose.get(name).copied());
            wrong.push(WrongBinding { which, what, help });
        }
        if wrong.is_empty() { Ok(keymap) } else { Err(wrong) }
    }

    fn rebind(&mut self, name: &str, keys: Vec<String>) {
        if let Some(bound) = self.lines.iter_mut().find(|bound| bound.binding.name == name) {
            bound.keys = keys;
        }
    }

    /// Keys that do two things, or that do something and begin something else.
    fn doubles(&self, whose: &BTreeMap<&str, usize>) -> Vec<WrongBinding> {
        let all = self
            .lines
            .iter()
            .flat_map(|bound| bound.keys.iter().map(move |key| (key.as_str(), bound.binding.name)));
        let all: Vec<(&str, &str)> = all.collect();
        let mut wrong = Vec::new();
        for (place, (key, name)) in all.iter().enumerate() {
            for (other, of) in &all[..place] {
                let begins = |one: &str, two: &str| {
                    two.strip_prefix(one).is_some_and(|rest| rest.starts_with(' '))
                };
                let what = if key == other && name == of {
                    format!("`{key}` is there twice")
                } else if key == other {
                    format!("`{key}` is bound to `{of}` and to `{name}`")
                } else if begins(key, other) {
                    format!("`{key}` is bound to `{name}`, and begins `{other}` of `{of}`")
                } else if begins(other, key) {
                    format!("`{other}` is bound to `{of}`, and begins `{key}` of `{name}`")
                } else {
                    continue;
                };
                let which = whose.get(name).or_else(|| whose.get(of)).copied();
                let free = if whose.contains_key(name) { of } else { name };
                let help = format!("bind `{free}` to another key, or to none: `{free} = []`");
                wrong.push(WrongBinding { which, what, help });
            }
        }
        wrong
    }
}

/// Keys as the table spells them, or why they are none.
fn spelled(keys: &str) -> Result<String, String> {
    let one = |key: &str| key.parse::<Key>().map(|key| key.to_string());
    // A space, a minus by their signs.
    if let Ok(key) = one(keys) {
        return Ok(key);
    }
    let parts: Result<Vec<String>, _> = keys.split(' ').map(one).collect();
    parts.map(|parts| parts.join(" ")).map_err(|_| {
        "a key is a character, or one such as ctrl-d, alt-left, pgdn, f2, space; `y l` is two"
            .to_owned()
    })
}

/// Names of commands that are like one that there is not.
fn like(name: &str) -> String {
    let parts: Vec<&str> = name.split(['-', '_', ' ']).filter(|part| !part.is_empty()).collect();
    let is_like = |known: &&str| parts.iter().any(|part| known.contains(part));
    let known: Vec<&str> =
        BINDINGS.iter().map(|binding| binding.name).filter(is_like).take(6).collect();
    if known.is_empty() {
        "`?` in the inspector lists them by their names".to_owned()
    } else {
        format!("there are {}", known.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymap::Meaning;

    fn rebinding(name: &str, keys: &[&str]) -> Rebinding {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Rebinding { name: name.to_owned(), keys }
    }

    fn meaning(keymap: &Keymap, key: &str) -> Meaning {
        keymap.meaning(&[], key.parse().unwrap())
    }

    #[test]
    fn a_command_has_the_keys_that_somebody_gives_it_and_no_others() {
        let bound = [
            rebinding("next-error", &["!", "g e"]),
            rebinding("first", &["home"]),
            rebinding("page-down", &[" "]),
        ];
        let keymap = Keymap::of(Preset::Default, &bound).unwrap();
        let next = Meaning::Action(named("next-error").unwrap().action);
        assert_eq!(meaning(&keymap, "!"), next);
        assert_eq!(meaning(&keymap, "g"), Meaning::Begun);
        assert_eq!(keymap.meaning(&[Key::char('g')], Key::char('e')), next);
        assert_eq!(meaning(&keymap, "e"), Meaning::Nothing);
        assert_eq!(keymap.key_of("page-down"), Some("space"));
        let without = Keymap::of(Preset::Default, &[rebinding("suspend", &[])]).unwrap();
        assert_eq!(without.key_of("suspend"), None);
        assert_eq!(meaning(&without, "ctrl-z"), Meaning::Nothing);
    }

    #[test]
    fn presets_are_without_fault_and_termshark_filters_by_a_slash() {
        for (preset, name) in Preset::ALL {
            assert!(Keymap::of(preset, &[]).is_ok(), "{name}");
            assert_eq!(Preset::named(name), Some(preset));
            for (command, _) in preset.keys() {
                assert!(named(command).is_some(), "{command}");
            }
        }
        let keymap = Keymap::of(Preset::Termshark, &[]).unwrap();
        assert_eq!(meaning(&keymap, "/"), Meaning::Action(named("filter").unwrap().action));
        assert_eq!(keymap.key_of("search"), Some("ctrl-f"));
    }

    #[test]
    fn what_cannot_be_bound_is_told_by_name() {
        for (bound, which, what) in [
            (rebinding("next-eror", &["!"]), Some(0), "`next-eror` is no command"),
            (rebinding("next-error", &["ctrl"]), Some(0), "`ctrl` is no key"),
            (rebinding("next-error", &[""]), Some(0), "`` is no key"),
            (rebinding("next-error", &["!", "!"]), Some(0), "`!` is there twice"),
            (
                rebinding("next-error", &["f"]),
                Some(0),
                "`f` is bound to `filter` and to `next-error`",
            ),
            (
                rebinding("next-error", &["f x"]),
                Some(0),
                "`f` is bound to `filter`, and begins `f x` of `next-error`",
            ),
        ] {
            let wrong = Keymap::of(Preset::Default, std::slice::from_ref(&bound)).unwrap_err();
            assert_eq!((wrong[0].which, wrong[0].what.as_str()), (which, what), "{wrong:?}");
            assert!(!wrong[0].help.is_empty());
        }
        let y = Keymap::of(Preset::Default, &[rebinding("next-error", &["y"])]).unwrap_err();
        assert!(y.iter().any(|wrong| wrong.what.contains("begins `y l` of `copy-line`")), "{y:?}");
        let like = Keymap::of(Preset::Default, &[rebinding("next-eror", &[])]).unwrap_err();
        assert!(like[0].help.contains("next-error"), "{like:?}");
        let trapped = [rebinding("quit", &[]), rebinding("back", &[])];
        let wrong = Keymap::of(Preset::Default, &trapped).unwrap_err();
        assert_eq!(wrong[0].what, "no key would end the inspector");
        assert!(Keymap::of(Preset::Default, &trapped[..1]).is_ok());
    }
}
