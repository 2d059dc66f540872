//! How much a trace may cost: a metric of all requests, held against a number or against the other side's.
//!
//! Values of runs in, a verdict out. Invariants: what a clock decides is never judged by a few runs, nor by a change that may be
//! chance; a budget that says nothing is trouble, never kept.

use super::error::DiffError;
use super::judged::{Budget, Budgeted, Unit};
use super::rows::RowSource;
use super::significance;
use crate::limits::DIFF_RUNS_A_SIDE_MAX;
use crate::query::{Bound, Metric, QueryError, budget};

/// Runs a side that a budget on times takes, if it does not say it.
pub const RUNS_DEFAULT: usize = 5;

/// The fewest runs a side that can tell a change from chance: with 4, even if all are beyond a limit, that is as likely as 1 in 16.
pub const RUNS_MIN: usize = 5;

/// Up to which likelihood a change is not taken for chance.
const SIGNIFICANT: f64 = 0.05;

/// How much a trace may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRule {
    /// What it is called in reports.
    pub name: String,
    /// The metric, as it is written.
    pub metric: String,
    /// What it is held against; each must hold.
    pub bounds: Vec<Bound>,
    /// Runs a side, if a clock decides it.
    pub runs: usize,
    /// Where it was written, as `FILE:LINE`; `None` on the command line.
    pub at: Option<String>,
}

/// Why a budget cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// Its metric means nothing for a side.
    #[error("the metric of budget \"{name}\": {source}")]
    Metric {
        /// The budget.
        name: String,
        /// The metric.
        text: String,
        /// What is wrong with it, and where.
        source: Box<QueryError>,
    },
    /// A limit of another kind.
    #[error(
        "budget \"{name}\": the limit {limit} and the metric {metric} are a span of time and a number"
    )]
    Kind {
        /// The budget.
        name: String,
        /// The limit.
        limit: String,
        /// The metric.
        metric: String,
    },
    /// There was nothing to measure.
    #[error("budget \"{name}\": no request of this trace can say {metric}")]
    Nothing {
        /// The budget.
        name: String,
        /// The metric.
        metric: String,
    },
    /// Too few runs.
    #[error(
        "budget \"{name}\" is on times, which takes {wanted} runs a side; there are {base} of base and {new} of new"
    )]
    Runs {
        /// The budget.
        name: String,
        /// How many it takes.
        wanted: usize,
        /// Runs of base.
        base: usize,
        /// Runs of new.
        new: usize,
    },
    /// Too many runs.
    #[error("{0} runs of one side; at most {DIFF_RUNS_A_SIDE_MAX} are compared")]
    TooManyRuns(usize),
    /// A number is too large.
    #[error("budget \"{name}\": {metric} is too large to be compared")]
    TooLarge {
        /// The budget.
        name: String,
        /// The metric.
        metric: String,
    },
}

impl BudgetError {
    /// The metric that is wrong with its place, as a compiler tells of one; `None` if it is not about that.
    pub fn shown(&self) -> Option<String> {
        match self {
            BudgetError::Metric { name, text, source } => {
                Some(format!("the metric of budget \"{name}\": {}", source.shown(text)))
            }
            _ => None,
        }
    }

    /// What to try.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            BudgetError::Runs { .. } => Some(
                "blkreplay diff --runs BASE-1 … BASE-5 -- NEW-1 … NEW-5  compares several runs of each",
            ),
            _ => None,
        }
    }
}

impl BudgetRule {
    /// The budget that `text` says, as `count(flush) <= +5%`. An error has its place in the text.
    pub fn parse(text: &str) -> Result<BudgetRule, QueryError> {
        let (metric, bound) = budget(text)?;
        let name = metric.clone();
        Ok(BudgetRule { name, metric, bounds: vec![bound], runs: RUNS_DEFAULT, at: None })
    }

    /// What it is held against, as it is written.
    pub fn limit(&self) -> String {
        let bounds: Vec<_> = self.bounds.iter().map(Bound::to_string).collect();
        bounds.join(", ")
    }

    /// Whether clocks decide it, so that it takes several runs.
    pub fn depends_on_time(&self) -> bool {
        Metric::anywhere(&self.metric).is_ok_and(|metric| metric.depends_on_time())
    }

