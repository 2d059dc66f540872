//! Looks for findings on a thread of its own, for as long as anybody wants them.
//!
//! A trace in, findings with the places of their requests out, the same as those of `check --findings` in what is whole of it.
//! Knows no screen. Invariants: once it is not wanted any more it ends with what it tells next, within `GATHER` and a step; no more than `KEPT` findings of a rule are
//! given out, and all are counted.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::io::{Read, Seek};
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::event::{Event, EventKind};
use blkreplay_core::format::{Item, ReadError, Reader, Target};
use blkreplay_core::limits::FINDINGS_OPEN_MAX;
use blkreplay_core::request::RequestId;
use blkreplay_core::view::findings::{Finding, Findings, RULES, Rule};
use roaring::RoaringTreemap;

use crate::chunks::{self, Chunk, Way};
use crate::loader;

/// How long findings are gathered before they are handed over.
const GATHER: Duration = Duration::from_millis(200);

/// The first time it is told sooner, so that there is something to see.
const FIRST: Duration = Duration::from_millis(40);

/// Events that are looked at in one step.
const STEP_EVENTS: usize = 1024;

/// Findings of one rule that are given out.
pub const KEPT: u64 = 4096;

/// A finding, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Tells it from others.
    pub number: u64,
    /// The place of the request that it is about, or of the one that it has to do with. Without one, how many were issued before it.
    pub place: u64,
    /// What it is.
    pub finding: Finding,
}

/// What is known so far.
#[derive(Debug, Default)]
pub struct Looked {
    /// The number of the search.
    pub number: u64,
    /// Findings that were not told before.
    pub found: Vec<Found>,
    /// How many there are of each rule, by its name. Those that were told before are among them.
    pub counts: BTreeMap<&'static str, u64>,
    /// What cannot be known of this trace.
    pub unknown: Vec<&'static str>,
    /// Requests that were looked at.
    pub done: u64,
    /// There is no more to come.
    pub is_done: bool,
    /// Why there is no more.
    pub error: Option<String>,
}

/// Begins. `tell` says whether anybody still wants to know.
pub fn start<R: Read + Seek + Send + 'static>(
    number: u64,
    open: impl FnOnce() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    tell: impl Fn(Looked) -> bool + Send + 'static,
) {
    thread::spawn(move || {
        let begun = open().and_then(|reader| Search::new(number, reader));
        let mut search = match begun {
            Ok(search) => search,
            Err(error) => {
                let error = Some(format!("cannot open the trace once more: {error}"));
                tell(Looked { number, is_done: true, error, ..Looked::default() });
                return;
            }
        };
        let (mut told_at, mut pause) = (Instant::now(), FIRST);
        loop {
            let ended = match search.step() {
                Ok(true) if told_at.elapsed() < pause => continue,
                Ok(true) => None,
                Ok(false) => Some(None),
                Err(error) => Some(Some(loader::told(&error))),
            };
            let is_done = ended.is_some();
            if !tell(search.looked(is_done, ended.flatten())) || is_done {
                return;
            }
            (told_at, pause) = (Instant::now(), GATHER);
        }
    });
}

/// A search for findings.
struct Search<R> {
    number: u64,
    reader: Reader<R>,
    findings: Findings,
    chunks: Vec<Chunk>,
    way: Way,
    /// Index of the next event, if none is missing.
    next: u64,
    /// Indices of events that issue requests.
    issues: RoaringTreemap,
    /// Requests in flight, with the index of the event that issued them.
    open: HashMap<RequestId, u64>,
    found: Vec<Found>,
    counts: BTreeMap<&'static str, u64>,
    /// Findings so far.
    all: u64,
}

impl<R: Read + Seek> Search<R> {
    fn new(number: u64, mut reader: Reader<R>) -> Result<Search<R>, Box<dyn Error + Send + Sync>> {
        let findings = Findings::new(reader.header()).map_err(|error| error.what)?;
        let chunks = chunks::of(&mut reader)?;
        Ok(Search {
            number,
            reader,
            findings,
            chunks,
            way: Way::default(),
            next: 0,
            issues: RoaringTreemap::new(),
            open: HashMap::new(),
            found: Vec::new(),
            counts: RULES.iter().map(|rule| (rule.name, 0)).collect(),
            all: 0,
        })
    }

    /// Looks at some events; whether there are more.
    fn step(&mut self) -> Result<bool, ReadError> {
        for _ in 0..STEP_EVENTS {
            match self.reader.next_item()? {
                // Where the way behind damage leads over what was seen, that is passed by.
                Some((index, _)) if index < self.next => {}
                Some((index, Item::Event(event))) => {
                    self.next = index.saturating_add(1);
                    self.look_at(index, &event);
                }
                Some((index, Item::Unknown(_))) => {
                    self.next = index.saturating_add(1);
                    self.findings.pass_over(index);
                    self.gather();
                }
                None if self.go_on()? => {}
                None => {
                    self.findings.finish();
                    self.gather();
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Goes to the next chunk behind what is damaged; whether there is one.
    fn go_on(&mut self) -> Result<bool, ReadError> {
        let Some(lost) = self.reader.loss().map(|loss| loss.offset) else { return Ok(false) };
        let Some(chunk) = self.way.behind(&self.chunks, lost, self.next) else { return Ok(false) };
        // What lies before it is not looked for again, wherever the reader goes.
        self.next = chunk.first;
        self.reader.seek(&Target::Event(chunk.first))?;
        Ok(true)
    }

    fn look_at(&mut self, index: u64, event: &Event) {
        if let EventKind::Issue(issue) = &event.kind {
            self.issues.insert(index);
            if self.open.len() < FINDINGS_OPEN_MAX {
                self.open.insert(issue.id, index);
            }
        }
        self.findings.push(index, event);
        self.gather();
        if let EventKind::Block(block) = &event.kind {
            self.open.remove(&block.id);
        }
    }

    /// Takes what was found.
    fn gather(&mut self) {
        // Most events have none.
        let found: Vec<Finding> = self.findings.take().collect();
        for finding in found {
            let count = self.counts.entry(finding.rule.name).or_default();
            *count += 1;
            self.all += 1;
            if *count <= KEPT {
                let place = self.place_of(&finding);
                self.found.push(Found { number: self.all, place, finding });
            }
        }
    }

    /// The place of the request that a finding is about.
    fn place_of(&self, finding: &Finding) -> u64 {
        // It lies at the event that issued its request, but for those that only a completion shows.
        if self.issues.contains(finding.event) {
            return self.issued_before(finding.event);
        }
        let other = if finding.request.is_some() { finding.request } else { finding.other };
        let event = other.and_then(|id| self.open.get(&id)).copied();
        self.issued_before(event.unwrap_or(finding.event))
    }

    /// How many requests were issued before this event, those in what is damaged counted as indexes count them.
    fn issued_before(&self, event: u64) -> u64 {
        let before = |index: u64| index.checked_sub(1).map_or(0, |last| self.issues.rank(last));
        let next = self.chunks.partition_point(|chunk| chunk.first <= event);
        let Some(chunk) = next.checked_sub(1).map(|place| self.chunks[place]) else { return 0 };
        chunk.place.saturating_add(before(event) - before(chunk.first))
    }

    /// What was not told before.
    fn looked(&mut self, is_done: bool, error: Option<String>) -> Looked {
        Looked {
            number: self.number,
            found: std::mem::take(&mut self.found),
            counts: self.counts.clone(),
            unknown: self.findings.unknown().to_vec(),
            done: self.issued_before(self.next),
            is_done,
            error,
        }
    }
}

/// The rule of this name, which findings have.
pub(crate) fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}
