//! `info`: what a trace is and holds, from its header and the headers of its chunks. Traces come in, facts go
//! out.
//!
//! Unless parts are asked for it reads no bodies but the last, so it is instant, and damage inside a body goes unnoticed. Invariant: one
//! trace that cannot be read does not keep the others from being told of.

use std::io::Write;
use std::path::PathBuf;

use blkreplay_core::format::{ColumnCosts, ReadError, Survey};

use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::output::facts;
use crate::printer::{Output, Printer};
use crate::trace;

const INFO_HELP: &str = "\
Examples:
  blkreplay info t.blkr                  who recorded it, of which image, how many requests
  blkreplay info *.blkr                  all of them
  blkreplay info t.blkr --json | jq .devices
  blkreplay info t.blkr --parts          what each part of the file costs

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

    /// Print one JSON object a trace, `blkreplay.info/1`
    #[arg(long)]
    json: bool,
}

impl InfoArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let mut code = ExitCode::Done;
        let mut out = printer.output();
        for (place, path) in self.traces.iter().enumerate() {
            let survey = match survey(path) {
                Ok(survey) => survey,
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
            let costs = self.parts.then(|| costs(path)).transpose()?;
            let name = &input::name(path);
            self.tell(name, &survey, costs.as_ref(), &mut out)?;
            if let Some(loss) = &survey.loss {
                out.flush().map_err(Failure::output)?;
                printer.warn(format_args!("{}: {loss}", name.display()));
                printer.hint(trace::recover_hint(path));
                code = if code == ExitCode::Done { ExitCode::Loss } else { code };
            }
        }
        out.finish()?;
        Ok(code)
    }

    fn tell(
        &self,
        path: &std::path::Path,
        survey: &Survey,
        costs: Option<&ColumnCosts>,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let told = if self.json {
            facts::write_json(path, survey, costs, out)
        } else {
            facts::write_text(path, survey, costs, out)
        };
        told.map_err(Failure::output)
    }
}

fn survey(path: &std::path::Path) -> Result<Survey, Failure> {
    trace::open(path)?.survey().map_err(|error| cannot_read(path, error))
}

fn costs(path: &std::path::Path) -> Result<ColumnCosts, Failure> {
    trace::open(path)?.column_costs().map_err(|error| cannot_read(path, error))
}

fn cannot_read(path: &std::path::Path, error: ReadError) -> Failure {
    Failure::because(format!("cannot read {} further", input::name(path).display()), error)
}
