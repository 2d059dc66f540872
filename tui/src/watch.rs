//! Whether a file is still what it was when it was opened, and whether its recorder still has it.
//!
//! A path in, words for what happened out. Knows no traces. Invariant: a file that only grows did not change.

use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::words;

/// A file that is looked at from time to time.
#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    /// Its device and its number there; `None` if that could not be found out.
    identity: Option<(u64, u64)>,
    /// How long it was.
    reached: u64,
    /// It was told what happened.
    is_told: bool,
}

impl Watch {
    /// Watches the file at a path that was just opened.
    pub(crate) fn of(path: &Path) -> Watch {
        let now = fs::metadata(path).ok();
        Watch {
            path: path.to_owned(),
            identity: now.as_ref().map(identity),
            reached: now.map_or(0, |now| now.len()),
            is_told: false,
        }
    }

    /// What happened to the file, the first time that something is seen to have.
    pub(crate) fn look(&mut self) -> Option<String> {
        if self.is_told {
            return None;
        }
        let text = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                "the file was removed while it was open: what was read of it stays".to_owned()
            }
            // It may be there again at the next look.
            Err(_) => return None,
            Ok(now) if self.identity.is_some_and(|was| was != identity(&now)) => {
                "the file was replaced while it was open: this is the one of before, ctrl-l opens the new one"
                    .to_owned()
            }
            Ok(now) if now.len() < self.reached => {
                let (left, of) = (words::count(now.len()), words::count(self.reached));
                format!(
                    "the file became shorter while it was open: {left} of {of} bytes are left; ctrl-l opens it anew"
                )
            }
            Ok(now) => {
                self.reached = now.len();
                return None;
            }
        };
        self.is_told = true;
        Some(text)
    }

    /// Whether the file is as it was, but for what it grew.
    pub(crate) fn is_same(&self) -> bool {
        !self.is_told
    }

    /// Whether its recorder still has it: recorders lock what they write.
    pub(crate) fn is_held(&self) -> bool {
        let file = File::open(&self.path);
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_grow_and_everything_else_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.blkr");
        let told = |happens: &dyn Fn()| {
            fs::write(&path, b"some bytes").unwrap();
            let mut watch = Watch::of(&path);
            assert_eq!(watch.look(), None);
            fs::write(&path, b"some bytes and more").unwrap();
            assert_eq!(watch.look(), None);
            happens();
            let text = watch.look().unwrap();
            assert_eq!(watch.look(), None, "it was told");
            assert!(!watch.is_same());
            text
        };
        let cut = || File::options().write(true).open(&path).unwrap().set_len(1).unwrap();
        assert!(told(&cut).contains("became shorter while it was open: 1 of 19 bytes"));
        let replace = || {
            let other = directory.path().join("other");
            fs::write(&other, b"something that is longer than before").unwrap();
            fs::rename(other, &path).unwrap();
        };
        assert!(told(&replace).contains("replaced"));
        assert!(told(&|| fs::remove_file(&path).unwrap()).contains("removed"));
    }

    #[test]
    fn who_has_a_file_locked_still_writes_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.blkr");
        let file = File::create(&path).unwrap();
        let watch = Watch::of(&path);
        assert!(!watch.is_held());
        file.lock().unwrap();
        assert!(watch.is_held());
        drop(file);
        assert!(!watch.is_held());
    }
}
