//! Filters are put in force and taken back, and requests of interest are searched for. Actions in, the filter or a search out.

use std::sync::Arc;

use blkreplay_core::query::Filter;

use super::App;
use crate::action::{Direction, Interest, Like, View};
use crate::loader::Search;

impl App {
    pub(super) fn find(&mut self, interest: Interest, direction: Direction) {
        let focused = self.requests.focused();
        let range = focused.map(|row| (row.device.0, row.request.range));
        if interest == Interest::SameRange && range.is_none_or(|(_, range)| range.length == 0) {
            self.say("this request has no range");
            return;
        }
        self.searches += 1;
        let (number, from) = (self.searches, self.requests.focus());
        let shown = self.filtering.applied.as_ref().map(|applied| Arc::clone(&applied.found));
        self.search = Some(Search { number, from, direction, interest, range, shown });
    }

    /// Puts a filter in force; an empty text takes it away.
    pub(super) fn filter(&mut self, text: &str) {
        if text.is_empty() {
            self.filtering.clear();
            self.requests.show_anew(None);
            return;
        }
        match Filter::of(text, &self.header) {
            Ok(filter) => {
                self.filtering.apply(text, filter);
                self.requests.show_anew(Some(Arc::default()));
            }
            Err(error) => self.refuse(error.what),
        }
    }

    pub(super) fn filter_by(&mut self, like: Like) {
        if self.view != View::Requests {
            return self.filter_by_line(like);
        }
        let Some(row) = self.requests.focused() else { return };
        let term = match like {
            Like::This => self.cell.term(row),
            Like::Others => self.cell.term_without(row),
        };
        match term {
            Some(term) => self.filter(&self.filtering.with(&term)),
            None => self.say(format!("this request has no {} to filter by", self.cell.name())),
        }
    }

    pub(super) fn drop_term(&mut self) {
        match self.filtering.without_last() {
            Some(text) => self.filter(&text),
            None => self.say("there is no filter; f writes one"),
        }
    }
}

impl Search {
    /// What to say if nothing was found.
    pub(super) fn nothing(&self) -> &'static str {
        match (self.interest, self.direction) {
            (Interest::Error, Direction::Next) => "no request behind this one failed",
            (Interest::Error, Direction::Previous) => "no request before this one failed",
            (Interest::SameRange, Direction::Next) => "no later request touches this range",
            (Interest::SameRange, Direction::Previous) => "no earlier request touches this range",
        }
    }
}
