//! Makes the summary of each chunk while its events pass. Events in, summaries out.
//!
//! Whoever writes a chunk, or wants to know whether a summary is what its events say, uses it; it knows no bytes.
//! Invariant: its memory is bounded whatever the events are: where it would lose track it says so instead.

use std::collections::{BTreeMap, HashMap};
use std::mem;

use super::counts::OperationCounts;
use super::marks::Placed;
use super::sketch::{BUCKETS, Sketch};
use super::summary::{EpochSum, Ranges, SKETCHED_MIN, State, Summary};
use crate::event::{Block, Event, EventKind, Issue, Payload};
use crate::limits::{
    CHUNK_EPOCHS_MAX, DEVICES_MAX, MARKS_SUMMARY_BYTES, OPEN_LISTED_MAX, OPEN_TRACKED_MAX,
};
use crate::request::{DeviceId, Digest, Errno, Operation, Request, RequestId};

/// What a number takes at most, in bytes.
const NUMBER_BYTES: usize = 10;

/// What an epoch takes at most: its device, with how many follow, its number, its count, and its sum.
const EPOCH_BYTES: usize = 4 * NUMBER_BYTES + 16;

/// What a bucket of a sketch takes at most: a way of fewer than 976, and a count.
const BUCKET_BYTES: usize = 2 + NUMBER_BYTES;

/// All else: tags and lengths, operations, ranges, an index.
const SUMMARY_FIXED_BYTES: usize = 512;

/// A request that was issued and not released.
#[derive(Debug, Clone, Copy)]
struct Open {
    device: DeviceId,
    epoch: u64,
    request: Request,
    payload: Payload,
}

/// What is gathered of one chunk.
#[derive(Debug, Default)]
struct Gathered {
    operations: OperationCounts,
    ranges: Option<Ranges>,
    latencies: [Sketch; Operation::NAMES.len()],
    epochs: BTreeMap<(DeviceId, u64), (u64, u128)>,
    marks: Vec<Placed>,
    marks_bytes: usize,
    events: u64,
}

/// Takes the events of a trace, in order, and gives a summary for each chunk of them.
#[derive(Debug)]
pub struct Summarizer {
    /// `None` once there were too many to keep track.
    open: Option<HashMap<RequestId, Open>>,
    /// By device.
    flushes: Vec<u64>,
    chunk: Gathered,
}

impl Default for Summarizer {
    fn default() -> Summarizer {
        Summarizer::new()
    }
}

impl Summarizer {
    /// Stands at the beginning of a trace.
    pub fn new() -> Summarizer {
        Summarizer { open: Some(HashMap::new()), flushes: Vec::new(), chunk: Gathered::default() }
    }

    /// Takes the next event.
    pub fn add(&mut self, event: &Event) {
        self.chunk.operations.add(event);
        match &event.kind {
            EventKind::Issue(issue) => self.issue(issue),
            EventKind::Block(block) => self.block(block),
            EventKind::Mark { name } => {
                // A place and a length are at most ten bytes each.
                self.chunk.marks_bytes += name.as_str().len() + 20;
                self.chunk.marks.push((self.chunk.events, name.clone()));
            }
            _ => {}
        }
        self.chunk.events += 1;
    }

    /// Takes an event of a kind that is not known.
    pub fn skip(&mut self) {
        self.chunk.events += 1;
    }

    /// Whether the chunk is to be closed, lest its summary become too long.
    pub fn is_full(&self) -> bool {
        self.chunk.epochs.len() >= CHUNK_EPOCHS_MAX || self.chunk.marks_bytes >= MARKS_SUMMARY_BYTES
    }

    /// How long the summary of the chunk would be at most if it ended here, in bytes.
    pub(super) fn bytes_max(&self) -> usize {
        let open = self.open.as_ref().map_or(0, HashMap::len);
        let listed = if open <= OPEN_LISTED_MAX { open } else { 0 };
        let numbers = listed + 2 * self.flushes.len();
        let epochs = self.chunk.epochs.len() * EPOCH_BYTES;
        // A bucket that is not empty holds a duration at least.
        let buckets = self.chunk.latencies.iter().map(|sketch| sketch.total().min(BUCKETS as u64));
        let sketches = usize::try_from(buckets.sum::<u64>()).unwrap_or(usize::MAX) * BUCKET_BYTES;
        SUMMARY_FIXED_BYTES + numbers * NUMBER_BYTES + epochs + sketches + self.chunk.marks_bytes
    }

