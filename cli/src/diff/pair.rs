//! Two paths that are compared: opens them, refuses what cannot be compared, and has core compare the rest. Paths and what was
//! asked come in, a pair that was compared goes out.
//!
//! Invariant: it always says how it came out; what is not compared is trouble, with something to try.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use blkreplay_core::diff::{
    self, Align, Beginning, Bounds, Budgeted, Gatherer, Learner, Pairing, Report, RowSource, Rule,
    Scope, Side, TraceSide, Until, Warning, Which,
};
use blkreplay_core::format::Survey;
use blkreplay_core::open::Found as Kind;
use blkreplay_core::request::DeviceId;
use blkreplay_tui::Stoppable;
use jiff::civil::Date;

use super::settle::{self, Given, Settled};
use super::{logs, refuse, ruled, texts, trouble, whole};
use crate::failure::Failure;
use crate::input::{self, Input};
use crate::output::diff::{Expect, Found, Of, Pair, RuleTold, SideTold};
use crate::output::facts;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::qemu_log::LayoutArg;
use crate::trace::{self, Damage};
use crate::words::counted;

/// Requests between two looks at the progress.
const PROGRESS_EVERY: u64 = 4096;

/// Differences that are shown in full, where nobody says how many.
pub(crate) const MOST: usize = 20;

/// Requests that are shown around the first difference.
pub(crate) const CONTEXT: usize = 3;

/// What was asked of a comparison.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// What was typed of the rules.
    pub(crate) given: Given,
    /// How logs are to be read.
    pub(crate) layout: LayoutArg,
    /// Rules are to be proposed, instead of a report.
    pub(crate) learns: bool,
    /// The day on which rules hold.
    pub(crate) today: Date,
    /// Runs of base and of new that budgets are judged by; none for the pair itself.
    pub(crate) runs: [Vec<PathBuf>; 2],
    /// How much is kept.
    pub(crate) keep: Bounds,
    /// Requests that are shown around the first difference.
    pub(crate) context: usize,
    /// What a cut side means.
    pub(crate) damage: Damage,
    /// What is hoped for.
    pub(crate) expect: Expect,
}

impl Asked {
    /// What is asked where nobody says more.
    pub(crate) fn of(given: Given, today: Date) -> Asked {
        Asked {
            layout: LayoutArg { forced: None },
            given,
            learns: false,
            today,
            runs: [Vec::new(), Vec::new()],
            keep: Bounds { most: MOST, first_only: false, shown: Scope::All },
            context: CONTEXT,
            damage: Damage::Refused,
            expect: Expect::Same,
        }
    }

    /// The options that show a pair again as it was compared.
    fn options(&self) -> Vec<String> {
        let mut words = self.given.words();
        words.extend((self.damage == Damage::Allowed).then(|| "--allow-truncated".to_owned()));
        settle::put("--qemu-layout", self.layout.forced.map(|layout| layout.label), &mut words);
        if self.runs.iter().all(Vec::is_empty) {
            settle::put("--budget", &self.given.budgets, &mut words);
        }
        words
    }
}

/// A pair of which only one is there.
pub(crate) fn alone(paths: [&Path; 2], only: Which, asked: &Asked) -> Pair {
    let told = |path: &Path| SideTold { path: path.display().to_string(), ..SideTold::default() };
    Pair {
        base: told(paths[0]),
        new: told(paths[1]),
        rule: RuleTold::default(),
        options: asked.options(),
        devices: Vec::new(),
        found: Found::Only(only),
        budgets: Vec::new(),
        warnings: Vec::new(),
        left_out: [0; 2],
        learned: None,
        took: Duration::ZERO,
        expect: asked.expect,
    }
}

/// A pair that cannot be compared.
pub(crate) fn failed(paths: [&Path; 2], failure: &Failure, asked: &Asked) -> Pair {
    let found = Found::Trouble(trouble::of(failure));
    Pair { found, ..alone(paths, Which::Base, asked) }
}

/// What is done with two sides that can be compared.
pub(crate) struct Work<'a> {
    /// Whether anybody still waits for it; `None` if it is done in any case.
    pub(crate) wanted: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// Budgets are judged.
    pub(crate) judges: bool,
    /// Does it.
    pub(crate) with: &'a mut dyn FnMut(&Ready<'_>, &mut Pair) -> Result<Report, diff::DiffError>,
}

/// Two sides as rules leave them.
#[derive(Clone, Copy)]
pub(crate) struct Ready<'a> {
    pub(crate) base: &'a dyn Side,
    pub(crate) new: &'a dyn Side,
    /// How far both are compared.
    pub(crate) until: &'a Until,
    pub(crate) rule: &'a Rule,
}

/// Compares what is at two paths.
pub(crate) fn compare(paths: [&Path; 2], asked: &Asked, printer: &Printer) -> Pair {
    let mut with = |ready: &Ready<'_>, pair: &mut Pair| sides(ready, asked, pair, printer);
    compare_by(paths, asked, &mut Work { wanted: None, judges: true, with: &mut with })
}

