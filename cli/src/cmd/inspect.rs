//! `inspect`: a trace on a terminal. A path comes in; the screen is the inspector's own.
//!
//! Invariant: where standard output is no terminal that has a screen it is `print`.

use std::env;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;

use blkreplay_core::open;

use crate::cmd::print::PrintArgs;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::printer::Printer;
use crate::trace;
use crate::words::shell_word;

const INSPECT_HELP: &str = "\
Examples:
  blkreplay inspect t.blkr          look through a trace: ? lists the keys
  blkreplay inspect t.blkr | less   standard output is no terminal: the same as print

Exit codes: 0 seen, 2 trouble.";

/// Look through a trace on the terminal
#[derive(Debug, clap::Args)]
#[command(after_help = INSPECT_HELP)]
pub(crate) struct InspectArgs {
    /// The trace
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
}

/// Whether the terminal can only write on.
fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|name| name == "dumb")
}

impl InspectArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        if !io::stdout().is_terminal() || is_dumb() {
            return PrintArgs::all_of(self.trace).run(printer);
        }
        if input::is_stdin(&self.trace) {
            let what = "the inspector goes to and fro in a trace, and standard input only goes on";
            return Err(Failure::new(what).hint("blkreplay print -  prints it"));
        }
        // It says what is wrong with what is no trace, such as a log of QEMU.
        trace::open(&self.trace)?;
        let reader = open::trace(&self.trace).map_err(trace::explained)?;
        let (name, word) = (self.trace.display().to_string(), shell_word(&self.trace));
        let path = self.trace;
        let again = move || Ok(open::trace(&path)?);
        // The terminal is standard output.
        let is_colored = printer.output().is_colored();
        blkreplay_tui::run(name, word, reader, Arc::new(again), is_colored)
            .map_err(|error| Failure::because("cannot use this terminal", error))?;
        Ok(ExitCode::Done)
    }
}
