//! A QEMU log that is looked at: how far it was read, whether it is whole, and what is wrong with it.
//!
//! What is known comes in, a little at a time. Invariant: no more than `FINDINGS_KEPT` findings are kept; how many there are is known.

use std::ops::Range;

use blkreplay_core::qemu::{Layout, LogChecked, LogFinding, LogHeader, Stop};

use super::window::Window;
use crate::action::{Direction, Move};
use crate::events::log::{FINDINGS_KEPT, Known, Log as Opened, Progress};

/// The log.
#[derive(Debug)]
pub struct Log {
    /// Its header.
    pub header: LogHeader,
    /// The layout in which it is read.
    pub layout: &'static Layout,
    /// How far it was read.
    pub progress: Progress,
    /// All was read.
    pub is_whole: bool,
    /// Where it stops, if that is not its end.
    pub stop: Option<Stop>,
    /// Bytes that were checked.
    pub checking: u64,
    /// What was checked, once all was.
    pub checked: Option<Box<LogChecked>>,
    /// Why it was not read any further.
    pub error: Option<String>,
    /// What was found, in the order of the events.
    findings: Vec<LogFinding>,
    /// How many were found.
    found: u64,
    at: usize,
    window: Window,
}

impl Log {
    /// Nothing was read yet.
    pub fn new(opened: &Opened) -> Log {
        Log::of(opened.header, opened.layout)
    }

    fn of(header: LogHeader, layout: &'static Layout) -> Log {
        Log {
            header,
            layout,
            progress: Progress::default(),
            is_whole: false,
            stop: None,
            checking: 0,
            checked: None,
            error: None,
            findings: Vec::new(),
            found: 0,
            at: 0,
            window: Window::default(),
        }
    }

    /// Takes what is known.
    pub fn take(&mut self, known: Known) {
        match known {
            Known::Read(progress) => self.progress = progress,
            Known::Whole(progress, stop) => {
                (self.progress, self.is_whole, self.stop) = (progress, true, stop);
            }
            Known::Found(finding) => {
                self.found += 1;
                if self.findings.len() < FINDINGS_KEPT {
                    let event = finding.place.event;
                    let at = self.findings.partition_point(|one| one.place.event <= event);
                    self.findings.insert(at, finding);
                }
            }
            Known::Checking(bytes) => self.checking = bytes,
            Known::Checked(checked) => {
                // Of what was known before only those are told that are kept.
                self.found = checked.faults + checked.notes;
                self.checked = Some(checked);
            }
            Known::Failed(error) => self.error = Some(error),
            Known::Doubted => *self = Log::of(self.header, self.layout),
        }
    }

    /// Whether more is to come.
    pub fn goes_on(&self) -> bool {
        self.checked.is_none() && self.error.is_none()
    }

    /// What was found and is kept, in the order of the events.
    pub fn findings(&self) -> &[LogFinding] {
        &self.findings
    }

    /// How much was found.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// What was found at these events.
    pub fn findings_of(&self, events: Range<u64>) -> &[LogFinding] {
        let first = self.findings.partition_point(|one| one.place.event < events.start);
        let behind = self.findings.partition_point(|one| one.place.event < events.end);
        self.findings.get(first..behind).unwrap_or_default()
    }

    /// The finding that is looked at.
    pub fn finding(&self) -> Option<&LogFinding> {
        self.findings.get(self.at.min(self.findings.len().saturating_sub(1)))
    }

    /// Goes to another finding.
    pub fn move_finding(&mut self, way: Move) {
        self.at = self.window.to(self.at, way, self.findings.len());
    }

    /// Goes to the next finding behind an event, or the last before; from one that is looked at there to others of the same event
    /// first. Gives it.
    pub fn beside(&mut self, event: u64, direction: Direction) -> Option<&LogFinding> {
        let is_at = self.findings.get(self.at).is_some_and(|one| one.place.event == event);
        let at = match direction {
            Direction::Next if is_at => self.at + 1,
            Direction::Next => self.findings.partition_point(|one| one.place.event <= event),
            Direction::Previous if is_at => self.at.checked_sub(1)?,
            Direction::Previous => {
                self.findings.partition_point(|one| one.place.event < event).checked_sub(1)?
            }
        };
        let found = self.findings.get(at)?;
        self.at = at;
        Some(found)
    }

    /// Which findings are on a screen of so many lines; and which one is looked at.
    pub fn on_screen(&mut self, height: usize) -> (Range<usize>, usize) {
        let at = self.at.min(self.findings.len().saturating_sub(1));
        (self.window.show(at, self.findings.len(), height), at)
    }
}