/// Opens what is at two paths, refuses what cannot be compared, and hands the rest over.
pub(crate) fn compare_by(paths: [&Path; 2], asked: &Asked, work: &mut Work<'_>) -> Pair {
    let began = Instant::now();
    let mut pair = alone(paths, Which::Base, asked);
    let settled = asked.given.settle(paths[0], asked.today);
    let found = settled.and_then(|settled| {
        pair.rule = RuleTold {
            rule: settled.rule.clone(),
            rules: settled.rules.iter().map(|rule| rule.name.clone()).collect(),
            config: settled.config.clone(),
            of: Of::Requests,
        };
        pair.warnings.clone_from(&settled.warnings);
        compared(paths, asked, &settled, &mut pair, work)
    });
    pair.found = match found {
        Ok(found) => found,
        Err(failure) => Found::Trouble(trouble::of(&failure)),
    };
    pair.took = began.elapsed();
    pair
}

fn compared(
    paths: [&Path; 2],
    asked: &Asked,
    settled: &Settled,
    pair: &mut Pair,
    work: &mut Work<'_>,
) -> Result<Found, Failure> {
    refuse::inputs(paths, asked, settled)?;
    let requests = |report| Found::Report(Box::new(report));
    let are_texts = [texts::is_text(paths[0])?, texts::is_text(paths[1])?];
    if are_texts.contains(&true) {
        return texts::compare(paths, are_texts, asked, settled, pair, work).map(requests);
    }
    let kinds = refuse::kinds(paths, asked)?;
    match kinds {
        [Kind::Trace, Kind::Trace] => traces(paths, asked, settled, pair, work).map(requests),
        [Kind::QemuLog, Kind::QemuLog] => {
            refuse::for_logs(asked, settled)?;
            pair.rule.rule.align = Align::Order;
            pair.rule.of = Of::Events;
            if !std::mem::take(&mut pair.rule.rules).is_empty() {
                let message = "rules are about requests, and logs of QEMU have none".to_owned();
                let at = settled.config.clone();
                pair.warnings.push(Warning { code: "unused-ignore", message, at });
            }
            Ok(Found::Logs(Box::new(logs::compare(paths, asked, settled.rule.window, pair)?)))
        }
        [base, _] => Err(refuse::unlike(paths, base)),
    }
}

fn traces(
    paths: [&Path; 2],
    asked: &Asked,
    settled: &Settled,
    pair: &mut Pair,
    work: &mut Work<'_>,
) -> Result<Report, Failure> {
    let surveys = [survey(paths[0])?, survey(paths[1])?];
    for (survey, side) in surveys.iter().zip([&mut pair.base, &mut pair.new]) {
        describe(survey, side);
    }
    pair.devices = surveys[0].header.devices.iter().map(|device| device.name.clone()).collect();
    refuse::parts(&surveys, paths, asked, settled)?;
    let pairing = Pairing::of(&surveys[0].header, &surveys[1].header);
    let side = |which: Which| {
        let path = which.of(paths).to_owned();
        let side = TraceSide::new(opener(path), which, &pairing).by(settled.rule.barrier);
        if asked.damage == Damage::Allowed { side.allowing_loss() } else { side }
    };
    let (base, new) = (side(Which::Base), side(Which::New));
    let wrong = |error| trouble::of_comparison(error, paths);
    let until = match asked.damage {
        Damage::Refused => Until::End,
        Damage::Allowed => {
            let extents = [base.extent().map_err(wrong)?, new.extent().map_err(wrong)?];
            let until = Until::both(&extents[0], &extents[1], settled.rule.align);
            whole::refuse_nothing(&until)?;
            pair.warnings.extend(whole::cut(&extents, &until, paths));
            until
        }
    };
    let (base, new) = (Beginning::of(&base, until.clone()), Beginning::of(&new, until.clone()));
    let rows = |which: Which| {
        ruled::rows(which.of(paths), asked.damage).map_err(|error| wrong(error.of(which)))
    };
    let (base_rows, new_rows) = (rows(Which::Base)?, rows(Which::New)?);
    let rows = [base_rows.as_ref(), new_rows.as_ref()];
    under_rules(paths, ([&base, &new], &until), rows, asked, settled, pair, work)
}

/// Compares two sides as rules leave them, and judges what they cost.
pub(super) fn under_rules(
    paths: [&Path; 2],
    (both, until): ([&dyn Side; 2], &Until),
    rows: [&dyn RowSource; 2],
    asked: &Asked,
    settled: &Settled,
    pair: &mut Pair,
    work: &mut Work<'_>,
) -> Result<Report, Failure> {
    let stoppable = work.wanted.map(|wanted| both.map(|side| Stoppable::new(side, wanted)));
    let both = match &stoppable {
        Some([base, new]) => [base as &dyn Side, new],
        None => both,
    };
    let report = ruled::under(both, rows, settled, pair, |base, new, pair| {
        (work.with)(&Ready { base, new, until, rule: &settled.rule }, pair)
    });
    let report = report.map_err(|error| trouble::of_comparison(error, paths))?;
    if work.judges {
        pair.budgets = judged(paths, asked, settled)?;
    }
    Ok(report)
}

