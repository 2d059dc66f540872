//! `recover`: make a whole trace of what is left of a damaged one. A trace comes in, another and an account of
//! what is lost go out.
//!
//! What can be kept is decided in core. Invariants: the damaged trace is only read; the new one appears whole
//! under its name, or not at all.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use blkreplay_core::format::{self, Fresh, Gap, HeaderWorth, Observer, RecoverError, Recovery};
use blkreplay_core::open::{Found, OpenTraceError};
use blkreplay_core::qemu::{self, RecoverLogError};

use crate::exit::ExitCode;
use crate::failure::{self, Failure};
use crate::input;
use crate::output::log_recovery;
use crate::output::recovery::{self, Report};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::qemu_log::{self, LayoutArg};
use crate::session::{self, TOOL};
use crate::signals::{Signal, Signals};
use crate::trace;
use crate::trace_file::{self, Overwrite, directory_of};
use crate::words::shell_word;

const RECOVER_HELP: &str = "\
TRACE is never changed. NEW holds every event whose chunk is whole, at its old index, with its data where they \
are whole, too; what is missing between them is counted in it. Requests whose completion is lost stay open.

Examples:
  blkreplay recover killed.blkr -o t.blkr       after a kill, a full disk, a cut transfer
  blkreplay recover hurt.blkr -o t.blkr; blkreplay print t.blkr
  blkreplay recover hurt.blkr -o t.blkr --json | jq .gaps
  blkreplay recover killed.rr -o vm.rr          a log of QEMU's that it refuses to replay

Of a QEMU log NEW has the events up to where it stops, but for the last ones if they need what is lost, the \
version of its layout, and where the end is missing a shutdown and an end, so that QEMU replays it and stops there.

Exit codes: 0 nothing was lost, 2 trouble: no trace, or NEW cannot be written, 3 something was lost; \
130 interrupted.";

/// Make a whole trace of what is left of a damaged one
#[derive(Debug, clap::Args)]
#[command(after_help = RECOVER_HELP)]
pub(crate) struct RecoverArgs {
    /// The damaged trace; `-` is standard input
    #[arg(value_name = "TRACE")]
    trace: PathBuf,

    /// Where the new trace goes
    #[arg(short, long, value_name = "NEW")]
    output: PathBuf,

    #[command(flatten)]
    layout: LayoutArg,

    /// Overwrite NEW if it exists
    #[arg(long)]
    force: bool,

    /// Print one JSON object, `blkreplay.recover/1`
    #[arg(long)]
    json: bool,
}

