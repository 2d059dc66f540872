//! `diff`: whether two traces say the same. Paths and options come in, reports and an exit code go out.
//!
//! What is compared is core's, what is opened and where reports go is `diff`'s. Invariant: 0 is same, 1 is different, 2 is
//! trouble, and every report that was asked for is written whichever it is.

use std::io::Write;
use std::path::{Path, PathBuf};

use blkreplay_core::diff::{Bounds, Learned, Scope};
use blkreplay_core::limits::{DIFF_AROUND_MAX, LEARNED_MAX};
use blkreplay_core::request::RequestId;

use crate::clock;
use crate::config;
use crate::diff::learned;
use crate::diff::pair::{self, Asked};
use crate::diff::reports::{Ci, ReportArgs, Sources};
use crate::diff::settle::Given;
use crate::diff::suite;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::output::diff::{Expect, Found, Pair};
use crate::printer::Printer;
use crate::qemu_log::LayoutArg;
use crate::trace::Damage;

const DIFF_HELP: &str = "\
Examples:
  blkreplay diff base.blkr new.blkr              the same requests between the same flushes?
  blkreplay diff base.blkr new.blkr --strict     in the same order, too?
  blkreplay diff base.blkr new.blkr --align state
                                                 the same disk at every flush?
  blkreplay diff base.blkr new.blkr --epoch 7    what differs in one place
  blkreplay diff base.blkr new.blkr --format junit=junit.xml --format html=diff.html
  blkreplay diff --suite tests/traces target/traces

Alignments:
  order      the same requests in the same order
  epoch      between two flushes the same requests, in any order
  conflict   requests that overlap in the same order, others in any
  key        the same requests in the whole trace
  state      the same contents of the disk at every flush

Exit codes: 0 same, 1 different or over budget, 2 trouble: they could not be compared.
With --expect different, 0 and 1 change places. Of several pairs the largest wins.";

/// Say whether two traces are the same, and where they are not
#[derive(Debug, clap::Args)]
#[command(after_help = DIFF_HELP)]
#[command(override_usage = "blkreplay diff [OPTIONS] <BASE> <NEW>
       blkreplay diff [OPTIONS] --runs <BASE>... -- <NEW>...
       blkreplay diff [OPTIONS] --suite <FOLDER> <FOLDER>")]
pub(crate) struct DiffArgs {
    /// The two traces; one of them may be `-`, which is standard input
    #[arg(value_name = "TRACE", required = true)]
    traces: Vec<PathBuf>,

    /// The runs of the other side, with --runs
    #[arg(value_name = "NEW", last = true, requires = "runs")]
    runs_of_new: Vec<PathBuf>,

    /// Take several runs a side, for budgets on times; the first of each are compared
    #[arg(long, conflicts_with = "suite")]
    runs: bool,

    /// Compare all files of two folders by their names; one that is missing is a difference
    #[arg(long)]
    suite: bool,

    /// Propose rules that ignore what two recordings of the same run differ in, for blkreplay.toml
    #[arg(long, conflicts_with_all = ["suite", "runs", "budgets", "ReportArgs", "ShownArgs"])]
    learn: bool,

    #[command(flatten)]
    given: Given,

    #[command(flatten)]
    judge: JudgeArgs,

    #[command(flatten)]
    shown: ShownArgs,

    #[command(flatten)]
    layout: LayoutArg,

    #[command(flatten)]
    report: ReportArgs,
}

/// How it is judged.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Judge")]
struct JudgeArgs {
    /// Compare traces that are cut or damaged, as far as both are whole
    #[arg(long)]
    allow_truncated: bool,

    /// What is hoped for: same or different
    #[arg(long, value_name = "VERDICT", value_enum, default_value_t)]
    #[arg(hide_possible_values = true)]
    expect: Expect,
}

/// Which differences are shown.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Report")]
struct ShownArgs {
    /// Show at most N differences in full; 0 shows all, up to 131072
    #[arg(short = 'n', long, value_name = "N", default_value_t = pair::MOST)]
    max: usize,

    /// Stop at the first difference
    #[arg(long)]
    first: bool,

    /// Show N requests around the first difference
    #[arg(short = 'U', long, value_name = "N", default_value_t = pair::CONTEXT as u64)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=DIFF_AROUND_MAX as u64))]
    context: u64,

    /// Show only this epoch
    #[arg(long, value_name = "N", conflicts_with = "at")]
    epoch: Option<u64>,

    /// Show only what is about this request, such as 2034
    #[arg(long, value_name = "ID", value_parser = request)]
    at: Option<RequestId>,
}

fn request(text: &str) -> Result<RequestId, String> {
    let number = text.strip_prefix('#').unwrap_or(text);
    number.parse().map(RequestId).map_err(|_| "write the id of a request, such as 2034".to_owned())
}

