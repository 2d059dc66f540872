//! Reads a QEMU log to its end, to learn where its blocks begin, and checks it. What is known goes out as it comes.
//!
//! Invariants: where blocks begin is known to others before it is told; what is kept in a file is there before it is told that all is read,
//! or all is checked.

use std::error::Error;
use std::io::{Seek, SeekFrom};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use blkreplay_core::qemu::{self, LogFinding, LogInspector, LogReader, Stop};

use super::index_file::Seen;
use super::learnt::{self, Verdict};
use super::marks::{Mark, Marks};
use super::{FINDINGS_KEPT, Known, Log, Progress, passed};
use crate::events::PAGE;
use crate::events::release::Gather;

/// How often it is told how far it got.
const TELL: Duration = Duration::from_millis(50);

/// How much of a log is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Nothing,
    /// It was read, and stops there if it is not whole.
    Read(Option<Stop>),
    /// It was checked, too.
    All,
}

/// Hears what is known, until somebody doubts it.
pub(super) struct Ear<F>(Mutex<Option<F>>);

impl<F: Fn(Known) -> bool> Ear<F> {
    pub(super) fn new(known: F) -> Ear<F> {
        Ear(Mutex::new(Some(known)))
    }

    /// Tells something; whether anybody still looks.
    fn tell(&self, what: Known) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().is_some_and(|known| known(what))
    }

    fn is_open(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Says that nothing holds of what was told, and hears no more.
    pub(super) fn doubt(&self) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(known) = known {
            // Who does not look has no doubts.
            known(Known::Doubted);
        }
    }
}

/// Reads a log.
pub(super) struct Surveyor<F> {
    log: Log,
    marks: Arc<RwLock<Marks>>,
    ear: Arc<Ear<F>>,
}

/// Why a log cannot be read.
type Trouble = Box<dyn Error + Send + Sync>;

impl<F: Fn(Known) -> bool> Surveyor<F> {
    pub(super) fn new(log: Log, marks: Arc<RwLock<Marks>>, ear: Arc<Ear<F>>) -> Surveyor<F> {
        Surveyor { log, marks, ear }
    }

    /// Reads what is not done, and tells what is wrong with that.
    pub(super) fn run(&self, done: Done) {
        if let Err(error) = self.survey(done) {
            self.ear.tell(Known::Failed(error.to_string()));
        }
    }

    fn survey(&self, done: Done) -> Result<(), Trouble> {
        let seen = self.log.index.look();
        let stop = match done {
            Done::All => return Ok(()),
            Done::Read(stop) => stop,
            Done::Nothing => {
                let Some((progress, stop)) = self.scan()? else { return Ok(()) };
                // Another inspector may know more by now, that what was found is kept, too.
                if self.log.index.recall().is_none() {
                    self.keep(seen.as_ref(), stop, None);
                }
                if !self.ear.tell(Known::Whole(progress, stop)) {
                    return Ok(());
                }
                stop
            }
        };
        let verdict = self.check()?;
        if !verdict.checked.stopped {
            self.keep(seen.as_ref(), stop, Some(&verdict));
            self.ear.tell(Known::Checked(Box::new(verdict.checked)));
        }
        Ok(())
    }

    /// Keeps what is known, if the log is as it was seen before it was read.
    fn keep(&self, seen: Option<&Seen>, stop: Option<Stop>, verdict: Option<&Verdict>) {
        let Some(seen) = seen.filter(|_| self.ear.is_open()) else { return };
        let of = (self.log.header, self.log.layout);
        self.log.index.keep(seen, |out| {
            let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
            learnt::put(of, &marks, stop, verdict, out);
        });
    }

    /// Reads the log once and learns where blocks begin; how long it is and where it stops, unless nobody looks any more.
    fn scan(&self) -> Result<Option<(Progress, Option<Stop>)>, Trouble> {
        let layout = self.log.layout;
        let mut input = (self.log.open)()?;
        let of = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        let mut reader = LogReader::new(input, layout)?;
        let mut gather = Gather::counting(layout.releases_behind());
        let mut marks = vec![Marks::begin()];
        let mut told_at = Instant::now();
        while let Some(event) = reader.next_event()? {
            gather.push(passed(&event));
            let place = reader.place();
            if place.event.is_multiple_of(PAGE) {
                marks.push(Mark { place, is_inside: gather.is_inside() });
                if told_at.elapsed() > TELL {
                    let blocks = self.publish(&mut marks, &reader, false);
                    if !self.ear.tell(Known::Read(Progress { place, of, blocks })) {
                        return Ok(None);
                    }
                    told_at = Instant::now();
                }
            }
        }
        let place = reader.place();
        let blocks = self.publish(&mut marks, &reader, true);
        Ok(Some((Progress { place, of, blocks }, reader.stop_at()?)))
    }

    /// Says where more blocks begin; how many are whole.
    fn publish<R: std::io::Read>(
        &self,
        found: &mut Vec<Mark>,
        reader: &LogReader<R>,
        is_whole: bool,
    ) -> usize {
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        marks.all.append(found);
        marks.place = reader.place();
        marks.is_whole = is_whole;
        marks.blocks()
    }

    /// Tells what is wrong with the log.
    fn check(&self) -> Result<Verdict, Trouble> {
        let log = &self.log;
        let forced = log.is_forced.then_some(log.layout);
        let mut teller = Teller { ear: &self.ear, findings: Vec::new() };
        let checked = qemu::check((log.open)()?, forced, &mut teller)?;
        Ok(Verdict { findings: teller.findings, checked })
    }
}

/// Tells what is found, and keeps the first of it.
struct Teller<'a, F> {
    ear: &'a Ear<F>,
    findings: Vec<LogFinding>,
}

impl<F: Fn(Known) -> bool> Teller<'_, F> {
    fn tell(&self, what: Known) -> ControlFlow<()> {
        if self.ear.tell(what) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl<F: Fn(Known) -> bool> LogInspector for Teller<'_, F> {
    fn finding(&mut self, finding: LogFinding) -> ControlFlow<()> {
        if self.findings.len() < FINDINGS_KEPT {
            self.findings.push(finding);
        }
        self.tell(Known::Found(finding))
    }

    fn read(&mut self, bytes: u64, _: u64) -> ControlFlow<()> {
        self.tell(Known::Checking(bytes))
    }
}
