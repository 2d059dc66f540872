//! Whether two traces say the same, and where they do not: two sides in, differences out.
//!
//! ```text
//! trace ──side──▶ requests as compared ─┐
//!                   ▲ rule              ├─ an alignment ──▶ same …, difference, same … ──▶ whoever reports
//! trace ──side──▶ requests as compared ─┘
//! ```
//!
//! A [`Side`] can be gone over again and again, whole or in parts; the [`Rule`] says what of a request is compared. An
//! alignment says which request of one side is held against which of the other. Invariants: nothing is the same that could not
//! be compared; memory is bounded by the rule's window, not by the sides; trouble is an error, never a difference.

mod ahead;
mod align;
mod compared;
mod difference;
mod error;
mod events;
mod evidence;
mod extent;
mod joiner;
mod judged;
mod lcs;
mod pairing;
mod report;
mod rule;
mod sequence;
mod side;
mod sums;
mod trace_side;

pub use align::compare;
pub use compared::{Compared, Fact, Facts, Key};
pub use difference::{Difference, Kind, Outcome, Place};
pub use error::{DiffError, Which};
pub use events::{EventDifference, EventReport, Keep, Logged, Shown, compare_events};
pub use evidence::{Around, DifferingBytes, Evidence, Writer};
pub use extent::{Beginning, Extent, Until};
pub use judged::{Budget, Budgeted, Unit, Warning};
pub use pairing::Pairing;
pub use report::{Bounds, Counts, Gatherer, Kept, Report, Run, Scope};
pub use rule::{Align, Barrier, Rule};
pub use side::{EpochSums, Part, Requests, Side};
pub use trace_side::TraceSide;

#[cfg(test)]
mod tests;
