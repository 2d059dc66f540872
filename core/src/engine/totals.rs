//! What an engine has released so far, as numbers. Completions in, counts out.
//!
//! Invariant: a completion is counted when it is released, and once.

use super::driver::Released;
use crate::request::Operation;

/// What was released so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Requests of any kind.
    pub requests: u64,
    /// Flushes among them.
    pub flushes: u64,
    /// Requests that failed or were refused.
    pub errors: u64,
}

impl Totals {
    pub(super) fn count(&mut self, released: &Released) {
        self.requests += 1;
        self.flushes += u64::from(released.request.operation == Operation::Flush);
        self.errors += u64::from(released.result.is_err());
    }
}
