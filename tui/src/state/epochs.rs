//! Epochs of all devices: their sums, and which one is looked at.
//!
//! Sums come in, a little at a time. Invariants: no more than `KEPT` epochs are kept; which is looked at follows from the focus.

use std::collections::HashMap;
use std::ops::Range;

use blkreplay_core::rows::Row;
use blkreplay_core::units::Nanos;

use super::window::Window;
use crate::action::Move;
use crate::epochs::{Counted, Epoch, Flush, Key};

/// Epochs that are kept.
const KEPT: usize = 1 << 18;

/// The epochs.
#[derive(Debug, Default)]
pub struct Epochs {
    /// Tells the count from others; 0 before the first.
    pub number: u64,
    /// The number of the filter whose requests count, 0 without one; `None` before the first count.
    pub of: Option<u64>,
    /// What the trace had grown to when it was counted.
    pub growth: u64,
    /// All was looked at.
    pub is_done: bool,
    /// Why it went no further.
    pub error: Option<String>,
    /// Requests that were looked at.
    pub done: u64,
    /// There are more than can be kept.
    pub is_full: bool,
    /// A count of more, for the trace grew: what was counted before stands until that is done.
    again: Option<Box<Epochs>>,
    list: Vec<Epoch>,
    known: HashMap<Key, usize>,
    flushes: HashMap<Key, Flush>,
    window: Window,
}

impl Epochs {
    /// Begins to count requests of the filter of this number, 0 for all, of a trace that has grown to this.
    pub fn begin(&mut self, of: u64, growth: u64) {
        let (number, window) = (self.number + 1, self.window);
        *self = Epochs { number, of: Some(of), growth, window, ..Epochs::default() };
    }

    /// Begins to count them anew.
    pub fn begin_again(&mut self, growth: u64) {
        self.number += 1;
        let (number, of, window) = (self.number, self.of, self.window);
        self.again = Some(Box::new(Epochs { number, of, growth, window, ..Epochs::default() }));
    }

    /// Whether something is counted, if only anew.
    pub fn is_counting(&self) -> bool {
        self.goes_on() || self.again.is_some()
    }

    /// Forgets what was counted.
    pub fn clear(&mut self) {
        let (number, window) = (self.number + 1, self.window);
        *self = Epochs { number, is_done: true, window, ..Epochs::default() };
    }

    /// Whether they are being counted.
    pub fn goes_on(&self) -> bool {
        self.of.is_some() && !self.is_done
    }

    /// Counts no further; whether there was more to count.
    pub fn stop(&mut self) -> bool {
        let goes_on = self.goes_on();
        if goes_on {
            self.number += 1;
            self.is_done = true;
            self.error = Some("it was cancelled".to_owned());
        }
        goes_on
    }

    /// Takes what was counted.
    pub fn take(&mut self, counted: Counted) {
        if counted.number != self.number {
            return;
        }
        if let Some(mut again) = self.again.take() {
            again.take(counted);
            if again.is_done {
                again.window = self.window;
                *self = *again;
            } else {
                self.again = Some(again);
            }
            return;
        }
        for epoch in counted.epochs {
            match self.known.get(&epoch.key) {
                Some(at) => {
                    let sums = &mut self.list[*at];
                    sums.requests += epoch.requests;
                    sums.writes += epoch.writes;
                    sums.written = sums.written.saturating_add(epoch.written);
                }
                None if self.list.len() < KEPT => {
                    self.known.insert(epoch.key, self.list.len());
                    self.list.push(epoch);
                }
                None => self.is_full = true,
            }
        }
        let room = KEPT.saturating_sub(self.flushes.len());
        self.flushes.extend(counted.flushes.into_iter().take(room));
        self.done = counted.done;
        self.is_done = counted.is_done;
        self.error = counted.error;
    }

    /// All, in the order of the first request of each.
    pub fn all(&self) -> &[Epoch] {
        &self.list
    }

    /// The flush that ended an epoch; `None` if none did, as far as is known.
    pub fn flush(&self, key: Key) -> Option<Flush> {
        self.flushes.get(&key).copied()
    }

    /// From its first request until its flush was released.
    pub fn took(&self, epoch: &Epoch) -> Option<Nanos> {
        Some(self.flush(epoch.key)?.at.since(epoch.began))
    }

    /// Which is looked at, with the focus at a place: that of the request there.
    pub fn at(&self, focus: u64, row: Option<&Row>) -> usize {
        let known = row.and_then(|row| self.known.get(&(row.device, row.epoch)));
        known.copied().unwrap_or_else(|| {
            let behind = self.list.partition_point(|epoch| epoch.place <= focus);
            behind.saturating_sub(1)
        })
    }

    /// Where a move leads.
    pub fn to(&self, at: usize, way: Move) -> usize {
        self.window.to(at, way, self.list.len())
    }

    /// Which are on a screen of so many lines.
    pub fn on_screen(&mut self, at: usize, height: usize) -> Range<usize> {
        self.window.show(at, self.list.len(), height)
    }
}
