//! Whether the summary of a chunk says what its events say: it is made again, as the writer made it.
//!
//! Events in, a fault for each value that differs. Invariant: values that this version does not know are
//! passed over.

use std::collections::BTreeMap;

use super::fault::Fault;
use crate::event::Event;
use crate::format::loss::Damage;
use crate::format::marks::Marks;
use crate::format::summary::OperationCounts;
use crate::format::varint::{Source, SourceError};

/// The tags that [`Recount`] makes: whatever else a summary has is passed over.
const KNOWN: [u64; 2] = [1, 6];

/// The summary of a chunk, made again.
#[derive(Debug, Default)]
pub(super) struct Recount {
    counts: OperationCounts,
    marks: Marks,
}

impl Recount {
    /// Takes the next event of the chunk.
    pub(super) fn add(&mut self, event: &Event) {
        self.counts.add(event);
        self.marks.add(event);
    }

    /// An event that is not known takes its place in the chunk.
    pub(super) fn skip(&mut self) {
        self.marks.skip();
    }

    /// Compares with what the chunk says, and begins the next one.
    pub(super) fn compare(&mut self, summary: &[u8], faults: &mut Vec<Fault>) {
        let mut made = std::mem::take(&mut self.counts).encode();
        self.marks.take_into(&mut made);
        let said = match values(summary) {
            Ok(said) => said,
            Err(error) => {
                faults.push(Damage::Summary(error).into());
                return;
            }
        };
        // What was just made can be read.
        let made = values(&made).unwrap_or_default();
        let differs = KNOWN.into_iter().filter(|tag| said.get(tag) != made.get(tag));
        faults.extend(differs.map(|tag| Fault::Summary { tag }));
    }
}

/// The values of a summary by their tags.
fn values(summary: &[u8]) -> Result<BTreeMap<u64, &[u8]>, SourceError> {
    let mut values = BTreeMap::new();
    let mut source = Source::new(summary, 0);
    while source.left() > 0 {
        let tag = source.number()?;
        let length = source.number()?;
        values.insert(tag, source.slice(length)?);
    }
    Ok(values)
}
