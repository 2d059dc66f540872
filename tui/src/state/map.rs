//! The map: which window of a device it shows, where its cursor is, what a cell says, and what is known of the cells.
//!
//! Moves and sums of cells in, orders to count others out. Knows no terminal. Invariants: the cursor lies in the window, and
//! the window in what the device and the trace reach over; sums are drawn only into the cells that they were counted for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use blkreplay_core::rows::Row;
use blkreplay_core::units::Nanos;
use roaring::RoaringTreemap;

use crate::action::{Axis, Direction};
use crate::chart::{Chart, Order, Sums};
use crate::outline::Part;
use crate::state::grid::{Grid, Scale};
use crate::state::live::Counted;

/// What a cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Value {
    /// Bytes that were asked for.
    #[default]
    Bytes,
    /// Requests.
    Count,
    /// The greatest latency.
    Latency,
    /// Bytes that were written again in the same epoch.
    Rewrites,
}

impl Value {
    /// The name of each, in the order in which they come.
    pub const ALL: [(Value, &'static str); 4] = [
        (Value::Bytes, "bytes"),
        (Value::Count, "count"),
        (Value::Latency, "greatest latency"),
        (Value::Rewrites, "rewritten bytes"),
    ];

    /// What it is of a cell; 0 for nothing.
    pub fn of(self, sums: &Sums) -> u64 {
        match self {
            Value::Bytes => sums.bytes,
            Value::Count => sums.requests,
            Value::Latency => sums.latency.0,
            Value::Rewrites => sums.rewritten,
        }
    }
}

/// What a window may be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// From the first arrival to behind the last event, in nanoseconds.
    pub time: Range<u64>,
    /// The device, in bytes.
    pub offsets: Range<u64>,
}

/// The map.
#[derive(Debug, Default)]
pub struct Map {
    /// The device that is shown.
    pub device: u16,
    /// What cells say.
    pub value: Value,
    /// How offsets are laid out.
    pub scale: Scale,
    /// What is known, if anything is.
    pub chart: Option<Chart>,
    /// Times that are shown; `None` for all.
    time: Option<Range<u64>>,
    /// Offsets that are shown; `None` for all.
    offsets: Option<Range<u64>>,
    /// Where the cursor is: a time and an offset.
    cursor: (u64, u64),
    /// The place that the cursor went to last, or that it was put on.
    followed: Option<u64>,
    /// Columns and rows on the screen.
    size: (u16, u16),
    /// Ends of requests beyond the end of their device, or where that is not known.
    reaches: BTreeMap<u16, u64>,
    earliest: Option<u64>,
    /// How long before the time of its event a request arrived, at most; `None` as long as not all were seen.
    early: Option<Nanos>,
    ordered: Option<(Order, Counted)>,
    /// What summaries say, of so many chunks.
    said: Option<(usize, Chart)>,
    orders: u64,
}

impl Map {
    /// How many cells there are on the screen.
    pub fn set_size(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
    }

    /// What there is to see of the device, which has `size` bytes if that is known, in these times.
    pub fn whole(&self, time: &Range<Nanos>, size: u64) -> Whole {
        let start = self.earliest.map_or(time.start.0, |earliest| earliest.min(time.start.0));
        // What lies beyond is rounded up, so that the window does not grow with every request.
        let reach = self.reaches.get(&self.device).copied().unwrap_or(0);
        let beyond = reach.checked_next_power_of_two().unwrap_or(u64::MAX);
        let end = if reach > size { beyond } else { size };
        Whole { time: start..time.end.0.saturating_add(1), offsets: 0..end.max(1) }
    }

    /// The cells of the window.
    pub fn grid(&self, whole: &Whole) -> Grid {
        let time = self.time.as_ref().unwrap_or(&whole.time);
        let offsets = self.offsets.as_ref().unwrap_or(&whole.offsets);
        Grid::new(self.device, time, offsets, self.size, self.scale)
    }

    /// The column and the row of the cursor.
    pub fn cursor(&self, grid: &Grid) -> (usize, usize) {
        let (time, offsets) = (grid.time(), grid.offsets());
        let at = |number: u64, range: &Range<u64>| {
            number.clamp(range.start, range.end.saturating_sub(1).max(range.start))
        };
        let column = grid.column(Nanos(at(self.cursor.0, &time))).unwrap_or(0);
        (column, grid.row(at(self.cursor.1, &offsets)).unwrap_or(0))
    }

    /// What is known of these cells, of the requests that this filter leaves.
    pub fn known(&self, grid: &Grid, filter: Counted) -> Option<&Chart> {
        let (order, _) = self.ordered.as_ref().filter(|(_, of)| *of == filter)?;
        let is_of = |chart: &&Chart| chart.number == order.number && chart.grid == *grid;
        self.chart.as_ref().filter(is_of)
    }