impl RecoverArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        refuse_one_file(&self.trace, &self.output)?;
        let overwrite = if self.force { Overwrite::Yes } else { Overwrite::No };
        trace_file::check_output(&self.output, overwrite)?;
        let signals =
            Signals::catch().map_err(|error| Failure::because("cannot catch signals", error))?;
        let (input, found) = self.layout.look(&self.trace)?;
        let cannot = |error| self.cannot_write(error);
        let file = tempfile::NamedTempFile::new_in(directory_of(&self.output)).map_err(cannot)?;
        let name = input::name(&self.trace);
        let mut watcher =
            Watcher { name: &name, report: Report::default(), progress: None, signals, printer };
        match found {
            Found::Trace => {
                let identity = session::identity().map_err(cannot)?;
                let fresh = Fresh { salt: identity.salt, uuid: identity.uuid, tool: TOOL };
                let recovery = match format::recover(input, file.as_file(), fresh, &mut watcher) {
                    Ok((_, recovery)) => recovery,
                    Err(RecoverError::Stopped) => return Ok(ExitCode::Interrupted),
                    Err(error) => return Err(self.failure(error)),
                };
                let report = std::mem::take(&mut watcher.report);
                drop(watcher);
                self.place(file, overwrite)?;
                self.tell(&name, &recovery, printer);
                if self.json {
                    let mut out = printer.output();
                    let wrote = report.write(&name, &self.output, &recovery, &mut out);
                    wrote.map_err(Failure::output)?;
                    out.finish()?;
                }
                Ok(if recovery.lost_something() { ExitCode::Loss } else { ExitCode::Done })
            }
            Found::QemuLog => {
                let mut copied = |done, of| watcher.walked(done, of);
                let out = io::BufWriter::new(file.as_file());
                let recovery = match qemu::recover(input, out, self.layout.forced, &mut copied) {
                    Ok(recovery) => recovery,
                    Err(RecoverLogError::Stopped) => return Ok(ExitCode::Interrupted),
                    Err(RecoverLogError::Write(error)) => return Err(cannot(error)),
                    Err(RecoverLogError::Log(error)) => {
                        return Err(qemu_log::cannot_read(&self.trace, error));
                    }
                    Err(error) => {
                        let what = format!("cannot recover {}", name.display());
                        return Err(Failure::because(what, error));
                    }
                };
                drop(watcher);
                self.place(file, overwrite)?;
                let mut out = printer.output();
                let told = log_recovery::tell(
                    &name,
                    &self.output,
                    &recovery,
                    self.json,
                    &mut out,
                    printer,
                );
                told.map_err(Failure::output)?;
                out.finish()?;
                Ok(if recovery.lost_something() { ExitCode::Loss } else { ExitCode::Done })
            }
        }
    }

    fn cannot_write(&self, error: io::Error) -> Failure {
        Failure::because(format!("cannot write {}", self.output.display()), error)
    }

    /// Puts what was written under its name.
    fn place(&self, file: tempfile::NamedTempFile, overwrite: Overwrite) -> Result<(), Failure> {
        let cannot = |error| self.cannot_write(error);
        file.as_file().sync_all().map_err(cannot)?;
        let placed = match overwrite {
            Overwrite::Yes => file.persist(&self.output),
            Overwrite::No => file.persist_noclobber(&self.output),
        };
        placed.map_err(|error| cannot(error.error))?;
        Ok(())
    }

    fn failure(&self, error: RecoverError) -> Failure {
        match error {
            RecoverError::Read(source) => {
                let path = input::name(&self.trace).into_owned();
                trace::explained(OpenTraceError::Read { path, source })
            }
            error => Failure::because(format!("cannot write {}", self.output.display()), error),
        }
    }

    fn tell(&self, name: &Path, recovery: &Recovery, printer: &Printer) {
        if let Some(damage) = &recovery.header_damage {
            let worth = match recovery.header {
                HeaderWorth::Unverified => "was read, and a letter or a digit may be another",
                _ => "was made from what the events tell: names, command and image are lost",
            };
            let what = format!("{}: the header is not whole, it {worth}", name.display());
            printer.warn(failure::with_reasons(&what, damage));
        }
        let kept = recovery::kept(recovery);
        printer.say("recovered", format_args!("{}  {kept}", self.output.display()));
        match recovery::lost(recovery) {
            Some(lost) => printer.say("lost", lost),
            None if recovery.is_whole() => {
                printer.say("lost", format_args!("nothing: {} is whole", name.display()));
            }
            None if recovery.header == HeaderWorth::Whole => {
                printer.say("lost", "nothing: what is damaged is not needed, or is there twice");
            }
            None => printer.say("lost", "no event, and not all of the header can be trusted"),
        }
        printer.say("next", format_args!("blkreplay check {}", shell_word(&self.output)));
    }
}

/// Refuses to write to the file that is read, whatever it is called.
fn refuse_one_file(trace: &Path, output: &Path) -> Result<(), Failure> {
    let inode = |file: fs::Metadata| (file.dev(), file.ino());
    let read = if input::is_stdin(trace) {
        let stdin = io::stdin().as_fd().try_clone_to_owned();
        stdin.and_then(|stdin| fs::File::from(stdin).metadata())
    } else {
        fs::metadata(trace)
    };
    let written = fs::metadata(output).ok().map(inode);
    if written.is_some() && read.ok().map(inode) == written {
        let trace = input::name(trace);
        let (trace, output) = (trace.display(), output.display());
        return Err(Failure::new(format!("{trace} and {output} are one file"))
            .hint("recover never changes what it reads: give the new trace a name of its own"));
    }
    Ok(())
}

/// Hears of a recovery under way.
struct Watcher<'a> {
    name: &'a Path,
    report: Report,
    progress: Option<Progress>,
    signals: Signals,
    printer: &'a Printer,
}

impl Observer for Watcher<'_> {
    fn gap(&mut self, gap: &Gap) {
        self.printer.warn(format_args!("{}: {gap}", self.name.display()));
        self.report.gap(gap);
    }

    fn walked(&mut self, bytes: u64, of: u64) -> ControlFlow<()> {
        self.progress.get_or_insert_with(|| Progress::reading(self.printer, of)).update(bytes);
        while let Some(signal) = self.signals.next(Some(Instant::now())) {
            if signal != Signal::Child {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}
