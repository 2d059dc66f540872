//! Counts by operation: of a chunk, or of many added up. Events in, bytes out, and back.
//!
//! Invariant: sums saturate, so that no request a client thinks of can make them wrap.

use super::varint::{Source, SourceError, put};
use crate::event::{Event, EventKind};
use crate::request::Operation;

/// What was asked and answered, for one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperationCount {
    /// Requests issued.
    pub issues: u64,
    /// Completions released.
    pub completions: u64,
    /// Of these, how many said that it failed.
    pub errors: u64,
    /// Bytes asked for: the lengths of all that were issued.
    pub bytes: u64,
}

/// What was asked and answered, operation by operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperationCounts([OperationCount; Operation::NAMES.len()]);

impl OperationCounts {
    /// The operations that occur, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Operation, OperationCount)> {
        let all = Operation::NAMES.into_iter().zip(self.0);
        all.map(|((operation, _), count)| (operation, count))
            .filter(|(_, count)| *count != OperationCount::default())
    }

    /// All operations together.
    pub fn total(&self) -> OperationCount {
        let mut total = OperationCount::default();
        self.0.iter().for_each(|count| total.merge(count));
        total
    }

    pub(super) fn add(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Issue(issue) => {
                let count = &mut self.0[issue.request.operation as usize];
                count.issues += 1;
                count.bytes = count.bytes.saturating_add(issue.request.range.length);
            }
            EventKind::Block(block) => {
                let count = &mut self.0[block.operation as usize];
                count.completions += 1;
                count.errors += u64::from(block.result.is_err());
            }
            _ => {}
        }
    }

    pub(super) fn merge(&mut self, other: &OperationCounts) {
        self.0.iter_mut().zip(&other.0).for_each(|(count, other)| count.merge(other));
    }

    /// As it lies in a summary. Operations that do not occur are left out.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::new();
        for (operation, count) in self.iter() {
            value.push(operation as u8);
            for number in [count.issues, count.completions, count.errors, count.bytes] {
                put(&mut value, number);
            }
        }
        value
    }

    /// Reads what `encode` wrote. Operations that are not known are left out.
    pub(super) fn decode(value: &[u8]) -> Result<OperationCounts, SourceError> {
        let mut counts = OperationCounts::default();
        let mut source = Source::new(value, 0);
        while source.left() > 0 {
            let operation = usize::from(source.byte()?);
            let count = OperationCount {
                issues: source.number()?,
                completions: source.number()?,
                errors: source.number()?,
                bytes: source.number()?,
            };
            if let Some(place) = counts.0.get_mut(operation) {
                place.merge(&count);
            }
        }
        Ok(counts)
    }
}

impl OperationCount {
    fn merge(&mut self, other: &OperationCount) {
        self.issues = self.issues.saturating_add(other.issues);
        self.completions = self.completions.saturating_add(other.completions);
        self.errors = self.errors.saturating_add(other.errors);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> OperationCounts {
        let mut counts = OperationCounts::default();
        counts.0[1] = OperationCount { issues: 3, completions: 2, errors: 1, bytes: 12_288 };
        counts.0[4] = OperationCount { issues: 1, completions: 1, errors: 0, bytes: 0 };
        counts
    }

    #[test]
    fn counts_read_back_and_add_up() {
        let mut counts = OperationCounts::decode(&some().encode()).unwrap();
        assert_eq!(counts, some());
        counts.merge(&some());
        assert_eq!(counts.total().issues, 8);
        assert_eq!(counts.iter().count(), 2, "operations that do not occur are left out");
        counts.0[1].bytes = u64::MAX;
        assert_eq!(counts.total().bytes, u64::MAX);
        counts.merge(&some());
        assert_eq!(counts.total().bytes, u64::MAX, "sums saturate");
    }

    #[test]
    fn operations_that_are_not_known_are_skipped() {
        let mut value = some().encode();
        value.extend([77, 1, 1, 0, 0]);
        assert_eq!(OperationCounts::decode(&value), Ok(some()));
    }

    #[test]
    fn counts_cut_short_are_refused() {
        let value = some().encode();
        let first = 1 + 1 + 1 + 1 + 2;
        for end in (1..value.len()).filter(|end| *end != first) {
            assert!(OperationCounts::decode(&value[..end]).is_err(), "{end} bytes");
        }
    }
}
