//! Reads the trace on a thread of its own, so that the screen never waits for it.
//!
//! Wishes come in, what was read goes out. New wishes take the place of those that are not done; a search looks between two
//! pages whether it is still wanted. Knows no screen.

mod adding;
mod growing;
mod searching;

use std::error::Error;
use std::io::{Read, Seek};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Instant;

use blkreplay_core::event::PayloadId;
use blkreplay_core::format::{ReadError, Reader};
use blkreplay_core::rows::Row;
use blkreplay_core::view::{Page, Pages};
use bytes::Bytes;

use adding::Added;
pub use adding::Adding;

use crate::around::{Around, around};
use crate::search::{Ended, Search};
use crate::state::live::Recording;
use crate::state::points::Sum;
use crate::state::requests::Missing;
use crate::watch::Watch;

pub use growing::Grown;

/// Something that the screen would like to have. The more urgent come first.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Rows.
    Rows(Missing),
    /// Data that are stored.
    Data(PayloadId),
    /// What lies around the request at this place.
    Around(u64, Box<Row>),
    /// A request that is searched for.
    Search(Search),
    /// What requests ask for.
    Add(Adding),
}

/// What was read.
#[derive(Debug)]
pub enum Told {
    /// Where the pages lie.
    Pages(Vec<Page>),
    /// The rows of a page.
    Rows(usize, Vec<Row>),
    /// Some rows, by place.
    Singles(Vec<(u64, Row)>),
    /// Stored data; `None` if they are not there.
    Data(PayloadId, Option<Bytes>),
    /// What lies around a request.
    Around(Around),
    /// How far a search got: pages, of how many.
    Searched(u64, usize, usize),
    /// How a search ended.
    Ended(Ended),
    /// What requests ask for, as far as it was added up.
    Added(Sum),
    /// The trace is not whole.
    Loss(String),
    /// The trace grew, or somebody looked whether it did.
    Grown(Grown),
    /// What is known of the recording, and why.
    Recording(Recording, Option<String>),
    /// The file is not what it was.
    Changed(String),
    /// The recorder dropped so many events.
    Dropped(u64),
    /// Something cannot be read.
    Unreadable(String),
}

/// The thread's end of a channel is gone: nobody looks any more.
struct Gone;

/// Begins to read; `again` opens the trace once more, and `watch` says what becomes of its file, which is asked whether it grew for as
/// long as it is `followed`. What was read is handed to `tell`, which says whether anybody still looks.
pub(crate) fn start<R: Read + Seek + Send + 'static>(
    reader: Reader<R>,
    again: impl Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    watch: Watch,
    followed: Arc<AtomicBool>,
    tell: impl Fn(Told) -> bool + Send + 'static,
) -> Sender<Vec<Wish>> {
    let (sender, wishes) = channel();
    thread::spawn(move || {
        let mut loader = match Pages::new(reader) {
            Ok(pages) => Loader::new(pages, Box::new(again), watch, followed, wishes, tell),
            Err(error) => {
                tell(Told::Unreadable(told(&error)));
                return;
            }
        };
        let pages = loader.pages.all().to_vec();
        if (loader.tell)(Told::Pages(pages)) && loader.survey().is_ok() {
            // It ends when nobody looks any more.
            let Err(Gone) = loader.run();
        }
    });
    sender
}

/// Opens a trace once more.
type Once<R> = Box<dyn Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>>>;

struct Loader<R, T> {
    pages: Pages<R>,
    /// Opens the trace once more.
    again: Once<R>,
    watch: Watch,
    /// Whether somebody wants to know how the trace grows.
    followed: Arc<AtomicBool>,
    /// When somebody last looked at the file.
    looked: Instant,
    /// Pages that were told.
    told: usize,
    /// Something came that was not told yet.
    is_new: bool,
    /// Pages there were when it was last asked whether the recording ended.
    surveyed: Option<usize>,
    added: Option<Added>,
    wishes: Receiver<Vec<Wish>>,
    tell: T,
}

impl<R: Read + Seek, T: Fn(Told) -> bool> Loader<R, T> {
    fn new(
        pages: Pages<R>,
        again: Once<R>,
        watch: Watch,
        followed: Arc<AtomicBool>,
        wishes: Receiver<Vec<Wish>>,
        tell: T,
    ) -> Loader<R, T> {
        let (looked, told) = (Instant::now(), pages.all().len());
        let (is_new, surveyed, added) = (false, None, None);
        Loader {
            pages,
            again,
            watch,
            followed,
            looked,
            told,
            is_new,
            surveyed,
            added,
            wishes,
            tell,
        }
    }

    fn run(&mut self) -> Result<std::convert::Infallible, Gone> {
        let mut todo = Vec::new();
        loop {
            self.look_at_file()?;
            if todo.is_empty() {
                todo = self.wait()?;
            }
            todo = self.newest()?.unwrap_or(todo);
            if !todo.is_empty() {
                let wish = todo.remove(0);
                self.fulfil(&wish, &mut todo)?;
            }
        }
    }

    /// The last wishes that came, if any did.
    fn newest(&self) -> Result<Option<Vec<Wish>>, Gone> {
        let mut newest = None;
        loop {
            match self.wishes.try_recv() {
                Ok(wishes) => newest = Some(wishes),
                Err(TryRecvError::Empty) => return Ok(newest),
                Err(TryRecvError::Disconnected) => return Err(Gone),
            }
        }
    }

    fn tell(&self, what: Told) -> Result<(), Gone> {
        if (self.tell)(what) { Ok(()) } else { Err(Gone) }
    }

    fn fulfil(&mut self, wish: &Wish, todo: &mut Vec<Wish>) -> Result<(), Gone> {
        match wish {
            Wish::Rows(Missing { page, places }) => {
                let read = self.pages.rows(*page);
                let promised = self.pages.all()[*page].requests;
                let is_short = read.as_ref().is_ok_and(|rows| (rows.len() as u64) < promised);
                let told = match read {
                    Ok(rows) if places.is_empty() => Told::Rows(*page, rows),
                    Ok(rows) => Told::Singles(self.singles(*page, places, rows)),
                    Err(error) => Told::Unreadable(told(&error)),
                };
                if let Some(loss) = self.pages.loss().filter(|_| is_short) {
                    self.tell(Told::Loss(loss.to_string()))?;
                }
                self.tell(told)
            }
            Wish::Data(id) => {
                let data = self.pages.data(*id);
                self.tell(Told::Data(*id, data.ok()))
            }
            Wish::Around(place, row) => {
                // It reads pages, and whoever moves on wants others.
                let mut newer = None;
                let (wishes, pages) = (&self.wishes, &mut self.pages);
                let around = around(pages, *place, row, || {
                    newer = wishes.try_iter().last().or(newer.take());
                    newer.is_none()
                });
                *todo = newer.unwrap_or_else(|| std::mem::take(todo));
                around.map_or(Ok(()), |around| self.tell(Told::Around(around)))
            }
            Wish::Search(search) => self.search(search, todo),
            Wish::Add(adding) => self.add(adding, todo),
        }
    }

    /// Those of the rows of a page that are at these places.
    fn singles(&self, page: usize, places: &[u64], rows: Vec<Row>) -> Vec<(u64, Row)> {
        let first = self.pages.all()[page].place;
        (first..).zip(rows).filter(|(place, _)| places.contains(place)).collect()
    }
}

/// An error in words, with the reasons behind it.
pub(crate) fn told(error: &ReadError) -> String {
    let mut text = error.to_string();
    let mut why = std::error::Error::source(error);
    while let Some(reason) = why {
        text = format!("{text}: {reason}");
        why = reason.source();
    }
    text
}
