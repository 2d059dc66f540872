//! Sums up the epochs of all devices on a thread of its own, for as long as anybody wants them.
//!
//! A trace and the places of the requests that count in, sums to be added to those before out. Knows no screen. Invariants: it ends
//! within a step once it is not wanted any more; an epoch is told in the order of the first of its requests that count.

use std::collections::HashMap;
use std::error::Error;
use std::io::{Read, Seek};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::event::EventKind;
use blkreplay_core::format::{ReadError, Reader, Target};
use blkreplay_core::request::{DeviceId, Errno, Operation};
use blkreplay_core::rows::{Joiner, Row};
use blkreplay_core::units::Nanos;
use roaring::RoaringTreemap;

use crate::chunks::{self, Chunk, Way};
use crate::loader;

/// How long sums are gathered before they are handed over.
const GATHER: Duration = Duration::from_millis(200);

/// The first time it is told sooner, so that there is something to see.
const FIRST: Duration = Duration::from_millis(40);

/// Events that are looked at in one step.
const STEP_EVENTS: usize = 1024;

/// An epoch: its device and its number.
pub type Key = (DeviceId, u64);

/// Sums over requests of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Which.
    pub key: Key,
    /// The place of the first of them.
    pub place: u64,
    /// When the first request of the epoch arrived, whether it counts or not.
    pub began: Nanos,
    /// Requests.
    pub requests: u64,
    /// Writes and zeroes among them.
    pub writes: u64,
    /// What those wrote without an error, in bytes.
    pub written: u64,
}

/// The flush that ended an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flush {
    /// When it was released.
    pub at: Nanos,
    /// How long its image took.
    pub latency: Nanos,
    /// How it ended.
    pub result: Result<(), Errno>,
}

/// What is known so far.
#[derive(Debug, Default)]
pub struct Counted {
    /// The number of the count.
    pub number: u64,
    /// To be added to what was told before.
    pub epochs: Vec<Epoch>,
    /// Epochs that ended.
    pub flushes: Vec<(Key, Flush)>,
    /// Requests that were looked at.
    pub done: u64,
    /// There is no more to come.
    pub is_done: bool,
    /// Why there is no more.
    pub error: Option<String>,
}

/// Begins; only requests at the places `shown` count, or all. `tell` says whether anybody still wants to know.
pub fn start<R: Read + Seek + Send + 'static>(
    number: u64,
    shown: Option<Arc<RoaringTreemap>>,
    open: impl FnOnce() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    tell: impl Fn(Counted) -> bool + Send + 'static,
) {
    thread::spawn(move || {
        let begun = open().and_then(|reader| Ok(Count::new(reader, shown)?));
        let mut count = match begun {
            Ok(count) => count,
            Err(error) => {
                let error = Some(format!("cannot open the trace once more: {error}"));
                tell(Counted { number, is_done: true, error, ..Counted::default() });
                return;
            }
        };
        let (mut told_at, mut pause) = (Instant::now(), FIRST);
        loop {
            let ended = match count.step() {
                Ok(true) if told_at.elapsed() < pause => continue,
                Ok(true) => None,
                Ok(false) => Some(None),
                Err(error) => Some(Some(loader::told(&error))),
            };
            let is_done = ended.is_some();
            let (epochs, flushes) = count.take();
            let (done, error) = (count.place, ended.flatten());
            if !tell(Counted { number, epochs, flushes, done, is_done, error }) || is_done {
                return;
            }
            (told_at, pause) = (Instant::now(), GATHER);
        }
    });
}

/// A count of epochs.
struct Count<R> {
    reader: Reader<R>,
    shown: Option<Arc<RoaringTreemap>>,
    chunks: Vec<Chunk>,
    way: Way,
    joiner: Joiner,
    /// Index of the next event, if none is missing.
    next: u64,
    /// What lies before this event counts no more.
    from: u64,
    /// The place of the next row.
    place: u64,
    /// Flushes released, by device.
    released: HashMap<DeviceId, u64>,
    /// The epoch that requests of a device are in, and when it began.
    began: HashMap<DeviceId, (u64, Nanos)>,
    epochs: Vec<Epoch>,
    /// Where they are among `epochs`.
    known: HashMap<Key, usize>,
    flushes: Vec<(Key, Flush)>,
}

