//! The statistics of several traces, side by side, for people. Totals come in, a line for each number goes out.
//!
//! Invariant: each change is against the first trace, and a number that is not there is a dash, never 0.

use std::io::{self, Write};

use anstyle::Style;
use blkreplay_core::request::Operation;
use blkreplay_core::units::{Nanos, Size};
use blkreplay_core::view::stats::{Spread, Stats, Tally, rate};

use super::{Counted, Look, by, fraction, text};
use crate::output::printable;
use crate::words::Count;

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Count,
    Bytes,
    Span,
    Percent,
    Rate,
    MibRate,
}

/// A number to be compared.
struct Line {
    label: String,
    unit: Unit,
    values: Vec<Option<f64>>,
}

/// Writes the numbers of all traces.
pub(crate) fn write(traces: &[&Counted], look: Look, out: &mut impl Write) -> io::Result<()> {
    for counted in traces {
        writeln!(out, "{}", text::title(counted))?;
    }
    let names: Vec<_> = traces.iter().map(|counted| short_name(counted)).collect();
    let lines = lines(traces);
    let label = lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0);
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(10);
    let heading = if look.colored { Style::new().bold() } else { Style::new() };
    write!(out, "\n{heading}{:<label$}", "")?;
    for (place, name) in names.iter().enumerate() {
        write!(out, " {name:>width$}{}", if place > 0 { "   change" } else { "" })?;
    }
    writeln!(out, "{heading:#}")?;
    for line in lines {
        write!(out, "{:<label$}", line.label)?;
        for (place, value) in line.values.iter().enumerate() {
            let shown = value.map_or_else(|| "-".to_owned(), |value| line.unit.show(value));
            write!(out, " {shown:>width$}")?;
            if place > 0 {
                write!(out, " {:>8}", change(line.values[0], *value))?;
            }
        }
        writeln!(out)?;
    }
    for counted in traces {
        if let Some(by) = &counted.by {
            writeln!(out, "\n{}", printable(&counted.name.display().to_string()))?;
            by::write(by, &counted.devices, look, out)?;
        }
    }
    Ok(())
}

/// The name of the file, as far as it fits.
fn short_name(counted: &Counted) -> String {
    const LONGEST: usize = 18;
    let name = counted.name.file_name().unwrap_or(counted.name.as_os_str()).to_string_lossy();
    printable(&name).chars().take(LONGEST).collect()
}

impl Unit {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was made of such a number"
    )]
    fn show(self, value: f64) -> String {
        match self {
            Unit::Count => Count(value.round() as u64).to_string(),
            Unit::Bytes => Size(value.round() as u64).to_string(),
            Unit::Span => Nanos(value.round() as u64).to_string(),
            Unit::Percent => format!("{value:.0}%"),
            Unit::Rate => format!("{value:.0}/s"),
            Unit::MibRate => format!("{value:.1} MiB/s"),
        }
    }
}

/// By how much a number differs from the first one, in percent.
fn change(first: Option<f64>, value: Option<f64>) -> String {
    let (Some(first), Some(value)) = (first, value) else { return "-".to_owned() };
    // Both were made of whole numbers in the same way.
    if value.to_bits() == first.to_bits() {
        return "=".to_owned();
    }
    if first <= 0.0 {
        return "new".to_owned();
    }
    let change = (value - first) / first * 100.0;
    if change.abs() < 0.05 { "+-0.0%".to_owned() } else { format!("{change:+.1}%") }
}

fn lines(traces: &[&Counted]) -> Vec<Line> {
    let all = |label: &str, unit, of: &dyn Fn(&Stats) -> Option<f64>| Line {
        label: label.to_owned(),
        unit,
        values: traces.iter().map(|counted| of(&counted.stats)).collect(),
    };
    let mut lines = vec![
        all("requests", Unit::Count, &|stats| number(stats.sum(|tally| tally.requests))),
        all("errors", Unit::Count, &|stats| number(stats.sum(|tally| tally.errors))),
        all("time", Unit::Span, &|stats| number(stats.pace().span().0)),
        all("busy", Unit::Span, &|stats| number(stats.pace().busy().0)),
        all("requests", Unit::Rate, &|stats| {
            rate(stats.sum(|tally| tally.completed), stats.pace().span())
        }),
        all("data", Unit::MibRate, &|stats| {
            rate(stats.pace().moved(), stats.pace().span()).map(|rate| rate / f64::from(1 << 20))
        }),
        all("depth p50", Unit::Count, &|stats| stats.depth().quantile(0.5).and_then(number)),
        all("depth max", Unit::Count, &|stats| stats.depth().max().and_then(number)),
    ];
    for (operation, name) in Operation::NAMES {
        if traces.iter().any(|counted| counted.stats.of(operation).requests > 0) {
            lines.extend(operation_lines(traces, operation, name));
        }
    }
    lines.extend([
        all("flushes redundant", Unit::Count, &|stats| number(stats.discipline().redundant)),
        all("at risk mean", Unit::Bytes, &|stats| {
            stats.discipline().at_risk.mean().and_then(number)
        }),
        all("at risk max", Unit::Bytes, &|stats| stats.discipline().at_risk.max().and_then(number)),
        all("rewritten", Unit::Bytes, &|stats| number(stats.discipline().rewritten)),
        all("touched", Unit::Bytes, &|stats| number(stats.touched().either)),
    ]);
    lines.retain(|line| line.values.iter().any(|value| value.is_some_and(|value| value != 0.0)));
    lines
}

fn operation_lines(traces: &[&Counted], operation: Operation, name: &str) -> Vec<Line> {
    let of = |label: &str, unit, of: &dyn Fn(&Tally) -> Option<f64>| Line {
        label: format!("{name} {label}"),
        unit,
        values: traces.iter().map(|counted| of(counted.stats.of(operation))).collect(),
    };
    let at = |spread: &Spread, fraction| spread.quantile(fraction).and_then(number);
    vec![
        of("count", Unit::Count, &|tally| number(tally.requests)),
        of("bytes", Unit::Bytes, &|tally| number(tally.bytes)),
        of("p50", Unit::Span, &|tally| at(&tally.latency, 0.5)),
        of("p90", Unit::Span, &|tally| at(&tally.latency, 0.9)),
        of("p99", Unit::Span, &|tally| at(&tally.latency, 0.99)),
        of("max", Unit::Span, &|tally| tally.latency.max().and_then(number)),
        of("seq", Unit::Percent, &|tally| {
            fraction(tally.places.sequential, tally.places.followed).map(|part| part * 100.0)
        }),
        of("4k-aligned", Unit::Percent, &|tally| {
            fraction(tally.places.aligned_4096, tally.places.ranged).map(|part| part * 100.0)
        }),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "few digits are printed")]
#[expect(clippy::unnecessary_wraps, reason = "where numbers may be missing, one is there")]
fn number(value: u64) -> Option<f64> {
    Some(value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_percent_of_the_first() {
        for (first, value, text) in [
            (Some(100.0), Some(150.0), "+50.0%"),
            (Some(100.0), Some(99.0), "-1.0%"),
            (Some(100.0), Some(100.0), "="),
            (Some(0.0), Some(0.0), "="),
            (Some(0.0), Some(1.0), "new"),
            (Some(100_000.0), Some(100_001.0), "+-0.0%"),
            (None, Some(1.0), "-"),
            (Some(1.0), None, "-"),
        ] {
            assert_eq!(change(first, value), text);
        }
    }
}
