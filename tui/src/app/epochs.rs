//! Epochs: going from one to the next, to their requests, and to a filter that shows them.
//!
//! Actions and what was counted in, the focus and the filter changed. Invariant: what is counted is what the filter in force shows.

use std::sync::Arc;

use roaring::RoaringTreemap;

use super::App;
use crate::action::{Like, Move, View};
use crate::epochs::Epoch;
use crate::words;

impl App {
    /// Begins to count epochs if they are looked at and were not counted under the filter in force, and forgets those that were
    /// counted under another. Waits for a filter that still finds more.
    pub fn want_epochs(&mut self) {
        let applied = self.filtering.applied.as_ref();
        let now = applied.map_or(0, |applied| applied.number);
        let growth = self.live.growth();
        if self.epochs.of == Some(now) {
            let is_stale = self.epochs.growth != growth && self.epochs.error.is_none();
            if is_stale && self.is_shown(View::Epochs) && !self.epochs.is_counting() {
                self.epochs.begin_again(growth);
            }
            return;
        }
        if self.epochs.of.is_some() {
            self.epochs.clear();
        }
        if self.is_shown(View::Epochs) && applied.is_none_or(|applied| applied.is_done) {
            self.epochs.begin(now, growth);
        }
    }

    /// The places of requests that are shown; `None` for all.
    pub fn shown_places(&self) -> Option<Arc<RoaringTreemap>> {
        self.filtering.applied.as_ref().map(|applied| Arc::clone(&applied.found))
    }

    /// Counts anew what was not counted to its end.
    pub(super) fn show_epochs(&mut self) {
        if self.epochs.error.is_some() {
            self.epochs.clear();
        }
    }

    /// Goes to another epoch.
    pub(super) fn move_epoch(&mut self, way: Move) {
        let at = self.epochs.at(self.requests.focus(), self.requests.focused());
        self.go_to_epoch(self.epochs.to(at, way));
    }

    /// Shows the first request of the epoch.
    pub(super) fn open_epoch(&mut self) {
        let at = self.epochs.at(self.requests.focus(), self.requests.focused());
        self.go_to_epoch(at);
        self.view = View::Requests;
    }

    fn go_to_epoch(&mut self, at: usize) {
        if let Some(place) = self.epochs.all().get(at).map(|epoch| epoch.place) {
            self.requests.go(place);
        }
    }

    /// Shows only the requests of the epoch, or all others.
    pub(super) fn filter_by_epoch(&mut self, like: Like) {
        let at = self.epochs.at(self.requests.focus(), self.requests.focused());
        let Some(term) = self.epochs.all().get(at).map(|epoch| self.term_of(epoch, like)) else {
            return self.say("there is no epoch here");
        };
        self.filter(&self.filtering.with(&term));
    }

    fn term_of(&self, epoch: &Epoch, like: Like) -> String {
        let (device, number) = epoch.key;
        let name = self.header.devices.get(usize::from(device.0)).map(|device| &device.name);
        match (name.filter(|_| self.header.devices.len() > 1), like) {
            (None, Like::This) => format!("epoch == {number}"),
            (None, Like::Others) => format!("epoch != {number}"),
            (Some(name), like) => {
                let both = format!("dev == {} && epoch == {number}", words::quoted(name));
                if like == Like::This { both } else { format!("!({both})") }
            }
        }
    }
}
