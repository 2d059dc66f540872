//! Tests of reading columns: they say what the events say, whatever the layout of the chunks.

use proptest::collection::vec;
use proptest::prelude::*;

use super::columns::COLUMNS;
use super::random::any_entries;
use super::*;
use crate::request::Errno;

const ALL: [Field; 13] = [
    Field::IssueTime,
    Field::IssueOperation,
    Field::IssueFlags,
    Field::IssueRoute,
    Field::IssueCookie,
    Field::IssueOffset,
    Field::IssueLength,
    Field::BlockTime,
    Field::BlockIssue,
    Field::BlockLatency,
    Field::BlockHold,
    Field::BlockErrno,
    Field::IssueEarly,
];

/// What a scan gave of a block, with the offset of its issue.
type Answer = (u64, u64, u64, u64, u16, Option<u64>);

/// A block without its issue: id, time, latency, hold, errno.
type Answered = (u64, u64, u64, u64, u16);

/// What a scan gave of an issue.
type Asked = (u64, (u64, u64), u8, u8, (u16, u32), u64, u64, u64);

/// All issues and all blocks of a trace, by column.
fn scanned(bytes: &[u8], wanted: Fields) -> (Vec<ColumnChunk>, Option<String>) {
    let mut scan = Scan::new(Reader::open(Cursor::new(bytes)).unwrap(), wanted);
    let mut chunks = Vec::new();
    while let Some(chunk) = scan.next_chunk().unwrap() {
        chunks.push(chunk.clone());
    }
    (chunks, scan.loss().map(ToString::to_string))
}

fn issues_in(chunk: &ColumnChunk) -> Vec<Asked> {
    let of = &chunk.issues;
    let asked = |at: usize| {
        let route = (of.device[at], of.connection[at]);
        let (operation, flags) = (of.operation[at], of.flags[at]);
        (
            of.id[at],
            (of.time[at], of.early[at]),
            operation,
            flags,
            route,
            of.cookie[at],
            of.offset[at],
            of.length[at],
        )
    };
    (0..of.own).map(asked).collect()
}

fn blocks_in(chunk: &ColumnChunk) -> Vec<Answer> {
    let of = &chunk.blocks;
    let answer = |at: usize| {
        let offset = chunk.issues.offset.get(of.issue[at] as usize).copied();
        (of.id[at], of.time[at], of.latency[at], of.hold[at], of.errno[at], offset)
    };
    (0..of.id.len()).map(answer).collect()
}

/// The same from events.
fn told(entries: &[Entry]) -> (Vec<Asked>, Vec<Answered>) {
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    for Entry { event, .. } in entries {
        let time = event.time.0;
        match &event.kind {
            EventKind::Issue(issue) => {
                let Request { operation, range, flags } = issue.request;
                let route = (issue.device.0, issue.connection.0);
                let (offset, length) = (range.offset, range.length);
                let (operation, flags) = (operation as u8, flags.bits());
                asked.push((
                    issue.id.0,
                    (time, issue.early.0),
                    operation,
                    flags,
                    route,
                    issue.cookie,
                    offset,
                    length,
                ));
            }
            EventKind::Block(block) => {
                let errno = block.result.err().map_or(0, |Errno(number)| number);
                answered.push((block.id.0, time, block.latency.0, block.hold.0, errno));
            }
            _ => {}
        }
    }
    (asked, answered)
}

#[test]
fn a_block_finds_its_issue_in_chunks_before() {
    let entries = [
        plain(1, issue(0, Operation::Write, Payload::Absent)),
        plain(2, issue(1, Operation::Read, Payload::Absent)),
        plain(3, block(1, Operation::Read)),
        plain(4, EventKind::Checkpoint(Checkpoint::Controller)),
        plain(5, issue(2, Operation::Read, Payload::Absent)),
        plain(6, block(0, Operation::Write)),
        plain(7, block(9, Operation::Write)),
        plain(8, block(2, Operation::Read)),
        plain(9, END),
    ];
    for layout in [Layout::Rows, COLUMNS] {
        for ticks in [&[][..], &[1], &[1, 3, 4], &[0, 1, 2, 3, 4, 5, 6, 7]] {
            let (bytes, _) = written_as(layout, &entries, ticks);
            let (chunks, loss) = scanned(&bytes, Fields::of(&ALL));
            assert_eq!(loss, None);
            let blocks: Vec<_> = chunks.iter().flat_map(blocks_in).collect();
            let offsets: Vec<_> = blocks.iter().map(|(id, .., offset)| (*id, *offset)).collect();
            let wanted = [(1, Some(4096)), (0, Some(0)), (9, None), (2, Some(8192))];
            assert_eq!(offsets, wanted, "{layout:?} {ticks:?}");
        }
    }
}

