//! The rows of a side, for what must know more of a request than is compared: filters and budgets.
//!
//! A closure that opens a trace in, rows out. Invariant: rows come from the beginning of the trace on, one for each request, in
//! the order of issue.

use std::error::Error;
use std::io::{Read, Seek};

use super::error::DiffError;
use crate::event::MarkName;
use crate::format::Reader;
use crate::position::{Finder, Position};
use crate::query::{Filter, Metric, QueryError};
use crate::rows::{self, Joiner, Row};
use crate::units::Nanos;

/// Rows, one after another.
pub trait SideRows {
    /// The next row; `None` after the last.
    fn next_row(&mut self) -> Result<Option<Row>, DiffError>;
}

/// What gives the rows of a side, again and again.
pub trait RowSource: Sync {
    /// All rows. With `written`, reads are told whether something had been written where they read.
    fn rows(&self, written: bool) -> Result<Box<dyn SideRows + Send + '_>, DiffError>;

    /// The filter that a text means for this side.
    fn filter(&self, text: &str) -> Result<Filter, QueryError>;

    /// The metric that a text means for this side.
    fn metric(&self, text: &str) -> Result<Metric, QueryError>;

    /// When the first mark of this name was put; `None` if there is none.
    fn mark(&self, name: &MarkName) -> Result<Option<Nanos>, DiffError>;
}

/// The rows of a trace, which `open` opens once more.
pub struct TraceRows<R> {
    open: Box<OpenReader<R>>,
    header: crate::format::Header,
    allows_loss: bool,
}

/// Opens a trace once more.
type OpenReader<R> = dyn Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + Sync;

impl<R: Read + Seek> TraceRows<R> {
    /// The rows of the trace that `open` opens. Fails if it cannot be opened now.
    pub fn new(
        open: impl Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Result<TraceRows<R>, DiffError> {
        let header = open().map_err(DiffError::Again)?.header().clone();
        Ok(TraceRows { open: Box::new(open), header, allows_loss: false })
    }

    /// Takes a trace that is cut or damaged as one that ends there.
    #[must_use]
    pub fn allowing_loss(self) -> TraceRows<R> {
        TraceRows { allows_loss: true, ..self }
    }
}

struct Rows<R> {
    rows: rows::Rows<Reader<R>>,
    allows_loss: bool,
}

impl<R: Read + Seek + Send> SideRows for Rows<R> {
    fn next_row(&mut self) -> Result<Option<Row>, DiffError> {
        let row = self.rows.next_row()?;
        if row.is_none()
            && !self.allows_loss
            && let Some(loss) = self.rows.loss()
        {
            return Err(DiffError::Loss(loss));
        }
        Ok(row)
    }
}

impl<R: Read + Seek + Send> RowSource for TraceRows<R> {
    fn rows(&self, written: bool) -> Result<Box<dyn SideRows + Send + '_>, DiffError> {
        let reader = (self.open)().map_err(DiffError::Again)?;
        let joiner = if written { Joiner::new().knowing_written() } else { Joiner::new() };
        let rows = rows::Rows::joined_by(joiner, reader);
        Ok(Box::new(Rows { rows, allows_loss: self.allows_loss }))
    }

    fn filter(&self, text: &str) -> Result<Filter, QueryError> {
        Filter::of(text, &self.header)
    }

    fn metric(&self, text: &str) -> Result<Metric, QueryError> {
        Metric::of(text, &self.header)
    }

    fn mark(&self, name: &MarkName) -> Result<Option<Nanos>, DiffError> {
        let mut reader = (self.open)().map_err(DiffError::Again)?;
        let position = Position::Mark(name.clone());
        // A mark is of no device.
        let Ok(mut finder) = Finder::new(position, &self.header) else { return Ok(None) };
        finder.seek(&mut reader)?;
        while let Some((index, event)) = reader.next_event()? {
            if finder.is_at(index, &event) {
                return Ok(Some(event.time));
            }
        }
        Ok(None)
    }
}
