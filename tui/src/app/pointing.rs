//! A, B and the selection, of requests or of a part of the map: set, told in sums, and made filters of. Actions and sums in, points or the filter changed.

use blkreplay_core::units::Nanos;

use super::App;
use crate::action::{Action, Like, View};
use crate::loader::Adding;
use crate::state::cell::span;
use crate::state::points::{Area, Order, Side, Span, Sum};
use crate::state::times::Times;

impl App {
    /// Sets A or B at the focus; where it is there already, takes it away.
    pub(super) fn set_point(&mut self, side: Side) {
        let Some(point) = self.point() else {
            return self.say("there is no request here");
        };
        let slot = match side {
            Side::A => &mut self.points.a,
            Side::B => &mut self.points.b,
        };
        *slot = Some(point).filter(|point| *slot != Some(*point));
        let is_set = slot.is_some();
        let (name, id) = (if side == Side::A { "A" } else { "B" }, point.id.0);
        let is = if is_set { "is" } else { "is no longer" };
        self.say(format!("{name} {is} #{id}"));
    }

    /// Begins a selection at the focus, or drops the one there is.
    pub(super) fn select(&mut self) {
        if self.points.drop_selection() {
            return self.say("the selection was dropped");
        }
        self.points.anchor = self.point();
        let is_on_map = self.view == View::Map && self.points.anchor.is_some();
        self.points.corner = self.cell_area().filter(|_| is_on_map);
        match self.points.anchor {
            Some(_) if self.points.corner.is_some() => {
                self.say("move to select; enter and = show only this part, - all but it");
            }
            Some(_) => self.say("move to select; enter and = show only its time, - all but that"),
            None => self.say("there is no request here"),
        }
    }

    /// Does what an action means for a selection; whether there is one, and it means something.
    pub(super) fn do_with_selection(&mut self, action: Action) -> bool {
        if self.over.is_some() || self.points.anchor.is_none() {
            return false;
        }
        let like = match action {
            Action::Open | Action::FilterBy(Like::This) => Like::This,
            Action::FilterBy(Like::Others) => Like::Others,
            _ => return false,
        };
        let term = match (self.area(), self.span()) {
            (Some(area), _) => self.terms_of(&area).join(" && "),
            (None, Some(selected)) => {
                format!("t in {}..={}", span(selected.from.time), span(selected.to.time))
            }
            (None, None) => return false,
        };
        self.points.drop_selection();
        let term = if like == Like::This { term } else { format!("!({term})") };
        self.filter(&self.filtering.with(&term));
        true
    }

    /// The selection, or what lies from A to B.
    pub fn span(&self) -> Option<Span> {
        self.points.span(self.point())
    }

    /// The part of the map that is selected: from the cell that it began in to that of the cursor.
    pub fn area(&self) -> Option<Area> {
        let corner = self.points.corner.as_ref()?;
        Some(self.cell_area().and_then(|cell| corner.with(&cell)).unwrap_or_else(|| corner.clone()))
    }

    /// The first and the last time that is selected.
    pub fn selected_times(&self) -> Option<(Nanos, Nanos)> {
        if let Some(area) = self.area() {
            return Some((Nanos(area.time.start), Nanos(area.time.end.saturating_sub(1))));
        }
        let span = self.span().filter(|span| span.is_selected)?;
        let (one, other) = (span.from.time, span.to.time);
        Some((one.min(other), one.max(other)))
    }

    /// Whether the request at a place is selected.
    pub fn is_selected(&self, place: u64) -> bool {
        if let Some(area) = self.area() {
            return self.requests.row(place).is_some_and(|row| area.touches(row));
        }
        let focus = self.requests.focus();
        self.points.anchor.is_some_and(|anchor| {
            (anchor.place.min(focus)..=anchor.place.max(focus)).contains(&place)
        })
    }

    /// How many requests that are shown a span has; `None` while the filter goes on.
    pub fn requests_in(&self, span: &Span) -> Option<u64> {
        match &self.filtering.applied {
            None => Some(span.to.place - span.from.place + 1),
            Some(applied) if applied.is_done => {
                let before =
                    |place: u64| place.checked_sub(1).map_or(0, |at| applied.found.rank(at));
                Some(applied.found.rank(span.to.place) - before(span.from.place))
            }
            Some(_) => None,
        }
    }

    fn order_of(&self, span: &Span) -> Order {
        let filter = self.filtering.number();
        Order { first: span.from.place, last: span.to.place, filter }
    }

    /// What the requests of a span ask for, as far as it is known.
    pub fn sum_of(&self, span: &Span) -> Option<Sum> {
        self.points.known(self.order_of(span))
    }

    /// What is to be added up, if it is not known. Waits for a filter that still finds more.
    pub(super) fn adding(&self) -> Option<Adding> {
        // What is in a part of the map is not one row after the other.
        let span = self.span().filter(|_| self.points.corner.is_none())?;
        let order = self.order_of(&span);
        let is_known = self.points.known(order).is_some_and(|sum| sum.is_done);
        let applied = self.filtering.applied.as_ref();
        if is_known || applied.is_some_and(|applied| !applied.is_done) {
            return None;
        }
        Some(Adding { order, shown: self.shown_places() })
    }

    /// Names of times that filters may have.
    pub(super) fn times(&self) -> Times {
        let points = [("@A", self.points.a), ("@B", self.points.b)];
        let points = points.into_iter().filter_map(|(name, point)| Some((name.to_owned(), point?)));
        let marks = self.marks.all().map(|(letter, point)| (format!("@'{letter}"), point));
        let time = |(name, point): (String, crate::state::marks::Point)| (name, point.time);
        Times { names: points.chain(marks).map(time).collect::<Vec<(String, Nanos)>>() }
    }
}
