//! `info`: what a trace is and holds, from its header and the headers of its chunks. Traces come in, facts go
//! out.
//!
//! Of a trace it reads no bodies but the last, unless parts are asked for, so it is instant, and damage inside a body
//! goes unnoticed. Invariant: one trace that cannot be read does not keep the others from being told of.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use blkreplay_core::format::{ColumnCosts, ReadError, Survey};
use blkreplay_core::qemu::{self, Why};

use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::output::{facts, log_facts};
use crate::printer::{Output, Printer};
use crate::qemu_log::{self, LayoutArg, Source};
use crate::trace;

const INFO_HELP: &str = "\
Examples:
  blkreplay info t.blkr                  who recorded it, of which image, how many requests
  blkreplay info *.blkr                  all of them
  blkreplay info t.blkr --json | jq .devices
  blkreplay info t.blkr --parts          what each part of the file costs
  blkreplay info q.rr                    a log of QEMU's record/replay: which layout, what is in it

A QEMU log is read to its end: it has no index.

Exit codes: 0 told, 2 trouble with one of the traces, 3 one of them is cut or damaged.";

/// Say what a trace is and holds, at once
#[derive(Debug, clap::Args)]
#[command(after_help = INFO_HELP)]
pub(crate) struct InfoArgs {
    /// The traces; `-` is standard input
    #[arg(value_name = "TRACE", required = true)]
    traces: Vec<PathBuf>,

    /// Read all events too, and say what each part of the file and each column costs
    #[arg(long)]
    parts: bool,

    #[command(flatten)]
    layout: LayoutArg,

    /// Print one JSON object a trace, `blkreplay.info/1`
    #[arg(long)]
    json: bool,
}

/// What there is to tell.
enum Told {
    Trace(Box<Survey>, Option<ColumnCosts>),
    Log(qemu::Survey),
}

impl InfoArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let mut code = ExitCode::Done;
        let mut out = printer.output();
        for (place, path) in self.traces.iter().enumerate() {
            let told = match self.survey(path) {
                Ok(told) => told,
                Err(failure) => {
                    // What was said of the traces before comes first.
                    out.flush().map_err(Failure::output)?;
                    printer.error(&failure);
                    code = ExitCode::Trouble;
                    continue;
                }
            };
            if place > 0 && !self.json {
                writeln!(out).map_err(Failure::output)?;
            }
            self.tell(&input::name(path), &told, &mut out).map_err(Failure::output)?;
            out.flush().map_err(Failure::output)?;
            let ended = warn(path, &told, printer);
            code = if code == ExitCode::Done { ended } else { code };
        }
        out.finish()?;
        Ok(code)
    }

    fn survey(&self, path: &Path) -> Result<Told, Failure> {
        match self.layout.open(path)? {
            Source::Trace(trace) => {
                let survey = trace.survey().map_err(|error| cannot_read(path, error))?;
                let costs = self.parts.then(|| costs(path)).transpose()?;
                Ok(Told::Trace(Box::new(survey), costs))
            }
            Source::Log(_) if self.parts => {
                let name = input::name(path);
                Err(Failure::new(format!("{} is a QEMU log, and has no parts", name.display())))
            }
            Source::Log(log) => {
                let survey = qemu::survey(log, self.layout.forced);
                survey.map(Told::Log).map_err(|error| qemu_log::cannot_read(path, error))
            }
        }
    }

    fn tell(&self, path: &Path, told: &Told, out: &mut Output) -> io::Result<()> {
        match told {
            Told::Trace(survey, costs) if self.json => {
                facts::write_json(path, survey, costs.as_ref(), out)
            }
            Told::Trace(survey, costs) => facts::write_text(path, survey, costs.as_ref(), out),
            Told::Log(survey) if self.json => log_facts::write_json(path, survey, out),
            Told::Log(survey) => log_facts::write_text(path, survey, out),
        }
    }
}

/// Says what is missing.
fn warn(path: &Path, told: &Told, printer: &Printer) -> ExitCode {
    match told {
        Told::Trace(survey, _) => {
            let Some(loss) = &survey.loss else { return ExitCode::Done };
            printer.warn(format_args!("{}: {loss}", input::name(path).display()));
            printer.hint(trace::recover_hint(path));
            ExitCode::Loss
        }
        Told::Log(survey) => match &survey.stop {
            // Which layouts fit has been said.
            Some(stop) if matches!(stop.why, Why::Fault(_)) => {
                let label = survey.layout.label;
                let hint = format!(
                    "blkreplay print LOG --tail 20 --qemu-layout {label}  shows the events before it"
                );
                qemu_log::told_with(path, stop, &hint, printer)
            }
            stop => qemu_log::told(path, stop.as_ref(), printer),
        },
    }
}

fn costs(path: &Path) -> Result<ColumnCosts, Failure> {
    trace::open(path)?.column_costs().map_err(|error| cannot_read(path, error))
}

fn cannot_read(path: &Path, error: ReadError) -> Failure {
    Failure::because(format!("cannot read {} further", input::name(path).display()), error)
}
