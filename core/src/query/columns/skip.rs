//! Which chunks a filter can mean nothing of, by what their summaries say: a chunk's place in time and a summary in, yes or no
//! out.
//!
//! Of numbers that a summary does not bound, all are taken to be there. Invariant: where a chunk is passed over, no request that
//! was issued or answered there is meant, as long as the summary says what its events say, answers repeat the operation of
//! their request, and none arrived before it was issued unless the header says replay, recovered or edited. What holds of
//! requests that are never answered is not said here: who passes over a chunk waits until none of its own is open.

use std::collections::VecDeque;

use super::ColumnFilter;
use super::compile::{Node, Numbers, Small};
use crate::format::{ChunkEntry, Edits, Header, Sketch, Summary};
use crate::request::Operation;

/// Chunks with open requests that are told apart; older ones are put together.
const BEFORE_MAX: usize = 64;

const SECTOR: u64 = 512;

/// First and last of some numbers.
type Span = (u64, u64);

/// Looks at one chunk after the other.
#[derive(Debug)]
pub(super) struct Skipper {
    /// Bounds of chunks of which requests may be open, oldest first.
    before: VecDeque<Asked>,
    /// Requests may have arrived before the chunk that says so begins.
    early: bool,
}

/// Bounds of what was asked in a chunk, or several.
#[derive(Debug, Clone, Copy)]
struct Asked {
    ids: Span,
    times: Span,
    /// First byte, and the byte behind the last, of those that are not empty; `None` if all are.
    bytes: Option<Span>,
}

/// A request of which little is known.
#[derive(Debug, Clone, Copy)]
struct Someone<'s> {
    operation: Operation,
    asked: Asked,
    /// `None` if all latencies may be.
    latencies: Option<&'s Sketch>,
    /// It may have failed.
    fails: bool,
}

impl Skipper {
    /// Stands at the beginning of a trace with this header.
    pub(super) fn new(header: &Header) -> Skipper {
        // Only replays write such; an edit may have made another trace of one.
        let early = header.replay.is_some()
            || header.recovered.is_some()
            || header.edits != Edits::default();
        Skipper { before: VecDeque::new(), early }
    }

    /// Whether nothing that was issued or answered in the next chunk can be meant.
    pub(super) fn passes(
        &mut self,
        filter: &ColumnFilter,
        entry: &ChunkEntry,
        summary: &Summary,
    ) -> bool {
        let own = self.asked(entry, summary);
        let total = summary.operations.total();
        let mut operations = summary.operations.iter();
        // A summary that counts nothing says nothing.
        let counted =
            (total.issues > 0 || total.completions > 0) && (total.issues > 0) == own.is_some();
        if !filter.asks_completions {
            let meant = operations.any(|(operation, count)| {
                let someone =
                    own.map(|asked| Someone { operation, asked, latencies: None, fails: true });
                count.issues > 0
                    && someone.is_some_and(|someone| someone.may_be_meant(&filter.node))
            });
            return counted && !meant;
        }
        self.before.extend(own);
        if self.before.len() > BEFORE_MAX
            && let (Some(one), Some(other)) = (self.before.pop_front(), self.before.pop_front())
        {
            self.before.push_front(one.and(other));
        }
        let all = self.before.iter().copied().reduce(Asked::and);
        let meant = operations.any(|(operation, count)| {
            let Some(asked) = all.filter(|_| count.completions > 0) else { return false };
            let latencies = summary.latencies.iter().find(|(of, _)| *of == operation);
            let latencies = latencies.map(|(_, sketch)| sketch);
            let latencies = latencies.filter(|sketch| sketch.total() == count.completions);
            let fails = count.errors > 0;
            Someone { operation, asked, latencies, fails }.may_be_meant(&filter.node)
        });
        let Some(open) = summary.open_ids() else { return false };
        match open.first() {
            Some(oldest) => {
                while self.before.front().is_some_and(|asked| asked.ids.1 < oldest.0) {
                    self.before.pop_front();
                }
            }
            None => self.before.clear(),
        }
        counted && !meant
    }

    fn asked(&self, entry: &ChunkEntry, summary: &Summary) -> Option<Asked> {
        let ranges = summary.ranges?;
        let arrived = if self.early { 0 } else { entry.time_first.0 };
        let some = ranges.offset_end > 0;
        Some(Asked {
            ids: (ranges.id_first.0, ranges.id_last.0),
            times: (arrived, entry.time_last.0),
            bytes: some.then_some((ranges.offset_first, ranges.offset_end)),
        })
    }
}

impl Asked {
    fn and(self, other: Asked) -> Asked {
        let span = |one: Span, other: Span| (one.0.min(other.0), one.1.max(other.1));
        let bytes = match (self.bytes, other.bytes) {
            (Some(one), Some(other)) => Some(span(one, other)),
            (one, other) => one.or(other),
        };
        Asked { ids: span(self.ids, other.ids), times: span(self.times, other.times), bytes }
    }
}

impl Someone<'_> {
    /// Whether a test may hold for one that is answered.
    fn may_be_meant(&self, node: &Node) -> bool {
        // Where empty requests are is not in the bounds.
        self.may(node, None) || self.asked.bytes.is_some_and(|bytes| self.may(node, Some(bytes)))
    }

    /// Whether it may hold for one that lies in `bytes`, or is empty.
    fn may(&self, node: &Node, bytes: Option<Span>) -> bool {
        match node {
            Node::All | Node::Table(Small::Flags, _) => true,
            Node::Nothing => false,
            Node::And(nodes) => nodes.iter().all(|node| self.may(node, bytes)),
            Node::Or(nodes) => nodes.iter().any(|node| self.may(node, bytes)),
            Node::Table(Small::Operation, bits) => bits >> self.operation as u8 & 1 == 1,
            Node::In(Numbers::Latency, ranges, _) => self.latencies.is_none_or(|sketch| {
                sketch.buckets().any(|(bucket, _)| ranges.meets((bucket.start().0, bucket.end().0)))
            }),
            Node::In(numbers, ranges, _) => {
                self.span(*numbers, bytes).is_none_or(|span| ranges.meets(span))
            }
        }
    }

    /// Where a number lies; `None` if that is not known.
    fn span(&self, numbers: Numbers, bytes: Option<Span>) -> Option<Span> {
        match (numbers, bytes) {
            (Numbers::Id, _) => Some(self.asked.ids),
            (Numbers::Time, _) => Some(self.asked.times),
            (Numbers::Errno, _) => (!self.fails).then_some((0, 0)),
            (Numbers::Done | Numbers::Length | Numbers::Covered, None) | (Numbers::Done, _) => {
                Some((0, 0))
            }
            (Numbers::Length, Some(_)) => Some((1, u64::MAX)),
            (Numbers::Covered, Some((first, end))) => Some((0, end - first)),
            (Numbers::Offset | Numbers::End, Some(span)) => Some(span),
            (Numbers::Sector | Numbers::SectorEnd, Some((first, end))) => {
                Some((first / SECTOR, end.div_ceil(SECTOR)))
            }
            _ => None,
        }
    }
}
