//! What a trace is and holds, as text and as JSON. A survey comes in, lines go out.
//!
//! Invariant: both forms say the same, and neither needs the body of a chunk.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use blkreplay_core::format::{
    ColumnCosts, DeviceHeader, Edits, ExportHeader, FingerprintMethod, HeaderWorth, LimitsHeader,
    PayloadPolicy, RecoveredHeader, ReplayHeader, Survey,
};
use blkreplay_core::units::Size;
use jiff::Timestamp;
use serde::Serialize;

use super::parts::{self, PartJson};
use super::printable;
use super::provenance;
use crate::words::{Count, counted, shell_word};

/// The schema of the facts.
const INFO_SCHEMA: &str = "blkreplay.info/1";

/// Writes the facts for people.
pub(crate) fn write_text(
    path: &Path,
    survey: &Survey,
    costs: Option<&ColumnCosts>,
    out: &mut impl Write,
) -> io::Result<()> {
    let facts = &survey.facts;
    let requests = facts.operations.total().issues;
    let state = if survey.loss.is_none() { "complete" } else { "NOT WHOLE" };
    writeln!(
        out,
        "{}  {state}  {}  {}  {}",
        printable(&path.display().to_string()),
        Size(facts.file_bytes),
        counted(requests, "request"),
        facts.time_last,
    )?;
    for (label, text) in describe(survey) {
        writeln!(out, "  {label:<11} {text}")?;
    }
    write_operations(survey, out)?;
    let Some(costs) = costs else { return Ok(()) };
    parts::write_text(survey, out)?;
    parts::write_columns(costs, survey, out)
}

/// What there is to say besides numbers, each with its label.
fn describe(survey: &Survey) -> Vec<(&'static str, String)> {
    let (header, facts) = (&survey.header, &survey.facts);
    let mut lines = Vec::new();
    let when = recorded_at(header.wall_clock_ns).unwrap_or_else(|| "at an unknown time".to_owned());
    lines.push(("recorded", format!("{when} by {}", printable(&header.tool))));
    if let Some(recovered) = &header.recovered {
        lines.push(("recovered", describe_recovered(recovered)));
    }
    if let Some(replay) = &header.replay {
        let (of, order) = (printable(&replay.of), printable(&replay.order));
        lines.push(("replay", format!("of {of}, --order {order}")));
    }
    lines.extend(provenance::lines(&header.edits));
    if !header.command.is_empty() {
        let words: Vec<_> = header.command.iter().map(shell_word).collect();
        lines.push(("command", printable(&words.join(" ")).into_owned()));
    }
    if let Some(status) = survey.status {
        lines.push(("status", format!("{status}, of the recorded command")));
    }
    for device in &header.devices {
        lines.push(("device", describe_device(device)));
    }
    for export in &header.exports {
        lines.push(("export", describe_export(export, &header.devices)));
    }
    lines.push(("payload", describe_payload(header.payload).to_owned()));
    lines.push((
        "events",
        format!(
            "{} in {}; {} in all",
            counted(facts.events, "event"),
            Size(facts.events_bytes),
            counted(facts.chunks, "chunk"),
        ),
    ));
    if facts.lost > 0 {
        lines.push((
            "dropped",
            format!("{} that are missing between the others", counted(facts.lost, "event")),
        ));
    }
    if facts.marks > 0 {
        lines.push(("marks", format!("{}", Count(facts.marks))));
    }
    if let Some(each) = bytes_per_request(survey) {
        lines.push(("request", format!("{each:.1} bytes each, without data")));
    }
    if facts.payloads > 0 {
        let (raw, stored) = (Size(facts.payload_bytes_raw), Size(facts.payload_bytes));
        lines.push((
            "data",
            format!("{}, {raw}, stored in {stored}", counted(facts.payloads, "payload")),
        ));
    }
    lines
}

fn describe_device(device: &DeviceHeader) -> String {
    let [name, format, image] =
        [&device.name, &device.format, &device.image].map(|text| printable(text));
    let access = if device.read_only { "  read-only" } else { "" };
    let fingerprint = device.fingerprint.digest.map_or_else(
        || "no fingerprint".to_owned(),
        |digest| format!("{} {digest}", method_name(device.fingerprint.method)),
    );
    let image = if image.is_empty() { String::new() } else { format!(" {image}") };
    format!("{name}  {}  {format} image{image}{access}  {fingerprint}", Size(device.size))
}

fn describe_recovered(recovered: &RecoveredHeader) -> String {
    let worth = match recovered.header {
        HeaderWorth::Whole => "",
        HeaderWorth::Unverified => "; what is said here is not verified",
        HeaderWorth::Rebuilt => "; what is said here was made from the events",
    };
    format!("from {} by {}{worth}", Size(recovered.bytes), printable(&recovered.tool))
}

fn method_name(method: FingerprintMethod) -> &'static str {
    let named = FingerprintMethod::NAMES.iter().find(|(named, _)| *named == method);
    named.map_or("", |(_, name)| name)
}

fn describe_export(export: &ExportHeader, devices: &[DeviceHeader]) -> String {
    let names: Vec<_> =
        export.names.iter().map(|name| format!("\"{}\"", printable(name))).collect();
    let device = devices.get(usize::from(export.device));
    let device = device.map_or("?".into(), |device| printable(&device.name));
    format!("{} of {device}", names.join(" "))
}

