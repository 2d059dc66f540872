//! `stats`: what the requests of a trace amount to. Traces come in, totals go out, side by side if there are several.
//!
//! The sums are core's, what they look like is `output`'s. Invariants: one trace that cannot be read does not keep the
//! others from being told of; all that is whole of a cut one is counted, and the loss is told.

use std::io::Write;
use std::path::{Path, PathBuf};

use blkreplay_core::format::{Events, Loss, ReadError};
use blkreplay_core::qemu;
use blkreplay_core::query::{Field, Kind};
use blkreplay_core::rows::{Joiner, Row};
use blkreplay_core::view::stats::{Groups, Stats};

use crate::chosen::Chosen;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::output::Devices;
use crate::output::stats::{self, ByField, Counted};
use crate::printer::{Output, Printer};
use crate::progress::Progress;
use crate::qemu_log::{self, LayoutArg, Source};
use crate::trace::{self, Trace};

const STATS_HELP: &str = "\
Examples:
  blkreplay stats t.blkr                       counts, sizes, latencies, throughput, flushes
  blkreplay stats t.blkr -f read --by len      reads only, and a table by their length
  blkreplay stats t.blkr --by lat              how many took how long, by powers of ten
  blkreplay stats before.blkr after.blkr       side by side, with the change
  blkreplay stats t.blkr --json | jq .operations.read.latency.p99
  blkreplay stats vm.rr                        a log of QEMU's: its events by kind

With --filter only those requests are counted. What a request is among others (in sequence, how deep the queue was, whether a \
flush was needed) is said as it is in the whole trace.

Exit codes: 0 counted, 2 trouble with one of the traces, 3 counted what is whole of a cut or damaged trace.";

/// Requests between two looks at the progress.
const PROGRESS_EVERY: u64 = 4096;

/// The field that takes memory to know.
const WRITTEN: &str = "never_written";

/// Count what a trace holds: sizes, latencies, throughput, flushes
#[derive(Debug, clap::Args)]
#[command(after_help = STATS_HELP)]
pub(crate) struct StatsArgs {
    /// The traces; `-` is standard input
    #[arg(value_name = "TRACE", required = true)]
    traces: Vec<PathBuf>,

    /// Count only requests for which this holds, such as `op == write && lat > 5ms`
    #[arg(short = 'f', long, value_name = "FILTER")]
    filter: Option<String>,

    /// Add a table by the values of this field of a filter, such as len, dev, conn, result, lat or t
    #[arg(long, value_name = "FIELD")]
    by: Option<String>,

    /// At most N lines of that table, those with the most requests; the rest is summed up
    #[arg(short = 'n', value_name = "N", default_value_t = 20, requires = "by")]
    limit: u64,

    #[command(flatten)]
    layout: LayoutArg,

    /// Print one JSON object a trace, `blkreplay.stats/1`
    #[arg(long)]
    json: bool,
}

/// What there is to tell of a file.
enum Told {
    Trace(Box<Counted>),
    Log(PathBuf, Box<qemu::Survey>),
}

impl StatsArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let by = self.by.as_deref().map(field).transpose()?;
        let mut code = ExitCode::Done;
        let mut told = Vec::new();
        for path in &self.traces {
            let (one, ended) = match self.count(path, by, printer) {
                Ok(counted) => counted,
                Err(failure) => {
                    printer.error(&failure);
                    code = ExitCode::Trouble;
                    continue;
                }
            };
            told.push(one);
            code = if code == ExitCode::Done { ended } else { code };
        }
        let mut out = printer.output();
        self.tell(&told, &mut out).map_err(Failure::output)?;
        out.finish()?;
        Ok(code)
    }

    fn tell(&self, told: &[Told], out: &mut Output) -> std::io::Result<()> {
        let traces: Vec<&Counted> = told
            .iter()
            .filter_map(|one| match one {
                Told::Trace(counted) => Some(&**counted),
                Told::Log(..) => None,
            })
            .collect();
        let mut is_first = true;
        let mut side_by_side = false;
        for one in told {
            if !self.json && !std::mem::take(&mut is_first) && !(side_by_side) {
                writeln!(out)?;
            }
            match one {
                Told::Log(path, survey) if self.json => stats::log::write_json(path, survey, out)?,
                Told::Log(path, survey) => stats::log::write_text(path, survey, out)?,
                Told::Trace(counted) if self.json => stats::json::write(counted, out)?,
                Told::Trace(counted) if traces.len() == 1 => {
                    stats::text::write(counted, out.look(), out)?;
                }
                Told::Trace(_) if side_by_side => {}
                Told::Trace(_) => {
                    stats::side::write(&traces, out.look(), out)?;
                    side_by_side = true;
                }
            }
        }
        Ok(())
    }

    fn count(
        &self,
        path: &Path,
        by: Option<&'static Field>,
        printer: &Printer,
    ) -> Result<(Told, ExitCode), Failure> {
        match self.layout.open(path)? {
            Source::Trace(trace) => {
                let counted = self.count_trace(path, *trace, by, printer)?;
                let code = warn(path, counted.loss.as_ref(), printer);
                Ok((Told::Trace(Box::new(counted)), code))
            }
            Source::Log(log) => {
                let name = input::name(path).into_owned();
                let asked = [(self.filter.is_some(), "--filter"), (by.is_some(), "--by")];
                if let Some((_, option)) = asked.iter().find(|(is_asked, _)| *is_asked) {
                    let name = name.display();
                    return Err(Failure::new(format!(
                        "{option} is about requests, and {name} is a QEMU log, which has only their numbers"
                    )));
                }
                let survey = qemu::survey(log, self.layout.forced)
                    .map_err(|error| qemu_log::cannot_read(path, error))?;
                let code = qemu_log::told(path, survey.stop.as_ref(), printer);
                Ok((Told::Log(name, Box::new(survey)), code))
            }
        }
    }

    fn count_trace(
        &self,
        path: &Path,
        trace: Trace,
        by: Option<&'static Field>,
        printer: &Printer,
    ) -> Result<Counted, Failure> {
        let header = trace.header();
        let chosen = Chosen::asked(self.filter.as_deref(), path, header)?;
        let blocks = header.devices.iter().map(|device| u64::from(device.block_preferred));
        let mut counter = Counter {
            stats: Stats::new(blocks.collect()),
            groups: by.map(Groups::by),
            chosen,
            progress: progress(path, printer),
        };
        let devices = Devices::of(header);
        let loss =
            if input::is_stdin(path) { counter.run(trace) } else { counter.run(trace.ahead()) };
        let loss = loss.map_err(|error| cannot_read(path, error))?;
        let Counter { mut stats, groups, chosen, progress } = counter;
        drop(progress);
        stats.finish();
        if let Some(chosen) = &chosen {
            chosen.tell_nothing(printer);
        }
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let by =
            groups.map(|groups| ByField { field: groups.field(), largest: groups.largest(limit) });
        let name = input::name(path).into_owned();
        Ok(Counted { name, filter: self.filter.clone(), devices, stats, by, loss })
    }
}

