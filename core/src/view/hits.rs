//! Which requests of a trace a filter means, a little at a time: what a screen asks that goes on showing meanwhile.
//!
//! Readers of one trace and a filter in, places of requests out, in the order of issue. Columns are asked where they can say it,
//! rows where they cannot. Invariants: a step is short, however long the trace is; what is given out are the places of those that
//! [`Filter::matches`] means, each once, and ascending.

use std::cell::RefCell;
use std::error::Error;
use std::io::{Read, Seek};

use crate::event::PayloadId;
use crate::format::{ReadError, Reader, Target};
use crate::position::{Finder, Position};
use crate::query::{Asked, ColumnFilter, Filter, QueryError, Search, SearchError, Totals};
use crate::rows::{Joiner, Row, Rows};
use crate::units::Nanos;
use crate::view::pages::Page;

/// Rows that are looked at in one step.
const STEP_ROWS: usize = 4096;

/// Why hits cannot be looked for any further.
#[derive(Debug, thiserror::Error)]
pub enum HitsError {
    /// The trace cannot be opened once more.
    #[error("cannot open the trace once more: {0}")]
    Open(#[source] Box<dyn Error + Send + Sync>),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It has no such mark.
    #[error(transparent)]
    Mark(#[from] QueryError),
}

/// Opens a trace once more.
type Open<R> = Box<dyn Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send>;

/// A filter that goes over a trace.
pub struct Hits<R: Read + Seek> {
    open: Open<R>,
    pages: Vec<Page>,
    filter: Filter,
    /// Gets data, if the filter asks for any.
    data: Option<RefCell<Reader<R>>>,
    way: Way<R>,
    found: Vec<u64>,
    /// Of lower places it is known whether they are meant.
    decided: u64,
    /// Requests that were looked at.
    done: u64,
    /// Rows of events before this one are those of places that nobody asked for.
    from_event: u64,
}

/// How it goes on.
enum Way<R: Read + Seek> {
    /// Marks are looked for, and data; then the first pass begins, if there is one.
    Begin,
    /// All requests are added up once.
    First(Rows<Reader<R>>, Totals),
    /// Columns say which ids are meant.
    Columns(Box<Search<R>>),
    /// Rows say it; the next has this place.
    Rows(Rows<Reader<R>>, u64),
    Ended,
}

impl<R: Read + Seek> Hits<R> {
    /// Looks for what `filter` means in the trace that `open` opens, whose pages these are.
    pub fn new(
        filter: Filter,
        pages: Vec<Page>,
        open: impl Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    ) -> Hits<R> {
        let (way, found) = (Way::Begin, Vec::new());
        let (open, data) = (Box::new(open), None);
        Hits { open, pages, filter, data, way, found, decided: 0, done: 0, from_event: 0 }
    }

    /// Looks only at the request at this place and at those behind it, where that is enough; at all, where what a filter says of a
    /// request depends on those before. To be called before anything is looked for. What is given out may begin a little before.
    #[must_use]
    pub fn from(mut self, place: u64) -> Hits<R> {
        let next = self.pages.partition_point(|page| page.place <= place);
        if !Hits::<R>::needs_all(&self.filter)
            && let Some(page) = next.checked_sub(1).map(|page| self.pages[page])
        {
            (self.decided, self.done, self.from_event) =
                (page.place, page.place, page.first_event());
        }
        self
    }

    /// Whether what a filter says of a request depends on others before it, or on all.
    pub fn needs_all(filter: &Filter) -> bool {
        let needs = filter.needs();
        needs.first_pass || needs.marks || needs.context || needs.written
    }

    /// The places of the next that are meant, which may be none; `None` at the end of what is whole.
    pub fn next_found(&mut self) -> Result<Option<&[u64]>, HitsError> {
        self.found.clear();
        match std::mem::replace(&mut self.way, Way::Ended) {
            Way::Begin => self.way = self.begin()?,
            Way::First(mut rows, mut totals) => {
                self.way = if self.add(&mut rows, &mut totals)? {
                    Way::First(rows, totals)
                } else {
                    self.filter.settle(&totals);
                    self.done = 0;
                    self.by_columns()?
                };
            }
            Way::Columns(mut search) => {
                self.way = match search.next_found() {
                    Ok(Some(ids)) => {
                        let places: Option<Vec<u64>> =
                            ids.iter().map(|id| place(&self.pages, *id)).collect();
                        self.done = search.requests();
                        match places {
                            Some(places) => {
                                self.found = places;
                                Way::Columns(search)
                            }
                            // The trace grew meanwhile.
                            None => self.by_rows()?,
                        }
                    }
                    Ok(None) => Way::Ended,
                    Err(SearchError::Odd) => self.by_rows()?,
                    Err(SearchError::Read(error)) => return Err(error.into()),
                };
            }
            Way::Rows(mut rows, mut next) => {
                if self.ask(&mut rows, &mut next)? {
                    self.way = Way::Rows(rows, next);
                }
            }
            Way::Ended => return Ok(None),
        }
        if let Some(last) = self.found.last() {
            self.decided = last + 1;
        }
        Ok(Some(&self.found))
    }

    /// Goes over the next rows instead, in their order: each is handed to `take`, with whether it is meant. Whether there may be
    /// more. Pages are not asked, and whoever begins with this goes on with it.
    pub fn next_rows(&mut self, mut take: impl FnMut(&Row, bool)) -> Result<bool, HitsError> {
        self.way = match std::mem::replace(&mut self.way, Way::Ended) {
            Way::Begin => match self.begin()? {
                Way::Columns(_) => self.by_rows()?,
                way => way,
            },
            Way::First(mut rows, mut totals) => {
                if self.add(&mut rows, &mut totals)? {
                    Way::First(rows, totals)
                } else {
                    self.filter.settle(&totals);
                    self.done = 0;
                    self.by_rows()?
                }
            }
            Way::Columns(_) => self.by_rows()?,
            Way::Rows(mut rows, mut next) => {
                for _ in 0..STEP_ROWS {
                    let Some(row) = rows.next_row()? else { return Ok(false) };
                    let fetch = |id| fetch(self.data.as_ref(), id);
                    take(&row, self.filter.matches(Asked::with_data(&row, &fetch)));
                    next += 1;
                    self.done = next;
                }
                Way::Rows(rows, next)
            }
            Way::Ended => return Ok(false),
        };
        Ok(true)
    }

    /// Requests that were looked at, of those that the pages have; in a first pass those that were added up.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Whether requests are added up, before any is known to be meant.
    pub fn is_first_pass(&self) -> bool {
        matches!(self.way, Way::First(..))
    }

    fn begin(&mut self) -> Result<Way<R>, HitsError> {
        let needs = self.filter.needs();
        if needs.marks {
            let times = self.times()?;
            self.filter.settle_marks(&times)?;
        }
        if needs.data {
            let mut reader = self.reader()?;
            reader.seek(&Target::End)?;
            // It stands at the last chunk of events now, and those of data may lie between it and the end.
            while reader.next_event()?.is_some() {}
            self.data = Some(RefCell::new(reader));
        }
        if needs.first_pass {
            let totals = self.filter.first_pass();
            return Ok(Way::First(self.rows()?, totals));
        }
        self.by_columns()
    }

    fn reader(&self) -> Result<Reader<R>, HitsError> {
        (self.open)().map_err(HitsError::Open)
    }

    fn rows(&self) -> Result<Rows<Reader<R>>, HitsError> {
        let joiner = Joiner::new();
        let joiner = if self.filter.needs().written { joiner.knowing_written() } else { joiner };
        Ok(Rows::joined_by(joiner, self.reader()?))
    }

    /// Ids say which place a request has where no page lacks one.
    fn by_columns(&self) -> Result<Way<R>, HitsError> {
        match ColumnFilter::of(&self.filter) {
            _ if self.from_event > 0 => self.by_rows(),
            Some(columns) if self.pages.iter().all(Page::is_dense) => {
                Ok(Way::Columns(Box::new(Search::new(self.reader()?, columns))))
            }
            _ => self.by_rows(),
        }
    }

    fn by_rows(&self) -> Result<Way<R>, HitsError> {
        if self.from_event == 0 {
            return Ok(Way::Rows(self.rows()?, 0));
        }
        let mut reader = self.reader()?;
        let start = reader.seek(&Target::Event(self.from_event))?;
        Ok(Way::Rows(Rows::joined_by(Joiner::starting(&start), reader), self.decided))
    }

    /// Adds some rows up; whether there are more.
    fn add(&mut self, rows: &mut Rows<Reader<R>>, totals: &mut Totals) -> Result<bool, HitsError> {
        for _ in 0..STEP_ROWS {
            let Some(row) = rows.next_row()? else { return Ok(false) };
            let fetch = |id| fetch(self.data.as_ref(), id);
            totals.add(Asked::with_data(&row, &fetch));
            self.done += 1;
        }
        Ok(true)
    }

    /// Asks some rows; whether there are more.
    fn ask(&mut self, rows: &mut Rows<Reader<R>>, next: &mut u64) -> Result<bool, HitsError> {
        for _ in 0..STEP_ROWS {
            let Some(row) = rows.next_row()? else { return Ok(false) };
            if row.event < self.from_event {
                continue;
            }
            let fetch = |id| fetch(self.data.as_ref(), id);
            // What lies before was given out by columns, until something odd came.
            if *next >= self.decided && self.filter.matches(Asked::with_data(&row, &fetch)) {
                self.found.push(*next);
            }
            *next += 1;
            self.done = self.done.max(*next);
        }
        Ok(true)
    }

    /// The times of the marks that the filter names: of each the first, if there is one.
    fn times(&self) -> Result<Vec<Option<Nanos>>, HitsError> {
        let mut times = Vec::new();
        for mark in self.filter.marks() {
            let mut reader = self.reader()?;
            let position = Position::Mark(mark.clone());
            let Ok(mut finder) = Finder::new(position, reader.header()) else {
                times.push(None);
                continue;
            };
            finder.seek(&mut reader)?;
            let mut time = None;
            while time.is_none()
                && let Some((index, event)) = reader.next_event()?
            {
                time = finder.is_at(index, &event).then_some(event.time);
            }
            times.push(time);
        }
        Ok(times)
    }
}

fn fetch<R: Read + Seek>(data: Option<&RefCell<Reader<R>>>, id: PayloadId) -> Option<bytes::Bytes> {
    data?.borrow_mut().payload(id).ok()
}

/// The place of the request with this id, in pages that lack none.
fn place(pages: &[Page], id: u64) -> Option<u64> {
    let page = pages.partition_point(|page| page.ids.is_some_and(|(_, last)| last.0 < id));
    let page = pages.get(page)?;
    let before = id.checked_sub(page.ids?.0.0)?;
    Some(page.place.saturating_add(before))
}
