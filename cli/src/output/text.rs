//! Requests and events in columns, for people. Rows and events come in, lines of text go out.
//!
//! Columns have fixed widths, because the rows that follow are not known. Invariant: a value that is wider
//! than its column is printed whole.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use blkreplay_core::event::{Block, Connect, Event, EventKind, Issue, Payload};
use blkreplay_core::request::{Extent, Request};
use blkreplay_core::rows::Row;
use blkreplay_core::units::Nanos;

use super::{
    Devices, Outcome, flag_names, guest, has_range, known, printable, row_flags, row_outcome,
};

/// Writes lines of text.
#[derive(Debug)]
pub(crate) struct Text {
    devices: Devices,
    /// Of the line that names the columns.
    heading: Style,
    /// Of a line about something that failed.
    failed: Style,
    line: String,
}

impl Text {
    /// Lines without colour.
    pub(crate) fn plain(devices: Devices) -> Text {
        Text { devices, heading: Style::new(), failed: Style::new(), line: String::new() }
    }

    /// Lines with colour.
    pub(crate) fn colored(devices: Devices) -> Text {
        let heading = Style::new().bold();
        Text { heading, failed: AnsiColor::Red.on_default(), ..Text::plain(devices) }
    }

    /// Names the columns of requests.
    pub(crate) fn request_heading(&mut self, out: &mut impl Write) -> io::Result<()> {
        let device = self.device_column("dev");
        let heading = self.heading;
        writeln!(
            out,
            "{heading}{:>7} {:>10} {device}{:<12} {:>12} {:>9} {:>6} {:>6} {:>3} {:<7} {:<13} flags{heading:#}",
            "id", "time", "op", "offset", "length", "lat", "hold", "ep", "result", "payload",
        )
    }

