//! How counts, file names and command lines are written for people. Values come in, text goes out.
//!
//! Invariant: a path or command printed as something to run can be pasted into a shell.

use std::env;
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use blkreplay_core::request::Request;

/// A number with a comma at each thousand: `12,431`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count(pub(crate) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3);
        for (place, digit) in digits.char_indices() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// A number of things: `1 request`, `12,431 requests`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ if thing.ends_with("sh") => format!("{} {thing}es", Count(number)),
        _ => format!("{} {thing}s", Count(number)),
    }
}

/// `write 4096+512 fua`.
pub(crate) fn words_of(request: &Request) -> String {
    let mut words = request.operation.to_string();
    if request.range.length > 0 {
        let _ = write!(words, " {}", request.range);
    }
    for flag in request.flags.names() {
        words.push(' ');
        words.push_str(flag);
    }
    words
}

/// Two digits a byte.
pub(crate) fn hex(data: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |bits: u8| char::from(DIGITS[usize::from(bits & 15)]);
    data.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// `word` as a shell takes it: in quotes if it has to be.
pub(crate) fn shell_word(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref().to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// How this program is called from here: by its name if the shell finds it, else by its path.
pub(crate) fn program() -> String {
    let Ok(program) = env::current_exe() else { return "blkreplay".to_owned() };
    let same = |other: PathBuf| other.canonicalize().is_ok_and(|other| other == program);
    let found = env::var_os("PATH").and_then(|path| {
        env::split_paths(&path).map(|place| place.join("blkreplay")).find(|path| path.exists())
    });
    if found.is_some_and(same) {
        return "blkreplay".to_owned();
    }
    let here = env::current_dir().unwrap_or_default();
    match program.strip_prefix(here) {
        Ok(below) if below.components().count() > 1 => shell_word(below),
        _ => shell_word(&program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_a_comma_at_each_thousand() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (12_431, "12,431"), (1_000_000, "1,000,000")]
        {
            assert_eq!(Count(number).to_string(), text);
        }
    }

    #[test]
    fn one_thing_is_singular_and_the_rest_are_not() {
        assert_eq!(counted(1, "request"), "1 request");
        assert_eq!(counted(0, "request"), "0 requests");
        assert_eq!(counted(1200, "flush"), "1,200 flushes");
        assert_eq!(counted(2, "epoch"), "2 epochs");
    }

    #[test]
    fn words_can_be_pasted_into_a_shell() {
        for (word, text) in [
            ("t.blkr", "t.blkr"),
            ("my trace.blkr", "'my trace.blkr'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(shell_word(word), text);
        }
    }
}
