//! A and B, the selection, and what lies between. Points in, the span and what it amounts to out.
//!
//! Invariant: sums are shown only of the span that they were counted for.

use std::ops::Range;

use blkreplay_core::rows::Row;
use blkreplay_core::units::ByteRange;

use crate::state::marks::Point;

/// One of two points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The other.
    B,
}

/// Requests that are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The first place.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// The number of the filter that leaves them.
    pub filter: u64,
}

/// What they amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Which.
    pub order: Order,
    /// What they asked for, so far.
    pub bytes: u64,
    /// All were added up.
    pub is_done: bool,
    /// Rows were missing that the trace promises.
    pub is_short: bool,
}

/// A part of the map: times and offsets of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// The device.
    pub device: u16,
    /// Times, in nanoseconds.
    pub time: Range<u64>,
    /// Offsets, in bytes.
    pub offsets: Range<u64>,
}

/// A and B, and where a selection began.
#[derive(Debug, Default)]
pub struct Points {
    /// A.
    pub a: Option<Point>,
    /// B.
    pub b: Option<Point>,
    /// The other end of the selection is the focus.
    pub anchor: Option<Point>,
    /// The cell of the map that the selection began in, if it is one of offsets as well.
    pub corner: Option<Area>,
    /// What was told last.
    pub sum: Option<Sum>,
}

/// A part of the trace, from one point to another, which belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from: Point,
    /// The last.
    pub to: Point,
    /// It is the selection.
    pub is_selected: bool,
}

impl Area {
    /// The smallest that holds both, if they are of one device.
    #[must_use]
    pub fn with(&self, other: &Area) -> Option<Area> {
        let both = |a: &Range<u64>, b: &Range<u64>| a.start.min(b.start)..a.end.max(b.end);
        (self.device == other.device).then(|| Area {
            device: self.device,
            time: both(&self.time, &other.time),
            offsets: both(&self.offsets, &other.offsets),
        })
    }

    /// Whether a request lies in it, if only in part.
    pub fn touches(&self, row: &Row) -> bool {
        let Range { start, end } = self.offsets;
        row.device.0 == self.device
            && self.time.contains(&row.time.0)
            && row.request.range.overlaps(ByteRange::new(start, end - start))
    }
}

impl Points {
    /// Drops the selection; whether there was one.
    pub fn drop_selection(&mut self) -> bool {
        self.corner = None;
        self.anchor.take().is_some()
    }

    /// The selection, while the focus is at `focus`; without one, from A to B.
    pub fn span(&self, focus: Option<Point>) -> Option<Span> {
        let (one, other) = match self.anchor {
            Some(anchor) => (anchor, focus?),
            None => (self.a?, self.b?),
        };
        let (from, to) = if one.place <= other.place { (one, other) } else { (other, one) };
        Some(Span { from, to, is_selected: self.anchor.is_some() })
    }

    /// The sum of this span, as far as it is known.
    pub fn known(&self, order: Order) -> Option<Sum> {
        self.sum.filter(|sum| sum.order == order)
    }

    /// The sign of a place that A or B is at.
    pub fn sign(&self, place: u64) -> Option<char> {
        let is_at = |point: Option<Point>| point.is_some_and(|point| point.place == place);
        if is_at(self.a) {
            Some('A')
        } else if is_at(self.b) {
            Some('B')
        } else {
            None
        }
    }
}
