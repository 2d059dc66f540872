//! The rows that a filter means, in the order of issue: two readers of a trace in, rows out.
//!
//! One reader goes over columns and finds ids, the other picks the rows. Invariant: what is given out are the first rows that
//! reading all and asking the filter gives, and unless an error comes, all of them.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use super::pick::Picker;
use super::{ColumnFilter, Search, SearchError};
use crate::format::{Loss, LossKind, Reader, Target};
use crate::query::Filter;
use crate::rows::Row;

/// Rows that are being found.
#[derive(Debug)]
pub struct Found<'f, R> {
    filter: &'f Filter,
    search: Search<R>,
    picker: Picker<R>,
    /// Ids of rows that are next.
    ids: VecDeque<u64>,
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
            ids: VecDeque::new(),
        })
    }

    /// The next row; `None` after the last. After an error rows must be asked for the rest.
    pub fn next_row(&mut self) -> Result<Option<Row>, SearchError> {
        loop {
            if let Some(id) = self.ids.pop_front() {
                let row = self.picker.pick(id)?.filter(|row| self.filter.matches(row));
                return row.map(Some).ok_or(SearchError::Odd);
            }
            match self.search.next_found()? {
                Some(found) => self.ids.extend(found),
                None => return Ok(None),
            }
        }
    }

    /// Whether the next row was found already.
    pub fn is_at_hand(&self) -> bool {
        !self.ids.is_empty()
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
fn is_damage(loss: &Loss) -> bool {
    matches!(loss.kind, LossKind::Damaged(_))
}
