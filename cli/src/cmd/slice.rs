//! `slice`: a part of a trace, as a trace. A trace comes in, a smaller one goes out.
//!
//! What belongs to a part is decided in core. Invariant: what is left out that may matter is said.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use blkreplay_core::edit::{self, Chooser, Cut, EditError, Planned};
use blkreplay_core::format::{Header, SlicedHeader, Survey};
use blkreplay_core::position::Position;
use blkreplay_core::request::DeviceId;
use blkreplay_core::rows::{Row, Rows};

use crate::chosen::Chosen;
use crate::edited::{self, EditOutput};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::output::facts::uuid_text;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::session::TOOL;
use crate::signals;
use crate::trace::{self, Trace};
use crate::words::{Count, counted};

const SLICE_HELP: &str = "\
A request belongs to the part as a whole: its completion comes along, whenever it came, and one that was issued before is left \
out. What is at --to is left out, so that parts which meet share nothing. Ids and times stay what they were.

Examples:
  blkreplay slice t.blkr --from mark:formatted -o part.blkr       from that mark on
  blkreplay slice t.blkr --from flush:2 --to flush:3 -o part.blkr   what lies between two flushes
  blkreplay slice t.blkr -f 'err || lat > 5ms' -o bad.blkr        the requests that matter, with their data
  blkreplay slice t.blkr --dev data --to 10s -o part.blkr         one device, the first ten seconds
  blkreplay slice t.blkr -f write -o - | blkreplay print -

A position is #123, event:123, 1.5s, flush:3, flush:NAME/3, mark:NAME or end.

Exit codes: 0 written, 2 trouble, 3 the trace is cut or damaged: nothing was written; 130 interrupted.";

/// Cut a part out of a trace
#[derive(Debug, clap::Args)]
#[command(after_help = SLICE_HELP)]
#[command(group = clap::ArgGroup::new("part").required(true).multiple(true)
    .args(["filter", "from", "to", "devices"]))]
pub(crate) struct SliceArgs {
    /// The trace; `-` is standard input
    #[arg(value_name = "TRACE")]
    trace: PathBuf,

    /// Only requests for which this holds, such as `op == write && lat > 5ms`
    #[arg(short = 'f', long, value_name = "FILTER")]
    filter: Option<String>,

    /// Begin there, with what is there
    #[arg(long, value_name = "POSITION")]
    from: Option<Position>,

    /// End there, without what is there
    #[arg(long, value_name = "POSITION")]
    to: Option<Position>,

    /// Only this device, or these
    #[arg(long = "dev", value_name = "NAME")]
    devices: Vec<String>,

    #[command(flatten)]
    output: EditOutput,
}

