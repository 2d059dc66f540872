//! Which requests of one device must wait for which: the conflict rule.
//!
//! Requests come in the order of their ids and are complete in any order. Of two that conflict, the later one
//! is held until the earlier one is complete, so the image is always as if requests had been applied in the
//! order of their ids; nothing else is held. Knows neither images nor clients. Invariant: among the requests
//! that are not held, no two conflict.

use std::collections::BTreeMap;

use crate::request::Request;

/// The requests of one device that are not complete, each with a `T` that is kept while it is held.
#[derive(Debug)]
pub(crate) struct Conflicts<T> {
    /// Ranges are widened to blocks of this many bytes, a power of two.
    block: u64,
    /// Every request not yet complete that can conflict, by its ticket: a number that grows with arrival.
    pending: BTreeMap<u64, Pending<T>>,
    /// Every other request not yet complete: it waits for nothing, and is here for those who ask what an image is at.
    bystanders: BTreeMap<u64, Request>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Pending<T> {
    request: Request,
    /// How many earlier conflicting requests are not complete.
    blockers: usize,
    /// Present exactly while `blockers` is not zero.
    held: Option<T>,
}

/// Names a request within [`Conflicts`], from arrival to completion. Grows with arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

impl<T> Conflicts<T> {
    /// No requests, on a device whose blocks have `block` bytes.
    pub(crate) fn new(block: u64) -> Conflicts<T> {
        Conflicts { block, pending: BTreeMap::new(), bystanders: BTreeMap::new(), next_ticket: 0 }
    }

    /// A request arrived. `make` is given its ticket; what it makes is returned if the request may go to the
    /// image now, and kept until then if it must wait.
    pub(crate) fn arrive(
        &mut self,
        request: &Request,
        make: impl FnOnce(Ticket) -> T,
    ) -> (Ticket, Option<T>) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let item = make(ticket);
        if !request.operation.touches_data() {
            self.bystanders.insert(ticket.0, *request);
            return (ticket, Some(item));
        }
        let earlier = self.pending.values();
        let blockers = earlier.filter(|one| one.request.conflicts(request, self.block)).count();
        let (held, ready) = if blockers == 0 { (None, Some(item)) } else { (Some(item), None) };
        self.pending.insert(ticket.0, Pending { request: *request, blockers, held });
        (ticket, ready)
    }

    /// The requests that are not complete, and whether each is held: those that can conflict in the order of arrival, and
    /// then the others.
    pub(crate) fn pending(&self) -> impl Iterator<Item = (&Request, bool)> {
        let others = self.bystanders.values().map(|request| (request, false));
        let pending = self.pending.values();
        pending.map(|pending| (&pending.request, pending.blockers > 0)).chain(others)
    }

