//! Which request of one side is held against which of the other.
//!
//! ```text
//! epoch ── sums of epochs ── `runs` (which are equal) ── `slots` (which belong together else) ── `cancel` ──▶ `pool` ──▶ outcome
//!                                                   └── `bag` (epochs that do not fit the window) ──────────▲
//! key ── `bag` (all of a side) ─────────────────────────────────────────────────────────────────────────────┘
//! order ── `sequence` (windows over both) ──┬──▶ outcome
//! conflict ── by device ────────────────────┴── `kept` (what commutes, and what does not) ──▶ outcome
//! state ── by device: what each epoch wrote ── both disks side by side ── last writers ─────────────────────▶ outcome
//! ```
//!
//! Two sides and a rule in, an outcome is told. Invariant: every request of both sides is told of once; but by `state`, which
//! compares what they leave behind, only those of base are counted, and of new only those are told of who wrote what differs.

mod bag;
mod cancel;
mod conflict;
mod epoch;
mod key;
mod lost;
mod nearest;
mod order;
mod pool;
mod runs;
mod slots;
mod slotted;
mod split;
mod state;
#[cfg(test)]
mod tests;
mod wanted;

use std::fs::File;
use std::io;

use super::difference::Outcome;
use super::error::DiffError;
use super::rule::{Align, Rule};
use super::side::Side;

/// Makes files to work in: empty, and gone when they are closed.
pub type Scratch<'a> = &'a dyn Fn() -> io::Result<File>;

/// Compares two sides, and tells `outcome`, which may break it off. Only [`Align::State`] asks for `scratch`: two files for each
/// device, as large as the device at most.
pub fn compare(
    base: &dyn Side,
    new: &dyn Side,
    rule: &Rule,
    scratch: Scratch<'_>,
    outcome: &mut dyn Outcome,
) -> Result<(), DiffError> {
    match rule.align {
        Align::Epoch => epoch::compare(base, new, rule, outcome),
        Align::Key => key::compare(base, new, rule, outcome),
        Align::Order => order::compare(base, new, rule, outcome),
        Align::Conflict => conflict::compare(base, new, rule, outcome),
        Align::State => state::compare(base, new, rule, scratch, outcome),
    }
}
