//! Threads of the list: they count values of a column, sort, and write what is shown to a file.
//!
//! What the state wants comes in, threads begin and others end. Invariant: nothing here waits for the trace.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Desk, Heard};
use crate::frequencies;
use crate::sorter;
use crate::writer;

impl Desk {
    /// Begins to count the values of a column, if that is wanted, and lets others end.
    pub(super) fn count_values(&mut self) {
        let frequencies = &self.app.frequencies;
        let order = frequencies.order().filter(|_| frequencies.goes_on());
        let (begun, wanted) = &mut self.frequent;
        wanted.store(order.map_or(0, |order| order.number), Ordering::Relaxed);
        let Some(order) = order.filter(|order| order.number > *begun) else { return };
        *begun = order.number;
        let (number, wanted, again) = (order.number, Arc::clone(wanted), Arc::clone(&self.again));
        let sender = self.sender.clone();
        let is_wanted = move || wanted.load(Ordering::Relaxed) == number;
        let tell = move |told| sender.send(Heard::Frequencies(told)).is_ok();
        frequencies::start(order.clone(), move || again(), is_wanted, tell);
    }

    /// Begins to sort, if that is wanted, and lets others end.
    pub(super) fn sort(&mut self) {
        let order = self.app.sorting.order();
        let (begun, wanted) = &mut self.sorting;
        wanted.store(order.map_or(0, |order| order.number), Ordering::Relaxed);
        let Some(order) = order.filter(|order| order.number > *begun) else { return };
        *begun = order.number;
        let (number, wanted, again) = (order.number, Arc::clone(wanted), Arc::clone(&self.again));
        let sender = self.sender.clone();
        let is_wanted = move || wanted.load(Ordering::Relaxed) == number;
        let tell = move |told| {
            // If nobody hears it, nobody wants it.
            let _ = sender.send(Heard::Sorted(told));
        };
        sorter::start(order.clone(), move || again(), is_wanted, tell);
    }

    /// Begins to write a file, if one is wanted.
    pub(super) fn write(&mut self) {
        let Some(order) = self.app.writing.order() else { return };
        let number = order.number;
        if self.writer.as_ref().is_some_and(|(begun, _)| *begun == number) {
            return;
        }
        let (sender, again) = (self.sender.clone(), Arc::clone(&self.again));
        let tell = move |told| {
            // If nobody hears it, nobody wants it.
            let _ = sender.send(Heard::Wrote(told));
        };
        let outlet = Arc::clone(&self.app.outlet);
        let thread = writer::start(order.clone(), outlet, move || again(), tell);
        self.writer = Some((number, thread));
    }
}
