//! The log while recording: a thread of its own takes entries in order and writes them.
//!
//! Those who record only append to a list, so writing costs them no system call; when the writer falls too
//! far behind they wait for it. Invariant: entries reach the file in the order in which they were handed
//! in, and nothing follows an entry that could not be written.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::room::ENTRY_BYTES;
use crate::format::{Entry, Header, WriteError, Writer, Written};
use crate::limits::LOG_BACKLOG_BYTES_MAX;
use crate::units::{Clock, Nanos};

/// How long entries may wait for the thread when there are few. Well under the age at which chunks close.
const NAP: Duration = Duration::from_millis(25);

/// The thread is woken early when this many bytes wait.
const WAKE_BYTES: u64 = 1 << 20;

/// How long a mark waits for the disk.
const MARK_PATIENCE: Duration = Duration::from_secs(10);

/// Whether something fits into the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    None,
}

/// Room that is kept for the events that end a trace, with the header of their chunk.
const END_BYTES: u64 = 4 << 10;

/// So much that is not written yet may pack to less than was reckoned, in bytes. For less, no chunk is closed.
const PACKS_BYTES: u64 = 16 << 10;

/// What makes one recording different from all others: chosen at random by the caller.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// In every chunk, so that bytes of another file never look valid.
    pub salt: u64,
    /// Names the recording.
    pub uuid: u128,
}

/// What a finished recording wrote.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Sizes and counts.
    pub written: Written,
    /// Time of the last event.
    pub duration: Nanos,
}

/// Why a recording is not whole.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The log could not be written. The file is whole up to [`RecordError::whole_bytes`].
    #[error("the recording stopped before its end")]
    Write(#[source] WriteError),
    /// The log's thread is gone: a fault of ours.
    #[error("the thread that writes the trace ended before its time")]
    Thread,
}

impl RecordError {
    /// Length of the header and the chunks that were written whole, in bytes: where to cut the file.
    /// `None` if it is not known.
    pub fn whole_bytes(&self) -> Option<u64> {
        match self {
            RecordError::Write(WriteError::Io { offset, .. }) => Some(*offset),
            _ => None,
        }
    }
}

/// Why a mark is not in the trace.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum MarkError {
    /// There is no trace, or it is finished.
    #[error("nothing is being recorded")]
    NotRecording,
    /// The log could not be written.
    #[error("the trace could not be written")]
    Failed,
    /// The log's thread did not get to it in time. It may still be written.
    #[error("the trace was not written within {} s", MARK_PATIENCE.as_secs())]
    Slow,
}

/// Called once, on the log's thread, when the log cannot be written any more.
pub type OnTrouble = Box<dyn FnOnce(&WriteError) + Send>;

/// The log of a recording.
pub struct Recorder {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<Result<Recorded, RecordError>>>>,
}

#[derive(Default)]
struct Shared {
    backlog: Mutex<Backlog>,
    /// The thread waits here for entries.
    work: Condvar,
    /// Those who record wait here while there are too many.
    room: Condvar,
    /// Those who asked for everything to be written out wait here.
    written_out: Condvar,
}

