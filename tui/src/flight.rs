//! Goes over the events of a window of a trace on a thread of its own, and counts what was asked and what was in flight when.
//!
//! A window in, slices of it out: every 200 ms what is known by then, and at the end all. Knows no screen. Invariants: it ends within a
//! step once it is not wanted any more; memory does not grow with the trace; the depth of a device is what `rows::Context` has, if
//! all count.

mod lane;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Seek};
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::event::{Block, EventKind, Issue};
use blkreplay_core::format::{ReadError, Reader, Target};
use blkreplay_core::limits::ROWS_HELD_MAX;
use blkreplay_core::request::{DeviceId, RequestId};
use blkreplay_core::units::Nanos;
use roaring::RoaringTreemap;

use crate::chunks::{self, Chunk, Way};
use crate::loader;
use crate::outline::OPERATIONS;
use crate::state::slices::{SLICES, Slices};

pub use lane::{Lane, POWERS, Slice, Stall, power};

/// How long is counted before it is told how far it is.
const GATHER: Duration = Duration::from_millis(200);

/// The first time it is told sooner, so that there is something to see.
const FIRST: Duration = Duration::from_millis(40);

/// Events that are looked at in one step.
const STEP_EVENTS: usize = 4096;

/// Devices of which depths are kept; of others requests are counted only.
const LANES_MAX: usize = 64;

/// What is to be counted.
#[derive(Debug, Clone)]
pub struct Order {
    /// Tells it from others.
    pub number: u64,
    /// In this time, in nanoseconds.
    pub window: Range<u64>,
    /// The places that count; `None` for all.
    pub shown: Option<Arc<RoaringTreemap>>,
    /// Requests that are to be looked at.
    pub requests: u64,
    /// Nothing before the window is read: the trace says how many are in flight there.
    pub may_seek: bool,
}

/// What is known so far.
#[derive(Debug, Clone)]
pub struct Flight {
    /// The number of the order.
    pub number: u64,
    /// The slices.
    pub slices: Slices,
    /// Requests issued in each, by operation.
    pub requests: Vec<[u32; OPERATIONS]>,
    /// Devices that were asked.
    pub lanes: BTreeMap<DeviceId, Lane>,
    /// From the first arrival to the last release, as `stats` has it.
    pub span: Option<(Nanos, Nanos)>,
    /// Requests that were looked at, and how many are to be.
    pub done: (u64, u64),
    /// All time up to here was looked at.
    pub reached: Nanos,
    /// Something could not be read: what was in flight behind it is not known.
    pub is_gapped: bool,
    /// More devices were asked, or more requests were in flight, than are kept.
    pub is_crowded: bool,
    /// There is no more to come.
    pub is_done: bool,
    /// Why there is no more.
    pub error: Option<String>,
}

/// Begins. `tell` takes what is known, and `is_wanted` says whether anybody still wants to know more.
pub fn start<R: Read + Seek + Send + 'static>(
    order: Order,
    open: impl FnOnce() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    is_wanted: impl Fn() -> bool + Send + 'static,
    tell: impl Fn(Flight) + Send + 'static,
) {
    thread::spawn(move || {
        let begun = open().map_err(|error| format!("cannot open the trace once more: {error}"));
        let begun = begun
            .and_then(|reader| Count::new(reader, &order).map_err(|error| loader::told(&error)));
        let mut count = match begun {
            Ok(count) => count,
            Err(error) => {
                let flight = Flight::new(&order);
                return tell(Flight { is_done: true, error: Some(error), ..flight });
            }
        };
        let (mut told_at, mut pause) = (Instant::now(), FIRST);
        while is_wanted() {
            let step = count.step();
            if matches!(step, Ok(true)) && told_at.elapsed() < pause {
                continue;
            }
            let is_done = !matches!(step, Ok(true));
            if is_done {
                count.finish();
            }
            let error = step.err().map(|error| loader::told(&error));
            tell(Flight { is_done, error, ..count.flight.clone() });
            if is_done {
                return;
            }
            (told_at, pause) = (Instant::now(), GATHER);
        }
    });
}

impl Flight {
    /// Nothing is known yet.
    pub(crate) fn new(order: &Order) -> Flight {
        Flight {
            number: order.number,
            slices: Slices::new(order.window.clone()),
            requests: vec![[0; OPERATIONS]; SLICES],
            lanes: BTreeMap::new(),
            span: None,
            done: (0, order.requests),
            reached: Nanos(order.window.start),
            is_gapped: false,
            is_crowded: false,
            is_done: false,
            error: None,
        }
    }

    fn extend(&mut self, arrival: Nanos, end: Nanos) {
        let (first, last) = self.span.unwrap_or((arrival, end));
        self.span = Some((first.min(arrival), last.max(end)));
    }

    /// Whether what is known is all, and as it is in the trace.
    pub fn is_exact(&self) -> bool {
        self.is_done && self.error.is_none() && !self.is_gapped && !self.is_crowded
    }

