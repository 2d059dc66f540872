//! Going to a place that was written. A target in, the focus changed at once or once it is known where that is, or why not.
//!
//! Invariant: what is not known when somebody moves leads nowhere.

use blkreplay_core::position::Position;
use blkreplay_core::query::Filter;
use blkreplay_core::request::RequestId;
use blkreplay_core::units::Nanos;
use blkreplay_core::view::Page;

use super::App;
use crate::action::Direction;
use crate::places::{Found, Place};
use crate::search::Sought;
use crate::sieve::Sifted;
use crate::state::scout::Scout;
use crate::state::target::{self, Target};
use crate::words;

/// Where one is on the way to.
#[derive(Debug, Default)]
pub struct Going {
    /// A request whose place was not known when it was asked for.
    pub(super) sought: Option<RequestId>,
    /// The first request that a filter means.
    pub scout: Scout,
    /// What is said of it.
    said: String,
    /// It is about there already.
    is_near: bool,
    /// A position, and the number that tells it from others.
    pub position: Option<Position>,
    /// The number of the position; 0 before the first.
    pub number: u64,
    /// Marks of the trace; `None` before they are known.
    pub names: Option<Vec<String>>,
    /// Somebody wants to know them.
    pub wants_names: bool,
}

impl App {
    /// Goes to a target.
    pub(super) fn go_to(&mut self, target: Target) {
        let is_among_events = self.is_raw || self.log.is_some();
        let among = if is_among_events { self.go_among_events(target) } else { Some(target) };
        let Some(target) = among else { return };
        self.jumps += 1;
        self.stop_search();
        self.stop_going();
        self.slow.sought = None;
        match target {
            Target::Request(id) => {
                self.going.sought = Some(id);
                self.arrive();
            }
            Target::Time(time) => self.go_to_time(time),
            Target::Begin => self.requests.go(0),
            Target::End | Target::Position(Position::End) => self.requests.go(u64::MAX),
            Target::Percent(percent) => {
                let shown = u128::from(self.requests.shown());
                let at = shown * u128::from(percent) / 100;
                self.requests.go_to(u64::try_from(at).unwrap_or(u64::MAX));
            }
            Target::Position(position) => self.resolve(position),
            Target::Mark(name) => {
                let mut letters = name.chars();
                let letter = letters.next().filter(|_| letters.next().is_none());
                let point = letter.and_then(|letter| Some((letter, self.marks.get(letter)?)));
                match (point, name.parse()) {
                    (Some((letter, point)), _) => self.go_to_mark(letter, point),
                    (None, Ok(name)) => self.resolve(Position::Mark(name)),
                    (None, Err(error)) => self.refuse(error.to_string()),
                }
            }
            Target::First(text, said) => self.go_to_first(&text, said),
            Target::Next(text, said) => match Filter::of(&text, &self.header) {
                Ok(filter) => {
                    let wraps = said.starts_with("touches");
                    let sought = Sought::Meant(Box::new(filter), said);
                    self.begin_search(sought, Direction::Next, wraps);
                }
                Err(error) => self.refuse(error.what),
            },
        }
    }

    /// Pages say about where a time is; exactly where is looked for unless they are at hand.
    fn go_to_time(&mut self, time: Nanos) {
        let (place, is_exact) = self.requests.place_at(time);
        self.requests.go(place);
        if !is_exact {
            let said = format!("at {} or later", words::seconds(time));
            self.go_to_first(&target::since(time), said);
            self.going.is_near = true;
        }
    }

    fn go_to_first(&mut self, text: &str, said: String) {
        match Filter::of(text, &self.header) {
            Ok(filter) => {
                self.going.said = said;
                self.going.is_near = false;
                self.going.scout.begin(filter);
            }
            Err(error) => self.refuse(error.what),
        }
    }

    fn resolve(&mut self, position: Position) {
        self.going.number += 1;
        self.going.position = Some(position);
    }

