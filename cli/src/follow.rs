//! A file that somebody else still writes to: where it ends for now, reading waits for more.
//!
//! It knows nothing of traces. Invariant: a file that can no longer grow into what was being read (cut, or
//! replaced under its name) is an error, not a wait without end.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How often the file is looked at again.
const NAP: Duration = Duration::from_millis(50);

/// A file that grows.
#[derive(Debug)]
pub(crate) struct Follow {
    file: File,
    path: PathBuf,
    at: u64,
    /// How far it is known to have reached.
    reached: u64,
}

impl Follow {
    /// Follows the file at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Follow> {
        let file = File::open(path)?;
        Ok(Follow { file, path: path.to_owned(), at: 0, reached: 0 })
    }

    /// Whether it can still grow under its name.
    fn check(&mut self) -> io::Result<()> {
        let ours = self.file.metadata()?;
        if ours.len() < self.reached {
            let (length, reached) = (ours.len(), self.reached);
            return Err(io::Error::other(format!(
                "the file was cut to {length} bytes while it was followed, it had {reached}"
            )));
        }
        self.reached = ours.len();
        match fs::metadata(&self.path) {
            Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => Ok(()),
            Ok(_) => Err(io::Error::other("the file was replaced while it was followed")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(io::Error::other("the file was removed while it was followed"))
            }
            Err(error) => Err(error),
        }
    }
}

impl Read for Follow {
    /// Waits for at least one byte.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            let read = self.file.read(bytes)?;
            if read > 0 {
                self.at += read as u64;
                self.reached = self.reached.max(self.at);
                return Ok(read);
            }
            self.check()?;
            if self.reached <= self.at {
                thread::sleep(NAP);
            }
        }
    }
}

impl Seek for Follow {
    /// The end is that of now.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_comes_later_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("grows");
        let mut writer = File::create(&path).unwrap();
        writer.write_all(b"one").unwrap();
        let mut follow = Follow::open(&path).unwrap();
        let reader = thread::spawn(move || {
            let mut bytes = [0; 6];
            follow.read_exact(&mut bytes).map(|()| bytes)
        });
        thread::sleep(2 * NAP);
        writer.write_all(b"two").unwrap();
        assert_eq!(&reader.join().unwrap().unwrap(), b"onetwo");
    }

    #[test]
    fn a_file_that_cannot_grow_any_more_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("grows");
        let follow = |at| {
            fs::write(&path, b"some").unwrap();
            let mut follow = Follow::open(&path).unwrap();
            follow.read_exact(&mut vec![0; at]).unwrap();
            follow
        };
        let refused = |mut follow: Follow| follow.read_exact(&mut [0; 9]).unwrap_err().to_string();
        let cut = follow(4);
        File::options().write(true).open(&path).unwrap().set_len(1).unwrap();
        assert!(refused(cut).contains("cut to 1 bytes"));
        let replaced = follow(4);
        fs::write(directory.path().join("other"), b"some").unwrap();
        fs::rename(directory.path().join("other"), &path).unwrap();
        assert!(refused(replaced).contains("replaced"));
        let removed = follow(4);
        fs::remove_file(&path).unwrap();
        assert!(refused(removed).contains("removed"));
    }
}
