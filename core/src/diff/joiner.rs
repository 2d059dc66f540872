//! Puts together what is compared of each request: events in, requests in the order of issue out, with their epochs.
//!
//! Reads no files. Like `rows`, but it counts epochs by any barrier, and sees which requests straddle one. Invariant: no more than
//! `ROWS_HELD_MAX` requests wait for how they ended; with more it says so, for what is not known must not count as the same.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::compared::Compared;
use super::rule::Barrier;
use crate::event::{Block, Event, EventKind, Issue, Payload};
use crate::limits::ROWS_HELD_MAX;
use crate::request::{DeviceId, Operation, RequestId};

/// A device, as far as the events were read.
#[derive(Debug, Default)]
struct Device {
    /// Barriers released.
    released: u64,
    /// Barriers issued.
    issued: u64,
    /// Barriers in flight.
    flying: Vec<RequestId>,
}

/// A request, and whether it waits for how it ended.
#[derive(Debug)]
struct Held {
    one: Compared,
    waits: bool,
    /// Barriers issued on its device until it was: with more, it straddles them.
    barriers: u64,
}

impl Held {
    /// A barrier that was issued since it was straddles it.
    fn straddle(&mut self, devices: &BTreeMap<DeviceId, Device>) {
        let issued = devices.get(&self.one.device).map_or(0, |device| device.issued);
        self.one.straddling |= issued > self.barriers;
    }
}

/// Joins events as they come.
#[derive(Debug)]
pub(super) struct Joiner {
    barrier: Barrier,
    /// Only requests of this device are given out.
    only: Option<DeviceId>,
    held: VecDeque<Held>,
    /// Requests given out so far: the first of `held` has this number.
    given: u64,
    /// Numbers of the requests that wait for how they end, once their ids did not ascend.
    open: Option<HashMap<RequestId, u64>>,
    devices: BTreeMap<DeviceId, Device>,
    /// Place of the next request.
    place: u64,
    /// So many may be held.
    held_max: usize,
    /// What is issued from here on is not given out.
    closed: bool,
    finished: bool,
}

impl Joiner {
    /// Stands at the beginning of a trace.
    pub(super) fn new(barrier: Barrier, only: Option<DeviceId>) -> Joiner {
        Joiner {
            barrier,
            only,
            held: VecDeque::new(),
            given: 0,
            open: None,
            devices: BTreeMap::new(),
            place: 0,
            held_max: ROWS_HELD_MAX,
            closed: false,
            finished: false,
        }
    }

    /// Stands behind so many requests, where so many flushes had been released on each device.
    pub(super) fn starting(&mut self, place: u64, flushes: &[(DeviceId, u64)]) {
        self.place = place;
        for (device, released) in flushes {
            self.devices.entry(*device).or_default().released = *released;
        }
    }

    /// The epoch in which a request of the device would be issued now.
    pub(super) fn epoch(&self, device: DeviceId) -> u64 {
        self.devices.get(&device).map_or(0, |device| device.released)
    }

    /// Gives out nothing that is issued from here on.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether all was given out that ever will be.
    pub(super) fn is_done(&self) -> bool {
        self.held.is_empty() && (self.closed || self.finished)
    }

