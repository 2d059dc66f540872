//! Random small traces, and what an edit makes of them, held against a slow and obvious way to say the same.

mod anonymous;
mod merges;
mod slices;

use std::io::Cursor;
use std::ops::ControlFlow;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::event::{
    Block, Checkpoint, CompletionFlags, Connect, Disconnect, Event, EventKind, Issue, Payload,
};
use crate::format::{
    CheckError, Depth, DeviceHeader, Edits, Entry, ExportHeader, Finding, Fingerprint,
    FingerprintMethod, Header, Inspector, LimitsHeader, PayloadPolicy, Reader, Writer, check,
};
use crate::request::{
    ConnectionId, DeviceId, Digest, Errno, Extent, Flags, Operation, Request, RequestId,
};
use crate::rows::{Context, Row, Rows};
use crate::units::{ByteRange, Nanos};

pub(super) const DEVICES: u16 = 3;
pub(super) const BLOCK: u64 = 4096;
pub(super) const BLOCKS: u64 = 64;

/// What a random client does next.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Issue {
        device: u16,
        operation: u8,
        block: u64,
        blocks: u64,
        fill: u8,
    },
    /// So many completions are released, from the oldest or from the newest.
    Release {
        count: usize,
        newest: bool,
    },
    Mark(u8),
    Reconnect(u16),
}

pub(super) fn any_acts() -> impl Strategy<Value = Vec<Act>> {
    let issue = (0..DEVICES, 0..7_u8, 0..BLOCKS, 1..4_u64, 0..6_u8).prop_map(
        |(device, operation, block, blocks, fill)| Act::Issue {
            device,
            operation,
            block,
            blocks: blocks.min(BLOCKS - block),
            fill,
        },
    );
    let release =
        (1..4_usize, any::<bool>()).prop_map(|(count, newest)| Act::Release { count, newest });
    let act = prop_oneof![
        6 => issue,
        4 => release,
        1 => (0..3_u8).prop_map(Act::Mark),
        1 => (0..DEVICES).prop_map(Act::Reconnect),
    ];
    vec(act, 0..60)
}

/// Writes events as a client does them.
struct Maker {
    entries: Vec<Entry>,
    open: Vec<(Issue, u64)>,
    connections: Vec<u32>,
    next_connection: u32,
    time: u64,
    ids: u64,
}

impl Maker {
    fn push(&mut self, kind: EventKind, data: Option<Bytes>) {
        self.time += 10;
        self.entries.push(Entry { event: Event { time: Nanos(self.time), kind }, data });
    }

    fn connect(&mut self, device: u16) {
        let connection = self.next_connection;
        self.next_connection += 1;
        self.connections[usize::from(device)] = connection;
        self.push(
            EventKind::Connect(Connect {
                connection: ConnectionId(connection),
                device: DeviceId(device),
                export: format!("export-{device}"),
                structured_replies: true,
                block_status: false,
                extended_headers: true,
            }),
            None,
        );
    }

    fn issue(&mut self, device: u16, operation: u8, range: ByteRange, fill: u8) {
        let operation = Operation::from_number(operation).unwrap();
        let range = if operation == Operation::Flush { ByteRange::default() } else { range };
        let data = data(range.length, fill);
        let (payload, data) = match operation {
            Operation::Write => (Payload::of(&data), Some(data)),
            _ => (Payload::Absent, None),
        };
        let issue = Issue {
            id: RequestId(self.ids),
            device: DeviceId(device),
            connection: ConnectionId(self.connections[usize::from(device)]),
            cookie: 0xfeed_0000 + self.ids,
            request: Request { operation, range, flags: Flags::NONE },
            payload,
            early: Nanos(0),
        };
        self.ids += 1;
        self.push(EventKind::Issue(issue.clone()), data);
        self.open.push((issue, self.time + u64::from(fill)));
    }

    fn release(&mut self, count: usize, newest: bool) {
        if self.open.is_empty() {
            return;
        }
        self.push(EventKind::Checkpoint(Checkpoint::Controller), None);
        for _ in 0..count.min(self.open.len()) {
            let place = if newest { self.open.len() - 1 } else { 0 };
            let (issue, seed) = self.open.remove(place);
            self.block(&issue, seed);
        }
    }

    fn block(&mut self, issue: &Issue, seed: u64) {
        let operation = issue.request.operation;
        let failed = seed.is_multiple_of(7);
        let bytes = data(issue.request.range.length, u8::try_from(seed % 5).unwrap());
        let reads = operation == Operation::Read && !failed;
        let status = operation == Operation::BlockStatus && !failed;
        let length = issue.request.range.length;
        let block = Block {
            id: issue.id,
            device: issue.device,
            operation,
            result: if failed { Err(Errno::EIO) } else { Ok(()) },
            latency: Nanos(seed % 100),
            hold: Nanos(seed % 9),
            flags: CompletionFlags::default(),
            payload: if reads { Payload::of(&bytes) } else { Payload::Absent },
            extents: if status {
                vec![Extent { length, hole: true, zero: seed.is_multiple_of(2) }]
            } else {
                Vec::new()
            },
        };
        self.push(EventKind::Block(block), reads.then_some(bytes));
    }
}

