//! A list of events: which one is focused, which are on the screen, and the lines that are in memory.
//!
//! Pages of lines come in, in any order. Invariants: the focused event is on the screen; no more than `PAGES` pages are kept.

use std::ops::Range;

use blkreplay_core::request::RequestId;

use crate::action::Move;
use crate::events::{End, Extent, Line, PAGE, Page, Seek, Sought};

/// Pages that are kept.
const PAGES: usize = 6;

/// What is known of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<'a> {
    /// It.
    Line(&'a Line),
    /// It was not read yet.
    NotYet,
    /// It cannot be read, for this reason.
    Lost(&'a str),
    /// The recorder dropped it.
    Dropped,
}

/// The list.
#[derive(Debug, Default)]
pub struct Events {
    extent: Option<Extent>,
    /// The one used last first.
    kept: Vec<Page>,
    focus: u64,
    top: u64,
    height: u64,
    /// An end of a request that is looked for.
    seek: Option<Seek>,
    seeks: u64,
    /// Why no more is read.
    pub error: Option<String>,
}

impl Events {
    /// There is so much.
    pub fn set_extent(&mut self, extent: Extent) {
        self.extent = Some(extent);
        // Others may have become longer.
        self.kept.retain(|kept| {
            let end = (kept.page + 1).saturating_mul(PAGE).min(extent.events);
            kept.lines.last().is_some_and(|line| line.index + 1 >= end)
        });
        self.focus_on(self.focus);
    }

    /// Nothing is known of the events any more; the focus stays.
    pub fn forget(&mut self) {
        (self.extent, self.error) = (None, None);
        self.kept.clear();
    }

    /// How much there is; `None` until that is known.
    pub fn extent(&self) -> Option<Extent> {
        self.extent
    }

    /// How many events there are, as far as is known.
    pub fn len(&self) -> u64 {
        self.extent.map_or(0, |extent| extent.events)
    }

    /// Whether there is none, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the lines of a page.
    pub fn set_page(&mut self, page: Page) {
        self.kept.retain(|kept| kept.page != page.page);
        self.kept.insert(0, page);
        self.kept.truncate(PAGES);
    }

    /// The focused event.
    pub fn focus(&self) -> u64 {
        self.focus
    }

    /// The line of the focused event, once it was read.
    pub fn focused(&self) -> Option<&Line> {
        match self.at(self.focus) {
            Known::Line(line) => Some(line),
            _ => None,
        }
    }

    /// What is known of an event.
    pub fn at(&self, index: u64) -> Known<'_> {
        let Some(page) = self.kept.iter().find(|kept| kept.page == index / PAGE) else {
            return Known::NotYet;
        };
        match (page.lines.binary_search_by_key(&index, |line| line.index), &page.loss) {
            (Ok(at), _) => Known::Line(&page.lines[at]),
            (Err(_), Some(loss)) => Known::Lost(loss),
            (Err(_), None) => Known::Dropped,
        }
    }

    /// How many lines are on the screen.
    pub fn set_height(&mut self, height: u64) {
        self.height = height.max(1);
        self.scroll();
    }

    /// The events on the screen.
    pub fn on_screen(&self) -> Range<u64> {
        self.top..self.len().min(self.top.saturating_add(self.height.max(1)))
    }

    /// Pages that the screen needs and that are not in memory, that of the focus first.
    pub fn missing(&self) -> Vec<u64> {
        if self.extent.is_some_and(|extent| extent.events == 0) || self.error.is_some() {
            return Vec::new();
        }
        let screen = self.on_screen();
        let last = screen.end.saturating_sub(1).max(screen.start);
        let mut pages = vec![self.focus / PAGE, screen.start / PAGE, last / PAGE];
        pages.dedup();
        pages.retain(|page| self.kept.iter().all(|kept| kept.page != *page));
        pages
    }

    /// Goes elsewhere.
    pub fn move_focus(&mut self, way: Move) {
        let (at, screen) = (self.focus, self.height.max(1));
        let half = (screen / 2).max(1);
        self.focus_on(match way {
            Move::Up => at.saturating_sub(1),
            Move::Down => at.saturating_add(1),
            Move::PageUp => at.saturating_sub(screen),
            Move::PageDown => at.saturating_add(screen),
            Move::HalfUp => at.saturating_sub(half),
            Move::HalfDown => at.saturating_add(half),
            Move::First => 0,
            Move::Last => u64::MAX,
        });
    }

    /// Focuses an event, or the last.
    pub fn focus_on(&mut self, index: u64) {
        self.focus = match self.extent {
            Some(extent) => index.min(extent.events.saturating_sub(1)),
            None => index,
        };
        self.scroll();
    }

    fn scroll(&mut self) {
        let screen = self.height.max(1);
        let least = self.focus.saturating_sub(screen - 1);
        let most = self.len().saturating_sub(screen).max(least);
        self.top = self.top.clamp(least, self.focus).min(most);
    }

    /// Looks for one end of a request: from an event on, or where it was issued, before one.
    pub fn seek(&mut self, id: RequestId, end: End, from: Option<u64>, before: u64) {
        self.seeks += 1;
        self.seek = Some(Seek { number: self.seeks, id, end, from, before });
    }

    /// What is looked for.
    pub fn sought(&self) -> Option<&Seek> {
        self.seek.as_ref()
    }

    /// Looks for nothing any more; whether it did.
    pub fn stop(&mut self) -> bool {
        self.seek.take().is_some()
    }

    /// Somebody looked; gives what was looked for once that is over, and where it is.
    pub fn take_sought(&mut self, number: u64, sought: Sought) -> Option<(Seek, Option<u64>)> {
        let seek = self.seek.as_mut().filter(|seek| seek.number == number)?;
        match sought {
            Sought::GoesOn(from) => {
                seek.from = Some(from);
                None
            }
            Sought::Found(index) => Some((self.seek.take()?, Some(index))),
            Sought::Nowhere => Some((self.seek.take()?, None)),
        }
    }
}