    /// Takes the next event.
    #[inline]
    pub(super) fn push(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Issue(issue) => self.issue(event, issue),
            EventKind::Block(block) => self.block(block),
            _ => {}
        }
    }

    /// Says that no events follow: what is still open is given out without an end.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// The oldest request, if there is no room to wait longer for how it ended.
    pub(super) fn overdue(&self) -> Option<RequestId> {
        let first = self.held.front().filter(|first| first.waits && !self.finished)?;
        (self.held.len() > self.held_max).then_some(first.one.id)
    }

    /// The next request, if it is known how it ended.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Compared> {
        let first = self.held.front()?;
        if first.waits && !self.finished {
            return None;
        }
        let mut first = self.held.pop_front()?;
        if first.waits {
            first.straddle(&self.devices);
        }
        if let Some(open) = self.open.as_mut().filter(|_| first.waits) {
            open.remove(&first.one.id);
        }
        self.given += 1;
        Some(first.one)
    }

    fn issue(&mut self, event: &Event, issue: &Issue) {
        let Issue { id, device, request, payload, .. } = *issue;
        let place = self.place;
        self.place += 1;
        if self.only.is_some_and(|only| only != device) {
            return;
        }
        let of = self.devices.entry(device).or_default();
        let (epoch, straddling) = (of.released, !of.flying.is_empty());
        if self.barrier.is(&request) {
            of.flying.push(id);
            of.issued += 1;
        }
        let barriers = of.issued;
        if self.closed {
            return;
        }
        self.open(id);
        let one = Compared {
            place,
            id,
            device,
            epoch,
            straddling,
            time: issue.arrived(event.time),
            request,
            payload,
            masked: false,
            result: None,
        };
        self.held.push_back(Held { one, waits: true, barriers });
    }

    /// The next request that is held waits for how it ends. Recorders count ids up, which needs no table.
    fn open(&mut self, id: RequestId) {
        let number = self.given + self.held.len() as u64;
        if self.open.is_none() && self.held.back().is_some_and(|last| last.one.id >= id) {
            let waiting = self.held.iter().zip(self.given..).filter(|(held, _)| held.waits);
            self.open = Some(waiting.map(|(held, number)| (held.one.id, number)).collect());
        }
        if let Some(open) = &mut self.open
            && let Some(before) = open.insert(id, number)
            && let Some(held) =
                self.held.get_mut(usize::try_from(before - self.given).unwrap_or(usize::MAX))
        {
            // An id that was issued twice, which no recorder does, is answered for the later one.
            held.waits = false;
        }
    }

    /// The request with this id, if it waits for how it ends; it does not any more.
    fn ended(&mut self, id: RequestId) -> Option<&mut Compared> {
        let place = if let Some(open) = &mut self.open {
            usize::try_from(open.remove(&id)? - self.given).ok()?
        } else {
            let first = self.held.front()?.one.id;
            let near = usize::try_from(id.0.checked_sub(first.0)?).ok()?;
            match self.held.get(near) {
                Some(held) if held.one.id == id => near,
                _ => self.held.binary_search_by_key(&id, |held| held.one.id).ok()?,
            }
        };
        let held = self.held.get_mut(place).filter(|held| held.waits)?;
        held.waits = false;
        held.straddle(&self.devices);
        Some(&mut held.one)
    }

    fn block(&mut self, block: &Block) {
        if self.only.is_none_or(|only| only == block.device) {
            self.release(block);
        }
        let Some(one) = self.ended(block.id) else { return };
        one.result = Some(block.result);
        if block.payload != Payload::Absent {
            one.payload = block.payload;
        }
    }

    /// Counts the barrier, if it is one.
    fn release(&mut self, block: &Block) {
        let of = self.devices.entry(block.device).or_default();
        let flying = of.flying.iter().position(|id| *id == block.id);
        if let Some(flying) = flying {
            of.flying.swap_remove(flying);
        }
        // A flush counts too whose issue lies before all that was read.
        let flush = block.operation == Operation::Flush && self.barrier != Barrier::None;
        of.released += u64::from(flush || flying.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CompletionFlags;
    use crate::request::{ConnectionId, Errno, Flags, Request};
    use crate::units::{ByteRange, Nanos};

    fn issue(id: u64) -> EventKind {
        let range = ByteRange::default();
        EventKind::Issue(Issue {
            id: RequestId(id),
            device: DeviceId(0),
            connection: ConnectionId(0),
            cookie: 0,
            request: Request { operation: Operation::Read, range, flags: Flags::NONE },
            payload: Payload::Absent,
            early: Nanos(0),
        })
    }

    fn block(id: u64, errno: u16) -> EventKind {
        EventKind::Block(Block {
            id: RequestId(id),
            device: DeviceId(0),
            operation: Operation::Read,
            result: Err(Errno(errno)),
            latency: Nanos(0),
            hold: Nanos(0),
            flags: CompletionFlags::default(),
            payload: Payload::Absent,
            extents: Vec::new(),
        })
    }

    fn joined(kinds: impl IntoIterator<Item = EventKind>) -> Vec<(u64, Option<u16>)> {
        let mut joiner = Joiner::new(Barrier::Flush, None);
        let mut all = Vec::new();
        for kind in kinds {
            joiner.push(&Event { time: Nanos(0), kind });
            all.extend(std::iter::from_fn(|| joiner.pop()));
        }
        joiner.finish();
        all.extend(std::iter::from_fn(|| joiner.pop()));
        assert!(joiner.is_done());
        let errno = |one: Compared| one.result.and_then(Result::err).map(|errno| errno.0);
        all.into_iter().map(|one| (one.id.0, errno(one))).collect()
    }

    #[test]
    fn ends_find_their_requests_whatever_the_order_of_ids() {
        let counted = [issue(3), issue(4), issue(9), block(9, 1), block(3, 2), block(4, 3)];
        assert_eq!(joined(counted), [(3, Some(2)), (4, Some(3)), (9, Some(1))]);
        let mixed = [issue(5), issue(2), block(5, 1), issue(4), block(4, 2), block(2, 3)];
        assert_eq!(joined(mixed), [(5, Some(1)), (2, Some(3)), (4, Some(2))]);
        let twice = [issue(5), issue(5), block(5, 1), block(5, 2), block(7, 3)];
        assert_eq!(joined(twice), [(5, None), (5, Some(1))]);
        assert_eq!(joined([issue(1), issue(2), block(2, 1)]), [(1, None), (2, Some(1))]);
    }

    #[test]
    fn a_request_that_stays_open_for_too_long_is_named() {
        let mut joiner = Joiner::new(Barrier::Flush, None);
        joiner.held_max = 3;
        for id in 0..4 {
            assert_eq!(joiner.overdue(), None);
            joiner.push(&Event { time: Nanos(0), kind: issue(id) });
        }
        assert_eq!((joiner.pop(), joiner.overdue()), (None, Some(RequestId(0))));
        joiner.push(&Event { time: Nanos(0), kind: block(0, 1) });
        assert_eq!(joiner.overdue(), None);
        assert_eq!(joiner.pop().unwrap().id, RequestId(0));
    }
}
