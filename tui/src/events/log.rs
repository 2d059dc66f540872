//! The events of a QEMU log, a part at a time, and what is wrong with it.
//!
//! A log has no index, and no place in it can be told from its bytes. So it is read once from the beginning, and where each block of
//! `PAGE` events begins is kept: from there on any part can be read. Then it is checked (`survey`). Of a long log all that is kept in a
//! file (`index_file`), for the next who opens it. Invariants: the log is not held in memory; what is told of it while it is read is what
//! was read so far; where the log is not what the file says it is read from its beginning.

mod found;
mod index_file;
mod learnt;
mod marks;
mod number;
mod survey;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use blkreplay_core::event::EventKind;
use blkreplay_core::qemu::{
    Layout, LogChecked, LogEvent, LogFinding, LogHeader, LogPlace, LogReader, Stop,
};
use blkreplay_core::request::RequestId;
use roaring::RoaringTreemap;

use super::line::{End, Line};
use super::release::{Gather, Missing, Passed, Release};
use super::{Extent, Open, PAGE, Page, Sought, Source, Told, Wish};

pub use index_file::{Bounds, IndexFile};

use learnt::Learnt;
use marks::{Mark, Marks};
use survey::{Done, Ear, Surveyor};

/// Events behind a block that are looked at for what a checkpoint releases.
const BEHIND_EVENTS: u64 = 1 << 17;

/// Findings that are kept.
pub(crate) const FINDINGS_KEPT: usize = 1 << 14;

/// Opens the log, at its beginning.
pub type OpenLog =
    Arc<dyn Fn() -> Result<BufReader<File>, Box<dyn Error + Send + Sync>> + Send + Sync>;

/// Reads it.
type Reader = LogReader<BufReader<File>>;

/// A log that is to be looked at.
#[derive(Clone)]
pub struct Log {
    /// Its header.
    pub header: LogHeader,
    /// The layout in which it is read.
    pub layout: &'static Layout,
    /// The layout was asked for.
    pub is_forced: bool,
    /// Opens it once more.
    pub open: OpenLog,
    /// Keeps what is known of it.
    pub index: IndexFile,
}

/// What is known of a log.
#[derive(Debug)]
pub enum Known {
    /// So much was read.
    Read(Progress),
    /// All was read. It stops there, if it is not whole.
    Whole(Progress, Option<Stop>),
    /// Something was found.
    Found(LogFinding),
    /// So many bytes were checked.
    Checking(u64),
    /// All was checked.
    Checked(Box<LogChecked>),
    /// It cannot be read.
    Failed(String),
    /// It is not what was known of it before: nothing of that holds, and nothing more is told.
    Doubted,
}

/// How far a log was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Up to here.
    pub place: LogPlace,
    /// Bytes of the file.
    pub of: u64,
    /// Blocks of which all is known.
    pub blocks: usize,
}

/// Begins to read a log: wishes go to what is given back first. What was known before comes with it, if `recalls`.
pub(crate) fn start(
    log: &Log,
    recalls: bool,
    tell: impl Fn(Told) -> bool + Send + 'static,
    known: impl Fn(Known) -> bool + Send + 'static,
) -> (Sender<Vec<Wish>>, Vec<Known>) {
    let recalled = if recalls { log.index.recall() } else { None };
    let of_it = |learnt: &Learnt| (learnt.header, learnt.layout) == (log.header, log.layout);
    let recalled = recalled.filter(|(_, learnt)| of_it(learnt));
    let at_once = recalled.as_ref().map(|(seen, learnt)| learnt.known(seen.log_bytes));
    let (marks, done) = match recalled {
        None => (Marks::default(), Done::Nothing),
        Some((_, Learnt { marks, verdict: Some(_), .. })) => (marks, Done::All),
        Some((_, Learnt { marks, stop, .. })) => (marks, Done::Read(stop)),
    };
    let (marks, ear) = (Arc::new(RwLock::new(marks)), Arc::new(Ear::new(known)));
    if done != Done::All {
        let surveyor = Surveyor::new(log.clone(), Arc::clone(&marks), Arc::clone(&ear));
        thread::spawn(move || surveyor.run(done));
    }
    let source = LogSource {
        log: log.clone(),
        marks,
        doubt: Box::new(move || ear.doubt()),
        is_doubted: false,
    };
    (super::start(move || Ok(source), tell), at_once.unwrap_or_default())
}

fn passed(event: &LogEvent) -> Passed<'_> {
    let LogEvent { index, icount, ref event, .. } = *event;
    Passed { index, time: event.time, icount: Some(icount), open: None, kind: &event.kind }
}

