//! `check`: hold a trace against all that its format promises. Traces come in, every fault goes out.
//!
//! What a fault is is decided in core. Invariant: it reads on after each fault, and one trace that cannot be
//! read does not keep the others from being checked.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use blkreplay_core::format::{self, CheckError, Checked, Depth, Finding, Inspector};
use blkreplay_core::open::OpenTraceError;

use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input::{self, Input};
use crate::output::findings::Findings;
use crate::printer::{Output, Printer};
use crate::progress::Progress;
use crate::trace;

const CHECK_HELP: &str = "\
It reads the whole trace: checksums, order, summaries against events, requests against their completions, and \
what events say of the data. Each finding has a code that stays the same, and the place where it is.

Examples:
  blkreplay check t.blkr                 is it whole, and does it make sense?
  blkreplay check *.blkr --deep          the data, too: each against its digest
  blkreplay check t.blkr --json | jq -r '.findings[].code'

Exit codes: 0 no fault, 1 faults, 2 trouble: no trace, or of a later version.";

/// Find everything that is wrong with a trace
#[derive(Debug, clap::Args)]
#[command(after_help = CHECK_HELP)]
pub(crate) struct CheckArgs {
    /// The traces; `-` is standard input
    #[arg(value_name = "TRACE", required = true)]
    traces: Vec<PathBuf>,

    /// Check the data in it against their digests, too
    #[arg(long)]
    deep: bool,

    /// Print one JSON object a trace, `blkreplay.check/1`
    #[arg(long)]
    json: bool,
}

impl CheckArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let mut code = ExitCode::Done;
        let mut out = printer.output();
        for path in &self.traces {
            match self.check(path, &mut out, printer)? {
                Ok(checked) if checked.faults > 0 && code == ExitCode::Done => {
                    code = ExitCode::Different;
                }
                Ok(_) => {}
                Err(failure) => {
                    // What was found before comes first.
                    io::Write::flush(&mut out).map_err(Failure::output)?;
                    printer.error(&failure);
                    code = ExitCode::Trouble;
                }
            }
        }
        out.finish()?;
        Ok(code)
    }

    /// Checks one trace. The inner failure is about that trace only.
    fn check(
        &self,
        path: &Path,
        out: &mut Output,
        printer: &Printer,
    ) -> Result<Result<Checked, Failure>, Failure> {
        let input = match Input::open(path) {
            Ok(input) => input,
            Err(failure) => return Ok(Err(failure)),
        };
        let depth = if self.deep { Depth::Data } else { Depth::Structure };
        let name = input::name(path).into_owned();
        let findings = Findings::new(&name, self.json, self.deep);
        let mut teller = Teller { findings, out, written: Ok(()), progress: None, printer };
        let outcome = format::check(input, depth, &mut teller);
        let Teller { findings, out, written, progress, .. } = teller;
        drop(progress);
        written.map_err(Failure::output)?;
        match outcome {
            Ok(checked) => {
                findings.sums(&checked, out).map_err(Failure::output)?;
                Ok(Ok(checked))
            }
            Err(error) => {
                let failure = explained(name, error);
                findings.abandon(&failure.to_string(), out).map_err(Failure::output)?;
                Ok(Err(failure))
            }
        }
    }
}

fn explained(path: PathBuf, error: CheckError) -> Failure {
    match error {
        CheckError::Read(source) => trace::explained(OpenTraceError::Read { path, source }),
        error @ CheckError::Stopped => Failure::because(path.display().to_string(), error),
    }
}

/// Tells findings as they come.
struct Teller<'a> {
    findings: Findings,
    out: &'a mut Output,
    written: io::Result<()>,
    progress: Option<Progress>,
    printer: &'a Printer,
}

impl Inspector for Teller<'_> {
    fn finding(&mut self, finding: Finding) -> ControlFlow<()> {
        self.written = self.findings.finding(&finding, self.out);
        if self.written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn walked(&mut self, bytes: u64, of: u64) -> ControlFlow<()> {
        self.progress.get_or_insert_with(|| Progress::reading(self.printer, of)).update(bytes);
        ControlFlow::Continue(())
    }
}
