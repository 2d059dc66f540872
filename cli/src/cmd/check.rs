//! `check`: hold a trace against all that its format promises. Traces come in, every fault goes out.
//!
//! What a fault is is decided in core. Invariant: it reads on after each fault, and one trace that cannot be
//! read does not keep the others from being checked.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use blkreplay_core::format::{self, CheckError, Depth, Finding, Inspector};
use blkreplay_core::open::{Found, OpenTraceError};
use blkreplay_core::qemu::{self, LogChecked, LogFinding, LogInspector};

use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::output::findings::Findings;
use crate::printer::{Output, Printer};
use crate::progress::Progress;
use crate::qemu_log::{self, LayoutArg};
use crate::trace;

const CHECK_HELP: &str = "\
It reads the whole trace: checksums, order, summaries against events, requests against their completions, and \
what events say of the data. Each finding has a code that stays the same, and the place where it is.

Examples:
  blkreplay check t.blkr                 is it whole, and does it make sense?
  blkreplay check *.blkr --deep          the data, too: each against its digest
  blkreplay check t.blkr --json | jq -r '.findings[].code'
  blkreplay check vm.rr                  a log of QEMU's: what its replay hangs on

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

    #[command(flatten)]
    layout: LayoutArg,

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
                Ok(faults) if faults > 0 && code == ExitCode::Done => {
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

    /// Checks one trace, and says how many faults it has. The inner failure is about that trace only.
    fn check(
        &self,
        path: &Path,
        out: &mut Output,
        printer: &Printer,
    ) -> Result<Result<u64, Failure>, Failure> {
        let (input, found) = match self.layout.look(path) {
            Ok(looked) => looked,
            Err(failure) => return Ok(Err(failure)),
        };
        let name = input::name(path).into_owned();
        let findings = Findings::new(&name, self.json, self.deep);
        let mut teller = Teller { findings, out, written: Ok(()), progress: None, printer };
        let outcome = match found {
            Found::Trace => {
                let depth = if self.deep { Depth::Data } else { Depth::Structure };
                let checked = format::check(input, depth, &mut teller);
                checked.map(Checked::Trace).map_err(|error| explained(name, error))
            }
            Found::QemuLog => {
                let checked = qemu::check(input, self.layout.forced, &mut teller);
                checked
                    .map(|checked| Checked::Log(Box::new(checked)))
                    .map_err(|error| qemu_log::cannot_read(path, error))
            }
        };
        let Teller { findings, out, written, progress, .. } = teller;
        drop(progress);
        written.map_err(Failure::output)?;
        match outcome {
            Ok(Checked::Trace(checked)) => {
                findings.sums(&checked, out).map_err(Failure::output)?;
                Ok(Ok(checked.faults))
            }
            Ok(Checked::Log(checked)) => {
                findings.log_sums(&checked, out).map_err(Failure::output)?;
                Ok(Ok(checked.faults))
            }
            Err(failure) => {
                findings.abandon(&failure.to_string(), out).map_err(Failure::output)?;
                Ok(Err(failure))
            }
        }
    }
}

/// What was checked.
enum Checked {
    Trace(format::Checked),
    Log(Box<LogChecked>),
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

impl Teller<'_> {
    fn after_writing(&self) -> ControlFlow<()> {
        if self.written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn walked_so_far(&mut self, bytes: u64, of: u64) -> ControlFlow<()> {
        self.progress.get_or_insert_with(|| Progress::reading(self.printer, of)).update(bytes);
        ControlFlow::Continue(())
    }
}

impl LogInspector for Teller<'_> {
    fn finding(&mut self, finding: LogFinding) -> ControlFlow<()> {
        self.written = self.findings.log_finding(&finding, self.out);
        self.after_writing()
    }

    fn read(&mut self, bytes: u64, of: u64) -> ControlFlow<()> {
        self.walked_so_far(bytes, of)
    }
}

impl Inspector for Teller<'_> {
    fn finding(&mut self, finding: Finding) -> ControlFlow<()> {
        self.written = self.findings.finding(&finding, self.out);
        self.after_writing()
    }

    fn walked(&mut self, bytes: u64, of: u64) -> ControlFlow<()> {
        self.walked_so_far(bytes, of)
    }
}
