//! Tests of the log and its thread: what is recorded, what its disk takes, and what is said when it takes no more.

use std::io::{self, Cursor};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use bytes::Bytes;

use super::*;
use crate::device::BlockDevice;
use crate::engine::parked::{Parked, Ticking, header};
use crate::engine::{Arrival, Engine, Negotiated, Port};
use crate::event::{Disconnect, Event, EventData, EventKind, Payload};
use crate::format::{PayloadPolicy, Reader};
use crate::limits::CHUNK_AGE_NS;
use crate::request::{DeviceId, Errno, Flags, Operation, Request};
use crate::units::ByteRange;

/// A file in memory that takes `room` bytes and then is full.
#[derive(Clone)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.bytes.lock().unwrap();
        if file.len() + bytes.len() > self.room {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        file.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk {
    /// How many events the file has in whole chunks.
    fn events(&self) -> u64 {
        let bytes = self.bytes.lock().unwrap().clone();
        Reader::open(Cursor::new(bytes)).unwrap().survey().unwrap().facts.events
    }
}

struct Recording {
    disk: Disk,
    engine: Arc<Engine>,
    device: Arc<Parked>,
    port: Port,
    trouble: mpsc::Receiver<String>,
}

fn record(policy: PayloadPolicy, room: usize) -> Recording {
    let disk = Disk { bytes: Arc::default(), room };
    let clock = Arc::new(Ticking::default());
    let (tell, trouble) = mpsc::channel();
    let on_trouble = Box::new(move |error: &WriteError| tell.send(error.to_string()).unwrap());
    let identity = Identity { salt: 1, uuid: 2 };
    let log = Box::new(disk.clone());
    let recorder =
        Recorder::start(log, &header(policy, 1), identity, clock.clone(), on_trouble).unwrap();
    let engine = Engine::recording(clock, recorder, policy);
    let device = Parked::new(1 << 20);
    let attached = engine.attach(Arc::clone(&device) as Arc<dyn BlockDevice>);
    let export = "0".to_owned();
    let negotiated = Negotiated {
        export,
        structured_replies: true,
        block_status: false,
        extended_headers: false,
    };
    let port = attached.connect(negotiated).unwrap();
    Recording { disk, engine, device, port, trouble }
}

fn arrival(operation: Operation, offset: u64, data: &[u8]) -> Arrival {
    let length = if operation == Operation::Flush { 0 } else { data.len().max(4) as u64 };
    let request = Request { operation, range: ByteRange::new(offset, length), flags: Flags::NONE };
    Arrival { tag: 0, cookie: 9, request, data: Bytes::copy_from_slice(data), refused: None }
}

fn events(disk: &Disk) -> Vec<Event> {
    let bytes = disk.bytes.lock().unwrap().clone();
    let mut reader = Reader::open(Cursor::new(bytes)).unwrap();
    let mut events = Vec::new();
    while let Some((_, event)) = reader.next_event().unwrap() {
        events.push(event);
    }
    assert!(reader.loss().is_none(), "{:?}", reader.loss());
    events
}

fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.name()).collect()
}

#[test]
fn what_the_image_never_answered_has_no_completion_and_the_trace_ends() {
    let Recording { disk, engine, device, mut port, .. } = record(PayloadPolicy::Write, 1 << 20);
    port.issue(&mut vec![arrival(Operation::Read, 0, b""), arrival(Operation::Flush, 0, b"")]);
    assert_eq!(engine.waiting().away.len(), 2);
    engine.finish(None).unwrap().unwrap();
    // It comes back all the same, when nobody writes it down any more.
    device.complete(0, Ok(()));
    device.complete(1, Ok(()));
    drop(port);
    let expected = ["open", "length", "connect", "issue", "issue", "disconnect", "close", "end"];
    assert_eq!(names(&events(&disk)), expected);
}

#[test]
fn a_recording_is_a_list_of_steps() {
    let Recording { disk, engine, device, mut port, .. } = record(PayloadPolicy::Write, 1 << 20);
    let mut released = Vec::new();
    port.issue(&mut vec![
        arrival(Operation::Write, 0, b"data"),
        arrival(Operation::Read, 512, b""),
    ]);
    device.complete(1, Ok(()));
    device.complete(0, Ok(()));
    port.pump(&mut released);
    port.issue(&mut vec![arrival(Operation::Flush, 0, b"")]);
    device.complete(2, Err(Errno::EIO));
    port.pump(&mut released);
    assert_eq!(released.len(), 3);
    port.disconnect(Disconnect::Asked);
    engine.finish(Some(0)).unwrap().unwrap();

    let events = events(&disk);
    let expected = [
        "open",
        "length",
        "connect",
        "issue",
        "issue",
        "checkpoint",
        "block",
        "block",
        "issue",
        "checkpoint",
        "block",
        "disconnect",
        "close",
        "end",
    ];
    assert_eq!(names(&events), expected);
    let blocks: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Block(block) => Some((block.id.0, block.result)),
            _ => None,
        })
        .collect();
    assert_eq!(blocks, [(1, Ok(())), (0, Ok(())), (2, Err(Errno::EIO))]);
    assert!(events.is_sorted_by_key(|event| event.time));
}

