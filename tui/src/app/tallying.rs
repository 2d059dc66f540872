//! The views that show what requests amount to. Actions and sums in, changes of the state out.
//!
//! Invariant: what is done here is done where one of these views is shown and nothing lies over it.

use super::App;
use crate::action::{Action, Like, View};
use crate::tally::Tallied;

impl App {
    /// Something was counted.
    pub fn tallied(&mut self, tallied: Tallied) {
        self.tallying.take(tallied);
    }

    /// Brings what summaries say up to what is known: they know nothing of filters.
    pub(crate) fn say_sums(&mut self) {
        let is_filtered = self.filtering.applied.is_some();
        self.tallying.say((!is_filtered).then_some(&self.outline));
    }

    /// The number of a count that is to begin, of the requests that the filter leaves.
    pub fn want_tally(&mut self) -> Option<u64> {
        let is_shown = self.is_shown(View::Stats) || self.is_shown(View::Latency);
        self.tallying.want(is_shown, self.filtering.text(), self.live.growth())
    }

    /// Does what an action means in these views; whether it means anything else there than elsewhere.
    pub(super) fn do_in_tally(&mut self, action: Action) -> bool {
        if matches!(action, Action::Show(View::Stats | View::Latency)) {
            self.tallying.resume();
        }
        let is_latency = self.view == View::Latency;
        if !(is_latency || self.view == View::Stats) || self.over.is_some() {
            return false;
        }
        match action {
            Action::Move(way) if is_latency => {
                let operations = self.tallying.operations().len();
                self.tallying.operation.go(way, operations);
            }
            Action::Move(way) => {
                let lines = self.tallying.lines();
                self.tallying.line.go(way, lines);
            }
            Action::Column(_) if is_latency => {
                self.tallying.is_histogram = !self.tallying.is_histogram;
            }
            Action::Column(_) => {}
            Action::Open => {
                if self.filter_by_sum(Like::This) {
                    self.view = View::Requests;
                }
            }
            Action::FilterBy(like) => {
                self.filter_by_sum(like);
            }
            Action::Cancel | Action::Back if self.searching.now.is_none() && self.stop_tally() => {
                self.filtering.stop();
            }
            _ => return false,
        }
        true
    }

    /// Counts no further; whether there was more to count.
    pub(super) fn stop_tally(&mut self) -> bool {
        let stopped = self.tallying.stop();
        if stopped {
            self.say("no more is counted; show the view again to count anew");
        }
        stopped
    }

    /// Filters by what is looked at; whether there was something to filter by.
    fn filter_by_sum(&mut self, like: Like) -> bool {
        let term = match self.view {
            View::Latency => self.tallying.operation_term(),
            _ => self.tallying.line_term(),
        };
        let Some(term) = term else {
            self.say("no filter says what this line is about");
            return false;
        };
        let term = match like {
            Like::This => term,
            Like::Others => match term.strip_prefix('!') {
                Some(opposite) => opposite.to_owned(),
                None if term.contains("==") => term.replacen("==", "!=", 1),
                // It need not hold for what has no result.
                None => format!("!({term})"),
            },
        };
        self.filter(&self.filtering.with(&term));
        true
    }
}
