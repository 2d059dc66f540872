//! Adds up what the requests amount to that a filter leaves, on a thread of its own, for as long as anybody wants it.
//!
//! A filter in, sums out, first those of what was seen so far. Requests that the filter leaves out pass as well: what a request is
//! among others is said as it is in the whole trace. Invariant: it ends within a step once it is not wanted any more.

use std::error::Error;
use std::io::{Read, Seek};
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::format::{ReadError, Reader};
use blkreplay_core::query::Filter;
use blkreplay_core::rows::{Row, Rows};
use blkreplay_core::view::stats::Stats;
use blkreplay_core::view::{Hits, HitsError};

use crate::state::sums::Sums;

/// How long is counted before it is told how far it is.
const EVERY: Duration = Duration::from_millis(200);

/// The first time it is told sooner, so that there is something to see.
const FIRST: Duration = Duration::from_millis(40);

/// Rows between two looks at the time.
const STEP_ROWS: usize = 4096;

/// What is known so far.
#[derive(Debug)]
pub struct Tallied {
    /// The number of the tally.
    pub number: u64,
    /// What was counted amounts to this.
    pub sums: Sums,
    /// Requests that were looked at.
    pub done: u64,
    /// They are added up for what the filter asks of all, and none is counted yet.
    pub is_first_pass: bool,
    /// There is no more to come.
    pub is_done: bool,
    /// Why there is no more, if not because all were looked at.
    pub error: Option<String>,
}

/// Begins. `tell` says whether anybody still wants to know; `is_wanted` is asked at each step.
pub fn start<R: Read + Seek + Send + 'static>(
    number: u64,
    filter: Option<Filter>,
    open: impl Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    is_wanted: impl Fn() -> bool + Send + 'static,
    tell: impl Fn(Tallied) -> bool + Send + 'static,
) {
    thread::spawn(move || {
        let mut tally = match Tally::of(filter, open) {
            Ok(tally) => tally,
            Err(error) => {
                let (sums, error) = (Sums::default(), Some(error.to_string()));
                let (is_first_pass, is_done) = (false, true);
                tell(Tallied { number, sums, done: 0, is_first_pass, is_done, error });
                return;
            }
        };
        let (mut told_at, mut pause) = (Instant::now(), FIRST);
        while is_wanted() {
            let step = tally.step();
            let is_done = !matches!(step, Ok(true));
            if !is_done && told_at.elapsed() < pause {
                continue;
            }
            if is_done {
                tally.stats.finish();
            }
            let sums = Sums::of(&tally.stats);
            let (done, is_first_pass) = (tally.done(), tally.is_first_pass());
            let error = step.err().map(|error| error.to_string());
            let told = Tallied { number, sums, done, is_first_pass, is_done, error };
            if !tell(told) || is_done {
                return;
            }
            (told_at, pause) = (Instant::now(), EVERY);
        }
    });
}

/// Counts.
struct Tally<R: Read + Seek> {
    stats: Stats,
    way: Way<R>,
}

/// Where rows come from.
enum Way<R: Read + Seek> {
    /// All count; so many came.
    All(Box<Rows<Reader<R>>>, u64),
    /// Those count that a filter means.
    Meant(Box<Hits<R>>),
}

impl<R: Read + Seek> Tally<R> {
    fn of(
        filter: Option<Filter>,
        open: impl Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    ) -> Result<Tally<R>, HitsError> {
        let reader = open().map_err(HitsError::Open)?;
        let devices = &reader.header().devices;
        let blocks = devices.iter().map(|device| u64::from(device.block_preferred)).collect();
        let way = match filter {
            None => Way::All(Box::new(Rows::new(reader)), 0),
            Some(filter) => Way::Meant(Box::new(Hits::new(filter, Vec::new(), open))),
        };
        Ok(Tally { stats: Stats::new(blocks), way })
    }

    /// Counts some; whether there are more.
    fn step(&mut self) -> Result<bool, HitsError> {
        let Tally { stats, way } = self;
        match way {
            Way::All(rows, done) => Ok(count(stats, rows, done)?),
            Way::Meant(hits) => {
                hits.next_rows(
                    |row: &Row, is_meant| {
                        if is_meant { stats.count(row) } else { stats.pass(row) }
                    },
                )
            }
        }
    }

    fn done(&self) -> u64 {
        match &self.way {
            Way::All(_, done) => *done,
            Way::Meant(hits) => hits.done(),
        }
    }

    fn is_first_pass(&self) -> bool {
        matches!(&self.way, Way::Meant(hits) if hits.is_first_pass())
    }
}

fn count<R: Read + Seek>(
    stats: &mut Stats,
    rows: &mut Rows<Reader<R>>,
    done: &mut u64,
) -> Result<bool, ReadError> {
    for _ in 0..STEP_ROWS {
        let Some(row) = rows.next_row()? else { return Ok(false) };
        stats.count(&row);
        *done += 1;
    }
    Ok(true)
}
