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
    /// It is read anew, for the trace grew: what was read before stands until that is done.
    again: Option<Box<Outline>>,
    /// What the trace had grown to when it was read.
    growth: u64,
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
    /// Begins anew if that is done and the trace has grown to something else since; whether it did.
    pub fn begin_again(&mut self, growth: u64) -> bool {
        let begins = self.is_done && self.again.is_none() && self.growth != growth;
        if begins {
            self.again = Some(Box::new(Outline { growth, ..Outline::default() }));
        }
        begins
    }

    /// Takes what was read.
    pub fn take(&mut self, outlined: Outlined) {
        if let Some(mut again) = self.again.take() {
            again.take(outlined);
            if again.is_done {
                *self = *again;
            } else {
                self.again = Some(again);
            }
            return;
        }
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
