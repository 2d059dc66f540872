//! Finds the issue of a block in the chunk: ids in, places out.
//!
//! Knows nothing else of events. Invariant: the place found is that of the last issue so far with the id.

use std::collections::HashMap;

/// The ids of the issues so far. Recorders count them up, which needs no table.
#[derive(Debug, Default)]
pub(super) struct Join {
    first: u64,
    count: u64,
    /// Places by id, once an id did not follow the one before.
    places: Option<HashMap<u64, u32>>,
}

impl Join {
    /// Takes the id of the next issue.
    pub(super) fn push(&mut self, id: u64) {
        let place = low(self.count);
        if self.count == 0 {
            self.first = id;
        }
        if self.places.is_none() && id != self.first.wrapping_add(self.count) {
            let before = (0..self.count).map(|place| (self.first.wrapping_add(place), low(place)));
            self.places = Some(before.collect());
        }
        if let Some(places) = &mut self.places {
            places.insert(id, place);
        }
        self.count += 1;
    }

    /// The place of the issue with this id.
    pub(super) fn find(&self, id: u64) -> Option<usize> {
        let Some(places) = &self.places else {
            let place = id.wrapping_sub(self.first);
            return (place < self.count).then_some(usize::try_from(place).ok()?);
        };
        places.get(&id).map(|place| *place as usize)
    }
}

/// A chunk holds fewer events than 32 bits count.
fn low(place: u64) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_issue_with_an_id_is_found() {
        for ids in [
            &[][..],
            &[5, 6, 7],
            &[u64::MAX, 0, 1],
            &[5, 6, 5, 9, 6],
            &[1, 1, 1],
            &[9, 3, u64::MAX, 0],
        ] {
            let mut join = Join::default();
            for (count, id) in ids.iter().enumerate() {
                join.push(*id);
                for wanted in ids.iter().chain(&[4, 8, 1 << 40]) {
                    let found = ids[..=count].iter().rposition(|id| id == wanted);
                    assert_eq!(join.find(*wanted), found, "{wanted} in {:?}", &ids[..=count]);
                }
            }
        }
        assert_eq!(Join::default().find(0), None);
    }
}