    /// The image is done with a request. Appends what may go to the image now, in the order of arrival.
    pub(crate) fn complete(&mut self, ticket: Ticket, ready: &mut Vec<T>) {
        let Some(done) = self.pending.remove(&ticket.0) else {
            self.bystanders.remove(&ticket.0);
            return;
        };
        assert!(done.blockers == 0, "a request that is held cannot be complete");
        for later in self.pending.range_mut(ticket.0..).map(|(_, later)| later) {
            if later.blockers > 0 && later.request.conflicts(&done.request, self.block) {
                later.blockers -= 1;
                if later.blockers == 0 {
                    ready.extend(later.held.take());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::{Flags, Operation};
    use crate::units::ByteRange;

    fn request(operation: Operation, offset: u64, length: u64) -> Request {
        Request { operation, range: ByteRange::new(offset, length), flags: Flags::NONE }
    }

    /// The tickets that go to the image after each step: arrivals in order, then completions as listed.
    fn check(requests: &[Request], completions: &[u64], expected: &[&[u64]]) {
        let mut conflicts = Conflicts::new(1);
        let mut steps = Vec::new();
        for request in requests {
            let (_, ready) = conflicts.arrive(request, |ticket| ticket.0);
            steps.push(ready.into_iter().collect::<Vec<_>>());
        }
        for ticket in completions {
            let mut ready = Vec::new();
            conflicts.complete(Ticket(*ticket), &mut ready);
            steps.push(ready);
        }
        assert_eq!(steps, expected);
    }

    #[test]
    fn reads_go_together_and_a_write_waits_for_them() {
        let requests = [
            request(Operation::Read, 0, 8),
            request(Operation::Read, 4, 8),
            request(Operation::Write, 6, 1),
        ];
        check(&requests, &[1, 0, 2], &[&[0], &[1], &[], &[], &[2], &[]]);
    }

    #[test]
    fn overlapping_writes_go_one_by_one_in_the_order_they_came() {
        let write = request(Operation::Write, 0, 8);
        check(&[write, write, write], &[0, 1, 2], &[&[0], &[], &[], &[1], &[2], &[]]);
    }

    #[test]
    fn a_flush_waits_for_nothing_and_holds_nothing_up() {
        let requests = [
            request(Operation::Write, 0, 8),
            request(Operation::Flush, 0, 0),
            request(Operation::Discard, 8, 8),
        ];
        check(&requests, &[1, 0], &[&[0], &[1], &[2], &[], &[]]);
    }

    #[test]
    fn whatever_is_not_complete_is_told_of_with_whether_it_is_held() {
        let mut conflicts = Conflicts::new(1);
        let flush = request(Operation::Flush, 0, 0);
        let [write, again] = [request(Operation::Write, 0, 8), request(Operation::Write, 4, 8)];
        for request in [write, flush, again] {
            conflicts.arrive(&request, |_| ());
        }
        let pending = |conflicts: &Conflicts<()>| {
            conflicts.pending().map(|(request, held)| (*request, held)).collect::<Vec<_>>()
        };
        assert_eq!(pending(&conflicts), [(write, false), (again, true), (flush, false)]);
        conflicts.complete(Ticket(1), &mut Vec::new());
        assert_eq!(pending(&conflicts), [(write, false), (again, true)]);
        conflicts.complete(Ticket(0), &mut Vec::new());
        assert_eq!(pending(&conflicts), [(again, false)]);
    }

    #[test]
    fn one_completion_lets_several_go_in_order() {
        let requests = [
            request(Operation::Write, 0, 100),
            request(Operation::Read, 90, 5),
            request(Operation::Read, 0, 5),
        ];
        check(&requests, &[0], &[&[0], &[], &[], &[1, 2]]);
    }

    fn any_request() -> impl Strategy<Value = Request> {
        (0_usize..7, 0_u64..32, 0_u64..12).prop_map(|(operation, offset, length)| {
            request(Operation::NAMES[operation].0, offset, length)
        })
    }

    proptest! {
        /// The oracle is the rule itself: a request may go when every earlier conflicting one is complete.
        #[test]
        fn a_request_goes_exactly_when_no_earlier_conflicting_one_is_left(
            requests in prop::collection::vec(any_request(), 1..24),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..48),
            block in prop::sample::select(vec![1_u64, 4, 16]),
        ) {
            let mut conflicts = Conflicts::new(block);
            let mut gone = vec![false; requests.len()];
            let mut complete = vec![false; requests.len()];
            let may_go = |number: usize, complete: &[bool]| {
                (0..number).all(|earlier| {
                    complete[earlier] || !requests[earlier].conflicts(&requests[number], block)
                })
            };
            let mut arrived = 0;
            for pick in picks {
                let in_flight: Vec<usize> =
                    (0..arrived).filter(|number| gone[*number] && !complete[*number]).collect();
                let choice = pick.index(in_flight.len() + 1);
                let mut ready = Vec::new();
                if let Some(number) = in_flight.get(choice) {
                    complete[*number] = true;
                    conflicts.complete(Ticket(*number as u64), &mut ready);
                } else if arrived < requests.len() {
                    ready.extend(conflicts.arrive(&requests[arrived], |ticket| ticket.0).1);
                    arrived += 1;
                }
                prop_assert!(ready.is_sorted());
                for ticket in ready {
                    gone[usize::try_from(ticket).unwrap()] = true;
                }
                for (number, gone) in gone.iter().enumerate().take(arrived) {
                    prop_assert_eq!(*gone, may_go(number, &complete), "request {}", number);
                }
            }
        }
    }
}
