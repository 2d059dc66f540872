//! Targets that take a trace and look at it in another layout: its columns, and what `compact` makes of it.
//!
//! Invariant: a failed assertion here is a bug of ours, never of the input.

use std::io::Cursor;
use std::ops::ControlFlow;

use blkreplay_core::edit;
use blkreplay_core::event::{Event, EventKind, Payload, PayloadId};
use blkreplay_core::format::{ColumnChunk, Field, Fields, Layout, NO_ISSUE, Reader, Scan, Writer};

use crate::traces::{Heard, hear};

const ALL: [Field; 12] = [
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
];

/// An issue: numbers and flags, device and connection.
type Asked = ([u64; 5], u8, u8, u16, u32);

/// A block: numbers, and an errno.
type Answered = ([u64; 4], u16);

/// All that columns tell of a trace.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    asked: Vec<Asked>,
    answered: Vec<Answered>,
}

impl Told {
    fn chunk(&mut self, chunk: &ColumnChunk) {
        let ColumnChunk { issues, blocks, ended: _ } = chunk;
        for at in 0..issues.own {
            let (id, time, cookie) = (issues.id[at], issues.time[at], issues.cookie[at]);
            let numbers = [id, time, cookie, issues.offset[at], issues.length[at]];
            let (device, connection) = (issues.device[at], issues.connection[at]);
            self.asked.push((numbers, issues.operation[at], issues.flags[at], device, connection));
        }
        for (at, id) in blocks.id.iter().enumerate() {
            let issue = blocks.issue[at];
            if issue != NO_ISSUE {
                assert_eq!(issues.id[issue as usize], *id, "it answers that issue");
            }
            let numbers = [*id, blocks.time[at], blocks.latency[at], blocks.hold[at]];
            self.answered.push((numbers, blocks.errno[at]));
        }
    }

    fn event(&mut self, event: &Event) {
        let time = event.time.0;
        match &event.kind {
            EventKind::Issue(issue) => {
                let request = issue.request;
                let (offset, length) = (request.range.offset, request.range.length);
                let numbers = [issue.id.0, time, issue.cookie, offset, length];
                let (operation, flags) = (request.operation as u8, request.flags.bits());
                let route = (issue.device.0, issue.connection.0);
                self.asked.push((numbers, operation, flags, route.0, route.1));
            }
            EventKind::Block(block) => {
                let numbers = [block.id.0, time, block.latency.0, block.hold.0];
                self.answered.push((numbers, block.result.err().map_or(0, |errno| errno.0)));
            }
            _ => {}
        }
    }
}

/// Goes over its columns: of a whole trace they say what its events say.
pub(crate) fn columns(input: &[u8]) {
    let Ok(reader) = Reader::open(Cursor::new(input)) else { return };
    let mut scan = Scan::new(reader, Fields::of(&ALL));
    let mut scanned = Told::default();
    let whole = loop {
        match scan.next_chunk() {
            Ok(Some(chunk)) => scanned.chunk(chunk),
            Ok(None) => break scan.loss().is_none(),
            Err(_) => break false,
        }
    };
    let Some(Heard { events, whole: true }) = hear(input) else { return };
    assert!(whole, "a trace that reads whole has all its columns: {:?}", scan.loss());
    let mut told = Told::default();
    events.iter().for_each(|(_, event)| told.event(event));
    assert_eq!(scanned, told);
}

/// The event without the number of its payload, and that number.
fn numbered(mut event: Event) -> (Event, Option<PayloadId>) {
    let payload = match &mut event.kind {
        EventKind::Issue(issue) => &mut issue.payload,
        EventKind::Block(block) => &mut block.payload,
        _ => return (event, None),
    };
    let Payload::Stored(digest, id) = *payload else { return (event, None) };
    *payload = Payload::Digest(digest);
    (event, Some(id))
}

/// Compacts it: the result has the same events, at their indices, with the same data.
pub(crate) fn compact(input: &[u8]) {
    let Some(Heard { events: before, whole }) = hear(input) else { return };
    let Ok(mut reader) = Reader::open(Cursor::new(input)) else { return };
    let Ok(writer) = Writer::create(Vec::new(), reader.header(), 1, reader.uuid()) else { return };
    let writer = writer.laid_out(Layout::Columns { level: 1 });
    let go_on = &mut |_| ControlFlow::Continue(());
    let small = match edit::compact(&mut reader, writer, go_on) {
        Ok((small, _)) => small,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(whole, "what is not whole is refused");
    let after = hear(&small).expect("what was compacted can be read");
    assert!(after.whole, "what was compacted is whole");
    assert_eq!(before.len(), after.events.len());
    let mut copy = Reader::open(Cursor::new(&small)).expect("it was opened before");
    while let Ok(Some(_)) = copy.next_event() {}
    for ((index, event), (at, copied)) in before.into_iter().zip(after.events) {
        let ((event, old), (copied, new)) = (numbered(event), numbered(copied));
        assert_eq!((index, event), (at, copied));
        assert_eq!(old.is_some(), new.is_some(), "event {index}");
        if let (Some(old), Some(new)) = (old, new) {
            let data = reader.payload(old).expect("it was copied");
            assert_eq!(copy.payload(new).expect("it is there"), data, "event {index}");
        }
    }
}
