//! Asks all requests of a chunk at once: columns in, a byte for each request out, 1 where the test holds.
//!
//! Knows no chunk before or behind. Invariant: of a request that is not answered in the chunk, the byte says what holds if it
//! is never answered.

use super::compile::{Node, Numbers, Small};
use super::ranges::Ranges;
use crate::format::{ColumnChunk, IssueColumns, NO_ISSUE};

const SECTOR: u64 = 512;

/// For which requests `node` holds: the chunk's own, then those that are open from chunks before.
pub(super) fn mask(node: &Node, chunk: &ColumnChunk) -> Vec<u8> {
    let count = chunk.issues.id.len();
    match node {
        Node::All => vec![1; count],
        Node::Nothing => vec![0; count],
        Node::And(nodes) => {
            let mut all = vec![1; count];
            for node in nodes {
                for (one, other) in all.iter_mut().zip(mask(node, chunk)) {
                    *one &= other;
                }
                // What follows can only take away.
                if !all.contains(&1) {
                    break;
                }
            }
            all
        }
        Node::Or(nodes) => {
            let mut any = vec![0; count];
            for node in nodes {
                for (one, other) in any.iter_mut().zip(mask(node, chunk)) {
                    *one |= other;
                }
            }
            any
        }
        Node::In(numbers, ranges, otherwise) if numbers.is_of_completion() => {
            completed(*numbers, ranges, *otherwise, chunk)
        }
        Node::In(numbers, ranges, _) => asked(*numbers, ranges, &chunk.issues),
        Node::Table(small, bits) => {
            let values = match small {
                Small::Operation => &chunk.issues.operation,
                Small::Flags => &chunk.issues.flags,
            };
            // Values that are no operation and no flags are refused before.
            values.iter().map(|value| u8::from(bits >> (value & 15) & 1 == 1)).collect()
        }
    }
}

/// What requests ask.
fn asked(numbers: Numbers, ranges: &Ranges, issues: &IssueColumns) -> Vec<u8> {
    let mut mask = vec![0; issues.id.len()];
    let put = |place: usize, inside: bool| {
        if let Some(byte) = mask.get_mut(place) {
            *byte = u8::from(inside);
        }
    };
    let ends =
        || issues.offset.iter().zip(&issues.length).map(|(from, len)| from.saturating_add(*len));
    match numbers {
        Numbers::Id => ranges.each(issues.id.iter().copied(), put),
        Numbers::Device => ranges.each(issues.device.iter().map(|device| u64::from(*device)), put),
        Numbers::Connection => {
            ranges.each(issues.connection.iter().map(|one| u64::from(*one)), put);
        }
        Numbers::Cookie => ranges.each(issues.cookie.iter().copied(), put),
        Numbers::Offset => ranges.each(issues.offset.iter().copied(), put),
        Numbers::Length => ranges.each(issues.length.iter().copied(), put),
        Numbers::Early => ranges.each(issues.early.iter().copied(), put),
        Numbers::End => ranges.each(ends(), put),
        Numbers::Covered => {
            ranges.each(ends().zip(&issues.offset).map(|(end, from)| end - from), put);
        }
        Numbers::Sector => ranges.each(issues.offset.iter().map(|from| from / SECTOR), put),
        Numbers::SectorEnd => ranges.each(ends().map(|end| end.div_ceil(SECTOR)), put),
        Numbers::Sectors => {
            let sectors =
                ends().zip(&issues.offset).map(|(end, from)| end.div_ceil(SECTOR) - from / SECTOR);
            ranges.each(sectors, put);
        }
        Numbers::Time => ranges.each((0..issues.id.len()).map(|at| arrived(issues, at)), put),
        Numbers::Completed | Numbers::Latency | Numbers::Hold | Numbers::Errno | Numbers::Done => {}
    }
    mask
}

/// How requests ended.
fn completed(numbers: Numbers, ranges: &Ranges, otherwise: bool, chunk: &ColumnChunk) -> Vec<u8> {
    let ColumnChunk { issues, blocks, .. } = chunk;
    let mut mask = vec![u8::from(otherwise); issues.id.len()];
    let put = |place: usize, inside: bool| {
        let issue = blocks.issue.get(place).map_or(NO_ISSUE, |issue| *issue);
        if let Some(byte) = mask.get_mut(issue as usize) {
            *byte = u8::from(inside);
        }
    };
    match numbers {
        Numbers::Latency => ranges.each(blocks.latency.iter().copied(), put),
        Numbers::Hold => ranges.each(blocks.hold.iter().copied(), put),
        Numbers::Errno => ranges.each(blocks.errno.iter().map(|errno| u64::from(*errno)), put),
        Numbers::Completed => {
            let spans = blocks.latency.iter().zip(&blocks.hold);
            let ends = spans.zip(&blocks.issue).map(|((latency, hold), issue)| {
                let arrived = if *issue == NO_ISSUE { 0 } else { arrived(issues, *issue as usize) };
                arrived.saturating_add(*latency).saturating_add(*hold)
            });
            ranges.each(ends, put);
        }
        // Each completion is there.
        _ => ranges.each(blocks.id.iter().map(|_| 0), put),
    }
    mask
}

/// When a request had arrived.
fn arrived(issues: &IssueColumns, place: usize) -> u64 {
    let of = |list: &[u64]| list.get(place).copied().unwrap_or(0);
    of(&issues.time).saturating_sub(of(&issues.early))
}
