//! Two sides as rules leave them, and what runs of both cost. Sides and rules in, sides and judged budgets out.
//!
//! Invariant: a rule that meant nothing on either side is told of; a run that is not whole is not measured.

use std::path::{Path, PathBuf};

use blkreplay_core::diff::{
    self, BudgetError, Budgeted, DiffError, RowSource, RuledSide, Side, TraceRows, Which,
};

use super::pair::{opener, survey};
use super::settle::{self, Settled};
use super::{texts, trouble, whole};
use crate::failure::Failure;
use crate::output::diff::Pair;
use crate::trace::Damage;

/// The rows of what is at a path: a trace, or canonical text.
pub(super) fn rows(path: &Path, damage: Damage) -> Result<Box<dyn RowSource>, DiffError> {
    if texts::is_text(path).map_err(|failure| DiffError::Again(failure.to_string().into()))? {
        return texts::rows(path);
    }
    let rows = TraceRows::new(opener(path.to_owned()))?;
    Ok(Box::new(if damage == Damage::Allowed { rows.allowing_loss() } else { rows }))
}

/// Hands two sides as rules leave them to `with`.
pub(super) fn under<T>(
    sides: [&dyn Side; 2],
    sources: [&dyn RowSource; 2],
    settled: &Settled,
    pair: &mut Pair,
    with: impl FnOnce(&dyn Side, &dyn Side, &mut Pair) -> Result<T, DiffError>,
) -> Result<T, DiffError> {
    if settled.rules.is_empty() {
        return with(sides[0], sides[1], pair);
    }
    let ruled = |place: usize, which| {
        RuledSide::new(sides[place], sources[place], &settled.rules)
            .map_err(|error| error.of(which))
    };
    let (base, new) = (ruled(0, Which::Base)?, ruled(1, Which::New)?);
    pair.warnings.extend(settle::unused(&settled.rules, [base.meant(), new.meant()]));
    pair.left_out = [base.meant().left_out, new.meant().left_out];
    with(&base, &new, pair)
}

/// Judges runs of both sides by budgets.
pub(super) fn judge(settled: &Settled, runs: [&[PathBuf]; 2]) -> Result<Vec<Budgeted>, Failure> {
    if settled.budgets.is_empty() {
        return Ok(Vec::new());
    }
    let measured = |side: &[PathBuf]| {
        let run = |path: &PathBuf| {
            refuse_part(path)?;
            let measured = rows(path, Damage::Refused)
                .and_then(|rows| diff::measure(&settled.budgets, rows.as_ref()));
            measured.map_err(|error| {
                trouble::of_comparison(error.of(Which::Base), [path.as_path(), path.as_path()])
            })
        };
        side.iter().map(run).collect::<Result<Vec<_>, _>>()
    };
    let measured = [measured(runs[0])?, measured(runs[1])?];
    let judge = |(place, budget): (usize, &diff::BudgetRule)| {
        let of = |side: usize| measured[side].iter().map(|run| run[place]).collect::<Vec<_>>();
        budget.judge(&of(0), &of(1)).map_err(|error| too_few(error, budget))
    };
    settled.budgets.iter().enumerate().map(judge).collect()
}

/// Refuses a run that is not whole: it would have cost more.
fn refuse_part(path: &Path) -> Result<(), Failure> {
    if texts::is_text(path)? {
        return Ok(());
    }
    whole::refuse_loss(&survey(path)?, path)
        .map_err(|failure| failure.hint("a budget is of whole runs"))
}

fn too_few(error: BudgetError, budget: &diff::BudgetRule) -> Failure {
    let hint = error.hint();
    let failure = match &budget.at {
        Some(at) => Failure::because(at.as_str(), error),
        None => Failure::of(error),
    };
    hint.into_iter().fold(failure.coded("budget"), Failure::hint)
}
