//! Why a body of events is none.
//!
//! Knows no bytes. Invariant: each reason has the place, the value found and, where there is one, the limit.

use super::varint::SourceError;
use crate::event::MarkNameError;
use crate::limits::COLUMNS_EVENTS_MAX;

/// Why a body does not decode. Places are bytes of the unpacked body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not those of a number, or end inside a value.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A value is none that the format knows.
    #[error("byte {at}: {what} is {found}, which this version does not know")]
    Value {
        /// Where the value ends.
        at: usize,
        /// Which value.
        what: &'static str,
        /// What it is.
        found: u64,
    },
    /// A text is longer than it may be.
    #[error("byte {at}: {what} has {found} bytes, at most {bytes_max} are allowed")]
    Long {
        /// Where its length ends.
        at: usize,
        /// Which text.
        what: &'static str,
        /// Its length.
        found: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// A text is not UTF-8.
    #[error("byte {at}: {what} is not UTF-8")]
    Text {
        /// Where the text ends.
        at: usize,
        /// Which text.
        what: &'static str,
    },
    /// A text is no name of a mark.
    #[error("byte {at}: {source}")]
    Mark {
        /// Where the text ends.
        at: usize,
        /// Why.
        source: MarkNameError,
    },
    /// A request came before the recording began.
    #[error("byte {at}: a request came {early} ns before its event, which is at {time} ns")]
    Early {
        /// Where that is said.
        at: usize,
        /// How early it came.
        early: u64,
        /// When its event is.
        time: u64,
    },
    /// Bytes are left after the last event.
    #[error("byte {at}: {left} bytes follow the last event")]
    Trailing {
        /// Where they begin.
        at: usize,
        /// How many.
        left: usize,
    },
    /// A column does not hold what the chunk says.
    #[error("the column of {column} has {bytes} bytes, which do not hold {count} values")]
    Column {
        /// Which.
        column: &'static str,
        /// Its length.
        bytes: usize,
        /// What it is to hold.
        count: usize,
    },
    /// A chunk in columns claims more events than one may hold.
    #[error("{found} events in columns, at most {COLUMNS_EVENTS_MAX} are allowed in a chunk")]
    Events {
        /// What it says.
        found: u32,
    },
    /// The header of the chunk says another time of the last event.
    #[error("the last event is at {found} ns, the chunk says {said} ns")]
    TimeLast {
        /// What the events say.
        found: u64,
        /// What the header says.
        said: u64,
    },
}
