//! The events of a QEMU log, a part at a time, and what is wrong with it.
//!
//! A log has no index, and no place in it can be told from its bytes. So it is read once from the beginning, and where each block of
//! `PAGE` events begins is kept: from there on any part can be read. Then it is checked. Invariants: the log is not held in memory; what
//! is told of it while it is read is what was read so far.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::event::EventKind;
use blkreplay_core::qemu::{
    self, Layout, LogChecked, LogEvent, LogFinding, LogHeader, LogInspector, LogPlace, LogReader,
    Stop,
};
use blkreplay_core::request::RequestId;
use roaring::RoaringTreemap;

use super::line::{End, Line};
use super::release::{Gather, Missing, Passed, Release};
use super::{Extent, Open, PAGE, Page, Sought, Source, Told, Wish};

/// Events behind a block that are looked at for what a checkpoint releases.
const BEHIND_EVENTS: u64 = 1 << 17;

/// How often it is told how far it got.
const TELL: Duration = Duration::from_millis(50);

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

/// Where a block begins.
#[derive(Debug, Clone, Copy)]
struct Mark {
    place: LogPlace,
    /// What comes first belongs to a checkpoint whose first event lies before.
    is_inside: bool,
}

/// Where blocks begin, as far as is known.
#[derive(Debug, Default)]
struct Index {
    marks: Vec<Mark>,
    events: u64,
    is_whole: bool,
}

/// Begins to read a log: wishes go to what is given back.
pub(crate) fn start(
    log: &Log,
    tell: impl Fn(Told) -> bool + Send + 'static,
    known: impl Fn(Known) -> bool + Send + 'static,
) -> Sender<Vec<Wish>> {
    let index = Arc::new(RwLock::new(Index::default()));
    let (writing, scanned) = (Arc::clone(&index), log.clone());
    thread::spawn(move || {
        let told = scan(&scanned, &writing, &known)
            .and_then(|wanted| if wanted { check(&scanned, &known) } else { Ok(()) });
        if let Err(error) = told {
            known(Known::Failed(error.to_string()));
        }
    });
    let log = log.clone();
    super::start(move || Ok(LogSource { log, index }), tell)
}

/// Reads the log once and keeps where blocks begin; whether anybody still looks.
fn scan(
    log: &Log,
    index: &RwLock<Index>,
    known: &impl Fn(Known) -> bool,
) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let mut input = (log.open)()?;
    let of = input.seek(SeekFrom::End(0))?;
    input.rewind()?;
    let mut reader = LogReader::new(input, log.layout)?;
    let mut gather = Gather::counting(log.layout.releases_behind());
    let mut marks = vec![Mark { place: reader.place(), is_inside: false }];
    let mut told_at = Instant::now();
    while let Some(event) = reader.next_event()? {
        gather.push(passed(&event));
        let place = reader.place();
        if place.event.is_multiple_of(PAGE) {
            marks.push(Mark { place, is_inside: gather.is_inside() });
            if told_at.elapsed() > TELL {
                let blocks = publish(index, &mut marks, place.event, false);
                if !known(Known::Read(Progress { place, of, blocks })) {
                    return Ok(false);
                }
                told_at = Instant::now();
            }
        }
    }
    let place = reader.place();
    let blocks = publish(index, &mut marks, place.event, true);
    let stop = reader.stop_at()?;
    Ok(known(Known::Whole(Progress { place, of, blocks }, stop)))
}

/// Says where more blocks begin; how many are whole.
fn publish(index: &RwLock<Index>, marks: &mut Vec<Mark>, events: u64, is_whole: bool) -> usize {
    let mut index = index.write().unwrap_or_else(PoisonError::into_inner);
    index.marks.append(marks);
    index.events = events;
    index.is_whole = is_whole;
    index.blocks()
}

impl Index {
    /// Blocks of which all events are known.
    fn blocks(&self) -> usize {
        let whole = if self.is_whole { self.events.div_ceil(PAGE) } else { self.events / PAGE };
        usize::try_from(whole).unwrap_or(usize::MAX).min(self.marks.len())
    }
}

/// Tells what is wrong with the log.
fn check(log: &Log, known: &impl Fn(Known) -> bool) -> Result<(), Box<dyn Error + Send + Sync>> {
    struct Teller<'a, F> {
        known: &'a F,
    }
    impl<F: Fn(Known) -> bool> Teller<'_, F> {
        fn tell(&self, what: Known) -> ControlFlow<()> {
            if (self.known)(what) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
    }
    impl<F: Fn(Known) -> bool> LogInspector for Teller<'_, F> {
        fn finding(&mut self, finding: LogFinding) -> ControlFlow<()> {
            self.tell(Known::Found(finding))
        }
        fn read(&mut self, bytes: u64, _: u64) -> ControlFlow<()> {
            self.tell(Known::Checking(bytes))
        }
    }
    let forced = log.is_forced.then_some(log.layout);
    let checked = qemu::check((log.open)()?, forced, &mut Teller { known })?;
    known(Known::Checked(Box::new(checked)));
    Ok(())
}

fn passed(event: &LogEvent) -> Passed<'_> {
    let LogEvent { index, icount, ref event, .. } = *event;
    Passed { index, time: event.time, icount: Some(icount), open: None, kind: &event.kind }
}

/// A log.
struct LogSource {
    log: Log,
    index: Arc<RwLock<Index>>,
}

impl LogSource {
    /// Where a block begins, or the last before it that is known.
    fn mark(&self, block: usize) -> Option<Mark> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.marks.get(block).or(index.marks.last()).copied()
    }

    fn reader(&self, place: LogPlace) -> Result<Reader, String> {
        let mut input = (self.log.open)().map_err(|error| error.to_string())?;
        input.seek(SeekFrom::Start(place.at)).map_err(|error| error.to_string())?;
        Ok(LogReader::resume(input, self.log.header, self.log.layout, place))
    }

    /// A reader at the beginning of a block.
    fn at_block(&self, block: usize) -> Result<Option<(Reader, Mark)>, String> {
        self.mark(block).map(|mark| Ok((self.reader(mark.place)?, mark))).transpose()
    }
}

impl Source for LogSource {
    fn extent(&mut self) -> Extent {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        Extent { events: index.events, blocks: index.blocks() }
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
            while let Some(event) = reader.next_event().map_err(|error| error.to_string())? {
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
            let Some(event) = reader.next_event().map_err(|error| error.to_string())? else {
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
        while let Some(event) = reader.next_event().map_err(|error| error.to_string())? {
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
