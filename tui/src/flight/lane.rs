//! Requests of one device that are in flight: when there were how many, and for how long nothing was completed.
//!
//! Issues and releases in, slices and sums out. Knows no trace. Invariant: all time from the begin of the window up to the last event
//! is at some depth, once.

use blkreplay_core::units::Nanos;
use blkreplay_core::view::stats::Spread;

use crate::state::slices::{SLICES, Slices};

/// Depths are told apart by powers of two: 0, 1, 2 to 3, 4 to 7 and so on.
pub const POWERS: usize = 65;

/// A slice of time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Slice {
    /// The most requests in flight.
    pub max: u64,
    /// Requests in flight times nanoseconds.
    pub held: u64,
    /// Requests issued.
    pub issued: u32,
    /// Requests released.
    pub released: u32,
    /// The place of the first that was issued.
    pub first: Option<u64>,
    /// The place of the request with whose issue it was deepest, or of the last one before.
    pub deepest: Option<u64>,
}

/// For so long nothing was completed while something was in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// From here.
    pub from: Nanos,
    /// How long.
    pub span: Nanos,
}

/// A device.
#[derive(Debug, Clone)]
pub struct Lane {
    /// What there was when.
    pub slices: Vec<Slice>,
    /// The most requests in flight.
    pub max: u64,
    /// The place of the request with whose issue it was deepest first.
    pub deepest: Option<u64>,
    /// How many were in flight when each was issued, itself counted.
    pub issued_at: Spread,
    /// How long so many were in flight, in nanoseconds, by power of two.
    pub time_at: [u64; POWERS],
    /// The longest stall.
    pub stall: Option<Stall>,
    /// How long requests were in flight, from arrival to release, all together, in nanoseconds.
    pub waited: u128,
    bounds: Slices,
    depth: u64,
    /// Up to here all is counted.
    at: u64,
    /// The slice that it lies in, and where that ends.
    slice: usize,
    slice_end: u64,
    /// Since when nothing was completed; says nothing if nothing is in flight.
    since: u64,
    /// The place of the last that was issued.
    last: Option<u64>,
}

impl Lane {
    /// With so many in flight at the begin of the window.
    pub(super) fn new(bounds: Slices, depth: u64) -> Lane {
        let start = bounds.window().start;
        let slice_end = bounds.start(1);
        let mut lane = Lane {
            slices: vec![Slice::default(); SLICES],
            max: depth,
            deepest: None,
            issued_at: Spread::default(),
            time_at: [0; POWERS],
            stall: None,
            waited: 0,
            bounds,
            depth,
            at: start,
            slice: 0,
            slice_end,
            since: start,
            last: None,
        };
        lane.slices[0].max = depth;
        lane
    }

    /// A request that lies at `place` was issued.
    pub(super) fn issue(&mut self, time: u64, place: u64) {
        self.advance(time);
        if self.depth == 0 {
            self.since = time;
        }
        self.depth += 1;
        self.last = Some(place);
        if self.is_before(time) {
            return self.begin();
        }
        self.issued_at.add(self.depth);
        if self.depth > self.max {
            (self.max, self.deepest) = (self.depth, Some(place));
        }
        let slice = &mut self.slices[self.slice];
        slice.issued = slice.issued.saturating_add(1);
        slice.first = slice.first.or(Some(place));
        if self.depth > slice.max || slice.deepest.is_none() {
            slice.deepest = Some(place);
        }
        slice.max = slice.max.max(self.depth);
    }

    /// A request was released, `waited` after it had arrived if that is known.
    pub(super) fn release(&mut self, time: u64, waited: u64) {
        self.advance(time);
        if self.is_before(time) {
            (self.depth, self.since) = (self.depth.saturating_sub(1), time);
            return self.begin();
        }
        self.waited += u128::from(waited);
        let slice = &mut self.slices[self.slice];
        slice.released = slice.released.saturating_add(1);
        if self.depth == 0 {
            return;
        }
        let span = Nanos(time.saturating_sub(self.since));
        if self.stall.is_none_or(|stall| stall.span < span) {
            self.stall = Some(Stall { from: Nanos(self.since), span });
        }
        self.depth -= 1;
        self.since = time;
    }

    fn is_before(&self, time: u64) -> bool {
        time < self.bounds.window().start
    }

    /// The window begins with what is in flight now.
    fn begin(&mut self) {
        self.max = self.depth;
        self.deepest = self.last;
        self.slices[0] = Slice { max: self.depth, deepest: self.last, ..Slice::default() };
    }

