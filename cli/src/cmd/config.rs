//! `config`: what `blkreplay.toml` says, and whether it is right. Paths come in, values with where they come from go out.
//!
//! What a file says is `config`'s. Invariant: what is shown is what `diff` and `inspect` go by, unless their command lines say otherwise.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::clock;
use crate::config::{self, Config, FILE_NAME, keys};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::words::counted;

mod shown;

use shown::shown;

const CONFIG_HELP: &str = "\
Examples:
  blkreplay config check                         is the nearest blkreplay.toml right?
  blkreplay config show --origin tests/a.blkr    by what is this baseline compared, and who says so?
  blkreplay config schema > blkreplay.schema.json
                                                 for editors that know JSON Schema

The nearest file is looked for in the folder of the baseline, or else in this one, and in those above it.

Exit codes: 0 right, 2 trouble: a file that is wrong, or none.";

/// Check and show blkreplay.toml
#[derive(Debug, clap::Args)]
#[command(after_help = CONFIG_HELP)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Tell all that is wrong with a file
    Check {
        /// The file; without it, the nearest one
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Show by what traces are compared, and how the inspector is wanted
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,

        /// Use this file rather than the nearest one
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,

        /// A baseline, whose nearest file is shown
        #[arg(value_name = "BASELINE", conflicts_with = "config")]
        baseline: Option<PathBuf>,
    },
    /// Print the JSON Schema of the file
    Schema,
}

impl ConfigArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        match self.what {
            What::Check { file } => check(file, printer),
            What::Show { origin, config, baseline } => {
                let config = match config {
                    Some(file) => Config::at(&file)?,
                    None => Config::near(baseline.as_deref().unwrap_or(Path::new(FILE_NAME)))?,
                };
                let lines = shown(&config, clock::today());
                let mut out = printer.output();
                let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
                for (line, from) in lines {
                    let told = if origin {
                        writeln!(out, "{line:width$}  {from}")
                    } else {
                        writeln!(out, "{line}")
                    };
                    told.map_err(Failure::output)?;
                }
                out.flush().map_err(Failure::output)?;
                Ok(ExitCode::Done)
            }
            What::Schema => {
                let mut out = printer.output();
                writeln!(out, "{:#}", keys::schema()).map_err(Failure::output)?;
                out.flush().map_err(Failure::output)?;
                Ok(ExitCode::Done)
            }
        }
    }
}

fn check(file: Option<PathBuf>, printer: &Printer) -> Result<ExitCode, Failure> {
    let file = file.or_else(|| config::find(Path::new(FILE_NAME))).ok_or_else(|| {
        Failure::new(format!("there is no {FILE_NAME} here or above"))
            .hint("blkreplay config check FILE")
    })?;
    let config = match Config::of(&file, &config::read_text(&file)?) {
        Ok(config) => config,
        Err(faults) => {
            for fault in faults {
                printer.error(&Failure::new(fault));
            }
            return Ok(ExitCode::Trouble);
        }
    };
    let (_, warnings) = config.in_force(clock::today()).map_err(Failure::of)?;
    for warning in warnings {
        match warning.at {
            Some(at) => printer.warn(format_args!("{at}: {}", warning.message)),
            None => printer.warn(warning.message),
        }
    }
    let mut out = printer.output();
    let mut parts = vec![
        counted(config.rules.len() as u64, "rule"),
        counted(config.budgets.len() as u64, "budget"),
        counted(config.suites.len() as u64, "suite"),
    ];
    let inspect = &config.inspect;
    for (count, noun) in [
        (inspect.bind.len(), "command with keys of its own"),
        (inspect.colors.len(), "colour"),
        (inspect.filters.len(), "filter with a name"),
    ] {
        if count > 0 {
            parts.push(counted(count as u64, noun));
        }
    }
    writeln!(out, "{}: {}, all right", config.name, parts.join(", ")).map_err(Failure::output)?;
    out.flush().map_err(Failure::output)?;
    Ok(ExitCode::Done)
}
