//! `test`: the suites of `blkreplay.toml`. A file comes in, reports and an exit code go out, and `.new` beside baselines that
//! are not as they should be.
//!
//! Invariants: a suite that has no files is trouble, and so is a trace without a baseline; where `CI` is set nothing is written.

use std::path::{Path, PathBuf};

use blkreplay_core::diff::Which;

use crate::clock;
use crate::config::{self, Config, FILE_NAME};
use crate::diff::accept;
use crate::diff::baselines::{self, Case};
use crate::diff::pair::{self, Asked};
use crate::diff::reports::{Ci, ReportArgs, Sources};
use crate::diff::settle::Given;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::output::diff::{Found, Pair, Trouble, Verdict};
use crate::printer::Printer;
use crate::words::counted;

const TEST_HELP: &str = "\
In blkreplay.toml:
  [suite.\"tests/traces/*.blkr\"]
  new = \"target/traces/{name}.blkr\"

Examples:
  blkreplay test                                 compare all, and leave .new beside what differs
  blkreplay test --format junit=junit.xml        the same in CI

Then blkreplay review shows what differs, and accepts it or not.

Exit codes: 0 all are the same, 1 some differ or were not made anew, 2 trouble, as a trace that has no baseline.";

/// Compare all baselines of blkreplay.toml with what was recorded now
#[derive(Debug, clap::Args)]
#[command(after_help = TEST_HELP)]
pub(crate) struct TestArgs {
    /// Read this file rather than the nearest blkreplay.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    report: ReportArgs,
}

/// The file with the suites.
pub(super) fn config(given: Option<&Path>) -> Result<Config, Failure> {
    let file = given.map(Path::to_owned).or_else(|| config::find(Path::new(FILE_NAME)));
    let file = file.ok_or_else(|| {
        Failure::new(format!("there is no {FILE_NAME} here or above"))
            .hint("blkreplay help rules  has a sample")
    })?;
    let config = Config::at(&file)?;
    if config.suites.is_empty() {
        let what = format!("{} has no suite", config.name);
        return Err(Failure::new(what).hint("[suite.\"tests/traces/*.blkr\"]"));
    }
    Ok(config)
}

/// By what pairs of a suite are compared.
pub(super) fn asked(config: &Config) -> Asked {
    let given = Given { config: config.file.clone(), ..Given::default() };
    Asked::of(given, clock::today())
}

impl TestArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let config = config(self.config.as_deref())?;
        let cases = baselines::cases(&config)?;
        let read: Vec<PathBuf> =
            cases.iter().flat_map(|case| [case.baseline.clone(), case.new.clone()]).collect();
        let read = Sources { compared: &read, config: config.file.as_deref() };
        let reports = self.report.reports(&Ci::of_environment(), read)?;
        let asked = asked(&config);
        let pairs: Vec<Pair> = cases.iter().map(|case| compared(case, &asked, printer)).collect();
        for pair in &pairs {
            super::diff::tell_trouble(pair, printer);
        }
        reports.write(&pairs, printer)?;
        if !accept::is_ci() && leave(&cases, &pairs, printer) == Left::NotAll {
            return Ok(ExitCode::Trouble);
        }
        Ok(match pairs.iter().map(Pair::exit_code).max() {
            Some(0) => ExitCode::Done,
            Some(1) => ExitCode::Different,
            _ => ExitCode::Trouble,
        })
    }
}

fn compared(case: &Case, asked: &Asked, printer: &Printer) -> Pair {
    let paths = [case.baseline.as_path(), case.new.as_path()];
    match case.only {
        None => pair::compare(paths, asked, printer),
        Some(Which::Base) => pair::alone(paths, Which::Base, asked),
        Some(Which::New) => {
            let (baseline, new) = (case.baseline.display(), case.new.display());
            let message = format!("{new} has no baseline: {baseline} is not there");
            let hints = vec![format!("blkreplay bless {baseline} {new}")];
            let code = "missing-baseline";
            let found = Found::Trouble(Trouble { code, message, hints });
            Pair { found, ..pair::alone(paths, Which::New, asked) }
        }
    }
}

/// Whether all is beside the baselines that should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    All,
    NotAll,
}

/// Leaves what differs beside its baseline, and takes away what waited there and is the same now; tells how many wait, and what
/// could not be left.
fn leave(cases: &[Case], pairs: &[Pair], printer: &Printer) -> Left {
    let (mut waiting, mut left) = (0, Left::All);
    for (case, pair) in cases.iter().zip(pairs) {
        let pending = accept::pending(&case.baseline);
        let differs = pair.verdict() == Verdict::Different && case.only.is_none();
        let waits = differs || case.only == Some(Which::New);
        let done = if waits {
            accept::put(&case.baseline, &case.new, &pending)
        } else if pair.verdict() == Verdict::Same {
            accept::forget(&pending)
        } else {
            Ok(())
        };
        match done {
            Ok(()) => waiting += u64::from(waits),
            Err(failure) => {
                printer.error(&failure);
                left = Left::NotAll;
            }
        }
    }
    if waiting > 0 {
        let files = counted(waiting, "file");
        printer.hint(format_args!("blkreplay review  looks at {files} that wait"));
    }
    left
}
