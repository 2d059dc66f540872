//! `check`: hold a trace against all that its format promises. Traces come in, every fault goes out.
//!
//! What a fault is is decided in core. Invariant: it reads on after each fault, and one trace that cannot be
//! read does not keep the others from being checked.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use blkreplay_core::event::Event;
use blkreplay_core::format::{self, CheckError, Depth, Finding, Header, Inspector};
use blkreplay_core::open::{Found, OpenTraceError};
use blkreplay_core::qemu::{self, LogChecked, LogFinding, LogInspector};
use blkreplay_core::view::findings::Level;

use crate::exit::ExitCode;
use crate::expert::{self, Asked, Expert, Levels, Unlooked};
use crate::failure::Failure;
use crate::input::{self, Input};
use crate::output::expert::{LOG_UNKNOWN, Lines};
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
  blkreplay check t.blkr --findings      what is worth a look: errors, overlaps, flushes, latencies
  blkreplay check t.blkr --fail-on warn  the same, and 1 if there is a warning: for CI
  blkreplay check vm.rr                  a log of QEMU's: what its replay hangs on

Findings have a level: error, warn or info. blkreplay help findings  has each with what to do about it.

Exit codes: 0 no fault, 1 faults, or findings of the level of --fail-on, 2 trouble: no trace, or of a later version.";

/// Find everything that is wrong with a trace
#[derive(Debug, clap::Args)]
#[command(after_help = CHECK_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct CheckArgs {
    /// The traces; `-` is standard input
    #[arg(value_name = "TRACE", required = true)]
    traces: Vec<PathBuf>,

    /// Check the data in it against their digests, too
    #[arg(long)]
    deep: bool,

    /// Look for what is worth a look, too: errors, overlapping requests, flushes that flush nothing, slow requests, …
    #[arg(long)]
    findings: bool,

    /// End with 1 if there is a finding of this level or a higher one
    #[arg(long, value_enum, value_name = "LEVEL")]
    fail_on: Option<FailOn>,

    /// Print every finding, not only the first ten of each code
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    layout: LayoutArg,

    /// Print one JSON object a trace, `blkreplay.check/1`
    #[arg(long)]
    json: bool,
}

/// From which level on findings are a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// Any finding
    Info,
    /// Warnings and errors
    Warn,
    /// Errors, which is the default
    Error,
}

impl FailOn {
    fn level(self) -> Level {
        match self {
            FailOn::Info => Level::Info,
            FailOn::Warn => Level::Warn,
            FailOn::Error => Level::Error,
        }
    }
}

