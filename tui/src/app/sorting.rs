//! The list in the order of a column, and back. Actions and what was sorted in, the list changed, and words.

use super::App;
use crate::action::View;
use crate::sorter::{FIRST, Order, SORTED_MAX, Told};
use crate::state::cell::Cell;
use crate::words;

impl App {
    /// Sorts the list by the focused column, or shows it in the order of the trace again.
    pub(super) fn sort(&mut self) {
        if self.stop_sorting() {
            return;
        }
        let filter = self.filtering.applied.as_ref();
        if self.view != View::Requests {
            return self.say("O sorts the list of requests; 1 shows it");
        }
        if self.requests.is_empty() {
            return self.say("there are no requests here");
        }
        if filter.is_some_and(|applied| !applied.is_done) {
            return self.refuse("the filter still finds more; wait, or stop it with esc");
        }
        let why = match self.cell {
            Cell::Payload => Some("digests of data have no order"),
            Cell::Gap if filter.is_some() => {
                Some("gaps are sorted in the whole trace alone; backspace drops the filter")
            }
            _ => None,
        };
        if let Some(why) = why {
            return self.say(why);
        }
        let limit = if self.requests.shown() > SORTED_MAX { FIRST } else { SORTED_MAX };
        let (cell, shown) = (self.cell, self.shown_places());
        let of = self.requests.len();
        self.sorting.begin(|number| Order { number, cell, shown, of, limit });
    }

    /// Something was sorted.
    pub fn sorted(&mut self, told: Told) {
        let Some((order, end)) = self.sorting.take(told) else { return };
        let (sorted, loss) = match end {
            Ok(ended) => ended,
            Err(why) => return self.refuse(format!("the list was not sorted: {why}")),
        };
        let all = order.shown.map_or(order.of, |shown| shown.len());
        self.sorting.by = Some(order.cell);
        let kept = sorted.count();
        self.requests.sort(sorted);
        let name = order.cell.name();
        let part = if kept < all {
            let (kept, all) = (words::count(kept), words::count(all));
            let most = words::count(SORTED_MAX);
            format!(": the first {kept} of {all}, for no more than {most} are sorted")
        } else {
            String::new()
        };
        match loss {
            Some(loss) => self.refuse(format!("sorted by {name}, but what is missing: {loss}")),
            None => self.say(format!("sorted by {name}{part}; O goes back")),
        }
    }

    /// Shows the list in the order of the trace again, or sorts no further; whether there was anything to do.
    pub(super) fn stop_sorting(&mut self) -> bool {
        if self.sorting.stop() {
            self.say("sorting was cancelled");
            return true;
        }
        let was_sorted = self.requests.unsort();
        if was_sorted {
            self.say("in the order of the trace");
        }
        was_sorted
    }
}
