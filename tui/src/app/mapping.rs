//! What is done on the map. Actions in, changes of the map, the focus and the filter out.

use std::sync::Arc;

use blkreplay_core::units::Nanos;

use super::App;
use crate::action::{Axis, Charting, Direction, Move, View};
use crate::chart::Order;
use crate::state::cell;
use crate::state::map::Whole;
use crate::state::points::Area;
use crate::words;

impl App {
    /// What there is to see on the map; `None` before it is known.
    pub(crate) fn whole(&self) -> Option<Whole> {
        let device = self.header.devices.get(usize::from(self.map.device));
        Some(self.map.whole(self.live.time()?, device.map_or(0, |device| device.size)))
    }

    /// What cells of the map are to be counted, if it is shown and they are others than before.
    pub(crate) fn order(&mut self) -> Option<Order> {
        let whole = self.whole().filter(|_| self.is_shown(View::Map));
        // As long as a filter looks, what it leaves is not known.
        let filter = self.filtering.applied.as_ref();
        let (Some(whole), true) = (whole, filter.is_none_or(|applied| applied.is_done)) else {
            self.map.leave();
            return None;
        };
        let number = self.counted();
        self.map.order(&whole, number, filter.map(|applied| Arc::clone(&applied.found)))
    }

    /// Puts the cursor of the map on the focused request.
    pub(crate) fn follow_on_map(&mut self) {
        if let Some(row) = self.requests.focused() {
            self.map.follow(self.requests.focus(), row);
        }
        if let Some(whole) = self.whole() {
            self.map.settle(&whole);
        }
    }

    pub(super) fn chart(&mut self, charting: Charting) {
        match (self.view, charting) {
            (View::Map, _) => {}
            (View::Requests | View::Queue, Charting::Zoom(Axis::Time, direction)) => {
                return self.zoom_time(direction);
            }
            (View::Queue, Charting::Device) => return self.next_queue(),
            _ => return self.say("that is for the map; 2 shows it"),
        }
        let Some(whole) = self.whole() else { return };
        match charting {
            Charting::Zoom(axis, direction) => self.map.zoom(axis, direction, &whole),
            Charting::Value => self.map.next_value(),
            Charting::Scale => self.map.next_scale(),
            Charting::Device => {
                let devices = u16::try_from(self.header.devices.len()).unwrap_or(u16::MAX);
                if devices < 2 {
                    return self.say("the trace has one device");
                }
                self.map.next_device(devices);
            }
        }
    }

    pub(super) fn move_on_map(&mut self, way: Move) {
        let Some(whole) = self.whole() else { return };
        let rows = self.map.grid(&whole).height();
        let half = (rows / 2).max(1);
        match way {
            Move::Up => self.step(Axis::Offset, Direction::Next, 1),
            Move::Down => self.step(Axis::Offset, Direction::Previous, 1),
            Move::HalfUp => self.step(Axis::Offset, Direction::Next, half),
            Move::HalfDown => self.step(Axis::Offset, Direction::Previous, half),
            Move::PageUp => self.step(Axis::Offset, Direction::Next, rows),
            Move::PageDown => self.step(Axis::Offset, Direction::Previous, rows),
            Move::First | Move::Last => {
                let is_last = way == Move::Last;
                let end = if is_last { Direction::Next } else { Direction::Previous };
                self.map.go_to_end(end, &whole);
                self.focus_cell(&whole);
            }
        }
    }

    /// Moves the cursor of the map, and the focus to a request of the cell under it.
    pub(super) fn step(&mut self, axis: Axis, direction: Direction, steps: usize) {
        let Some(whole) = self.whole() else { return };
        self.map.step(axis, direction, steps, &whole);
        self.focus_cell(&whole);
    }

    /// Puts the cursor on a cell, by its column and by its line from above.
    pub(super) fn point_on_map(&mut self, column: usize, line: usize) {
        let Some(whole) = self.whole() else { return };
        let rows = self.map.grid(&whole).height();
        self.map.point(column, rows.saturating_sub(line + 1), &whole);
        self.focus_cell(&whole);
    }

    fn focus_cell(&mut self, whole: &Whole) {
        if let Some(place) = self.map.place(whole, self.counted()) {
            self.requests.go(place);
        }
    }

    /// Filters to the cell under the cursor, and shows what that leaves.
    pub(super) fn open_cell(&mut self) {
        let Some(whole) = self.whole() else { return };
        let grid = self.map.grid(&whole);
        let (column, row) = self.map.cursor(&grid);
        let chart = self
            .map
            .known(&grid, self.counted())
            .filter(|chart| chart.is_done && chart.error.is_none());
        if chart.is_some_and(|chart| chart.sums(column, row).requests == 0) {
            return self.say("there is no request in this cell");
        }
        self.focus_cell(&whole);
        let (time, offsets) = (grid.times_of(column), grid.offsets_of(row));
        let mut terms = self.terms_of(&Area { device: self.map.device, time, offsets });
        if let Some(applied) = &self.filtering.applied {
            let had: Vec<&str> = applied.filter.terms().collect();
            terms.retain(|term| !had.contains(&term.as_str()));
        }
        let text = if terms.is_empty() {
            self.filtering.text().to_owned()
        } else {
            self.filtering.with(&terms.join(" && "))
        };
        self.view = View::Requests;
        self.filter(&text);
    }

    /// The part of the map that the cell under the cursor is.
    pub(super) fn cell_area(&self) -> Option<Area> {
        let grid = self.map.grid(&self.whole()?);
        let (column, row) = self.map.cursor(&grid);
        let (time, offsets) = (grid.times_of(column), grid.offsets_of(row));
        Some(Area { device: self.map.device, time, offsets })
    }

    /// Terms that together mean what lies in a part of the map.
    pub(super) fn terms_of(&self, area: &Area) -> Vec<String> {
        let Area { device, time, offsets } = area;
        let [start, end] = [offsets.start, offsets.end].map(words::length);
        let mut terms = vec![
            format!("t >= {}", cell::span(Nanos(time.start))),
            format!("t < {}", cell::span(Nanos(time.end))),
            format!("off overlaps {start}..{end}"),
        ];
        let device = self.header.devices.get(usize::from(*device));
        if let Some(device) = device.filter(|_| self.header.devices.len() > 1) {
            let name = device.name.replace('\\', "\\\\").replace('"', "\\\"");
            terms.insert(0, format!("dev == \"{name}\""));
        }
        terms
    }

    /// Counts no further; whether there was more to count.
    pub(super) fn stop_counting(&mut self) -> bool {
        if self.is_shown(View::Map) && self.map.stop() {
            self.say("the map was cancelled; zoom to count again");
            return true;
        }
        self.stop_tally()
    }
}