impl<R: Read + Seek> Count<R> {
    fn new(
        mut reader: Reader<R>,
        shown: Option<Arc<RoaringTreemap>>,
    ) -> Result<Count<R>, ReadError> {
        let chunks = chunks::of(&mut reader)?;
        Ok(Count {
            reader,
            shown,
            chunks,
            way: Way::default(),
            joiner: Joiner::new(),
            next: 0,
            from: 0,
            place: 0,
            released: HashMap::new(),
            began: HashMap::new(),
            epochs: Vec::new(),
            known: HashMap::new(),
            flushes: Vec::new(),
        })
    }

    /// Looks at some events; whether there are more.
    fn step(&mut self) -> Result<bool, ReadError> {
        for _ in 0..STEP_EVENTS {
            let Some((index, event)) = self.reader.next_event()? else {
                self.joiner.finish();
                self.rows();
                if self.go_on()? {
                    continue;
                }
                return Ok(false);
            };
            if let EventKind::Block(block) = &event.kind
                && block.operation == Operation::Flush
            {
                let released = self.released.entry(block.device).or_default();
                let (at, latency, result) = (event.time, block.latency, block.result);
                if index >= self.from {
                    self.flushes.push(((block.device, *released), Flush { at, latency, result }));
                }
                *released += 1;
            }
            self.joiner.push(index, event);
            self.rows();
            self.next = self.next.max(index.saturating_add(1));
        }
        Ok(true)
    }

    /// Goes to the next chunk behind what is damaged; whether there is one.
    fn go_on(&mut self) -> Result<bool, ReadError> {
        let Some(lost) = self.reader.loss().map(|loss| loss.offset) else { return Ok(false) };
        let Some(chunk) = self.way.behind(&self.chunks, lost, self.next) else { return Ok(false) };
        let start = self.reader.seek(&Target::Event(chunk.first))?;
        self.released = start.state.flushes.iter().copied().collect();
        self.joiner = Joiner::starting(&start);
        (self.next, self.from, self.place) = (chunk.first, chunk.first, chunk.place);
        Ok(true)
    }

    /// Takes rows of which all is known.
    fn rows(&mut self) {
        while let Some(row) = self.joiner.pop() {
            // Where the way behind damage leads over what was seen, that is passed by.
            if row.event >= self.from {
                self.add(&row);
                self.place += 1;
            }
        }
    }

    fn add(&mut self, row: &Row) {
        let Row { device, epoch, time, ref request, .. } = *row;
        let began = self.began.entry(device).or_insert((epoch, time));
        if began.0 != epoch {
            *began = (epoch, time);
        }
        let (key, began) = ((device, epoch), began.1);
        if self.shown.as_ref().is_some_and(|shown| !shown.contains(self.place)) {
            return;
        }
        let at = *self.known.entry(key).or_insert_with(|| {
            let place = self.place;
            self.epochs.push(Epoch { key, place, began, requests: 0, writes: 0, written: 0 });
            self.epochs.len() - 1
        });
        let sums = &mut self.epochs[at];
        sums.requests += 1;
        if matches!(request.operation, Operation::Write | Operation::WriteZeroes) {
            sums.writes += 1;
            if row.completion.as_ref().is_some_and(|end| end.result.is_ok()) {
                sums.written = sums.written.saturating_add(request.range.length);
            }
        }
    }

    /// What was not told before.
    fn take(&mut self) -> (Vec<Epoch>, Vec<(Key, Flush)>) {
        self.known.clear();
        (std::mem::take(&mut self.epochs), std::mem::take(&mut self.flushes))
    }
}
