//! The timeline and the queue: the window of time that they show, and where keys lead there. Actions in, the window, the focus and the
//! filter out.

use std::ops::Range;
use std::sync::Arc;

use blkreplay_core::units::Nanos;

use super::App;
use crate::action::{Direction, Like, View};
use crate::flight::{Flight, Order};
use crate::state::cell;
use crate::state::queue::Depth;
use crate::state::series::Series;
use crate::state::slices::Columns;

/// So many requests are counted without anybody asking for it: in less time than a key takes.
const CHEAP_REQUESTS: u64 = 1 << 19;

impl App {
    /// All time of the trace, in nanoseconds; `None` before it is known, or without requests.
    pub(crate) fn all_time(&self) -> Option<Range<u64>> {
        let time = self.live.time()?;
        Some(time.start.0..time.end.0.saturating_add(1))
    }

    /// Brings the window of the timeline to the focus.
    pub(crate) fn follow_in_time(&mut self) {
        if let (Some(whole), Some(row)) = (self.all_time(), self.requests.focused()) {
            let (place, time) = (self.requests.focus(), row.time);
            self.queue.follow(place, time, &whole);
        }
    }

    /// What was counted of the window that is shown, as far as it goes.
    pub(crate) fn flight(&self) -> Option<&Flight> {
        self.queue.known(&self.all_time()?, self.counted())
    }

    /// What is to be counted of the window that is shown: all of it if the queue is looked at, and for the timeline what is cheap.
    pub(crate) fn order_flight(&mut self) -> Option<Order> {
        let whole = self.all_time()?;
        let filter = self.filtering.applied.as_ref();
        if filter.is_some_and(|applied| !applied.is_done) {
            return None;
        }
        let may_seek = filter.is_none() && self.header.devices.len() == 1;
        let requests = self.counted_requests(&self.queue.window(&whole), may_seek);
        let is_cheap = self.queue.timeline > 0 && requests <= CHEAP_REQUESTS;
        let is_wanted = self.view == View::Queue || is_cheap;
        if !is_wanted {
            return None;
        }
        let shown = filter.map(|applied| Arc::clone(&applied.found));
        let (number, window) = self.queue.order(&whole, self.counted())?;
        Some(Order { number, window, shown, requests, may_seek })
    }

    /// Requests that lie in a window and, where there is no other way into it, before it.
    fn counted_requests(&self, window: &Range<u64>, may_seek: bool) -> u64 {
        let pages = self.requests.pages();
        let from = pages.partition_point(|page| page.time_last.0 < window.start);
        let to = pages.partition_point(|page| page.time_first.0 < window.end);
        let counted = if may_seek { pages.get(from..to) } else { pages.get(..to) };
        counted.unwrap_or_default().iter().map(|page| page.requests).sum()
    }

    /// What a timeline of so many columns shows.
    pub(crate) fn series(&self, width: usize) -> Option<Series> {
        let columns = self.queue.columns(&self.all_time()?, width);
        let said = match &self.filtering.applied {
            Some(applied) => Series::found(self.requests.pages(), &applied.found, columns),
            None => Series::outlined(self.outline.parts(), columns),
        };
        Some(match self.flight() {
            Some(flight) => said.counted(flight),
            None => said,
        })
    }

    /// Shows half as much time around the focus, or twice as much.
    pub(super) fn zoom_time(&mut self, direction: Direction) {
        let Some(whole) = self.all_time() else { return };
        let window = self.queue.window(&whole);
        let at = self.requests.focused().map_or(window.start, |row| row.time.0);
        self.queue.zoom(direction, at, &whole);
    }

    /// Shows other times.
    pub(super) fn pan_time(&mut self, direction: Direction) {
        if !matches!(self.view, View::Requests | View::Queue) {
            return self.say("that is for the timeline; 1 and 4 show it");
        }
        let Some(whole) = self.all_time() else { return };
        if !self.queue.pan(direction, &whole) {
            let is_zoomed = self.queue.is_zoomed();
            self.say(if is_zoomed {
                "this is where the trace ends"
            } else {
                "all time is shown; z shows less"
            });
        }
    }

