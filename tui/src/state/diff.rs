//! The comparison with a base: what was found so far, which of its lines is looked at, and what is unfolded.
//!
//! What was found and rows come in, in any order. Invariants: the line that is looked at is one that is shown, and stays the same
//! when more is found; a line that was there keeps its number.

mod lines;
mod unfolding;

use std::collections::BTreeMap;
use std::ops::Range;

use blkreplay_core::diff::{Compared, Difference};
use roaring::RoaringTreemap;

use super::window::Window;
use crate::action::{Direction, Move};
use crate::compare::{Ask, Change, Explained, Found, MOST, Section, Terms, Told, Trouble};
pub use lines::Line;
pub use unfolding::Unfolded;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// Nobody looked at it yet.
    #[default]
    Waits,
    /// Both sides are being opened.
    Opens,
    /// They are being compared.
    Compares,
    /// All was compared.
    Done,
    /// It was stopped.
    Stopped,
    /// It cannot be done.
    Failed,
}

/// The comparison.
#[derive(Debug, Default)]
pub struct Diff {
    /// What the base is called.
    pub base: String,
    /// The file that rules are added to.
    pub rules_file: String,
    /// Tells the comparison from others; 0 before the first.
    pub number: u64,
    /// How far it is.
    pub stage: Stage,
    /// What was told before it was compared.
    pub terms: Terms,
    /// Why it cannot be done.
    pub trouble: Option<Trouble>,
    /// What was found.
    pub found: Found,
    /// What is known of a difference.
    pub explained: Option<(usize, Result<Explained, Trouble>)>,
    /// Bytes of the difference that is looked at are shown.
    pub shows_bytes: bool,
    /// The first line of bytes that is shown.
    pub bytes_from: usize,
    /// What is to be asked, in order.
    pub asks: Vec<Ask>,
    /// A change that is to be made.
    pub change: Option<Change>,
    /// One is being made.
    pub changes: bool,
    /// A rule is being looked for.
    pub learns: bool,
    unfolded: BTreeMap<usize, Unfolded>,
    /// How often a section was unfolded.
    unfoldings: u64,
    lines: Vec<Line>,
    at: usize,
    window: Window,
    /// The number of a filter and how much it leaves, which the lines are for.
    lined: (u64, u64),
    /// What was asked last to be explained.
    wondered: Option<usize>,
}

impl Diff {
    /// A comparison with what this is called.
    pub fn with(base: String, rules_file: String) -> Diff {
        Diff { base, rules_file, ..Diff::default() }
    }

    /// Begins to compare. A change that is being made goes on.
    pub fn begin(&mut self) {
        let (base, rules_file) = (self.base.clone(), self.rules_file.clone());
        *self = Diff {
            number: self.number + 1,
            stage: Stage::Opens,
            found: Found::keeping(MOST),
            shows_bytes: self.shows_bytes,
            change: self.change.take(),
            changes: self.changes,
            window: self.window,
            ..Diff::with(base, rules_file)
        };
    }

    /// Whether it goes on.
    pub fn goes_on(&self) -> bool {
        matches!(self.stage, Stage::Opens | Stage::Compares)
    }

    /// Whether something is read or asked of both sides.
    pub fn is_busy(&self) -> bool {
        let explains = self.explains().is_some_and(|number| {
            self.explained.as_ref().is_none_or(|(known, _)| *known != number)
        });
        self.goes_on()
            || self.changes
            || self.learns
            || !self.asks.is_empty()
            || self.unfolded.values().any(|unfolded| unfolded.reads)
            || explains
    }

    /// Compares no further; whether there was more.
    pub fn stop(&mut self) -> bool {
        let goes_on = self.goes_on();
        if goes_on {
            self.stage = Stage::Stopped;
        }
        goes_on
    }

    /// The number of the comparison that is to go on.
    pub fn comparing(&self) -> u64 {
        if self.goes_on() { self.number } else { 0 }
    }

    /// Takes what is told of both sides.
    pub fn take(&mut self, told: Told) {
        match told {
            Told::Opened(terms) => {
                self.terms = terms;
                if self.goes_on() {
                    self.stage = Stage::Compares;
                }
            }
            Told::Found(found) if self.goes_on() => {
                self.fold_last();
                self.found.absorb(found);
                self.line_up();
            }
            Told::Done if self.goes_on() => {
                self.stage = Stage::Done;
                self.fold_last();
                self.found.finish();
                self.line_up();
            }
            Told::Trouble(trouble) if self.goes_on() => {
                self.trouble = Some(trouble);
                self.stage = Stage::Failed;
            }
            Told::Rows(section, unfolding, read) => self.take_rows(section, unfolding, read),
            Told::Explained(number, explained) => {
                self.explained = Some((number, explained));
                self.bytes_from = 0;
                // What was known of the one that is looked at may have had to go.
                self.wonder();
            }
            _ => {}
        }
    }

    /// The lines that there are.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The line that is looked at.
    pub fn picked(&self) -> Option<Line> {
        self.lines.get(self.at).copied()
    }

    /// Which it is.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The difference that is looked at, and its number.
    pub fn difference(&self) -> Option<(usize, &Difference)> {
        let Some(Line::Difference(number)) = self.picked() else { return None };
        Some((number, self.found.differences.get(number)?))
    }

    /// What a section has unfolded.
    pub fn unfolded(&self, section: usize) -> Option<&Unfolded> {
        self.unfolded.get(&section)
    }