    fn lane(&mut self, device: DeviceId, depth: u64) -> Option<&mut Lane> {
        if self.lanes.len() >= LANES_MAX && !self.lanes.contains_key(&device) {
            self.is_crowded = true;
            return None;
        }
        let slices = &self.slices;
        Some(self.lanes.entry(device).or_insert_with(|| Lane::new(slices.clone(), depth)))
    }
}

/// A count that goes on.
struct Count<R> {
    reader: Reader<R>,
    shown: Option<Arc<RoaringTreemap>>,
    chunks: Vec<Chunk>,
    way: Way,
    flight: Flight,
    /// Requests that count and are in flight: when they arrived.
    open: BTreeMap<RequestId, Nanos>,
    /// In flight where the count began, on the only device.
    depth: u64,
    /// The place of the next request.
    place: u64,
    /// Index of the next event, if none is missing.
    next: u64,
    /// What lies before this event counts no more.
    from: u64,
}

impl<R: Read + Seek> Count<R> {
    fn new(mut reader: Reader<R>, order: &Order) -> Result<Count<R>, ReadError> {
        let chunks = chunks::of(&mut reader)?;
        let (mut depth, mut place, mut from) = (0, 0, 0);
        let starts = |chunk: &&Chunk| order.may_seek && chunk.last.0 >= order.window.start;
        if let Some(chunk) = chunks.iter().find(starts) {
            match reader.seek_chunk(chunk.entry) {
                Ok(Some(start)) => {
                    (depth, place, from) = (start.state.open, chunk.place, chunk.first);
                }
                Ok(None) => {}
                Err(ReadError::ChunkLost { .. }) => {
                    reader.rewind()?;
                }
                Err(error) => return Err(error),
            }
        }
        let (shown, flight) = (order.shown.clone(), Flight::new(order));
        let (open, next) = (BTreeMap::new(), from);
        let way = Way::default();
        Ok(Count { reader, shown, chunks, way, flight, open, depth, place, next, from })
    }

    /// Looks at some events; whether there are more.
    fn step(&mut self) -> Result<bool, ReadError> {
        let end = self.flight.slices.window().end;
        for _ in 0..STEP_EVENTS {
            let Some((index, event)) = self.reader.next_event()? else {
                if self.go_on()? {
                    continue;
                }
                return Ok(false);
            };
            if event.time.0 >= end {
                return Ok(false);
            }
            if index < self.from {
                continue;
            }
            self.next = index.saturating_add(1);
            self.flight.reached = self.flight.reached.max(event.time);
            match &event.kind {
                EventKind::Issue(issue) => self.issue(event.time, issue),
                EventKind::Block(block) => self.block(event.time, block),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Goes to the next chunk behind what is damaged; whether there is one.
    fn go_on(&mut self) -> Result<bool, ReadError> {
        let Some(lost) = self.reader.loss().map(|loss| loss.offset) else { return Ok(false) };
        self.flight.is_gapped = true;
        let Some(chunk) = self.way.behind(&self.chunks, lost, self.next) else { return Ok(false) };
        self.reader.seek(&Target::Event(chunk.first))?;
        (self.next, self.from, self.place) = (chunk.first, chunk.first, chunk.place);
        self.open.clear();
        let Flight { lanes, reached, .. } = &mut self.flight;
        for lane in lanes.values_mut() {
            lane.forget(reached.0);
        }
        Ok(true)
    }

    fn issue(&mut self, time: Nanos, issue: &Issue) {
        let place = self.place;
        self.place += 1;
        self.flight.done.0 += 1;
        if self.shown.as_ref().is_some_and(|shown| !shown.contains(place)) {
            return;
        }
        let arrival = Nanos(time.0.saturating_sub(issue.early.0));
        self.open.insert(issue.id, arrival);
        if self.open.len() > ROWS_HELD_MAX {
            // Rows give it up too.
            self.open.pop_first();
            self.flight.is_crowded |= self.shown.is_some();
        }
        if let Some(slice) = self.flight.slices.holding(time.0) {
            let count = &mut self.flight.requests[slice][issue.request.operation as usize];
            *count = count.saturating_add(1);
            self.flight.extend(arrival, arrival);
        }
        let depth = self.depth;
        let Some(lane) = self.flight.lane(issue.device, depth) else { return };
        lane.issue(time.0, place);
    }

    fn block(&mut self, time: Nanos, block: &Block) {
        let arrival = self.open.remove(&block.id);
        if arrival.is_none() && self.shown.is_some() {
            return;
        }
        let waited = Nanos(0).after(block.latency).after(block.hold);
        if let Some(arrival) = arrival
            && self.flight.slices.holding(time.0).is_some()
        {
            self.flight.extend(arrival, arrival.after(waited));
        }
        let depth = self.depth;
        let Some(lane) = self.flight.lane(block.device, depth) else { return };
        lane.release(time.0, arrival.map_or(0, |_| waited.0));
    }

    /// Counts the time up to the last event.
    fn finish(&mut self) {
        let Flight { lanes, reached, .. } = &mut self.flight;
        for lane in lanes.values_mut() {
            lane.advance(reached.0);
        }
    }
}
