//! A request that a filter is asked about, with its data where somebody can get them.
//!
//! Row in, values out. Reads no files: who has a trace open passes in how data are got. Invariant: data are got at most once, and
//! only where a filter wants them.

use std::cell::OnceCell;
use std::fmt;

use bytes::Bytes;

use crate::event::{Payload, PayloadId};
use crate::limits::REQUEST_DATA_BYTES_MAX;
use crate::rows::Row;

/// Gets the data of a number, if the trace has them.
pub type Fetch<'a> = dyn Fn(PayloadId) -> Option<Bytes> + 'a;

/// A request, and how its data are got.
pub struct Asked<'a> {
    pub(super) row: &'a Row,
    fetch: Option<&'a Fetch<'a>>,
    kept: OnceCell<Option<Bytes>>,
}

impl<'a> Asked<'a> {
    /// A request whose data `fetch` can get.
    pub fn with_data(row: &'a Row, fetch: &'a Fetch<'a>) -> Asked<'a> {
        Asked { row, fetch: Some(fetch), kept: OnceCell::new() }
    }

    /// The data of the request; `None` where the trace does not have them.
    pub(super) fn data(&self) -> Option<&Bytes> {
        let get = || match self.row.payload {
            Payload::Absent | Payload::Digest(_) => None,
            Payload::Zeroes => {
                let length = self.row.request.range.length;
                let length = u32::try_from(length).ok()?;
                (length <= REQUEST_DATA_BYTES_MAX).then(|| vec![0; length as usize].into())
            }
            Payload::Stored(_, id) => self.fetch.and_then(|fetch| fetch(id)),
        };
        self.kept.get_or_init(get).as_ref()
    }

    /// Whether data were wanted that the request had and the trace does not have.
    pub fn lacked_data(&self) -> bool {
        self.row.request.data_bytes() > 0 && self.kept.get().is_some_and(Option::is_none)
    }
}

/// A request whose data nobody can get; all zeroes are known all the same.
impl<'a> From<&'a Row> for Asked<'a> {
    fn from(row: &'a Row) -> Asked<'a> {
        Asked { row, fetch: None, kept: OnceCell::new() }
    }
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("row", self.row).finish_non_exhaustive()
    }
}