impl SliceArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        self.output.check(std::slice::from_ref(&self.trace))?;
        let survey = match edited::survey(&self.trace, printer)? {
            Ok(survey) => survey,
            Err(code) => return Ok(code),
        };
        let cut = self.cut(&survey.header)?;
        let chosen = Chosen::asked(self.filter.as_deref(), &self.trace, &survey.header)?;
        // From here on a signal does not end the process, so that no file is left behind.
        let stop = signals::stop_on_signal()?;
        let planned = match self.plan(&cut, chosen.as_ref(), &survey, &stop, printer)? {
            Ok(planned) => planned,
            Err(error) => return self.ended(error, printer),
        };
        let header = planned.header(&survey.header, self.said(&planned, &survey));
        if let Err(error) = self.write(&header, &planned, &stop, printer)? {
            return self.ended(error, printer);
        }
        self.tell(&planned, &survey, chosen.as_ref(), printer);
        Ok(ExitCode::Done)
    }

    fn cut(&self, header: &Header) -> Result<Cut, Failure> {
        let mut devices = BTreeSet::new();
        for name in &self.devices {
            let place = header.devices.iter().position(|device| device.name == *name);
            let device = place.and_then(|place| u16::try_from(place).ok()).ok_or_else(|| {
                let known: Vec<_> = header.devices.iter().map(|it| it.name.as_str()).collect();
                let known = known.join(", ");
                Failure::new(format!("there is no device `{name}`; the trace has {known}"))
            })?;
            devices.insert(DeviceId(device));
        }
        let devices = Some(devices).filter(|devices| !devices.is_empty());
        Ok(Cut { from: self.from.clone(), to: self.to.clone(), devices })
    }

    fn plan(
        &self,
        cut: &Cut,
        chosen: Option<&Chosen>,
        survey: &Survey,
        stop: &AtomicBool,
        printer: &Printer,
    ) -> Result<Result<Planned, EditError>, Failure> {
        let mut takes = |row: &Row| chosen.is_none_or(|chosen| chosen.takes(row));
        let mut chooser = match chosen {
            Some(chosen) => Some(Chooser::new(self.rows(chosen)?, &mut takes)),
            None => None,
        };
        let total = survey.facts.operations.total().issues;
        let progress = Progress::new(printer, "choosing", Some(total));
        let mut reader = trace::open(&self.trace)?;
        let mut heard = edited::heard(progress, stop);
        Ok(edit::plan_slice(&mut reader, cut, chooser.as_mut(), &mut heard))
    }

    /// The rows of the trace, which know all that the filter asks for.
    fn rows(&self, chosen: &Chosen) -> Result<Rows<Trace>, Failure> {
        Ok(Rows::joined_by(chosen.joiner(), trace::open(&self.trace)?))
    }

    fn write(
        &self,
        header: &Header,
        planned: &Planned,
        stop: &AtomicBool,
        printer: &Printer,
    ) -> Result<Result<(), EditError>, Failure> {
        let mut reader = trace::open(&self.trace)?;
        // Counts of its own: what is told is what the first one saw.
        let chosen = Chosen::asked(self.filter.as_deref(), &self.trace, reader.header())?;
        let mut takes = |row: &Row| chosen.as_ref().is_none_or(|chosen| chosen.takes(row));
        let mut chooser = match &chosen {
            Some(chosen) => Some(Chooser::new(self.rows(chosen)?, &mut takes)),
            None => None,
        };
        let writer = self.output.begin(header)?;
        let progress = Progress::new(printer, "cutting", None);
        let mut heard = edited::heard(progress, stop);
        match edit::slice(&mut reader, writer, planned, chooser.as_mut(), &mut heard) {
            Ok((out, _)) => self.output.finish(out).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    /// What the header says of the cut.
    fn said(&self, planned: &Planned, survey: &Survey) -> SlicedHeader {
        SlicedHeader {
            tool: TOOL.to_owned(),
            of: uuid_text(survey.uuid),
            from: self.from.as_ref().map(ToString::to_string),
            to: self.to.as_ref().map(ToString::to_string),
            filter: self.filter.clone(),
            devices: Some(self.devices.clone()).filter(|devices| !devices.is_empty()),
            requests: planned.requests(),
            of_requests: survey.facts.operations.total().issues,
        }
    }

    fn ended(&self, error: EditError, printer: &Printer) -> Result<ExitCode, Failure> {
        let is_nowhere = matches!(error, EditError::Nowhere(_));
        let ended = self.output.ended(error, &self.trace, printer);
        if !is_nowhere {
            return ended;
        }
        let word = input::word(&self.trace);
        ended.map_err(|failure| {
            failure.hint(format!("blkreplay print {word} --events  shows all that there is"))
        })
    }

    fn tell(&self, planned: &Planned, survey: &Survey, chosen: Option<&Chosen>, printer: &Printer) {
        let (kept, all) = (planned.requests(), survey.facts.operations.total().issues);
        let name = self.output.name();
        printer
            .say("sliced", format_args!("{name}  {} of {}", Count(kept), counted(all, "request")));
        if kept == 0 {
            match chosen {
                Some(chosen) if chosen.saw_some() => chosen.tell_nothing(printer),
                _ => printer.warn("no request was issued in this part"),
            }
        }
        let guest = planned.guest_events_left_out();
        if guest > 0 {
            let guest = counted(guest, "event");
            printer.say(
                "left out",
                format_args!("{guest} of the virtual machine: a filter is about requests"),
            );
        }
        let changes = planned.changes_left_out();
        if changes > 0 && kept > 0 {
            let changes = counted(changes, "change");
            printer.say(
                "left out",
                format_args!("{changes} of the disk before its end: a replay may read other data than the recording"),
            );
        }
        self.output.say_next("print", printer);
    }
}
