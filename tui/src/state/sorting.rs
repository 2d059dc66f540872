//! Whether the list is sorted, and how far that is. Orders and what was sorted in, places out.
//!
//! Invariant: what was sorted for another order is not taken.

use crate::sorter::{Ended, Order, Told};
use crate::state::cell::Cell;
use crate::words;

/// Sorting.
#[derive(Debug, Default)]
pub struct Sorting {
    order: Option<Order>,
    number: u64,
    done: u64,
    /// What the list is sorted by.
    pub by: Option<Cell>,
}

impl Sorting {
    /// Begins, with the number that is next.
    pub fn begin(&mut self, order: impl FnOnce(u64) -> Order) {
        self.number += 1;
        self.done = 0;
        self.order = Some(order(self.number));
    }

    /// What is to be sorted.
    pub fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// Sorts no further; whether there was more to do.
    pub fn stop(&mut self) -> bool {
        self.order.take().is_some()
    }

    /// Takes how far it is. If it ended: the order, and what came of it.
    pub fn take(&mut self, told: Told) -> Option<(Order, Ended)> {
        let order = self.order.take_if(|order| order.number == told.number)?;
        let Some(end) = told.end else {
            self.done = told.done;
            self.order = Some(order);
            return None;
        };
        Some((order, end))
    }

    /// How far it is in percent, of so many requests.
    pub fn percent(&self, requests: u64) -> Option<u64> {
        self.order.as_ref()?;
        Some(words::progress(self.done, requests))
    }
}
