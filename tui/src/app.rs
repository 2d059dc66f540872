//! The state of the inspector, and how it changes: actions and what was read come in, effects come out. Knows no terminal.
//!
//! Invariant: whatever is on the screen follows from this state alone.

mod copying;
mod epochs;
mod findings;
mod going;
mod mapping;
mod pressing;
mod tallying;
mod viewing;

use std::sync::Arc;

use blkreplay_core::event::{Payload, PayloadId};
use blkreplay_core::format::Header;
use blkreplay_core::query::Filter;
use blkreplay_core::request::RequestId;
use bytes::Bytes;
use tui_input::Input;

use crate::action::{Action, Axis, Direction, Interest, Like, View};
use crate::around::Around;
use crate::key::Key;
use crate::loader::{Search, Told, Wish};
use crate::sieve::Sifted;
use crate::state::cell::Cell;
use crate::state::epochs::Epochs;
use crate::state::filter::{Filtering, Line};
use crate::state::findings::Findings;
use crate::state::map::Map;
use crate::state::requests::Requests;
use crate::state::tallying::Tallying;

/// Something that the state cannot do itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// End.
    Quit,
    /// Give the terminal back until somebody says to go on.
    Suspend,
    /// Forget what is on the screen.
    Redraw,
    /// Put a text where others can paste it.
    Copy(String),
}

/// What lies over the view.
#[derive(Debug)]
pub enum Over {
    /// The list of keys, from this line on.
    Help(u16),
    /// Where to go is being written.
    Place(Input),
    /// A filter is being written.
    Filter(Line),
    /// The focused request alone.
    Detail,
}

/// A line for the person, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Something went wrong.
    pub is_error: bool,
    /// What.
    pub text: String,
}

/// The state.
#[derive(Debug)]
pub struct App {
    /// What the trace is called.
    pub name: String,
    /// The same, as a shell takes it.
    pub word: String,
    /// What it says of itself.
    pub header: Header,
    /// The list.
    pub requests: Requests,
    /// What is shown.
    pub view: View,
    /// The map.
    pub map: Map,
    /// The focused column.
    pub cell: Cell,
    /// The filter.
    pub filtering: Filtering,
    /// What lies between flushes.
    pub epochs: Epochs,
    /// What is worth a look.
    pub findings: Findings,
    /// What is counted.
    pub tallying: Tallying,
    /// Something that lies over it.
    pub over: Option<Over>,
    /// Something to say.
    pub message: Option<Message>,
    /// What must be known of the trace all the time, such as that it is damaged.
    pub banner: Option<String>,
    /// How far a search got, if one goes on.
    pub searching: Option<(usize, usize)>,
    search: Option<Search>,
    searches: u64,
    /// A request whose place was not known when it was asked for.
    sought: Option<RequestId>,
    data: Option<(PayloadId, Option<Bytes>)>,
    around: Option<Around>,
    /// Keys that only begin something.
    pub begun: Vec<Key>,
}

impl App {
    /// Looks at the trace with this header.
    pub fn new(name: String, word: String, header: Header) -> App {
        App {
            name,
            word,
            header,
            requests: Requests::default(),
            view: View::default(),
            map: Map::default(),
            cell: Cell::default(),
            filtering: Filtering::default(),
            epochs: Epochs::default(),
            findings: Findings::default(),
            tallying: Tallying::default(),
            over: None,
            message: None,
            banner: None,
            searching: None,
            search: None,
            searches: 0,
            sought: None,
            data: None,
            around: None,
            begun: Vec::new(),
        }
    }

    /// Something is wanted.
    pub fn update(&mut self, action: Action) -> Option<Effect> {
        if self.do_in_tally(action) {
            return None;
        }
        match action {
            Action::Move(way) => match &mut self.over {
                Some(Over::Help(line)) => *line = viewing::scrolled(*line, way),
                _ => self.go_on(way),
            },
            Action::Find(interest, direction) => self.find(interest, direction),
            Action::FindFinding(direction) => self.find_finding(direction),
            Action::AskPlace => self.over = Some(Over::Place(Input::default())),
            Action::AskFilter => {
                self.over = Some(Over::Filter(self.filtering.line(&self.header)));
            }
            Action::FilterBy(like) => self.filter_by(like),
            Action::DropTerm => self.drop_term(),
            Action::Show(view) => self.show(view),
            Action::Column(way) if self.view == View::Map => self.step(Axis::Time, way, 1),
            Action::Column(direction) => self.cell = viewing::beside(self.cell, direction),
            Action::Open => self.open(),
            Action::Chart(charting) => self.chart(charting),
            Action::Cancel => {
                self.cancel();
            }
            Action::Back => {
                if !self.cancel() {
                    return Some(Effect::Quit);
                }
            }
            Action::Copy(what) => return self.copy(what),
            Action::Help => {
                self.over = match self.over {
                    Some(Over::Help(_)) => None,
                    _ => Some(Over::Help(0)),
                };
            }
            Action::Quit => return Some(Effect::Quit),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Redraw => return Some(Effect::Redraw),
        }
        None
    }

