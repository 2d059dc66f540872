//! Two folders of traces: which file is compared with which. Paths of folders come in, pairs of paths go out.
//!
//! Invariant: every file of either folder is in one pair, in the order of names; one that only one folder has is a pair, too. Only
//! what lies beside traces is in none: hidden files, `blkreplay.toml`, and what waits to become a baseline.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use blkreplay_core::diff::Which;

use super::accept;
use crate::config::FILE_NAME;
use crate::failure::Failure;

/// Folders below folders that are looked into.
const DEPTH_MAX: usize = 16;

/// A file of two folders.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it is below the first folder, or would be.
    pub(crate) base: PathBuf,
    /// Where it is below the second.
    pub(crate) new: PathBuf,
    /// The only folder that has it.
    pub(crate) only: Option<Which>,
}

/// The files of two folders.
pub(crate) fn entries(base: &Path, new: &Path) -> Result<Vec<Entry>, Failure> {
    let mut names: BTreeMap<PathBuf, [bool; 2]> = BTreeMap::new();
    for (place, folder) in [base, new].into_iter().enumerate() {
        let mut files = Vec::new();
        collect(folder, Path::new(""), 0, &mut files)?;
        for file in files {
            names.entry(file).or_default()[place] = true;
        }
    }
    if names.is_empty() {
        let what = format!("neither {} nor {} holds a file", base.display(), new.display());
        return Err(Failure::new(what).coded("empty"));
    }
    Ok(names.into_iter().map(|(name, there)| entry(base, new, &name, there)).collect())
}

fn entry(base: &Path, new: &Path, name: &Path, there: [bool; 2]) -> Entry {
    let only = match there {
        [true, false] => Some(Which::Base),
        [false, true] => Some(Which::New),
        _ => None,
    };
    Entry { base: base.join(name), new: new.join(name), only }
}

fn collect(
    folder: &Path,
    below: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let here = folder.join(below);
    let cannot = |error: std::io::Error| {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => "missing",
            std::io::ErrorKind::NotADirectory => "not-a-folder",
            _ => "unreadable",
        };
        Failure::because(format!("cannot read the folder {}", here.display()), error).coded(code)
    };
    for found in fs::read_dir(&here).map_err(cannot)? {
        let found = found.map_err(cannot)?;
        let name = found.file_name();
        // Hidden files are notes of other programs.
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if is_hidden || name == FILE_NAME || accept::is_pending(&name) {
            continue;
        }
        let path = below.join(name);
        if !found.path().is_dir() {
            files.push(path);
        } else if depth < DEPTH_MAX {
            collect(folder, &path, depth + 1, files)?;
        } else {
            let what = format!("{} lies more than {DEPTH_MAX} folders deep", here.display());
            return Err(Failure::new(what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(base: &[&str], new: &[&str]) -> tempfile::TempDir {
        let top = tempfile::tempdir().unwrap();
        for (folder, names) in [("base", base), ("new", new)] {
            fs::create_dir(top.path().join(folder)).unwrap();
            for name in names {
                let file = top.path().join(folder).join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, b"").unwrap();
            }
        }
        top
    }

    fn told(top: &Path) -> Vec<(String, Option<Which>)> {
        let found = entries(&top.join("base"), &top.join("new")).unwrap();
        let name = |entry: &Entry| {
            entry.base.strip_prefix(top.join("base")).unwrap().display().to_string()
        };
        found.iter().map(|entry| (name(entry), entry.only)).collect()
    }

    #[test]
    fn files_are_paired_by_name_and_what_one_folder_lacks_is_a_pair_too() {
        let top = folders(
            &["b", "a", "deep/c", ".hidden", "blkreplay.toml", "b.new", "deep/blkreplay.toml"],
            &["a", "d", "deep/c"],
        );
        assert_eq!(
            told(top.path()),
            [
                ("a".to_owned(), None),
                ("b".to_owned(), Some(Which::Base)),
                ("d".to_owned(), Some(Which::New)),
                ("deep/c".to_owned(), None),
            ]
        );
    }

    #[test]
    fn what_is_no_folder_or_holds_nothing_is_trouble() {
        let top = folders(&["a"], &[]);
        let base = top.path().join("base");
        for (other, code) in [("nowhere", "missing"), ("base/a", "not-a-folder")] {
            let failure = entries(&base, &top.path().join(other)).unwrap_err();
            assert_eq!(failure.code(), Some(code), "{failure}");
        }
        let new = top.path().join("new");
        assert_eq!(entries(&new, &new).unwrap_err().code(), Some("empty"));
    }

    #[test]
    fn a_folder_that_leads_back_to_itself_ends() {
        let top = folders(&["a"], &[]);
        std::os::unix::fs::symlink(top.path().join("base"), top.path().join("base/loop")).unwrap();
        let failure = entries(&top.path().join("base"), &top.path().join("new")).unwrap_err();
        assert!(failure.to_string().contains("16 folders deep"), "{failure}");
    }
}
