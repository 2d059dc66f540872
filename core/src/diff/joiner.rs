//! Puts together what is compared of each request: events in, requests in the order of issue out, with their epochs.
//!
//! Reads no files. Like `rows`, but it counts epochs by any barrier, and sees which requests straddle one. Invariant: no more than
//! `ROWS_HELD_MAX` requests wait for how they ended; beyond that the oldest is given out without.

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

    /// The next request, if it is known how it ended or there is no room to wait longer.
    pub(super) fn pop(&mut self) -> Option<Compared> {
        let first = self.held.front()?;
        let waits = first.waits && !self.finished;
        if waits && self.held.len() <= ROWS_HELD_MAX {
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