    /// The requests of base and of new on a line.
    pub fn requests(&self, line: Line) -> (&[Compared], &[Compared]) {
        match line {
            Line::Difference(number) => match self.found.differences.get(number) {
                Some(Difference { base, new, .. }) => (base, new),
                None => (&[], &[]),
            },
            Line::Row(section, row) => {
                let rows = self.unfolded.get(&section).map_or(&[][..], |one| &one.rows);
                rows.get(row)
                    .map_or((&[], &[]), |row| (std::slice::from_ref(&row.base), row.new.as_slice()))
            }
            Line::Epoch(_) | Line::Fold(_) | Line::Rest => (&[], &[]),
        }
    }

    /// Goes elsewhere.
    pub fn go_on(&mut self, way: Move) {
        self.at = self.window.to(self.at, way, self.lines.len());
        self.wonder();
    }

    /// Goes to the next difference, or the one before; whether there is one.
    pub fn step(&mut self, direction: Direction) -> bool {
        let is_one = |at: &usize| matches!(self.lines[*at], Line::Difference(_));
        let to = match direction {
            Direction::Next => (self.at + 1..self.lines.len()).find(is_one),
            Direction::Previous => (0..self.at).rev().find(is_one),
        };
        // The first line may be a difference that nobody came to yet.
        if let Some(to) = to {
            self.at = to;
            self.wonder();
        }
        to.is_some()
    }

    /// Goes to the first line whose request of new is at this place or behind it.
    pub fn go_to(&mut self, place: u64) {
        let is_behind = |line: &Line| self.requests(*line).1.iter().any(|one| one.place >= place);
        let to = self.lines.iter().position(is_behind);
        let last = || {
            let has_new = |line: &Line| !self.requests(*line).1.is_empty();
            self.lines.iter().rposition(has_new)
        };
        if let Some(to) = to.or_else(last) {
            self.at = to;
            self.wonder();
        }
    }

    /// Shows bytes further on, or further back.
    pub fn scroll(&mut self, way: Direction) {
        let lines = match self.known() {
            Some(Ok(explained)) => explained.lines.len(),
            _ => 0,
        };
        self.bytes_from = match way {
            Direction::Next => (self.bytes_from + 1).min(lines.saturating_sub(1)),
            Direction::Previous => self.bytes_from.saturating_sub(1),
        };
    }

    /// Which lines are on a screen of so many.
    pub fn on_screen(&mut self, height: usize) -> Range<usize> {
        self.window.show(self.at, self.lines.len(), height)
    }

    /// The section of a line, of one that has several lines.
    pub fn section(&self, line: Line) -> Option<usize> {
        match line {
            Line::Epoch(section) | Line::Fold(section) | Line::Row(section, _) => Some(section),
            Line::Difference(number) => {
                let is_its = |one: &Section| one.differences.contains(&number);
                self.found.sections.iter().position(is_its)
            }
            Line::Rest => None,
        }
    }

    /// Looks for a rule that ignores the difference that is looked at; whether there is one.
    pub fn learn(&mut self) -> bool {
        let Some((number, difference)) = self.difference() else { return false };
        let ask = Ask::Learn(number, Box::new(difference.clone()));
        self.asks.push(ask);
        self.learns = true;
        true
    }

    /// Makes a change, unless one is being made; whether it does.
    pub fn make(&mut self, change: Change) -> bool {
        let is_made = !self.changes;
        if is_made {
            self.change = Some(change);
            self.changes = true;
        }
        is_made
    }

    /// Lines up what is shown under a filter, if that or what it leaves is another than before.
    pub fn filter(&mut self, number: u64, shown: Option<&RoaringTreemap>) {
        let now = (number, shown.map_or(0, RoaringTreemap::len));
        if self.lined != now {
            self.lined = now;
            self.line_up_with(shown);
        }
    }

    /// Lines up anew; what a filter leaves out goes when that is known again.
    fn line_up(&mut self) {
        if self.lined.0 == 0 {
            self.line_up_with(None);
        } else {
            self.lined.1 = u64::MAX;
        }
    }

    fn line_up_with(&mut self, shown: Option<&RoaringTreemap>) {
        let (picked, at) = (self.picked(), self.at);
        self.lines = lines::of(&self.found, &self.unfolded, shown);
        let same = picked.and_then(|picked| self.lines.iter().position(|line| *line == picked));
        self.at = same.unwrap_or(at).min(self.lines.len().saturating_sub(1));
        self.wonder();
    }

    /// The difference whose explanation is shown.
    fn explains(&self) -> Option<usize> {
        self.difference().map(|(number, _)| number).filter(|_| self.shows_bytes)
    }

    /// Asks what is known of the difference that is looked at, if that is shown.
    pub fn wonder(&mut self) {
        let Some(number) = self.explains() else { return };
        let is_known = self.explained.as_ref().is_some_and(|(known, _)| *known == number);
        if is_known || self.wondered == Some(number) {
            return;
        }
        self.wondered = Some(number);
        self.asks.retain(|ask| !matches!(ask, Ask::Explain(..)));
        if let Some((_, difference)) = self.difference() {
            let difference = Box::new(difference.clone());
            self.asks.push(Ask::Explain(number, difference));
        }
    }

    /// What is known of the difference that is looked at.
    pub fn known(&self) -> Option<&Result<Explained, Trouble>> {
        let (number, _) = self.difference()?;
        self.explained.as_ref().filter(|(known, _)| *known == number).map(|(_, known)| known)
    }
}
