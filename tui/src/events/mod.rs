//! Reads events on a thread of its own, for lists of them: raw events of a trace or a QEMU log, and checkpoints with what they released.
//!
//! ```text
//! wishes ──▶ this thread ── Source ──┬─ trace: chunks, found by their headers
//!                                    └─ log: blocks of events, found by marks that are made once, and kept for the next time (`log`)
//! ```
//!
//! Wishes come in, what was read goes out; new wishes take the place of those that are not done. A walk over many blocks goes on by
//! steps: what is told says how far it got, and who wants more wishes again. Invariant: no step looks for checkpoints in more than
//! `STEP_BLOCKS` blocks.

mod line;
pub mod log;
mod release;
mod trace;

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::format::Reader;
use blkreplay_core::request::RequestId;
use roaring::RoaringTreemap;

pub use line::{End, Line};
pub use release::{Completed, Counts, Missing, Release};

use crate::action::Direction;

/// Events of a page.
pub const PAGE: u64 = 2048;

/// Blocks that a step looks at, at most.
const STEP_BLOCKS: usize = 256;

/// How long a step takes, about.
const STEP: Duration = Duration::from_millis(50);

/// Events that a step looks at for one end of a request.
const STEP_EVENTS: u64 = 1 << 16;

/// Something that the screen would like to have. The more urgent come first.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// What came since the trace had grown so often.
    Grow(u64),
    /// The lines of a page.
    Page(u64),
    /// The other end of a request.
    Seek(Seek),
    /// Checkpoints.
    Releases(Need),
}

/// One end of a request is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seek {
    /// Tells it from others.
    pub number: u64,
    /// The request.
    pub id: RequestId,
    /// Which end.
    pub end: End,
    /// From this event on; `None` for where its issue may be, which lies before the event `before`.
    pub from: Option<u64>,
    /// It lies before this event.
    pub before: u64,
}

/// Which checkpoints are needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// Of what.
    pub of: Of,
    /// From here.
    pub from: From,
    /// Which way, until there are any.
    pub direction: Direction,
    /// The places of requests that are shown; `None` for all.
    pub shown: Option<Arc<RoaringTreemap>>,
}

/// Which checkpoints are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Of {
    /// Those of the filter of this number, 0 for all.
    pub filter: u64,
    /// Only those that released something.
    pub only_released: bool,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// In the block of this event.
    Event(u64),
    /// In this block.
    Block(usize),
}

/// What was read.
#[derive(Debug)]
pub enum Told {
    /// How much there is.
    Extent(Extent),
    /// The lines of a page.
    Page(Page),
    /// Where an end of a request is, as far as it was looked for.
    Sought(u64, Sought),
    /// Checkpoints.
    Releases(Leaf),
    /// Something cannot be read.
    Unreadable(String),
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Events, counting those that are missing.
    pub events: u64,
    /// Blocks of them.
    pub blocks: usize,
}

/// The lines of a page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Which.
    pub page: u64,
    /// Those that are whole.
    pub lines: Vec<Line>,
    /// Why some are not.
    pub loss: Option<String>,
}

/// Where an end of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// It is this event.
    Found(u64),
    /// Not before this event.
    GoesOn(u64),
    /// Not in what can be read.
    Nowhere,
}

/// Checkpoints of blocks that lie one behind the other.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// What was looked for.
    pub kind: Of,
    /// These blocks were looked at.
    pub blocks: Range<usize>,
    /// What they have that is shown.
    pub rows: Vec<Release>,
    /// So many blocks there are.
    pub of: usize,
    /// Where something begins that goes on where the trace ends for now.
    pub open: Option<Open>,
}

/// Where something begins that goes on where the trace ends for now: once more is there, it is to be read again from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Its block.
    pub block: usize,
    /// The first event of the block.
    pub event: u64,
}

/// Something that has events.
pub(crate) trait Source {
    /// How much there is, as far as is known.
    fn extent(&mut self) -> Extent;
    /// Looks what came since.
    fn grow(&mut self) -> Result<(), String>;
    /// What was known of it does not hold: nothing that was read last counts, and nothing more is read.
    fn is_doubted(&self) -> bool {
        false
    }
    /// The lines of a page.
    fn page(&mut self, page: u64) -> Result<Page, String>;
    /// The block that holds an event, or would.
    fn block_of(&mut self, event: u64) -> usize;
    /// Whether a block may complete a request that is shown.
    fn may_release(&mut self, block: usize, shown: &RoaringTreemap) -> bool;
    /// The checkpoints that begin in a block, and where something does that goes on where the trace ends for now.
    fn releases(&mut self, block: usize) -> Result<(Vec<Release>, Option<Open>), String>;
    /// One end of a request, among so many events from `from` on.
    fn seek(&mut self, id: RequestId, end: End, from: u64, most: u64) -> Result<Sought, String>;
    /// Where to look for where a request was issued, which lies before an event.
    fn issued(&mut self, id: RequestId, before: u64) -> u64;
}

