//! Reads the trace on a thread of its own, so that the screen never waits for it.
//!
//! Wishes come in, what was read goes out. New wishes take the place of those that are not done; a search looks between two
//! pages whether it is still wanted. Knows no screen.

mod searching;

use std::error::Error;
use std::io::{Read, Seek};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use blkreplay_core::event::PayloadId;
use blkreplay_core::format::{ReadError, Reader, Survey};
use blkreplay_core::rows::Row;
use blkreplay_core::view::{Page, Pages};
use bytes::Bytes;

use crate::around::{Around, around};
use crate::search::{Ended, Search};
use crate::state::requests::Missing;
use crate::words;

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
    /// The trace is not whole.
    Loss(String),
    /// Something cannot be read.
    Unreadable(String),
}

/// The thread's end of a channel is gone: nobody looks any more.
struct Gone;

/// Begins to read; `again` opens the trace once more. What was read is handed to `tell`, which says whether anybody still looks.
pub fn start<R: Read + Seek + Send + 'static>(
    reader: Reader<R>,
    again: impl FnOnce() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    tell: impl Fn(Told) -> bool + Send + 'static,
) -> Sender<Vec<Wish>> {
    let (sender, wishes) = channel();
    thread::spawn(move || {
        let mut loader = match Pages::new(reader) {
            Ok(pages) => Loader { pages, wishes, tell },
            Err(error) => {
                tell(Told::Unreadable(told(&error)));
                return;
            }
        };
        let pages = loader.pages.all().to_vec();
        if (loader.tell)(Told::Pages(pages)) && loader.survey(again).is_ok() {
            // It ends when nobody looks any more.
            let Err(Gone) = loader.run();
        }
    });
    sender
}

struct Loader<R, T> {
    pages: Pages<R>,
    wishes: Receiver<Vec<Wish>>,
    tell: T,
}

impl<R: Read + Seek, T: Fn(Told) -> bool> Loader<R, T> {
    fn run(&mut self) -> Result<std::convert::Infallible, Gone> {
        let mut todo = Vec::new();
        loop {
            if todo.is_empty() {
                todo = self.wishes.recv().map_err(|_| Gone)?;
            }
            todo = self.newest()?.unwrap_or(todo);
            if !todo.is_empty() {
                let wish = todo.remove(0);
                self.fulfil(&wish, &mut todo)?;
            }
        }
    }

    /// Looks whether the trace is whole.
    fn survey(
        &self,
        again: impl FnOnce() -> Result<Reader<R>, Box<dyn Error + Send + Sync>>,
    ) -> Result<(), Gone> {
        let surveyed = again().map_err(|error| error.to_string());
        let surveyed = surveyed.and_then(|reader| reader.survey().map_err(|error| told(&error)));
        match surveyed {
            Ok(Survey { loss: Some(loss), .. }) => self.tell(Told::Loss(loss.to_string())),
            Ok(Survey { facts, .. }) if facts.lost > 0 => {
                let events = words::count(facts.lost);
                self.tell(Told::Loss(format!("the recorder dropped {events} events")))
            }
            Ok(_) => Ok(()),
            Err(error) => self.tell(Told::Loss(error)),
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
                let around = around(&mut self.pages, *place, row);
                self.tell(Told::Around(around))
            }
            Wish::Search(search) => self.search(search, todo),
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
