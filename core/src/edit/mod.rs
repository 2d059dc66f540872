//! Traces made of traces: one is read, another one is written. Knows no files and no devices.

mod compact;
mod copy;
mod error;
mod notes;
mod select;
mod slice;

#[cfg(test)]
mod tests;

pub use compact::compact;
pub use error::EditError;
pub use select::{Chooser, Cut};
pub use slice::{Planned, plan_slice, slice};
