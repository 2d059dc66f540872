//! Which requests of a log were completed: numbers in, those that come twice or never out.
//!
//! QEMU numbers requests from 0 (`blkreplay_next_id`) and completes each once, in any order. Invariant: no more than
//! `CHECK_OPEN_MAX` are kept in mind.

use std::collections::BTreeMap;

use super::fault::{LogFault, LogPlace};
use crate::limits::CHECK_OPEN_MAX;

/// Findings about missing requests that are told of; a log that has more is not QEMU's.
const MISSING_MAX: usize = 1000;

/// The requests so far.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// All below are complete.
    complete: u64,
    /// Those that are, and are not below.
    ahead: BTreeMap<u64, LogPlace>,
    /// Too many were ahead: which are missing is not known any more.
    unsure: bool,
}

impl Requests {
    /// A request was completed. What is wrong with that, if anything is.
    pub(super) fn completed(&mut self, id: u64, place: LogPlace) -> Option<LogFault> {
        if id < self.complete || self.ahead.contains_key(&id) {
            return Some(LogFault::BlockTwice { id });
        }
        if id == self.complete {
            self.complete += 1;
            while self.ahead.remove(&self.complete).is_some() {
                self.complete += 1;
            }
            return None;
        }
        if self.ahead.len() < CHECK_OPEN_MAX {
            self.ahead.insert(id, place);
            return None;
        }
        let told = std::mem::replace(&mut self.unsure, true);
        (!told).then_some(LogFault::TooManyOpen)
    }

    /// Those that were never completed, though later ones were; each range at the place of the one behind it.
    pub(super) fn missing(&self) -> Vec<(LogPlace, LogFault)> {
        if self.unsure {
            return Vec::new();
        }
        let mut first = self.complete;
        let mut missing = Vec::new();
        for (&behind, &place) in &self.ahead {
            if behind > first {
                let count = behind - first;
                missing.push((place, LogFault::BlockMissing { first, count, behind }));
            }
            first = behind.saturating_add(1);
            if missing.len() == MISSING_MAX {
                break;
            }
        }
        missing
    }
}
