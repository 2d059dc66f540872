//! The events of a QEMU log in columns, for people, and as JSON, for programs. Events come in, lines go out.
//!
//! Invariant: a line says where its event is: its index, its byte, and how many instructions the guest had executed.

use std::io::{self, Write};

use anstyle::Style;
use blkreplay_core::qemu::{Layout, LogEvent};
use blkreplay_core::view::Folded;
use blkreplay_core::words;
use serde::Serialize;

use super::guest::{self, GuestJson};
use super::json::EVENT_SCHEMA;

/// Writes lines of text.
#[derive(Debug)]
pub(crate) struct LogText {
    layout: &'static Layout,
    heading: Style,
    folded: bool,
}

impl LogText {
    /// Lines about a log in this layout.
    pub(crate) fn new(layout: &'static Layout, colored: bool, folded: bool) -> LogText {
        let heading = if colored { Style::new().bold() } else { Style::new() };
        LogText { layout, heading, folded }
    }

    /// Names the columns.
    pub(crate) fn heading(&self, out: &mut impl Write) -> io::Result<()> {
        let heading = self.heading;
        let place =
            if self.folded { format!("{:>6} {:>9} ", "#", "folded") } else { String::new() };
        let (event, at, icount) = ("event", "at", "icount");
        writeln!(out, "{heading}{place}{event:>9} {at:>10} {icount:>12} kind{heading:#}")
    }

    /// Writes an event.
    pub(crate) fn event(
        &self,
        event: &LogEvent,
        folded: Option<&Folded>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let kind = folded.map_or(&event.event.kind, |folded| &folded.event);
        let place = folded.map_or(String::new(), |folded| {
            format!("{:>6} {:>9} ", folded.place, folded.hidden.total())
        });
        writeln!(out, "{place}{}", words::log_line(event, kind, self.layout))
    }
}

/// The first line of a log that is printed to be compared.
pub(crate) fn canonical_heading(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# blkreplay canonical events 1")
}

/// Writes what two runs share of an event.
pub(crate) fn canonical(folded: &Folded, layout: &Layout, out: &mut impl Write) -> io::Result<()> {
    let kind = &folded.event;
    writeln!(out, "{}", format!("{} {}", kind.name(), words::log_words(kind, layout)).trim_end())
}

/// Writes JSON lines.
#[derive(Debug)]
pub(crate) struct LogJson {
    layout: &'static Layout,
    line: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct FoldedJson {
    #[serde(flatten)]
    event: GuestJson,
    place: u64,
    folded: u64,
}

impl LogJson {
    /// Lines about a log in this layout.
    pub(crate) fn new(layout: &'static Layout) -> LogJson {
        LogJson { layout, line: Vec::new() }
    }

    /// Writes an event.
    pub(crate) fn event(
        &mut self,
        event: &LogEvent,
        folded: Option<&Folded>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.line.clear();
        match folded {
            None => {
                serde_json::to_writer(
                    &mut self.line,
                    &guest::log_json(EVENT_SCHEMA, event, self.layout),
                )?;
            }
            Some(Folded { place, event: kind, hidden }) => {
                let mut shown = event.clone();
                shown.event.kind = kind.clone();
                let event = guest::log_json(EVENT_SCHEMA, &shown, self.layout);
                let folded = FoldedJson { event, place: *place, folded: hidden.total() };
                serde_json::to_writer(&mut self.line, &folded)?;
            }
        }
        self.line.push(b'\n');
        out.write_all(&self.line)
    }
}
