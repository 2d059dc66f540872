//! Counts what the cells of a map hold, on a thread of its own, for as long as anybody wants it.
//!
//! A grid in, the sums of its cells out: every 200 ms what is known by then, and at the end all. Pages that no cell can hold
//! anything of are not read. Invariants: it ends within a page once it is not wanted any more; the bytes of a request are in
//! the cells that it touches, each once.

mod said;

use std::error::Error;
use std::io::{Read, Seek};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::format::Reader;
use blkreplay_core::limits::STATS_PIECES_MAX;
use blkreplay_core::request::Operation;
use blkreplay_core::rows::Row;
use blkreplay_core::units::{ByteRange, Nanos};
use blkreplay_core::view::stats::Pieces;
use blkreplay_core::view::{Page, Pages};
use roaring::RoaringTreemap;

use crate::state::grid::Grid;

/// How long sums are gathered before they are handed over; those of the first page are not.
const GATHER: Duration = Duration::from_millis(200);

/// What is to be counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Tells it from others.
    pub number: u64,
    /// Into these cells.
    pub grid: Grid,
    /// The places that count; `None` for all.
    pub shown: Option<Arc<RoaringTreemap>>,
    /// Bytes that were written again are counted as well, for which all that was before must be read.
    pub rewrites: bool,
    /// How long before the time of its event a request may have arrived; `None` if that is not known.
    pub early: Option<Nanos>,
}

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Bytes that requests asked for.
    pub bytes: u64,
    /// Requests that touch it.
    pub requests: u64,
    /// The longest that one of them took until its image was done.
    pub latency: Nanos,
    /// Bytes that were written again in the epoch in which they had been written, as `stats` counts them.
    pub rewritten: u64,
    /// The place of the first of its requests; says nothing if there is none.
    pub first: u64,
    /// The place of the one that took longest.
    pub slowest: u64,
}

/// What is known so far.
#[derive(Debug, Clone)]
pub struct Chart {
    /// The number of the order.
    pub number: u64,
    /// The cells.
    pub grid: Grid,
    /// What they hold, row after row, the lowest first.
    pub sums: Vec<Sums>,
    /// Whether rewritten bytes were counted.
    pub rewrites: bool,
    /// Pages that were read, and how many are to be.
    pub pages: (usize, usize),
    /// All columns that end before here were counted.
    pub reached: Nanos,
    /// The highest end of a range of this device.
    pub reach: u64,
    /// The first arrival.
    pub earliest: Option<Nanos>,
    /// How long before the time of its event a request arrived, at most; `None` if not all were seen.
    pub early: Option<Nanos>,
    /// Requests in cells whose completion is not known.
    pub unended: u64,
    /// Requests that are promised and cannot be read.
    pub unread: u64,
    /// Too many ranges were written in an epoch to keep them all: more may have been rewritten.
    pub rewritten_at_least: bool,
    /// There is no more to come.
    pub is_done: bool,
    /// Why there is no more.
    pub error: Option<String>,
}

/// What was written in the epoch that goes on.
#[derive(Debug, Default)]
struct Epoch {
    number: u64,
    written: Pieces,
}

/// Begins. `tell` takes what is known, and `is_wanted` says whether anybody still wants to know more.
pub fn start<R: Read + Seek + Send + 'static>(
    order: Order,
    open: impl FnOnce() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    is_wanted: impl Fn() -> bool + Send + 'static,
    tell: impl Fn(Chart) + Send + 'static,
) {
    thread::spawn(move || {
        let mut chart = Chart::new(&order);
        if let Err(error) = count(&order, &mut chart, open, &is_wanted, &tell) {
            chart.error = Some(error.to_string());
        }
        if is_wanted() {
            chart.is_done = true;
            tell(chart);
        }
    });
}

