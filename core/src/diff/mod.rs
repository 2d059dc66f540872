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
mod as_row;
mod budget;
pub mod canonical;
mod compared;
mod difference;
mod error;
mod events;
mod evidence;
mod extent;
mod ignore;
mod joiner;
mod judged;
mod known;
mod lcs;
mod learn;
mod mask;
mod pairing;
mod preset;
mod report;
mod rows;
mod rule;
mod ruled_side;
mod sequence;
mod side;
mod significance;
mod sums;
mod text_side;
mod trace_side;

pub use align::{Scratch, compare};
pub use budget::{BudgetError, BudgetRule, RUNS_DEFAULT, RUNS_MIN, measure};
pub use compared::{Compared, Fact, Facts, Key};
pub use difference::{Difference, Kind, Outcome, Place};
pub use error::{DiffError, Which};
pub use events::{EventDifference, EventReport, Keep, Logged, Shown, compare_events};
pub use evidence::{Around, DifferingBytes, Evidence, Writer};
pub use extent::{Beginning, Extent, Until};
pub use ignore::{Does, GetData, IgnoreRule, Left, Meant, RuleError, SideRules};
pub use judged::{Budget, Budgeted, Unit, Warning};
pub use learn::{Ignores, Learned, Learner, Proposal};
pub use mask::{Mask, MaskError};
pub use pairing::Pairing;
pub use preset::{PRESETS, Preset};
pub use report::{Bounds, Counts, Gatherer, Kept, Report, Run, Scope};
pub use rows::{RowSource, SideRows, TraceRows};
pub use rule::{Align, Barrier, Rule};
pub use ruled_side::RuledSide;
pub use side::{EpochSums, Part, Requests, Side};
pub use text_side::{TextError, TextSide, TextSurvey, survey as survey_text};
pub use trace_side::TraceSide;

#[cfg(test)]
mod tests;
