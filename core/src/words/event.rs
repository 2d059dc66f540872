//! An event in words: what it carries, and the line that tells it. Events of traces and of QEMU logs come in, text goes out.
//!
//! Columns have fixed widths, because what follows is not known. Invariant: a value that is wider than its column is told whole.

use crate::event::{Block, Connect, Event, EventKind, Issue, Payload};
use crate::qemu::{Layout, LogEvent};
use crate::request::{Extent, Operation};
use crate::units::Nanos;

use super::{Devices, guest, printable};

/// A line about an event of a trace: its index, its time, its kind, and what it carries.
pub fn line(index: u64, event: &Event, devices: &Devices) -> String {
    line_of(index, event, &words(&event.kind, devices))
}

/// The same of an event whose [`words`] are known.
pub fn line_of(index: u64, event: &Event, words: &str) -> String {
    let (time, kind) = (seconds(event.time), event.kind.name());
    format!("{index:>7} {time:>10} {kind:<10} {words}").trim_end().to_owned()
}

/// A line about an event of a log: its index, its byte, instructions executed, its kind, and what it carries.
pub fn log_line(event: &LogEvent, kind: &EventKind, layout: &Layout) -> String {
    log_line_of(event, kind, &log_event_words(event, kind, layout))
}

/// The same of an event whose [`log_event_words`] are known.
pub fn log_line_of(event: &LogEvent, kind: &EventKind, words: &str) -> String {
    let LogEvent { index, at, icount, .. } = event;
    let line = format!("{index:>9} {at:>10} {icount:>12} {:<19} {words}", kind.name());
    line.trim_end().to_owned()
}

/// What an event of a log carries, and at which checkpoint it was released, in layouts that say so.
pub fn log_event_words(event: &LogEvent, kind: &EventKind, layout: &Layout) -> String {
    let words = log_words(kind, layout);
    match event.checkpoint {
        Some(checkpoint) => format!("{words} at {}", checkpoint.name()),
        None => words,
    }
}

/// What an event of a trace carries.
pub fn words(kind: &EventKind, devices: &Devices) -> String {
    let mut words = Vec::new();
    match kind {
        EventKind::Issue(one) => issue(one, devices, &mut words),
        EventKind::Block(one) => block(one, devices, &mut words),
        EventKind::Checkpoint(checkpoint) => words.push(checkpoint.name().to_owned()),
        EventKind::Open { device } | EventKind::Close { device } => {
            words.push(devices.printed(*device));
        }
        EventKind::Length { device, length } => {
            words.push(devices.printed(*device));
            words.push(length.to_string());
        }
        EventKind::Connect(one) => connect(one, devices, &mut words),
        EventKind::Disconnect { connection, reason } => {
            words.push(format!("connection {}", connection.0));
            words.push(reason.name().to_owned());
        }
        EventKind::Mark { name } => words.push(printable(name.as_str()).into_owned()),
        EventKind::End { status: Some(status) } => words.push(format!("status {status}")),
        EventKind::End { status: None } => {}
        other => words = guest::words(other, None),
    }
    words.join(" ")
}

/// What an event of a log in this layout carries.
pub fn log_words(kind: &EventKind, layout: &Layout) -> String {
    match kind {
        EventKind::Checkpoint(checkpoint) => checkpoint.name().to_owned(),
        kind => guest::words(kind, Some(layout)).join(" "),
    }
}

/// Seconds and microseconds since the recording began.
pub fn seconds(time: Nanos) -> String {
    format!("{}.{:06}", time.0 / 1_000_000_000, time.0 % 1_000_000_000 / 1000)
}

fn issue(issue: &Issue, devices: &Devices, words: &mut Vec<String>) {
    let Issue { id, device, connection, cookie, request, payload, early } = issue;
    words.push(id.to_string());
    if devices.are_several() {
        words.push(devices.printed(*device));
    }
    words.push(request.operation.to_string());
    if request.operation != Operation::Flush {
        words.push(request.range.to_string());
    }
    words.extend(request.flags.names().map(str::to_owned));
    words.extend(known(*payload).map(|payload| payload.to_string()));
    words.push(format!("connection {} cookie {cookie:#x}", connection.0));
    words.extend((*early != Nanos(0)).then(|| format!("early {early}")));
}

fn block(block: &Block, devices: &Devices, words: &mut Vec<String>) {
    let Block { id, device, operation, result, latency, hold, flags, payload, extents } = block;
    words.push(id.to_string());
    if devices.are_several() {
        words.push(devices.printed(*device));
    }
    words.push(operation.to_string());
    words.push(result.map_or_else(|errno| errno.to_string(), |()| "ok".to_owned()));
    words.extend(flags.undelivered.then(|| "undelivered".to_owned()));
    words.extend(flags.refused.then(|| "refused".to_owned()));
    words.push(format!("lat {latency} hold {hold}"));
    words.extend(known(*payload).map(|payload| payload.to_string()));
    words.extend(extents.iter().map(extent));
}

fn connect(connect: &Connect, devices: &Devices, words: &mut Vec<String>) {
    words.push(format!("connection {}", connect.connection.0));
    words.push(devices.printed(connect.device));
    words.push(format!("export \"{}\"", printable(&connect.export)));
    for (agreed, name) in [
        (connect.structured_replies, "structured_replies"),
        (connect.block_status, "block_status"),
        (connect.extended_headers, "extended_headers"),
    ] {
        words.extend(agreed.then(|| name.to_owned()));
    }
}

/// What is known of a payload; `None` if nothing is.
fn known(payload: Payload) -> Option<Payload> {
    (payload != Payload::Absent).then_some(payload)
}

/// `4096:hole,zero`, or `4096:data`.
fn extent(extent: &Extent) -> String {
    let state = match (extent.hole, extent.zero) {
        (true, true) => "hole,zero",
        (true, false) => "hole",
        (false, true) => "zero",
        (false, false) => "data",
    };
    format!("{}:{state}", extent.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_with_six_digits() {
        assert_eq!(seconds(Nanos(0)), "0.000000");
        assert_eq!(seconds(Nanos(1_204_613_999)), "1.204613");
        assert_eq!(seconds(Nanos(u64::MAX)), "18446744073.709551");
    }

    #[test]
    fn extents_say_their_state() {
        let state = |hole, zero| extent(&Extent { length: 512, hole, zero });
        assert_eq!(state(false, false), "512:data");
        assert_eq!(state(true, true), "512:hole,zero");
    }
}