impl CheckArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        if self.all && !self.looks_for_findings() {
            return Err(Failure::new("--all is about findings, and none are asked for")
                .hint("blkreplay check --findings --all TRACE"));
        }
        let mut code = ExitCode::Done;
        let mut out = printer.output();
        for path in &self.traces {
            match self.check_and_look(path, &mut out, printer)? {
                Ok(failed) if failed && code == ExitCode::Done => {
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

    fn looks_for_findings(&self) -> bool {
        self.findings || self.fail_on.is_some()
    }

    /// Checks one trace and looks for findings in it, and says whether there is what is a failure. The inner failure is
    /// about that trace only.
    fn check_and_look(
        &self,
        path: &Path,
        out: &mut Output,
        printer: &Printer,
    ) -> Result<Result<bool, Failure>, Failure> {
        let asked = Asked { json: self.json, all: self.all };
        let mut expert = self.looks_for_findings().then(|| Held::new(path, asked));
        let on_the_way = expert.as_mut().filter(|_| !self.all);
        let (faults, found) = match self.check(path, on_the_way, out, printer)? {
            Ok(checked) => checked,
            Err(failure) => {
                // What was found until then.
                let held = expert.map(|expert| expert.lines).unwrap_or_default();
                io::Write::write_all(out, &held).map_err(Failure::output)?;
                return Ok(Err(failure));
            }
        };
        let Some(expert) = expert else { return Ok(Ok(faults > 0)) };
        let levels = match found {
            Found::QemuLog => Lines::new(path, Vec::new(), asked).sums(&[LOG_UNKNOWN], out).map(Ok),
            Found::Trace if self.all => match expert.looks_again(path, out) {
                Ok(levels) => levels,
                Err(failure) => return Ok(Err(failure)),
            },
            Found::Trace => expert.tells(out),
        };
        let level = self.fail_on.unwrap_or(FailOn::Error).level();
        match levels.map_err(Failure::output)? {
            Ok(levels) => Ok(Ok(faults > 0 || levels.reach(level))),
            // Why is one of its faults.
            Err(why @ Unlooked::NoHeader) => {
                if self.json {
                    let sums = Lines::new(path, Vec::new(), asked).sums(&[&why.to_string()], out);
                    sums.map_err(Failure::output)?;
                }
                io::Write::flush(out).map_err(Failure::output)?;
                printer.warn(format_args!(
                    "no findings are looked for in {}: {why}",
                    input::name(path).display()
                ));
                Ok(Ok(true))
            }
            Err(why @ Unlooked::NoFilter(_)) => {
                Ok(Err(Failure::because(input::name(path).display().to_string(), why)))
            }
        }
    }

    /// Checks one trace, and says how many faults it has, and what it is. The inner failure is about that trace only.
    fn check(
        &self,
        path: &Path,
        expert: Option<&mut Held>,
        out: &mut Output,
        printer: &Printer,
    ) -> Result<Result<(u64, Found), Failure>, Failure> {
        let (input, found) = match self.layout.look(path) {
            Ok(looked) => looked,
            Err(failure) => return Ok(Err(failure)),
        };
        let name = input::name(path).into_owned();
        let findings = Findings::new(path, self.json, self.deep);
        let mut teller = Teller { findings, expert, out, written: Ok(()), progress: None, printer };
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
                Ok(Ok((checked.faults, found)))
            }
            Ok(Checked::Log(checked)) => {
                findings.log_sums(&checked, out).map_err(Failure::output)?;
                Ok(Ok((checked.faults, found)))
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

/// An expert whose lines wait for those of the check, of each code the first ten.
struct Held {
    expert: Expert,
    lines: Vec<u8>,
}

impl Held {
    fn new(path: &Path, asked: Asked) -> Held {
        Held { expert: Expert::new(path, asked), lines: Vec::new() }
    }

    fn tells(self, out: &mut Output) -> io::Result<Result<Levels, Unlooked>> {
        io::Write::write_all(out, &self.lines)?;
        self.expert.finish(out)
    }

    /// Tells all that is found as it is found, which may be much.
    fn looks_again(
        self,
        path: &Path,
        out: &mut Output,
    ) -> Result<io::Result<Result<Levels, Unlooked>>, Failure> {
        let walked = expert::walk(Input::open(path)?, self.expert, out);
        walked.map_err(|error| explained(input::name(path).into_owned(), error))
    }
}

/// Tells findings as they come.
struct Teller<'a> {
    findings: Findings,
    expert: Option<&'a mut Held>,
    out: &'a mut Output,
    written: io::Result<()>,
    progress: Option<Progress>,
    printer: &'a Printer,
}

impl Teller<'_> {
    fn after_writing(&self) -> ControlFlow<()> {
        if self.written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn look(&mut self, index: u64, event: Option<&Event>) {
        if let Some(Held { expert, lines }) = self.expert.as_deref_mut()
            && self.written.is_ok()
        {
            self.written = expert.event(index, event, lines);
        }
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
        self.walked_so_far(bytes, of)?;
        self.after_writing()
    }

    fn header(&mut self, header: &Header) {
        if let Some(held) = &mut self.expert {
            held.expert.header(header);
        }
    }

    fn event(&mut self, index: u64, event: &Event) {
        self.look(index, Some(event));
    }

    fn passed_over(&mut self, index: u64) {
        self.look(index, None);
    }
}
