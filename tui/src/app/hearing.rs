//! What was read is heard, and what should be read is wished for.
//!
//! What threads tell in, the state changed; wishes out. Invariant: what nobody asked for any more changes nothing.

use std::sync::Arc;

use blkreplay_core::event::Payload;
use bytes::Bytes;

use super::App;
use crate::around::Around;
use crate::journal::Noted;
use crate::loader::{Told, Wish};
use crate::sieve::Sifted;

impl App {
    /// Something was read.
    pub fn told(&mut self, told: Told) {
        match told {
            Told::Pages(pages) => {
                self.requests.set_pages(pages);
                self.live.keep(self.requests.time());
                self.begin_at();
            }
            Told::Rows(page, rows) => {
                self.requests.set_rows(page, rows);
                self.arrive();
            }
            Told::Singles(rows) => {
                self.requests.set_singles(rows);
                self.arrive();
            }
            Told::Data(id, data) => self.take_data(id, data),
            Told::Around(around) => self.around = Some(around),
            Told::Searched(number, done, all) => {
                self.searched(number, done, all);
            }
            Told::Grown(grown) => self.grown(grown),
            Told::Recording(recording, why) => self.recorded(recording, why),
            Told::Changed(text) => self.changed(text),
            Told::Loss(text) if self.live.is_changed => drop(text),
            Told::Ended(ended) => {
                let before = self.station();
                self.ended(ended);
                self.left(before);
            }
            Told::Added(sum) => self.points.sum = Some(sum),
            Told::Loss(text) => self.banner = Some(text),
            Told::Dropped(events) => self.dropped = self.dropped.max(events),
            Told::Unreadable(text) => {
                self.stop_search();
                if !self.live.is_changed {
                    self.banner = Some(text);
                }
            }
        }
    }

    /// A filter found something.
    pub fn sifted(&mut self, sifted: Sifted) {
        let Some(applied) = &mut self.filtering.applied else { return };
        if applied.number != sifted.number {
            return;
        }
        applied.take(&sifted);
        let is_short = sifted.is_done && sifted.done < applied.of.0;
        let damaged = is_short.then(|| "what lies behind the damage was not looked at".to_owned());
        applied.error = sifted.error.or(damaged);
        if !sifted.found.is_empty() || !sifted.wrong.is_empty() || sifted.again.is_some() {
            let goes_along = self.live.follows && self.requests.is_at_last();
            // What came while it was looked for is not in the list yet, and is looked for again once it is.
            let all = self.requests.len();
            // A search that goes on may still hold the old places.
            let found = Arc::make_mut(&mut applied.found);
            if let Some(again) = sifted.again {
                found.remove_range(again..sifted.done);
            }
            for place in sifted.wrong {
                found.remove(place);
            }
            found.extend(sifted.found.into_iter().filter(|place| *place < all));
            if sifted.again.is_some() {
                self.live.note();
            }
            let found = Arc::clone(&applied.found);
            self.requests.show(Some(found));
            if goes_along {
                self.requests.go_to(u64::MAX);
            }
        }
        self.want_diff();
    }

    /// What is not in memory and should be, the most urgent first.
    pub fn wishes(&self) -> Vec<Wish> {
        let mut wishes: Vec<_> = self.requests.missing().into_iter().map(Wish::Rows).collect();
        if let Some(Payload::Stored(_, id)) = self.requests.focused().map(|row| row.payload)
            && self.data.as_ref().is_none_or(|(had, _)| *had != id)
        {
            wishes.push(Wish::Data(id));
        }
        let focus = self.requests.focus();
        if let Some(row) = self.requests.focused()
            && self.around.as_ref().is_none_or(|around| around.place != focus)
        {
            wishes.push(Wish::Around(focus, Box::new(row.clone())));
        }
        wishes.extend(self.missing_other().map(Wish::Data));
        wishes.extend(self.searching.now.clone().map(Wish::Search));
        wishes.extend(self.adding().map(Wish::Add));
        wishes
    }

    /// A thread ended by a bug: what it would have read is not there and will not come.
    pub(crate) fn died(&mut self, why: &str, noted: &Noted) {
        let place = match noted {
            Noted { path: Some(path), .. } => format!(" ({} has it)", path.display()),
            Noted { error: Some(error), .. } => format!(" ({error})"),
            _ => String::new(),
        };
        self.banner = Some(format!(
            "a bug ended a part of the inspector{place}: {why}; what is on the screen is right, but something may not come any more"
        ));
    }

    /// The data of the focused request, as far as they are known and in memory.
    pub fn data(&self) -> Option<&Bytes> {
        let Payload::Stored(_, id) = self.requests.focused()?.payload else { return None };
        let (had, data) = self.data.as_ref()?;
        data.as_ref().filter(|_| *had == id)
    }

    /// What lies around the focused request, once that is known.
    pub fn around(&self) -> Option<&Around> {
        self.around.as_ref().filter(|around| around.place == self.requests.focus())
    }
}
