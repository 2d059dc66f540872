//! Writes what is shown to a file, on a thread of its own, for as long as anybody wants it.
//!
//! An order in, a file out, and how far it is. Invariants: a file appears whole under its name, or not at all; it ends within a few
//! requests once it is not wanted any more, and nothing that was begun is left.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use blkreplay_core::edit::{self, Chooser, Cut, EditError};
use blkreplay_core::format::{ReadError, Reader};
use blkreplay_core::rows::{Row, Rows};
use roaring::RoaringTreemap;
use tempfile::NamedTempFile;

use crate::outlet::{Form, Kind, Outlet, Sink};

/// How long is written before it is told how far it is.
const EVERY: Duration = Duration::from_millis(100);

/// Opens the trace once more.
type Open<R> = Box<dyn Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send>;

/// What is to be written.
#[derive(Debug, Clone)]
pub struct Order {
    /// Tells it from others.
    pub number: u64,
    /// Where.
    pub path: PathBuf,
    /// What it is to hold.
    pub kind: Kind,
    /// The places that are shown; `None` for all.
    pub shown: Option<Arc<RoaringTreemap>>,
    /// The filter that chose them, as it was written.
    pub filter: Option<String>,
    /// A file that is there may go.
    pub overwrites: bool,
    /// Whether it is still wanted.
    pub fate: Fate,
}

/// Whether a file is still wanted, which those share who want it and who writes it.
#[derive(Debug, Clone, Default)]
pub struct Fate(Arc<AtomicU8>);

impl Fate {
    const WANTED: u8 = 0;
    const UNWANTED: u8 = 1;
    const PLACED: u8 = 2;

    /// Says that nobody wants it; false if it is being put in its place.
    pub fn stop(&self) -> bool {
        self.change(Fate::UNWANTED)
    }

    /// Says that it is being put in its place; false if nobody wants it.
    fn place(&self) -> bool {
        self.change(Fate::PLACED)
    }

    fn change(&self, to: u8) -> bool {
        let order = Ordering::Relaxed;
        self.0.compare_exchange(Fate::WANTED, to, order, order).is_ok()
    }

    fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Fate::WANTED
    }
}

/// How far it is.
#[derive(Debug)]
pub struct Told {
    /// The number of the order.
    pub number: u64,
    /// Requests that were looked at; of a trace each twice.
    pub done: u64,
    /// How it ended, if it did.
    pub end: Option<Result<Written, String>>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Requests.
    pub requests: u64,
    /// What is missing.
    pub note: Option<String>,
}

/// Begins.
pub fn start<R: Read + Seek + Send + 'static>(
    order: Order,
    outlet: Arc<dyn Outlet>,
    open: impl Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    tell: impl Fn(Told) + Send + 'static,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let number = order.number;
        let mut told_at = Instant::now();
        let mut heard = |done: u64| {
            if !order.fate.is_wanted() {
                return ControlFlow::Break(());
            }
            if told_at.elapsed() >= EVERY {
                told_at = Instant::now();
                tell(Told { number, done, end: None });
            }
            ControlFlow::Continue(())
        };
        let mut job =
            Job { order: &order, outlet: &*outlet, open: Box::new(open), heard: &mut heard };
        match job.write() {
            Err(Stop::Unwanted) => {}
            Err(Stop::Failed(why)) => tell(Told { number, done: 0, end: Some(Err(why)) }),
            Ok(written) => tell(Told { number, done: 0, end: Some(Ok(written)) }),
        }
    })
}

/// Why nothing was written.
enum Stop {
    /// Nobody wants it any more.
    Unwanted,
    /// This.
    Failed(String),
}

impl Stop {
    fn of(error: &dyn ToString) -> Stop {
        Stop::Failed(error.to_string())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::of(&error)
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Stop {
        Stop::of(&error)
    }
}

impl From<EditError> for Stop {
    fn from(error: EditError) -> Stop {
        match error {
            EditError::Interrupted { .. } => Stop::Unwanted,
            EditError::Loss(loss) => Stop::Failed(format!(
                "the trace is not whole: {loss}; blkreplay recover saves what is, and lines can be written"
            )),
            error => Stop::of(&error),
        }
    }
}

/// What is being done.
struct Job<'a, R> {
    order: &'a Order,
    outlet: &'a dyn Outlet,
    open: Open<R>,
    heard: &'a mut dyn FnMut(u64) -> ControlFlow<()>,
}

