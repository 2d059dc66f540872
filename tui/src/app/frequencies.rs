//! How often values of a column come: counting begins, ends, and leads to a filter. Actions and counts in, a filter out.

use super::{App, Over};
use crate::action::{Like, View};
use crate::frequencies::Order;
use crate::state::cell::Cell;

impl App {
    /// Counts the values of the focused column, of the requests that are shown.
    pub(super) fn ask_frequencies(&mut self) {
        let filter = self.filtering.applied.as_ref();
        if self.view != View::Requests {
            return self.say("K counts the values of a column of the list; 1 shows it");
        }
        if self.requests.is_empty() {
            return self.say("there are no requests here");
        }
        if self.cell == Cell::Id {
            return self.say("every request has an id of its own");
        }
        if filter.is_some_and(|applied| !applied.is_done) {
            return self.refuse("the filter still finds more; wait, or stop it with esc");
        }
        if self.cell == Cell::Gap && filter.is_some() {
            return self.say("no filter says how far apart those are that another one leaves");
        }
        let (cell, shown) = (self.cell, self.shown_places());
        self.frequencies.begin(|number| Order { number, cell, shown });
        self.over = Some(Over::Frequencies);
    }

    /// Filters by the value that is looked at.
    pub(super) fn filter_by_value(&mut self, like: Like) {
        let Some(order) = self.frequencies.order() else { return };
        let cell = order.cell;
        let Some(counted) = self.frequencies.looked_at() else {
            return self.say("nothing is counted yet");
        };
        let Some(term) = counted.value.term(cell, &counted.row, &self.header) else {
            return self.say("no filter says this");
        };
        let term = if like == Like::This { term } else { format!("!({term})") };
        self.frequencies.end();
        self.over = None;
        self.filter(&self.filtering.with(&term));
    }

    /// Counts no further, or leaves the table; whether there was one.
    pub(super) fn leave_frequencies(&mut self) -> bool {
        if !matches!(self.over, Some(Over::Frequencies)) {
            return false;
        }
        if self.frequencies.stop() {
            self.say("counting was cancelled; esc again leaves");
            return true;
        }
        self.frequencies.end();
        self.over = None;
        true
    }
}
