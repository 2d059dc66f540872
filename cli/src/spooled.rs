//! Standard input in a file without a name, for those who go to and fro in what comes and do not wait for it.
//!
//! A stream in, a path to a file that grows out, which is locked until the stream has ended. Invariant: it takes no memory, and the file
//! is gone with the process.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::failure::Failure;
use crate::input;

/// Keeps the file for as long as its path is used.
static KEPT: OnceLock<File> = OnceLock::new();

/// Why not all that came could be kept.
static FAILED: OnceLock<String> = OnceLock::new();

/// Why not all that came could be kept, if that is so.
pub(crate) fn failure() -> Option<Failure> {
    let why = FAILED.get()?;
    Some(
        Failure::new(format!("cannot keep all of standard input: {why}"))
            .hint("TMPDIR names a place with more room"),
    )
}

/// Standard input as it comes.
pub(crate) struct Spooled {
    /// The file; it can be opened again and again.
    pub(crate) path: PathBuf,
    ended: Receiver<io::Result<u64>>,
}

impl Spooled {
    /// Begins to keep what comes. To be called once.
    pub(crate) fn begin() -> Result<Spooled, Failure> {
        let hint = "blkreplay record IMAGE -o - -- COMMAND | blkreplay inspect -F -";
        let cannot = input::cannot_keep;
        let mut file = input::for_stdin(hint)?;
        // Where files cannot be locked it looks as if nobody wrote it any more, and what comes is shown all the same.
        let _ = file.try_lock();
        let path = |file: &File| PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let again = File::open(path(&file)).map_err(cannot)?;
        let path = path(KEPT.get_or_init(|| again));
        let (sender, ended) = channel();
        let copy = move || {
            let mut stdin = io::stdin().lock();
            let copied = io::copy(&mut stdin, &mut file);
            // The lock goes with the file.
            drop(file);
            if let Err(error) = &copied {
                let _ = FAILED.set(error.to_string());
            }
            let is_short = copied.is_err();
            let _ = sender.send(copied);
            if is_short {
                // Whoever records into the pipe is not held up by who looks at it.
                let _ = io::copy(&mut stdin, &mut io::sink());
            }
        };
        thread::Builder::new().name("standard-input".to_owned()).spawn(copy).map_err(cannot)?;
        Ok(Spooled { path, ended })
    }

    /// Waits until all has come.
    pub(crate) fn wait(&self) -> Result<(), Failure> {
        let Ok(copied) = self.ended.recv() else { return Ok(()) };
        copied.map(drop).map_err(|error| Failure::because("cannot keep standard input", error))
    }

    /// Whether all has come.
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.ended.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty))
    }
}
