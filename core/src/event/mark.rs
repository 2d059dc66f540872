//! The names that people give to points of a recording. A text comes in, a name or a refusal goes out.
//!
//! Knows no traces. Invariant: a name fits on a line, and steers no terminal.

use std::fmt;
use std::str::FromStr;

use crate::limits::MARK_NAME_BYTES_MAX;

/// The name of a mark: 1 to `MARK_NAME_BYTES_MAX` bytes of UTF-8 without control characters, so that it fits
/// on a line and steers no terminal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MarkName(String);

/// Why a text is no name of a mark.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum MarkNameError {
    /// It is empty.
    #[error("the name of a mark is empty")]
    Empty,
    /// It is too long.
    #[error("the name of a mark has {found} bytes, at most {MARK_NAME_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// It holds a control character.
    #[error("the name of a mark holds a control character (U+{:04X}) at byte {at}", u32::from(*.found))]
    Control {
        /// Where.
        at: usize,
        /// Which.
        found: char,
    },
}

impl MarkName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MarkName {
    type Err = MarkNameError;

    fn from_str(text: &str) -> Result<MarkName, MarkNameError> {
        if text.is_empty() {
            return Err(MarkNameError::Empty);
        }
        if text.len() > MARK_NAME_BYTES_MAX {
            return Err(MarkNameError::TooLong { found: text.len() });
        }
        match text.char_indices().find(|(_, character)| character.is_control()) {
            Some((at, found)) => Err(MarkNameError::Control { at, found }),
            None => Ok(MarkName(text.to_owned())),
        }
    }
}

impl fmt::Display for MarkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_has_a_name_that_fits_on_a_line() {
        let longest = "x".repeat(MARK_NAME_BYTES_MAX);
        for name in ["a", "before fsck", "größe", "#1", longest.as_str()] {
            assert_eq!(name.parse::<MarkName>().unwrap().as_str(), name);
        }
        let refused = |text: &str| text.parse::<MarkName>().unwrap_err();
        assert_eq!(refused(""), MarkNameError::Empty);
        let found = MARK_NAME_BYTES_MAX + 1;
        assert_eq!(refused(&"x".repeat(found)), MarkNameError::TooLong { found });
        assert_eq!(refused("a\nb"), MarkNameError::Control { at: 1, found: '\n' });
        assert!(refused("\u{1b}[2J").to_string().contains("U+001B"));
    }
}
