//! The table of how often each value of a column comes. Counts in, lines and a term out.
//!
//! Invariant: what was counted for another order is not taken.

use crate::frequencies::{Counted, Order, Table, Told};
use crate::state::cursor::Cursor;

/// The table.
#[derive(Debug, Default)]
pub struct Frequencies {
    order: Option<Order>,
    number: u64,
    told: Option<Told>,
    is_stopped: bool,
    /// The line that is looked at.
    pub cursor: Cursor,
}

impl Frequencies {
    /// Begins to count, with the number that is next.
    pub fn begin(&mut self, order: impl FnOnce(u64) -> Order) {
        let number = self.number + 1;
        *self = Frequencies { order: Some(order(number)), number, ..Frequencies::default() };
    }

    /// What is counted.
    pub fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// Forgets all.
    pub fn end(&mut self) {
        *self = Frequencies { number: self.number, ..Frequencies::default() };
    }

    /// Takes what was counted so far.
    pub fn take(&mut self, told: Told) {
        if self.goes_on() && self.order.as_ref().is_some_and(|order| order.number == told.number) {
            self.told = Some(told);
        }
    }

    /// Whether there is more to come.
    pub fn goes_on(&self) -> bool {
        self.order.is_some()
            && !self.is_stopped
            && self.told.as_ref().is_none_or(|told| !told.is_done)
    }

    /// Counts no further; whether there was more to count.
    pub fn stop(&mut self) -> bool {
        let goes_on = self.goes_on();
        self.is_stopped |= goes_on;
        goes_on
    }

    /// Whether what is known is of all requests that are shown.
    pub fn is_exact(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.is_done && told.error.is_none())
    }

    /// What was told last.
    pub fn told(&self) -> Option<&Told> {
        self.told.as_ref()
    }

    /// The table, as far as it is known.
    pub fn table(&self) -> Option<&Table> {
        self.told.as_ref().map(|told| &told.table)
    }

    /// How many lines it has.
    pub fn lines(&self) -> usize {
        self.table().map_or(0, |table| table.values.len())
    }

    /// What is looked at.
    pub fn looked_at(&self) -> Option<&Counted> {
        self.table()?.values.get(self.cursor.at(self.lines()))
    }
}
