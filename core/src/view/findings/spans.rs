//! Which requests in flight conflict with another one: requests in, ids out.
//!
//! Knows neither times nor results. Invariant: of those that are about as long, only those are looked at that begin in its range or
//! less than twice their length before it, so that many in flight elsewhere cost nothing.

use std::collections::BTreeMap;

use crate::request::{DeviceId, Request, RequestId};

/// What requests share that are looked for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    device: DeviceId,
    modifies: bool,
    /// How many bits their length has.
    bits: u32,
}

impl Kind {
    fn of(device: DeviceId, request: &Request) -> Kind {
        let bits = u64::BITS - request.range.length.leading_zeros();
        Kind { device, modifies: request.operation.modifies(), bits }
    }

    /// No length of so many bits, which are at least one, is larger.
    fn longest(self) -> u64 {
        u64::MAX >> (u64::BITS - self.bits)
    }
}

/// Requests in flight, by place.
#[derive(Debug, Default)]
pub(super) struct Spans {
    /// Ends, by first byte and id; no kind is empty.
    kinds: BTreeMap<Kind, BTreeMap<(u64, RequestId), u64>>,
}

impl Spans {
    pub(super) fn insert(&mut self, id: RequestId, device: DeviceId, request: &Request) {
        if may_conflict(request) {
            let spans = self.kinds.entry(Kind::of(device, request)).or_default();
            spans.insert((request.range.offset, id), request.range.end());
        }
    }

    pub(super) fn remove(&mut self, id: RequestId, device: DeviceId, request: &Request) {
        let kind = Kind::of(device, request);
        if let Some(spans) = self.kinds.get_mut(&kind) {
            spans.remove(&(request.range.offset, id));
            if spans.is_empty() {
                self.kinds.remove(&kind);
            }
        }
    }

    /// Those that conflict with a request of this device byte by byte, in no order.
    pub(super) fn conflicting(
        &self,
        device: DeviceId,
        request: &Request,
    ) -> impl Iterator<Item = RequestId> {
        let (range, modifies) = (request.range, request.operation.modifies());
        let kind = |modifies, bits| Kind { device, modifies, bits };
        let kinds = self.kinds.range(kind(!modifies, 0)..=kind(true, u64::BITS));
        kinds.filter(|_| may_conflict(request)).flat_map(move |(kind, spans)| {
            let first = range.offset.saturating_sub(kind.longest() - 1);
            let near = spans.range((first, RequestId(0))..(range.end(), RequestId(0)));
            near.filter(move |(_, end)| **end > range.offset).map(|((_, id), _)| *id)
        })
    }
}

fn may_conflict(request: &Request) -> bool {
    request.operation.touches_data() && request.range.length > 0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::request::{Flags, Operation};
    use crate::units::ByteRange;

    fn any_request() -> impl Strategy<Value = (DeviceId, Request)> {
        let length = prop_oneof![0..20_u64, 0..300_u64, Just(u64::MAX), Just(u64::MAX - 100)];
        let offset = prop_oneof![4 => 0..400_u64, 1 => u64::MAX - 300..=u64::MAX];
        (0..2_u16, 0..7_u8, offset, length).prop_map(|(device, operation, offset, length)| {
            let operation = Operation::from_number(operation).unwrap();
            let range = ByteRange::new(offset, length.min(u64::MAX - offset));
            (DeviceId(device), Request { operation, range, flags: Flags::NONE })
        })
    }

    proptest! {
        #[test]
        fn those_conflict_that_do_by_the_rule(
            steps in vec((any_request(), any::<prop::sample::Index>(), any::<bool>()), 1..80),
        ) {
            let mut spans = Spans::default();
            let mut open = BTreeMap::new();
            for (number, ((device, request), which, ends)) in (0..).zip(steps) {
                let mut found: Vec<_> = spans.conflicting(device, &request).collect();
                found.sort_unstable();
                let of_rule = open.iter().filter(|(_, (other, open)): &(_, &(DeviceId, Request))| {
                    *other == device && open.conflicts(&request, 1)
                });
                prop_assert_eq!(found, of_rule.map(|(id, _)| *id).collect::<Vec<_>>());
                let id = RequestId(number);
                spans.insert(id, device, &request);
                open.insert(id, (device, request));
                if ends {
                    let id = *open.keys().nth(which.index(open.len())).unwrap();
                    let (device, request) = open.remove(&id).unwrap();
                    spans.remove(id, device, &request);
                }
            }
            for (id, (device, request)) in open {
                spans.remove(id, device, &request);
            }
            prop_assert!(spans.kinds.is_empty());
        }
    }
}
