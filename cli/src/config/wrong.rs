//! What is wrong with `blkreplay.toml`, and where. A place and a sentence in, lines with a caret out.

use std::fmt;
use std::ops::Range;

use blkreplay_core::query::QueryError;

/// A file's name and its text.
#[derive(Debug, Clone)]
pub(crate) struct Text<'a> {
    name: &'a str,
    body: &'a str,
    /// Where the lines behind the first begin.
    starts: Vec<usize>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// What is wrong.
    what: String,
    /// `FILE:LINE:COLUMN`.
    at: String,
    /// The line, with a caret below it.
    shown: String,
    /// What to try.
    help: Option<String>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(name: &'a str, text: &'a str) -> Text<'a> {
        let starts = text.match_indices('\n').map(|(newline, _)| newline + 1).collect();
        Text { name, body: text, starts }
    }

    /// The line of a place, from 1.
    fn line(&self, place: usize) -> usize {
        self.starts.partition_point(|start| *start <= place) + 1
    }

    /// `FILE:LINE` of a place.
    pub(crate) fn at(&self, place: usize) -> String {
        format!("{}:{}", self.name, self.line(place))
    }

    /// Something that is wrong there.
    pub(crate) fn wrong(&self, what: impl Into<String>, place: Range<usize>, label: &str) -> Wrong {
        let number = self.line(place.start);
        let start = number.checked_sub(2).map_or(0, |before| self.starts[before]);
        let rest = self.body.get(start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let column = self.body.get(start..place.start).map_or(0, |text| text.chars().count());
        let end = place.end.min(start + line.len()).max(place.start);
        let width = self.body.get(place.start..end).map_or(1, |text| text.chars().count());
        let margin = " ".repeat(number.to_string().len());
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let at = format!("{}:{number}:{}", self.name, column + 1);
        let (space, carets) = (" ".repeat(column), "^".repeat(width.max(1)));
        let mut shown =
            format!("\n{margin} ┌─ {at}\n{number} │ {line}\n{margin} │ {space}{carets} {label}");
        shown.truncate(shown.trim_end().len());
        Wrong { what: what.into(), at, shown, help: None }
    }

    /// What is wrong with a text of the filter language that is the string at `place`.
    pub(crate) fn wrong_filter(
        &self,
        value: &str,
        place: Range<usize>,
        error: &QueryError,
    ) -> Wrong {
        // Where the string stands as it means, the caret can stand below the very word.
        let raw = self.body.get(place.clone()).unwrap_or_default();
        let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
        let inner = raw.get(quotes..raw.len().saturating_sub(quotes));
        let exact = if inner == Some(value) && !value.contains('\n') {
            let begin = place.start + quotes;
            begin + error.place.start..begin + error.place.end
        } else {
            place
        };
        let wrong = self.wrong(error.what.as_str(), exact, &error.label);
        Wrong { help: error.help.clone(), ..wrong }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.what, self.shown)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\n  = help: {help}"))
    }
}