    /// Something was read.
    pub fn told(&mut self, told: Told) {
        match told {
            Told::Pages(pages) => self.requests.set_pages(pages),
            Told::Rows(page, rows) => {
                self.requests.set_rows(page, rows);
                self.arrive();
            }
            Told::Singles(rows) => self.requests.set_singles(rows),
            Told::Data(id, data) => self.data = Some((id, data)),
            Told::Around(around) => self.around = Some(around),
            Told::Searched(number, done, all) => {
                if self.search.as_ref().is_some_and(|search| search.number == number) {
                    self.searching = Some((done, all));
                }
            }
            Told::Found(number, place) => {
                if let Some(search) = self.search.take_if(|search| search.number == number) {
                    self.searching = None;
                    match place {
                        Some(place) => self.requests.go(place),
                        None => self.say(search.nothing()),
                    }
                }
            }
            Told::Loss(text) => self.banner = Some(text),
            Told::Unreadable(text) => {
                self.search = None;
                self.searching = None;
                self.banner = Some(text);
            }
        }
    }

    /// A filter found something.
    pub fn sifted(&mut self, sifted: Sifted) {
        let Some(applied) = &mut self.filtering.applied else { return };
        if applied.number != sifted.number {
            return;
        }
        applied.done = sifted.done;
        applied.is_first_pass = sifted.is_first_pass;
        applied.is_done = sifted.is_done;
        let is_short = sifted.is_done && sifted.done < self.requests.len();
        let damaged = is_short.then(|| "what lies behind the damage was not looked at".to_owned());
        applied.error = sifted.error.or(damaged);
        if !sifted.found.is_empty() {
            // A search that goes on may still hold the old places.
            Arc::make_mut(&mut applied.found).extend(sifted.found);
            let found = Arc::clone(&applied.found);
            self.requests.show(Some(found));
        }
    }

    /// What is not in memory and should be, the most urgent first.
    pub fn wishes(&self) -> Vec<Wish> {
        let mut wishes: Vec<_> = self.requests.missing().into_iter().map(Wish::Rows).collect();
        if let Some(Payload::Stored(_, id)) = self.requests.focused().map(|row| row.payload)
            && self.data.as_ref().is_none_or(|(had, _)| *had != id)
        {
            wishes.push(Wish::Data(id));
        }
        let focus = self.requests.focus();
        if let Some(row) = self.requests.focused()
            && self.around.as_ref().is_none_or(|around| around.place != focus)
        {
            wishes.push(Wish::Around(focus, Box::new(row.clone())));
        }
        wishes.extend(self.search.clone().map(Wish::Search));
        wishes
    }

    /// The data of the focused request, as far as they are known and in memory.
    pub fn data(&self) -> Option<&Bytes> {
        let Payload::Stored(_, id) = self.requests.focused()?.payload else { return None };
        let (had, data) = self.data.as_ref()?;
        data.as_ref().filter(|_| *had == id)
    }

    /// What lies around the focused request, once that is known.
    pub fn around(&self) -> Option<&Around> {
        self.around.as_ref().filter(|around| around.place == self.requests.focus())
    }

    fn say(&mut self, text: impl Into<String>) {
        self.message = Some(Message { is_error: false, text: text.into() });
    }

    fn refuse(&mut self, text: impl Into<String>) {
        self.message = Some(Message { is_error: true, text: text.into() });
    }

    fn find(&mut self, interest: Interest, direction: Direction) {
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

    fn open(&mut self) {
        match self.over.take() {
            None => self.open_line(),
            Some(Over::Place(input)) => self.go(input.value().trim()),
            Some(Over::Filter(line)) => {
                if line.error.is_some() {
                    self.over = Some(Over::Filter(line));
                } else {
                    self.filter(line.text().trim());
                }
            }
            Some(Over::Help(_) | Over::Detail) => {}
        }
    }

    /// Puts a filter in force; an empty text takes it away.
    fn filter(&mut self, text: &str) {
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

    fn filter_by(&mut self, like: Like) {
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

    fn drop_term(&mut self) {
        match self.filtering.without_last() {
            Some(text) => self.filter(&text),
            None => self.say("there is no filter; f writes one"),
        }
    }

    /// Cancels or closes what there is; whether there was something.
    fn cancel(&mut self) -> bool {
        if self.search.take().is_some() {
            self.searching = None;
            self.say("the search was cancelled");
            return true;
        }
        if self.over.take().is_some() {
            return true;
        }
        if self.stop_view() {
            return true;
        }
        let cancelled = self.filtering.stop();
        if cancelled {
            self.say("the filter went no further; enter it again to go on");
        }
        cancelled || self.stop_counting()
    }
}

impl Search {
    /// What to say if nothing was found.
    fn nothing(&self) -> &'static str {
        match (self.interest, self.direction) {
            (Interest::Error, Direction::Next) => "no request behind this one failed",
            (Interest::Error, Direction::Previous) => "no request before this one failed",
            (Interest::SameRange, Direction::Next) => "no later request touches this range",
            (Interest::SameRange, Direction::Previous) => "no earlier request touches this range",
        }
    }
}
