//! What is counted for the views of statistics and latencies, and what they look at.
//!
//! Invariant: what is told is of the requests that the filter leaves whose text is remembered.

use crate::state::cursor::Cursor;
use crate::state::outline::Outline;
use crate::state::sums::{Sum, Sums};
use crate::tally::Tallied;

/// What is counted.
#[derive(Debug, Default)]
pub struct Tallying {
    /// What was told last.
    told: Option<Tallied>,
    /// What summaries say, as long as not all was counted.
    said: Option<Sums>,
    /// The text of the filter whose requests are counted; `None` if nobody asked yet.
    text: Option<String>,
    /// Tells the count from others.
    number: u64,
    /// What the trace had grown to when that began.
    growth: u64,
    /// The same requests and more are counted, and what was told last stands until that is done.
    is_again: bool,
    /// Somebody did not want to wait.
    is_stopped: bool,
    /// The line of the statistics that is looked at: operations, and then what there is to say besides.
    pub line: Cursor,
    /// The operation whose latencies are looked at.
    pub operation: Cursor,
    /// Latencies are shown as bars instead of curves.
    pub is_histogram: bool,
}

impl Tallying {
    /// The number of a count that is to begin now that views that need one are shown or not, with a filter of this text, of a trace
    /// that has grown to this.
    pub fn want(&mut self, is_shown: bool, text: &str, growth: u64) -> Option<u64> {
        let is_same = self.text.as_deref().map_or(!is_shown, |old| old == text);
        let is_stale = is_shown && self.growth != growth && !self.is_stopped && !self.is_counting();
        if is_same && !is_stale {
            return None;
        }
        if is_same && self.told.is_some() {
            (self.growth, self.is_again) = (growth, true);
            self.number += 1;
            return Some(self.number);
        }
        self.forget();
        self.growth = growth;
        self.text = is_shown.then(|| text.to_owned());
        is_shown.then_some(self.number)
    }

    /// The number of the count that is wanted.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Takes what was counted so far.
    pub fn take(&mut self, tallied: Tallied) {
        if tallied.number == self.number && (tallied.is_done || !self.is_again) {
            self.is_again = false;
            self.told = Some(tallied);
        }
    }

    /// Counts no further; whether there was more to count.
    pub fn stop(&mut self) -> bool {
        let goes_on = self.goes_on();
        if goes_on {
            self.number += 1;
            self.is_stopped = true;
        }
        goes_on
    }

    /// Counts anew if somebody had stopped it.
    pub fn resume(&mut self) {
        if self.is_stopped {
            self.forget();
        }
    }

    fn forget(&mut self) {
        (self.told, self.text, self.is_stopped, self.is_again) = (None, None, false, false);
        self.number += 1;
    }

    /// Whether there is more to come.
    pub fn goes_on(&self) -> bool {
        self.text.is_some()
            && !self.is_stopped
            && self.told.as_ref().is_none_or(|told| !told.is_done)
    }

    /// Whether something is counted, if only anew.
    pub fn is_counting(&self) -> bool {
        self.goes_on() || self.is_again
    }

    /// What the trace had grown to when it was counted.
    pub fn growth(&self) -> u64 {
        if self.is_again { self.growth.wrapping_sub(1) } else { self.growth }
    }

    /// Whether somebody stopped it.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Whether what is known is of all requests that are meant, as far as the trace is whole.
    pub fn is_exact(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.is_done && told.error.is_none())
    }

    /// What was told last.
    pub fn told(&self) -> Option<&Tallied> {
        self.told.as_ref()
    }

    /// What requests amount to, as far as it is known.
    pub fn sums(&self) -> Option<&Sums> {
        self.said.as_ref().or(self.told.as_ref().map(|told| &told.sums))
    }

    /// Takes what summaries say, which stands as long as not all was counted; nothing where they cannot say it.
    pub fn say(&mut self, outline: Option<&Outline>) {
        let is_counted = self.told.as_ref().is_some_and(|told| told.is_done);
        let outline = outline.filter(|outline| !is_counted && !outline.parts().is_empty());
        let counted = self.told.as_ref().map(|told| &told.sums);
        self.said = outline.map(|outline| Sums::said(outline, counted));
    }

    /// The operations, as far as they are known.
    pub fn operations(&self) -> &[Sum] {
        self.sums().map_or(&[], |sums| &sums.operations)
    }

    /// How many lines the statistics have.
    pub fn lines(&self) -> usize {
        self.sums().map_or(0, |sums| sums.operations.len() + sums.lines.len())
    }

    /// The term of the line of the statistics that is looked at.
    pub fn line_term(&self) -> Option<String> {
        let sums = self.sums()?;
        let at = self.line.at(self.lines());
        match sums.operations.get(at) {
            Some(sum) => Some(term(sum)),
            None => sums.lines.get(at - sums.operations.len())?.term.map(str::to_owned),
        }
    }

    /// The operation whose latencies are looked at.
    pub fn looked_at(&self) -> Option<&Sum> {
        let operations = self.operations();
        operations.get(self.operation.at(operations.len()))
    }

    /// Its term.
    pub fn operation_term(&self) -> Option<String> {
        self.looked_at().map(term)
    }
}

fn term(sum: &Sum) -> String {
    format!("op == {}", sum.operation)
}