    /// Nothing is known of what is in flight from here on.
    pub(super) fn forget(&mut self, time: u64) {
        self.advance(time);
        self.depth = 0;
    }

    /// Counts the time up to here.
    pub(super) fn advance(&mut self, time: u64) {
        let time = time.min(self.bounds.window().end - 1);
        while self.at < time {
            let to = self.slice_end.min(time);
            let span = to.saturating_sub(self.at);
            let slice = &mut self.slices[self.slice];
            slice.held = slice.held.saturating_add(self.depth.saturating_mul(span));
            let power = &mut self.time_at[power(self.depth)];
            *power = power.saturating_add(span);
            self.at = to;
            // A slice may be shorter than a nanosecond, and then it is passed by.
            while self.at >= self.slice_end && self.slice + 1 < SLICES {
                self.slice += 1;
                self.slice_end = self.bounds.start(self.slice + 1);
                let slice = &mut self.slices[self.slice];
                slice.max = slice.max.max(self.depth);
                slice.deepest = slice.deepest.or(self.last);
            }
        }
    }

    /// How long was counted, in nanoseconds.
    pub fn counted(&self) -> u64 {
        self.time_at.iter().fold(0, |sum, time| sum.saturating_add(*time))
    }

    /// Requests in flight times nanoseconds.
    pub fn held(&self) -> u128 {
        self.slices.iter().map(|slice| u128::from(slice.held)).sum()
    }
}

/// Which power of two a depth lies in: 0 for none, and 1 more than its logarithm.
pub fn power(depth: u64) -> usize {
    depth.checked_ilog2().map_or(0, |power| power as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issues and releases, by time; requests have the places 0, 1, 2.
    fn lane(window: std::ops::Range<u64>, events: &[(u64, bool)]) -> Lane {
        let slices = Slices::new(window);
        let mut lane = Lane::new(slices, 0);
        let mut place = 0;
        for (time, issues) in events {
            if *issues {
                lane.issue(*time, place);
                place += 1;
            } else {
                lane.release(*time, 10);
            }
        }
        lane.advance(2048);
        lane
    }

    #[test]
    fn depth_is_counted_by_slice_by_time_and_by_issue() {
        let lane = lane(0..2048, &[(10, true), (12, true), (20, false), (21, false), (100, true)]);
        assert_eq!((lane.max, lane.deepest), (2, Some(1)));
        let max: Vec<u64> = (9..23).map(|slice| lane.slices[slice].max).collect();
        assert_eq!(max, [0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 0]);
        assert_eq!(lane.slices[15].held, 2);
        assert_eq!(lane.slices[15].deepest, Some(1), "the last one before");
        assert_eq!(lane.slices[10].first, Some(0));
        assert_eq!(lane.slices[2047].max, 1, "the last is never released");
        assert_eq!(lane.time_at[..3], [10 + 79, 2 + 1 + 1947, 8]);
        assert_eq!(lane.counted(), 2047);
        assert_eq!((lane.issued_at.count(), lane.issued_at.max()), (3, Some(2)));
        assert_eq!(lane.stall, Some(Stall { from: Nanos(10), span: Nanos(10) }));
        assert_eq!((lane.held(), lane.waited), (3 + 16 + 1947, 20));
    }

    #[test]
    fn time_in_which_nothing_is_in_flight_is_no_stall() {
        let lane =
            lane(0..2048, &[(0, true), (3, false), (1000, true), (1004, false), (1500, false)]);
        assert_eq!(lane.stall, Some(Stall { from: Nanos(1000), span: Nanos(4) }));
        assert_eq!(lane.slices[1500].released, 1, "what was issued before is released too");
    }

    #[test]
    fn what_comes_before_the_window_is_in_flight_in_it_and_not_counted() {
        let lane =
            lane(100..2148, &[(10, true), (12, true), (20, false), (90, true), (110, false)]);
        assert_eq!((lane.max, lane.slices[0].max, lane.slices[10].max), (2, 2, 2));
        assert_eq!((lane.slices[0].issued, lane.slices[0].deepest), (0, Some(2)));
        assert_eq!(lane.slices[11].max, 1);
        assert_eq!(lane.stall, Some(Stall { from: Nanos(20), span: Nanos(90) }));
        assert_eq!(lane.counted(), 1948);
    }

    #[test]
    fn powers_tell_depths_apart() {
        let powers: Vec<usize> = [0, 1, 2, 3, 4, 7, 8, u64::MAX].map(power).to_vec();
        assert_eq!(powers, [0, 1, 2, 2, 3, 3, 4, 64]);
    }
}
