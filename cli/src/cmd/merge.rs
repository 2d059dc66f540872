//! `merge`: several traces as one, with their devices beside each other. Traces come in, one goes out.
//!
//! How events are woven together is decided in core. Invariant: how times were put beside each other is said.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use blkreplay_core::edit::{self, EditError, MergeError, Part, Source};
use blkreplay_core::format::{Header, Survey};
use blkreplay_core::units::Nanos;

use crate::edited::{self, EditOutput};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::output::facts::uuid_text;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::session::TOOL;
use crate::signals;
use crate::trace;
use crate::words::counted;

const MERGE_HELP: &str = "\
Requests get new ids in the order of their issue; devices and connections get new numbers, and devices of one name get \
`-2` and so on. Replay the result with an IMAGE for each device, in their order.

Examples:
  blkreplay merge root.blkr data.blkr -o both.blkr    two disks that were recorded apart
  blkreplay merge run1.blkr run2.blkr --align start -o both.blkr   as if they had begun together
  blkreplay merge a.blkr b.blkr -o - | blkreplay print -

Exit codes: 0 written, 2 trouble, 3 one of the traces is cut or damaged: nothing was written; 130 interrupted.";

/// Put several traces together into one, with their devices
#[derive(Debug, clap::Args)]
#[command(after_help = MERGE_HELP)]
pub(crate) struct MergeArgs {
    /// The traces, two or more; `-` is standard input
    #[arg(value_name = "TRACE", required = true, num_args = 2..)]
    traces: Vec<PathBuf>,

    /// How their times are put beside each other
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    align: Align,

    #[command(flatten)]
    output: EditOutput,
}

/// How times are put beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Align {
    /// By the wall clock of their beginnings
    #[default]
    Clock,
    /// As if all had begun at once
    Start,
}

impl MergeArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        self.output.check(&self.traces)?;
        let mut surveys = Vec::with_capacity(self.traces.len());
        for path in &self.traces {
            match edited::survey(path, printer)? {
                Ok(survey) => surveys.push(survey),
                Err(code) => return Ok(code),
            }
        }
        let begins = self.begins(&surveys)?;
        let parts: Vec<Part> = self
            .traces
            .iter()
            .zip(surveys)
            .map(|(path, survey)| self.part(path, survey, begins))
            .collect();
        let own = own_header(&parts[0].header, begins);
        let header = edit::join(&own, &parts)
            .map_err(|error| Failure::because("cannot merge these traces", error))?;
        let stop = signals::stop_on_signal()?;
        match self.write(&header, &parts, &stop, printer)? {
            Ok(()) => {}
            Err(error) => return self.ended(error, printer),
        }
        self.tell(&header, &parts, printer);
        Ok(ExitCode::Done)
    }

    /// The wall clock of the first beginning; 0 if it means nothing.
    fn begins(&self, surveys: &[Survey]) -> Result<u64, Failure> {
        if self.align == Align::Start {
            return Ok(0);
        }
        let clocks = surveys.iter().map(|survey| survey.header.wall_clock_ns);
        if let Some(place) = clocks.clone().position(|clock| clock == 0) {
            let name = input::name(&self.traces[place]);
            let what = format!("{} does not say when it was recorded", name.display());
            return Err(Failure::new(what).hint("--align start lets all of them begin at once"));
        }
        Ok(clocks.min().unwrap_or(0))
    }

    fn part(&self, path: &std::path::Path, survey: Survey, begins: u64) -> Part {
        let shift = match self.align {
            Align::Clock => survey.header.wall_clock_ns - begins,
            Align::Start => 0,
        };
        Part {
            uuid: uuid_text(survey.uuid),
            file: path.to_string_lossy().into_owned(),
            requests: survey.facts.operations.total().issues,
            status: survey.status,
            shift: Nanos(shift),
            header: survey.header,
        }
    }

    fn write(
        &self,
        header: &Header,
        parts: &[Part],
        stop: &AtomicBool,
        printer: &Printer,
    ) -> Result<Result<(), MergeError>, Failure> {
        let mut sources = Vec::with_capacity(parts.len());
        for (path, part) in self.traces.iter().zip(parts) {
            sources.push(Source { reader: trace::open(path)?, shift: part.shift });
        }
        let writer = self.output.begin(header)?;
        let total = parts.iter().map(|part| part.requests).sum();
        let progress = Progress::new(printer, "merging", Some(total));
        match edit::merge(sources, writer, &mut edited::heard(progress, stop)) {
            Ok((out, _)) => self.output.finish(out).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    fn ended(&self, error: MergeError, printer: &Printer) -> Result<ExitCode, Failure> {
        let name = |place: usize| input::name(&self.traces[place]).display().to_string();
        let place = match error {
            MergeError::Source { place, source } => {
                return self.output.ended(source, &self.traces[place], printer);
            }
            MergeError::Write(error) => {
                return self.output.ended(EditError::Write(error), &self.traces[0], printer);
            }
            MergeError::Interrupted { requests } => {
                let interrupted = EditError::Interrupted { requests };
                return self.output.ended(interrupted, &self.traces[0], printer);
            }
            MergeError::TwoMachines { first, second } => {
                let what = format!("cannot merge {} and {}", name(first), name(second));
                return Err(Failure::because(what, error).hint(
                    "blkreplay slice TRACE --dev NAME -o DISK  keeps the requests of a disk only",
                ));
            }
            MergeError::NumberOnly { place, .. }
            | MergeError::NoDevice { place, .. }
            | MergeError::Connection { place, .. } => place,
        };
        Err(Failure::because(format!("cannot merge {}", name(place)), error))
    }

    fn tell(&self, header: &Header, parts: &[Part], printer: &Printer) {
        let requests = parts.iter().map(|part| part.requests).sum();
        let requests = counted(requests, "request");
        printer.say("merged", format_args!("{}  {requests}", self.output.name()));
        for merged in &header.edits.merged {
            let (requests, devices) = (counted(merged.requests, "request"), &merged.devices);
            let shift = Nanos(merged.shift);
            let file = crate::output::printable(&merged.file);
            printer.say(
                "from",
                format_args!("{file}  {requests} of {}, from {shift} on", devices.join(", ")),
            );
        }
        let policies = || parts.iter().map(|part| part.header.payload);
        if policies().any(|policy| policy != header.payload) {
            let weakest = header.payload.name();
            let text = format!("{weakest}: the least that one of them has; nothing was taken away");
            printer.say("payload", text);
        }
        self.output.say_next("print", printer);
    }
}

/// What the merged trace says of itself; the rest comes from its parts.
fn own_header(any: &Header, wall_clock_ns: u64) -> Header {
    let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    Header { tool: TOOL.to_owned(), command, wall_clock_ns, ..any.clone() }
}
