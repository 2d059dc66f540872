//! Puts together what is compared of each request: events in, requests in the order of issue out, with their epochs.
//!
//! Reads no files. Like `rows`, but it counts epochs by any barrier, and sees which requests straddle one. Invariant: no more than
//! `ROWS_HELD_MAX` requests wait for how they ended; beyond that the oldest is given out without.

use std::collections::{HashMap, VecDeque};

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
    /// Barriers in flight.
    flying: Vec<RequestId>,
}

/// Joins events as they come.
#[derive(Debug)]
pub(super) struct Joiner {
    barrier: Barrier,
    /// Only requests of this device are given out.
    only: Option<DeviceId>,
    held: VecDeque<Compared>,
    /// Requests given out so far: the first of `held` has this number.
    given: u64,
    /// Numbers of the requests that wait for how they end.
    open: HashMap<RequestId, u64>,
    devices: HashMap<DeviceId, Device>,
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
            open: HashMap::new(),
            devices: HashMap::new(),
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
        self.open.clear();
    }

    /// The next request, if it is known how it ended or there is no room to wait longer.
    pub(super) fn pop(&mut self) -> Option<Compared> {
        let first = self.held.front()?;
        let waits = self.open.get(&first.id) == Some(&self.given);
        if waits && self.held.len() <= ROWS_HELD_MAX {
            return None;
        }
        let first = self.held.pop_front()?;
        if waits {
            self.open.remove(&first.id);
        }
        self.given += 1;
        Some(first)
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
            self.overlap(device);
        }
        if self.closed {
            return;
        }
        self.open.insert(id, self.given + self.held.len() as u64);
        self.held.push_back(Compared {
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
        });
    }

    /// A barrier was issued: what is in flight with it straddles it.
    fn overlap(&mut self, device: DeviceId) {
        for number in self.open.values() {
            let held = usize::try_from(number - self.given).ok();
            if let Some(held) = held.and_then(|held| self.held.get_mut(held))
                && held.device == device
            {
                held.straddling = true;
            }
        }
    }

    fn block(&mut self, block: &Block) {
        if self.only.is_none_or(|only| only == block.device) {
            self.release(block);
        }
        let Some(number) = self.open.remove(&block.id) else { return };
        let held = usize::try_from(number - self.given).ok();
        let Some(held) = held.and_then(|held| self.held.get_mut(held)) else { return };
        held.result = Some(block.result);
        if block.payload != Payload::Absent {
            held.payload = block.payload;
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
