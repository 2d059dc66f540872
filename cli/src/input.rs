//! Where a trace is read from: a file, a file that grows, or standard input. A path as typed comes in, something
//! to read and seek in goes out.
//!
//! It knows nothing of traces. Invariant: standard input is read once, however often it is opened.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::OnceLock;

use blkreplay_core::open::{self, Spool};

use crate::failure::Failure;
use crate::follow::Follow;
use crate::trace;
use crate::words::shell_word;

/// Something to read a trace from.
#[derive(Debug)]
pub(crate) enum Input {
    File(BufReader<File>),
    Growing(BufReader<Follow>),
    Stream(BufReader<Spool>),
}

/// What was read of standard input, for all who open it.
static STDIN: OnceLock<Spool> = OnceLock::new();

/// Whether `path` means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What `path` is called.
pub(crate) fn name(path: &Path) -> Cow<'_, Path> {
    if is_stdin(path) { Path::new("standard input").into() } else { path.into() }
}

/// `path` for a command that is to be run later: what came over standard input is gone by then.
pub(crate) fn word(path: &Path) -> String {
    if is_stdin(path) { "TRACE".to_owned() } else { shell_word(path) }
}

impl Input {
    /// Opens `path`.
    pub(crate) fn open(path: &Path) -> Result<Input, Failure> {
        if is_stdin(path) {
            return stdin();
        }
        open::file(path).map(Input::File).map_err(trace::explained)
    }

    /// Opens `path` to wait where it ends.
    pub(crate) fn follow(path: &Path) -> Result<Input, Failure> {
        if is_stdin(path) {
            return stdin();
        }
        let follow = Follow::open(path)
            .map_err(|error| Failure::because(format!("cannot open {}", path.display()), error))?;
        Ok(Input::Growing(BufReader::new(follow)))
    }
}

fn stdin() -> Result<Input, Failure> {
    if let Some(spool) = STDIN.get() {
        return Ok(Input::Stream(BufReader::new(spool.again())));
    }
    let kept = for_stdin("blkreplay record IMAGE -o - | blkreplay print -")?;
    let spool = STDIN.get_or_init(|| Spool::new(Box::new(io::stdin()), kept));
    Ok(Input::Stream(BufReader::new(spool.again())))
}

/// A file for what comes over standard input; `hint` says how something comes, where it is a terminal.
pub(crate) fn for_stdin(hint: &'static str) -> Result<File, Failure> {
    if io::stdin().is_terminal() {
        return Err(Failure::new("standard input is a terminal, not a trace").hint(hint));
    }
    tempfile::tempfile().map_err(cannot_keep)
}

/// There is no place for what comes over standard input.
pub(crate) fn cannot_keep(error: io::Error) -> Failure {
    Failure::because("cannot make a temporary file for standard input", error)
        .hint("TMPDIR names another place")
}

impl Read for Input {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::File(input) => input.read(bytes),
            Input::Growing(input) => input.read(bytes),
            Input::Stream(input) => input.read(bytes),
        }
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Input::File(input) => input.seek(to),
            Input::Growing(input) => input.seek(to),
            Input::Stream(input) => input.seek(to),
        }
    }
}
