//! Names of times that only the inspector knows, in a filter: `@A`, `@B`, and `@'a` of a mark. A text in, one that any command takes out.
//!
//! Invariant: what is put in force, remembered and copied has times, and no such names.

use blkreplay_core::query::QueryError;
use blkreplay_core::units::Nanos;

use crate::state::cell::span;

/// The names, with their times.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// Each with the `@`.
    pub names: Vec<(String, Nanos)>,
}

impl Times {
    /// The text with times in place of names. Strings stay as they are, and so do names of marks that may be of the trace.
    pub fn settled(&self, text: &str) -> Result<String, QueryError> {
        let mut settled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['@', '"']) {
            let (before, found) = rest.split_at(at);
            settled.push_str(before);
            let length = if found.starts_with('"') { quoted(found) } else { named(found) };
            let (name, behind) = found.split_at(length);
            match self.names.iter().find(|(known, _)| known == name) {
                Some((_, time)) => settled.push_str(&span(*time)),
                None if name == "@A" || name == "@B" => {
                    let place = text.len() - rest.len() + at;
                    let (letter, key) = if name == "@A" { ("A", "[") } else { ("B", "]") };
                    return Err(QueryError {
                        what: format!("{letter} is not set; {key} sets it"),
                        place: place..place + length,
                        label: String::new(),
                        help: None,
                    });
                }
                None => settled.push_str(name),
            }
            rest = behind;
        }
        settled.push_str(rest);
        Ok(settled)
    }
}

/// How long a string is, with its quotes.
fn quoted(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// How long a name of a time is, with its `@`.
fn named(text: &str) -> usize {
    let start = if text.starts_with("@'") { 2 } else { 1 };
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text[start..].find(|c| !is_name(c)).map_or(text.len(), |length| start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_times_but_not_in_strings_nor_those_of_others() {
        let names = [("@A", 1_204_613_000), ("@'a", 5)];
        let names = names.map(|(name, time)| (name.to_owned(), Nanos(time)));
        let times = Times { names: names.to_vec() };
        for (text, settled) in [
            ("t >= @A && t < 2s", "t >= 1204613us && t < 2s"),
            ("t in @'a..@A", "t in 5ns..1204613us"),
            (r#"note == "@A \" @A" && t > @A"#, r#"note == "@A \" @A" && t > 1204613us"#),
            ("t > @'ab && t > @'boot", "t > @'ab && t > @'boot"),
            ("t > @08:32:53 or t > @\"@A\"", "t > @08:32:53 or t > @\"@A\""),
            ("@", "@"),
            ("\"@A", "\"@A"),
            ("größe @Ab", "größe @Ab"),
        ] {
            assert_eq!(times.settled(text).unwrap(), settled);
        }
        let error = times.settled("read && t > @B").unwrap_err();
        assert_eq!((error.what.as_str(), error.place), ("B is not set; ] sets it", 12..14));
    }
}
