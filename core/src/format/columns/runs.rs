//! The kinds of events in runs: a byte for most runs of events of one class.
//!
//! Knows what classes there are, not what they hold. Invariant: a run is never empty, and no more events are
//! claimed than the chunk says.

use super::super::decode::DecodeError;
use super::super::varint::{Source, put};
use super::Column;

/// What the events of a run are. The number is that in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    Issue = 0,
    Block = 1,
    Checkpoint = 2,
    Other = 3,
}

const CLASSES: [Class; 4] = [Class::Issue, Class::Block, Class::Checkpoint, Class::Other];

/// A run of this many events, or more, has a number behind its byte.
const LONG: u64 = 64;

/// Gathers runs.
#[derive(Debug, Default)]
pub(super) struct Runs {
    bytes: Vec<u8>,
    run: Option<(Class, u64)>,
}

impl Runs {
    /// Takes the next event.
    pub(super) fn add(&mut self, class: Class) {
        self.run = match self.run {
            Some((same, length)) if same == class => Some((class, length + 1)),
            other => {
                self.end(other);
                Some((class, 1))
            }
        };
    }

    /// The bytes of all runs.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let run = self.run.take();
        self.end(run);
        std::mem::take(&mut self.bytes)
    }

    fn end(&mut self, run: Option<(Class, u64)>) {
        let Some((class, length)) = run else { return };
        let short = length.min(LONG) - 1;
        self.bytes.push(class as u8 | short.to_le_bytes()[0] << 2);
        if length >= LONG {
            put(&mut self.bytes, length - LONG);
        }
    }
}

/// A run: the class of so many events.
pub(super) type Run = (Class, usize);

/// Takes all runs, which must be `count` events together; says how many there are of each class.
pub(super) fn runs(bytes: &[u8], count: u32) -> Result<(Vec<Run>, [usize; 4]), DecodeError> {
    let mut source = Source::new(bytes, 0);
    let (mut runs, mut each) = (Vec::new(), [0; 4]);
    let mut left = count as usize;
    while source.left() > 0 {
        let byte = source.byte()?;
        let mut length = u64::from(byte >> 2) + 1;
        if length == LONG {
            length = length.saturating_add(source.number()?);
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let wrong =
            DecodeError::Column { column: Column::Runs.name(), bytes: bytes.len(), count: left };
        left = left.checked_sub(length).ok_or(wrong)?;
        let class = CLASSES[usize::from(byte & 3)];
        runs.push((class, length));
        each[class as usize] += length;
    }
    if left > 0 {
        let column = Column::Runs.name();
        return Err(DecodeError::Column { column, bytes: bytes.len(), count: left });
    }
    Ok((runs, each))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(of: &[Run]) -> Vec<u8> {
        let mut gather = Runs::default();
        for (class, length) in of {
            (0..*length).for_each(|_| gather.add(*class));
        }
        gather.take()
    }

    #[test]
    fn runs_come_back_and_most_take_a_byte() {
        let of = [
            (Class::Other, 1),
            (Class::Issue, 63),
            (Class::Checkpoint, 1),
            (Class::Block, 64),
            (Class::Issue, 5000),
        ];
        let bytes = gathered(&of);
        assert_eq!(bytes.len(), 3 + 2 + 3);
        let (found, each) = runs(&bytes, 5129).unwrap();
        assert_eq!(found, of);
        assert_eq!(each, [5063, 64, 1, 1]);
        assert!(gathered(&[]).is_empty());
    }

    #[test]
    fn runs_of_more_or_fewer_events_than_the_chunk_has_are_refused() {
        let bytes = gathered(&[(Class::Issue, 70)]);
        assert!(runs(&bytes, 69).is_err() && runs(&bytes, 71).is_err());
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(runs(&huge, u32::MAX).is_err());
        assert!(runs(&[0xfc], 64).is_err(), "the number is missing");
    }
}
