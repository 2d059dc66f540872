//! Searching in the trace, a page at a time. A search in, what is told of it out.
//!
//! Invariant: between two pages, and every few data, what else is wished for goes first, and a search that is not wished for any more
//! ends.

use std::io::{Read, Seek};

use blkreplay_core::event::Payload;
use blkreplay_core::rows::Row;

use super::{Gone, Loader, Told, Wish, told};
use crate::action::Direction;
use crate::search::{Ended, Hit, Search};

/// Data that are looked at between two looks at what else is wished for.
const STEP_DATA: usize = 64;

impl<R: Read + Seek, T: Fn(Told) -> bool> Loader<R, T> {
    pub(super) fn search(&mut self, search: &Search, todo: &mut Vec<Wish>) -> Result<(), Gone> {
        let number = search.number;
        let mut ended = Ended { number, hit: None, unknown: 0, is_short: false };
        let Some(first) = self.pages.holding(search.from) else {
            return self.tell(Told::Ended(ended));
        };
        let order = search.order(first, self.pages.all().len());
        for (done, (page, has_wrapped)) in order.iter().enumerate() {
            if !self.gives_way(search, todo)? {
                return Ok(());
            }
            let promised = self.pages.all()[*page].requests;
            match self.pages.rows(*page) {
                Ok(rows) => {
                    ended.is_short |= (rows.len() as u64) < promised;
                    let looked = Looking { search, page: *page, has_wrapped: *has_wrapped };
                    if !self.look(&looked, &rows, &mut ended, todo)? {
                        return Ok(());
                    }
                }
                Err(error) => return self.tell(Told::Unreadable(told(&error))),
            }
            if ended.hit.is_some() {
                break;
            }
            self.tell(Told::Searched(number, done + 1, order.len()))?;
        }
        self.tell(Told::Ended(ended))
    }

    /// Looks at the rows of a page; whether the search is still wanted.
    fn look(
        &mut self,
        looking: &Looking<'_>,
        rows: &[Row],
        ended: &mut Ended,
        todo: &mut Vec<Wish>,
    ) -> Result<bool, Gone> {
        let Looking { search, page, has_wrapped } = *looking;
        let first = self.pages.all()[page].place;
        let mut data = 0;
        for step in 0..rows.len() {
            let at = match search.direction {
                Direction::Next => step,
                Direction::Previous => rows.len() - 1 - step,
            };
            let (place, row) = (first + at as u64, &rows[at]);
            if !search.may_be(place, has_wrapped) {
                continue;
            }
            let found = match row.payload {
                _ if !search.sought.needs_data() => search.sought.is_in_row(row).then_some(None),
                Payload::Absent => None,
                Payload::Zeroes => search.sought.in_zeroes(row).map(Some),
                Payload::Digest(_) => {
                    ended.unknown += 1;
                    None
                }
                Payload::Stored(_, id) => {
                    data += 1;
                    if data % STEP_DATA == 0 && !self.gives_way(search, todo)? {
                        return Ok(false);
                    }
                    let data = self.pages.data(id).ok();
                    ended.unknown += u64::from(data.is_none());
                    data.and_then(|data| search.sought.in_data(&data)).map(Some)
                }
            };
            if let Some(at) = found {
                ended.hit = Some(Hit { place, at, has_wrapped });
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// Does first what came in between; whether the search is still wanted.
    fn gives_way(&mut self, search: &Search, todo: &mut Vec<Wish>) -> Result<bool, Gone> {
        let Some(newer) = self.newest()? else { return Ok(true) };
        let is_it =
            |wish: &Wish| matches!(wish, Wish::Search(other) if other.number == search.number);
        let is_wanted = newer.iter().any(is_it);
        *todo = newer;
        if is_wanted {
            todo.retain(|wish| !is_it(wish));
            while !todo.is_empty() {
                let wish = todo.remove(0);
                self.fulfil(&wish, &mut Vec::new())?;
            }
        }
        Ok(is_wanted)
    }
}

/// What is looked for, and in which page.
struct Looking<'s> {
    search: &'s Search,
    page: usize,
    has_wrapped: bool,
}
