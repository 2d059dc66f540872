//! An event as a line of a list: where it is, what it is, and the line that `print` has for it. Events come in, lines go out.
//!
//! Invariant: a line takes no more than `LINE_BYTES`, whatever its event carries.

use blkreplay_core::event::{Event, EventKind};
use blkreplay_core::qemu::{Layout, LogEvent};
use blkreplay_core::request::RequestId;
use blkreplay_core::units::Nanos;
use blkreplay_core::words::{self, Devices};

/// The most that is kept of a line, in bytes.
const LINE_BYTES: usize = 2000;

/// What stands where a line was cut.
const CUT: &str = "…";

/// Which end of a request an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It arrived.
    Issue,
    /// Its completion was released.
    Completion,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its index.
    pub index: u64,
    /// When it was; a log has no times.
    pub time: Nanos,
    /// How many instructions had been executed; of a log only.
    pub icount: Option<u64>,
    /// Its first byte in the file; of a log only.
    pub at: Option<u64>,
    /// The printed name of its kind.
    pub kind: &'static str,
    /// The request it is about.
    pub request: Option<(RequestId, End)>,
    /// It says that something failed.
    pub failed: bool,
    text: String,
    /// Where in the text the words begin that say what it carries.
    words: usize,
}

impl Line {
    /// An event of a trace.
    pub(super) fn of_trace(index: u64, event: &Event, devices: &Devices) -> Line {
        let failed = matches!(&event.kind, EventKind::Block(block) if block.result.is_err());
        let words = words::words(&event.kind, devices);
        Line {
            index,
            time: event.time,
            icount: None,
            at: None,
            kind: event.kind.name(),
            request: request(&event.kind),
            failed,
            text: String::new(),
            words: 0,
        }
        .with(words::line_of(index, event, &words), &words)
    }

    /// An event of a log.
    pub(super) fn of_log(event: &LogEvent, layout: &Layout) -> Line {
        let kind = &event.event.kind;
        let words = words::log_event_words(event, kind, layout);
        Line {
            index: event.index,
            time: event.event.time,
            icount: Some(event.icount),
            at: Some(event.at),
            kind: kind.name(),
            request: request(kind),
            failed: false,
            text: String::new(),
            words: 0,
        }
        .with(words::log_line_of(event, kind, &words), &words)
    }

    fn with(mut self, mut line: String, words: &str) -> Line {
        self.words = line.len() - words.trim_end().len().min(line.len());
        if line.len() > LINE_BYTES {
            line.truncate(line.floor_char_boundary(LINE_BYTES - CUT.len()));
            line.push_str(CUT);
        }
        self.text = line;
        self
    }

    /// The line that `print` has for it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it carries, in words.
    pub fn words(&self) -> &str {
        self.text.get(self.words..).unwrap_or_default()
    }
}

fn request(kind: &EventKind) -> Option<(RequestId, End)> {
    match kind {
        EventKind::Issue(issue) => Some((issue.id, End::Issue)),
        EventKind::Block(block) => Some((block.id, End::Completion)),
        EventKind::BlockId { id } => Some((*id, End::Completion)),
        _ => None,
    }
}