    /// Takes what summaries say of these cells.
    pub fn say(&mut self, grid: &Grid, parts: &[Part]) {
        let is_known = |(of, chart): &(usize, Chart)| *of == parts.len() && chart.grid == *grid;
        if !self.said.as_ref().is_some_and(is_known) {
            self.said = Some((parts.len(), Chart::said(grid, parts)));
        }
    }

    /// What summaries say of these cells, if they can say what cells show.
    pub fn said(&self, grid: &Grid) -> Option<&Chart> {
        let is_said = matches!(self.value, Value::Bytes | Value::Count);
        let (parts, chart) = self.said.as_ref().filter(|_| is_said)?;
        (*parts > 0 && chart.grid == *grid).then_some(chart)
    }

    /// Moves the cursor by columns or rows; at the edge the window goes on.
    pub fn step(&mut self, axis: Axis, direction: Direction, steps: usize, whole: &Whole) {
        let grid = self.grid(whole);
        let (column, row) = self.cursor(&grid);
        let (at, cells) = match axis {
            Axis::Time => (column, grid.width()),
            Axis::Offset => (row, grid.height()),
        };
        let to = match direction {
            Direction::Next => at.saturating_add(steps),
            Direction::Previous => at.saturating_sub(steps),
        };
        let is_beyond = to >= cells || (direction == Direction::Previous && steps > at);
        if !is_beyond {
            return self.put(axis, to, &grid);
        }
        let edge = if direction == Direction::Next { cells - 1 } else { 0 };
        if !self.pan(axis, direction, whole) || at != edge {
            return self.put(axis, edge, &grid);
        }
        // One cell further than the edge was.
        let grid = self.grid(whole);
        let (column, row) = self.cursor(&grid);
        let (at, cells) = match axis {
            Axis::Time => (column, grid.width()),
            Axis::Offset => (row, grid.height()),
        };
        let to = match direction {
            Direction::Next => (at + 1).min(cells - 1),
            Direction::Previous => at.saturating_sub(1),
        };
        self.put(axis, to, &grid);
    }

    /// Puts the cursor on a cell, or on the nearest there is.
    pub fn point(&mut self, column: usize, row: usize, whole: &Whole) {
        let grid = self.grid(whole);
        self.put(Axis::Time, column.min(grid.width().saturating_sub(1)), &grid);
        self.put(Axis::Offset, row.min(grid.height().saturating_sub(1)), &grid);
    }

    /// Puts the cursor on the first or the last column of all there is.
    pub fn go_to_end(&mut self, direction: Direction, whole: &Whole) {
        self.cursor.0 = match direction {
            Direction::Next => whole.time.end.saturating_sub(1),
            Direction::Previous => whole.time.start,
        };
        self.time = self.time.take().map(|time| holding(&time, self.cursor.0, &whole.time));
    }

    /// Shows half as much around the cursor (`Next`), or twice as much.
    pub fn zoom(&mut self, axis: Axis, direction: Direction, whole: &Whole) {
        let (window, all, at, cells) = match axis {
            Axis::Time => (&mut self.time, &whole.time, self.cursor.0, self.size.0),
            Axis::Offset => (&mut self.offsets, &whole.offsets, self.cursor.1, self.size.1),
        };
        let now = window.clone().unwrap_or_else(|| all.clone());
        *window = zoomed(&now, all, at, u64::from(cells), direction);
    }

    /// Shows the next device of so many.
    pub fn next_device(&mut self, devices: u16) {
        self.device = if self.device + 1 < devices { self.device + 1 } else { 0 };
        self.offsets = None;
    }

    /// Says something else of each cell.
    pub fn next_value(&mut self) {
        let at = Value::ALL.iter().position(|(value, _)| *value == self.value).unwrap_or(0);
        self.value = Value::ALL[(at + 1) % Value::ALL.len()].0;
    }

    /// Lays offsets out the other way.
    pub fn next_scale(&mut self) {
        self.scale = match self.scale {
            Scale::Linear => Scale::Log,
            Scale::Log => Scale::Linear,
        };
    }

    /// Puts the cursor on a request, if another has the focus than before.
    pub fn follow(&mut self, place: u64, row: &Row) {
        if self.followed == Some(place) {
            return;
        }
        self.followed = Some(place);
        self.cursor.0 = row.time.0;
        let has_range = row.request.range.length > 0;
        if has_range && self.device != row.device.0 {
            self.device = row.device.0;
            self.offsets = None;
        }
        if has_range {
            self.cursor.1 = row.request.range.offset;
        }
    }

    /// Brings the window to the cursor, within all there is.
    pub fn settle(&mut self, whole: &Whole) {
        let (time, offset) = self.cursor;
        let settled =
            |window: Option<Range<u64>>, at, all| window.map(|now| holding(&now, at, all));
        self.time = settled(self.time.take(), time, &whole.time);
        self.offsets = settled(self.offsets.take(), offset, &whole.offsets);
    }

