//! What `diff` does around the alignments of core: opens two sides, compares them, and brings reports to where they belong.
//!
//! Paths as typed come in, pairs that were compared go out. Invariant: whatever cannot be compared is told as trouble in every
//! report, and never as a difference.

/// Taking a new trace for a baseline.
pub(crate) mod accept;
/// Baselines and their new traces.
pub(crate) mod baselines;
/// A comparison that the inspector shows.
pub(crate) mod inspected;
/// What `--learn` prints.
pub(crate) mod learned;
mod logs;
/// Two paths that are compared.
pub(crate) mod pair;
mod refuse;
/// Where reports go, and in which format.
pub(crate) mod reports;
mod ruled;
/// By what a pair is compared.
pub(crate) mod settle;
/// Two folders of traces.
pub(crate) mod suite;
mod texts;
mod trouble;
mod whole;
