//! Requests of one device by where they are: a request in, those before it that conflict with it out.
//!
//! Knows neither sides nor counterparts. Invariant: what it gives does conflict, and nothing that does is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::diff::rule::Barrier;
use crate::request::Request;

/// Requests with their numbers.
pub(super) struct Index {
    barrier: Barrier,
    requests: BTreeMap<u64, Request>,
    /// By the number of bits of their length: their first byte and their number.
    by_offset: BTreeMap<u32, BTreeSet<(u64, u64)>>,
    barriers: BTreeSet<u64>,
    modifying: BTreeSet<u64>,
}

impl Index {
    pub(super) fn new(barrier: Barrier) -> Index {
        Index {
            barrier,
            requests: BTreeMap::new(),
            by_offset: BTreeMap::new(),
            barriers: BTreeSet::new(),
            modifying: BTreeSet::new(),
        }
    }

    pub(super) fn insert(&mut self, number: u64, request: Request) {
        self.requests.insert(number, request);
        if request.operation.touches_data() && request.range.length > 0 {
            let of_length = self.by_offset.entry(bits(request.range.length)).or_default();
            of_length.insert((request.range.offset, number));
        }
        if self.barrier.is(&request) {
            self.barriers.insert(number);
        }
        if request.operation.modifies() {
            self.modifying.insert(number);
        }
    }

    pub(super) fn remove(&mut self, number: u64) {
        let Some(request) = self.requests.remove(&number) else { return };
        let length = bits(request.range.length);
        if let Some(of_length) = self.by_offset.get_mut(&length) {
            of_length.remove(&(request.range.offset, number));
            if of_length.is_empty() {
                self.by_offset.remove(&length);
            }
        }
        self.barriers.remove(&number);
        self.modifying.remove(&number);
    }

    /// Gives those that conflict with `request` and have a smaller number than `number`, some of them twice, until it is
    /// told to stop.
    pub(super) fn before(
        &self,
        request: &Request,
        number: u64,
        mut each: impl FnMut(u64) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if request.operation.modifies() {
            self.barriers.range(..number).copied().try_for_each(&mut each)?;
        }
        if self.barrier.is(request) {
            self.modifying.range(..number).copied().try_for_each(&mut each)?;
        }
        let end = request.range.end();
        for (bits, of_length) in &self.by_offset {
            let longest = 1_u64.checked_shl(*bits).map_or(u64::MAX, |length| length - 1);
            let mut from = (request.range.offset.saturating_sub(longest), 0);
            while let Some(&(offset, other)) = of_length.range(from..(end, 0).max(from)).next() {
                if other >= number {
                    // Of one place they are in the order of their numbers.
                    from = (offset.saturating_add(1), 0);
                    continue;
                }
                from = (offset, other.saturating_add(1));
                if self.requests.get(&other).is_some_and(|one| one.conflicts(request, 1)) {
                    each(other)?;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// How many bits a length has.
fn bits(length: u64) -> u32 {
    u64::BITS - length.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Dice;
    use crate::diff::tests::any_one;
    use crate::request::Flags;

    #[test]
    fn all_that_conflict_and_come_before_are_given_and_nothing_else() {
        for seed in 0..400 {
            let mut dice = Dice::new(seed);
            let barrier = Barrier::NAMES[dice.place(3).unwrap()].0;
            let mut index = Index::new(barrier);
            let mut all = Vec::new();
            for number in 0..40 {
                let mut request = any_one(&mut dice, 12).request;
                request.range.length *= 1 + dice.below(4);
                if request.operation.modifies() && dice.one_in(9) {
                    request.flags = Flags::FUA;
                }
                index.insert(number, request);
                all.push((number, request));
            }
            for _ in 0..10 {
                let gone = dice.place(all.len()).unwrap();
                index.remove(all.remove(gone).0);
            }
            for (number, request) in &all {
                let covers =
                    |one: &Request, other: &Request| barrier.is(one) && other.operation.modifies();
                let conflict = |one: &Request| {
                    one.conflicts(request, 1) || covers(one, request) || covers(request, one)
                };
                let expected: BTreeSet<u64> = all
                    .iter()
                    .filter(|(other, one)| other < number && conflict(one))
                    .map(|(other, _)| *other)
                    .collect();
                let mut found = BTreeSet::new();
                let told = index.before(request, *number, |other| {
                    found.insert(other);
                    ControlFlow::Continue(())
                });
                assert!(told.is_continue());
                assert_eq!(found, expected, "seed {seed}, {number}: {request:?}");
            }
        }
    }
}
