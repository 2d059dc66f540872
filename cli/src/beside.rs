//! A recording that is looked at while it goes on: the inspector has the terminal, and all else that is said goes into a file.
//!
//! Work that records goes in, what it gives comes out once the inspector was left. Invariant: standard error is back when the screen is.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use nix::unistd;

use crate::failure::Failure;
use crate::looking::Looking;
use crate::printer::Printer;
use crate::wanted;

/// Standard error, while it goes into a file.
struct Aside {
    /// What it was; `None` once it is back.
    before: Mutex<Option<OwnedFd>>,
    path: PathBuf,
}

impl Aside {
    fn begin() -> io::Result<Aside> {
        let file =
            tempfile::Builder::new().prefix("blkreplay-output-").suffix(".txt").tempfile()?;
        let (file, path) = file.keep()?;
        let before = io::stderr().as_fd().try_clone_to_owned()?;
        turn(&file)?;
        Ok(Aside { before: Mutex::new(Some(before)), path })
    }

    /// Gives it back; whether it was not.
    fn end(&self) -> bool {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        // If that does not work there is nobody to tell.
        before.take().is_some_and(|before| unistd::dup2_stderr(before).is_ok())
    }

    /// Where what was said is; nothing stays where nothing was.
    fn said(&self) -> Option<&Path> {
        let is_empty = self.path.metadata().is_ok_and(|file| file.len() == 0);
        if is_empty {
            // It is in a place for what is temporary.
            let _ = std::fs::remove_file(&self.path);
        }
        (!is_empty).then_some(&self.path)
    }
}

fn turn(file: &File) -> io::Result<()> {
    unistd::dup2_stderr(file).map_err(io::Error::from)
}

/// Records while the trace at `path` is looked at, and says how it goes on when the inspector is left before that: by these lines.
pub(crate) fn record<T>(
    path: &Path,
    printer: &Printer,
    lines: &[String],
    record: impl FnOnce() -> T,
) -> Result<T, Failure> {
    let settings = wanted::near(path, printer)?;
    let aside = Aside::begin().map_err(|error| {
        Failure::because("cannot make a temporary file for what COMMAND says", error)
            .hint("TMPDIR names another place")
    })?;
    let looking = Looking { follows: true, ..Looking::default() };
    let inspect = || -> Result<(), Failure> {
        let looked = looking.at(path).and_then(|opened| {
            blkreplay_tui::run(vec![opened], &settings)
                .map_err(|error| Failure::because("cannot use this terminal", error))
        });
        aside.end();
        looked
    };
    let is_over = Mutex::new(false);
    let (recorded, looked) = thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let looked = inspect();
            let is_over = is_over.lock().unwrap_or_else(PoisonError::into_inner);
            if !*is_over {
                printer.say("record", "goes on without the inspector; Ctrl-C ends it");
                for line in lines {
                    printer.say("serving", line);
                }
            }
            looked
        });
        let recorded = record();
        *is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        (recorded, looks.join())
    });
    aside.end();
    match looked {
        Ok(Ok(())) => {}
        // What was recorded is worth more than that it could not be looked at.
        Ok(Err(failure)) => printer.error(&failure),
        Err(_) => {
            printer.error(&Failure::new("the inspector ended by a bug; the recording did not"));
        }
    }
    if let Some(path) = aside.said() {
        printer.say("output", format_args!("what was said meanwhile is in {}", path.display()));
    }
    Ok(recorded)
}
