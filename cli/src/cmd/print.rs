//! `print`: a trace's requests or events, one line each. A trace comes in, lines go out.
//!
//! It decides which form is printed and for how long; what a line looks like is `output`'s. Invariant: all
//! that is whole is printed before anything is said about what is not.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use blkreplay_core::format::ReadError;
use blkreplay_core::request::DeviceId;
use blkreplay_core::rows::{Row, Rows};

use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::output::Devices;
use crate::output::canonical::{self, Canonical};
use crate::output::json::Json;
use crate::output::text::Text;
use crate::printer::{Output, Printer};
use crate::trace::{self, Trace};

const PRINT_HELP: &str = "\
Examples:
  blkreplay print t.blkr                        one line a request, in columns
  blkreplay print t.blkr -n 20 --events         the first 20 events
  blkreplay print t.blkr --json | jq .lat       one JSON object a line
  blkreplay print t.blkr --format canonical > t.txt   to commit, and compare with the next run

A trace that is cut or damaged is printed as far as it is whole.

Exit codes: 0 printed, 2 trouble, 3 printed what is whole of a cut or damaged trace.";

/// Print a trace, one line a request
#[derive(Debug, clap::Args)]
#[command(after_help = PRINT_HELP)]
pub(crate) struct PrintArgs {
    /// The trace
    #[arg(value_name = "TRACE")]
    trace: PathBuf,

    /// Print events, as they lie in the trace, instead of requests
    #[arg(long)]
    events: bool,

    /// What a line looks like
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// Stop after N lines
    #[arg(short = 'n', value_name = "N")]
    limit: Option<u64>,
}

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Format {
    /// Columns, for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
    /// Without times, ids and order inside an epoch: to commit and compare
    Canonical,
}

impl PrintArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let format = if self.json { Format::Json } else { self.format };
        if self.events && format == Format::Canonical {
            let what = "--format canonical prints requests, and --events asks for events";
            return Err(Failure::new(what)
                .hint("blkreplay print TRACE --events --format json  keeps all of an event"));
        }
        let mut trace = trace::open(&self.trace)?;
        let mut out = printer.output();
        let mut lines = Lines { left: self.limit.unwrap_or(u64::MAX) };
        let outcome = match format {
            Format::Canonical => print_canonical(&self.trace, &mut trace, &mut lines, &mut out),
            Format::Json if self.events => {
                let mut json = Json::new(Devices::of(trace.header()));
                each_event(&mut trace, &mut lines, |index, event| {
                    json.event(index, event, &mut out)
                })
            }
            Format::Json => {
                let mut json = Json::new(Devices::of(trace.header()));
                each_row(&mut trace, &mut lines, |row| json.request(row, &mut out))
            }
            Format::Text => self.print_text(&mut trace, &mut lines, &mut out),
        };
        out.finish()?;
        outcome.map_err(|stop| stop.failure(&self.trace))?;
        Ok(told_loss(&self.trace, &trace, printer))
    }

    fn print_text(
        &self,
        trace: &mut Trace,
        lines: &mut Lines,
        out: &mut Output,
    ) -> Result<(), Stop> {
        let devices = Devices::of(trace.header());
        let mut text = if out.is_colored() { Text::colored(devices) } else { Text::plain(devices) };
        if self.events {
            text.event_heading(out)?;
            each_event(trace, lines, |index, event| text.event(index, event, out))
        } else {
            text.request_heading(out)?;
            each_row(trace, lines, |row| text.request(row, out))
        }
    }
}

/// Says what is lost of a trace that was read to its end.
fn told_loss(path: &Path, trace: &Trace, printer: &Printer) -> ExitCode {
    match trace.loss() {
        Some(loss) => {
            printer.warn(format_args!("{}: {loss}", path.display()));
            ExitCode::Loss
        }
        None => ExitCode::Done,
    }
}

/// Why printing stopped early.
enum Stop {
    Read(ReadError),
    Write(io::Error),
    /// The trace could not be opened a second time.
    Again(Failure),
}

impl Stop {
    fn failure(self, path: &Path) -> Failure {
        match self {
            Stop::Read(error) => {
                Failure::because(format!("cannot read {} further", path.display()), error)
            }
            Stop::Write(error) => Failure::output(error),
            Stop::Again(failure) => failure,
        }
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Stop {
        Stop::Read(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Write(error)
    }
}

/// How many lines may still be printed.
struct Lines {
    left: u64,
}

impl Lines {
    /// Whether there is room for one more, which is then taken.
    fn take(&mut self) -> bool {
        let room = self.left > 0;
        self.left = self.left.saturating_sub(1);
        room
    }
}

fn each_row(
    trace: &mut Trace,
    lines: &mut Lines,
    mut print: impl FnMut(&Row) -> io::Result<()>,
) -> Result<(), Stop> {
    let mut rows = Rows::new(trace);
    while lines.left > 0
        && let Some(row) = rows.next_row()?
    {
        lines.take();
        print(&row)?;
    }
    Ok(())
}

fn each_event(
    trace: &mut Trace,
    lines: &mut Lines,
    mut print: impl FnMut(u64, &blkreplay_core::event::Event) -> io::Result<()>,
) -> Result<(), Stop> {
    while lines.left > 0
        && let Some((index, event)) = trace.next_event()?
    {
        lines.take();
        print(index, &event)?;
    }
    Ok(())
}

/// Prints device after device, each from the beginning of the trace: so the lines of one do not depend on
/// when another was busy, and memory holds one epoch of one device.
fn print_canonical(
    path: &Path,
    trace: &mut Trace,
    lines: &mut Lines,
    out: &mut Output,
) -> Result<(), Stop> {
    writeln!(out, "{}", canonical::FIRST_LINE)?;
    let devices = Devices::of(trace.header());
    let first = DeviceId(0);
    let mut others = print_device(trace, Canonical::new(&devices, first), first, lines, out)?;
    while let Some(device) = others.pop_first() {
        let mut again = trace::open(path).map_err(Stop::Again)?;
        print_device(&mut again, Canonical::new(&devices, device), device, lines, out)?;
    }
    Ok(())
}

/// Prints one device; gives the others that occur.
fn print_device(
    trace: &mut Trace,
    mut canonical: Canonical<'_>,
    device: DeviceId,
    lines: &mut Lines,
    out: &mut Output,
) -> Result<BTreeSet<DeviceId>, Stop> {
    let mut others = BTreeSet::new();
    let mut rows = Rows::new(trace);
    let mut print = |epoch: Vec<String>, lines: &mut Lines| {
        epoch.iter().take_while(|_| lines.take()).try_for_each(|line| writeln!(out, "{line}"))
    };
    while lines.left > 0
        && let Some(row) = rows.next_row()?
    {
        if row.device == device {
            print(canonical.request(&row), lines)?;
        } else {
            others.insert(row.device);
        }
    }
    print(canonical.finish(), lines)?;
    Ok(others)
}
