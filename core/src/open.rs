//! Opens a trace by its path: looks at what is there before it is read.
//!
//! Path in, reader out. Knows every reader there is, and none of what they give. Invariant: whatever is not
//! a trace is refused for what it is, with something to try next.

mod compared;
mod spool;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

pub use compared::{CompareError, compare};
pub use spool::Spool;

use crate::format::{MAGIC, Origin, PreambleError, ReadError, Reader};
use crate::qemu;

/// What is neither a file nor a directory.
const NO_FILE: &str = "device, pipe or socket";

/// Why a path leads to no trace that can be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenTraceError {
    /// The path cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path leads to something that is no file.
    #[error("{} is a {kind}, not a trace", path.display())]
    Kind {
        /// The path.
        path: PathBuf,
        /// What it leads to.
        kind: &'static str,
    },
    /// The file cannot be read as a trace.
    #[error("{}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
}

impl OpenTraceError {
    /// What to try next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            OpenTraceError::Open { .. } => None,
            OpenTraceError::Kind { kind, .. } => {
                (*kind == NO_FILE).then_some("a pipe is read as standard input, which is `-`")
            }
            OpenTraceError::Read { source, .. } => match source {
                ReadError::NotATrace { origin } => origin_hint(*origin),
                ReadError::Preamble(PreambleError::Cut { .. }) => {
                    Some("nothing was recorded before its header was written: record again")
                }
                ReadError::Preamble(
                    PreambleError::Checksum { .. }
                    | PreambleError::Length { .. }
                    | PreambleError::Metadata(_),
                ) => Some("blkreplay recover TRACE -o NEW  rebuilds what can be rebuilt"),
                ReadError::Preamble(
                    PreambleError::Version { .. } | PreambleError::Feature { .. },
                ) => Some("a later blkreplay wrote it and can read it"),
                _ => None,
            },
        }
    }
}

fn origin_hint(origin: Origin) -> Option<&'static str> {
    match origin {
        Origin::Empty | Origin::TraceCut => {
            Some("the recording ended before its header was written: record again")
        }
        Origin::TraceMangled => Some("copy it again, as binary"),
        Origin::Qcow2 | Origin::Zeroes => {
            Some("to record an image: blkreplay record IMAGE -o TRACE")
        }
        Origin::Zstd => Some("unpack it first: unzstd FILE"),
        Origin::Gzip => Some("unpack it first: gunzip FILE"),
        Origin::QemuLog => Some("blkreplay print LOG  prints its events"),
        Origin::Text | Origin::Unknown => None,
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A trace, or something that is nothing of what is known.
    Trace,
    /// A log of QEMU's record/replay.
    QemuLog,
}

/// Looks at the first bytes of `input`, and goes back to its beginning. No more is read than is needed to know: a stream
/// may not have more yet.
pub fn look<R: Read + Seek>(input: &mut R) -> io::Result<Found> {
    let mut start = Vec::new();
    input.rewind()?;
    input.by_ref().take(qemu::HEADER_BYTES as u64).read_to_end(&mut start)?;
    if start == [0; qemu::HEADER_BYTES] {
        // A log that was not finished, or an empty image: the events tell.
        let more = (qemu::START_BYTES - qemu::HEADER_BYTES) as u64;
        input.by_ref().take(more).read_to_end(&mut start)?;
    }
    input.rewind()?;
    Ok(if qemu::is_log(&start) { Found::QemuLog } else { Found::Trace })
}

/// Whether `input` begins as a trace does, whole or not. Goes back to its beginning.
pub fn begins_as_trace<R: Read + Seek>(input: &mut R) -> io::Result<bool> {
    let mut start = Vec::new();
    input.rewind()?;
    input.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start)?;
    input.rewind()?;
    Ok(start == MAGIC)
}

/// Opens the trace at `path` and reads its header.
pub fn trace(path: &Path) -> Result<Reader<BufReader<File>>, OpenTraceError> {
    input(path, file(path)?)
}

/// Opens the file at `path`, which must be one.
pub fn file(path: &Path) -> Result<BufReader<File>, OpenTraceError> {
    let open = |source| OpenTraceError::Open { path: path.to_owned(), source };
    // Asked before the file is opened: opening a pipe would wait for somebody to write to it.
    let kind = path.metadata().map_err(open)?.file_type();
    if kind.is_dir() {
        return Err(OpenTraceError::Kind { path: path.to_owned(), kind: "directory" });
    }
    if !kind.is_file() {
        return Err(OpenTraceError::Kind { path: path.to_owned(), kind: NO_FILE });
    }
    Ok(BufReader::new(File::open(path).map_err(open)?))
}

/// Reads the header of a trace that is open already; `path` is what people call it.
pub fn input<R: Read + Seek>(path: &Path, input: R) -> Result<Reader<R>, OpenTraceError> {
    Reader::open(input).map_err(|source| OpenTraceError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_trace_is_refused_for_what_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert!(matches!(trace(&path), Err(OpenTraceError::Open { .. })));
        assert!(matches!(
            trace(directory.path()),
            Err(OpenTraceError::Kind { kind: "directory", .. })
        ));
        for (bytes, origin) in [
            (&b""[..], Origin::Empty),
            (b"QFI\xfb\0\0\0\x03", Origin::Qcow2),
            (b"hi", Origin::Text),
        ] {
            fs::write(&path, bytes).unwrap();
            match trace(&path) {
                Err(OpenTraceError::Read {
                    source: ReadError::NotATrace { origin: found },
                    ..
                }) => {
                    assert_eq!(found, origin);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_a_writer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(matches!(trace(&path), Err(OpenTraceError::Kind { .. })));
    }

    #[test]
    fn a_next_step_is_offered_where_there_is_one() {
        let read = |source| OpenTraceError::Read { path: "t.blkr".into(), source };
        let error = read(ReadError::NotATrace { origin: Origin::Zstd });
        assert_eq!(error.hint(), Some("unpack it first: unzstd FILE"));
        let error = read(ReadError::NotATrace { origin: Origin::Text });
        assert_eq!(error.hint(), None);
    }
}
