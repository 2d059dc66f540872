//! Traces made of traces: one is read, another one is written. Knows no files and no devices.

mod compact;

pub use compact::{CompactError, compact};