/// A log.
struct LogSource {
    log: Log,
    marks: Arc<RwLock<Marks>>,
    /// Says that the log is not what the marks are of.
    doubt: Box<dyn Fn() + Send>,
    is_doubted: bool,
}

impl LogSource {
    /// A reader at the beginning of a block, or of the last before it that is known.
    fn at_block(&self, block: usize) -> Result<Option<(Reader, Mark)>, String> {
        let mark = self.marks.read().unwrap_or_else(PoisonError::into_inner).mark(block);
        let Some(mark) = mark else { return Ok(None) };
        let mut input = (self.log.open)().map_err(|error| error.to_string())?;
        input.seek(SeekFrom::Start(mark.place.at)).map_err(|error| error.to_string())?;
        let Log { header, layout, .. } = self.log;
        Ok(Some((LogReader::resume(input, header, layout, mark.place), mark)))
    }

    /// The next event; none where the log is not what the marks are of.
    fn next(&mut self, reader: &mut Reader) -> Result<Option<LogEvent>, String> {
        let event = reader.next_event().map_err(|error| error.to_string())?;
        let holds = self.holds(reader.place(), None, event.is_none());
        Ok(event.filter(|_| holds))
    }

    /// Whether marks agree with what was read; see [`Marks::agree`].
    fn holds(&mut self, place: LogPlace, is_inside: Option<bool>, has_ended: bool) -> bool {
        if has_ended || place.event.is_multiple_of(PAGE) {
            let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
            if !marks.agree(place, is_inside, has_ended) {
                self.is_doubted = true;
                (self.doubt)();
            }
        }
        !self.is_doubted
    }
}

impl Source for LogSource {
    fn extent(&mut self) -> Extent {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        Extent { events: marks.place.event, blocks: marks.blocks() }
    }

    fn is_doubted(&self) -> bool {
        self.is_doubted
    }

    fn grow(&mut self) -> Result<(), String> {
        // It is read once, and what is known of it grows by itself.
        Ok(())
    }

    fn page(&mut self, page: u64) -> Result<Page, String> {
        let block = usize::try_from(page).unwrap_or(usize::MAX);
        let mut lines = Vec::new();
        if let Some((mut reader, _)) = self.at_block(block)? {
            let range = page * PAGE..(page + 1).saturating_mul(PAGE);
            while let Some(event) = self.next(&mut reader)? {
                if range.contains(&event.index) {
                    lines.push(Line::of_log(&event, self.log.layout));
                }
                if event.index + 1 >= range.end {
                    break;
                }
            }
        }
        Ok(Page { page, lines, loss: None })
    }

    fn block_of(&mut self, event: u64) -> usize {
        usize::try_from(event / PAGE).unwrap_or(usize::MAX)
    }

    fn may_release(&mut self, _: usize, _: &RoaringTreemap) -> bool {
        true
    }

    fn releases(&mut self, block: usize) -> Result<(Vec<Release>, Option<Open>), String> {
        let Some((mut reader, mark)) = self.at_block(block)? else {
            return Ok((Vec::new(), None));
        };
        let mut gather = Gather::new(self.log.layout.releases_behind(), mark.is_inside);
        let end = mark.place.event + PAGE;
        let mut releases = Vec::new();
        let why = loop {
            let Some(event) = self.next(&mut reader)? else {
                let stop = reader.stop_at().map_err(|error| error.to_string())?;
                break stop.filter(Stop::is_loss).map(|_| Missing::Unreadable);
            };
            let is_behind = event.index >= end;
            let closes = matches!(event.event.kind, EventKind::Checkpoint(_));
            if is_behind && (!gather.is_open() || closes && self.log.layout.releases_behind()) {
                break None;
            }
            if event.index >= end.saturating_add(BEHIND_EVENTS) {
                break Some(Missing::Far);
            }
            releases.extend(gather.push(passed(&event)));
            self.holds(reader.place(), Some(gather.is_inside()), false);
        };
        releases.extend(gather.finish(why));
        Ok((releases, None))
    }

    fn seek(&mut self, id: RequestId, _: End, from: u64, most: u64) -> Result<Sought, String> {
        let block = self.block_of(from);
        let Some((mut reader, _)) = self.at_block(block)? else {
            return Ok(Sought::Nowhere);
        };
        let mut looked = 0;
        while let Some(event) = self.next(&mut reader)? {
            if event.index < from {
                continue;
            }
            if matches!(event.event.kind, EventKind::BlockId { id: found } if found == id) {
                return Ok(Sought::Found(event.index));
            }
            looked += 1;
            if looked >= most {
                return Ok(Sought::GoesOn(event.index + 1));
            }
        }
        Ok(Sought::Nowhere)
    }

    fn issued(&mut self, _: RequestId, _: u64) -> u64 {
        0
    }
}