/// Counts the rows of one trace.
struct Counter {
    stats: Stats,
    groups: Option<Groups>,
    chosen: Option<Chosen>,
    progress: Option<Progress>,
}

impl Counter {
    fn run(&mut self, mut events: impl Events) -> Result<Option<Loss>, ReadError> {
        let by_written = self.groups.as_ref().is_some_and(|groups| groups.field().name == WRITTEN);
        let joiner = self.chosen.as_ref().map_or_else(Joiner::new, Chosen::joiner);
        let mut joiner = if by_written { joiner.knowing_written() } else { joiner };
        let mut seen: u64 = 0;
        loop {
            let event = events.next_event()?;
            let is_last = event.is_none();
            match event {
                Some((index, event)) => joiner.push(index, event),
                None => joiner.finish(),
            }
            while let Some(row) = joiner.pop() {
                seen += 1;
                self.take(&row);
            }
            if is_last {
                return Ok(events.loss());
            }
            if let Some(progress) = &mut self.progress
                && seen.is_multiple_of(PROGRESS_EVERY)
            {
                progress.update(seen);
            }
        }
    }

    fn take(&mut self, row: &Row) {
        if self.chosen.as_ref().is_some_and(|chosen| !chosen.takes(row)) {
            return self.stats.pass(row);
        }
        self.stats.count(row);
        if let Some(groups) = &mut self.groups {
            groups.add(row);
        }
    }
}

/// The field that `--by` names.
fn field(name: &str) -> Result<&'static Field, Failure> {
    let Some(field) = Field::named(name) else {
        let mut failure = Failure::new(format!("unknown field `{name}`"));
        if let Some((near, field)) = Field::near(name).and_then(|it| Some((it, Field::named(it)?)))
        {
            failure = failure.hint(match field.name {
                own if own == near => format!("did you mean `{near}`?"),
                own => format!("did you mean `{own}` (alias `{near}`)?"),
            });
        }
        return Err(failure.hint("blkreplay help filter  lists the fields"));
    };
    match field.kind {
        Kind::Bytes => Err(Failure::new(format!("there is no table by `{}`", field.name))
            .hint("--by hash  tells equal data from others")),
        _ => Ok(field),
    }
}

/// A bar, where somebody sees it move and an index says how long it gets.
fn progress(path: &Path, printer: &Printer) -> Option<Progress> {
    if input::is_stdin(path) || printer.bars().is_none() {
        return None;
    }
    let survey = trace::open(path).ok()?.survey().ok()?;
    let requests = survey.facts.operations.total().issues;
    Some(Progress::new(printer, "counting", Some(requests)))
}

fn warn(path: &Path, loss: Option<&Loss>, printer: &Printer) -> ExitCode {
    let Some(loss) = loss else { return ExitCode::Done };
    printer.warn(format_args!("{}: {loss}", input::name(path).display()));
    printer.hint(trace::recover_hint(path));
    ExitCode::Loss
}

fn cannot_read(path: &Path, error: ReadError) -> Failure {
    Failure::because(format!("cannot read {} further", input::name(path).display()), error)
}
