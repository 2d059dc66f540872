//! `bless`: a new trace becomes the baseline. Paths come in, a file changes.
//!
//! Invariant: what is not whole is refused, and where `CI` is set, everything is.

use std::path::PathBuf;

use crate::diff::accept;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::printer::Printer;

const BLESS_HELP: &str = "\
Examples:
  blkreplay bless tests/boot.blkr run.blkr       from now on, run.blkr is what is right
  blkreplay bless tests/boot.blkr                take tests/boot.blkr.new, which test left there

A baseline that is canonical text stays text, and one that is not there is made: as text, if its
name ends with .txt.
Where CI is set, nothing is written unless BLKREPLAY_BLESS=1.

Exit codes: 0 done, 2 trouble.";

/// Take a new trace for the baseline
#[derive(Debug, clap::Args)]
#[command(after_help = BLESS_HELP)]
pub(crate) struct BlessArgs {
    /// The baseline
    #[arg(value_name = "BASE")]
    base: PathBuf,

    /// What it becomes; without it, BASE.new
    #[arg(value_name = "NEW")]
    new: Option<PathBuf>,
}

impl BlessArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let pending = accept::pending(&self.base);
        let new = self.new.as_ref().unwrap_or(&pending);
        accept::bless(&self.base, new)?;
        if self.new.is_none() {
            accept::forget(&pending)?;
        }
        let name = input::name(new).display().to_string();
        printer.say("blessed", format_args!("{} is what {name} was", self.base.display()));
        Ok(ExitCode::Done)
    }
}
