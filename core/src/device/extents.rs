//! Puts the answer to a block status together: states of runs come in, in order; merged extents come out.
//!
//! Invariant: no extent is empty, neighbours differ, and there are at most `EXTENTS_MAX`.

use crate::limits::EXTENTS_MAX;
use crate::request::Extent;

/// What a run of bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Allocated; may hold anything.
    Data,
    /// Allocated, and known to read as zeroes.
    Zero,
    /// Not allocated, and reads as zeroes.
    Hole,
}

impl State {
    /// As one extent of `length` bytes.
    pub(super) fn extent(self, length: u64) -> Extent {
        Extent { length, hole: self == State::Hole, zero: self != State::Data }
    }
}

/// An answer in the making.
#[derive(Debug, Default)]
pub(super) struct Extents(Vec<Extent>);

impl Extents {
    /// Appends a run. False if there is no room for it: the answer ends before it.
    pub(super) fn push(&mut self, run: Extent) -> bool {
        let full = self.0.len() == EXTENTS_MAX;
        match self.0.last_mut() {
            _ if run.length == 0 => {}
            Some(last) if (last.hole, last.zero) == (run.hole, run.zero) => {
                last.length += run.length;
            }
            _ if full => return false,
            _ => self.0.push(run),
        }
        true
    }

    /// The answer.
    pub(super) fn into_vec(self) -> Vec<Extent> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_state_become_one_extent_and_empty_ones_none() {
        let mut extents = Extents::default();
        for (state, length) in
            [(State::Data, 3), (State::Data, 4), (State::Hole, 0), (State::Hole, 5)]
        {
            assert!(extents.push(state.extent(length)));
        }
        assert_eq!(extents.into_vec(), [State::Data.extent(7), State::Hole.extent(5)]);
    }

    #[test]
    fn an_answer_ends_where_it_is_full() {
        let mut extents = Extents::default();
        for number in 0..EXTENTS_MAX {
            let state = if number % 2 == 0 { State::Data } else { State::Zero };
            assert!(extents.push(state.extent(1)));
        }
        assert!(!extents.push(State::Data.extent(1)), "that would be one too many");
        assert!(extents.push(State::Zero.extent(1)), "but the last one may grow");
        assert_eq!(extents.into_vec().len(), EXTENTS_MAX);
    }
}
