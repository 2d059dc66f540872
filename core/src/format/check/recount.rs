//! Whether summaries and indexes say what the chunks say: they are made again, as the writer made them.
//!
//! Events and chunks in, a fault for each thing that differs. Invariant: after damage, only what does not
//! depend on what is missing is compared; no more than `CHECK_ENTRIES_MAX` chunks are kept in mind.

use std::collections::BTreeMap;

use super::fault::Fault;
use crate::event::{Event, EventKind};
use crate::format::chunks::Chunk;
use crate::format::decode::DecodeError;
use crate::format::index::{ChunkEntry, End, Index};
use crate::format::loss::Damage;
use crate::format::summarize::Summarizer;
use crate::format::summary::{Summary, for_each_tag};
use crate::limits::CHECK_ENTRIES_MAX;

/// The tags that every summary has, unless they are empty.
const OPERATIONS: u64 = 1;
const MARKS: u64 = 6;

/// The tags that depend on all events before the chunk: what is open at its end, and epochs.
const STATE: u64 = 4;
const EPOCHS: u64 = 5;

/// The tag that depends on the index before.
const INDEX: u64 = 7;

/// All tags that this version makes; others are passed over.
const TAGS: std::ops::RangeInclusive<u64> = 1..=INDEX;

/// Makes again what the writer of a trace made beside its events.
#[derive(Debug)]
pub(super) struct Recount {
    summarizer: Summarizer,
    /// The summaries have all that this version makes; others have operations and marks.
    has_all: bool,
    /// No event is missing so far.
    sure: bool,
    /// Where the last index lies, if there is one.
    previous: Option<u64>,
    /// There may be a later one.
    lost_previous: bool,
    /// The next index; `None` if something is missing that it should tell of.
    next: Option<Index>,
}

impl Recount {
    /// Stands at the beginning. A file that does not end with an index need not have all that summaries may have.
    pub(super) fn new(ends_with_index: bool) -> Recount {
        Recount {
            summarizer: Summarizer::new(),
            has_all: ends_with_index,
            sure: true,
            previous: None,
            lost_previous: false,
            next: Some(Index::default()),
        }
    }

    /// Something is missing here.
    pub(super) fn missing(&mut self) {
        self.sure = false;
        self.lost_previous = true;
        self.next = None;
    }

    /// Takes the next event of a chunk.
    pub(super) fn add(&mut self, event: &Event) {
        self.summarizer.add(event);
        if let (EventKind::End { status }, Some(next)) = (&event.kind, &mut self.next) {
            next.end = End::Said(*status);
        }
    }

    /// An event that is not known takes its place in the chunk.
    pub(super) fn skip(&mut self) {
        self.summarizer.skip();
    }

    /// Forgets the events of a chunk that could not be decoded to its end.
    pub(super) fn drop_chunk(&mut self) {
        self.summarizer.take(None);
        self.missing();
    }

    /// Compares a chunk's events with its summary, and begins the next one. Gives what the summary should be.
    pub(super) fn compare(&mut self, section: &[u8], faults: &mut Vec<Fault>) -> Summary {
        let summary = self.summarizer.take(self.previous);
        let made = summary.encode();
        // Both can be read: one was just made, of the other its reader told before.
        let said = values(section).unwrap_or_default();
        let made = values(&made).unwrap_or_default();
        // A writer that lost track of what is open leaves both out.
        let tracks = self.sure && said.contains_key(&STATE);
        let compared = TAGS.filter(|tag| match *tag {
            OPERATIONS | MARKS => true,
            STATE | EPOCHS => tracks,
            INDEX if self.lost_previous => false,
            _ => self.has_all || said.contains_key(tag),
        });
        let differs = compared.filter(|tag| said.get(tag) != made.get(tag));
        faults.extend(differs.map(|tag| Fault::Summary { tag }));
        summary
    }

    /// Takes a whole chunk that is no index, and what its summary should be.
    pub(super) fn chunk(&mut self, chunk: &Chunk, summary: &Summary) {
        let Some(next) = &mut self.next else { return };
        match next.totals.add(&chunk.header, summary) {
            Ok(totals) if next.entries.len() < CHECK_ENTRIES_MAX => {
                next.totals = totals;
                next.entries.extend(ChunkEntry::of(chunk.offset, &chunk.header, summary));
            }
            // A fault of its own was told, or nobody writes an index.
            _ => self.next = None,
        }
    }

    /// Compares an index with the chunks before it.
    pub(super) fn index(&mut self, chunk: &Chunk, body: &[u8], faults: &mut Vec<Fault>) {
        match (Index::decode(body, chunk.offset, chunk.header.count), &self.next) {
            (Err(error), _) => faults.push(Damage::Index(error).into()),
            (Ok(said), Some(made)) if said != *made => faults.push(Fault::Index),
            (Ok(_), _) => {}
        }
        self.previous = Some(chunk.offset);
        self.lost_previous = false;
        if let Some(next) = &mut self.next {
            next.previous = Some(chunk.offset);
            next.entries.clear();
            // It counts itself among the chunks that the next one sums up.
            match next.totals.add(&chunk.header, &chunk.summary) {
                Ok(totals) => next.totals = totals,
                Err(_) => self.next = None,
            }
        }
    }
}

/// The values of a summary by their tags. One that is empty says nothing.
fn values(section: &[u8]) -> Result<BTreeMap<u64, Vec<u8>>, DecodeError> {
    let mut values = BTreeMap::new();
    for_each_tag(section, |tag, value| {
        if !value.is_empty() {
            values.insert(tag, value.to_vec());
        }
        Ok::<(), DecodeError>(())
    })?;
    Ok(values)
}
