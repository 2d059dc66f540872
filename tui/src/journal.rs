//! What went wrong while the screen was taken, in a file, for there is nowhere else to say it. Words in, a line with a date out.
//!
//! Invariants: only its owner can read the file; it does not grow without end.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// A file that has become longer than this is begun anew.
const FILE_BYTES: u64 = 1 << 20;

/// The file; `None` where there is no place for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal(Option<PathBuf>);

impl Journal {
    /// The journal in this file, which need not be there.
    pub fn at(path: Option<PathBuf>) -> Journal {
        Journal(path)
    }

    /// Writes a line; where it is now, or why it is not.
    pub(crate) fn note(&self, text: &str) -> Noted {
        let Some(path) = &self.0 else { return Noted::default() };
        match append(path, text, Timestamp::now()) {
            Ok(()) => Noted { path: Some(path.clone()), error: None },
            Err(error) => Noted {
                path: None,
                error: Some(format!("cannot write {}: {error}", path.display())),
            },
        }
    }
}

/// Where something was noted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    /// In this file.
    pub(crate) path: Option<PathBuf>,
    /// Why it is in none.
    pub(crate) error: Option<String>,
}

fn append(path: &Path, text: &str, now: Timestamp) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let is_long = fs::metadata(path).is_ok_and(|file| file.len() > FILE_BYTES);
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    if is_long {
        options.write(true).truncate(true);
    } else {
        options.append(true);
    }
    let version = env!("CARGO_PKG_VERSION");
    // One write, so that lines of two inspectors do not mix.
    let line = format!("{now:.0} blkreplay {version}: {}\n", text.trim_end());
    options.open(path)?.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn lines_have_a_date_and_are_added_to_a_file_that_only_its_owner_reads() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/blkreplay/inspect.log");
        let at = |second| Timestamp::from_second(second).unwrap();
        append(&path, "first", at(1_700_000_000)).unwrap();
        append(&path, "second\n", at(1_700_000_001)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let line = |time: &str, text: &str| {
            format!("2023-11-14T22:13:{time}Z blkreplay {version}: {text}\n")
        };
        assert_eq!(text, line("20", "first") + &line("21", "second"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_became_long_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("inspect.log");
        append(&path, &"x".repeat(1 << 20), Timestamp::UNIX_EPOCH).unwrap();
        append(&path, "next", Timestamp::UNIX_EPOCH).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 100);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_and_none_is_no_trouble() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let noted = Journal::at(Some(file.join("inspect.log"))).note("text");
        let error = noted.error.unwrap();
        assert!(
            error.starts_with("cannot write ") && error.contains("file/inspect.log: "),
            "{error}"
        );
        assert_eq!(Journal::default().note("text"), Noted::default());
    }
}
