//! Findings: those that are known, which one is looked at, and what else is to be said of the trace.
//!
//! What was looked for comes in, a little at a time. Invariants: findings are kept in the order of the
//! places of their requests; which is looked at follows from the focus, unless somebody picked another of the same request.

use std::collections::BTreeMap;
use std::ops::Range;

use blkreplay_core::view::findings::{Finding, Level};
use roaring::RoaringTreemap;

use super::window::Window;
use crate::action::{Direction, Like, Move};
use crate::expert::{self, Found, KEPT, Looked};
use crate::words;

/// The findings.
#[derive(Debug, Default)]
pub struct Findings {
    /// Tells the search from others; 0 before the first.
    pub number: u64,
    /// What the trace had grown to when they were looked for.
    pub growth: u64,
    /// All was looked at.
    pub is_done: bool,
    /// Why it went no further.
    pub error: Option<String>,
    /// Requests that were looked at.
    pub done: u64,
    /// The finding to go to as soon as it is known.
    pub sought: Option<Direction>,
    /// A search in more, for the trace grew: what was found before stands until that is done.
    again: Option<Box<Findings>>,
    found: Vec<Found>,
    counts: BTreeMap<&'static str, u64>,
    unknown: Vec<&'static str>,
    /// What somebody picked, and the place of the focus then.
    picked: Option<(Line, u64)>,
    window: Window,
}

/// A line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The finding of this number.
    Finding(u64),
    /// One of the notes.
    Note(usize),
}

/// What is to be listed.
#[derive(Debug)]
pub struct Listed<'a> {
    /// Findings of requests that are shown.
    pub found: Vec<&'a Found>,
    /// What else is to be said.
    pub notes: Vec<String>,
}

impl Listed<'_> {
    /// How many lines it has.
    pub fn len(&self) -> usize {
        self.found.len() + self.notes.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What stands in a line.
    pub fn line(&self, at: usize) -> Option<Line> {
        match self.found.get(at) {
            Some(found) => Some(Line::Finding(found.number)),
            None => (at < self.len()).then(|| Line::Note(at - self.found.len())),
        }
    }
}

impl Findings {
    /// Begins to look in a trace that has grown to this, unless that was done or goes on.
    pub fn begin(&mut self, growth: u64) {
        if self.number == 0 || self.error.is_some() {
            let number = self.number + 1;
            *self = Findings { number, growth, window: self.window, ..Findings::default() };
        }
    }

    /// Begins to look anew.
    pub fn begin_again(&mut self, growth: u64) {
        self.number += 1;
        let number = self.number;
        self.again = Some(Box::new(Findings { number, growth, ..Findings::default() }));
    }

    /// Whether something is looked for, if only anew.
    pub fn is_counting(&self) -> bool {
        self.goes_on() || self.again.is_some()
    }

    /// Whether they are being looked for.
    pub fn goes_on(&self) -> bool {
        self.number > 0 && !self.is_done
    }

    /// Looks no further; whether there was more to look at.
    pub fn stop(&mut self) -> bool {
        if !self.goes_on() {
            return false;
        }
        self.number += 1;
        self.is_done = true;
        self.sought = None;
        self.error = Some("it was cancelled".to_owned());
        true
    }

    /// Takes what was looked for; whether that is still wanted.
    pub fn take(&mut self, looked: Looked) -> bool {
        if looked.number != self.number {
            return false;
        }
        if let Some(mut again) = self.again.take() {
            again.take(looked);
            if again.is_done {
                (again.window, again.sought) = (self.window, self.sought);
                *self = *again;
                return true;
            }
            self.again = Some(again);
            return false;
        }
        self.found.extend(looked.found);
        // They come nearly in that order.
        self.found.sort_by_key(|found| (found.place, found.finding.event, found.number));
        self.counts = looked.counts;
        self.unknown = looked.unknown;
        self.done = looked.done;
        self.is_done = looked.is_done;
        self.error = looked.error;
        true
    }

