//! A key as somebody presses it, by its name: `j`, `ctrl-d`, `pgdn`. Knows no terminal library.
//!
//! Invariant: a name reads back as the key that it was made of.

use std::fmt;
use std::str::FromStr;

/// A key, with what is held down beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which.
    pub code: Code,
    /// Ctrl is held.
    pub ctrl: bool,
    /// Alt is held.
    pub alt: bool,
}

/// A key without what is held beside it. Shift is part of the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is called what is printed on it")]
pub enum Code {
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

/// Names of keys that are no characters, or that cannot be seen.
const NAMES: [(Code, &str); 16] = [
    (Code::Enter, "enter"),
    (Code::Esc, "esc"),
    (Code::Tab, "tab"),
    (Code::BackTab, "shift-tab"),
    (Code::Backspace, "backspace"),
    (Code::Delete, "del"),
    (Code::Up, "up"),
    (Code::Down, "down"),
    (Code::Left, "left"),
    (Code::Right, "right"),
    (Code::Home, "home"),
    (Code::End, "end"),
    (Code::PageUp, "pgup"),
    (Code::PageDown, "pgdn"),
    (Code::Char(' '), "space"),
    (Code::Char('-'), "minus"),
];

impl Key {
    /// A character, with nothing held.
    pub const fn char(character: char) -> Key {
        Key::plain(Code::Char(character))
    }

    /// A key, with nothing held.
    pub const fn plain(code: Code) -> Key {
        Key { code, ctrl: false, alt: false }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = [(self.ctrl, "ctrl-"), (self.alt, "alt-")];
        held.iter().filter(|(held, _)| *held).try_for_each(|(_, name)| f.write_str(name))?;
        match self.code {
            code if let Some((_, name)) = NAMES.iter().find(|(named, _)| *named == code) => {
                f.write_str(name)
            }
            Code::Char(character) => write!(f, "{character}"),
            Code::F(number) => write!(f, "f{number}"),
            _ => Ok(()),
        }
    }
}

/// A text that is no key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no key: expected a character, or one such as ctrl-d, alt-left, pgdn, f2")]
pub struct UnknownKey(String);

impl FromStr for Key {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Key, UnknownKey> {
        let mut rest = text;
        let mut held = |prefix| match rest.strip_prefix(prefix) {
            Some(after) if !after.is_empty() => {
                rest = after;
                true
            }
            _ => false,
        };
        let ctrl = held("ctrl-");
        let alt = held("alt-");
        let named = NAMES.iter().find(|(_, name)| *name == rest).map(|(code, _)| *code);
        let function =
            || rest.strip_prefix('f')?.parse().ok().filter(|n| (1..=12).contains(n)).map(Code::F);
        let mut characters = rest.chars();
        let character = match (characters.next(), characters.next()) {
            (Some(character), None) => Some(Code::Char(character)),
            _ => None,
        };
        let code = named.or(character).or_else(function);
        code.map(|code| Key { code, ctrl, alt }).ok_or_else(|| UnknownKey(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keys_read_back() {
        for name in [
            "j",
            "G",
            "ctrl-d",
            "alt-left",
            "space",
            "minus",
            "f2",
            "f12",
            "shift-tab",
            "ctrl-alt-x",
            "=",
        ] {
            assert_eq!(name.parse::<Key>().unwrap().to_string(), name);
        }
        for (code, name) in NAMES {
            assert_eq!(name.parse(), Ok(Key::plain(code)));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        for text in ["", "ctrl-", "f0", "f13", "jj", "pagedown"] {
            assert_eq!(text.parse::<Key>(), Err(UnknownKey(text.to_owned())));
        }
    }
}