    /// Writes a request.
    pub(crate) fn request(&mut self, row: &Row, out: &mut impl Write) -> io::Result<()> {
        let device = self.device_column(&self.devices.printed(row.device));
        let (offset, length) = range_columns(&row.request);
        let spans = row
            .completion
            .as_ref()
            .map(|completion| (completion.latency.to_string(), completion.hold.to_string()));
        let (latency, hold) = spans.unwrap_or_else(|| ("-".to_owned(), "-".to_owned()));
        let outcome =
            row_outcome(row).map_or_else(|| "-".to_owned(), |outcome| outcome.to_string());
        let line = &mut self.line;
        line.clear();
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            "{:>7} {:>10} {device}{:<12} {offset:>12} {length:>9} {latency:>6} {hold:>6} {:>3} {outcome:<7} {:<13} {}",
            row.id.0,
            seconds(row.time),
            row.request.operation,
            row.epoch,
            short_payload(row.payload),
            row_flags(row).join(","),
        );
        let failed = row.completion.as_ref().is_some_and(|end| end.result.is_err());
        let style = if failed { self.failed } else { Style::new() };
        writeln!(out, "{style}{}{style:#}", line.trim_end())
    }

    /// Names the columns of events.
    pub(crate) fn event_heading(&mut self, out: &mut impl Write) -> io::Result<()> {
        let heading = self.heading;
        writeln!(out, "{heading}{:>7} {:>10} kind{heading:#}", "event", "time")
    }

    /// Writes an event.
    pub(crate) fn event(
        &mut self,
        index: u64,
        event: &Event,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut words = Vec::new();
        let mut style = Style::new();
        match &event.kind {
            EventKind::Issue(issue) => self.issue(issue, &mut words),
            EventKind::Block(block) => {
                style = if block.result.is_err() { self.failed } else { style };
                self.block(block, &mut words);
            }
            EventKind::Checkpoint(checkpoint) => words.push(checkpoint.name().to_owned()),
            EventKind::Open { device } | EventKind::Close { device } => {
                words.push(self.devices.printed(*device));
            }
            EventKind::Length { device, length } => {
                words.push(self.devices.printed(*device));
                words.push(length.to_string());
            }
            EventKind::Connect(connect) => self.connect(connect, &mut words),
            EventKind::Disconnect { connection, reason } => {
                words.push(format!("connection {}", connection.0));
                words.push(reason.name().to_owned());
            }
            EventKind::Mark { name } => words.push(printable(name.as_str()).into_owned()),
            EventKind::End { status: Some(status) } => words.push(format!("status {status}")),
            EventKind::End { status: None } => {}
            other => words = guest::words(other, None),
        }
        let (time, kind, words) = (seconds(event.time), event.kind.name(), words.join(" "));
        let line = format!("{index:>7} {time:>10} {kind:<10} {words}");
        writeln!(out, "{style}{}{style:#}", line.trim_end())
    }

    fn issue(&self, issue: &Issue, words: &mut Vec<String>) {
        let Issue { id, device, connection, cookie, request, payload, early } = issue;
        words.push(id.to_string());
        if self.devices.are_several() {
            words.push(self.devices.printed(*device));
        }
        words.push(request.operation.to_string());
        if has_range(request) {
            words.push(request.range.to_string());
        }
        words.extend(request.flags.names().map(str::to_owned));
        words.extend(known(*payload).map(|payload| payload.to_string()));
        words.push(format!("connection {} cookie {cookie:#x}", connection.0));
        words.extend((*early != Nanos(0)).then(|| format!("early {early}")));
    }

    fn block(&self, block: &Block, words: &mut Vec<String>) {
        let Block { id, device, operation, result, latency, hold, flags, payload, extents } = block;
        words.push(id.to_string());
        if self.devices.are_several() {
            words.push(self.devices.printed(*device));
        }
        words.push(operation.to_string());
        words.push(Outcome(*result).to_string());
        let none = blkreplay_core::request::Flags::NONE;
        words.extend(flag_names(none, *flags).into_iter().map(str::to_owned));
        words.push(format!("lat {latency} hold {hold}"));
        words.extend(known(*payload).map(|payload| payload.to_string()));
        words.extend(extents.iter().map(extent));
    }

    fn connect(&self, connect: &Connect, words: &mut Vec<String>) {
        words.push(format!("connection {}", connect.connection.0));
        words.push(self.devices.printed(connect.device));
        words.push(format!("export \"{}\"", printable(&connect.export)));
        for (agreed, name) in [
            (connect.structured_replies, "structured_replies"),
            (connect.block_status, "block_status"),
        ] {
            words.extend(agreed.then(|| name.to_owned()));
        }
    }

    /// The column of devices with the space behind it; nothing where there is only one.
    fn device_column(&self, name: &str) -> String {
        if !self.devices.are_several() {
            return String::new();
        }
        let width = self.devices.width().max("dev".len());
        format!("{name:<width$} ")
    }
}

/// Offset and length; a dash where there is no range.
fn range_columns(request: &Request) -> (String, String) {
    if has_range(request) {
        (request.range.offset.to_string(), request.range.length.to_string())
    } else {
        ("-".to_owned(), "-".to_owned())
    }
}

/// Seconds and microseconds since the recording began.
pub(super) fn seconds(time: Nanos) -> String {
    format!("{}.{:06}", time.0 / 1_000_000_000, time.0 % 1_000_000_000 / 1000)
}

/// The first digits of a digest: enough to see what is equal.
pub(super) fn short_payload(payload: Payload) -> String {
    let text = payload.to_string();
    match payload {
        Payload::Digest(_) | Payload::Stored(..) => {
            text.chars().take("xxh3:12345678".len()).collect()
        }
        Payload::Absent | Payload::Zeroes => text,
    }
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
    fn digests_are_shortened_and_zeroes_are_not() {
        assert_eq!(short_payload(Payload::of(b"x")).len(), 13);
        assert_eq!(short_payload(Payload::Zeroes), "zeroes");
        assert_eq!(short_payload(Payload::Absent), "");
    }

    #[test]
    fn extents_say_their_state() {
        let state = |hole, zero| extent(&Extent { length: 512, hole, zero });
        assert_eq!(state(false, false), "512:data");
        assert_eq!(state(true, true), "512:hole,zero");
    }
}