/// How budgets came out, by the runs that were given, or by the pair alone.
fn judged(paths: [&Path; 2], asked: &Asked, settled: &Settled) -> Result<Vec<Budgeted>, Failure> {
    let alone = paths.map(|path| vec![path.to_owned()]);
    let runs = if asked.runs.iter().all(Vec::is_empty) { &alone } else { &asked.runs };
    ruled::judge(settled, [&runs[0], &runs[1]])
}

/// Compares two sides, whatever they are.
fn sides(
    ready: &Ready<'_>,
    asked: &Asked,
    pair: &mut Pair,
    printer: &Printer,
) -> Result<Report, diff::DiffError> {
    let Ready { base, new, until, rule } = *ready;
    if asked.learns {
        let mut learner = Learner::new(base, new);
        diff::compare(base, new, rule, &tempfile::tempfile, &mut learner)?;
        pair.learned = Some(learner.finish()?);
        return Ok(Report::default());
    }
    let progress = Progress::new(printer, "comparing", pair.base.requests);
    let gatherer = Gatherer::new(asked.keep);
    let mut outcome = Watched { gatherer, progress, seen: 0, until };
    diff::compare(base, new, rule, &tempfile::tempfile, &mut outcome)?;
    let mut report = outcome.gatherer.finish();
    report.explain(base, new, asked.context)?;
    if report.counts.same == 0 && report.is_same() {
        let message = "nothing was compared: there is no request on either side".to_owned();
        pair.warnings.push(Warning { code: "nothing-compared", message, at: None });
    }
    if report.runs.is_empty()
        && let Some(message) = nothing_at(asked.keep.shown, report.epochs != [None; 2])
    {
        pair.warnings.push(Warning { code: "nothing-there", message, at: None });
    }
    if report.gave_up > 0 {
        let window = counted(rule.window as u64, "request");
        let message = blkreplay_core::words::gave_up(&window);
        pair.warnings.push(Warning { code: "window", message, at: None });
    }
    [pair.base.epochs, pair.new.epochs] = report.epochs;
    Ok(report)
}

/// That nothing is shown, because there is nothing where it was asked for.
fn nothing_at(shown: Scope, has_epochs: bool) -> Option<String> {
    match shown {
        Scope::All => None,
        Scope::Epoch(epoch) if has_epochs => {
            Some(format!("there is no epoch {epoch} on either side"))
        }
        Scope::Epoch(epoch) => Some(format!("no difference is in epoch {epoch}")),
        Scope::Request(id) => Some(format!("no difference is about request {id}")),
    }
}

/// Moves a bar, and leaves out what a side that is cut may have behind its end.
struct Watched<'until> {
    gatherer: Gatherer,
    progress: Progress,
    seen: u64,
    until: &'until Until,
}

impl Watched<'_> {
    fn see(&mut self, count: u64) {
        let before = self.seen / PROGRESS_EVERY;
        self.seen += count;
        if self.seen / PROGRESS_EVERY != before {
            self.progress.update(self.seen);
        }
    }
}

impl diff::Outcome for Watched<'_> {
    fn same(&mut self, place: diff::Place, count: u64, masked: u64) {
        self.see(count);
        self.gatherer.same(place, count, masked);
    }

    fn difference(&mut self, difference: diff::Difference) -> std::ops::ControlFlow<()> {
        self.see(1);
        if self.until.may_lie_behind(&difference) {
            return std::ops::ControlFlow::Continue(());
        }
        self.gatherer.difference(difference)
    }

    fn epochs(&mut self, device: DeviceId, base: u64, new: u64) {
        self.gatherer.epochs(device, base, new);
    }

    fn gave_up(&mut self, place: diff::Place) {
        self.gatherer.gave_up(place);
    }
}

/// Opens a trace again and again.
pub(super) fn opener(
    path: PathBuf,
) -> impl Fn() -> Result<trace::Trace, Box<dyn std::error::Error + Send + Sync>> {
    move || {
        let input = Input::open(&path).map_err(|failure| failure.to_string())?;
        Ok(blkreplay_core::open::input(&input::name(&path), input)?)
    }
}

pub(super) fn survey(path: &Path) -> Result<Survey, Failure> {
    let trace = trace::open(path)?;
    let what = || format!("cannot read {} further", input::name(path).display());
    trace.survey().map_err(|error| Failure::because(what(), error))
}

pub(super) fn describe(survey: &Survey, side: &mut SideTold) {
    side.requests = Some(survey.facts.operations.total().issues);
    side.complete = Some(survey.loss.is_none());
    let at = facts::recorded_at(survey.header.wall_clock_ns);
    side.recorded = at.map(|at| at.split('T').next().unwrap_or_default().to_owned());
}
