//! What became of a QEMU log that was recovered, as lines and as JSON. An account comes in, text goes out.
//!
//! Invariant: both forms say the same.

use std::io::{self, Write};
use std::path::Path;

use blkreplay_core::qemu::LogRecovery;
use blkreplay_core::units::Size;
use serde::Serialize;

use crate::printer::Printer;
use crate::words::{counted, shell_word};

/// The schema; its members are those that a log has.
const SCHEMA: &str = "blkreplay.recover/1";

#[derive(Debug, Serialize)]
struct RecoveryJson {
    schema: &'static str,
    path: String,
    output: String,
    format: &'static str,
    layout: &'static str,
    version: u32,
    version_found: u32,
    version_restored: bool,
    events: u64,
    icount: u64,
    events_dropped: u64,
    bytes: u64,
    bytes_lost: u64,
    end_added: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layouts_too: Vec<&'static str>,
}

/// Tells what became of the log `name`.
pub(crate) fn tell(
    name: &Path,
    output: &Path,
    recovery: &LogRecovery,
    json: bool,
    out: &mut impl Write,
    printer: &Printer,
) -> io::Result<()> {
    say(name, output, recovery, printer);
    if !json {
        return Ok(());
    }
    let survey = &recovery.survey;
    let object = RecoveryJson {
        schema: SCHEMA,
        path: name.display().to_string(),
        output: output.display().to_string(),
        format: "qemu-log",
        layout: survey.layout.label,
        version: survey.layout.version,
        version_found: survey.header.version,
        version_restored: recovery.version_restored,
        events: recovery.kept.events,
        icount: recovery.kept.icount,
        events_dropped: recovery.events_dropped(),
        bytes: recovery.bytes,
        bytes_lost: recovery.bytes_lost,
        end_added: recovery.ended,
        stopped_at: survey.stop.map(|stop| stop.at),
        text: survey.stop.map(|stop| stop.to_string()),
        layouts_too: survey.others.iter().map(|layout| layout.label).collect(),
    };
    serde_json::to_writer(&mut *out, &object)?;
    writeln!(out)
}

fn say(name: &Path, output: &Path, recovery: &LogRecovery, printer: &Printer) {
    let survey = &recovery.survey;
    if let Some(stop) = &survey.stop {
        printer.warn(format_args!("{}: {stop}: {}", name.display(), stop.meaning()));
    }
    let (events, size) = (counted(recovery.kept.events, "event"), Size(recovery.bytes));
    let instructions = counted(recovery.kept.icount, "instruction");
    let kept = format_args!("{}  {events}  {instructions}  {size}", output.display());
    printer.say("recovered", kept);
    if recovery.was_whole() {
        printer.say("lost", format_args!("nothing: {} is whole", name.display()));
    } else if recovery.lost_something() {
        printer.say("lost", lost(recovery));
    } else if recovery.bytes_lost > 0 {
        printer.say(
            "lost",
            format_args!("{} behind the end, which QEMU ignores", Size(recovery.bytes_lost)),
        );
    } else {
        printer.say("lost", "nothing");
    }
    let layout = survey.layout;
    let mut added = Vec::new();
    if recovery.version_restored {
        added.push(format!("version {:#x}, of layout {}", layout.version, layout.label));
    }
    if recovery.ended {
        added.push("a shutdown and an end: a replay goes to there and ends".to_owned());
    }
    if !added.is_empty() {
        printer.say("added", added.join("; "));
    }
    if recovery.version_restored && !survey.others.is_empty() {
        let others: Vec<_> = survey.others.iter().map(|layout| layout.label).collect();
        printer.detail(format_args!(
            "if QEMU refuses the version: {} fit as well, with --qemu-layout",
            others.join(", ")
        ));
    }
    printer.say("next", format_args!("blkreplay check {}", shell_word(output)));
}

/// What is lost of a log that was cut.
fn lost(recovery: &LogRecovery) -> String {
    let at = recovery.survey.stop.map_or(0, |stop| stop.at);
    let before = match recovery.events_dropped() {
        0 => String::new(),
        dropped => {
            let events = counted(dropped, "event");
            format!(", and {events} before it, which QEMU cannot replay without it")
        }
    };
    let unread = match recovery.survey.file_bytes.saturating_sub(at) {
        0 => String::new(),
        bytes => format!("; {} cannot be read", Size(bytes)),
    };
    format!("what came behind byte {at}{before}{unread}")
}