#[test]
fn a_mark_is_in_the_file_when_the_call_returns() {
    let Recording { disk, engine, .. } = record(PayloadPolicy::Write, 1 << 20);
    engine.mark("before".parse().unwrap()).unwrap();
    let bytes = disk.bytes.lock().unwrap().clone();
    let mut reader = Reader::open(Cursor::new(bytes)).unwrap();
    let mut marks = Vec::new();
    while let Some((index, event)) = reader.next_event().unwrap() {
        if let EventKind::Mark { name } = event.kind {
            marks.push((index, name.to_string()));
        }
    }
    assert_eq!(marks, [(4, "before".to_owned())]);
    assert_eq!(reader.facts().marks, 1);
    engine.finish(None).unwrap().unwrap();
    assert_eq!(engine.mark("after".parse().unwrap()), Err(MarkError::NotRecording));
}

/// A clock that stands where it is put.
#[derive(Default)]
struct Put(AtomicU64);

impl Clock for Put {
    fn now(&self) -> Nanos {
        Nanos(self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn an_event_is_in_the_file_before_it_is_250_ms_old_and_nobody_has_to_ask() {
    let disk = Disk { bytes: Arc::default(), room: 1 << 20 };
    let clock = Arc::new(Put::default());
    let (log, trouble) = (Box::new(disk.clone()), Box::new(|_: &WriteError| {}));
    let header = header(PayloadPolicy::None, 1);
    let identity = Identity { salt: 1, uuid: 2 };
    let recorder = Recorder::start(log, &header, identity, clock.clone(), trouble).unwrap();
    let begun = disk.bytes.lock().unwrap().len();
    for event in 0..4 {
        let time = Nanos(event * CHUNK_AGE_NS);
        clock.0.store(time.0, Ordering::SeqCst);
        let kind = EventKind::Open { device: DeviceId(0) };
        recorder.write(vec![Entry { event: Event { time, kind }, data: None }], 0);
        // The clock passes, but not so far that the event is as old as it may become.
        let late = Nanos::from(NAP);
        clock.0.store(time.after(Nanos(CHUNK_AGE_NS)).since(late).0, Ordering::SeqCst);
        let started = std::time::Instant::now();
        while disk.events() <= event {
            assert!(started.elapsed() < Duration::from_mins(1), "event {event} is not written");
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(disk.bytes.lock().unwrap().len() > begun);
    recorder.finish().unwrap();
}

#[test]
fn a_recording_that_is_ended_completes_what_it_has_and_nothing_else() {
    let Recording { disk, engine, device, mut port, .. } = record(PayloadPolicy::Write, 1 << 20);
    let mut released = Vec::new();
    port.issue(&mut vec![arrival(Operation::Write, 0, b"data")]);
    engine.end_recording();
    assert!(engine.recording_ended());
    port.issue(&mut vec![arrival(Operation::Read, 512, b""), arrival(Operation::Flush, 0, b"")]);
    device.complete(1, Ok(()));
    port.pump(&mut released);
    assert_eq!((released.len(), engine.recorded().requests), (1, 0), "the client is served on");
    device.complete(0, Ok(()));
    device.complete(2, Ok(()));
    port.pump(&mut released);
    assert_eq!((released.len(), engine.totals().requests), (3, 3));
    port.disconnect(Disconnect::Asked);
    engine.finish(Some(0)).unwrap().unwrap();
    let expected =
        ["open", "length", "connect", "issue", "checkpoint", "block", "disconnect", "close", "end"];
    assert_eq!(names(&events(&disk)), expected);
    assert_eq!(engine.recorded().requests, 1);
}

/// A recording whose trace may take so many bytes.
fn limited(limit: u64, policy: PayloadPolicy) -> (Disk, Arc<Engine>, Arc<Parked>, Port) {
    let disk = Disk { bytes: Arc::default(), room: 1 << 24 };
    let clock = Arc::new(Ticking::default());
    let identity = Identity { salt: 1, uuid: 2 };
    let (log, trouble) = (Box::new(disk.clone()), Box::new(|_: &WriteError| {}));
    let recorder =
        Recorder::start(log, &header(policy, 1), identity, clock.clone(), trouble).unwrap();
    let engine = Engine::recording(clock, recorder.limited_to(limit), policy);
    let device = Parked::new(1 << 20);
    let attached = engine.attach(Arc::clone(&device) as Arc<dyn BlockDevice>);
    let export = "0".to_owned();
    let negotiated = Negotiated {
        export,
        structured_replies: true,
        block_status: false,
        extended_headers: false,
    };
    let port = attached.connect(negotiated).unwrap();
    (disk, engine, device, port)
}

#[test]
fn a_trace_of_limited_size_ends_before_it_is_larger() {
    const LIMIT: u64 = 64 << 10;
    let (disk, engine, device, mut port) = limited(LIMIT, PayloadPolicy::Write);
    for ticket in 0..10_000 {
        port.issue(&mut vec![arrival(Operation::Write, ticket * 4, b"data")]);
        device.complete(ticket, Ok(()));
        port.pump(&mut Vec::new());
    }
    assert!(engine.recording_ended());
    drop(port);
    let outcome = engine.finish(None).unwrap().unwrap();
    let bytes = outcome.written.bytes;
    assert!((LIMIT / 2..=LIMIT).contains(&bytes), "{bytes}");
    let events = events(&disk);
    assert_eq!(names(&events).last(), Some(&"end"));
    let count = |name| names(&events).iter().filter(|found| **found == name).count() as u64;
    assert_eq!(count("issue"), count("block"));
    assert!(count("issue") > 10 && count("issue") == engine.recorded().requests);
}

#[test]
fn a_refused_request_needs_no_room_for_the_data_that_it_claims() {
    let (_disk, engine, _device, mut port) = limited(64 << 10, PayloadPolicy::All);
    for offset in [0, 5] {
        let read = arrival(Operation::Read, offset, &[]);
        let range = ByteRange::new(offset, u64::MAX);
        let request = Request { range, ..read.request };
        let absurd = || Arrival {
            refused: Some(Errno::EINVAL),
            request,
            ..arrival(Operation::Read, 0, &[])
        };
        port.issue(&mut vec![absurd(), absurd()]);
        port.pump(&mut Vec::new());
    }
    assert!(!engine.recording_ended());
    assert_eq!(engine.recorded().requests, 4);
}

/// Data that no packer makes smaller.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(step).take(length).collect()
}

/// A place where a write does not conflict with those under way.
fn apart(ticket: u64) -> u64 {
    ticket % 64 * 4096
}

/// Records until the trace has no room for more; says how long it is, and how many requests it has.
fn filled(
    limit: u64,
    policy: PayloadPolicy,
    depth: u64,
    ask: impl Fn(u64) -> Arrival,
) -> (u64, u64) {
    let (disk, engine, device, mut port) = limited(limit, policy);
    let mut asked = 0;
    while !engine.recording_ended() {
        assert!(asked < 500_000, "it never ends");
        // All of them are under way at once.
        let mut reads = Vec::new();
        for ticket in asked..asked + depth {
            let arrival = ask(ticket);
            let is_read = arrival.request.operation == Operation::Read;
            reads.push(if is_read { arrival.request.range.length } else { 0 });
            port.issue(&mut vec![arrival]);
        }
        for (ticket, length) in (asked..).zip(reads) {
            if policy == PayloadPolicy::All {
                device.deliver(ticket, noise(usize::try_from(length).unwrap(), ticket));
            } else {
                device.complete(ticket, Ok(()));
            }
        }
        asked += depth;
        port.pump(&mut Vec::new());
    }
    drop(port);
    let outcome = engine.finish(None).unwrap().unwrap();
    assert_eq!(names(&events(&disk)).last(), Some(&"end"));
    assert!(outcome.written.bytes <= limit, "{} of {limit}", outcome.written.bytes);
    (outcome.written.bytes, outcome.written.operations.total().issues)
}

#[test]
fn a_limit_holds_whatever_requests_under_way_still_bring() {
    const MIB: u64 = 1 << 20;
    let (hash, write, all) = (PayloadPolicy::Hash, PayloadPolicy::Write, PayloadPolicy::All);
    let read = |length: u64| {
        move |_| {
            let range = ByteRange::new(0, length);
            let request = Request { operation: Operation::Read, range, flags: Flags::NONE };
            Arrival { request, ..arrival(Operation::Read, 0, b"") }
        }
    };
    // Sixteen reads under way bring 1 MiB of data, or 16: more than there is room for.
    filled(2 * MIB, all, 16, read(64 << 10));
    let (_, requests) = filled(2 * MIB, all, 16, read(MIB));
    assert_eq!(requests, 1, "one is sure to fit");
    // Whose data are not kept bring nothing.
    let (_, requests) = filled(MIB / 8, write, 16, read(64 << 10));
    assert!(requests > 100, "{requests}");
    // Each flush begins an epoch, of which the summary tells.
    filled(MIB / 2, hash, 1, |_| arrival(Operation::Flush, 0, b""));
    let (bytes, requests) = filled(MIB, write, 4, |ticket| {
        arrival(Operation::Write, apart(ticket), &noise(4096, ticket))
    });
    assert!(bytes > MIB / 10 * 9 && requests > 200, "{bytes} bytes, {requests} requests");
}

#[test]
fn data_that_pack_well_leave_room_for_more() {
    let alike = |ticket: u64| {
        let mut data = vec![7; 4096];
        data[..8].copy_from_slice(&ticket.to_le_bytes());
        arrival(Operation::Write, apart(ticket), &data)
    };
    let (bytes, requests) = filled(1 << 20, PayloadPolicy::Write, 4, alike);
    assert!(requests > 3_000 && bytes > 1 << 19, "{bytes} bytes, {requests} requests");
}

#[test]
fn an_entry_weighs_what_it_carries_and_what_belongs_to_it() {
    let frame = EventData::new(vec![1; 100]).unwrap();
    let kind = EventKind::Net { filter: 0, flags: 0, frame };
    let mut entry = Entry { event: Event { time: Nanos(0), kind }, data: None };
    assert_eq!(weight(&entry), ENTRY_BYTES + 100);
    entry.event.kind = EventKind::InputSync;
    entry.data = Some(Bytes::from_static(b"data"));
    assert_eq!(weight(&entry), ENTRY_BYTES + 4);
}

#[test]
fn a_mark_that_cannot_be_written_is_refused() {
    let Recording { disk: _disk, engine, .. } = record(PayloadPolicy::Write, 900);
    let outcome = (0..100).find_map(|_| engine.mark("x".parse().unwrap()).err());
    assert_eq!(outcome, Some(MarkError::Failed));
    let off = Engine::off(Arc::new(Ticking::default()));
    assert_eq!(off.mark("x".parse().unwrap()), Err(MarkError::NotRecording));
}

#[test]
fn the_payload_policy_decides_what_is_kept() {
    for (policy, write, read) in [
        (PayloadPolicy::None, "absent", "absent"),
        (PayloadPolicy::Hash, "digest", "digest"),
        (PayloadPolicy::Write, "stored", "digest"),
        (PayloadPolicy::All, "stored", "stored"),
    ] {
        let Recording { disk, engine, device, mut port, .. } = record(policy, 1 << 20);
        port.issue(&mut vec![
            arrival(Operation::Write, 0, b"data"),
            arrival(Operation::Read, 512, b""),
        ]);
        device.complete(0, Ok(()));
        device.complete(1, Ok(()));
        port.pump(&mut Vec::new());
        drop(port);
        engine.finish(None).unwrap().unwrap();
        let kept = |payload: &Payload| match payload {
            Payload::Absent => "absent",
            Payload::Zeroes => "zeroes",
            Payload::Digest(_) => "digest",
            Payload::Stored(..) => "stored",
        };
        for event in events(&disk) {
            match event.kind {
                EventKind::Issue(issue) if issue.request.operation == Operation::Write => {
                    assert_eq!(kept(&issue.payload), write, "{policy:?}");
                }
                EventKind::Block(block) if block.operation == Operation::Read => {
                    assert_eq!(kept(&block.payload), read, "{policy:?}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn what_a_client_that_went_never_got_is_logged_as_undelivered() {
    let Recording { disk, engine, device, mut port, .. } = record(PayloadPolicy::Hash, 1 << 20);
    port.issue(&mut vec![arrival(Operation::Write, 0, b"data")]);
    device.complete(0, Ok(()));
    port.disconnect(Disconnect::Closed);
    engine.finish(None).unwrap().unwrap();
    let undelivered = events(&disk)
        .into_iter()
        .any(|event| matches!(event.kind, EventKind::Block(block) if block.flags.undelivered));
    assert!(undelivered);
}

#[test]
fn a_full_disk_is_reported_at_once_and_clients_are_served_on() {
    let Recording { disk, engine, device, mut port, trouble } = record(PayloadPolicy::All, 600);
    for number in 0..20 {
        port.issue(&mut vec![arrival(Operation::Write, number * 4, b"data")]);
        device.complete(number, Ok(()));
        let mut released = Vec::new();
        port.pump(&mut released);
        assert_eq!(released.len(), 1, "served");
    }
    drop(port);
    let finished = engine.finish(None).unwrap();
    assert!(trouble.recv().is_ok());
    let Err(error) = finished else {
        panic!("the recording is not whole, and finish said {finished:?}");
    };
    assert_eq!(error.whole_bytes().unwrap(), disk.bytes.lock().unwrap().len() as u64);
}
