//! Adding up what requests ask for, a page at a time. An order in, sums out, first those of what was seen so far.
//!
//! Invariant: between two pages whatever else is wished for goes first, and what was added up is kept for the same order.

use std::io::{Read, Seek};
use std::sync::Arc;
use std::time::{Duration, Instant};

use roaring::RoaringTreemap;

use super::{Gone, Loader, Told, Wish, told};
use crate::state::points::{Order, Sum};

/// How often it is told how far it is.
const EVERY: Duration = Duration::from_millis(100);

/// Requests that are to be added up.
#[derive(Debug, Clone)]
pub struct Adding {
    /// Which.
    pub order: Order,
    /// The places that are shown; `None` for all.
    pub shown: Option<Arc<RoaringTreemap>>,
}

impl PartialEq for Adding {
    fn eq(&self, other: &Adding) -> bool {
        self.order == other.order
    }
}

/// What was added up so far.
pub(super) struct Added {
    sum: Sum,
    next_page: usize,
    told_at: Instant,
}

impl<R: Read + Seek, T: Fn(Told) -> bool> Loader<R, T> {
    /// Adds up a page, and wishes for the next.
    pub(super) fn add(&mut self, adding: &Adding, todo: &mut Vec<Wish>) -> Result<(), Gone> {
        let order = adding.order;
        let Some(first) = self.pages.holding(order.first) else { return Ok(()) };
        let kept = self.added.take().filter(|added| added.sum.order == order);
        let mut added = kept.unwrap_or_else(|| Added {
            sum: Sum { order, bytes: 0, is_done: false, is_short: false },
            next_page: first,
            told_at: Instant::now(),
        });
        let page = added.next_page;
        let Some((place, promised)) =
            self.pages.all().get(page).map(|page| (page.place, page.requests))
        else {
            return Ok(());
        };
        let rows = match self.pages.rows(page) {
            Ok(rows) => rows,
            Err(error) => return self.tell(Told::Unreadable(told(&error))),
        };
        let is_meant = |place: &u64| {
            (order.first..=order.last).contains(place)
                && adding.shown.as_ref().is_none_or(|shown| shown.contains(*place))
        };
        added.sum.is_short |= (rows.len() as u64) < promised;
        let meant = (place..).zip(&rows).filter(|(place, _)| is_meant(place));
        let lengths = meant.map(|(_, row)| row.request.range.length);
        let bytes = lengths.fold(0, u64::saturating_add);
        added.sum.bytes = added.sum.bytes.saturating_add(bytes);
        added.next_page += 1;
        let end = place.saturating_add(promised);
        added.sum.is_done = end > order.last || added.next_page == self.pages.all().len();
        if added.sum.is_done {
            return self.tell(Told::Added(added.sum));
        }
        if added.told_at.elapsed() >= EVERY {
            added.told_at = Instant::now();
            self.tell(Told::Added(added.sum))?;
        }
        self.added = Some(added);
        todo.push(Wish::Add(adding.clone()));
        Ok(())
    }
}