/// Data that say who wrote them; those of 0 are zeroes.
pub(super) fn data(length: u64, fill: u8) -> Bytes {
    let word = if fill == 0 { [0; 8] } else { [b'S', b'E', b'C', b'R', b'E', b'T', b'-', fill] };
    Bytes::from(word.repeat(usize::try_from(length / 8).unwrap()))
}

pub(super) fn entries(acts: &[Act]) -> Vec<Entry> {
    let mut maker = Maker {
        entries: Vec::new(),
        open: Vec::new(),
        connections: vec![0; usize::from(DEVICES)],
        next_connection: 0,
        time: 0,
        ids: 0,
    };
    for device in 0..DEVICES {
        maker.push(EventKind::Open { device: DeviceId(device) }, None);
        let length = BLOCK * BLOCKS;
        maker.push(EventKind::Length { device: DeviceId(device), length }, None);
        maker.connect(device);
    }
    for act in acts {
        match *act {
            Act::Issue { device, operation, block, blocks, fill } => {
                let range = ByteRange::new(block * BLOCK, blocks * BLOCK);
                maker.issue(device, operation, range, fill);
            }
            Act::Release { count, newest } => maker.release(count, newest),
            Act::Mark(which) => {
                let name = format!("secret mark {which}").parse().unwrap();
                maker.push(EventKind::Mark { name }, None);
            }
            Act::Reconnect(device) => {
                let connection = ConnectionId(maker.connections[usize::from(device)]);
                maker.push(EventKind::Disconnect { connection, reason: Disconnect::Asked }, None);
                maker.connect(device);
            }
        }
    }
    maker.release(usize::MAX, false);
    maker.push(EventKind::End { status: Some(3) }, None);
    maker.entries
}

pub(super) fn header() -> Header {
    let device = |number: u16| DeviceHeader {
        name: format!("secret-{number}"),
        image: format!("/secret/path-{number}.img"),
        format: "raw".to_owned(),
        size: BLOCK * BLOCKS,
        block_min: 1,
        block_preferred: 4096,
        read_only: false,
        discard: true,
        fingerprint: Fingerprint {
            method: FingerprintMethod::Sample,
            digest: Some(Digest(0x5ec0_0000 + u128::from(number))),
        },
    };
    let export = |device: u16| ExportHeader {
        names: vec![format!("export-{device}"), device.to_string()],
        device,
        transmission_flags: 0x0fed,
        block_sizes: [1, 4096, 64 << 20],
        contexts: vec!["base:allocation".to_owned()],
        extended_headers: true,
    };
    Header {
        tool: "secret recorder".to_owned(),
        command: vec!["secret command".to_owned()],
        wall_clock_ns: 1_795_000_000_123_456_789,
        payload: PayloadPolicy::All,
        devices: (0..DEVICES).map(device).collect(),
        exports: (0..DEVICES).map(export).collect(),
        limits: LimitsHeader { request_data_bytes: 64 << 20, connection_requests: 1024 },
        recovered: None,
        replay: None,
        edits: Edits::default(),
    }
}

pub(super) fn written(header: &Header, entries: Vec<Entry>) -> Vec<u8> {
    let mut writer = Writer::create(Vec::new(), header, 7, 0x5ec0).unwrap();
    for entry in entries {
        writer.append(entry).unwrap();
    }
    writer.finish().unwrap().0
}

pub(super) fn opened(trace: &[u8]) -> Reader<Cursor<Vec<u8>>> {
    Reader::open(Cursor::new(trace.to_vec())).unwrap()
}

/// The events of a trace without the numbers of payloads, with the data that they name.
pub(super) fn events(trace: &[u8]) -> Vec<(Event, Option<Bytes>)> {
    let mut reader = opened(trace);
    let mut events = Vec::new();
    while let Some((_, event)) = reader.next_event().unwrap() {
        events.push(unnumbered(event, &mut reader));
    }
    assert!(reader.loss().is_none());
    events
}

fn unnumbered(mut event: Event, reader: &mut Reader<Cursor<Vec<u8>>>) -> (Event, Option<Bytes>) {
    let payload = match &mut event.kind {
        EventKind::Issue(issue) => &mut issue.payload,
        EventKind::Block(block) => &mut block.payload,
        _ => return (event, None),
    };
    let Payload::Stored(digest, id) = *payload else { return (event, None) };
    *payload = Payload::Digest(digest);
    let data = reader.payload(id).unwrap();
    (event, Some(data))
}

pub(super) fn rows(trace: &[u8]) -> Vec<Row> {
    let mut rows = Rows::new(opened(trace));
    std::iter::from_fn(|| rows.next_row().unwrap()).collect()
}

pub(super) fn go_on() -> impl FnMut(u64) -> ControlFlow<()> {
    |_| ControlFlow::Continue(())
}

/// Keeps what is found wrong.
struct Faults(Vec<Finding>);

impl Inspector for Faults {
    fn finding(&mut self, finding: Finding) -> ControlFlow<()> {
        self.0.push(finding);
        ControlFlow::Continue(())
    }

    fn walked(&mut self, _: u64, _: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Asserts that a deep check finds nothing.
#[track_caller]
pub(super) fn assert_sound(trace: &[u8]) {
    let mut faults = Faults(Vec::new());
    let checked: Result<_, CheckError> =
        check(Cursor::new(trace.to_vec()), Depth::Data, &mut faults);
    checked.unwrap();
    assert!(faults.0.is_empty(), "{:?}", faults.0);
}