    /// Goes to the request that is sought, once more is known of where it is.
    pub(super) fn arrive(&mut self) {
        let Some(RequestId(id)) = self.going.sought else { return };
        let place = self.requests.place_of(RequestId(id));
        // Where not all are shown, those that lie beside it are not read.
        let is_lost = |(place, is_exact): &(u64, bool)| {
            let is_other = self.requests.row(*place).is_some_and(|row| row.id.0 != id);
            !is_exact && (is_other || self.requests.is_part())
        };
        let Some((place, _)) = place.filter(|place| !is_lost(place)) else {
            self.going.sought = None;
            if self.requests.pages().iter().all(Page::is_dense) {
                return self.refuse(format!("there is no request #{id}"));
            }
            // Pages do not say which ids they have, or several may have it.
            return self.go_to_first(&format!("id == {id}"), format!("#{id}"));
        };
        self.requests.go(place);
        if self.requests.row(place).is_some_and(|row| row.id.0 == id) {
            self.going.sought = None;
        }
        if self.requests.focus() != place {
            self.going.sought = None;
            self.say(self.left_out(&format!("#{id}"), place));
        }
    }

    /// Something was looked for to go there.
    pub fn scouted(&mut self, sifted: Sifted) {
        if !self.going.scout.take(sifted) {
            return;
        }
        let (scout, said) = (&self.going.scout, self.going.said.clone());
        match (scout.found.min(), scout.is_done, scout.error.clone()) {
            (Some(place), ..) => {
                self.going.scout.stop();
                let before = self.station();
                self.requests.go(place);
                if !self.going.is_near {
                    self.left(before);
                }
                if self.requests.focus() != place {
                    let is_id = said.starts_with('#');
                    let what = if is_id { said } else { format!("the first request {said}") };
                    self.say(self.left_out(&what, place));
                }
            }
            (None, true, Some(error)) => self.refuse(error),
            (None, true, None) if said.starts_with('#') => {
                self.refuse(format!("there is no request {said}"));
            }
            (None, true, None) => {
                let is_short = scout.done < self.requests.len();
                let whole = if is_short { ", as far as the trace is whole" } else { "" };
                self.say(format!("there is no request {said}{whole}"));
            }
            (None, false, _) => {}
        }
    }

    /// A position was found, or the marks of the trace.
    pub fn placed(&mut self, found: Found) {
        match found {
            Found::Names(names) => self.going.names = Some(names),
            Found::Place(number, place) if number == self.going.number => {
                let Some(position) = self.going.position.take() else { return };
                match place {
                    Ok(Place::At(id)) => {
                        let before = self.station();
                        self.going.sought = Some(id);
                        self.arrive();
                        self.left(before);
                    }
                    Ok(Place::Behind) => {
                        let before = self.station();
                        self.requests.go(u64::MAX);
                        self.left(before);
                        self.say(format!("no request follows {position}; this is the last"));
                    }
                    Ok(Place::Nowhere) => self.refuse(nowhere(&position)),
                    Ok(Place::Lost(_, _)) if self.live.grows() => {
                        self.refuse(format!("{}, so far", nowhere(&position)));
                    }
                    Ok(Place::Lost(true, loss)) => {
                        self.refuse(format!("what follows {position} cannot be read: {loss}"));
                    }
                    Ok(Place::Lost(false, loss)) => self.refuse(format!(
                        "{}, as far as the trace is whole: {loss}",
                        nowhere(&position)
                    )),
                    Err(error) => self.refuse(error),
                }
            }
            Found::Place(..) => {}
        }
    }

    /// Gives up what leads elsewhere once it is known; whether there was something.
    pub(super) fn stop_going(&mut self) -> bool {
        let sought = self.going.sought.take().is_some();
        let position = self.going.position.take().is_some();
        self.going.scout.stop() || sought || position
    }

    /// What one is on the way to, in words.
    pub fn on_the_way(&self) -> Option<String> {
        if let Some(position) = &self.going.position {
            return Some(format!("looking for {position}"));
        }
        self.going.scout.wanted()?;
        let percent = words::progress(self.going.scout.done, self.requests.len());
        let said = &self.going.said;
        let first = if said.starts_with('#') { "" } else { "the first " };
        Some(format!("looking for {first}{said}: {percent} %"))
    }
}

/// What to say of what the trace does not have.
fn nowhere(position: &Position) -> String {
    match position {
        Position::Mark(name) => format!("the trace has no mark `{name}`, and no letter does"),
        other => format!("the trace has no {other}"),
    }
}