    /// The columns of the queue, and that of the focus if it is in the window.
    pub(crate) fn queue_columns(&self) -> Option<(Columns, Option<usize>)> {
        let columns = self.queue.columns(&self.all_time()?, self.queue.width);
        let at = self.requests.focused().and_then(|row| columns.holding(row.time));
        Some((columns, at))
    }

    /// How many requests of the device that is shown were in flight in a column, if it was counted.
    pub(crate) fn depth(&self, columns: &Columns, column: usize) -> Option<Depth> {
        let flight = self.flight()?;
        let is_counted = flight.is_done || columns.times_of(column).end <= flight.reached.0;
        let focused = self.requests.focused().map(|row| row.device);
        let lane = flight.lanes.get(&self.queue.shown(focused));
        is_counted
            .then(|| lane.map_or_else(Depth::default, |lane| Depth::of(lane, columns, column)))
    }

    /// Goes to the next column in which something was issued, or the one before.
    pub(super) fn step_in_queue(&mut self, direction: Direction) {
        let Some((columns, at)) = self.queue_columns() else { return };
        let last = columns.width() - 1;
        let focus = self.requests.focus();
        let others: Vec<usize> = match (direction, at) {
            (Direction::Next, Some(at)) => (at + 1..=last).collect(),
            (Direction::Previous, Some(at)) => (0..at).rev().collect(),
            // The window was moved away from the focus.
            (_, None) => (0..=last).collect(),
        };
        for column in others {
            match self.depth(&columns, column) {
                Some(Depth { first: Some(first), .. }) => return self.requests.go(first),
                Some(_) => {}
                None => {
                    let start = columns.times_of(column).start;
                    let (place, _) = self.requests.place_at(Nanos(start));
                    return self.requests.go(match direction {
                        Direction::Next => place.max(focus + 1),
                        Direction::Previous => place.min(focus.saturating_sub(1)),
                    });
                }
            }
        }
        let Range { start, end } = columns.window();
        let place = match direction {
            Direction::Next => self.requests.place_at(Nanos(end)).0,
            Direction::Previous => self.requests.place_at(Nanos(start)).0.saturating_sub(1),
        };
        if self.queue.is_zoomed() {
            self.requests.go(place);
        }
    }

    /// Shows the request with which it was deepest in the column of the focus.
    pub(super) fn open_column(&mut self) {
        let depth = self.queue_columns().and_then(|(columns, at)| self.depth(&columns, at?));
        match depth.and_then(|depth| depth.deepest) {
            Some(place) => {
                self.requests.go(place);
                self.view = View::Requests;
            }
            None if self.flight().is_some_and(|flight| flight.is_done) => {
                self.say("nothing was in flight here");
            }
            None => self.say("this column was not counted yet"),
        }
    }

    /// Shows only what arrived in the column of the focus, or all else.
    pub(super) fn filter_by_column(&mut self, like: Like) {
        let Some((columns, Some(at))) = self.queue_columns() else {
            return self.say("the focus is not in this window");
        };
        let [from, to] = {
            let Range { start, end } = columns.times_of(at);
            [start, end].map(|time| cell::span(Nanos(time)))
        };
        let term = match like {
            Like::This => format!("t >= {from} && t < {to}"),
            Like::Others => format!("!(t >= {from} && t < {to})"),
        };
        self.filter(&self.filtering.with(&term));
    }

    /// Shows the queue of the next device that was asked, and in the end again that of the focus.
    pub(super) fn next_queue(&mut self) {
        let devices: Vec<_> =
            self.flight().map(|flight| flight.lanes.keys().copied().collect()).unwrap_or_default();
        if devices.len() < 2 {
            return self.say("one device was asked");
        }
        let focused = self.requests.focused().map(|row| row.device);
        let shown = self.queue.shown(focused);
        let at = devices.iter().position(|device| *device == shown);
        self.queue.device = at.and_then(|at| devices.get(at + 1)).or(devices.first()).copied();
    }
}
