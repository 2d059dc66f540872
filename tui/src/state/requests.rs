//! The list of requests: which one is focused, which are on the screen, and the rows that are in memory.
//!
//! Rows come in as pages, or one by one where a filter leaves out most, in any order. Invariants: the focused request is on the
//! screen; no more than `PAGES` pages, or `ROWS` of their rows, and `SINGLES` rows are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use blkreplay_core::request::RequestId;
use blkreplay_core::rows::Row;
use blkreplay_core::units::Nanos;
use blkreplay_core::view::Page;
use roaring::RoaringTreemap;

use crate::action::Move;
use crate::state::sorted::Sorted;

/// Pages that are kept, and more as long as they have no more than `ROWS` rows together.
const PAGES: usize = 6;
const ROWS: usize = 1 << 16;

/// Rows that are kept beside them.
const SINGLES: usize = 4096;

/// The list.
#[derive(Debug, Default)]
pub struct Requests {
    /// `None` until they are known.
    pages: Option<Vec<Page>>,
    /// Rows by page, the one used last first.
    kept: Vec<(usize, Arc<Vec<Row>>)>,
    /// Rows by place.
    singles: BTreeMap<u64, Row>,
    /// Pages and rows among them that may not be as they were read: the trace grew, and requests ended.
    stale: (BTreeSet<usize>, BTreeSet<u64>),
    /// The places that are shown; `None` for all.
    shown: Option<Arc<RoaringTreemap>>,
    /// The order they are shown in, if it is not that of the trace.
    order: Option<Sorted>,
    /// The place that is looked at.
    focus: u64,
    /// The place that was looked at before some were left out, until somebody moves.
    anchor: u64,
    /// Which of those that are shown is the first on the screen.
    top: u64,
    height: u64,
}

/// Rows that are not in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Of this page.
    pub page: usize,
    /// At these places; all, if there is none.
    pub places: Vec<u64>,
}

impl Requests {
    /// The list of what lies in these pages.
    pub fn set_pages(&mut self, pages: Vec<Page>) {
        self.pages = Some(pages);
        self.kept.clear();
        self.singles.clear();
        self.stale = <_>::default();
        self.look_at(self.anchor);
    }

    /// The pages, none before they are known.
    pub fn pages(&self) -> &[Page] {
        self.pages.as_deref().unwrap_or_default()
    }

    /// Takes pages that are new, at the end. What is kept of requests that had not ended is read again.
    pub fn grow(&mut self, pages: Vec<Page>) {
        self.pages.get_or_insert_default().extend(pages);
        let waits = |row: &Row| row.completion.is_none();
        let pages = self.kept.iter().filter(|(_, rows)| rows.iter().any(waits));
        self.stale.0.extend(pages.map(|(page, _)| *page));
        self.stale
            .1
            .extend(self.singles.iter().filter(|(_, row)| waits(row)).map(|(place, _)| *place));
        self.scroll();
    }

    /// Whether the last of those that are shown is focused.
    pub fn is_at_last(&self) -> bool {
        self.at(self.focus).saturating_add(1) >= self.shown()
    }

    /// Whether what is kept of a request may not be as it was read.
    fn is_stale(&self, page: usize, place: u64) -> bool {
        let is_kept = self.is_kept(page);
        if is_kept { self.stale.0.contains(&page) } else { self.stale.1.contains(&place) }
    }

    fn is_kept(&self, page: usize) -> bool {
        self.kept.iter().any(|(kept, _)| *kept == page)
    }

    /// Whether it is known where requests lie.
    pub fn is_known(&self) -> bool {
        self.pages.is_some()
    }

    /// Takes the rows of a page.
    pub fn set_rows(&mut self, page: usize, rows: Vec<Row>) {
        self.kept.retain(|(kept, _)| *kept != page);
        self.stale.0.remove(&page);
        self.kept.insert(0, (page, Arc::new(rows)));
        // Small pages are kept as long as they are few rows: the screen may need as many as it has lines.
        let mut rows: usize = self.kept.iter().map(|(_, rows)| rows.len()).sum();
        while self.kept.len() > PAGES && rows > ROWS {
            rows -= self.kept.pop().map_or(0, |(_, rows)| rows.len());
        }
    }

    /// Takes some rows, by place.
    pub fn set_singles(&mut self, rows: impl IntoIterator<Item = (u64, Row)>) {
        if self.singles.len() >= SINGLES {
            self.singles.clear();
            self.stale.1.clear();
        }
        for (place, row) in rows {
            self.stale.1.remove(&place);
            self.singles.insert(place, row);
        }
    }

