//! Requests of which one side only had one, as far as could be seen: does the other have it later?
//!
//! Keys in, an answer out. Invariant: no more than so many of either side are remembered, the last ones.

use std::collections::{HashMap, VecDeque};

use crate::diff::compared::Key;
use crate::diff::error::Which;

/// What was told of as removed or added, and could wait no longer.
#[derive(Debug)]
pub(super) struct Lost {
    most: usize,
    sides: [Keys; 2],
}

/// Keys in the order in which they came, and how often each is there.
#[derive(Debug, Default)]
struct Keys {
    all: VecDeque<Key>,
    often: HashMap<Key, usize>,
}

impl Lost {
    /// Remembers so many of either side.
    pub(super) fn new(most: usize) -> Lost {
        Lost { most, sides: [Keys::default(), Keys::default()] }
    }

    /// One that only this side had is not looked for any more.
    pub(super) fn add(&mut self, which: Which, key: Key) {
        let keys = &mut self.sides[usize::from(which == Which::New)];
        keys.all.push_back(key);
        *keys.often.entry(key).or_default() += 1;
        if keys.all.len() > self.most
            && let Some(first) = keys.all.pop_front()
            && let Some(often) = keys.often.get_mut(&first)
        {
            *often -= 1;
            if *often == 0 {
                keys.often.remove(&first);
            }
        }
    }

    /// Whether one of this side, which only it has, would have been a pair with one of the other.
    pub(super) fn has_pair_of(&self, which: Which, key: Key) -> bool {
        self.sides[usize::from(which == Which::Base)].often.contains_key(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_of_the_other_side_are_known_as_often_as_they_came() {
        let mut lost = Lost::new(3);
        for key in [1, 1, 2] {
            lost.add(Which::Base, Key(key));
        }
        let known = |lost: &Lost| [1, 2, 3].map(|key| lost.has_pair_of(Which::New, Key(key)));
        assert_eq!(known(&lost), [true, true, false]);
        assert!(!lost.has_pair_of(Which::Base, Key(1)), "it is of the same side");
        lost.add(Which::Base, Key(3));
        assert_eq!(known(&lost), [true, true, true], "one of two is left");
        lost.add(Which::Base, Key(3));
        assert_eq!(known(&lost), [false, true, true]);
        assert!(lost.sides[0].all.len() == 3 && lost.sides[0].often.len() == 2);
    }
}
