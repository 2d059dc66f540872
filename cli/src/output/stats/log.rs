//! The statistics of a QEMU log, in words and as JSON. A survey comes in, text goes out.
//!
//! Invariant: what a log cannot tell is named, not left out in silence.

use std::io::{self, Write};
use std::path::Path;

use blkreplay_core::qemu::Survey;
use serde::Serialize;

use super::json::STATS_SCHEMA;
use crate::output::printable;
use crate::words::{Count, counted};

/// What QEMU does not write down.
const UNKNOWN: [&str; 7] =
    ["operations", "offsets", "lengths", "data", "times", "results", "epochs"];

fn is_whole(survey: &Survey) -> bool {
    !survey.stop.as_ref().is_some_and(blkreplay_core::qemu::Stop::is_loss)
}

/// Writes the statistics for people.
pub(crate) fn write_text(path: &Path, survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    let tally = &survey.tally;
    let state = if is_whole(survey) { "" } else { "  NOT WHOLE" };
    writeln!(
        out,
        "{}  QEMU log{state}  {}  {}",
        printable(&path.display().to_string()),
        counted(tally.events, "event"),
        counted(tally.icount, "instruction"),
    )?;
    writeln!(out, "{:<28} {:>12} {:>6}", "kind", "events", "%")?;
    for (kind, count) in &tally.counts {
        let share = super::percent(*count, tally.events);
        writeln!(out, "{:<28} {:>12} {share:>6}", kind.name(), Count(*count))?;
    }
    let blocks = &tally.blocks;
    writeln!(
        out,
        "  {:<11} {} completed, {} of them behind one with a higher number",
        "requests",
        Count(blocks.completions),
        Count(blocks.overtaken)
    )?;
    if let (Some(first), Some(last)) = (blocks.first, blocks.last) {
        let span = last.icount.saturating_sub(first.icount);
        writeln!(
            out,
            "  {:<11} {} from the first to the last",
            "span",
            counted(span, "instruction")
        )?;
    }
    writeln!(out, "  {:<11} {}: a QEMU log does not have them", "unknown", UNKNOWN.join(", "))
}

#[derive(Debug, Serialize)]
struct LogJson {
    schema: &'static str,
    path: String,
    format: &'static str,
    complete: bool,
    events: u64,
    icount: u64,
    completions: u64,
    overtaken: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    icount_span: Option<u64>,
    kinds: serde_json::Map<String, serde_json::Value>,
    unknown: [&'static str; 7],
}

/// Writes the statistics for programs, on one line.
pub(crate) fn write_json(path: &Path, survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    let tally = &survey.tally;
    let blocks = &tally.blocks;
    let kinds = tally.counts.iter().map(|(kind, count)| (kind.name().to_owned(), (*count).into()));
    let ends = blocks.first.zip(blocks.last);
    let log = LogJson {
        schema: STATS_SCHEMA,
        path: path.display().to_string(),
        format: "qemu-log",
        complete: is_whole(survey),
        events: tally.events,
        icount: tally.icount,
        completions: blocks.completions,
        overtaken: blocks.overtaken,
        icount_span: ends.map(|(first, last)| last.icount.saturating_sub(first.icount)),
        kinds: kinds.collect(),
        unknown: UNKNOWN,
    };
    serde_json::to_writer(&mut *out, &log)?;
    writeln!(out)
}