/// Entries on their way to the thread.
#[derive(Default)]
struct Backlog {
    entries: Vec<Entry>,
    /// Of `entries` and of those that the thread has taken and not yet written.
    bytes: u64,
    /// What the trace has, in bytes, with what is gathered for its next chunk.
    trace_bytes: u64,
    /// Of these, what is gathered, and not packed yet.
    gathered_bytes: u64,
    /// What requests that arrived may still add to the trace, at most.
    promised: u64,
    /// How large it may become.
    limit: Option<u64>,
    /// The thread sleeps without a time-out.
    idle: bool,
    /// How often somebody asked for everything so far to be written out.
    asked: u64,
    /// How many of these have been answered.
    answered: u64,
    /// No more entries come.
    closed: bool,
    /// Entries are thrown away: they could not be written.
    failed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Writes the header to `out` and starts the thread that writes the rest. `on_trouble` is told at once
    /// when the log cannot be written any more; what is recorded from then on is thrown away.
    pub fn start(
        out: Box<dyn Write + Send>,
        header: &Header,
        identity: Identity,
        clock: Arc<dyn Clock>,
        on_trouble: OnTrouble,
    ) -> Result<Recorder, WriteError> {
        let writer = Writer::create(out, header, identity.salt, identity.uuid)?;
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("log".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || write_all(&shared, writer, clock.as_ref(), on_trouble)
        });
        let thread = thread.map_err(|source| WriteError::Io { offset: 0, source })?;
        Ok(Recorder { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Hands entries to the thread, in order, for which so many bytes were promised. Never waits for it.
    pub(super) fn write(&self, entries: Vec<Entry>, promised: u64) {
        let bytes: u64 = entries.iter().map(weight).sum();
        let mut backlog = self.shared.lock();
        if backlog.failed {
            return;
        }
        let before = backlog.bytes;
        backlog.bytes += bytes;
        backlog.promised = backlog.promised.saturating_sub(promised);
        if backlog.entries.is_empty() {
            backlog.entries = entries;
        } else {
            backlog.entries.extend(entries);
        }
        let wake = backlog.idle || (before < WAKE_BYTES && backlog.bytes >= WAKE_BYTES);
        backlog.idle = false;
        drop(backlog);
        if wake {
            self.shared.work.notify_one();
        }
    }

    /// The trace is to take at most `bytes`.
    #[must_use]
    pub fn limited_to(self, bytes: u64) -> Recorder {
        self.shared.lock().limit = Some(bytes);
        self
    }

    /// What waits for the thread, in bytes.
    pub(super) fn backlog_bytes(&self) -> u64 {
        self.shared.lock().bytes
    }

    /// Says that no more entries come.
    pub(super) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
    }

    /// Waits while more than `LOG_BACKLOG_BYTES_MAX` are not written yet. Says whether requests that may add so many
    /// bytes fit into a trace of limited size; if they do, these are promised to them. Packed data are not known to
    /// be smaller before they have been written, so what is gathered is, where that may help.
    pub(super) fn wait_for_room(&self, promise: u64) -> Room {
        match self.promise(promise) {
            Promise::Given => Room::Enough,
            Promise::IfPacked if self.write_out().is_ok() => match self.promise(promise) {
                Promise::Given => Room::Enough,
                Promise::IfPacked | Promise::Refused => Room::None,
            },
            Promise::IfPacked | Promise::Refused => Room::None,
        }
    }

    fn promise(&self, promise: u64) -> Promise {
        let mut backlog = self.shared.lock();
        while backlog.bytes > LOG_BACKLOG_BYTES_MAX && !backlog.failed {
            backlog = self.shared.room.wait(backlog).unwrap_or_else(PoisonError::into_inner);
        }
        let Some(limit) = backlog.limit else { return Promise::Given };
        let sure = backlog.trace_bytes + backlog.bytes + END_BYTES;
        let promised = backlog.promised.saturating_add(promise);
        if sure.saturating_add(promised) <= limit {
            backlog.promised = promised;
            Promise::Given
        } else if backlog.bytes + backlog.gathered_bytes >= PACKS_BYTES {
            Promise::IfPacked
        } else {
            Promise::Refused
        }
    }

    /// Waits until everything handed in so far has left for the file, in whole chunks.
    pub(super) fn write_out(&self) -> Result<(), MarkError> {
        let mut backlog = self.shared.lock();
        backlog.asked += 1;
        backlog.idle = false;
        let turn = backlog.asked;
        self.shared.work.notify_one();
        let waits = |backlog: &mut Backlog| backlog.answered < turn && !backlog.failed;
        let waited = self.shared.written_out.wait_timeout_while(backlog, MARK_PATIENCE, waits);
        let (backlog, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match (backlog.failed, backlog.answered >= turn) {
            (true, _) => Err(MarkError::Failed),
            (false, true) => Ok(()),
            (false, false) => Err(MarkError::Slow),
        }
    }

    /// Waits until everything is written. To be called once.
    pub(super) fn finish(&self) -> Result<Recorded, RecordError> {
        self.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.and_then(|thread| thread.join().ok()).unwrap_or(Err(RecordError::Thread))
    }
}

impl Drop for Recorder {
    /// Lets the thread end by itself if nobody finished the recording.
    fn drop(&mut self) {
        self.close();
    }
}

/// Whether there is room for what is asked.
enum Promise {
    Given,
    /// Perhaps, once what is not written yet has been packed.
    IfPacked,
    Refused,
}

/// What an entry counts against the limit of the backlog, in bytes.
fn weight(entry: &Entry) -> u64 {
    let payload = entry.data.as_ref().map_or(0, |data| data.len() as u64);
    ENTRY_BYTES + payload + entry.event.kind.data_bytes()
}

/// The thread: takes what has come, writes it, closes chunks that are old enough.
fn write_all(
    shared: &Shared,
    mut writer: Writer<Box<dyn Write + Send>>,
    clock: &dyn Clock,
    on_trouble: OnTrouble,
) -> Result<Recorded, RecordError> {
    let mut duration = Nanos::default();
    let outcome = loop {
        let Work { entries, write_out, closed } = wait_for_entries(shared, writer.has_open_chunk());
        duration = entries.last().map_or(duration, |entry| entry.event.time);
        if let Err(error) = write_batch(shared, &mut writer, entries) {
            break Err(error);
        }
        if let Some(asked) = write_out {
            if let Err(error) = writer.flush() {
                break Err(error);
            }
            give_room(shared, &mut 0, &writer);
            shared.lock().answered = asked;
            shared.written_out.notify_all();
        }
        // What arrives during the next nap must not be older than its chunk may become.
        if let Err(error) = writer.tick(clock.now().after(NAP.into())) {
            break Err(error);
        }
        if closed {
            break Ok(());
        }
    };
    match outcome.and_then(|()| writer.finish()) {
        Ok((_, written)) => {
            // Whoever asked after the last look has his answer: all is written.
            shared.lock().answered = u64::MAX;
            shared.written_out.notify_all();
            Ok(Recorded { written, duration })
        }
        Err(source) => {
            let mut backlog = shared.lock();
            *backlog = Backlog { failed: true, ..Backlog::default() };
            drop(backlog);
            shared.room.notify_all();
            shared.written_out.notify_all();
            on_trouble(&source);
            Err(RecordError::Write(source))
        }
    }
}

/// What the thread is to do next.
struct Work {
    entries: Vec<Entry>,
    /// Afterwards everything is to be written out, which answers so many who asked.
    write_out: Option<u64>,
    closed: bool,
}

/// Sleeps until there is something to do: entries, the end, or a chunk that may be old enough.
fn wait_for_entries(shared: &Shared, chunk_open: bool) -> Work {
    let mut backlog = shared.lock();
    if !backlog.closed && backlog.bytes < WAKE_BYTES && backlog.asked == backlog.answered {
        if chunk_open || !backlog.entries.is_empty() {
            let woken = shared.work.wait_timeout(backlog, NAP);
            backlog = woken.unwrap_or_else(PoisonError::into_inner).0;
        } else {
            backlog.idle = true;
            while backlog.idle && !backlog.closed {
                backlog = shared.work.wait(backlog).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
    Work {
        entries: std::mem::take(&mut backlog.entries),
        write_out: (backlog.asked > backlog.answered).then_some(backlog.asked),
        closed: backlog.closed,
    }
}

/// Writes entries and gives the room they took back, bit by bit.
fn write_batch(
    shared: &Shared,
    writer: &mut Writer<Box<dyn Write + Send>>,
    entries: Vec<Entry>,
) -> Result<(), WriteError> {
    let mut written_bytes = 0;
    for entry in entries {
        written_bytes += weight(&entry);
        writer.append(entry)?;
        if written_bytes >= WAKE_BYTES {
            give_room(shared, &mut written_bytes, writer);
        }
    }
    give_room(shared, &mut written_bytes, writer);
    Ok(())
}

fn give_room<W: Write>(shared: &Shared, written_bytes: &mut u64, writer: &Writer<W>) {
    let mut backlog = shared.lock();
    backlog.trace_bytes = writer.size();
    backlog.gathered_bytes = writer.gathered();
    backlog.bytes = backlog.bytes.saturating_sub(std::mem::take(written_bytes));
    let room = backlog.bytes <= LOG_BACKLOG_BYTES_MAX;
    drop(backlog);
    if room {
        shared.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
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
        let negotiated = Negotiated { export, structured_replies: true, block_status: false };
        let port = attached.connect(negotiated).unwrap();
        Recording { disk, engine, device, port, trouble }
    }

    fn arrival(operation: Operation, offset: u64, data: &[u8]) -> Arrival {
        let length = if operation == Operation::Flush { 0 } else { data.len().max(4) as u64 };
        let request =
            Request { operation, range: ByteRange::new(offset, length), flags: Flags::NONE };
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
    fn a_recording_is_a_list_of_steps() {
        let Recording { disk, engine, device, mut port, .. } =
            record(PayloadPolicy::Write, 1 << 20);
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
        let Recording { disk, engine, device, mut port, .. } =
            record(PayloadPolicy::Write, 1 << 20);
        let mut released = Vec::new();
        port.issue(&mut vec![arrival(Operation::Write, 0, b"data")]);
        engine.end_recording();
        assert!(engine.recording_ended());
        port.issue(&mut vec![
            arrival(Operation::Read, 512, b""),
            arrival(Operation::Flush, 0, b""),
        ]);
        device.complete(1, Ok(()));
        port.pump(&mut released);
        assert_eq!((released.len(), engine.recorded().requests), (1, 0), "the client is served on");
        device.complete(0, Ok(()));
        device.complete(2, Ok(()));
        port.pump(&mut released);
        assert_eq!((released.len(), engine.totals().requests), (3, 3));
        port.disconnect(Disconnect::Asked);
        engine.finish(Some(0)).unwrap().unwrap();
        let expected = [
            "open",
            "length",
            "connect",
            "issue",
            "checkpoint",
            "block",
            "disconnect",
            "close",
            "end",
        ];
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
        let negotiated = Negotiated { export, structured_replies: true, block_status: false };
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
}
