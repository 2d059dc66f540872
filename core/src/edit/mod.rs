//! Traces made of traces: one is read, another one is written. Knows no files and no devices.

mod anonymize;
mod compact;
mod copy;
mod error;
mod join;
mod kinds;
mod merge;
mod nameless;
mod notes;
mod select;
mod shuffle;
mod slice;
mod token;

#[cfg(test)]
mod tests;

pub use anonymize::{Removed, anonymize, group};
pub use compact::compact;
pub use error::EditError;
pub use join::{JoinError, Part, join};
pub use merge::{MergeError, Source, merge};
pub use nameless::nameless;
pub use select::{Chooser, Cut};
pub use shuffle::{Groups, Shuffle, TooManyExtents};
pub use slice::{Planned, plan_slice, slice};
pub use token::Key;
