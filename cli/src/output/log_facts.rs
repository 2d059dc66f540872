//! What a QEMU log is and holds, in words and as JSON. A survey comes in, text goes out.
//!
//! Invariant: how sure the layout is, and whether the log is whole, is said first.

use std::io::{self, Write};
use std::path::Path;

use blkreplay_core::qemu::{Completed, Layout, Stop, Survey, Why};
use blkreplay_core::units::Size;
use serde::Serialize;

use super::printable;
use crate::words::{Count, counted};

/// The schema; its members are those that a log has.
const INFO_SCHEMA: &str = "blkreplay.info/1";

/// Writes the facts for people.
pub(crate) fn write_text(path: &Path, survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    let tally = &survey.tally;
    let state = if loss(survey).is_none() { "complete" } else { "NOT WHOLE" };
    writeln!(
        out,
        "{}  QEMU log  {state}  {}  {}  {}",
        printable(&path.display().to_string()),
        Size(survey.file_bytes),
        counted(tally.events, "event"),
        counted(tally.icount, "instruction"),
    )?;
    for (label, text) in describe(survey) {
        writeln!(out, "  {label:<11} {text}")?;
    }
    writeln!(out, "{:<28} {:>12}", "kind", "events")?;
    for (kind, count) in &tally.counts {
        writeln!(out, "{:<28} {:>12}", kind.name(), Count(*count))?;
    }
    Ok(())
}

/// Where events are missing; bytes behind the end are not.
fn loss(survey: &Survey) -> Option<&Stop> {
    survey.stop.as_ref().filter(|stop| stop.is_loss())
}

fn describe(survey: &Survey) -> Vec<(&'static str, String)> {
    let (layout, tally) = (survey.layout, &survey.tally);
    let version = match survey.header.version {
        0 => "none: the recording was not ended in order".to_owned(),
        version => format!("{version:#x}"),
    };
    let mut lines = vec![("version", version)];
    if survey.header.reserved != 0 {
        let reserved =
            format!("{:#018x} behind the version, where QEMU has zeroes", survey.header.reserved);
        lines.push(("reserved", reserved));
    }
    lines.push(("layout", format!("{}, {}", layout.label, survey.choice.name())));
    lines.push(("QEMU", layout.releases.to_owned()));
    if !survey.others.is_empty() {
        let label = |layout: &&'static Layout| layout.label;
        let others: Vec<_> = survey.others.iter().map(label).collect();
        lines.push(("fits too", others.join(", ")));
    }
    let blocks = &tally.blocks;
    let requests = match blocks.overtaken {
        _ if blocks.completions == 0 => "none completed".to_owned(),
        0 => format!("{} completed, in the order of their numbers", Count(blocks.completions)),
        overtaken => format!(
            "{} completed, {} behind one with a higher number",
            Count(blocks.completions),
            Count(overtaken)
        ),
    };
    lines.push(("requests", requests));
    for (label, completed) in [("first", blocks.first), ("last", blocks.last)] {
        lines.extend(completed.map(|completed| (label, describe_completed(completed))));
    }
    if tally.oddities > 0 {
        lines.push(("odd", format!("{} that QEMU never writes", counted(tally.oddities, "event"))));
    }
    lines
}

fn describe_completed(completed: Completed) -> String {
    let Completed { id, event, icount } = completed;
    format!("#{id} at event {}, {} in", Count(event), counted(icount, "instruction"))
}

#[derive(Debug, Serialize)]
struct InfoJson {
    schema: &'static str,
    path: String,
    format: &'static str,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<LossJson>,
    version: u32,
    layout: &'static str,
    layout_choice: &'static str,
    releases: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layouts_too: Vec<&'static str>,
    file_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    trailing_bytes: Option<u64>,
    events: u64,
    icount: u64,
    odd_events: u64,
    completions: u64,
    overtaken: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<CompletedJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<CompletedJson>,
    kinds: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Serialize)]
struct LossJson {
    at: u64,
    event: u64,
    icount: u64,
    text: String,
    meaning: &'static str,
}

#[derive(Debug, Serialize)]
struct CompletedJson {
    id: u64,
    event: u64,
    icount: u64,
}

impl From<Completed> for CompletedJson {
    fn from(Completed { id, event, icount }: Completed) -> CompletedJson {
        CompletedJson { id, event, icount }
    }
}

/// Writes the facts for programs, on one line.
pub(crate) fn write_json(path: &Path, survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    let tally = &survey.tally;
    let kinds = tally.counts.iter().map(|(kind, count)| (kind.name().to_owned(), (*count).into()));
    let loss = loss(survey).map(|stop| LossJson {
        at: stop.at,
        event: stop.event,
        icount: stop.icount,
        text: stop.why.to_string(),
        meaning: stop.meaning(),
    });
    let info = InfoJson {
        schema: INFO_SCHEMA,
        path: path.display().to_string(),
        format: "qemu-log",
        complete: loss.is_none(),
        loss,
        version: survey.header.version,
        layout: survey.layout.label,
        layout_choice: survey.choice.name(),
        releases: survey.layout.releases,
        layouts_too: survey.others.iter().map(|layout| layout.label).collect(),
        file_bytes: survey.file_bytes,
        trailing_bytes: match survey.stop.map(|stop| stop.why) {
            Some(Why::Trailing { bytes }) => Some(bytes),
            _ => None,
        },
        events: tally.events,
        icount: tally.icount,
        odd_events: tally.oddities,
        completions: tally.blocks.completions,
        overtaken: tally.blocks.overtaken,
        first: tally.blocks.first.map(CompletedJson::from),
        last: tally.blocks.last.map(CompletedJson::from),
        kinds: kinds.collect(),
    };
    serde_json::to_writer(&mut *out, &info)?;
    writeln!(out)
}
