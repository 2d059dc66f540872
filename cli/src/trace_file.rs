//! The file that a recording grows in. Chunks come in, a trace that ends at a whole chunk goes out.
//!
//! It knows no format but this: one `write_all` is one chunk. Invariants: an existing file is overwritten
//! only when that was asked for; what does not fit on the disk leaves no half of a chunk behind.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::failure::Failure;
use crate::settler::Settler;
use crate::words::shell_word;

/// How often it is tried to lock a file at which somebody looks.
const LOOKS: usize = 50;

/// Whether an existing output may be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// It is refused.
    No,
    /// With `--force`.
    Yes,
}

/// Where a recording goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Nowhere: nothing is recorded.
    Nowhere,
    /// Standard output.
    Stdout,
    /// A file of its own.
    File(PathBuf),
}

impl Destination {
    /// The file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Destination::File(path) => Some(path),
            Destination::Nowhere | Destination::Stdout => None,
        }
    }
}

/// What it is called.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Nowhere => f.write_str("none"),
            Destination::Stdout => f.write_str("standard output"),
            Destination::File(path) => path.display().fmt(f),
        }
    }
}

/// Standard output as a file that takes whole chunks. A terminal is refused.
pub(crate) fn standard_output() -> Result<File, Failure> {
    if io::stdout().is_terminal() {
        return Err(Failure::new("refused to write a trace to a terminal")
            .hint("blkreplay record IMAGE -o - | blkreplay print -F -"));
    }
    let duplicate = io::stdout().as_fd().try_clone_to_owned();
    duplicate
        .map(File::from)
        .map_err(|error| Failure::because("cannot write to standard output", error))
}

/// When a chunk counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum SyncWhen {
    // No help texts here: they would make `--help` of record twice as long.
    #[default]
    None,
    Chunk,
}

/// What a trace is written to.
pub(crate) trait Medium: Write {
    /// Cuts it.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Waits until all that was written would survive a power cut.
    fn sync_data(&self) -> io::Result<()>;
}

impl Medium for File {
    fn set_len(&self, length: u64) -> io::Result<()> {
        File::set_len(self, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}

/// A trace being recorded.
#[derive(Debug)]
pub(crate) struct TraceFile<M = File> {
    file: M,
    /// Looks after the page cache, where that can be.
    settler: Option<Settler>,
    sync: SyncWhen,
    whole_bytes: u64,
    failed: bool,
}

impl TraceFile {
    /// Creates the file at `path`, for its owner only.
    pub(crate) fn create(path: &Path, overwrite: Overwrite) -> Result<TraceFile, Failure> {
        if overwrite == Overwrite::Yes {
            remove_existing(path)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| cannot_create(path, error))?;
        lock(&file);
        let settler = Settler::start(&file).ok();
        Ok(TraceFile { settler, ..TraceFile::on(file, SyncWhen::None) })
    }

    /// The file that was just created at `path`, with each chunk synced as asked. Its name is made to last, too.
    pub(crate) fn synced(self, path: &Path, sync: SyncWhen) -> Result<TraceFile, Failure> {
        if sync == SyncWhen::Chunk {
            let directory = File::open(directory_of(path)).and_then(|place| place.sync_all());
            directory.map_err(|error| cannot_create(path, error))?;
        }
        Ok(TraceFile { sync, ..self })
    }
}

/// Locks a file, so that whoever looks at it can tell that it is still written; where files cannot be locked, they cannot.
fn lock(file: &File) {
    for _ in 0..LOOKS {
        match file.try_lock() {
            // Somebody looks right now whether it is locked, which takes no time.
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            _ => return,
        }
    }
}

impl<M: Medium> TraceFile<M> {
    fn on(file: M, sync: SyncWhen) -> TraceFile<M> {
        TraceFile { file, settler: None, sync, whole_bytes: 0, failed: false }
    }

    /// Writes a chunk, and waits for the disk if that was asked.
    fn put(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk)?;
        match self.sync {
            SyncWhen::None => Ok(()),
            SyncWhen::Chunk => self.file.sync_data(),
        }
    }
}

impl<M: Medium> Write for TraceFile<M> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    /// Writes one chunk, or nothing.
    fn write_all(&mut self, chunk: &[u8]) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier chunk could not be written"));
        }
        match self.put(chunk) {
            Ok(()) => {
                self.whole_bytes += chunk.len() as u64;
                if let Some(settler) = &self.settler {
                    settler.grown(self.whole_bytes);
                }
                Ok(())
            }
            Err(error) => {
                self.failed = true;
                // If this fails too, the reader finds the cut by the chunk's checksum.
                let _ = self.file.set_len(self.whole_bytes);
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Refuses an output that is there already, is no regular file, or whose directory is not there, before anything else is
/// done.
pub(crate) fn check_output(path: &Path, overwrite: Overwrite) -> Result<(), Failure> {
    if is_special(path) {
        return Err(cannot_overwrite(path));
    }
    if overwrite == Overwrite::No && fs::symlink_metadata(path).is_ok() {
        return Err(cannot_create(path, io::ErrorKind::AlreadyExists.into()));
    }
    match fs::metadata(directory_of(path)) {
        Ok(directory) if directory.is_dir() => Ok(()),
        Ok(_) => Err(cannot_create(path, io::ErrorKind::NotADirectory.into())),
        Err(error) => Err(cannot_create(path, error)),
    }
}

/// Whether something other than a regular file is there: a device, a link, a directory.
pub(crate) fn is_special(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| !there.is_file())
}

/// Where a file lies.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes room for a new file. Only a regular file is ever removed.
fn remove_existing(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot_create(path, error)),
        Ok(metadata) if metadata.is_file() => {
            fs::remove_file(path).map_err(|error| cannot_create(path, error))
        }
        Ok(_) => Err(cannot_overwrite(path)),
    }
}