#[test]
fn what_was_not_asked_for_is_not_there() {
    let (bytes, _) = small();
    let (chunks, _) = scanned(&bytes, Fields::of(&[Field::IssueLength]));
    let ids: usize = chunks.iter().map(|chunk| chunk.issues.id.len()).sum();
    let lengths: usize = chunks.iter().map(|chunk| chunk.issues.length.len()).sum();
    assert_eq!((ids, lengths), (4, 4));
    assert!(
        chunks.iter().all(|chunk| chunk.issues.time.is_empty() && chunk.blocks.issue.is_empty())
    );
}

#[test]
fn how_early_requests_came_is_found_behind_the_digests() {
    let asked = |id: u64, early| {
        let mut entry = write(10 * id, id, &id.to_le_bytes());
        if let EventKind::Issue(issue) = &mut entry.event.kind {
            issue.early = Nanos(early);
        }
        entry
    };
    let entries =
        [asked(1, 0), asked(2, 7), asked(3, 0), asked(4, 40), asked(5, 0), plain(99, END)];
    for layout in [Layout::Rows, COLUMNS] {
        // The first chunk has none that came early.
        let (bytes, _) = written_as(layout, &entries, &[0]);
        let (chunks, loss) = scanned(&bytes, Fields::of(&[Field::IssueEarly]));
        assert_eq!(loss, None);
        let early: Vec<_> = chunks.iter().map(|chunk| chunk.issues.early.clone()).collect();
        assert_eq!(early, [vec![0], vec![7, 0, 40, 0]], "{layout:?}");
    }
}

#[test]
fn damage_ends_a_scan_and_is_told() {
    for layout in [Layout::Rows, COLUMNS] {
        let (_, entries) = small();
        let (mut bytes, _) = written_as(layout, &entries, &[4]);
        let mut walk = Reader::open(Cursor::new(&bytes)).unwrap();
        let last = walk.chunk_entries().unwrap().iter().rfind(|entry| entry.holds_events).unwrap();
        let body = usize::try_from(last.offset).unwrap() + 84;
        bytes[body + 120] ^= 1;
        let (chunks, loss) = scanned(&bytes, Fields::of(&ALL));
        assert!(chunks.len() < 3 && loss.is_some(), "{layout:?}: {loss:?}");
    }
}

proptest! {
    #[test]
    fn columns_say_what_the_events_say(entries in any_entries(), ticks in vec(0..60_usize, 0..5)) {
        let (asked, answered) = told(&entries);
        let mut offsets = Vec::new();
        for layout in [Layout::Rows, COLUMNS] {
            let (bytes, _) = written_as(layout, &entries, &ticks);
            let (chunks, loss) = scanned(&bytes, Fields::of(&ALL));
            prop_assert_eq!(loss, None);
            let found: Vec<_> = chunks.iter().flat_map(issues_in).collect();
            prop_assert_eq!(&found, &asked);
            let blocks: Vec<_> = chunks.iter().flat_map(blocks_in).collect();
            let found: Vec<_> = blocks
                .iter()
                .map(|(id, time, latency, hold, errno, _)| (*id, *time, *latency, *hold, *errno))
                .collect();
            prop_assert_eq!(&found, &answered);
            offsets.push(blocks.iter().map(|(.., offset)| *offset).collect::<Vec<_>>());
        }
        prop_assert_eq!(&offsets[0], &offsets[1], "blocks find the same issues in both layouts");
    }
}
