//! Reads the summaries of all chunks of a trace on a thread of its own: what can be said of a long trace before its events are read.
//!
//! A trace in, parts and sums out, a few at a time. Knows no screen. Invariants: no event is read; a chunk whose summary cannot be
//! read is counted as one that says nothing.

use std::error::Error;
use std::io::{Read, Seek};
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::format::{ChunkEntry, OperationCount, ReadError, Reader, Sketch, Summary};
use blkreplay_core::request::Operation;
use blkreplay_core::units::Nanos;

use crate::loader;

/// How long parts are gathered before they are handed over: a few times within what nobody notices.
const GATHER: Duration = Duration::from_millis(40);

/// How many operations there are.
pub const OPERATIONS: usize = Operation::NAMES.len();

/// What the summary of a chunk says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// When its first event was.
    pub first: Nanos,
    /// When its last event was.
    pub last: Nanos,
    /// Requests issued in it, by operation.
    pub requests: [u32; OPERATIONS],
    /// What they asked for, in bytes.
    pub bytes: u64,
    /// The lowest first byte of their ranges, and the end of the highest; equal if none has a length.
    pub reach: (u64, u64),
    /// Requests that were issued and not released behind it; `None` if the trace does not say.
    pub open: Option<u64>,
}

/// Sums over the chunks that were looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Total {
    /// What was asked and answered, by operation.
    pub operations: [OperationCount; OPERATIONS],
    /// How long completions took, of chunks with enough of them to say it.
    pub latencies: [Sketch; OPERATIONS],
    /// Flushes that were released, of all devices.
    pub flushes: Option<u64>,
    /// Events that the recorder dropped.
    pub lost: u64,
    /// Chunks whose summary cannot be read.
    pub unread: u64,
}

/// What is known so far.
#[derive(Debug)]
pub struct Outlined {
    /// To be added to what was told before.
    pub parts: Vec<Part>,
    /// Of all parts that were told.
    pub total: Total,
    /// There is no more to come.
    pub is_done: bool,
    /// Why there is no more.
    pub error: Option<String>,
}

/// Begins. `tell` says whether anybody still wants to know.
pub fn start<R: Read + Seek + Send + 'static>(
    open: impl FnOnce() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    tell: impl Fn(Outlined) -> bool + Send + 'static,
) {
    thread::spawn(move || {
        let mut total = Total::default();
        let read = open().map_err(|error| format!("cannot open the trace once more: {error}"));
        let error = read
            .and_then(|reader| {
                outline(reader, &mut total, &tell).map_err(|error| loader::told(&error))
            })
            .err();
        // If nobody hears it, nobody looks any more.
        tell(Outlined { parts: Vec::new(), total, is_done: true, error });
    });
}

fn outline<R: Read + Seek>(
    mut reader: Reader<R>,
    total: &mut Total,
    tell: &impl Fn(Outlined) -> bool,
) -> Result<(), ReadError> {
    let entries = reader.chunk_entries()?.to_vec();
    let mut parts = Vec::new();
    let mut told_at = Instant::now();
    for entry in entries.iter().filter(|entry| entry.holds_events) {
        let summary = match reader.summary(entry) {
            Ok(summary) => summary,
            Err(ReadError::ChunkLost { .. }) => {
                total.unread += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        total.add(entry, &summary);
        parts.push(Part::of(entry, &summary));
        if told_at.elapsed() >= GATHER {
            let parts = std::mem::take(&mut parts);
            if !tell(Outlined { parts, total: total.clone(), is_done: false, error: None }) {
                return Ok(());
            }
            told_at = Instant::now();
        }
    }
    tell(Outlined { parts, total: total.clone(), is_done: false, error: None });
    Ok(())
}

impl Part {
    fn of(entry: &ChunkEntry, summary: &Summary) -> Part {
        let mut requests = [0; OPERATIONS];
        for (operation, count) in summary.operations.iter() {
            // A chunk has fewer events than that.
            requests[operation as usize] = u32::try_from(count.issues).unwrap_or(u32::MAX);
        }
        let reach = summary.ranges.map_or((0, 0), |ranges| {
            let end = ranges.offset_end;
            (ranges.offset_first.min(end), end)
        });
        Part {
            first: entry.time_first,
            last: entry.time_last,
            requests,
            bytes: summary.operations.total().bytes,
            reach,
            open: summary.state.as_ref().map(|state| state.open),
        }
    }
}

impl Total {
    fn add(&mut self, entry: &ChunkEntry, summary: &Summary) {
        for (operation, count) in summary.operations.iter() {
            let sum = &mut self.operations[operation as usize];
            sum.issues = sum.issues.saturating_add(count.issues);
            sum.completions = sum.completions.saturating_add(count.completions);
            sum.errors = sum.errors.saturating_add(count.errors);
            sum.bytes = sum.bytes.saturating_add(count.bytes);
        }
        for (operation, sketch) in &summary.latencies {
            self.latencies[*operation as usize].merge(sketch);
        }
        self.flushes = summary.state.as_ref().map(|state| state.flushes_of(None));
        self.lost = self.lost.saturating_add(entry.lost);
    }
}
