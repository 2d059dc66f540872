//! Requests of interest are searched for, one after the other. Actions and ends of searches in, the focus changed, or why not.
//!
//! Invariant: a search goes over the end only if it says so, and one that was begun before somebody moved leads nowhere.

use std::sync::Arc;

use blkreplay_core::request::RequestId;

use super::logs::NO_REQUESTS;
use super::{App, Over};
use crate::action::{Direction, Interest};
use crate::search::{Ended, Hit, Search, Sought};
use crate::state::prompt::{History, Prompt};
use crate::state::target::Target;
use crate::words;

/// What is searched for, and what was.
#[derive(Debug, Default)]
pub(super) struct Searching {
    /// The search that goes on.
    pub(super) now: Option<Search>,
    /// What was written last.
    last: Option<Sought>,
    /// What was written before.
    pub(super) history: History,
    /// Bytes that were found: the place of the request, where in its data they are, and they.
    found: Option<(u64, u64, Vec<u8>)>,
}

impl App {
    /// Begins to write what to search for.
    pub(super) fn ask_search(&mut self) {
        self.over = Some(Over::Search(Prompt::default()));
    }

    /// Searches for what was written; of nothing, for what was written before.
    pub(super) fn search_for(&mut self, text: &str) {
        self.searching.history.remember(text);
        if let Some(id) = text.strip_prefix('#').and_then(|id| id.parse().ok()) {
            return self.go_to(Target::Request(RequestId(id)));
        }
        if !text.is_empty() {
            match Sought::of(text) {
                Ok(sought) => self.searching.last = Some(sought),
                Err(error) => return self.refuse(error),
            }
        }
        self.search_on(Direction::Next);
    }

    /// Searches on for what was written last.
    pub(super) fn search_on(&mut self, direction: Direction) {
        match self.searching.last.clone() {
            Some(sought) => self.begin_search(sought, direction, true),
            None => self.say("nothing was searched for yet; / does"),
        }
    }

    pub(super) fn find(&mut self, interest: Interest, direction: Direction) {
        let sought = match interest {
            Interest::Error => Sought::Failed,
            Interest::Slow => return self.find_slow(direction),
            Interest::SameRange => {
                let focused = self.requests.focused();
                let range = focused.map(|row| (row.device.0, row.request.range));
                match range.filter(|(_, range)| range.length > 0) {
                    Some((device, range)) => Sought::SameRange(device, range),
                    None => return self.say("this request has no range"),
                }
            }
        };
        self.begin_search(sought, direction, false);
    }

    pub(super) fn begin_search(&mut self, sought: Sought, direction: Direction, wraps: bool) {
        if self.log.is_some() {
            return self.refuse(NO_REQUESTS);
        }
        self.jumps += 1;
        self.stop_going();
        self.slow.sought = None;
        let (number, from) = (self.jumps, self.requests.focus());
        let shown = self.filtering.applied.as_ref().map(|applied| Arc::clone(&applied.found));
        let noted = Arc::new(sought.in_notes(&self.notes));
        let search = Search { number, from, direction, sought, shown, noted, wraps };
        self.searching.now = Some(search);
    }

    /// Ends a search that goes on; whether there was one.
    pub(super) fn stop_search(&mut self) -> bool {
        self.progress = None;
        self.searching.now.take().is_some()
    }

    /// Ends what leads elsewhere and was begun before somebody moved.
    pub(super) fn leave_search(&mut self) {
        self.stop_going();
        self.slow.sought = None;
        if self.stop_search() {
            self.say("the search was cancelled, for the focus was moved");
        }
    }

    /// How far a search got.
    pub(super) fn searched(&mut self, number: u64, done: usize, all: usize) {
        if self.searching.now.as_ref().is_some_and(|search| search.number == number) {
            self.progress = Some((done, all));
        }
    }

    /// A search ended.
    pub(super) fn ended(&mut self, ended: Ended) {
        let of_it = |search: &mut Search| search.number == ended.number;
        let Some(search) = self.searching.now.take_if(of_it) else { return };
        self.progress = None;
        if let Some(hit) = ended.hit {
            return self.arrive_at(&search, hit);
        }
        let mut text = search.nothing();
        if ended.unknown > 0 {
            let unknown = words::count(ended.unknown);
            text = format!("{text}; data of {unknown} are not in the trace");
        }
        if ended.is_short {
            text = format!("{text}, as far as the trace is whole");
        }
        if self.has_found_more(&search) {
            text = format!("{text}, among those that the filter had found");
        }
        self.say(text);
    }

    /// Whether the filter may mean others than a search looked at.
    fn has_found_more(&self, search: &Search) -> bool {
        let (Some(shown), Some(applied)) = (&search.shown, &self.filtering.applied) else {
            return false;
        };
        !self.so_far().is_empty() || !Arc::ptr_eq(shown, &applied.found)
    }

    fn arrive_at(&mut self, search: &Search, hit: Hit) {
        self.requests.go(hit.place);
        if let (Some(at), Sought::Bytes(bytes)) = (hit.at, &search.sought) {
            self.searching.found = Some((hit.place, at, bytes.clone()));
        }
        match (hit.has_wrapped, search.direction) {
            (true, _) if hit.place == search.from => {
                self.say(format!("no other request {}", search.sought.said()));
            }
            (true, Direction::Next) => self.say("went over the end, on from the beginning"),
            (true, Direction::Previous) => self.say("went over the beginning, on from the end"),
            (false, _) => {}
        }
    }

    /// Bytes that were searched for and found in the data of the focused request, and where.
    pub fn found_bytes(&self) -> Option<(u64, &[u8])> {
        let (place, at, bytes) = self.searching.found.as_ref()?;
        (*place == self.requests.focus()).then_some((*at, bytes))
    }
}
