//! A recording that is looked at while it goes on: the inspector has the terminal, and all else that is said goes into a file.
//!
//! Work that records goes in, what it gives comes out once the inspector was left. Invariant: standard error is back when the screen is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use blkreplay_tui::settings::Settings;
use nix::unistd;
use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::looking::Looking;
use crate::printer::Printer;
use crate::wanted;

/// A trace that is to be looked at while it is recorded.
pub(crate) struct Beside<'a> {
    trace: &'a Path,
    settings: Settings,
    /// Where standard error goes meanwhile.
    output: NamedTempFile,
    printer: &'a Printer,
}

impl<'a> Beside<'a> {
    /// Finds out how somebody wants to look at the trace that will be at a path; nothing is recorded yet.
    pub(crate) fn new(trace: &'a Path, printer: &'a Printer) -> Result<Beside<'a>, Failure> {
        let settings = wanted::near(trace, printer)?;
        let output = tempfile::Builder::new().prefix("blkreplay-output-").suffix(".txt").tempfile();
        let output = output.map_err(cannot)?;
        Ok(Beside { trace, settings, output, printer })
    }

    /// Records while the trace is looked at, and says how it goes on when the inspector is left before that: by these lines.
    pub(crate) fn record<T>(
        self,
        lines: &[String],
        record: impl FnOnce() -> T,
    ) -> Result<T, Failure> {
        let printer = self.printer;
        let aside = Aside::begin(&self.output).map_err(cannot)?;
        let is_over = Mutex::new(false);
        let recorded = thread::scope(|scope| {
            scope.spawn(|| {
                let looked = panic::catch_unwind(AssertUnwindSafe(|| self.look()));
                aside.end();
                // What is recorded is worth more than that it could not be looked at.
                match looked {
                    Ok(Ok(())) => {}
                    Ok(Err(failure)) => printer.error(&failure),
                    Err(_) => printer.error(&Failure::new(
                        "the inspector ended by a bug; the recording did not",
                    )),
                }
                if !*is_over.lock().unwrap_or_else(PoisonError::into_inner) {
                    printer.say("record", "goes on without the inspector; Ctrl-C ends it");
                    for line in lines {
                        printer.say("serving", line);
                    }
                }
            });
            let recorded = record();
            *is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
            recorded
        });
        // A file that holds nothing goes with its handle.
        if self.output.as_file().metadata().is_ok_and(|file| file.len() > 0) {
            let (_, path) = self.output.keep().map_err(|error| cannot(error.error))?;
            let path = path.display();
            printer.say("output", format_args!("what was said meanwhile is in {path}"));
        }
        Ok(recorded)
    }

    fn look(&self) -> Result<(), Failure> {
        let looking = Looking { follows: true, ..Looking::default() };
        let opened = looking.at(self.trace)?;
        blkreplay_tui::run(vec![opened], &self.settings)
            .map_err(|error| Failure::because("cannot use this terminal", error))
    }
}

fn cannot(error: io::Error) -> Failure {
    Failure::because("cannot make a temporary file for what COMMAND says", error)
        .hint("TMPDIR names another place")
}

/// Standard error, while it goes into a file.
struct Aside {
    before: OwnedFd,
}

impl Aside {
    fn begin(file: &NamedTempFile) -> io::Result<Aside> {
        let before = io::stderr().as_fd().try_clone_to_owned()?;
        unistd::dup2_stderr(file).map_err(io::Error::from)?;
        Ok(Aside { before })
    }

    /// Gives it back.
    fn end(&self) {
        // If that does not work there is nobody to tell.
        let _ = unistd::dup2_stderr(&self.before);
    }
}
