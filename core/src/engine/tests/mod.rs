//! Tests of replays, with traces made event by event, devices that do what they are told, and a clock that is set.
//!
//! Invariant: nothing here depends on time, and nothing but `hands` and what runs a player on a thread of its own.

mod clients;
mod conflicts;
mod connections;
mod divergences;
mod gone;
mod hands;
mod images;
mod machines;
mod monitors;
mod notes;
mod other_machines;
mod own_log;
mod random_machines;

use std::io::Cursor;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::parked::{Parked, header};
use super::*;
use crate::event::{Block, Checkpoint, CompletionFlags, Issue};
use crate::format::{Reader, Writer};
use crate::request::{Errno, Flags, Request};
use crate::units::ByteRange;

/// A clock that says what it is told.
#[derive(Default)]
struct Told {
    now: AtomicU64,
    /// By how much it moves whenever it is read.
    pace: AtomicU64,
}

impl Told {
    fn set(&self, now: u64) {
        self.now.store(now, Ordering::SeqCst);
    }

    /// Moves by so much whenever it is read, from now on.
    fn run(&self, pace: u64) {
        self.pace.store(pace, Ordering::SeqCst);
    }
}

impl Clock for Told {
    fn now(&self) -> Nanos {
        Nanos(self.now.fetch_add(self.pace.load(Ordering::SeqCst), Ordering::SeqCst))
    }
}

fn request(operation: Operation, offset: u64, length: u64) -> Request {
    Request { operation, range: ByteRange::new(offset, length), flags: Flags::NONE }
}

/// Builds a trace, event by event, a microsecond each.
pub(super) struct Tape {
    writer: Writer<Vec<u8>>,
    time: u64,
    keeps: bool,
    connection: u32,
}

impl Tape {
    pub(super) fn new() -> Tape {
        Tape::of(PayloadPolicy::All, 1)
    }

    pub(super) fn of(policy: PayloadPolicy, devices: usize) -> Tape {
        let header = header(policy, devices);
        let writer = Writer::create(Vec::new(), &header, 1, 2).unwrap();
        Tape { writer, time: 0, keeps: policy == PayloadPolicy::All, connection: 0 }
    }

    /// What is issued from here on comes over this connection.
    fn over(self, connection: u32) -> Tape {
        Tape { connection, ..self }
    }

    fn event(mut self, kind: EventKind, data: &[u8]) -> Tape {
        self.time += 1000;
        let event = Event { time: Nanos(self.time), kind };
        let data = (self.keeps && !data.is_empty()).then(|| Bytes::copy_from_slice(data));
        self.writer.append(Entry { event, data }).unwrap();
        self
    }

    pub(super) fn later(mut self, span: u64) -> Tape {
        self.time += span;
        self
    }

    pub(super) fn issue(self, id: u64, request: Request, data: &[u8]) -> Tape {
        self.issue_on(0, id, request, data)
    }

    fn issue_on(self, device: u16, id: u64, request: Request, data: &[u8]) -> Tape {
        let payload = if data.is_empty() { Payload::Absent } else { Payload::of(data) };
        let issue = Issue {
            id: RequestId(id),
            device: DeviceId(device),
            connection: ConnectionId(self.connection),
            cookie: id,
            request,
            payload,
            early: Nanos(0),
        };
        self.event(EventKind::Issue(issue), data)
    }

    pub(super) fn write(self, id: u64, offset: u64, data: &[u8]) -> Tape {
        self.issue(id, request(Operation::Write, offset, data.len() as u64), data)
    }

    pub(super) fn read(self, id: u64, offset: u64, length: u64) -> Tape {
        self.issue(id, request(Operation::Read, offset, length), b"")
    }

    pub(super) fn flush(self, id: u64) -> Tape {
        self.issue(id, request(Operation::Flush, 0, 0), b"")
    }

    pub(super) fn checkpoint(self) -> Tape {
        self.event(EventKind::Checkpoint(Checkpoint::Controller), b"")
    }

