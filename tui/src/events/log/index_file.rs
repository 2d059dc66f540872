//! A file that keeps what is known of a QEMU log from one look at it to the next. A log goes in, what was known of it comes out.
//!
//! ```text
//! head: magic, form, program │ bytes, times, device and inode of the log, a digest of its ends │ `learnt` │ a digest of all before it
//! ```
//!
//! Such a file is a hint: what does not begin as one of this very log would, or does not end in its digest, is none, and the log is read
//! again. Files lie in a folder of their own, not beside the log, which may be somebody else's. Invariants: only the owner can read them;
//! no more are kept, and no more bytes, than `Bounds` says; that one cannot be written is nobody's trouble.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use blkreplay_core::qemu::Layout;
use twox_hash::XxHash3_128;

use super::OpenLog;
use super::learnt::Learnt;
use super::number;
use crate::journal::Journal;

/// What such a file begins with; the last byte is raised when `learnt` writes something else.
const MAGIC: &[u8; 8] = b"blkr-rr\x01";

/// A file that is longer is not read, and none is written, in bytes: the marks of a log of about 60 GB.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// How much of each end of a log is looked at, in bytes.
const END_BYTES: u64 = 64 << 10;

/// The digest at the end, in bytes.
const SUM_BYTES: usize = 16;

/// How names of such files end.
const ENDING: &str = "index";

/// Where what is known of a log is kept.
#[derive(Clone)]
pub struct IndexFile {
    /// The folder for what can be made anew, of this program alone; without one nothing is kept.
    pub folder: Option<PathBuf>,
    /// Where it is written that nothing can be kept.
    pub journal: Journal,
    /// The log.
    pub log: PathBuf,
    /// The layout that was asked for.
    pub forced: Option<&'static Layout>,
    /// Opens the log.
    pub open: OpenLog,
    /// How much is kept.
    pub bounds: Bounds,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// A log of fewer bytes is read again at no cost.
    pub log_bytes_min: u64,
    /// Files in the folder.
    pub files: usize,
    /// Bytes of them.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { log_bytes_min: 16 << 20, files: 64, bytes: 256 << 20 }
    }
}

/// A log as it was at some time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The file for it.
    pub(super) file: PathBuf,
    /// What that begins with.
    head: Vec<u8>,
    /// Bytes of the log.
    pub(super) log_bytes: u64,
}

impl IndexFile {
    /// The layout that was found the last time; `None` if it is to be found now.
    pub fn layout(&self) -> Option<&'static Layout> {
        Some(self.recall()?.1.layout)
    }

    /// What is known of the log as it is now.
    pub(super) fn recall(&self) -> Option<(Seen, Learnt)> {
        let seen = self.look()?;
        // Nothing but a file is opened: a pipe would keep us waiting.
        let found = fs::symlink_metadata(&seen.file).ok()?;
        if !found.is_file() || found.len() > INDEX_BYTES_MAX {
            return None;
        }
        let mut bytes = Vec::new();
        File::open(&seen.file).ok()?.take(INDEX_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let (covered, sum) = bytes.split_last_chunk::<SUM_BYTES>()?;
        if XxHash3_128::oneshot(covered).to_le_bytes() != *sum {
            return None;
        }
        let learnt = Learnt::take(covered.strip_prefix(&seen.head[..])?, seen.log_bytes)?;
        Some((seen, learnt))
    }

    /// The log as it is now; `None` if nothing is to be kept of it, or it cannot be read.
    pub(super) fn look(&self) -> Option<Seen> {
        let folder = self.folder.as_ref()?;
        let input = (self.open)().ok()?;
        let head = self.head(input.get_ref()).ok()?;
        let (head, log_bytes) = head?;
        Some(Seen { file: folder.join(self.name()?), head, log_bytes })
    }

    /// Keeps what `put` adds, if the log is still as it was.
    pub(super) fn keep(&self, seen: &Seen, put: impl FnOnce(&mut Vec<u8>)) {
        if self.look().as_ref() != Some(seen) {
            return;
        }
        let mut bytes = seen.head.clone();
        put(&mut bytes);
        bytes.extend(XxHash3_128::oneshot(&bytes).to_le_bytes());
        let kept = if bytes.len() as u64 > self.bounds.bytes.min(INDEX_BYTES_MAX) {
            Ok(())
        } else {
            self.write(&seen.file, &bytes)
        };
        if let Err(error) = kept {
            let (log, file) = (self.log.display(), seen.file.display());
            // There is no other place to say it, and no need to.
            let _ =
                self.journal.note(&format!("cannot keep the index of {log} as {file}: {error}"));
        }
    }

    /// What the file for it is called.
    fn name(&self) -> Option<String> {
        let mut named = fs::canonicalize(&self.log).ok()?.as_os_str().as_bytes().to_vec();
        if let Some(layout) = self.forced {
            // No path has a zero.
            named.push(0);
            named.extend(layout.label.as_bytes());
        }
        Some(format!("{:032x}.{ENDING}", XxHash3_128::oneshot(&named)))
    }

    /// How the file of a log begins, and how long the log is; `None` if nothing is to be kept of it.
    fn head(&self, log: &File) -> io::Result<Option<(Vec<u8>, u64)>> {
        let found = log.metadata()?;
        let log_bytes = found.len();
        if !found.is_file() || log_bytes < self.bounds.log_bytes_min {
            return Ok(None);
        }
        let mut head = MAGIC.to_vec();
        let program = env!("CARGO_PKG_VERSION");
        number::put(program.len() as u64, &mut head);
        head.extend(program.as_bytes());
        number::put(log_bytes, &mut head);
        // Whoever sets the first of these times back does not set back the second.
        let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
        for time in times {
            head.extend(time.to_le_bytes());
        }
        number::put_all(&[found.dev(), found.ino()], &mut head);
        head.extend(ends(log, log_bytes)?.to_le_bytes());
        head.push(u8::from(self.forced.is_some()));
        Ok(Some((head, log_bytes)))
    }

    /// Writes a file beside, and gives it the name.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        if fs::metadata(folder)?.mode() & 0o077 != 0 {
            fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        }
        let mut file =
            tempfile::Builder::new().suffix(&format!(".{ENDING}")).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        self.make_room(folder, path)
    }

    /// Removes the oldest files beside the one that was written, where there are too many.
    fn make_room(&self, folder: &Path, written: &Path) -> io::Result<()> {
        let mut others = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_ours = path.extension().is_some_and(|ending| ending == ENDING);
            // One that another inspector removed meanwhile is none.
            if let Ok(found) = fs::symlink_metadata(&path)
                && is_ours
                && found.is_file()
                && path != written
            {
                others.push((found.modified()?, path, found.len()));
            }
        }
        others.sort();
        let (mut files, mut bytes) = (1, fs::metadata(written)?.len());
        for (_, path, length) in others.into_iter().rev() {
            (files, bytes) = (files + 1, bytes + length);
            if files > self.bounds.files || bytes > self.bounds.bytes {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Removes a file that somebody else may have removed.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A digest of the first and the last bytes of a log.
pub(super) fn ends(log: &File, log_bytes: u64) -> io::Result<u128> {
    let length = log_bytes.min(END_BYTES);
    let mut hash = XxHash3_128::new();
    for at in [0, log_bytes - length] {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        log.read_exact_at(&mut bytes, at)?;
        hash.write(&bytes);
    }
    Ok(hash.finish_128())
}