impl<R: Read + Seek + Send + 'static> Job<'_, R> {
    fn write(&mut self) -> Result<Written, Stop> {
        let path = &self.order.path;
        let file = begun_beside(path)?;
        let written = match self.order.kind {
            Kind::Lines(form) => self.lines(form, file.as_file())?,
            Kind::Trace => self.trace(file.as_file())?,
        };
        // Whoever sees the name after a power cut has all of it.
        file.as_file().sync_all()?;
        if !self.order.fate.place() {
            return Err(Stop::Unwanted);
        }
        let placed =
            if self.order.overwrites { file.persist(path) } else { file.persist_noclobber(path) };
        placed.map_err(|error| error.error)?;
        Ok(written)
    }

    fn reader(&self) -> Result<Reader<R>, Stop> {
        (self.open)().map_err(|error| Stop::of(&error))
    }

    fn lines(&mut self, form: Form, file: &File) -> Result<Written, Stop> {
        let mut out = BufWriter::new(file);
        out.write_all(&self.outlet.heading(form))?;
        let mut rows = Rows::new(self.reader()?.ahead());
        let mut chosen = Chosen::of(self.order);
        let mut requests = 0;
        while !chosen.is_past()
            && let Some(row) = rows.next_row()?
        {
            if chosen.takes() {
                out.write_all(&self.outlet.line(form, &row))?;
                requests += 1;
            }
            if (self.heard)(chosen.next).is_break() {
                return Err(Stop::Unwanted);
            }
        }
        out.flush()?;
        let loss = if chosen.is_past() { None } else { rows.loss() };
        let note = loss.map(|loss| format!("what lies behind is missing: {loss}"));
        Ok(Written { requests, note })
    }

    fn trace(&mut self, file: &File) -> Result<Written, Stop> {
        let cut = Cut::default();
        let (order, all) = (self.order, self.order.shown.is_none());
        let mut seen = 0;
        let planned = {
            let (mut reader, rows) = (self.reader()?, Rows::new(self.reader()?));
            let mut chosen = Chosen::of(order);
            let mut takes = |_: &Row| chosen.takes();
            let mut chooser = Chooser::new(rows, &mut takes);
            let heard = &mut self.heard;
            let mut heard = |done| {
                seen = done;
                heard(done)
            };
            edit::plan_slice(&mut reader, &cut, (!all).then_some(&mut chooser), &mut heard)?
        };
        let whole = self.reader()?.survey()?;
        let sink: Sink = Box::new(BufWriter::new(file.try_clone()?));
        let filter = order.filter.as_deref();
        let writer = self.outlet.trace(&whole, &planned, filter, sink).map_err(Stop::Failed)?;
        let (mut reader, rows) = (self.reader()?, Rows::new(self.reader()?));
        let mut chosen = Chosen::of(order);
        let mut takes = |_: &Row| chosen.takes();
        let mut chooser = Chooser::new(rows, &mut takes);
        let heard = &mut self.heard;
        let mut heard = |done| heard(seen + done);
        let (mut out, _) =
            edit::slice(&mut reader, writer, &planned, (!all).then_some(&mut chooser), &mut heard)?;
        out.flush()?;
        Ok(Written { requests: planned.requests(), note: None })
    }
}

/// Which requests are written, as they come in the order of the trace.
struct Chosen<'a> {
    shown: Option<&'a RoaringTreemap>,
    /// The place of the next.
    next: u64,
    /// The place behind the last that is written.
    end: u64,
}

impl Chosen<'_> {
    fn of(order: &Order) -> Chosen<'_> {
        let shown = order.shown.as_deref();
        let end = shown.map_or(u64::MAX, |shown| shown.max().map_or(0, |last| last + 1));
        Chosen { shown, next: 0, end }
    }

    /// Whether the next is written.
    fn takes(&mut self) -> bool {
        let place = self.next;
        self.next += 1;
        self.shown.is_none_or(|shown| shown.contains(place))
    }

    /// Whether no more are written.
    fn is_past(&self) -> bool {
        self.next >= self.end
    }
}

/// A new file in the directory where `path` is to be. An error does not name that file, of which nobody has heard.
pub(crate) fn begun_beside(path: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::new_in(directory_of(path)).map_err(|error| {
        let said = error.to_string();
        let (system, _) = said.split_once(" at path ").unwrap_or((&said, ""));
        io::Error::new(error.kind(), system)
    })
}

/// The directory that a file lies in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
