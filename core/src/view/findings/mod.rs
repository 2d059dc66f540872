//! Findings: what is worth a look in a trace. Events in, findings out, while they come.
//!
//! ```text
//! events ─┬─ flight, flushes, contents ───────────────┬─▶ findings
//!         └─ rows ─┬─ holes ─ filters, in `sieves` ───┤
//!                  └─ repeats ────────────────────────┘
//! ```
//!
//! `rules` is the table of what is looked for. Knows no file. Invariants: memory does not grow with the trace, and no bound makes a
//! finding that is none; where events are missing, nothing is said of what they may explain; what could not be looked for is said.

mod contents;
mod finding;
mod flight;
mod flushes;
mod holes;
mod place;
mod repeats;
mod rules;
mod sieves;
mod spans;
#[cfg(test)]
mod tests;

pub use finding::Finding;
pub use rules::{How, Level, RULES, Rule};

use self::contents::Contents;
use self::flight::Flight;
use self::flushes::Flushes;
use self::holes::Holes;
use self::place::Place;
use self::repeats::{Retries, Rewrites};
use self::sieves::Sieves;
use crate::event::{ClockKind, Event, EventKind};
use crate::format::{Header, PayloadPolicy, Start, State};
use crate::query::QueryError;
use crate::request::Request;
use crate::rows::Joiner;
use crate::units::Nanos;

/// Finds what the rules say. `push` takes events, `take` gives findings.
#[derive(Debug)]
pub struct Findings {
    sieves: Sieves,
    joiner: Joiner,
    flight: Flight,
    flushes: Flushes,
    contents: Contents,
    holes: Holes,
    retries: Retries,
    rewrites: Rewrites,
    /// What clocks said last, by kind.
    clocks: [i64; 3],
    /// Index of the next event, if none is missing.
    next: u64,
    time: Nanos,
    /// The last event says that the recording ended.
    ended: bool,
    /// It was put together from a damaged trace: it ends, and the recording may not have.
    recovered: bool,
    /// Requests were left out of the trace: what depends on all of them is not known.
    is_part: bool,
    unknown: Vec<&'static str>,
    found: Vec<Finding>,
}

impl Findings {
    /// For a trace with this header. Fails only if a rule is no filter, which a test excludes.
    pub fn new(header: &Header) -> Result<Findings, QueryError> {
        let knows_devices = sieves::knows_devices(header);
        let devices = header.devices.iter().filter(|_| knows_devices);
        let sizes = devices.map(|device| (device.size, device.read_only)).collect();
        let is_part = is_part(header);
        let no_payloads = header.payload == PayloadPolicy::None;
        let unknown = [
            (is_part, PART),
            (no_payloads, if is_part { NO_RETRIES } else { NO_PAYLOADS }),
            (!knows_devices, NO_DEVICES),
        ];
        Ok(Findings {
            sieves: Sieves::new(header)?,
            joiner: Joiner::new().knowing_written(),
            flight: Flight::new(sizes),
            flushes: Flushes::default(),
            contents: Contents::default(),
            holes: Holes::default(),
            retries: Retries::default(),
            rewrites: Rewrites::default(),
            clocks: [i64::MIN; 3],
            next: 0,
            time: Nanos(0),
            ended: false,
            recovered: header.recovered.is_some(),
            is_part,
            unknown: unknown
                .into_iter()
                .filter_map(|(is_so, what)| is_so.then_some(what))
                .collect(),
            found: Vec::new(),
        })
    }

    /// What cannot be known of this trace, in words. All of it is known after [`Findings::finish`].
    pub fn unknown(&self) -> &[&'static str] {
        &self.unknown
    }

    /// Takes the event with this index, and sees by it whether events are missing.
    pub fn push(&mut self, index: u64, event: &Event) {
        let place = Place { event: index, time: event.time };
        self.at(place);
        if event.time < self.time {
            let detail = format!("from {} ns to {} ns", self.time.0, event.time.0);
            self.found.extend(place.finding("clock-backwards", detail));
        }
        self.time = event.time;
        match &event.kind {
            EventKind::Issue(issue) => {
                self.flight.issue(issue, place, &mut self.found);
                self.flushes.issue(issue, place, &mut self.found);
                self.contents.issue(issue);
            }
            EventKind::Block(block) => {
                self.flight.block(block, place, &mut self.found);
                self.flushes.block(block);
                self.contents.block(block, place, &mut self.found);
            }
            EventKind::Clock { clock, value } => self.clock(*clock, *value, place),
            EventKind::End { .. } => self.ended = true,
            _ => {}
        }
        self.joiner.push(index, event.clone());
        self.rows();
    }

    /// Takes the index of an event of a kind that is not known.
    pub fn pass_over(&mut self, index: u64) {
        self.at(Place { event: index, time: self.time });
    }

    /// An event lies at this place.
    fn at(&mut self, place: Place) {
        if place.event != self.next {
            self.missing(place);
        }
        self.next = place.event.saturating_add(1);
        self.ended = false;
    }

