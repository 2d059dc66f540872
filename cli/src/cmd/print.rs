//! `print`: a trace's requests or events, one line each. A trace comes in, lines go out.
//!
//! It decides which form is printed and for how long; what a line looks like is `output`'s. Invariant: all
//! that is whole is printed before anything is said about what is not.

use std::io::Write;
use std::path::{Path, PathBuf};

use blkreplay_core::format::Loss;
use blkreplay_core::position::Position;
use blkreplay_core::qemu;

use crate::canonical_lines;
use crate::chosen::Chosen;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input::{self, Input};
use crate::lines::{Lines, Stop, Until};
use crate::log_lines::LogLines;
use crate::output::Devices;
use crate::output::columns::Columns;
use crate::output::json::Json;
use crate::output::log::{self, LogJson, LogText};
use crate::output::text::Text;
use crate::printer::{Output, Printer};
use crate::qemu_log::{self, LayoutArg, Source};
use crate::trace::{self, Trace};

const PRINT_HELP: &str = "\
Examples:
  blkreplay print t.blkr                        one line a request, in columns
  blkreplay print t.blkr -n 20 --events         the first 20 events
  blkreplay print t.blkr --events -f err        the events of requests that failed
  blkreplay print t.blkr --at mark:formatted    from that mark on
  blkreplay print t.blkr -F                     what is being recorded, as it comes
  blkreplay print t.blkr -f 'write && lat > 5ms'   only those: the book has the language
  blkreplay print t.blkr --json | jq .lat       one JSON object a line
  blkreplay print t.blkr --fields id,op,off,lat    only these columns; also with --json
  blkreplay print t.blkr --format csv > t.csv   for a spreadsheet
  blkreplay print t.blkr --format canonical > t.txt   to commit, and compare with the next run

  blkreplay print q.rr -n 20                    the first 20 events of a QEMU log
  blkreplay print q.rr --folded                 only what two runs of that machine share

Fields of a filter: id event dev conn cookie op off end len lba lba_end nlb t tc lat hold early epoch fua no_hole fast_zero \
req_one done undelivered refused zeroes err result payload hash step qd gap seek sequential mark note never_written ev.kind \
req.pid. Operations and flags may stand alone; sizes have units (4k, 1M), spans of \
time must (5ms, 1.5s).

A trace that is cut or damaged is printed as far as it is whole. Of a QEMU log events are printed: of requests it \
has nothing but the numbers of those that were completed.

Exit codes: 0 printed, 2 trouble, 3 printed what is whole of a cut or damaged trace.";

/// Print a trace, one line a request
#[derive(Debug, Default, clap::Args)]
#[command(after_help = PRINT_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct PrintArgs {
    /// The trace; `-` is standard input
    #[arg(value_name = "TRACE")]
    trace: PathBuf,

    /// Print only requests for which this holds, such as `op == write && lat > 5ms`; with --events, only their events
    #[arg(short = 'f', long, value_name = "FILTER")]
    filter: Option<String>,

    /// Print events, as they lie in the trace, instead of requests
    #[arg(long)]
    events: bool,

    /// What a line looks like
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// Print these fields of requests only, in this order, such as id,op,off,lat: those of filters, flags and payload
    #[arg(long, value_name = "LIST")]
    fields: Option<Columns>,

    /// Stop after N lines
    #[arg(short = 'n', value_name = "N")]
    limit: Option<u64>,

    /// Leave out what two runs of a virtual machine do not share: instructions, clocks, timers, interrupts
    #[arg(long)]
    folded: bool,

    #[command(flatten)]
    layout: LayoutArg,

    /// Print the last N lines only
    #[arg(long, value_name = "N", conflicts_with = "limit")]
    tail: Option<u64>,

    /// Begin there: #123, event:123, 1.5s, flush:3, flush:NAME/3, mark:NAME or end
    #[arg(long, value_name = "POSITION")]
    at: Option<Position>,

    /// Follow a trace that is being recorded, until the recording ends
    #[arg(short = 'F', conflicts_with = "tail")]
    follow: bool,
}

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Format {
    /// Columns, for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
    /// Comma-separated values, with a line of names
    Csv,
    /// Without times, ids and order inside an epoch, of a QEMU log what two runs share: to commit and compare
    Canonical,
}