fn count<R: Read + Seek>(
    order: &Order,
    chart: &mut Chart,
    open: impl FnOnce() -> Result<Reader<R>, Box<dyn Error + Send + Sync>>,
    is_wanted: &impl Fn() -> bool,
    tell: &impl Fn(Chart),
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let reader = open().map_err(|error| format!("cannot open the trace once more: {error}"))?;
    let mut pages = Pages::new(reader)?;
    let wanted: Vec<usize> =
        (0..pages.all().len()).filter(|page| order.wants(&pages.all()[*page])).collect();
    chart.pages.1 = wanted.len();
    let mut epoch = Epoch::default();
    let sees_all = wanted.len() == pages.all().len();
    let mut early = Nanos(0);
    let mut told_at: Option<Instant> = None;
    for page in wanted {
        if !is_wanted() {
            return Ok(());
        }
        let Page { place, requests, time_last, .. } = pages.all()[page];
        let rows = pages.rows(page)?;
        chart.unread += requests.saturating_sub(rows.len() as u64);
        for (place, row) in (place..).zip(&rows) {
            chart.note(row);
            early = early.max(row.early);
            if order.shown.as_ref().is_none_or(|shown| shown.contains(place)) {
                chart.add(place, row, &mut epoch);
            }
        }
        chart.pages.0 += 1;
        chart.reached = time_last;
        if told_at.is_none_or(|at| at.elapsed() >= GATHER) {
            tell(chart.clone());
            told_at = Some(Instant::now());
        }
    }
    chart.early = (sees_all && chart.unread == 0).then_some(early);
    Ok(())
}

impl Order {
    /// Whether a page can hold a request that counts.
    fn wants(&self, page: &Page) -> bool {
        let time = self.grid.time();
        let is_before = page.time_last.0 < time.start && !self.rewrites;
        // What arrived early lies behind its arrival.
        let behind = self.early.map(|early| early.0.saturating_add(time.end));
        let is_behind = behind.is_some_and(|behind| page.time_first.0 >= behind);
        let is_shown = self.shown.as_ref().is_none_or(|shown| {
            let before = page.place.checked_sub(1).map_or(0, |before| shown.rank(before));
            shown.rank(page.place + (page.requests - 1)) > before
        });
        is_shown && !is_before && !is_behind
    }
}

impl Chart {
    pub(crate) fn new(order: &Order) -> Chart {
        Chart {
            number: order.number,
            grid: order.grid.clone(),
            sums: vec![Sums::default(); order.grid.width() * order.grid.height()],
            rewrites: order.rewrites,
            pages: (0, 0),
            reached: Nanos(0),
            reach: 0,
            earliest: None,
            early: None,
            unended: 0,
            unread: 0,
            rewritten_at_least: false,
            is_done: false,
            error: None,
        }
    }

    /// What a cell holds; nothing outside.
    pub fn sums(&self, column: usize, row: usize) -> Sums {
        let at = (column < self.grid.width()).then(|| row * self.grid.width() + column);
        at.and_then(|at| self.sums.get(at)).copied().unwrap_or_default()
    }

    /// Takes what a window must reach to show a request.
    fn note(&mut self, row: &Row) {
        if row.device.0 == self.grid.device && row.request.range.length > 0 {
            self.reach = self.reach.max(row.request.range.end());
        }
        self.earliest = Some(self.earliest.map_or(row.time, |earliest| earliest.min(row.time)));
    }

    /// Puts a request into the cells that it touches.
    fn add(&mut self, place: u64, row: &Row, epoch: &mut Epoch) {
        if row.device.0 != self.grid.device {
            return;
        }
        let column = self.grid.column(row.time);
        let range = row.request.range;
        let is_ok = row.completion.as_ref().is_some_and(|end| end.result.is_ok());
        let writes = matches!(row.request.operation, Operation::Write | Operation::WriteZeroes);
        let rewrites = self.rewrites && writes && is_ok;
        if column.is_none() && !rewrites {
            return;
        }
        let rows = self.grid.rows(range);
        self.unended += u64::from(column.is_some() && !rows.is_empty() && row.completion.is_none());
        for at in rows {
            let part = self.grid.part(range, at);
            let rewritten = if rewrites { self.rewritten(epoch, row.epoch, part) } else { 0 };
            if let Some(column) = column {
                let sums = &mut self.sums[at * self.grid.width() + column];
                sums.add(place, part.length, row);
                sums.rewritten = sums.rewritten.saturating_add(rewritten);
            }
        }
    }

    /// How much of a range was written before in this epoch.
    fn rewritten(&mut self, epoch: &mut Epoch, number: u64, range: ByteRange) -> u64 {
        if epoch.number != number {
            *epoch = Epoch { number, written: Pieces::default() };
        }
        let rewritten = epoch.written.insert(range);
        if epoch.written.len() > STATS_PIECES_MAX {
            self.rewritten_at_least = true;
            epoch.written = Pieces::default();
        }
        rewritten
    }
}

impl Sums {
    fn add(&mut self, place: u64, bytes: u64, row: &Row) {
        if self.requests == 0 {
            (self.first, self.slowest) = (place, place);
        }
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let latency = row.completion.as_ref().map_or(Nanos(0), |end| end.latency);
        if latency > self.latency {
            (self.latency, self.slowest) = (latency, place);
        }
    }
}
