//! What each part of a trace costs, as text and as JSON. A survey comes in, rows go out.
//!
//! Invariant: the parts add up to the whole file, as far as it was walked.

use std::io::{self, Write};

use blkreplay_core::format::{Column, ColumnCosts, Survey};
use blkreplay_core::units::Size;
use serde::Serialize;

/// A part, with its share of the file and what it costs a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PartJson {
    name: &'static str,
    bytes: u64,
    /// Of the file, 0 to 1; of the columns, for a column.
    share: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_request: Option<f64>,
}

/// The parts of the file, in the order in which they first occur in one.
pub(crate) fn parts(survey: &Survey) -> Vec<PartJson> {
    let parts = survey.facts.parts();
    let rows = [
        ("file header", parts.file_header),
        ("chunk headers", parts.chunk_headers),
        ("summaries", parts.summaries),
        ("events", parts.events),
        ("payload data", parts.payload_data),
        ("payload tables", parts.payload_tables),
        ("index", parts.index),
    ];
    rated(&rows, survey.facts.file_bytes, survey)
}

/// The columns of all chunks together.
pub(crate) fn columns(costs: &ColumnCosts, survey: &Survey) -> Vec<PartJson> {
    let columns = Column::NAMES.iter().zip(costs.columns);
    let mut rows: Vec<_> = columns.map(|((_, name), cost)| (*name, cost.packed)).collect();
    rows.insert(0, ("lists of columns", costs.directories));
    let all = rows.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add);
    rated(&rows, all, survey)
}

/// The rows that are not empty.
#[expect(clippy::cast_precision_loss, reason = "few digits are printed")]
fn rated(rows: &[(&'static str, u64)], whole: u64, survey: &Survey) -> Vec<PartJson> {
    let requests = survey.facts.operations.total().issues;
    let there = rows.iter().filter(|(_, bytes)| *bytes > 0);
    let rated = there.map(|(name, bytes)| PartJson {
        name,
        bytes: *bytes,
        share: *bytes as f64 / whole.max(1) as f64,
        bytes_per_request: (requests > 0).then(|| *bytes as f64 / requests as f64),
    });
    rated.collect()
}

/// Writes the parts for people.
pub(crate) fn write_text(survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    write_rows("part", &parts(survey), out)
}

/// Writes the columns for people.
pub(crate) fn write_columns(
    costs: &ColumnCosts,
    survey: &Survey,
    out: &mut impl Write,
) -> io::Result<()> {
    write_rows("column", &columns(costs, survey), out)
}

fn write_rows(title: &str, rows: &[PartJson], out: &mut impl Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title:<17} {:>10} {:>7} {:>10}", "size", "share", "a request")?;
    for PartJson { name, bytes, share, bytes_per_request } in rows {
        let size = Size(*bytes).to_string();
        let each = bytes_per_request.map_or_else(|| "-".to_owned(), |each| format!("{each:.2}"));
        writeln!(out, "{name:<17} {size:>10} {:>6.1}% {each:>10}", share * 100.0)?;
    }
    Ok(())
}
