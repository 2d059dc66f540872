//! Going to requests that took longer than 99 of 100 of their operation do. Actions and what the sieve tells in, the focus changed.
//!
//! Invariant: what is slow is what a filter says with `lat > p99(lat where …)`, of all requests of the trace, whatever is shown.

use std::fmt::Write as _;

use blkreplay_core::query::Filter;
use blkreplay_core::request::Operation;

use super::App;
use crate::action::Direction;
use crate::sieve::Sifted;
use crate::state::scout::Scout;
use crate::words;

/// Which requests are slow, as far as it is known.
#[derive(Debug, Default)]
pub struct Slow {
    /// Who looks for them.
    pub scout: Scout,
    /// Somebody wants to go to one.
    pub sought: Option<Direction>,
}

/// The filter of slow requests.
fn filter() -> String {
    let mut text = String::new();
    for (_, name) in Operation::NAMES {
        let or = if text.is_empty() { "" } else { " || " };
        let _ = write!(text, "{or}({name} && lat > p99(lat where {name}))");
    }
    text
}

impl App {
    /// Goes to the next slow request, or the one before, once it is known which are.
    pub(super) fn find_slow(&mut self, direction: Direction) {
        self.jumps += 1;
        self.stop_search();
        self.stop_going();
        let scout = &self.slow.scout;
        let is_known = scout.has_begun() && scout.error.is_none();
        if !is_known {
            match Filter::of(&filter(), &self.header) {
                Ok(filter) => self.slow.scout.begin(filter),
                Err(error) => return self.refuse(error.what),
            }
        }
        self.slow.sought = Some(direction);
        self.seek_slow();
    }

    fn seek_slow(&mut self) {
        let Some(direction) = self.slow.sought else { return };
        let (focus, scout) = (self.requests.focus(), &self.slow.scout);
        let shown = self.filtering.applied.as_ref().map(|applied| &applied.found);
        let both = shown.map(|shown| &scout.found & &**shown);
        let slow = both.as_ref().unwrap_or(&scout.found);
        let before = focus.checked_sub(1).map_or(0, |before| slow.rank(before));
        let place = match direction {
            Direction::Next => slow.select(slow.rank(focus)),
            // More may be found before this one.
            Direction::Previous if !scout.is_past(focus) => None,
            Direction::Previous => before.checked_sub(1).and_then(|at| slow.select(at)),
        };
        let is_past = direction == Direction::Previous && scout.is_past(focus);
        let (is_done, error) = (scout.is_done || is_past, scout.error.clone());
        match (place, error) {
            (Some(place), _) => {
                self.slow.sought = None;
                self.requests.go(place);
            }
            (None, Some(error)) => {
                self.slow.sought = None;
                self.refuse(error);
            }
            (None, None) if is_done => {
                self.slow.sought = None;
                let which = match direction {
                    Direction::Next => "behind",
                    Direction::Previous => "before",
                };
                self.say(format!(
                    "no request {which} this one took longer than the p99 of its operation{}",
                    self.so_far()
                ));
            }
            (None, None) => {}
        }
    }

    /// Slow requests were found.
    pub fn slowed(&mut self, sifted: Sifted) {
        if self.slow.scout.take(sifted) {
            let before = self.station();
            self.seek_slow();
            self.left(before);
        }
    }

    /// Goes to no slow request any more; whether somebody wanted to. Nobody looks for them any further then.
    pub(super) fn stop_slow(&mut self) -> bool {
        let is_sought = self.slow.sought.take().is_some();
        if is_sought && !self.slow.scout.is_done {
            self.slow.scout.stop();
        }
        is_sought
    }

    /// What was slow may be so no more: the trace grew.
    pub(super) fn forget_slow(&mut self) {
        if self.slow.sought.is_none() {
            self.slow.scout.stop();
        }
    }

    /// How far the search for slow requests is, if somebody waits for it.
    pub fn slow_shown(&self) -> Option<String> {
        self.slow.sought?;
        let scout = &self.slow.scout;
        let percent = words::progress(scout.done, self.requests.len());
        let what = if scout.is_first_pass || scout.done == 0 {
            "latencies are added up"
        } else {
            "looking for a slow request"
        };
        Some(format!("{what}: {percent} %"))
    }
}