fn cannot_overwrite(path: &Path) -> Failure {
    Failure::new(format!("cannot overwrite {}: it is not a regular file", path.display()))
}

fn cannot_create(path: &Path, error: io::Error) -> Failure {
    let what = format!("cannot create {}", path.display());
    if error.kind() == io::ErrorKind::AlreadyExists {
        Failure::new(format!("{what}: it exists"))
            .hint(format!("--force overwrites it; blkreplay info {} shows it", shell_word(path)))
    } else {
        Failure::because(what, error)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_trace_is_for_its_owner_only_and_never_overwrites_unasked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.blkr");
        TraceFile::create(&path, Overwrite::No).unwrap().write_all(b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = TraceFile::create(&path, Overwrite::No).unwrap_err();
        assert!(refused.to_string().contains("it exists"), "{refused}");
        assert!(refused.hints()[0].contains("--force"));
        TraceFile::create(&path, Overwrite::Yes).unwrap().write_all(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn only_regular_files_are_overwritten() {
        let refused = TraceFile::create(Path::new("/dev/null"), Overwrite::Yes).unwrap_err();
        assert!(refused.to_string().contains("not a regular file"), "{refused}");
        let directory = tempfile::tempdir().unwrap();
        assert!(TraceFile::create(directory.path(), Overwrite::Yes).is_err());
    }

    #[test]
    fn a_chunk_that_does_not_fit_leaves_nothing_and_ends_the_file() {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut trace = TraceFile::on(file, SyncWhen::None);
        let error = trace.write_all(b"chunk").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(28));
        assert!(trace.write_all(b"chunk").is_err());
        assert_eq!(trace.whole_bytes, 0);
    }

    /// A disk that a power cut takes everything from that was not synced.
    #[derive(Default)]
    struct Volatile {
        written: Vec<u8>,
        safe: std::cell::RefCell<Vec<usize>>,
        room: Option<usize>,
    }

    impl Write for Volatile {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Medium for Volatile {
        fn set_len(&self, _: u64) -> io::Result<()> {
            Ok(())
        }

        fn sync_data(&self) -> io::Result<()> {
            if self.room.is_some_and(|room| self.written.len() > room) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.safe.borrow_mut().push(self.written.len());
            Ok(())
        }
    }

    #[test]
    fn with_sync_chunk_every_chunk_is_on_the_disk_before_it_counts_as_written() {
        let mut trace = TraceFile::on(Volatile::default(), SyncWhen::Chunk);
        for chunk in [&b"header"[..], b"one", b"two"] {
            trace.write_all(chunk).unwrap();
            assert_eq!(trace.file.safe.borrow().last(), Some(&trace.file.written.len()));
        }
        assert_eq!(*trace.file.safe.borrow(), [6, 9, 12], "once a chunk");
        assert_eq!(trace.whole_bytes, 12);
        let mut trace = TraceFile::on(Volatile::default(), SyncWhen::None);
        trace.write_all(b"header").unwrap();
        assert!(trace.file.safe.borrow().is_empty(), "nobody waits for the disk unasked");
    }

    #[test]
    fn a_chunk_that_could_not_be_synced_does_not_count_as_written() {
        let disk = Volatile { room: Some(8), ..Volatile::default() };
        let mut trace = TraceFile::on(disk, SyncWhen::Chunk);
        trace.write_all(b"header").unwrap();
        assert!(trace.write_all(b"chunk").is_err());
        assert_eq!(trace.whole_bytes, 6);
        assert!(trace.write_all(b"chunk").is_err(), "nothing follows what is not there");
    }

    #[test]
    fn a_synced_trace_is_made_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.blkr");
        let trace = TraceFile::create(&path, Overwrite::No).unwrap();
        trace.synced(&path, SyncWhen::Chunk).unwrap().write_all(b"one").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }
}
