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
                _ if !search.sought.needs_data() => search.is_meant(row).then_some(None),
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
        // What is added up is less urgent: it goes on once the search has ended.
        let is_first = |wish: &Wish| !is_it(wish) && !matches!(wish, Wish::Add(_));
        *todo = newer;
        // The search stays among them while others are done: newer wishes may come meanwhile, and be without it.
        while todo.iter().any(is_it)
            && let Some(first) = todo.iter().position(is_first)
        {
            let wish = todo.remove(first);
            self.fulfil(&wish, todo)?;
            if let Some(newer) = self.newest()? {
                *todo = newer;
            }
        }
        let is_wanted = todo.iter().any(is_it);
        todo.retain(|wish| !is_it(wish));
        Ok(is_wanted)
    }
}

/// What is looked for, and in which page.
struct Looking<'s> {
    search: &'s Search,
    page: usize,
    has_wrapped: bool,
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use blkreplay_core::open;
    use blkreplay_core::view::Pages;
    use blkreplay_fixtures::native;

    use super::*;
    use crate::search::Sought;
    use crate::state::requests::Missing;
    use crate::watch::Watch;

    fn rows(page: usize) -> Wish {
        Wish::Rows(Missing { page, places: Vec::new() })
    }

    /// A search that finds nothing.
    fn in_vain() -> Search {
        Search {
            number: 1,
            from: 0,
            direction: Direction::Next,
            sought: Sought::Text("no such words".to_owned()),
            shown: None,
            noted: Arc::default(),
            wraps: false,
        }
    }

    #[test]
    fn wishes_that_come_while_a_search_gives_way_are_all_done() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), native::many_chunks(20)).unwrap();
        let path = file.path().to_owned();
        let again = move || Ok(open::trace(&path)?);
        let mut pages = Pages::new(again().unwrap()).unwrap();
        let row = pages.rows(9).unwrap().remove(0);
        let around = Wish::Around(pages.all()[9].place, Box::new(row));
        let search = in_vain();
        let goes_on = Wish::Search(search.clone());
        let (wish, wishes) = channel();
        let told = RefCell::new(Vec::new());
        let tell = |what: Told| {
            let said = match &what {
                Told::Searched(_, 1, _) => {
                    wish.send(vec![rows(3), around.clone(), goes_on.clone()]).unwrap();
                    return true;
                }
                // They come before it is looked around, which asks whether there are newer.
                Told::Rows(3, _) => {
                    wish.send(vec![rows(4), goes_on.clone()]).unwrap();
                    "rows of 3"
                }
                Told::Rows(4, _) => {
                    wish.send(vec![rows(5), around.clone(), goes_on.clone()]).unwrap();
                    "rows of 4"
                }
                Told::Rows(5, _) => "rows of 5",
                Told::Around(_) => "around",
                Told::Ended(_) => "ended",
                _ => return true,
            };
            told.borrow_mut().push(said);
            true
        };
        let watch = Watch::of(file.path());
        let mut loader = Loader::new(pages, Box::new(again), watch, Arc::default(), wishes, tell);
        assert!(loader.search(&search, &mut Vec::new()).is_ok());
        let told = told.into_inner();
        assert_eq!(told, ["rows of 3", "rows of 4", "rows of 5", "around", "ended"]);
    }

    #[test]
    fn a_search_ends_that_newer_wishes_are_without() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), native::many_chunks(20)).unwrap();
        let path = file.path().to_owned();
        let again = move || Ok(open::trace(&path)?);
        let pages = Pages::new(again().unwrap()).unwrap();
        let search = in_vain();
        let (wish, wishes) = channel();
        let has_ended = RefCell::new(false);
        let tell = |what: Told| {
            match what {
                Told::Searched(_, 2, _) => wish.send(vec![rows(3)]).unwrap(),
                Told::Ended(_) => *has_ended.borrow_mut() = true,
                _ => {}
            }
            true
        };
        let watch = Watch::of(file.path());
        let mut loader = Loader::new(pages, Box::new(again), watch, Arc::default(), wishes, tell);
        let mut todo = Vec::new();
        assert!(loader.search(&search, &mut todo).is_ok());
        assert!(todo == [rows(3)] && !has_ended.into_inner(), "it ended, and left what is wished");
    }
}
