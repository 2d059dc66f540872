//! Filters are put in force and taken back. Actions in, the filter out.

use std::sync::Arc;

use blkreplay_core::query::Filter;

use super::logs::NO_FILTER;
use super::{App, Over};
use crate::action::{Like, View};
use crate::state::cell::Cell;

impl App {
    /// Puts a filter in force; an empty text takes it away.
    pub(super) fn filter(&mut self, text: &str) {
        if self.log.is_some() {
            return self.refuse(NO_FILTER);
        }
        if text.is_empty() {
            self.filtering.clear();
            self.requests.show_anew(None);
            return;
        }
        let text = self.filtering.meant(text).to_owned();
        let settled = self.times().settled(&text);
        let filter = settled.and_then(|text| Ok((Filter::of(&text, &self.header)?, text)));
        match filter {
            Ok((filter, text)) => {
                self.filtering.apply(&text, filter);
                self.requests.show_anew(Some(Arc::default()));
            }
            Err(error) => self.refuse(error.what),
        }
    }

    /// What to add to words on those that are shown: the filter may have found no more than some.
    pub(crate) fn so_far(&self) -> &'static str {
        match &self.filtering.applied {
            Some(applied) if !applied.is_done => ", so far: the filter still finds more",
            Some(applied) if applied.error.is_some() => ", as far as the filter went",
            _ => "",
        }
    }

    /// Whether the filter has looked at the request at a place.
    pub(super) fn has_looked_at(&self, place: u64) -> bool {
        self.filtering.applied.as_ref().is_none_or(|applied| {
            let is_whole = applied.is_done && applied.error.is_none();
            is_whole || (!applied.is_first_pass && place < applied.done)
        })
    }

    /// That something at a place is not shown.
    pub(super) fn left_out(&self, what: &str, place: u64) -> String {
        if self.has_looked_at(place) {
            format!("{what} is left out by the filter; this is the nearest that is not")
        } else {
            format!("the filter has not got to {what}; this is the nearest that it found")
        }
    }

    pub(super) fn filter_by(&mut self, like: Like) {
        if matches!(self.over, Some(Over::Frequencies)) {
            return self.filter_by_value(like);
        }
        if self.view != View::Requests {
            return self.filter_by_line(like);
        }
        if self.cell == Cell::Gap && self.filtering.applied.is_some() {
            return self.say("no filter says how far apart those are that another one leaves");
        }
        let Some(row) = self.requests.focused() else { return };
        let term = match like {
            Like::This => self.cell.term(row, &self.header),
            Like::Others => self.cell.term_without(row, &self.header),
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