    /// Holds runs of new against runs of base: of each what [`measure`] says of this budget.
    pub fn judge(&self, base: &[i128], new: &[i128]) -> Result<Budgeted, BudgetError> {
        if let Some(many) = [base, new].into_iter().find(|runs| runs.len() > DIFF_RUNS_A_SIDE_MAX) {
            return Err(BudgetError::TooManyRuns(many.len()));
        }
        let timing = self.depends_on_time();
        let wanted = if timing { self.runs.max(RUNS_MIN) } else { 1 };
        if base.len().min(new.len()) < wanted {
            let name = self.name.clone();
            let (base, new) = (base.len(), new.len());
            return Err(BudgetError::Runs { name, wanted, base, new });
        }
        let too_large =
            || BudgetError::TooLarge { name: self.name.clone(), metric: self.metric.clone() };
        let (base_twice, new_twice) = (median_twice(base), median_twice(new));
        let (base_twice, new_twice) = base_twice.zip(new_twice).ok_or_else(too_large)?;
        let (mut verdict, mut p) = (Budget::Kept, None);
        for (place, bound) in self.bounds.iter().enumerate() {
            let exceeded = bound.is_exceeded(base_twice, new_twice, 2).ok_or_else(too_large)?;
            let chance = timing.then(|| chance(bound, base, new, base_twice));
            let may_be_chance = chance.is_some_and(|p| p > SIGNIFICANT);
            let found = match (exceeded, may_be_chance) {
                (true, false) => Budget::Over,
                (true, true) => Budget::Unsure,
                // A change that may be chance is none; what is beyond no number is not.
                (false, true) if bound.is_of_change() => Budget::Unsure,
                (false, _) => Budget::Kept,
            };
            if place == 0 || weight(found) > weight(verdict) {
                (verdict, p) = (found, chance);
            }
        }
        Ok(Budgeted {
            name: self.name.clone(),
            metric: self.metric.clone(),
            unit: self.unit(),
            base: half(base_twice),
            new: half(new_twice),
            limit: self.limit(),
            verdict,
            p,
            runs: (base.len(), new.len()),
            at: self.at.clone(),
        })
    }

    /// Of what kind its figures are.
    fn unit(&self) -> Unit {
        match Metric::anywhere(&self.metric) {
            Ok(metric) if metric.is_span() => Unit::Time,
            Ok(metric) if metric.is_bytes() => Unit::Bytes,
            _ => Unit::Number,
        }
    }
}

/// How much it matters.
fn weight(verdict: Budget) -> u8 {
    match verdict {
        Budget::Kept => 0,
        Budget::Unsure => 1,
        Budget::Over => 2,
    }
}

/// A figure, of twice as much.
#[expect(
    clippy::cast_precision_loss,
    reason = "15 digits are enough to show; it was judged before"
)]
fn half(twice: i128) -> f64 {
    twice as f64 / 2.0
}

/// How likely it is by chance that runs of new are as they are.
fn chance(bound: &Bound, base: &[i128], new: &[i128], base_twice: i128) -> f64 {
    if bound.is_of_change() {
        return significance::rank_sum(base, new);
    }
    let beyond = |run: &&i128| {
        run.checked_mul(2).and_then(|twice| bound.is_exceeded(base_twice, twice, 2)) != Some(false)
    };
    significance::sign(new.iter().filter(beyond).count(), new.len())
}

/// Twice the median.
fn median_twice(runs: &[i128]) -> Option<i128> {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    let lower =
        if sorted.len().is_multiple_of(2) { sorted.get(middle.checked_sub(1)?)? } else { upper };
    upper.checked_add(*lower)
}

/// What a run says of each budget. The trace is gone over once.
pub fn measure(budgets: &[BudgetRule], run: &dyn RowSource) -> Result<Vec<i128>, DiffError> {
    let mut metrics = budgets.iter().map(|one| metric(one, run)).collect::<Result<Vec<_>, _>>()?;
    let needs: Vec<_> = metrics.iter_mut().map(|metric| metric.filter().needs()).collect();
    let mut totals: Vec<_> =
        metrics.iter_mut().map(|metric| metric.filter().first_pass()).collect();
    let mut rows = run.rows(needs.iter().any(|needs| needs.written))?;
    while let Some(row) = rows.next_row()? {
        for totals in &mut totals {
            totals.add(&row);
        }
    }
    let values = budgets.iter().zip(metrics.iter().zip(&totals));
    let value = |(budget, (metric, totals)): (&BudgetRule, (&Metric, _))| {
        metric.value(totals).ok_or_else(|| {
            let (name, metric) = (budget.name.clone(), budget.metric.clone());
            BudgetError::Nothing { name, metric }.into()
        })
    };
    values.map(value).collect()
}

