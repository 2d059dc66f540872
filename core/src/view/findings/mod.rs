//! Findings: what is worth a look in a trace that is whole. Events in, findings out, while they come.
//!
//! ```text
//! events ─┬─ flight, flushes, contents ───────────────┬─▶ findings
//!         └─ rows ─┬─ filters of `rules` ─────────────┤
//!                  └─ repeats ────────────────────────┘
//! ```
//!
//! `rules` is the table of what is looked for. [`FirstPass`] takes all events once before, for what is compared with all
//! others. Knows no file. Invariants: memory does not grow with the trace, and no bound makes a finding that is none; where events
//! are missing, nothing is said of what they may explain.

mod contents;
mod finding;
mod flight;
mod flushes;
mod place;
mod repeats;
mod rules;
#[cfg(test)]
mod tests;

pub use finding::Finding;
pub use rules::{How, Level, RULES, Rule};

use std::fmt::Write as _;

use self::contents::Contents;
use self::flight::Flight;
use self::flushes::Flushes;
use self::place::Place;
use self::repeats::{Retries, Rewrites};
use crate::event::{ClockKind, Event, EventKind};
use crate::format::{Header, Loss, PayloadPolicy, Start, State};
use crate::query::{Filter, QueryError, Totals};
use crate::request::Request;
use crate::rows::{Joiner, Row};
use crate::units::Nanos;

/// A rule that is a filter.
#[derive(Debug)]
struct Sieve {
    rule: &'static Rule,
    /// One a device.
    filters: Vec<Filter>,
}

fn sieves(header: &Header) -> Result<Vec<Sieve>, QueryError> {
    let mut sieves = Vec::new();
    for rule in Rule::all() {
        let How::Filter(text) = rule.how else { continue };
        let filters = header.devices.iter().map(|device| {
            let block = device.block_preferred.max(device.block_min).max(1);
            let text = text.replace("BLOCK", &block.to_string());
            Filter::of(&text.replace("SIZE", &device.size.to_string()), header)
        });
        sieves.push(Sieve { rule, filters: filters.collect::<Result<_, _>>()? });
    }
    Ok(sieves)
}

/// Takes all events before [`Findings`] does.
#[derive(Debug)]
pub struct FirstPass {
    joiner: Joiner,
    sieves: Vec<Sieve>,
    totals: Vec<Totals>,
}

impl FirstPass {
    /// Of a trace with this header. Fails only if a rule is no filter, which a test excludes.
    pub fn new(header: &Header) -> Result<FirstPass, QueryError> {
        let sieves = sieves(header)?;
        // What is asked of all requests does not depend on the device.
        let first = |sieve: &Sieve| sieve.filters.first().map(Filter::first_pass);
        let totals = sieves.iter().filter_map(first).collect();
        Ok(FirstPass { joiner: Joiner::new(), sieves, totals })
    }

    /// Takes the event with this index.
    pub fn push(&mut self, index: u64, event: Event) {
        self.joiner.push(index, event);
        self.take();
    }

    fn take(&mut self) {
        while let Some(row) = self.joiner.pop() {
            for totals in &mut self.totals {
                totals.add(&row);
            }
        }
    }

    /// No events follow: now all can be taken again.
    pub fn finish(mut self, header: &Header) -> Findings {
        self.joiner.finish();
        self.take();
        for (sieve, totals) in self.sieves.iter_mut().zip(&self.totals) {
            for filter in &mut sieve.filters {
                filter.settle(totals);
            }
        }
        let sizes = header.devices.iter().map(|device| (device.size, device.read_only)).collect();
        Findings {
            sieves: self.sieves,
            joiner: Joiner::new().knowing_written(),
            flight: Flight::new(sizes),
            flushes: Flushes::default(),
            contents: Contents::default(),
            retries: Retries::default(),
            rewrites: Rewrites::default(),
            clocks: [i64::MIN; 3],
            next: 0,
            time: Nanos(0),
            no_payloads: header.payload == PayloadPolicy::None,
            is_part: is_part(header),
            found: Vec::new(),
        }
    }
}

