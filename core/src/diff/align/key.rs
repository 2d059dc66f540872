//! Whether two sides have the same requests, in whatever order: all of a side is one bag.
//!
//! Two sides in, differences out: what asks the same and differs in something else is changed, the rest is removed or added.
//! Invariant: nothing is moved, for there is no order.

use std::ops::ControlFlow;

use super::bag::{BUCKETS_MAX, Bags};
use super::pool::Pool;
use crate::diff::difference::{Outcome, Place};
use crate::diff::error::DiffError;
use crate::diff::rule::Rule;
use crate::diff::side::{Part, Side};

/// Compares two sides.
pub(super) fn compare(
    base: &dyn Side,
    new: &dyn Side,
    rule: &Rule,
    outcome: &mut dyn Outcome,
) -> Result<(), DiffError> {
    let bags = Bags { base: (base, Part::ALL), new: (new, Part::ALL), rule };
    let summed = bags.sum_up(BUCKETS_MAX as u64)?;
    let mut pool = Pool::new(rule, outcome);
    pool.slot(Place::default());
    if bags.compare(&summed, &mut pool)? == ControlFlow::Continue(()) {
        // Whether more is wanted does not matter any more.
        let _ = pool.settle();
    }
    Ok(())
}
