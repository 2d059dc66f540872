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
