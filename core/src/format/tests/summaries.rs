//! Tests of summaries: added up, they say what all events say, however chunks fall.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::request::Errno;

/// What summaries must say, computed from all events at once and in the obvious way.
#[derive(Debug, Default, PartialEq)]
struct Oracle {
    open: BTreeSet<u64>,
    flushes: BTreeMap<u16, u64>,
    /// Requests by device and epoch: how many, and their digests.
    epochs: BTreeMap<(u16, u64), (u64, u128)>,
}

fn oracle(entries: &[Entry]) -> Oracle {
    let mut oracle = Oracle::default();
    let mut asked = BTreeMap::new();
    for entry in entries {
        match &entry.event.kind {
            EventKind::Issue(issue) => {
                let epoch = oracle.flushes.get(&issue.device.0).copied().unwrap_or(0);
                asked.insert(issue.id.0, (issue.clone(), epoch));
                oracle.open.insert(issue.id.0);
            }
            EventKind::Block(block) => {
                if block.operation == Operation::Flush {
                    *oracle.flushes.entry(block.device.0).or_default() += 1;
                }
                let Some((issue, epoch)) = asked.remove(&block.id.0) else { continue };
                oracle.open.remove(&block.id.0);
                let Request { operation, range, flags } = issue.request;
                let mut bytes = vec![operation as u8];
                bytes.extend(range.offset.to_le_bytes());
                bytes.extend(range.length.to_le_bytes());
                bytes.push(flags.bits());
                bytes.extend(match (block.payload, issue.payload) {
                    (Payload::Absent, Payload::Absent) => [0; 16],
                    (Payload::Zeroes, _) | (Payload::Absent, Payload::Zeroes) => {
                        1_u128.to_le_bytes()
                    }
                    (Payload::Digest(digest) | Payload::Stored(digest, _), _)
                    | (Payload::Absent, Payload::Digest(digest) | Payload::Stored(digest, _)) => {
                        digest.0.to_le_bytes()
                    }
                });
                bytes.extend(block.result.err().map_or(0, |errno| errno.0).to_le_bytes());
                let (count, sum) = oracle.epochs.entry((issue.device.0, epoch)).or_default();
                *count += 1;
                *sum = sum.wrapping_add(Digest::of(&bytes).0);
            }
            _ => {}
        }
    }
    oracle
}

/// What the summaries of a trace say, added up.
fn summed(bytes: &[u8]) -> (Oracle, u64) {
    let mut reader = Reader::open(Cursor::new(bytes)).unwrap();
    let chunks = reader.chunk_entries().unwrap().to_vec();
    let mut sums = Oracle::default();
    let mut issues = 0;
    for chunk in chunks.iter().filter(|chunk| chunk.holds_events) {
        let summary = reader.summary(chunk).unwrap();
        issues += summary.operations.total().issues;
        let state = summary.state.unwrap();
        assert_eq!(state.open, state.open_ids.len() as u64);
        sums.open = state.open_ids.iter().map(|id| id.0).collect();
        sums.flushes = state.flushes.iter().map(|(device, count)| (device.0, *count)).collect();
        for epoch in summary.epochs.unwrap() {
            let (count, sum) = sums.epochs.entry((epoch.device.0, epoch.epoch)).or_default();
            *count += epoch.count;
            *sum = sum.wrapping_add(epoch.sum);
        }
    }
    (sums, issues)
}

fn any_step() -> impl Strategy<Value = EventKind> {
    let payload = prop_oneof![
        Just(Payload::Absent),
        Just(Payload::Zeroes),
        (0..3_u128).prop_map(|digest| Payload::Digest(Digest(digest))),
    ];
    let names = (0..12_u64, 0..3_u16, 0..7_u8, any::<bool>());
    (names, payload, 0..4_u64, any::<Option<u16>>()).prop_map(
        |((id, device, operation, is_issue), payload, offset, errno)| {
            let (id, device) = (RequestId(id), DeviceId(device));
            let operation = Operation::from_number(operation).unwrap();
            if is_issue {
                let range = ByteRange::new(offset * 4096, 4096);
                EventKind::Issue(Issue {
                    id,
                    device,
                    connection: ConnectionId(0),
                    cookie: 0,
                    request: Request { operation, range, flags: Flags::NONE },
                    payload,
                    early: Nanos(0),
                })
            } else {
                EventKind::Block(Block {
                    id,
                    device,
                    operation,
                    result: errno.map_or(Ok(()), |errno| Err(Errno(errno.max(1)))),
                    latency: Nanos(offset),
                    hold: Nanos(0),
                    flags: CompletionFlags::default(),
                    payload,
                    extents: Vec::new(),
                })
            }
        },
    )
}

proptest! {
    #[test]
    fn summaries_say_what_the_events_say_however_chunks_fall(
        kinds in vec(any_step(), 1..80),
        ticks in vec(0..80_usize, 0..8),
    ) {
        let entries: Vec<_> = (0..).zip(kinds).map(|(time, kind)| plain(time, kind)).collect();
        let issues = entries.iter().filter(|entry| matches!(entry.event.kind, EventKind::Issue(_)));
        let wanted = (oracle(&entries), issues.count() as u64);
        prop_assert_eq!(&summed(&written(&entries, &ticks).0), &wanted);
        prop_assert_eq!(&summed(&written(&entries, &[]).0), &wanted);
    }
}
