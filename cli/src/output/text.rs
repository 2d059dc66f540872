//! Requests and events in columns, for people. Rows and events come in, lines of text go out.
//!
//! Columns have fixed widths, because the rows that follow are not known. Invariant: a value that is wider
//! than its column is printed whole.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use blkreplay_core::event::{Event, EventKind, Payload};
use blkreplay_core::request::Request;
use blkreplay_core::rows::Row;
use blkreplay_core::words::{self, seconds};

use super::{Devices, has_range, row_flags, row_outcome};

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
        let failed = matches!(&event.kind, EventKind::Block(block) if block.result.is_err());
        let style = if failed { self.failed } else { Style::new() };
        let line = words::line(index, event, &self.devices);
        writeln!(out, "{style}{line}{style:#}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_shortened_and_zeroes_are_not() {
        assert_eq!(short_payload(Payload::of(b"x")).len(), 13);
        assert_eq!(short_payload(Payload::Zeroes), "zeroes");
        assert_eq!(short_payload(Payload::Absent), "");
    }
}
