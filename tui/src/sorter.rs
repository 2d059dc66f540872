//! Sorts what is shown by a column, on a thread of its own, for as long as anybody wants it.
//!
//! An order in, places out, those with the most first. Invariants: no more than `SORTED_MAX` are kept; of more, the first `FIRST`; what
//! came after the order does not count.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::error::Error;
use std::io::{Read, Seek};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::format::{ReadError, Reader};
use blkreplay_core::rows::{Row, Rows};
use roaring::RoaringTreemap;

use crate::state::cell::Cell;
use crate::state::sorted::Sorted;

/// Requests that are sorted, all of them.
pub const SORTED_MAX: u64 = 5_000_000;

/// Of more than that, so many.
pub const FIRST: u64 = 1000;

/// How long is sorted before it is told how far it is.
const EVERY: Duration = Duration::from_millis(100);

/// Rows between two looks at whether it is wanted.
const STEP_ROWS: u64 = 4096;

/// What is to be sorted.
#[derive(Debug, Clone)]
pub struct Order {
    /// Tells it from others.
    pub number: u64,
    /// By what.
    pub cell: Cell,
    /// The places that are shown; `None` for all.
    pub shown: Option<Arc<RoaringTreemap>>,
    /// Requests that the list had by then: a trace may grow.
    pub of: u64,
    /// So many are kept.
    pub limit: u64,
}

/// Places, and what is missing; or why it was not done.
pub type Ended = Result<(Sorted, Option<String>), String>;

/// How far it is.
#[derive(Debug)]
pub struct Told {
    /// The number of the order.
    pub number: u64,
    /// Requests that were looked at.
    pub done: u64,
    /// How it ended, if it did: places, and what is missing.
    pub end: Option<Ended>,
}

/// Begins; `is_wanted` is asked at each step.
pub fn start<R: Read + Seek + Send + 'static>(
    order: Order,
    open: impl Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    is_wanted: impl Fn() -> bool + Send + 'static,
    tell: impl Fn(Told) + Send + 'static,
) {
    thread::spawn(move || {
        let number = order.number;
        let mut rows = match open() {
            Ok(reader) => Rows::new(reader.ahead()),
            Err(error) => {
                return tell(Told { number, done: 0, end: Some(Err(error.to_string())) });
            }
        };
        let mut best = Best { heap: BinaryHeap::new(), limit: order.limit };
        let (mut done, mut told_at) = (0, Instant::now());
        while is_wanted() {
            match best.step(&order, &mut rows, &mut done) {
                Ok(true) if told_at.elapsed() < EVERY => {}
                Ok(true) => {
                    tell(Told { number, done, end: None });
                    told_at = Instant::now();
                }
                Ok(false) => {
                    let loss = rows.loss().map(|loss| loss.to_string());
                    let sorted = Sorted::of(best.places());
                    return tell(Told { number, done, end: Some(Ok((sorted, loss))) });
                }
                Err(error) => {
                    return tell(Told { number, done, end: Some(Err(error.to_string())) });
                }
            }
        }
    });
}

/// The greatest so far, the least of them on top.
struct Best {
    heap: BinaryHeap<Reverse<(u64, Reverse<u64>)>>,
    limit: u64,
}

impl Best {
    /// Takes some; whether there are more.
    fn step(
        &mut self,
        order: &Order,
        rows: &mut Rows<blkreplay_core::format::Ahead>,
        done: &mut u64,
    ) -> Result<bool, ReadError> {
        for _ in 0..STEP_ROWS {
            if *done >= order.of {
                return Ok(false);
            }
            let Some(row) = rows.next_row()? else { return Ok(false) };
            let place = *done;
            *done += 1;
            if order.shown.as_ref().is_none_or(|shown| shown.contains(place)) {
                self.take(rank(order.cell, &row), place);
            }
        }
        Ok(true)
    }

    fn take(&mut self, rank: u64, place: u64) {
        self.heap.push(Reverse((rank, Reverse(place))));
        if self.heap.len() as u64 > self.limit {
            self.heap.pop();
        }
    }

    fn places(self) -> Vec<u64> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|Reverse((_, Reverse(place)))| place).collect()
    }
}

/// What a request is sorted by: what it does not have comes last.
fn rank(cell: Cell, row: &Row) -> u64 {
    let end = row.completion.as_ref();
    let range = row.request.range;
    match cell {
        Cell::Id => row.id.0,
        Cell::Time => row.time.0,
        Cell::Gap => row.context.gap.map_or(0, |gap| gap.0),
        Cell::Device => row.device.0.into(),
        Cell::Connection => row.connection.0.into(),
        Cell::Operation => row.request.operation as u64,
        Cell::Offset | Cell::Lba => range.offset,
        Cell::End => range.end(),
        Cell::Length => range.length,
        Cell::Latency => end.map_or(0, |end| end.latency.0),
        Cell::Depth => row.context.depth.map_or(0, u64::from),
        Cell::Epoch => row.epoch,
        Cell::Flags => row.request.flags.names().count() as u64,
        // Those that failed, then those that never ended.
        Cell::Result => match end.map(|end| end.result) {
            Some(Ok(())) => 0,
            None => 1,
            Some(Err(_)) => 2,
        },
        // Digests have no order.
        Cell::Payload => 0,
    }
}
