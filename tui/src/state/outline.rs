//! What the summaries of a trace's chunks say of it, as far as they were read.
//!
//! Parts come in, a few at a time. Invariant: parts are in the order of time.

use blkreplay_core::format::{OperationCount, Sketch};
use blkreplay_core::request::Operation;

use crate::outline::{Outlined, Part, Total};

/// The outline.
#[derive(Debug, Default)]
pub struct Outline {
    parts: Vec<Part>,
    total: Total,
    is_done: bool,
    error: Option<String>,
}

/// Sums of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Outlines<'a> {
    /// The operation.
    pub operation: Operation,
    /// What was asked and answered.
    pub count: OperationCount,
    /// How long completions took; of some of them.
    pub latency: &'a Sketch,
}

impl Outline {
    /// Takes what was read.
    pub fn take(&mut self, outlined: Outlined) {
        self.parts.extend(outlined.parts);
        self.total = outlined.total;
        self.is_done = outlined.is_done;
        self.error = outlined.error;
    }

    /// What each chunk says.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What all say together.
    pub fn total(&self) -> &Total {
        &self.total
    }

    /// Whether all that can be read was read.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether it says something of every chunk.
    pub fn is_whole(&self) -> bool {
        self.is_done && self.error.is_none() && self.total.unread == 0
    }

    /// The operations of which there are requests, with their sums.
    pub fn operations(&self) -> impl Iterator<Item = Outlines<'_>> {
        let of = |(operation, _): (Operation, &str)| {
            let at = operation as usize;
            let (count, latency) = (self.total.operations[at], &self.total.latencies[at]);
            Outlines { operation, count, latency }
        };
        Operation::NAMES.into_iter().map(of).filter(|sums| sums.count.issues > 0)
    }

    /// Requests of all operations.
    pub fn sum(&self, of: impl Fn(&OperationCount) -> u64) -> u64 {
        self.total.operations.iter().map(of).fold(0, u64::saturating_add)
    }
}