/// Begins to read a trace; what was read is handed to `tell`, which says whether anybody still looks.
pub fn of_trace<R: std::io::Read + std::io::Seek + Send + 'static>(
    open: impl FnOnce() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    tell: impl Fn(Told) -> bool + Send + 'static,
) -> Sender<Vec<Wish>> {
    let opened = move || {
        let reader = open().map_err(|error| error.to_string());
        reader.and_then(trace::TraceSource::new)
    };
    start(opened, tell)
}

pub(crate) fn start<S: Source>(
    open: impl FnOnce() -> Result<S, String> + Send + 'static,
    tell: impl Fn(Told) -> bool + Send + 'static,
) -> Sender<Vec<Wish>> {
    let (sender, wishes) = channel();
    thread::spawn(move || match open() {
        Ok(source) => Worker { source, wishes, grown: 0, tell }.run(),
        Err(error) => {
            tell(Told::Unreadable(format!("events cannot be read: {error}")));
        }
    });
    sender
}

struct Worker<S, T> {
    source: S,
    wishes: Receiver<Vec<Wish>>,
    /// How often the trace had grown when somebody looked what came.
    grown: u64,
    tell: T,
}

impl<S: Source, T: Fn(Told) -> bool> Worker<S, T> {
    /// Reads until nobody looks any more.
    fn run(mut self) {
        let extent = self.source.extent();
        if !(self.tell)(Told::Extent(extent)) {
            return;
        }
        while let Ok(mut todo) = self.wishes.recv() {
            let mut at = 0;
            while at < todo.len() {
                if let Some(newest) = self.wishes.try_iter().last() {
                    (todo, at) = (newest, 0);
                    continue;
                }
                let is_done = todo[at] == Wish::Grow(self.grown);
                if !is_done {
                    let told = self.fulfil(&todo[at]).unwrap_or_else(Told::Unreadable);
                    if self.source.is_doubted() || !(self.tell)(told) {
                        return;
                    }
                }
                at += 1;
            }
        }
    }

    fn fulfil(&mut self, wish: &Wish) -> Result<Told, String> {
        match wish {
            Wish::Grow(growth) => {
                self.grown = *growth;
                self.source.grow()?;
                Ok(Told::Extent(self.source.extent()))
            }
            Wish::Page(page) => {
                let page = self.source.page(*page).unwrap_or_else(|error| Page {
                    page: *page,
                    lines: Vec::new(),
                    loss: Some(error),
                });
                Ok(Told::Page(page))
            }
            Wish::Seek(seek) => {
                let Seek { number, id, end, from, before } = seek;
                let from = from.unwrap_or_else(|| self.source.issued(*id, *before));
                let sought = self.source.seek(*id, *end, from, STEP_EVENTS)?;
                let is_behind = matches!(sought, Sought::GoesOn(next) if next > *before);
                Ok(Told::Sought(*number, if is_behind { Sought::Nowhere } else { sought }))
            }
            Wish::Releases(need) => self.walk(need).map(Told::Releases),
        }
    }

    /// Looks for checkpoints, a step.
    fn walk(&mut self, need: &Need) -> Result<Leaf, String> {
        let of = self.source.extent().blocks;
        let start = match need.from {
            From::Event(event) => self.source.block_of(event),
            From::Block(block) => block,
        };
        let start = start.min(of.saturating_sub(1));
        let mut leaf =
            Leaf { kind: need.of, blocks: start..start, rows: Vec::new(), of, open: None };
        let since = Instant::now();
        for step in 0..STEP_BLOCKS {
            let block = match need.direction {
                Direction::Next => Some(start + step).filter(|block| *block < of),
                Direction::Previous => start.checked_sub(step),
            };
            let Some(block) = block.filter(|_| of > 0) else { break };
            leaf.blocks.start = leaf.blocks.start.min(block);
            leaf.blocks.end = leaf.blocks.end.max(block + 1);
            let shown = need.shown.as_deref();
            if shown.is_none_or(|shown| self.source.may_release(block, shown)) {
                let (rows, open) = self.source.releases(block)?;
                leaf.rows = rows;
                leaf.open = match need.direction {
                    Direction::Next => leaf.open.or(open),
                    Direction::Previous => open.or(leaf.open),
                };
                if let Some(shown) = shown {
                    leaf.rows.retain_mut(|row| row.keep(shown));
                }
                if need.of.only_released {
                    leaf.rows.retain(|row| row.counts.total() > 0 || row.missing.is_some());
                }
            }
            if !leaf.rows.is_empty() || since.elapsed() > STEP {
                break;
            }
        }
        Ok(leaf)
    }
}

impl Release {
    /// Leaves out completions that are not shown; whether any is left.
    fn keep(&mut self, shown: &RoaringTreemap) -> bool {
        self.completed.retain(|one| one.place.is_some_and(|place| shown.contains(place)));
        self.counts.block = self.completed.len() as u64;
        !self.completed.is_empty()
    }
}