    /// Events are missing before this place.
    fn missing(&mut self, place: Place) {
        let detail = match place.event.checked_sub(self.next) {
            Some(count) => format!("{count} before event {}", place.event),
            // A file that was tampered with.
            None => format!("event {} follows where {} should be", place.event, self.next),
        };
        self.found.extend(place.finding("events-lost", detail));
        if !self.unknown.contains(&LOST) {
            self.unknown.push(LOST);
        }
        self.finish_rows();
        self.joiner = Joiner::starting(&Start { state: State::default() });
        self.flight.missing();
        self.flushes.missing();
        self.contents.missing();
        self.rewrites.missing();
    }

    /// A clock of the host was read.
    fn clock(&mut self, clock: ClockKind, value: i64, place: Place) {
        let last = &mut self.clocks[clock as usize];
        if value < *last {
            let detail = format!("{} from {last} ns to {value} ns", clock.name());
            self.found.extend(place.finding("clock-backwards", detail));
        }
        *last = value;
    }

    /// Looks at requests of which all is known.
    fn rows(&mut self) {
        while let Some(row) = self.joiner.pop() {
            self.holes.row(&row);
            self.sieves.row(&row, &self.holes, &mut self.found);
            self.retries.row(&row, &mut self.found);
            self.rewrites.row(&row, &mut self.found);
        }
    }

    /// Looks at what is left before the end, or before events that are missing.
    fn finish_rows(&mut self) {
        self.joiner.finish();
        self.rows();
        let widened = self.joiner.widened_written() || !self.holes.are_exact();
        if widened && !self.is_part && !self.unknown.contains(&WIDENED) {
            self.unknown.push(WIDENED);
        }
    }

    /// No events follow.
    pub fn finish(&mut self) {
        self.finish_rows();
        let more_slow = self.sieves.finish(&mut self.found);
        self.flight.finish(!self.ended || self.recovered, &mut self.found);
        if !self.ended {
            let place = Place { event: self.next, time: self.time };
            self.found.extend(place.finding("cut", String::new()));
        }
        let bounds = [
            (self.flight.crowded, CROWDED),
            (self.retries.forgot, MORE_FAILED),
            (self.contents.forgot && !self.is_part, FORGOT),
            (self.rewrites.forgot && !self.is_part, UNCOUNTED),
            (more_slow, MORE_SLOW),
        ];
        self.unknown.extend(bounds.into_iter().filter_map(|(is_so, what)| is_so.then_some(what)));
    }

    /// What was found since the last time.
    pub fn take(&mut self) -> impl Iterator<Item = Finding> + '_ {
        let is_part = self.is_part;
        self.found.drain(..).filter(move |found| !(is_part && takes_all(found.rule)))
    }
}

const PART: &str = "it is a part of another trace: what takes all requests to know (f4, f5, f6, f8, stalls) is not looked for";
const NO_PAYLOADS: &str = "it was recorded without data or digests (--payload none): f8 cannot be known, nor whether a write was asked again (f2), and f4 only where block status told of holes";
const NO_RETRIES: &str = "it was recorded without data or digests (--payload none): whether a write was asked again (f2) cannot be known";
const NO_DEVICES: &str = "its header was not whole when it was recovered: blocks and lengths of devices, and so f7, cannot be known";
const LOST: &str = "events are missing: behind that place, what they may explain (f4, f5, f8, stalls) is not looked for";
const CROWDED: &str = "more requests are in flight than are kept in mind: of the others, f1, f3, f5, f8 and stalls are not looked for";
const WIDENED: &str = "more ranges were written, or told by block status, than are kept in mind: f4 was not looked for in all";
const MORE_FAILED: &str = "more requests failed within a second than are kept in mind: who asked again (f2) was not looked for in all";
const FORGOT: &str = "more ranges were written than are kept in mind: f8 was not looked for in all";
const UNCOUNTED: &str = "more ranges were written between two flushes than are kept in mind: f6 was not looked for in all";
const MORE_SLOW: &str =
    "more requests are slow than are kept in mind: f9 tells the slowest of each operation";

/// Whether requests were left out of a trace with this header, or of one that is in it. Those of other devices do not matter.
fn is_part(header: &Header) -> bool {
    let merged = header.edits.merged.iter().flat_map(|merged| &merged.sliced);
    let mut sliced = header.edits.sliced.iter().chain(merged);
    sliced.any(|cut| cut.from.is_some() || cut.to.is_some() || cut.filter.is_some())
}

/// Whether a rule asks what came before a request, or between it and others.
fn takes_all(rule: &Rule) -> bool {
    ["f4", "f5", "f6", "f8"].contains(&rule.code) || rule.name == "stall"
}

/// `write 4096+512`.
fn words_of(request: &Request) -> String {
    match request.range.length {
        0 => request.operation.to_string(),
        _ => format!("{} {}", request.operation, request.range),
    }
}