    /// Shows other places than before; `None` shows all.
    pub fn show_anew(&mut self, places: Option<Arc<RoaringTreemap>>) {
        if self.shown() > 0 {
            self.anchor = self.focus;
        }
        self.show(places);
    }

    /// Shows these places. The focus goes to the one that is shown and nearest to where it was before some were left out.
    pub fn show(&mut self, places: Option<Arc<RoaringTreemap>>) {
        self.order = None;
        self.shown = places;
        self.look_at(self.anchor);
    }

    /// How many lines are on the screen.
    pub fn set_height(&mut self, height: u64) {
        self.height = height.max(1);
        self.scroll();
    }

    /// How many requests there are.
    pub fn len(&self) -> u64 {
        self.pages().last().map_or(0, |last| last.place.saturating_add(last.requests))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are shown.
    pub fn shown(&self) -> u64 {
        let shown = || self.shown.as_ref().map_or(self.len(), |shown| shown.len());
        self.order.as_ref().map_or_else(shown, Sorted::count)
    }

    /// The place of the focused request.
    pub fn focus(&self) -> u64 {
        self.focus
    }

    /// The focused request, once it was read.
    pub fn focused(&self) -> Option<&Row> {
        if self.shown() == 0 { None } else { self.row(self.focus) }
    }

    /// The place that was looked at before some were left out, until somebody moves.
    pub fn anchor(&self) -> u64 {
        self.anchor
    }

    /// The id of the request at a place, as far as it is known.
    pub fn id_at(&self, place: u64) -> Option<RequestId> {
        if let Some(row) = self.row(place) {
            return Some(row.id);
        }
        let page = &self.pages()[self.holding(place)?];
        let (first, _) = page.ids.filter(|_| page.is_dense())?;
        Some(RequestId(first.0 + (place - page.place)))
    }

    /// The request at a place, if it is in memory.
    pub fn row(&self, place: u64) -> Option<&Row> {
        let page = self.holding(place)?;
        match self.kept.iter().find(|(kept, _)| *kept == page) {
            Some((_, rows)) => rows.get(usize::try_from(place - self.pages()[page].place).ok()?),
            None => self.singles.get(&place),
        }
    }

    /// The places on the screen.
    pub fn on_screen(&self) -> Vec<u64> {
        let end = self.shown().min(self.top.saturating_add(self.height));
        (self.top..end).filter_map(|at| self.place(at)).collect()
    }

    /// Rows that the screen needs and that are not in memory, that of the focus first.
    pub fn missing(&self) -> Vec<Missing> {
        let mut missing: Vec<Missing> = Vec::new();
        let focus = (self.shown() > 0).then_some(self.focus);
        let screen = self.on_screen();
        let before = screen.first().and_then(|first| self.before(*first));
        for place in focus.into_iter().chain(screen).chain(before) {
            let is_missing =
                |page: &usize| self.row(place).is_none() || self.is_stale(*page, place);
            let Some(page) = self.holding(place).filter(is_missing) else { continue };
            let is_kept = self.is_kept(page);
            if is_kept && !self.is_stale(page, place) {
                // The page promised more than the trace has.
                continue;
            }
            let alone = self.is_part() && !is_kept;
            match missing.iter_mut().find(|missing| missing.page == page) {
                Some(missing) if alone && !missing.places.contains(&place) => {
                    missing.places.push(place);
                }
                Some(_) => {}
                None => missing.push(Missing { page, places: vec![place; usize::from(alone)] }),
            }
        }
        missing
    }

    /// Goes elsewhere.
    pub fn move_focus(&mut self, way: Move) {
        let is_filtered = self.shown.is_some() && self.order.is_none();
        match way {
            // Others that are found later may come before those that are known, and there may be none yet.
            Move::First if is_filtered => return self.go(0),
            Move::Last if is_filtered && self.shown() == 0 => return self.go(u64::MAX),
            _ => {}
        }
        let at = self.at(self.focus);
        let half = (self.height / 2).max(1);
        let to = match way {
            Move::Up => at.saturating_sub(1),
            Move::Down => at.saturating_add(1),
            Move::PageUp => at.saturating_sub(self.height),
            Move::PageDown => at.saturating_add(self.height),
            Move::HalfUp => at.saturating_sub(half),
            Move::HalfDown => at.saturating_add(half),
            Move::First => 0,
            Move::Last => u64::MAX,
        };
        self.go_to(to);
    }

    /// Focuses one of those that are shown, or the last.
    pub fn go_to(&mut self, at: u64) {
        let last = self.shown().saturating_sub(1);
        if let Some(place) = self.place(at.min(last)) {
            self.go(place);
        }
    }

    /// Focuses the request at a place, or the nearest that is shown.
    pub fn go(&mut self, place: u64) {
        self.anchor = place;
        self.look_at(place);
    }

    /// Shows requests in this order, from the first on.
    pub fn sort(&mut self, order: Sorted) {
        let first = order.place(0);
        self.order = Some(order);
        self.top = 0;
        if let Some(first) = first {
            self.go(first);
        }
    }

    /// Shows them in the order of the trace again; whether they were shown in another one.
    pub fn unsort(&mut self) -> bool {
        let was_sorted = self.order.take().is_some();
        if was_sorted {
            self.look_at(self.focus);
        }
        was_sorted
    }

    /// Whether they are shown in another order.
    pub fn is_sorted(&self) -> bool {
        self.order.is_some()
    }

    fn look_at(&mut self, place: u64) {
        // Who goes to one that is not among those that were sorted leaves their order.
        self.order.take_if(|order| order.at(place).is_none());
        self.focus = match &self.shown {
            None => place.min(self.len().saturating_sub(1)),
            Some(shown) if shown.contains(place) => place,
            Some(shown) => {
                let before = place.checked_sub(1).map_or(0, |before| shown.rank(before));
                let next = shown.select(before).or_else(|| shown.max());
                next.unwrap_or(place.min(self.len().saturating_sub(1)))
            }
        };
        self.scroll();
    }

    /// Keeps the focus on the screen.
    fn scroll(&mut self) {
        let at = self.at(self.focus);
        let least = at.saturating_sub(self.height.saturating_sub(1));
        let most = self.shown().saturating_sub(self.height).max(least);
        self.top = self.top.clamp(least, at).min(most);
    }

    /// Which of those that are shown is the one at a place.
    pub fn at(&self, place: u64) -> u64 {
        if let Some(order) = &self.order {
            return order.at(place).unwrap_or(0);
        }
        match &self.shown {
            None => place,
            Some(shown) => shown.rank(place).saturating_sub(1),
        }
    }

    /// The place of the one that is shown before that at a place.
    pub fn before(&self, place: u64) -> Option<u64> {
        self.place(self.at(place).checked_sub(1)?)
    }

    /// The place of one of those that are shown.
    fn place(&self, at: u64) -> Option<u64> {
        if let Some(order) = &self.order {
            return order.place(at);
        }
        match &self.shown {
            None => (at < self.len()).then_some(at),
            Some(shown) => shown.select(at),
        }
    }

    /// Whether some are left out, or all are shown in another order, so that rows are read one by one.
    pub fn is_part(&self) -> bool {
        self.shown.is_some() || self.order.is_some()
    }

    /// Where the request with this id is, as far as pages say it, and whether it is exactly there.
    pub fn place_of(&self, id: RequestId) -> Option<(u64, bool)> {
        let holds =
            |page: &Page| page.ids.is_some_and(|(first, last)| (first..=last).contains(&id));
        let page = self.pages().iter().position(holds)?;
        let Page { place, requests, ids, .. } = self.pages()[page];
        if let Some((_, rows)) = self.kept.iter().find(|(kept, _)| *kept == page) {
            let found = rows.iter().position(|row| row.id == id)?;
            return Some((place + found as u64, true));
        }
        let is_dense = self.pages()[page].is_dense();
        Some((place + (id.0 - ids?.0.0).min(requests - 1), is_dense))
    }

    /// The place of the first request that arrived at this time or later, as far as pages say it, and whether it is exactly that.
    pub fn place_at(&self, time: Nanos) -> (u64, bool) {
        let page = self.pages().partition_point(|page| page.time_last < time);
        let Some(found) = self.pages().get(page) else { return (u64::MAX, true) };
        let kept = self.kept.iter().find(|(kept, _)| *kept == page);
        let before = kept.map_or(0, |(_, rows)| rows.partition_point(|row| row.time < time));
        // The last events of a page may be no arrivals.
        let is_exact = kept.is_some_and(|(_, rows)| before < rows.len());
        (found.place.saturating_add(before as u64), is_exact)
    }

    /// The highest id of the last page.
    pub fn highest(&self) -> u64 {
        self.pages().last().and_then(|page| page.ids).map_or(0, |(_, last)| last.0)
    }

    fn holding(&self, place: u64) -> Option<usize> {
        let next = self.pages().partition_point(|page| page.place <= place);
        let page = next.checked_sub(1)?;
        (place - self.pages()[page].place < self.pages()[page].requests).then_some(page)
    }

    /// When the first request came and when the last events lie.
    pub fn time(&self) -> Option<Range<Nanos>> {
        Some(self.pages().first()?.time_first..self.pages().last()?.time_last)
    }
}
