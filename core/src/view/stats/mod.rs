//! Statistics: rows in, totals out, in one pass and in bounded memory.
//!
//! ```text
//! row ──around──▶ depth, distance, redundant?
//!  └─▶ tally (an operation: counts, spread of spans, sizes, places)   pace (time)   discipline (flushes)
//!      working_set (distinct bytes)   groups (by a field)
//! ```
//!
//! Rows that are not counted must pass as well: what a request is among others does not depend on who asks. Invariant: each
//! request that is counted is in the tally of its operation once.

mod around;
mod discipline;
mod groups;
mod pace;
mod pieces;
mod slices;
mod spread;
mod tally;
#[cfg(test)]
mod tests;
mod working_set;

use std::collections::{BTreeMap, HashSet};

pub use discipline::Discipline;
pub use groups::{Group, Groups, Key, Largest};
pub use pace::{Done, Pace, rate};
pub use pieces::Pieces;
pub use spread::Spread;
pub use tally::{Places, Sizes, Tally};
pub use working_set::Touched;

use crate::limits::STATS_CONNECTIONS_MAX;
use crate::request::{ConnectionId, Errno, Operation};
use crate::rows::Row;
use around::Surroundings;
use working_set::{Touch, WorkingSet};

/// What the requests of a trace amount to.
#[derive(Debug, Default)]
pub struct Stats {
    blocks: Vec<u64>,
    surroundings: Surroundings,
    tallies: [Tally; Operation::NAMES.len()],
    pace: Pace,
    discipline: Discipline,
    working_set: WorkingSet,
    errors: BTreeMap<Errno, u64>,
    connections: HashSet<ConnectionId>,
    connections_at_least: bool,
    last_connection: Option<ConnectionId>,
}

impl Stats {
    /// Nothing yet, of devices that prefer blocks of so many bytes, in their order.
    pub fn new(blocks: Vec<u64>) -> Stats {
        Stats { blocks, ..Stats::default() }
    }

    /// A request that is not counted, but stands among those that are. All must come in the order of their issue.
    pub fn pass(&mut self, row: &Row) {
        self.surroundings.take(row);
    }

    /// A request that is counted.
    pub fn count(&mut self, row: &Row) {
        let around = self.surroundings.take(row);
        let block = self.blocks.get(usize::from(row.device.0)).copied().unwrap_or(1);
        self.tallies[row.request.operation as usize].add(row, around, block);
        self.pace.add(row);
        self.discipline.add(row, around);
        if self.last_connection != Some(row.connection) {
            self.connect(row.connection);
        }
        let Some(end) = &row.completion else { return };
        if let Err(errno) = end.result {
            *self.errors.entry(errno).or_default() += 1;
            return;
        }
        let touch = match row.request.operation {
            Operation::Read => Touch::Read,
            Operation::Write => Touch::Write,
            _ => return,
        };
        self.working_set.touch(row.device, row.request.range, touch);
    }

    fn connect(&mut self, connection: ConnectionId) {
        self.last_connection = Some(connection);
        if self.connections.len() < STATS_CONNECTIONS_MAX {
            self.connections.insert(connection);
        } else if !self.connections.contains(&connection) {
            self.connections_at_least = true;
        }
    }

    /// No requests follow.
    pub fn finish(&mut self) {
        self.discipline.finish();
        self.working_set.settle();
    }

    /// The sums of one operation.
    pub fn of(&self, operation: Operation) -> &Tally {
        &self.tallies[operation as usize]
    }

    /// The operations of which there are requests, with their sums.
    pub fn operations(&self) -> impl Iterator<Item = (Operation, &Tally)> {
        let tallies = Operation::NAMES.iter().map(|(operation, _)| *operation).zip(&self.tallies);
        tallies.filter(|(_, tally)| tally.requests > 0)
    }

    /// A sum over all operations.
    pub fn sum(&self, of: impl Fn(&Tally) -> u64) -> u64 {
        self.tallies.iter().map(of).fold(0, u64::saturating_add)
    }

    /// How many requests of their device were in flight when each was issued, itself counted.
    pub fn depth(&self) -> Spread {
        let mut all = Spread::default();
        for tally in &self.tallies {
            all.merge(&tally.depth);
        }
        all
    }

    /// How much was done in which time.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// How data were made durable.
    pub fn discipline(&self) -> &Discipline {
        &self.discipline
    }

    /// What was read and written without an error, each byte once.
    pub fn touched(&self) -> Touched {
        self.working_set.touched()
    }

    /// The errors, with how many requests had them.
    pub fn errors(&self) -> &BTreeMap<Errno, u64> {
        &self.errors
    }

    /// How many connections the requests came over, and whether there may be more.
    pub fn connections(&self) -> (u64, bool) {
        (self.connections.len() as u64, self.connections_at_least)
    }
}
