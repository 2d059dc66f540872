//! By which rule two traces are the same.

use super::compared::{Fact, Facts};
use crate::request::{Flags, Operation, Request};

/// Which request of one side is held against which of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Align {
    /// In the order of issue, over all devices.
    Order,
    /// By epoch: in each, the same requests in any order.
    #[default]
    Epoch,
    /// As partial orders: only the order of conflicting requests counts.
    Conflict,
    /// The same requests in the whole trace, by operation, offset and length.
    Key,
    /// What the disk holds at every barrier.
    State,
}

impl Align {
    /// All alignments with their names.
    pub const NAMES: [(Align, &'static str); 5] = [
        (Align::Order, "order"),
        (Align::Epoch, "epoch"),
        (Align::Conflict, "conflict"),
        (Align::Key, "key"),
        (Align::State, "state"),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// What ends an epoch, once it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Barrier {
    /// A flush.
    #[default]
    Flush,
    /// A flush, and a request with FUA.
    FlushFua,
    /// Nothing: all of a trace is one epoch.
    None,
}

impl Barrier {
    /// All of them with their names.
    pub const NAMES: [(Barrier, &'static str); 3] =
        [(Barrier::Flush, "flush"), (Barrier::FlushFua, "flush,fua"), (Barrier::None, "none")];

    /// The name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// Whether `request` is one.
    pub fn is(self, request: &Request) -> bool {
        match self {
            Barrier::Flush => request.operation == Operation::Flush,
            Barrier::FlushFua => {
                request.operation == Operation::Flush || request.flags.contains(Flags::FUA)
            }
            Barrier::None => false,
        }
    }
}

/// By which rule two traces are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// How requests are paired.
    pub align: Align,
    /// What of them is compared.
    pub facts: Facts,
    /// What ends an epoch.
    pub barrier: Barrier,
    /// Requests of each side that are looked at together: an alignment gives up beyond.
    pub window: usize,
}

impl Default for Rule {
    fn default() -> Rule {
        Rule { align: Align::Epoch, facts: Facts::ALL, barrier: Barrier::Flush, window: 1 << 16 }
    }
}

impl Rule {
    /// The facts by which requests are paired before the others are compared: what and where.
    pub fn shape(&self) -> Facts {
        let shape = [Fact::Operation, Fact::Offset, Fact::Length];
        let compared = shape.into_iter().filter(|fact| self.facts.has(*fact));
        compared.fold(Facts::NONE, Facts::with)
    }
}
