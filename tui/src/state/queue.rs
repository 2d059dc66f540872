//! The window of time that the timeline and the queue show, and what is known of what was in flight in it.
//!
//! Moves and counts in, orders to count out. Knows no terminal. Invariants: the window lies in the time of the trace; what is drawn was
//! counted in the window that is shown, of the requests that the filter in force leaves.

use std::ops::Range;

use blkreplay_core::request::DeviceId;
use blkreplay_core::units::Nanos;

use super::map::{holding, zoomed};
use super::slices::{Columns, Slices};
use crate::action::Direction;
use crate::flight::{Flight, Lane};
use crate::state::live::Counted;

/// The shortest window, in nanoseconds.
const LEAST: u64 = 1000;

/// What is known.
#[derive(Debug, Default)]
pub struct Queue {
    /// Columns of the timeline that is on the screen; 0 if none is.
    pub timeline: usize,
    /// Columns of the queue that was drawn last.
    pub width: usize,
    /// The device whose queue is shown; that of the focus without one.
    pub device: Option<DeviceId>,
    /// `None` for all time.
    window: Option<Range<u64>>,
    /// The place that the window went to last.
    followed: Option<u64>,
    /// The window and the number of the filter that were ordered last.
    ordered: Option<(Range<u64>, Counted)>,
    orders: u64,
    is_stopped: bool,
    flight: Option<Flight>,
}

impl Queue {
    /// What is shown of all time.
    pub fn window(&self, whole: &Range<u64>) -> Range<u64> {
        self.window.clone().unwrap_or_else(|| whole.clone())
    }

    /// Whether not all time is shown.
    pub fn is_zoomed(&self) -> bool {
        self.window.is_some()
    }

    /// The columns of the queue.
    pub fn columns(&self, whole: &Range<u64>, width: usize) -> Columns {
        Columns::new(Slices::new(self.window(whole)), width)
    }

    /// Shows half as much around a time (`Next`), or twice as much.
    pub fn zoom(&mut self, direction: Direction, at: u64, whole: &Range<u64>) {
        let now = self.window(whole);
        self.window = zoomed(&now, whole, at, LEAST, direction);
    }

    /// Moves the window by a quarter; whether it could.
    pub fn pan(&mut self, direction: Direction, whole: &Range<u64>) -> bool {
        let Some(now) = self.window.clone() else { return false };
        let span = now.end - now.start;
        let step = (span / 4).max(1);
        let start = match direction {
            Direction::Next => now.start.saturating_add(step).min(whole.end - span),
            Direction::Previous => now.start.saturating_sub(step).max(whole.start),
        };
        self.window = Some(start..start + span);
        start != now.start
    }

    /// Brings the window to the request that has the focus, if another had it before.
    pub fn follow(&mut self, place: u64, time: Nanos, whole: &Range<u64>) {
        if self.followed != Some(place) {
            self.followed = Some(place);
            self.window = self.window.take().map(|now| holding(&now, time.0, whole));
        }
    }

    /// An order for the window that is shown, if something else was ordered last, or another filter was in force.
    pub fn order(&mut self, whole: &Range<u64>, filter: Counted) -> Option<(u64, Range<u64>)> {
        let window = self.window(whole);
        if self.ordered.as_ref().is_some_and(|(old, of)| *old == window && *of == filter) {
            return None;
        }
        self.orders += 1;
        self.is_stopped = false;
        self.ordered = Some((window.clone(), filter));
        Some((self.orders, window))
    }

    /// The number of what is being counted; 0 if nothing is.
    pub fn counting(&self) -> u64 {
        let is_done = self.known_last().is_some_and(|flight| flight.is_done);
        if is_done || self.is_stopped || self.ordered.is_none() { 0 } else { self.orders }
    }

    /// Goes no further; whether there was more to count.
    pub fn stop(&mut self) -> bool {
        let goes_on = self.counting() > 0;
        self.is_stopped |= goes_on;
        goes_on
    }

    /// Counts anew if somebody had stopped it.
    pub fn resume(&mut self) {
        if self.is_stopped {
            self.ordered = None;
        }
    }

    /// Whether somebody stopped it.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Takes what is known by now.
    pub fn take(&mut self, flight: Flight) {
        if flight.number == self.orders && !self.is_stopped {
            self.flight = Some(flight);
        }
    }

    fn known_last(&self) -> Option<&Flight> {
        self.flight.as_ref().filter(|flight| flight.number == self.orders)
    }

    /// What is known of the window that is shown, of the requests that this filter leaves.
    pub fn known(&self, whole: &Range<u64>, filter: Counted) -> Option<&Flight> {
        let (window, of) = self.ordered.as_ref()?;
        self.known_last().filter(|_| *window == self.window(whole) && *of == filter)
    }

    /// The device that is shown, where the focus is at one.
    pub fn shown(&self, focused: Option<DeviceId>) -> DeviceId {
        self.device.or(focused).unwrap_or(DeviceId(0))
    }
}

/// How many requests were in flight in a column.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Depth {
    /// At most.
    pub max: u64,
    /// On average over its time.
    pub mean: f64,
    /// Requests issued in it.
    pub issued: u64,
    /// Requests released in it.
    pub released: u64,
    /// The place of the first that was issued in it.
    pub first: Option<u64>,
    /// The place of the request with whose issue it was deepest.
    pub deepest: Option<u64>,
}

impl Depth {
    /// That of a column.
    #[expect(clippy::cast_precision_loss, reason = "an average that is looked at")]
    pub fn of(lane: &Lane, columns: &Columns, column: usize) -> Depth {
        let mut depth = Depth::default();
        let mut held: u128 = 0;
        for slice in &lane.slices[columns.slices_of(column)] {
            if slice.max > depth.max || depth.deepest.is_none() {
                depth.deepest = slice.deepest;
            }
            depth.max = depth.max.max(slice.max);
            depth.issued += u64::from(slice.issued);
            depth.released += u64::from(slice.released);
            depth.first = depth.first.or(slice.first);
            held += u128::from(slice.held);
        }
        let times = columns.times_of(column);
        depth.mean = held as f64 / (times.end - times.start).max(1) as f64;
        depth
    }
}