    /// Ends the chunk. `index` is where the last index before it lies.
    pub fn take(&mut self, index: Option<u64>) -> Summary {
        let chunk = mem::take(&mut self.chunk);
        let named = Operation::NAMES.into_iter().zip(chunk.latencies);
        let sketched = named.filter(|(_, sketch)| sketch.total() >= SKETCHED_MIN);
        let epochs = chunk.epochs.into_iter().map(|((device, epoch), (count, sum))| EpochSum {
            device,
            epoch,
            count,
            sum,
        });
        Summary {
            operations: chunk.operations,
            ranges: chunk.ranges,
            latencies: sketched.map(|((operation, _), sketch)| (operation, sketch)).collect(),
            state: self.state(),
            epochs: self.open.is_some().then(|| epochs.collect()),
            marks: chunk.marks,
            index,
        }
    }

    fn state(&self) -> Option<State> {
        let open = self.open.as_ref()?;
        let mut open_ids = Vec::new();
        if open.len() <= OPEN_LISTED_MAX {
            open_ids.extend(open.keys().copied());
            open_ids.sort_unstable();
        }
        let flushes = (0..).zip(&self.flushes).filter(|(_, count)| **count > 0);
        let flushes = flushes.map(|(device, count)| (DeviceId(device), *count)).collect();
        Some(State { open: open.len() as u64, open_ids, flushes })
    }

    fn issue(&mut self, issue: &Issue) {
        let Issue { id, device, request, payload, .. } = *issue;
        let ranges = self.chunk.ranges.get_or_insert(Ranges {
            offset_first: 0,
            offset_end: 0,
            id_first: id,
            id_last: id,
        });
        ranges.id_first = ranges.id_first.min(id);
        ranges.id_last = ranges.id_last.max(id);
        let (first, length) = (request.range.offset, request.range.length);
        if length > 0 {
            let reached = ranges.offset_end > 0;
            ranges.offset_first = if reached { ranges.offset_first.min(first) } else { first };
            ranges.offset_end = ranges.offset_end.max(first.saturating_add(length));
        }
        let epoch = self.flushes.get(usize::from(device.0)).copied().unwrap_or(0);
        if let Some(open) = &mut self.open {
            open.insert(id, Open { device, epoch, request, payload });
            if open.len() > OPEN_TRACKED_MAX {
                self.open = None;
            }
        }
    }

    fn block(&mut self, block: &Block) {
        self.chunk.latencies[block.operation as usize].add(block.latency);
        let device = usize::from(block.device.0);
        if block.operation == Operation::Flush && device < DEVICES_MAX {
            let devices = self.flushes.len().max(device + 1);
            self.flushes.resize(devices, 0);
            self.flushes[device] += 1;
        }
        let Some(open) = self.open.as_mut().and_then(|open| open.remove(&block.id)) else { return };
        let (count, sum) = self.chunk.epochs.entry((open.device, open.epoch)).or_default();
        *count += 1;
        *sum = sum.wrapping_add(digest(&open, block));
    }
}

/// The digest of a request with its answer. `book/src/reference/format.md` has the layout.
fn digest(open: &Open, block: &Block) -> u128 {
    let Request { operation, range, flags } = open.request;
    let payload = if block.payload == Payload::Absent { open.payload } else { block.payload };
    let payload: u128 = match payload {
        Payload::Absent => 0,
        Payload::Zeroes => 1,
        Payload::Digest(digest) | Payload::Stored(digest, _) => digest.0,
    };
    let errno = block.result.err().unwrap_or(Errno(0));
    let mut bytes = [0; 36];
    bytes[0] = operation as u8;
    bytes[1..9].copy_from_slice(&range.offset.to_le_bytes());
    bytes[9..17].copy_from_slice(&range.length.to_le_bytes());
    bytes[17] = flags.bits();
    bytes[18..34].copy_from_slice(&payload.to_le_bytes());
    bytes[34..].copy_from_slice(&errno.0.to_le_bytes());
    Digest::of(&bytes).0
}
