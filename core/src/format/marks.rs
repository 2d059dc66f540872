//! The marks of a chunk in its summary, so that one can be found without reading bodies.
//!
//! Events in, bytes out, and back. Invariant: what a chunk's summary lists is what its events say, or the
//! chunk is not what was written.

use super::decode::{DecodeError, mark_name};
use super::varint::{Source, put};
use crate::event::{Event, EventKind, MarkName};
use crate::limits::MARKS_SUMMARY_BYTES;

/// The tag of the list in a summary.
const MARKS: u64 = 6;

/// Gathers the marks of a chunk that is being written.
#[derive(Debug, Default)]
pub(super) struct Marks {
    value: Vec<u8>,
    /// Place of the next event in the chunk.
    place: u64,
    /// Place after that of the mark before.
    after: u64,
}

impl Marks {
    /// Takes the next event of the chunk.
    pub(super) fn add(&mut self, event: &Event) {
        if let EventKind::Mark { name } = &event.kind {
            put(&mut self.value, self.place - self.after);
            put(&mut self.value, name.as_str().len() as u64);
            self.value.extend(name.as_str().as_bytes());
            self.after = self.place + 1;
        }
        self.place += 1;
    }

    /// Whether the chunk holds so many that it is to be closed.
    pub(super) fn is_full(&self) -> bool {
        self.value.len() >= MARKS_SUMMARY_BYTES
    }

    /// Appends the list to a summary, unless it is empty, and begins the next chunk.
    pub(super) fn take_into(&mut self, summary: &mut Vec<u8>) {
        let Marks { value, .. } = std::mem::take(self);
        if !value.is_empty() {
            put(summary, MARKS);
            put(summary, value.len() as u64);
            summary.extend(value);
        }
    }
}

/// The marks that a summary lists: the place of each in its chunk, and its name.
pub(super) fn listed(summary: &[u8]) -> Result<Vec<(u64, MarkName)>, DecodeError> {
    let mut marks = Vec::new();
    let mut source = Source::new(summary, 0);
    while source.left() > 0 {
        let tag = source.number()?;
        let length = source.number()?;
        let value = source.slice(length)?;
        if tag == MARKS {
            let mut value = Source::new(value, 0);
            let mut after: u64 = 0;
            while value.left() > 0 {
                let place = after.saturating_add(value.number()?);
                marks.push((place, mark_name(&mut value)?));
                after = place.saturating_add(1);
            }
        }
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::DeviceId;
    use crate::units::Nanos;

    fn add(marks: &mut Marks, kind: EventKind) {
        marks.add(&Event { time: Nanos(0), kind });
    }

    fn name(text: &str) -> MarkName {
        text.parse().unwrap()
    }

    #[test]
    fn marks_are_listed_at_their_places() {
        let mut marks = Marks::default();
        let mut summary = vec![99, 2, 1, 2];
        add(&mut marks, EventKind::Open { device: DeviceId(0) });
        add(&mut marks, EventKind::Mark { name: name("one") });
        add(&mut marks, EventKind::Mark { name: name("two") });
        add(&mut marks, EventKind::Close { device: DeviceId(0) });
        add(&mut marks, EventKind::Mark { name: name("one") });
        marks.take_into(&mut summary);
        let found = listed(&summary).unwrap();
        assert_eq!(found, [(1, name("one")), (2, name("two")), (4, name("one"))]);
        for end in 5..summary.len() {
            assert!(listed(&summary[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn a_chunk_without_marks_lists_none() {
        let mut marks = Marks::default();
        let mut summary = Vec::new();
        add(&mut marks, EventKind::Open { device: DeviceId(0) });
        marks.take_into(&mut summary);
        assert!(summary.is_empty() && listed(&summary).unwrap().is_empty());
    }

    #[test]
    fn a_chunk_is_full_of_marks_long_before_its_summary_is_too_long() {
        let mut marks = Marks::default();
        while !marks.is_full() {
            add(&mut marks, EventKind::Mark { name: name(&"x".repeat(255)) });
        }
        let mut summary = Vec::new();
        marks.take_into(&mut summary);
        assert!(summary.len() < MARKS_SUMMARY_BYTES + 300);
        assert!(!marks.is_full());
    }
}
