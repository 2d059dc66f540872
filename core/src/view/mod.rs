//! Views: the events of a trace or a log, made ready for somebody who looks at them.

pub mod findings;
mod folded;
pub mod stats;

pub use folded::{Fold, Folded, Hidden};
