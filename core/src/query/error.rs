//! What is wrong with a filter, and where. A place and a sentence in, lines with a caret out.
//!
//! Invariant: the caret stands under what is meant, however wide the letters before it are.

use std::fmt;
use std::ops::Range;

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    /// What is wrong.
    pub what: String,
    /// Where, in bytes of the text.
    pub place: Range<usize>,
    /// What stands beside the caret.
    pub label: String,
    /// What to try.
    pub help: Option<String>,
}

impl QueryError {
    pub(super) fn new(
        what: impl Into<String>,
        place: Range<usize>,
        label: impl Into<String>,
    ) -> QueryError {
        QueryError { what: what.into(), place, label: label.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> QueryError {
        QueryError { help: Some(help.into()), ..self }
    }

    /// The error with the line that it is in, as a compiler tells of one. `text` is what was read.
    pub fn shown(&self, text: &str) -> String {
        let before = text.get(..self.place.start).unwrap_or(text).chars().count();
        let meant = text.get(self.place.clone()).unwrap_or("").chars().count();
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let (space, carets) = (" ".repeat(before), "^".repeat(meant.max(1)));
        let QueryError { what, label, help, .. } = self;
        let mut shown = format!(
            "{what}\n  ┌─ filter:1:{}\n1 │ {line}\n  │ {space}{carets} {label}",
            before + 1
        );
        shown.truncate(shown.trim_end().len());
        if let Some(help) = help {
            shown.push_str("\n  = help: ");
            shown.push_str(help);
        }
        shown
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for QueryError {}