/// Finds what the rules say. `push` takes events, `take` gives findings.
#[derive(Debug)]
pub struct Findings {
    sieves: Vec<Sieve>,
    joiner: Joiner,
    flight: Flight,
    flushes: Flushes,
    contents: Contents,
    retries: Retries,
    rewrites: Rewrites,
    /// What clocks said last, by kind.
    clocks: [i64; 3],
    /// Index of the next event, if none is missing.
    next: u64,
    time: Nanos,
    no_payloads: bool,
    /// Requests were left out of the trace: what depends on all of them is not known.
    is_part: bool,
    found: Vec<Finding>,
}

impl Findings {
    /// What cannot be known of this trace, in words.
    pub fn unknown(&self) -> Option<&'static str> {
        match (self.is_part, self.no_payloads) {
            (true, _) => Some(
                "it is a part of another trace: what takes all requests to know (f4, f5, f6, f8, stalls) is not looked for",
            ),
            (false, true) => Some(
                "it was recorded without data or digests (--payload none): f4 and f8 cannot be known",
            ),
            (false, false) => None,
        }
    }

    /// Takes the event with this index.
    pub fn push(&mut self, index: u64, event: Event) {
        let place = Place { event: index, time: event.time };
        if index > self.next {
            self.missing(index - self.next, place);
        }
        self.next = index.saturating_add(1);
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
            _ => {}
        }
        self.joiner.push(index, event);
        self.rows();
    }

    /// So many events are missing before this place.
    fn missing(&mut self, count: u64, place: Place) {
        self.found
            .extend(place.finding("events-lost", format!("{count} before event {}", place.event)));
        self.joiner.finish();
        self.rows();
        self.joiner = Joiner::starting(&Start { state: State::default() });
        self.flight.missing();
        self.flushes.missing();
        self.contents.missing();
        self.rewrites = Rewrites::default();
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
            for sieve in &self.sieves {
                let filter = sieve.filters.get(usize::from(row.device.0));
                if filter.is_some_and(|filter| filter.matches(&row)) {
                    let finding = of_row(sieve.rule, &row);
                    self.found.push(finding);
                }
            }
            self.retries.row(&row, &mut self.found);
            self.rewrites.row(&row, &mut self.found);
        }
    }

    /// No events follow. `loss` says what is missing at the end.
    pub fn finish(&mut self, loss: Option<&Loss>) {
        self.joiner.finish();
        self.rows();
        self.flight.finish(loss.is_some(), &mut self.found);
        if let Some(loss) = loss {
            let place = Place { event: self.next, time: self.time };
            self.found.extend(place.finding("cut", loss.to_string()));
        }
    }

    /// What was found since the last time.
    pub fn take(&mut self) -> impl Iterator<Item = Finding> + '_ {
        let is_part = self.is_part;
        self.found.drain(..).filter(move |found| !(is_part && takes_all(found.rule)))
    }
}

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

fn of_row(rule: &'static Rule, row: &Row) -> Finding {
    let mut detail = words_of(&row.request);
    if let Some(completion) = &row.completion {
        if let Err(errno) = completion.result {
            let refused = if completion.flags.refused { ", refused" } else { "" };
            let _ = write!(detail, " got {errno}{refused}");
        } else if rule.name == "slow" {
            let _ = write!(detail, " took {}", completion.latency);
        }
    }
    let range = row.request.range;
    Finding {
        request: Some(row.id),
        device: Some(row.device),
        range: (range.length > 0).then_some(range),
        ..Place { event: row.event, time: row.time }.finding_of(rule, detail)
    }
}

/// `write 4096+512`.
fn words_of(request: &Request) -> String {
    match request.range.length {
        0 => request.operation.to_string(),
        _ => format!("{} {}", request.operation, request.range),
    }
}