    /// How many there are of each level, from info on.
    pub fn levels(&self) -> [u64; 3] {
        let mut levels = [0; 3];
        for (name, count) in &self.counts {
            if let Some(rule) = expert::rule(name) {
                levels[rule.level as usize] += count;
            }
        }
        levels
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The worst level of which there is any.
    pub fn worst(&self) -> Option<Level> {
        let levels = self.levels();
        let worst = Level::NAMES.iter().rev().find(|(level, _)| levels[*level as usize] > 0);
        worst.map(|(level, _)| *level)
    }

    /// What is to be listed if only requests at these places are shown; `None` shows all, and what is about no request.
    pub fn listed(&self, shown: Option<&RoaringTreemap>) -> Listed<'_> {
        let found = self.found.iter().filter(|found| is_shown(found, shown)).collect();
        let unlisted =
            self.counts.iter().filter(|(_, count)| **count > KEPT).map(|(name, count)| {
                let (count, kept) = (words::count(*count), words::count(KEPT));
                format!("of {count} findings {name} the first {kept} are listed")
            });
        let notes = unlisted.chain(self.unknown.iter().map(|what| (*what).to_owned())).collect();
        Listed { found, notes }
    }

    /// Which line is looked at, with the focus at this place.
    pub fn at(&self, listed: &Listed<'_>, focus: u64) -> usize {
        let picked = self.picked.filter(|(_, place)| *place == focus).map(|(line, _)| line);
        let at = match picked {
            Some(Line::Finding(number)) => {
                listed.found.iter().position(|found| found.number == number)
            }
            Some(Line::Note(note)) => {
                (note < listed.notes.len()).then_some(listed.found.len() + note)
            }
            None => None,
        };
        at.unwrap_or_else(|| {
            let nearest = listed.found.partition_point(|found| found.place < focus);
            nearest.min(listed.found.len().saturating_sub(1))
        })
    }

    /// Where a move leads from a line.
    pub fn to(&self, at: usize, way: Move, listed: &Listed<'_>) -> usize {
        self.window.to(at, way, listed.len())
    }

    /// Somebody looks at a line now, and the focus went to this place.
    pub fn pick(&mut self, line: Option<Line>, focus: u64) {
        self.picked = line.map(|line| (line, focus));
    }

    /// Which lines are on a screen of so many.
    pub fn on_screen(&mut self, at: usize, count: usize, height: usize) -> Range<usize> {
        self.window.show(at, count, height)
    }

    /// Those about the request at a place.
    pub fn of(&self, place: u64) -> impl Iterator<Item = &Found> {
        let first = self.found.partition_point(|found| found.place < place);
        let there = self.found[first..].iter().take_while(move |found| found.place == place);
        there.filter(|found| found.finding.request.is_some())
    }

    /// The finding behind a place, or the last before it, of those that are shown. Of several at one place it is the worst.
    pub fn beside(
        &self,
        focus: u64,
        direction: Direction,
        shown: Option<&RoaringTreemap>,
    ) -> Option<&Found> {
        let is_shown = |found: &&Found| is_request(found) && is_shown(found, shown);
        let place = match direction {
            Direction::Next => {
                let first = self.found.partition_point(|found| found.place <= focus);
                self.found[first..].iter().find(is_shown)
            }
            Direction::Previous => {
                let end = self.found.partition_point(|found| found.place < focus);
                self.found[..end].iter().rev().find(is_shown)
            }
        }?
        .place;
        let there = self.found.iter().filter(|found| found.place == place && is_request(found));
        there.min_by_key(|found| (std::cmp::Reverse(found.finding.rule.level), found.number))
    }

    /// Whether all that lies before a place was looked at.
    pub fn knows_before(&self, place: u64) -> bool {
        self.is_done || self.done > place
    }
}

/// A term that holds for the requests of a finding, or one that leaves out the one that it is about; `None` if it is about none.
pub fn term(finding: &Finding, like: Like) -> Option<String> {
    Some(match (like, finding.request, finding.other) {
        (Like::This, Some(id), Some(other)) => format!("id in {{{}, {}}}", other.0, id.0),
        (Like::This, Some(id), None) | (Like::This, None, Some(id)) => format!("id == {}", id.0),
        (Like::Others, Some(id), _) | (Like::Others, None, Some(id)) => format!("id != {}", id.0),
        (_, None, None) => return None,
    })
}

/// Whether it has to do with a request, which is at its place.
fn is_request(found: &Found) -> bool {
    found.finding.request.is_some() || found.finding.other.is_some()
}

fn is_shown(found: &Found, shown: Option<&RoaringTreemap>) -> bool {
    shown.is_none_or(|shown| is_request(found) && shown.contains(found.place))
}