    /// The place of the request that the cell under the cursor stands for, to which the focus goes.
    pub fn place(&mut self, whole: &Whole, filter: Counted) -> Option<u64> {
        let grid = self.grid(whole);
        let (column, row) = self.cursor(&grid);
        let sums = self.known(&grid, filter)?.sums(column, row);
        let place = if self.value == Value::Latency { sums.slowest } else { sums.first };
        let place = (sums.requests > 0).then_some(place)?;
        self.followed = Some(place);
        Some(place)
    }

    /// What is to be counted, if it is something else than what was ordered last. `filter` is the number of the filter that
    /// leaves `shown`; 0 for none.
    pub fn order(
        &mut self,
        whole: &Whole,
        filter: Counted,
        shown: Option<Arc<RoaringTreemap>>,
    ) -> Option<Order> {
        let grid = self.grid(whole);
        let rewrites = self.value == Value::Rewrites;
        if let Some((order, of)) = &self.ordered
            && order.grid == grid
            && *of == filter
            && (order.rewrites || !rewrites)
        {
            return None;
        }
        self.orders += 1;
        let order = Order { number: self.orders, grid, shown, rewrites, early: self.early };
        self.ordered = Some((order.clone(), filter));
        Some(order)
    }

    /// The number of what is being counted; 0 if nothing is.
    pub fn counting(&self) -> u64 {
        let Some((order, _)) = &self.ordered else { return 0 };
        let is_done =
            self.chart.as_ref().is_some_and(|chart| chart.number == order.number && chart.is_done);
        if is_done { 0 } else { order.number }
    }

    /// Nobody looks: what is not done is forgotten.
    pub fn leave(&mut self) {
        if self.counting() > 0 {
            self.ordered = None;
        }
    }

    /// Goes no further; whether there was more to count.
    pub fn stop(&mut self) -> bool {
        let number = self.counting();
        let Some((order, _)) = self.ordered.as_mut().filter(|_| number > 0) else { return false };
        self.orders += 1;
        let stopped = |mut chart: Chart| {
            chart.number = self.orders;
            chart.is_done = true;
            chart.error = Some("it was cancelled".to_owned());
            chart
        };
        self.chart = Some(match self.chart.take().filter(|chart| chart.number == number) {
            Some(chart) => stopped(chart),
            None => stopped(Chart::new(order)),
        });
        order.number = self.orders;
        true
    }

    /// Takes what is known by now.
    pub fn take(&mut self, chart: Chart) {
        let is_wanted =
            self.ordered.as_ref().is_some_and(|(order, _)| order.number == chart.number);
        if !is_wanted {
            return;
        }
        let reach = self.reaches.entry(chart.grid.device).or_default();
        *reach = (*reach).max(chart.reach);
        let earliest = chart.earliest.map(|time| time.0);
        self.earliest = self.earliest.into_iter().chain(earliest).min();
        self.early = self.early.or(chart.early);
        self.chart = Some(chart);
    }

    fn put(&mut self, axis: Axis, at: usize, grid: &Grid) {
        match axis {
            Axis::Time => self.cursor.0 = grid.times_of(at).start,
            Axis::Offset => self.cursor.1 = grid.offsets_of(at).start,
        }
    }

    /// Moves the window by a half; whether it could.
    fn pan(&mut self, axis: Axis, direction: Direction, whole: &Whole) -> bool {
        let (window, all) = match axis {
            Axis::Time => (&mut self.time, &whole.time),
            Axis::Offset => (&mut self.offsets, &whole.offsets),
        };
        let Some(now) = window.clone() else { return false };
        let span = now.end - now.start;
        let start = match direction {
            Direction::Next => now.start.saturating_add(span / 2).min(all.end - span),
            Direction::Previous => now.start.saturating_sub(span / 2).max(all.start),
        };
        *window = Some(start..start + span);
        start != now.start
    }
}

/// A window of the same span that holds `at`, within all there is.
pub(super) fn holding(window: &Range<u64>, at: u64, all: &Range<u64>) -> Range<u64> {
    let span = (window.end - window.start).min(all.end - all.start);
    let is_inside = window.contains(&at);
    let start = if is_inside { window.start } else { at.saturating_sub(span / 2) };
    let start = start.clamp(all.start, all.end - span);
    start..start + span
}

/// A window of half the span, or of twice, in which `at` is as far from the beginning as before. `None` if that is all.
pub(super) fn zoomed(
    now: &Range<u64>,
    all: &Range<u64>,
    at: u64,
    cells: u64,
    direction: Direction,
) -> Option<Range<u64>> {
    let (span, most) = (now.end - now.start, all.end - all.start);
    let wanted = match direction {
        Direction::Next => (span / 2).max(cells).min(span),
        Direction::Previous => span.saturating_mul(2).max(1),
    };
    if wanted >= most {
        return None;
    }
    let at = at.clamp(now.start, now.end);
    let before = u128::from(at - now.start) * u128::from(wanted) / u128::from(span.max(1));
    let start = at.saturating_sub(u64::try_from(before).unwrap_or(u64::MAX));
    let start = start.clamp(all.start, all.end - wanted);
    Some(start..start + wanted)
}
