//! Budgets that were judged, as rows of a table. Budgets come in, text goes out.

use blkreplay_core::diff::{Budget, Budgeted, Unit};
use blkreplay_core::units::{Nanos, Size};

use crate::output::printable;
use crate::words::Count;

/// `ok`, `OVER`, or `~` where it may be chance.
pub(super) fn sign(budget: &Budgeted) -> &'static str {
    match budget.verdict {
        Budget::Kept => "ok",
        Budget::Over => "OVER",
        Budget::Unsure => "~",
    }
}

/// Rows with aligned columns.
pub(super) fn rows(budgets: &[Budgeted]) -> Vec<String> {
    let cells: Vec<[String; 6]> = budgets.iter().map(cells).collect();
    let width =
        |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let columns = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("  {}", columns.collect::<Vec<_>>().join("  "))
    };
    cells.iter().map(line).collect()
}

fn cells(budget: &Budgeted) -> [String; 6] {
    [
        sign(budget).to_owned(),
        printable(&budget.name).into_owned(),
        figures(budget),
        change(budget),
        format!("limit {}", printable(&budget.limit)),
        notes(budget),
    ]
}

/// `12 → 13`.
pub(super) fn figures(budget: &Budgeted) -> String {
    format!("{} → {}", figure(budget.base, budget.unit), figure(budget.new, budget.unit))
}

fn figure(value: f64, unit: Unit) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let whole = value.round() as u64;
    match unit {
        Unit::Bytes => Size(whole).to_string(),
        Unit::Time => Nanos(whole).to_string(),
        Unit::Number if value.fract() == 0.0 => Count(whole).to_string(),
        Unit::Number => format!("{value:.3}"),
    }
}

/// `+8.3 %`; `new` from 0 to something.
pub(super) fn change(budget: &Budgeted) -> String {
    budget.change().map_or_else(|| "new".to_owned(), |part| format!("{:+.1} %", part * 100.0))
}

/// The odds, the runs, the place in the configuration.
pub(super) fn notes(budget: &Budgeted) -> String {
    let mut notes = Vec::new();
    if let Some(p) = budget.p {
        notes.push(format!("p={p:.2}"));
    }
    let (base, new) = budget.runs;
    if base > 1 || new > 1 {
        notes.push(format!("{base} + {new} runs"));
    }
    if budget.verdict == Budget::Unsure {
        notes.push("not significant".to_owned());
    }
    notes.extend(budget.at.as_ref().map(|at| printable(at).into_owned()));
    notes.join(", ")
}