impl PrintArgs {
    /// Requests of a trace, as text: those that a filter means, from a position on, and those that come as well; events of a QEMU
    /// log.
    pub(crate) fn asked(
        trace: PathBuf,
        filter: Option<String>,
        at: Option<Position>,
        follow: bool,
        layout: LayoutArg,
    ) -> PrintArgs {
        PrintArgs { trace, filter, layout, at, follow, ..PrintArgs::default() }
    }

    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let format = if self.json { Format::Json } else { self.format };
        self.check(format)?;
        let source = if self.follow {
            Source::Trace(Box::new(trace::follow(&self.trace)?))
        } else {
            self.layout.open(&self.trace)?
        };
        let mut out = printer.output();
        match source {
            Source::Trace(trace) => {
                let chosen = self.chosen(&trace)?;
                let outcome = self.print(format, *trace, chosen.as_ref(), &mut out);
                out.finish()?;
                let loss = outcome.map_err(|stop| failure(stop, &self.trace))?;
                if let Some(chosen) = &chosen {
                    chosen.tell_nothing(printer);
                }
                Ok(told_loss(&self.trace, loss.as_ref(), printer))
            }
            Source::Log(input) => {
                let outcome = self.print_log(format, input, &mut out);
                out.finish()?;
                Ok(qemu_log::told(&self.trace, outcome?.as_ref(), printer))
            }
        }
    }

    /// Which requests are asked for.
    fn chosen(&self, trace: &Trace) -> Result<Option<Chosen>, Failure> {
        match &self.filter {
            Some(text) if self.follow => Chosen::following(text, trace.header()).map(Some),
            text => Chosen::asked(text.as_deref(), &self.trace, trace.header()),
        }
    }

    /// Refuses what does not go together.
    fn check(&self, format: Format) -> Result<(), Failure> {
        if self.filter.is_some() && self.folded {
            let what = "--filter is about requests, and --folded leaves events out by their kind";
            return Err(Failure::new(what)
                .hint("blkreplay print TRACE --events -f FILTER  prints all events of requests that are meant"));
        }
        if self.fields.is_some() || format == Format::Csv {
            self.check_columns(format)?;
        }
        if format != Format::Canonical {
            return Ok(());
        }
        if self.events || self.folded {
            let asked = if self.events { "--events" } else { "--folded" };
            let what = format!("--format canonical prints requests, and {asked} asks for events");
            return Err(Failure::new(what)
                .hint("blkreplay print TRACE --events --format json  keeps all of an event"));
        }
        if self.at.is_some() || self.tail.is_some() || self.follow {
            let what =
                "--format canonical prints whole epochs, sorted: it has no --at, --tail or -F";
            return Err(Failure::new(what)
                .hint("blkreplay print TRACE --at POSITION  keeps the order of issue"));
        }
        Ok(())
    }

    /// Refuses what does not go together with columns.
    fn check_columns(&self, format: Format) -> Result<(), Failure> {
        let option = if self.fields.is_some() { "--fields" } else { "--format csv" };
        if self.events || self.folded {
            let asked = if self.events { "--events" } else { "--folded" };
            let what = format!("{option} is about requests, and {asked} asks for events");
            return Err(Failure::new(what)
                .hint("blkreplay print TRACE --events --format json  keeps all of an event"));
        }
        if format == Format::Canonical {
            let what = "--format canonical has its own columns, and no --fields";
            return Err(
                Failure::new(what).hint("--format csv prints the fields that are asked for")
            );
        }
        Ok(())
    }

    /// Prints the events of a QEMU log: it has no requests.
    fn print_log(
        &self,
        format: Format,
        input: Input,
        out: &mut Output,
    ) -> Result<Option<qemu::Stop>, Failure> {
        let options = [
            ("--filter", self.filter.is_some()),
            ("--fields", self.fields.is_some()),
            ("--format csv", format == Format::Csv),
        ];
        if let Some((option, _)) = options.iter().find(|(_, asked)| *asked) {
            let name = input::name(&self.trace);
            let what = format!("{option} is about requests, and {} is a QEMU log", name.display());
            return Err(Failure::new(what)
                .hint("it has nothing but the numbers of those that were completed"));
        }
        let reader = self.layout.reader(&self.trace, input)?;
        let layout = reader.layout();
        let lines = LogLines {
            at: self.at.clone(),
            limit: self.limit,
            tail: self.tail,
            folded: self.folded,
        };
        match format {
            Format::Canonical => {
                let lines = LogLines { folded: true, ..lines };
                log::canonical_heading(out).map_err(Failure::output)?;
                lines.tell(&self.trace, reader, out, |line, out| {
                    let folded = line.folded.as_ref();
                    folded.map_or(Ok(()), |folded| log::canonical(folded, layout, out))
                })
            }
            Format::Json => {
                let mut json = LogJson::new(layout);
                lines.tell(&self.trace, reader, out, |line, out| {
                    json.event(&line.event, line.folded.as_ref(), out)
                })
            }
            // CSV was refused.
            Format::Text | Format::Csv => {
                let text = LogText::new(layout, out.is_colored(), self.folded);
                text.heading(out).map_err(Failure::output)?;
                lines.tell(&self.trace, reader, out, |line, out| {
                    text.event(&line.event, line.folded.as_ref(), out)
                })
            }
        }
    }

    fn print(
        &self,
        format: Format,
        trace: Trace,
        chosen: Option<&Chosen>,
        out: &mut Output,
    ) -> Result<Option<Loss>, Stop> {
        let shown = self.fields.as_ref().map(Columns::needs).unwrap_or_default();
        let seeks = !self.follow
            && !input::is_stdin(&self.trace)
            && !shown.context
            && !chosen.is_some_and(Chosen::needs_all_before);
        let whole = self.at.is_none() && self.tail.is_none();
        let lines = Lines {
            at: self.at.clone(),
            limit: self.limit,
            tail: self.tail,
            written: shown.written,
            until: if self.follow { Until::End } else { Until::Now },
            seeks,
            folded: self.folded,
            chosen,
            searched: (seeks && whole).then_some(&self.trace),
        };
        let events = self.events || self.folded;
        if let (Some(columns), Format::Text | Format::Json) = (&self.fields, format) {
            return print_columns(trace, &lines, columns, format, out);
        }
        let mut json = Json::new(Devices::of(trace.header()));
        match format {
            Format::Csv => {
                let columns = self.fields.clone().unwrap_or_else(Columns::usual);
                print_csv(trace, &lines, &columns, out)
            }
            Format::Canonical => {
                canonical_lines::print(&self.trace, trace, chosen, self.limit, out)
            }
            Format::Json if events => {
                lines.events(trace, out, |index, event, out| json.event(index, event, out))
            }
            Format::Json => lines.rows(trace, out, |row, out| json.request(row, out)),
            Format::Text => Self::print_text(trace, &lines, events, out),
        }
    }

    fn print_text(
        trace: Trace,
        lines: &Lines<'_>,
        events: bool,
        out: &mut Output,
    ) -> Result<Option<Loss>, Stop> {
        let devices = Devices::of(trace.header());
        let mut text = if out.is_colored() { Text::colored(devices) } else { Text::plain(devices) };
        if events {
            text.event_heading(out)?;
            lines.events(trace, out, |index, event, out| text.event(index, event, out))
        } else {
            text.request_heading(out)?;
            lines.rows(trace, out, |row, out| text.request(row, out))
        }
    }
}