    fn block(self, id: u64, operation: Operation, result: Result<(), Errno>, data: &[u8]) -> Tape {
        self.block_with(id, operation, result, data, CompletionFlags::default())
    }

    fn block_with(
        self,
        id: u64,
        operation: Operation,
        result: Result<(), Errno>,
        data: &[u8],
        flags: CompletionFlags,
    ) -> Tape {
        let payload = if data.is_empty() { Payload::Absent } else { Payload::of(data) };
        let block = Block {
            id: RequestId(id),
            device: DeviceId(0),
            operation,
            result,
            latency: Nanos(10),
            hold: Nanos(1),
            flags,
            payload,
            extents: Vec::new(),
        };
        self.event(EventKind::Block(block), data)
    }

    pub(super) fn done(self, id: u64, operation: Operation) -> Tape {
        self.block(id, operation, Ok(()), b"")
    }

    pub(super) fn end(self) -> Vec<u8> {
        self.event(EventKind::End { status: None }, &[]).cut()
    }

    /// Without an end.
    fn cut(self) -> Vec<u8> {
        self.writer.finish().unwrap().0
    }
}

pub(super) fn reader(bytes: &[u8]) -> Reader<Cursor<Vec<u8>>> {
    Reader::open(Cursor::new(bytes.to_vec())).unwrap()
}

pub(super) fn plan(bytes: &[u8]) -> Plan {
    Plan::of(&mut reader(bytes)).unwrap()
}

/// A file in memory that others can look at.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A replay that is turned by hand.
struct Replay {
    clock: Arc<Told>,
    engine: Arc<Engine>,
    disks: Vec<Arc<Disk>>,
    player: Player,
    log: Shared,
}

impl Replay {
    /// Of a trace, on these devices; without any, the trace answers.
    fn new(bytes: &[u8], rules: Rules, devices: Vec<Arc<dyn BlockDevice>>) -> Replay {
        let clock = Arc::new(Told::default());
        let trace = reader(bytes);
        let header = trace.header().clone();
        let log = Shared::default();
        let identity = Identity { salt: 7, uuid: 8 };
        let (out, trouble) = (Box::new(log.clone()), Box::new(|_: &_| ()));
        let told = Arc::clone(&clock) as Arc<dyn Clock>;
        let recorder = Recorder::start(out, &header, identity, Arc::clone(&told), trouble).unwrap();
        let script = Script {
            trace,
            plan: plan(bytes),
            rules,
            recorder: Some(recorder),
            spill: tempfile::tempfile().unwrap(),
        };
        let engine = Engine::replaying(told, script).unwrap();
        let disks: Vec<_> = if devices.is_empty() {
            let geometry = Parked::new(1 << 20).geometry().clone();
            header.devices.iter().map(|_| engine.attach_trace(geometry.clone())).collect()
        } else {
            devices.into_iter().map(|device| engine.attach(device)).collect()
        };
        let player = Player::new(&engine, &disks, Fill::None);
        Replay { clock, engine, disks, player, log }
    }

    /// Turns until nothing moves any more.
    fn turn(&mut self) {
        while self.player.turn() {}
    }

    fn replayed(&self) -> Replayed {
        self.engine.replayed().unwrap()
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.replayed().divergences.iter().map(|one| one.kind.name()).collect()
    }

    /// The replay's own log.
    fn end(&self) -> Vec<u8> {
        self.engine.finish(None).unwrap().unwrap();
        self.log.0.lock().unwrap().clone()
    }

    /// The events of the replay's own log, without its ends.
    fn events(&self) -> Vec<String> {
        let mut reader = reader(&self.end());
        let mut events = Vec::new();
        while let Some((_, event)) = reader.next_event().unwrap() {
            match event.kind {
                EventKind::Issue(issue) => events.push(format!("issue {}", issue.id)),
                EventKind::Block(block) => events.push(format!("block {}", block.id)),
                EventKind::Checkpoint(_) => events.push("checkpoint".to_owned()),
                _ => {}
            }
        }
        events
    }
}