/// The metric of a budget, for a run.
fn metric(budget: &BudgetRule, run: &dyn RowSource) -> Result<Metric, DiffError> {
    let wrong = |source: QueryError| BudgetError::Metric {
        name: budget.name.clone(),
        text: budget.metric.clone(),
        source: Box::new(source),
    };
    let mut metric = run.metric(&budget.metric).map_err(wrong)?;
    if let Some(bound) = budget.bounds.iter().find(|bound| !bound.fits(&metric)) {
        let (name, limit, metric) = (budget.name.clone(), bound.to_string(), budget.metric.clone());
        return Err(BudgetError::Kind { name, limit, metric }.into());
    }
    let filter = metric.filter();
    let times = filter.marks().map(|name| run.mark(name)).collect::<Result<Vec<_>, _>>()?;
    filter.settle_marks(&times).map_err(wrong)?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, base: &[i128], new: &[i128]) -> (Budget, Option<f64>) {
        let judged = BudgetRule::parse(text).unwrap().judge(base, new).unwrap();
        (judged.verdict, judged.p)
    }

    fn wrong(text: &str, base: &[i128], new: &[i128]) -> String {
        BudgetRule::parse(text).unwrap().judge(base, new).unwrap_err().to_string()
    }

    #[test]
    fn what_no_clock_decides_is_judged_by_one_run() {
        assert_eq!(judged("count(flush) <= +5%", &[100], &[105]), (Budget::Kept, None));
        assert_eq!(judged("count(flush) <= +5%", &[100], &[106]), (Budget::Over, None));
        assert_eq!(judged("count(flush) >= -5%", &[100], &[94]), (Budget::Over, None));
        assert_eq!(judged("sum(len) <= 1k", &[9999], &[1024]), (Budget::Kept, None));
        let one = BudgetRule::parse("count(flush) <= +5%").unwrap();
        let judged = one.judge(&[3, 9, 4, 8], &[6]).unwrap();
        assert_eq!(
            (judged.base, judged.new, judged.runs),
            (6.0, 6.0, (4, 1)),
            "of several, the median"
        );
    }

    #[test]
    fn every_bound_must_hold() {
        let mut both = BudgetRule::parse("count(flush) <= 10").unwrap();
        both.bounds.push(BudgetRule::parse("count(flush) >= 5").unwrap().bounds.remove(0));
        assert_eq!(both.limit(), "10, >= 5");
        let outcome = |new| both.judge(&[7], &[new]).unwrap().verdict;
        assert_eq!([4, 5, 10, 11].map(outcome), {
            use Budget::{Kept, Over};
            [Over, Kept, Kept, Over]
        });
    }

    #[test]
    fn times_take_several_runs_and_a_change_that_is_no_chance() {
        let text = "p99(lat) <= +10% && +200us";
        let us = |runs: [i128; 5]| runs.map(|run| run * 1000);
        let base = us([1000, 1010, 1020, 990, 1005]);
        let (outcome, p) = judged(text, &base, &us([1500, 1510, 1490, 1520, 1505]));
        assert_eq!(outcome, Budget::Over);
        assert!((p.unwrap() - 2.0 / 252.0).abs() < 1e-9);
        let (outcome, p) = judged(text, &base, &us([1500, 900, 950, 1510, 1400]));
        assert_eq!(outcome, Budget::Unsure, "1.4 ms, and it may be chance: {p:?}");
        assert_eq!(judged(text, &base, &us([1100, 1101, 1102, 1103, 1104])).0, Budget::Kept);
        assert_eq!(
            judged(text, &base, &base).0,
            Budget::Unsure,
            "nothing changed that is no chance"
        );
        assert_eq!(
            wrong(text, &base[..4], &base),
            "budget \"p99(lat)\" is on times, which takes 5 runs a side; there are 4 of base and 5 of new"
        );
        let mut more = BudgetRule::parse(text).unwrap();
        more.runs = 6;
        assert!(more.judge(&base, &base).is_err());
    }

    #[test]
    fn a_time_that_is_held_against_a_number_takes_as_many_runs_beyond_it() {
        let text = "max(lat) <= 5ms";
        let ms = |runs: [i128; 5]| runs.map(|run| run * 1_000_000);
        let base = ms([1; 5]);
        assert_eq!(judged(text, &base, &ms([6, 7, 8, 9, 6])).0, Budget::Over);
        assert_eq!(judged(text, &base, &ms([6, 7, 8, 4, 6])).0, Budget::Unsure, "4 of 5");
        assert_eq!(judged(text, &base, &ms([6, 7, 5, 4, 3])).0, Budget::Kept);
    }

    #[test]
    fn what_cannot_be_compared_is_trouble() {
        let many = vec![1; DIFF_RUNS_A_SIDE_MAX + 1];
        assert_eq!(
            wrong("count() <= 5", &many, &[1]),
            "33 runs of one side; at most 32 are compared"
        );
        assert!(wrong("count() <= 5", &[], &[1]).contains("takes 1 runs a side"));
        assert!(wrong("count() <= +5%", &[i128::MAX / 2], &[0]).contains("too large"));
    }
}
