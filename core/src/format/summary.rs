//! The summary of a chunk: counts that a reader can have without its body. Events in, bytes out, and back.
//!
//! A list of tagged values; a reader skips tags that it does not know. Invariant: sums saturate, so that
//! no request a client thinks of can make them wrap.

use super::varint::{Source, SourceError, put};
use crate::event::{Event, EventKind};
use crate::request::Operation;

/// The tag of [`OperationCounts`].
const OPERATIONS: u64 = 1;

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

    /// The summary section of a chunk of events.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::new();
        for (operation, count) in self.iter() {
            value.push(operation as u8);
            for number in [count.issues, count.completions, count.errors, count.bytes] {
                put(&mut value, number);
            }
        }
        let mut bytes = Vec::new();
        put(&mut bytes, OPERATIONS);
        put(&mut bytes, value.len() as u64);
        bytes.extend(value);
        bytes
    }

    /// Reads a summary section. Operations that are not known are left out, as are other tags.
    pub(super) fn decode(section: &[u8]) -> Result<OperationCounts, SourceError> {
        let mut counts = OperationCounts::default();
        let mut source = Source::new(section, 0);
        while source.left() > 0 {
            let tag = source.number()?;
            let length = source.number()?;
            let value = source.slice(length)?;
            if tag == OPERATIONS {
                counts.take(&mut Source::new(value, 0))?;
            }
        }
        Ok(counts)
    }

    fn take(&mut self, source: &mut Source<'_>) -> Result<(), SourceError> {
        while source.left() > 0 {
            let operation = usize::from(source.byte()?);
            let count = OperationCount {
                issues: source.number()?,
                completions: source.number()?,
                errors: source.number()?,
                bytes: source.number()?,
            };
            if let Some(place) = self.0.get_mut(operation) {
                place.merge(&count);
            }
        }
        Ok(())
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
    fn tags_and_operations_that_are_not_known_are_skipped() {
        let mut section = vec![99, 3, 1, 2, 3];
        section.extend(some().encode());
        section.extend([1, 5, 77, 1, 1, 0, 0]);
        assert_eq!(OperationCounts::decode(&section), Ok(some()));
    }

    #[test]
    fn a_summary_cut_short_is_refused() {
        let section = some().encode();
        for end in 1..section.len() {
            assert!(OperationCounts::decode(&section[..end]).is_err(), "{end} bytes");
        }
    }
}
