//! The rows that a filter means, in the order of issue: two readers of a trace in, rows out.
//!
//! One reader goes over columns and finds ids, the other picks the rows. Invariant: what is given out are the first rows that
//! reading all and asking the filter gives, and unless an error comes, all of them.

use std::io::{Read, Seek};

use super::pick::Picker;
use super::{ColumnFilter, Search, SearchError, blame};
use crate::format::{Loss, LossKind, Reader, Target};
use crate::query::Filter;
use crate::rows::Row;

/// Rows that are being found.
#[derive(Debug)]
pub struct Found<'f, R> {
    filter: &'f Filter,
    search: Search<R>,
    picker: Picker<R>,
}

impl<'f, R: Read + Seek> Found<'f, R> {
    /// Looks for what `filter` means in a trace that both readers have open, of which they have given out nothing. `None` if
    /// columns cannot say it, or it is not the same trace. The rows know nothing of what lies around a request.
    pub fn new(filter: &'f Filter, one: Reader<R>, other: Reader<R>) -> Option<Found<'f, R>> {
        let columns = ColumnFilter::of(filter)?;
        let is_same = (one.uuid(), one.salt()) == (other.uuid(), other.salt());
        is_same.then(|| Found {
            filter,
            search: Search::new(one, columns),
            picker: Picker::new(other),
        })
    }

    /// The next row; `None` after the last. After an error rows must be asked for the rest.
    pub fn next_row(&mut self) -> Result<Option<Row>, SearchError> {
        loop {
            if let Some(row) = self.picker.next_row()? {
                let is_meant = self.filter.matches(&row);
                return if is_meant { Ok(Some(row)) } else { Err(SearchError::Odd) };
            }
            let Some((found, decided)) = self.search.next_decided()? else { return Ok(None) };
            self.picker.want(found, decided);
        }
    }

    /// How many requests a trace has, of which `reader` has given out nothing; then, of each term of the filter, how many pass
    /// it and those before it.
    pub fn passed(filter: &Filter, reader: Reader<R>) -> Result<Vec<u64>, SearchError> {
        let columns = ColumnFilter::of(filter).ok_or(SearchError::Odd)?;
        blame::passed(reader, &columns)
    }

    /// Requests that were gone over.
    pub fn requests(&self) -> u64 {
        self.search.requests()
    }

    /// Whether the next row was found already.
    pub fn is_at_hand(&self) -> bool {
        self.picker.is_asked()
    }

    /// What is missing, once there was no next row. An error if something was in the way of knowing it, such as a trace that
    /// grew.
    pub fn into_loss(self) -> Result<Option<Loss>, SearchError> {
        if self.search.loss().is_some_and(is_damage) {
            return Err(SearchError::Odd);
        }
        // Columns do not say whether the recording ended as it should.
        let mut reader = self.picker.into_reader();
        reader.seek(&Target::End)?;
        while reader.next_event()?.is_some() {}
        if reader.end() != self.search.end() || reader.loss().is_some_and(is_damage) {
            return Err(SearchError::Odd);
        }
        Ok(reader.into_loss())
    }
}

/// Whether what is lost may be the end of a chunk whose beginning is whole.
pub(super) fn is_damage(loss: &Loss) -> bool {
    matches!(loss.kind, LossKind::Damaged(_))
}
