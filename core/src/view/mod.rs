//! Views: the events of a trace or a log, made ready for somebody who looks at them.

pub mod findings;
mod folded;
mod hits;
mod pages;
pub mod stats;

pub use folded::{Fold, Folded, Hidden};
pub use hits::{Hits, HitsError};
pub use pages::{Page, Pages};
