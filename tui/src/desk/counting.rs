//! Threads that count are begun, and let go once nobody wants what they count.
//!
//! What the state shows in, threads out. Invariant: of each kind one counts that is wanted, and the others end within a step.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Desk, Heard};
use crate::{chart, epochs, expert, flight, sieve, tally};

impl Desk {
    /// Begins to count epochs, if they are wanted, and lets others end.
    pub(super) fn count(&mut self) {
        self.app.want_epochs();
        let epochs = &self.app.epochs;
        let number = epochs.number;
        self.counting.store(number, Ordering::Relaxed);
        if number <= self.counted {
            return;
        }
        self.counted = number;
        if !epochs.is_counting() {
            return;
        }
        let (sender, counting) = (self.sender.clone(), Arc::clone(&self.counting));
        let (again, shown) = (Arc::clone(&self.again), self.app.shown_places());
        let tell = move |counted| {
            counting.load(Ordering::Relaxed) == number
                && sender.send(Heard::Counted(counted)).is_ok()
        };
        epochs::start(number, shown, move || again(), tell);
    }

    /// Begins to look for findings, if they are wanted, and lets others end.
    pub(super) fn look(&mut self) {
        self.app.want_findings();
        let findings = &self.app.findings;
        let number = findings.number;
        self.looking.store(number, Ordering::Relaxed);
        if number <= self.looked {
            return;
        }
        self.looked = number;
        if !findings.is_counting() {
            return;
        }
        let (sender, looking) = (self.sender.clone(), Arc::clone(&self.looking));
        let again = Arc::clone(&self.again);
        let tell = move |looked| {
            looking.load(Ordering::Relaxed) == number && sender.send(Heard::Looked(looked)).is_ok()
        };
        expert::start(number, move || again(), tell);
    }

    /// Begins to count what the filter leaves, if a view shows it and it is not counted, and lets others end.
    pub(super) fn tally(&mut self) {
        let begins = self.app.want_tally();
        self.wanted_tally.store(self.app.tallying.number(), Ordering::Relaxed);
        let Some(number) = begins else { return };
        let filter = self.app.filtering.applied.as_ref().map(|applied| applied.filter.clone());
        let (sender, wanted) = (self.sender.clone(), Arc::clone(&self.wanted_tally));
        let again = Arc::clone(&self.again);
        let is_wanted = move || wanted.load(Ordering::Relaxed) == number;
        let tell = move |tallied| sender.send(Heard::Tallied(tallied)).is_ok();
        tally::start(number, filter, move || again(), is_wanted, tell);
    }

    /// Begins to look for what the filter means, if it is a new one, and lets others end.
    pub(super) fn sift(&mut self) {
        let now = self.app.filtering.applied.as_ref();
        self.wanted.store(now.map_or(0, |applied| applied.number), Ordering::Relaxed);
        let Some(pass) = self.app.next_pass() else { return };
        let (sender, wanted) = (self.sender.clone(), Arc::clone(&self.wanted));
        let (number, again) = (pass.number, Arc::clone(&self.again));
        let pages = self.app.requests.pages().to_vec();
        let tell = move |sifted| {
            wanted.load(Ordering::Relaxed) == number && sender.send(Heard::Sifted(sifted)).is_ok()
        };
        sieve::start(pass, pages, move || again(), tell);
    }

    /// Begins to count what was in flight when, if others times are shown, and lets those end who count what is not shown.
    pub(super) fn fly(&mut self) {
        let order = self.app.order_flight();
        self.wanted_flight.store(self.app.queue.counting(), Ordering::Relaxed);
        let Some(order) = order else { return };
        let (sender, wanted) = (self.sender.clone(), Arc::clone(&self.wanted_flight));
        let (number, again) = (order.number, Arc::clone(&self.again));
        let is_wanted = move || wanted.load(Ordering::Relaxed) == number;
        let tell = move |flight| {
            // If nobody hears it, nobody wants it.
            let _ = sender.send(Heard::Flown(Box::new(flight)));
        };
        flight::start(order, move || again(), is_wanted, tell);
    }

    /// Begins to count what cells of the map hold, if it shows others, and lets those end who count what is not shown.
    pub(super) fn chart(&mut self) {
        let order = self.app.order();
        self.charting.store(self.app.map.counting(), Ordering::Relaxed);
        let Some(order) = order else { return };
        let (sender, wanted) = (self.sender.clone(), Arc::clone(&self.charting));
        let (number, again) = (order.number, Arc::clone(&self.again));
        let is_wanted = move || wanted.load(Ordering::Relaxed) == number;
        let tell = move |chart| {
            // If nobody hears it, nobody wants it.
            let _ = sender.send(Heard::Charted(Box::new(chart)));
        };
        chart::start(order, move || again(), is_wanted, tell);
    }
}