fn describe_payload(policy: PayloadPolicy) -> &'static str {
    match policy {
        PayloadPolicy::None => "none: nothing can be verified",
        PayloadPolicy::Hash => "hash: digests of what was read and written",
        PayloadPolicy::Write => "write: digests, and the data of writes",
        PayloadPolicy::All => "all: digests, and the data of reads and writes",
    }
}

fn write_operations(survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    if survey.facts.operations.iter().next().is_none() {
        return Ok(());
    }
    writeln!(
        out,
        "{:<12} {:>10} {:>10} {:>8} {:>10}",
        "op", "requests", "completed", "errors", "bytes"
    )?;
    for (operation, count) in survey.facts.operations.iter() {
        let bytes = if count.bytes == 0 { "-".to_owned() } else { Size(count.bytes).to_string() };
        writeln!(
            out,
            "{:<12} {:>10} {:>10} {:>8} {bytes:>10}",
            operation,
            Count(count.issues),
            Count(count.completions),
            Count(count.errors),
        )?;
    }
    Ok(())
}

/// Bytes of chunks of events for each request; `None` without one.
fn bytes_per_request(survey: &Survey) -> Option<f64> {
    let requests = survey.facts.operations.total().issues;
    #[expect(clippy::cast_precision_loss, reason = "one digit behind the point is printed")]
    (requests > 0).then(|| survey.facts.events_bytes as f64 / requests as f64)
}

/// The wall clock at time 0, in UTC and whole seconds; `None` if nobody knows it, or no calendar has it.
pub(crate) fn recorded_at(wall_clock_ns: u64) -> Option<String> {
    if wall_clock_ns == 0 {
        return None;
    }
    let seconds = i64::try_from(wall_clock_ns / 1_000_000_000).ok()?;
    Some(Timestamp::from_second(seconds).ok()?.to_string())
}

#[derive(Debug, Serialize)]
struct InfoJson<'survey> {
    schema: &'static str,
    path: String,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<LossJson>,
    uuid: String,
    tool: &'survey str,
    command: &'survey [String],
    wall_clock_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u8>,
    payload: PayloadPolicy,
    devices: &'survey [DeviceHeader],
    exports: &'survey [ExportHeader],
    limits: LimitsHeader,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<&'survey RecoveredHeader>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<&'survey ReplayHeader>,
    #[serde(flatten)]
    edits: &'survey Edits,
    requests: u64,
    events: u64,
    events_lost: u64,
    marks: u64,
    duration: u64,
    chunks: u64,
    file_bytes: u64,
    events_bytes: u64,
    payloads: u64,
    payload_bytes: u64,
    payload_bytes_raw: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_request: Option<f64>,
    operations: BTreeMap<&'static str, OperationJson>,
    parts: Vec<PartJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<PartJson>>,
}

#[derive(Debug, Serialize)]
struct LossJson {
    offset: u64,
    bytes_unread: u64,
    text: String,
}

#[derive(Debug, Serialize)]
struct OperationJson {
    requests: u64,
    completed: u64,
    errors: u64,
    bytes: u64,
}

/// Writes the facts for programs, on one line.
pub(crate) fn write_json(
    path: &Path,
    survey: &Survey,
    costs: Option<&ColumnCosts>,
    out: &mut impl Write,
) -> io::Result<()> {
    let (header, facts) = (&survey.header, &survey.facts);
    let loss = survey.loss.as_ref().map(|loss| LossJson {
        offset: loss.offset,
        bytes_unread: loss.bytes_unread,
        text: loss.to_string(),
    });
    let operations = facts.operations.iter().map(|(operation, count)| {
        let completed = count.completions;
        let (requests, errors, bytes) = (count.issues, count.errors, count.bytes);
        (operation.name(), OperationJson { requests, completed, errors, bytes })
    });
    let info = InfoJson {
        schema: INFO_SCHEMA,
        path: path.display().to_string(),
        complete: loss.is_none(),
        loss,
        uuid: uuid_text(survey.uuid),
        tool: &header.tool,
        command: &header.command,
        wall_clock_ns: header.wall_clock_ns,
        recorded_at: recorded_at(header.wall_clock_ns),
        status: survey.status,
        payload: header.payload,
        devices: &header.devices,
        exports: &header.exports,
        limits: header.limits,
        recovered: header.recovered.as_ref(),
        replay: header.replay.as_ref(),
        edits: &header.edits,
        requests: facts.operations.total().issues,
        events: facts.events,
        events_lost: facts.lost,
        marks: facts.marks,
        duration: facts.time_last.0,
        chunks: facts.chunks,
        file_bytes: facts.file_bytes,
        events_bytes: facts.events_bytes,
        payloads: facts.payloads,
        payload_bytes: facts.payload_bytes,
        payload_bytes_raw: facts.payload_bytes_raw,
        bytes_per_request: bytes_per_request(survey),
        operations: operations.collect(),
        parts: parts::parts(survey),
        columns: costs.map(|costs| parts::columns(costs, survey)),
    };
    serde_json::to_writer(&mut *out, &info)?;
    writeln!(out)
}

/// Groups of hex digits, as UUIDs are printed.
pub(crate) fn uuid_text(uuid: u128) -> String {
    let digits = format!("{uuid:032x}");
    let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_printed_in_utc() {
        assert_eq!(recorded_at(1_790_000_000_123_456_789).unwrap(), "2026-09-21T14:13:20Z");
        assert_eq!(recorded_at(1).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(recorded_at(0), None);
        assert!(recorded_at(u64::MAX).is_some());
    }

    #[test]
    fn uuids_are_printed_in_groups() {
        assert_eq!(
            uuid_text(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
    }
}