impl DiffArgs {
    /// Two traces and what was typed of the rules, with all else as it is where nobody says more.
    pub(crate) fn of(
        base: PathBuf,
        new: PathBuf,
        given: Given,
        damage: Damage,
        layout: LayoutArg,
    ) -> DiffArgs {
        DiffArgs {
            traces: vec![base, new],
            runs_of_new: Vec::new(),
            runs: false,
            suite: false,
            learn: false,
            given,
            judge: JudgeArgs {
                allow_truncated: damage == Damage::Allowed,
                expect: Expect::default(),
            },
            shown: ShownArgs {
                max: pair::MOST,
                first: false,
                context: pair::CONTEXT as u64,
                epoch: None,
                at: None,
            },
            layout,
            report: ReportArgs::default(),
        }
    }

    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let read: Vec<PathBuf> = self.traces.iter().chain(&self.runs_of_new).cloned().collect();
        let near = || self.traces.first().and_then(|base| config::find(base));
        let config = self.given.config.clone().or_else(near);
        let read = Sources { compared: &read, config: config.as_deref() };
        let reports = self.report.reports(&Ci::of_environment(), read)?;
        let asked = self.asked();
        let pairs = match self.sides() {
            Ok(folders) if self.suite => compare_folders(folders, &asked, printer),
            Ok(sides) => Ok(vec![pair::compare(sides, &asked, printer)]),
            Err(failure) => Err(failure),
        };
        let pairs = pairs.unwrap_or_else(|failure| vec![self.failed(&failure, &asked)]);
        if let [Pair { learned: Some(learned), devices, .. }] = pairs.as_slice() {
            return tell_learned(learned, devices, printer);
        }
        for pair in &pairs {
            tell_trouble(pair, printer);
        }
        reports.write(&pairs, printer)?;
        let worst = pairs.iter().map(Pair::exit_code).max();
        Ok(match worst {
            Some(0) => ExitCode::Done,
            Some(1) => ExitCode::Different,
            _ => ExitCode::Trouble,
        })
    }

    /// The two traces that are compared, or the two folders.
    fn sides(&self) -> Result<[&Path; 2], Failure> {
        let sides = match (self.runs, self.traces.as_slice(), self.runs_of_new.as_slice()) {
            (false, [base, new], []) | (true, [base, ..], [new, ..]) => Some([base, new]),
            _ => None,
        };
        sides.map(|sides| sides.map(PathBuf::as_path)).ok_or_else(|| {
            let failure = if self.runs {
                Failure::new("--runs takes runs of both sides, with -- between them")
                    .hint("blkreplay diff --runs base-1.blkr base-2.blkr -- new-1.blkr new-2.blkr")
            } else {
                let what = if self.suite { "folders" } else { "traces" };
                let given = self.traces.len();
                let were = if given == 1 { "was" } else { "were" };
                Failure::new(format!("two {what} are compared, and {given} {were} given"))
                    .hint("blkreplay diff BASE NEW, or --suite FOLDER FOLDER, or --runs")
            };
            failure.coded("usage")
        })
    }

    /// A pair of what was typed, where there is nothing to compare.
    fn failed(&self, failure: &Failure, asked: &Asked) -> Pair {
        let new = self.runs_of_new.first().or(self.traces.get(1));
        let typed = [self.traces.first(), new];
        pair::failed(typed.map(|path| path.map_or(Path::new(""), PathBuf::as_path)), failure, asked)
    }

    fn asked(&self) -> Asked {
        let runs = if self.runs {
            [self.traces.clone(), self.runs_of_new.clone()]
        } else {
            [Vec::new(), Vec::new()]
        };
        let shown = match (self.shown.epoch, self.shown.at) {
            (Some(epoch), _) => Scope::Epoch(epoch),
            (_, Some(id)) => Scope::Request(id),
            (None, None) => Scope::All,
        };
        let most = if self.shown.max == 0 { usize::MAX } else { self.shown.max };
        let damage = if self.judge.allow_truncated { Damage::Allowed } else { Damage::Refused };
        Asked {
            given: self.given.clone(),
            layout: self.layout,
            learns: self.learn,
            today: clock::today(),
            runs,
            keep: Bounds { most, first_only: self.shown.first, shown },
            context: usize::try_from(self.shown.context).unwrap_or(DIFF_AROUND_MAX),
            damage,
            expect: self.judge.expect,
        }
    }
}

/// Compares all files of two folders.
fn compare_folders(
    [base, new]: [&Path; 2],
    asked: &Asked,
    printer: &Printer,
) -> Result<Vec<Pair>, Failure> {
    let entries = suite::entries(base, new)?;
    let compare = |entry: &suite::Entry| match entry.only {
        None => pair::compare([&entry.base, &entry.new], asked, printer),
        Some(which) => pair::alone([&entry.base, &entry.new], which, asked),
    };
    Ok(entries.iter().map(compare).collect())
}

/// Prints what was learned.
fn tell_learned(
    learned: &Learned,
    devices: &[String],
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    if learned.overflow {
        let what = format!("the traces differ at more than {LEARNED_MAX} places");
        return Err(Failure::new(what).hint("are they two recordings of the same run?"));
    }
    let mut out = printer.output();
    out.write_all(learned::toml(learned, devices).as_bytes()).map_err(Failure::output)?;
    out.flush().map_err(Failure::output)?;
    Ok(ExitCode::Done)
}

/// Trouble is told on standard error, whatever is reported.
pub(super) fn tell_trouble(pair: &Pair, printer: &Printer) {
    if let Found::Trouble(trouble) = &pair.found {
        let failure = Failure::new(trouble.message.as_str());
        printer.error(&trouble.hints.iter().fold(failure, Failure::hint));
    }
}