/// Prints the fields that were asked for.
fn print_columns(
    trace: Trace,
    lines: &Lines<'_>,
    columns: &Columns,
    format: Format,
    out: &mut Output,
) -> Result<Option<Loss>, Stop> {
    let devices = Devices::of(trace.header());
    let colored = out.is_colored();
    let mut line = Vec::new();
    if format == Format::Json {
        return lines.rows(trace, out, |row, out| columns.json(row, &devices, &mut line, out));
    }
    columns.heading(colored, out)?;
    lines.rows(trace, out, |row, out| columns.text(row, &devices, colored, out))
}

/// Prints CSV: a line of names, and one a request.
fn print_csv(
    trace: Trace,
    lines: &Lines<'_>,
    columns: &Columns,
    out: &mut Output,
) -> Result<Option<Loss>, Stop> {
    let devices = Devices::of(trace.header());
    let mut record = columns.csv_heading(Vec::new())?;
    out.write_all(&record)?;
    lines.rows(trace, out, |row, out| {
        record.clear();
        record = columns.csv(row, &devices, std::mem::take(&mut record))?;
        out.write_all(&record)
    })
}

/// Says what is lost of a trace that was read to its end.
fn told_loss(path: &Path, loss: Option<&Loss>, printer: &Printer) -> ExitCode {
    match loss {
        Some(loss) => {
            printer.warn(format_args!("{}: {loss}", input::name(path).display()));
            printer.hint(trace::recover_hint(path));
            ExitCode::Loss
        }
        None => ExitCode::Done,
    }
}

/// Why printing stopped early, in words.
fn failure(stop: Stop, path: &Path) -> Failure {
    let (word, path) = (input::word(path), input::name(path));
    let path = path.display();
    match stop {
        Stop::Read(error) => Failure::because(format!("cannot read {path} further"), error),
        Stop::Write(error) => Failure::output(error),
        Stop::Again(failure) => failure,
        Stop::Device(error) => Failure::because(path.to_string(), error),
        Stop::Nowhere(position) => Failure::new(format!("{path} has nothing at {position}"))
            .hint(format!("blkreplay print {word} --events  shows all that there is")),
    }
}
