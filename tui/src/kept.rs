//! A text that is too large for the clipboard of a terminal, in a file of its own. A text in, a path out.
//!
//! Invariant: only its owner can read the file; it stays until somebody removes it.

use std::io::{self, Write as _};
use std::path::PathBuf;

/// Writes a text to a new file among those that are temporary.
pub(crate) fn keep(text: &str) -> io::Result<PathBuf> {
    let mut file =
        tempfile::Builder::new().prefix("blkreplay-copied-").suffix(".txt").tempfile()?;
    file.write_all(text.as_bytes())?;
    let (_, path) = file.keep()?;
    Ok(path)
}
