//! Which request of a replay must wait for which. Requests and their ends come in, in the order of the log; who need
//! not wait any longer comes out.
//!
//! *a before b* iff a had been released before b was issued, and the two conflict or one is a flush and the other
//! modifies; two requests in flight together that conflict go in the order of their ids. It knows neither clients
//! nor images. Invariant: of two requests that conflict, the later one is clear only when the earlier one is complete.

use std::collections::BTreeMap;

use crate::request::{Operation, Request};

/// How much of the recorded order a replay keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// A request waits for everything that had been released before it was issued.
    #[default]
    Recorded,
    /// A request waits for what must be before it: conflicts and flushes.
    Conflict,
    /// Nothing waits. What overlapping requests leave behind is undefined.
    None,
}

impl Order {
    /// All orders with their printed names.
    pub const NAMES: [(Order, &'static str); 3] =
        [(Order::Recorded, "recorded"), (Order::Conflict, "conflict"), (Order::None, "none")];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// The requests of one device that are not complete, by their place in the log.
#[derive(Debug)]
pub(super) struct Schedule {
    order: Order,
    /// Ranges are widened to blocks of this many bytes, a power of two.
    block: u64,
    /// By the caller's name for each.
    pending: BTreeMap<u64, Pending>,
    /// How many were added so far: the turn of the next.
    turn: u64,
}

#[derive(Debug)]
struct Pending {
    request: Request,
    /// How many had been added before it.
    turn: u64,
    /// How many requests before it are not complete.
    blockers: usize,
    /// The first turn that was issued after its release; `u64::MAX` as long as the log has not released it.
    released_before: u64,
    /// By which order it waits for others.
    order: Order,
    /// Those that wait for it though they were added before it.
    ahead_of: Vec<u64>,
}

impl Pending {
    /// Whether `later`, which was added at `turn`, must wait for this one.
    fn holds_back(&self, later: &Request, turn: u64, order: Order, block: u64) -> bool {
        self.turn < turn
            && (self.request.conflicts(later, block)
                || (order == Order::Conflict
                    && self.released_before <= turn
                    && is_barrier(&self.request, later)))
    }
}

/// Whether `one`, which had been released before `other` was issued, must be done before it.
pub(super) fn is_before(one: &Request, other: &Request, block: u64) -> bool {
    one.conflicts(other, block) || is_barrier(one, other)
}

/// Whether one is a flush and the other changes what it is to make durable.
fn is_barrier(one: &Request, other: &Request) -> bool {
    let flush = |request: &Request| request.operation == Operation::Flush;
    (flush(one) && other.operation.modifies()) || (flush(other) && one.operation.modifies())
}

impl Schedule {
    /// No requests, on a device whose blocks have `block` bytes.
    pub(super) fn new(order: Order, block: u64) -> Schedule {
        Schedule { order, block, pending: BTreeMap::new(), turn: 0 }
    }

    /// A request that comes after all that were added so far. Whether it need not wait.
    pub(super) fn add(&mut self, place: u64, request: &Request) -> bool {
        let turn = self.turn;
        self.turn += 1;
        let counts = match self.order {
            Order::Recorded => request.operation.touches_data(),
            Order::Conflict => {
                request.operation.touches_data() || request.operation == Operation::Flush
            }
            Order::None => false,
        };
        if !counts {
            return true;
        }
        let (order, block) = (self.order, self.block);
        let earlier = self.pending.values();
        let blockers = earlier.filter(|one| one.holds_back(request, turn, order, block)).count();
        let (request, released_before, ahead_of) = (*request, u64::MAX, Vec::new());
        let pending = Pending { request, turn, blockers, released_before, order, ahead_of };
        self.pending.insert(place, pending);
        blockers == 0
    }

    /// A request of which the log knows nothing: it waits for those it conflicts with that are `begun`, and goes ahead of
    /// the others, for it may be that they come only when it was answered. Returns whether it need not wait, and who
    /// waits for it from now on.
    pub(super) fn add_ahead(
        &mut self,
        place: u64,
        request: &Request,
        begun: impl Fn(u64) -> bool,
    ) -> (bool, Vec<u64>) {
        if self.order == Order::None || !request.operation.touches_data() {
            return (true, Vec::new());
        }
        let (mut blockers, mut ahead_of) = (0, Vec::new());
        for (other_place, other) in &mut self.pending {
            if !other.request.conflicts(request, self.block) {
                continue;
            }
            if begun(*other_place) {
                blockers += 1;
            } else {
                other.blockers += 1;
                ahead_of.push(*other_place);
            }
        }
        let (turn, request, released_before) = (self.turn, *request, u64::MAX);
        self.turn += 1;
        let held_up = ahead_of.clone();
        // No flush had been released before it.
        let order = Order::Recorded;
        let pending = Pending { request, turn, blockers, released_before, order, ahead_of };
        self.pending.insert(place, pending);
        (blockers == 0, held_up)
    }

    /// The log released the request at `place`: what is added from now on was issued after that.
    pub(super) fn released(&mut self, place: u64) {
        if let Some(pending) = self.pending.get_mut(&place) {
            pending.released_before = self.turn;
        }
    }

    /// Whether the request at `place` waits for another.
    pub(super) fn is_held_back(&self, place: u64) -> bool {
        self.pending.get(&place).is_some_and(|pending| pending.blockers > 0)
    }

    /// The request at `place` is complete, or will never come. Appends the places that need not wait any longer,
    /// in order.
    pub(super) fn complete(&mut self, place: u64, clear: &mut Vec<u64>) {
        let Some(done) = self.pending.remove(&place) else { return };
        let block = self.block;
        for (later_place, later) in &mut self.pending {
            let holds = done.holds_back(&later.request, later.turn, later.order, block)
                || done.ahead_of.contains(later_place);
            if later.blockers > 0 && holds {
                later.blockers -= 1;
                if later.blockers == 0 {
                    clear.push(*later_place);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::Flags;
    use crate::units::ByteRange;

    fn request(operation: Operation, offset: u64, length: u64) -> Request {
        Request { operation, range: ByteRange::new(offset, length), flags: Flags::NONE }
    }

    #[test]
    fn the_recorded_order_holds_back_what_conflicts_and_nothing_else() {
        let mut schedule = Schedule::new(Order::Recorded, 1);
        assert!(schedule.add(0, &request(Operation::Write, 0, 8)));
        assert!(schedule.add(1, &request(Operation::Flush, 0, 0)));
        assert!(!schedule.add(2, &request(Operation::Read, 4, 8)));
        assert!(schedule.add(3, &request(Operation::Write, 100, 8)));
        let mut clear = Vec::new();
        schedule.complete(1, &mut clear);
        schedule.complete(3, &mut clear);
        assert_eq!(clear, [0; 0]);
        schedule.complete(0, &mut clear);
        assert_eq!(clear, [2]);
    }

    #[test]
    fn a_flush_is_held_back_only_by_writes_that_were_released_before_it() {
        let mut schedule = Schedule::new(Order::Conflict, 1);
        schedule.add(0, &request(Operation::Write, 0, 8));
        schedule.add(1, &request(Operation::Write, 8, 8));
        schedule.released(0);
        assert!(!schedule.add(2, &request(Operation::Flush, 0, 0)));
        schedule.released(2);
        assert!(!schedule.add(3, &request(Operation::Write, 100, 8)), "the flush is before it");
        assert!(schedule.add(4, &request(Operation::Read, 200, 8)), "no flush holds back a read");
        let mut clear = Vec::new();
        schedule.complete(0, &mut clear);
        assert_eq!(clear, [2]);
        schedule.complete(2, &mut clear);
        assert_eq!(clear, [2, 3]);
    }

    #[test]
    fn nothing_waits_without_an_order() {
        let mut schedule = Schedule::new(Order::None, 1);
        for place in 0..3 {
            assert!(schedule.add(place, &request(Operation::Write, 0, 8)));
        }
    }

    fn any_request() -> impl Strategy<Value = Request> {
        (0_usize..7, 0_u64..32, 0_u64..12).prop_map(|(operation, offset, length)| {
            request(Operation::NAMES[operation].0, offset, length)
        })
    }

    proptest! {
        /// The oracle is the definition: a request is clear when all that are before it are complete.
        #[test]
        fn a_request_is_clear_exactly_when_all_before_it_are_complete(
            requests in prop::collection::vec(any_request(), 1..24),
            releases in prop::collection::vec(0_u64..30, 24),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 24),
            block in prop::sample::select(vec![1_u64, 4, 16]),
            order in prop::sample::select(vec![Order::Recorded, Order::Conflict]),
        ) {
            // `releases[n]`: how many were issued when n was released, at least n + 1.
            let count = requests.len() as u64;
            let released = |n: u64| releases[usize::try_from(n).unwrap()].max(n + 1);
            let before = |a: u64, b: u64| {
                let (one, two) = (&requests[usize::try_from(a).unwrap()], &requests[usize::try_from(b).unwrap()]);
                let flush = |request: &Request| request.operation == Operation::Flush;
                let barrier = (flush(one) && two.operation.modifies())
                    || (flush(two) && one.operation.modifies());
                a < b && (one.conflicts(two, block)
                    || (order == Order::Conflict && released(a) <= b && barrier))
            };
            let mut schedule = Schedule::new(order, block);
            let mut clear = vec![false; requests.len()];
            for (place, request) in (0..).zip(&requests) {
                for earlier in 0..place {
                    if released(earlier) == place {
                        schedule.released(earlier);
                    }
                }
                clear[usize::try_from(place).unwrap()] = schedule.add(place, request);
            }
            let mut complete = vec![false; requests.len()];
            for pick in picks.iter().take(requests.len()) {
                for place in 0..count {
                    let free = (0..place).all(|one| complete[usize::try_from(one).unwrap()] || !before(one, place));
                    prop_assert_eq!(clear[usize::try_from(place).unwrap()], free, "place {}", place);
                }
                let ready: Vec<u64> = (0..count)
                    .filter(|n| clear[usize::try_from(*n).unwrap()] && !complete[usize::try_from(*n).unwrap()])
                    .collect();
                let done = ready[pick.index(ready.len())];
                complete[usize::try_from(done).unwrap()] = true;
                let mut now_clear = Vec::new();
                schedule.complete(done, &mut now_clear);
                prop_assert!(now_clear.is_sorted());
                for place in now_clear {
                    clear[usize::try_from(place).unwrap()] = true;
                }
            }
        }
    }

    #[test]
    fn what_the_log_does_not_know_waits_for_what_has_begun_and_goes_ahead_of_the_rest() {
        let mut schedule = Schedule::new(Order::Conflict, 1);
        let read = request(Operation::Read, 0, 8);
        let write = request(Operation::Write, 0, 8);
        assert!(schedule.add(0, &read));
        assert!(!schedule.add(1, &write));
        assert!(schedule.add(2, &request(Operation::Flush, 0, 0)));
        schedule.released(2);
        assert_eq!(schedule.add_ahead(9, &write, |place| place == 0), (false, vec![1]));
        let mut clear = Vec::new();
        schedule.complete(2, &mut clear);
        assert_eq!(clear, [0; 0], "no flush had been released before it");
        schedule.complete(0, &mut clear);
        assert_eq!(clear, [9]);
        schedule.complete(9, &mut clear);
        assert_eq!(clear, [9, 1]);
        assert_eq!(
            schedule.add_ahead(10, &request(Operation::Flush, 0, 0), |_| true),
            (true, vec![])
        );
    }
}
