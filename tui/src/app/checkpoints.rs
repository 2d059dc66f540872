//! Checkpoints: going from one to the next, to their requests or events, and to a filter that shows these.
//!
//! Actions and what was read in, the focus and the filter changed. Invariant: the shared focus is at the first request, or in a log at the
//! first event, of the checkpoint that was gone to, if it has one.

use super::App;
use super::eventing::first_place;
use crate::action::{Like, Move, View};
use crate::events::{Completed, End, Need};

/// Requests that a filter is made of.
const FILTERED: usize = 64;

impl App {
    /// Looks for the checkpoint of the shared focus, if others are looked at. Waits for a filter that still finds more.
    pub fn want_checkpoints(&mut self) {
        if self.view != View::Checkpoints {
            return;
        }
        let applied = self.filtering.applied.as_ref();
        if applied.is_some_and(|applied| !applied.is_done) {
            return;
        }
        self.checkpoints.under(applied.map_or(0, |applied| applied.number));
        if self.checkpoints.leads {
            return;
        }
        if self.log.is_some() {
            let focus = self.events.focus();
            if self.checkpoints.of.replace(focus) != Some(focus) {
                self.checkpoints.go(focus);
            }
            return;
        }
        let focus = self.requests.focus();
        let Some(row) = self.requests.focused().filter(|_| self.checkpoints.of != Some(focus))
        else {
            return;
        };
        let (id, event) = (row.id, row.event);
        let is_completed = row.completion.is_some();
        self.checkpoints.of = Some(focus);
        self.checkpoints.go(event);
        if is_completed {
            self.events.seek(id, End::Completion, Some(event + 1), u64::MAX);
        }
    }

    /// The checkpoints that are not in memory and should be.
    pub(super) fn checkpoints_wished(&self) -> Option<Need> {
        let applied = self.filtering.applied.as_ref();
        let waits = applied.is_some_and(|applied| !applied.is_done);
        let is_shown = self.view == View::Checkpoints && self.over.is_none();
        let shown = applied.map(|applied| &applied.found);
        if waits || !is_shown { None } else { self.checkpoints.missing(shown) }
    }

    /// Goes to another checkpoint.
    pub(super) fn move_checkpoint(&mut self, way: Move) {
        self.checkpoints.leads = true;
        self.events.stop();
        if self.checkpoints.go_on(way).is_some() {
            self.follow_checkpoint();
        }
    }

    /// Takes the shared focus to the checkpoint that was gone to, once it is known.
    pub(super) fn follow_checkpoint(&mut self) {
        let wished = self.checkpoints_wished().is_some();
        let Some(row) = self.checkpoints.focused().filter(|_| self.checkpoints.leads) else {
            // There is none to go to.
            self.checkpoints.leads &= wished;
            return;
        };
        let (first, place) = (row.first, first_place(&row.completed));
        self.checkpoints.leads = false;
        if self.log.is_some() {
            self.events.focus_on(first);
            self.checkpoints.of = Some(self.events.focus());
            return;
        }
        if let Some(place) = place {
            self.requests.go(place);
        }
        self.checkpoints.of = Some(self.requests.focus());
    }

    /// Shows the requests that a checkpoint completed, or its events.
    pub(super) fn open_checkpoint(&mut self) {
        let Some(row) = self.checkpoints.focused() else {
            return self.say("there is no checkpoint here");
        };
        let (first, place) = (row.first, first_place(&row.completed));
        self.view = View::Requests;
        if let Some(place) = place {
            self.requests.go(place);
        } else {
            self.events.focus_on(first);
            self.is_raw = self.log.is_none();
        }
    }

    /// Shows only the requests that a checkpoint completed, or all others.
    pub(super) fn filter_by_checkpoint(&mut self, like: Like) {
        let completed = self.checkpoints.focused().map(|row| row.completed.as_slice());
        let term = match completed.unwrap_or_default() {
            [] => return self.say("no request was completed here"),
            all if all.len() > FILTERED => {
                return self.say(format!("a filter of more than {FILTERED} requests is too long"));
            }
            [Completed { id, .. }] => format!("id == {}", id.0),
            all => {
                let ids: Vec<String> = all.iter().map(|one| one.id.0.to_string()).collect();
                format!("id in {{{}}}", ids.join(", "))
            }
        };
        let term = if like == Like::This { term } else { format!("!({term})") };
        self.filter(&self.filtering.with(&term));
    }
}
