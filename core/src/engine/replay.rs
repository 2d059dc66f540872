//! Replay against images, in the recorded order, with every read verified.
//!
//! A request goes to its image when everything that had been released before it was issued is complete, and
//! requests that conflict go in the order of their ids; that is all the order there is, so what was in flight
//! together is in flight together again. Knows neither files nor people. Invariant: a replay without
//! divergence leaves every image as the recording left it, but for requests that failed then.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::conflict::{Conflicts, Ticket};
use super::divergence::{DifferentBytes, Divergence, DivergenceKind};
use super::plan::Plan;
use super::replay_error::ReplayError;
use crate::device::{BlockDevice, Completion, Doorbell, Queue, Submission};
use crate::event::{Block, EventKind, Issue, Payload};
use crate::format::Reader;
use crate::limits::{REPLAY_BYTES_MAX, REPLAY_REQUESTS_MAX, REQUEST_DATA_BYTES_MAX};
use crate::request::{DeviceId, Errno, Operation, Request, RequestId};
use crate::units::{Clock, Nanos};

/// Longest sleep between two looks at the images.
const NAP: Duration = Duration::from_millis(100);

/// How a replay goes about it.
pub struct Options<'a> {
    /// Tells how long it takes and how long it waits.
    pub clock: &'a dyn Clock,
    /// An image that is silent for longer is trouble; at least five times as long as the recording waited.
    pub patience: Nanos,
    /// Set by somebody else to stop the replay, also while it waits for an image.
    pub stop: &'a AtomicBool,
    /// Told the number of requests complete so far, after each.
    pub progress: &'a mut dyn FnMut(u64),
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Requests replayed.
    pub requests: u64,
    /// Requests left out because they had failed or been refused.
    pub left_out: u64,
    /// Reads whose data were compared with the recorded ones and are the same.
    pub verified: u64,
    /// Reads of whose data the trace knows nothing.
    pub unverified: u64,
    /// How long it took.
    pub duration: Nanos,
    /// Where it stopped, if it is not the recording.
    pub divergence: Option<Divergence>,
}

/// Replays `trace`, from where it stands, on `devices`, one for each of its devices and in their order.
/// `plan` is what [`Plan::of`] said of the same trace. Stops at the first divergence.
pub fn replay<'a, R: Read + Seek>(
    trace: &'a mut Reader<R>,
    plan: &'a Plan,
    devices: &[Arc<dyn BlockDevice>],
    options: Options<'a>,
) -> Result<Replayed, ReplayError> {
    assert!(
        devices.len() >= trace.header().devices.len(),
        "callers bring an image for each device"
    );
    let mut run = Run::new(trace, plan, devices, options)?;
    let outcome = run.events();
    if matches!(outcome, Err(ReplayError::Silent { .. } | ReplayError::Interrupted { .. })) {
        // Dropping a queue waits for its requests, and this image may never answer.
        run.disks.drain(..).for_each(|disk| std::mem::forget(disk.queue));
    }
    outcome?;
    run.replayed.duration = run.options.clock.now().since(run.began);
    Ok(run.replayed)
}

/// A replay under way.
struct Run<'a, R> {
    trace: &'a mut Reader<R>,
    plan: &'a Plan,
    options: Options<'a>,
    bell: Arc<Doorbell>,
    disks: Vec<Disk>,
    flights: HashMap<RequestId, Flight>,
    /// Data of writes in flight and of reads not yet compared, in bytes.
    held_bytes: u64,
    began: Nanos,
    replayed: Replayed,
}

/// One image of a replay.
struct Disk {
    queue: Box<dyn Queue>,
    size: u64,
    conflicts: Conflicts<Submission>,
    /// Flushes released so far.
    flushes: u64,
}

/// A request from its issue to the release of its completion.
struct Flight {
    device: DeviceId,
    request: Request,
    ticket: Ticket,
    epoch: u64,
    /// When it was issued in the recording.
    time: Nanos,
    /// What the image said, once it has.
    done: Option<Done>,
}

struct Done {
    result: Result<(), Errno>,
    payload: Payload,
    /// The data of a read, kept to say which bytes differ.
    data: Bytes,
}

impl<'a, R: Read + Seek> Run<'a, R> {
    fn new(
        trace: &'a mut Reader<R>,
        plan: &'a Plan,
        devices: &[Arc<dyn BlockDevice>],
        options: Options<'a>,
    ) -> Result<Run<'a, R>, ReplayError> {
        let bell = Arc::new(Doorbell::new().map_err(ReplayError::Doorbell)?);
        let disk = |device: &Arc<dyn BlockDevice>| Disk {
            size: device.geometry().size,
            conflicts: Conflicts::new(u64::from(device.geometry().block_min)),
            flushes: 0,
            queue: Arc::clone(device).open_queue(Arc::clone(&bell)),
        };
        Ok(Run {
            disks: devices.iter().map(disk).collect(),
            began: options.clock.now(),
            replayed: Replayed { left_out: plan.left_out, ..Replayed::default() },
            flights: HashMap::new(),
            held_bytes: 0,
            trace,
            plan,
            options,
            bell,
        })
    }

    /// Everything, up to the first divergence.
    fn events(&mut self) -> Result<(), ReplayError> {
        while let Some((event, entry)) = self.trace.next_event()? {
            self.check_stop()?;
            match entry.kind {
                EventKind::Issue(issue) if !self.plan.leaves_out(issue.id) => {
                    self.issue(event, entry.time, &issue)?;
                }
                EventKind::Block(block) if !self.plan.leaves_out(block.id) => {
                    self.release(event, &block)?;
                    if self.replayed.divergence.is_some() {
                        break;
                    }
                }
                _ => {}
            }
        }
        // Requests without a recorded completion: a cut trace, or those behind a divergence.
        while let Some(id) = self.flights.keys().min().copied() {
            self.wait_for(id, Nanos::default())?;
            self.flights.remove(&id);
            self.count();
        }
        Ok(())
    }

    /// Ends the replay when somebody wants it to.
    fn check_stop(&self) -> Result<(), ReplayError> {
        if self.options.stop.load(Ordering::Relaxed) {
            return Err(ReplayError::Interrupted { requests: self.replayed.requests });
        }
        Ok(())
    }

    /// Sends a request to its image, or to the conflict rule.
    fn issue(&mut self, event: u64, time: Nanos, issue: &Issue) -> Result<(), ReplayError> {
        let (id, request, device) = (issue.id, issue.request, issue.device);
        self.check(event, issue)?;
        let data = self.data_of(event, issue)?;
        self.held_bytes += held_bytes(&request);
        while self.held_bytes > REPLAY_BYTES_MAX && self.collect() {
            self.bell.wait(NAP);
        }
        let disk = &mut self.disks[usize::from(device.0)];
        let submission = Submission { tag: id.0, request, data };
        let (ticket, ready) = disk.conflicts.arrive(&request, |_| submission);
        let epoch = disk.flushes;
        let flight = Flight { device, request, ticket, epoch, time, done: None };
        match self.flights.entry(id) {
            Entry::Occupied(_) => return Err(ReplayError::Twice { event, id }),
            Entry::Vacant(vacant) => vacant.insert(flight),
        };
        if let Some(submission) = ready {
            disk.queue.submit(submission);
            disk.queue.kick();
        }
        Ok(())
    }

    /// Refuses what no image can be asked.
    fn check(&self, event: u64, issue: &Issue) -> Result<(), ReplayError> {
        let (id, request) = (issue.id, issue.request);
        let size = self.disks[usize::from(issue.device.0)].size;
        if !request.range.fits(size) {
            return Err(ReplayError::PastEnd { event, id, request, size });
        }
        let length = request.range.length;
        let carries_data = matches!(request.operation, Operation::Read | Operation::Write);
        if carries_data && length > u64::from(REQUEST_DATA_BYTES_MAX) {
            return Err(ReplayError::TooLong { event, id, length });
        }
        if self.flights.len() >= REPLAY_REQUESTS_MAX {
            return Err(ReplayError::TooMany { event });
        }
        Ok(())
    }

    /// The data that a write is to carry.
    fn data_of(&mut self, event: u64, issue: &Issue) -> Result<Bytes, ReplayError> {
        let expected = issue.request.range.length;
        let data = match issue.payload {
            Payload::Stored(_, payload) => self.trace.payload(payload)?,
            Payload::Zeroes if issue.request.operation == Operation::Write => {
                // Checked against REQUEST_DATA_BYTES_MAX above.
                Bytes::from(vec![0; usize::try_from(expected).unwrap_or(0)])
            }
            _ => return Ok(Bytes::new()),
        };
        let found = data.len() as u64;
        if found == expected {
            Ok(data)
        } else {
            Err(ReplayError::DataLength { event, id: issue.id, expected, found })
        }
    }

    /// A completion was released here: waits for ours and compares.
    fn release(&mut self, event: u64, block: &Block) -> Result<(), ReplayError> {
        if !self.flights.contains_key(&block.id) {
            return Ok(()); // Issued before the part that we have.
        }
        self.wait_for(block.id, block.latency.after(block.hold))?;
        let Some(flight) = self.flights.remove(&block.id) else { return Ok(()) };
        let Some(done) = flight.done else { return Ok(()) };
        self.held_bytes -= held_bytes(&flight.request);
        if block.operation == Operation::Flush {
            self.disks[usize::from(flight.device.0)].flushes += 1;
        }
        self.count();
        let kind = match done.result {
            Err(now) => Some(DivergenceKind::Result { now }),
            Ok(()) if block.operation == Operation::Read => self.compare(block, &done)?,
            Ok(()) => None,
        };
        let Flight { device, request, epoch, time, .. } = flight;
        self.replayed.divergence =
            kind.map(|kind| Divergence { id: block.id, event, epoch, time, device, request, kind });
        Ok(())
    }

    /// Whether a read returned what was recorded.
    fn compare(
        &mut self,
        block: &Block,
        done: &Done,
    ) -> Result<Option<DivergenceKind>, ReplayError> {
        if block.payload == Payload::Absent {
            self.replayed.unverified += 1;
            return Ok(None);
        }
        if !block.payload.differs(&done.payload) {
            self.replayed.verified += 1;
            return Ok(None);
        }
        let bytes = match block.payload {
            Payload::Stored(_, id) => DifferentBytes::between(&self.trace.payload(id)?, &done.data),
            _ => None,
        };
        Ok(Some(DivergenceKind::Data { recorded: block.payload, now: done.payload, bytes }))
    }

    fn count(&mut self) {
        self.replayed.requests += 1;
        (self.options.progress)(self.replayed.requests);
    }

    /// Waits until the image has completed a request; the recording waited `then` for it.
    fn wait_for(&mut self, id: RequestId, then: Nanos) -> Result<(), ReplayError> {
        let patience = self.options.patience.max(Nanos(then.0.saturating_mul(5)));
        let mut began = None;
        loop {
            self.bell.clear();
            self.collect();
            let Some(flight) = self.flights.get(&id) else { return Ok(()) };
            if flight.done.is_some() {
                return Ok(());
            }
            self.check_stop()?;
            let now = self.options.clock.now();
            let waited = now.since(*began.get_or_insert(now));
            if waited > patience {
                return Err(ReplayError::Silent { id, request: flight.request, waited });
            }
            self.bell.wait(NAP);
        }
    }

    /// Takes what the images have completed, and submits what that lets go. False if nothing is left with
    /// them.
    fn collect(&mut self) -> bool {
        let mut in_flight = 0;
        for disk in &mut self.disks {
            let mut completions = Vec::new();
            let mut ready = Vec::new();
            disk.queue.poll(&mut completions);
            for completion in completions {
                let Some(flight) = self.flights.get_mut(&RequestId(completion.tag)) else {
                    panic!("the device completed request {} twice", completion.tag);
                };
                disk.conflicts.complete(flight.ticket, &mut ready);
                flight.done = Some(Done::from(completion));
            }
            for submission in ready {
                disk.queue.submit(submission);
            }
            disk.queue.kick();
            in_flight += disk.queue.in_flight();
        }
        in_flight > 0
    }
}

/// How much memory the data of a request take, at the most.
fn held_bytes(request: &Request) -> u64 {
    match request.operation {
        Operation::Read | Operation::Write => request.range.length,
        _ => 0,
    }
}

impl From<Completion> for Done {
    fn from(completion: Completion) -> Done {
        let Completion { result, data, .. } = completion;
        let payload = if data.is_empty() { Payload::Absent } else { Payload::of(&data) };
        Done { result, payload, data }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::thread;

    use super::*;
    use crate::device::{Memory, Pool};
    use crate::engine::parked::{Parked, Ticking, header};
    use crate::engine::{LastWriter, PlanError, last_writer};
    use crate::event::{CompletionFlags, Event};
    use crate::format::{Entry as LogEntry, PayloadPolicy, Writer};
    use crate::request::{ConnectionId, Flags};
    use crate::units::ByteRange;

    /// Builds a trace, event by event.
    struct Script {
        writer: Writer<Vec<u8>>,
        time: u64,
    }

    fn request(operation: Operation, offset: u64, length: u64) -> Request {
        Request { operation, range: ByteRange::new(offset, length), flags: Flags::NONE }
    }

    impl Script {
        fn new() -> Script {
            let header = header(PayloadPolicy::All, 1);
            Script { writer: Writer::create(Vec::new(), &header, 1, 2).unwrap(), time: 0 }
        }

        fn event(mut self, kind: EventKind, data: &[u8]) -> Script {
            self.time += 1000;
            let event = Event { time: Nanos(self.time), kind };
            let data = (!data.is_empty()).then(|| Bytes::copy_from_slice(data));
            self.writer.append(LogEntry { event, data }).unwrap();
            self
        }

        fn issue(self, id: u64, request: Request, data: &[u8]) -> Script {
            let payload = if data.is_empty() { Payload::Absent } else { Payload::of(data) };
            let issue = Issue {
                id: RequestId(id),
                device: DeviceId(0),
                connection: ConnectionId(0),
                cookie: id,
                request,
                payload,
                early: Nanos(0),
            };
            self.event(EventKind::Issue(issue), data)
        }

        fn write(self, id: u64, offset: u64, data: &[u8]) -> Script {
            self.issue(id, request(Operation::Write, offset, data.len() as u64), data)
        }

        fn block(
            self,
            id: u64,
            operation: Operation,
            result: Result<(), Errno>,
            data: &[u8],
        ) -> Script {
            let payload = if data.is_empty() { Payload::Absent } else { Payload::of(data) };
            let block = Block {
                id: RequestId(id),
                device: DeviceId(0),
                operation,
                result,
                latency: Nanos(10),
                hold: Nanos(1),
                flags: CompletionFlags::default(),
                payload,
                extents: Vec::new(),
            };
            self.event(EventKind::Block(block), data)
        }

        fn bytes(self) -> Vec<u8> {
            self.event(EventKind::End { status: None }, &[]).writer.finish().unwrap().0
        }
    }

    fn reader(bytes: &[u8]) -> Reader<Cursor<Vec<u8>>> {
        Reader::open(Cursor::new(bytes.to_vec())).unwrap()
    }

    fn run(bytes: &[u8], device: Arc<dyn BlockDevice>) -> Result<Replayed, ReplayError> {
        let plan = Plan::of(&mut reader(bytes)).unwrap();
        let stop = AtomicBool::new(false);
        let clock = Ticking::default();
        let options =
            Options { clock: &clock, patience: Nanos(5000), stop: &stop, progress: &mut |_| {} };
        replay(&mut reader(bytes), &plan, &[device], options)
    }

    fn memory() -> Arc<Pool> {
        Pool::new(Arc::new(Memory::new(1 << 20)), 2)
    }

    #[test]
    fn what_was_written_is_read_back_and_verified() {
        let bytes = Script::new()
            .write(0, 512, b"data")
            .block(0, Operation::Write, Ok(()), b"")
            .issue(1, request(Operation::Read, 512, 4), b"")
            .block(1, Operation::Read, Ok(()), b"data")
            .bytes();
        let replayed = run(&bytes, memory()).unwrap();
        assert_eq!(replayed.divergence, None);
        assert_eq!((replayed.requests, replayed.verified, replayed.left_out), (2, 1, 0));
    }

    #[test]
    fn other_data_are_a_divergence_that_names_the_bytes_and_the_last_writer() {
        let bytes = Script::new()
            .write(0, 0, b"xxxx")
            .block(0, Operation::Write, Ok(()), b"")
            .write(1, 512, b"data")
            .block(1, Operation::Write, Ok(()), b"")
            .issue(2, request(Operation::Read, 512, 4), b"")
            .block(2, Operation::Read, Ok(()), b"dust")
            .bytes();
        let divergence = run(&bytes, memory()).unwrap().divergence.unwrap();
        assert_eq!(divergence.id, RequestId(2));
        let DivergenceKind::Data { bytes: Some(differ), .. } = &divergence.kind else {
            panic!("{divergence:?}");
        };
        assert_eq!(*differ, DifferentBytes { first: 1, count: 3, of: 4 });
        let last = last_writer(&mut reader(&bytes), &divergence).unwrap();
        let Some(LastWriter { id: RequestId(1), result: Some(Ok(())), .. }) = last else {
            panic!("{last:?}");
        };
    }

    #[test]
    fn a_request_that_failed_when_it_was_recorded_is_left_out() {
        let bytes = Script::new()
            .write(0, 0, b"lost")
            .block(0, Operation::Write, Err(Errno::ENOSPC), b"")
            .issue(1, request(Operation::Read, 0, 4), b"")
            .block(1, Operation::Read, Ok(()), b"\0\0\0\0")
            .bytes();
        let replayed = run(&bytes, memory()).unwrap();
        assert_eq!(replayed.divergence, None);
        assert_eq!((replayed.requests, replayed.verified, replayed.left_out), (1, 1, 1));
    }

    #[test]
    fn an_image_that_fails_now_is_a_divergence() {
        let bytes =
            Script::new().write(0, 0, b"data").block(0, Operation::Write, Ok(()), b"").bytes();
        let device = Parked::new(1 << 20);
        let failing = thread::spawn({
            let device = Arc::clone(&device);
            move || {
                while device.parked().is_empty() {
                    thread::yield_now();
                }
                device.complete(0, Err(Errno::EIO));
            }
        });
        let plan = Plan::of(&mut reader(&bytes)).unwrap();
        let (clock, stop) = (Ticking::default(), AtomicBool::new(false));
        let patience = Nanos(u64::MAX);
        let options = Options { clock: &clock, patience, stop: &stop, progress: &mut |_| {} };
        let replayed = replay(&mut reader(&bytes), &plan, &[device], options).unwrap();
        failing.join().unwrap();
        let divergence = replayed.divergence.unwrap();
        assert_eq!(divergence.kind, DivergenceKind::Result { now: Errno::EIO });
    }

    #[test]
    fn an_image_that_never_answers_is_trouble_with_a_name() {
        let bytes = Script::new()
            .issue(0, request(Operation::Flush, 0, 0), b"")
            .block(0, Operation::Flush, Ok(()), b"")
            .bytes();
        let outcome = run(&bytes, Parked::new(1 << 20));
        let Err(ReplayError::Silent { id: RequestId(0), .. }) = outcome else {
            panic!("{outcome:?}");
        };
    }

    #[test]
    fn a_request_waits_for_what_was_released_before_it_was_issued_and_for_nothing_else() {
        let bytes = Script::new()
            .issue(0, request(Operation::Flush, 0, 0), b"")
            .issue(1, request(Operation::Flush, 0, 0), b"")
            .block(1, Operation::Flush, Ok(()), b"")
            .issue(2, request(Operation::Flush, 0, 0), b"")
            .block(2, Operation::Flush, Ok(()), b"")
            .block(0, Operation::Flush, Ok(()), b"")
            .bytes();
        let device = Parked::new(1 << 20);
        let seen = thread::spawn({
            let device = Arc::clone(&device);
            move || {
                let mut seen = Vec::new();
                for (parked, complete) in [(vec![0, 1], 1), (vec![0, 2], 2), (vec![0], 0)] {
                    while device.parked().len() != parked.len() {
                        thread::yield_now();
                    }
                    seen.push(device.parked() == parked);
                    device.complete(complete, Ok(()));
                }
                seen
            }
        });
        let plan = Plan::of(&mut reader(&bytes)).unwrap();
        let (clock, stop) = (Ticking::default(), AtomicBool::new(false));
        let patience = Nanos(u64::MAX);
        let options = Options { clock: &clock, patience, stop: &stop, progress: &mut |_| {} };
        replay(&mut reader(&bytes), &plan, &[device], options).unwrap();
        assert_eq!(seen.join().unwrap(), [true, true, true]);
    }

    #[test]
    fn somebody_who_interrupts_need_not_wait_for_a_silent_image() {
        let flush = request(Operation::Flush, 0, 0);
        let bytes =
            Script::new().issue(0, flush, b"").block(0, Operation::Flush, Ok(()), b"").bytes();
        let device = Parked::new(1 << 20);
        let stop = Arc::new(AtomicBool::new(false));
        let stopper = thread::spawn({
            let (device, stop) = (Arc::clone(&device), Arc::clone(&stop));
            move || {
                while device.parked().is_empty() {
                    thread::yield_now();
                }
                stop.store(true, Ordering::Relaxed);
            }
        });
        let plan = Plan::of(&mut reader(&bytes)).unwrap();
        let clock = Ticking::default();
        let patience = Nanos(u64::MAX);
        let options = Options { clock: &clock, patience, stop: &stop, progress: &mut |_| {} };
        let outcome = replay(&mut reader(&bytes), &plan, &[device], options);
        let Err(ReplayError::Interrupted { requests: 0 }) = outcome else { panic!("{outcome:?}") };
        stopper.join().unwrap();
    }

    #[test]
    fn what_no_client_could_have_sent_is_refused_with_its_place() {
        let past_end = Script::new().issue(0, request(Operation::Read, 1 << 20, 1), b"").bytes();
        let outcome = run(&past_end, memory());
        let Err(ReplayError::PastEnd { event: 0, size: 0x10_0000, .. }) = outcome else {
            panic!("{outcome:?}");
        };
        let short = Script::new().issue(0, request(Operation::Write, 0, 9), b"data").bytes();
        let outcome = run(&short, memory());
        let Err(ReplayError::DataLength { event: 0, expected: 9, found: 4, .. }) = outcome else {
            panic!("{outcome:?}");
        };
        let flush = request(Operation::Flush, 0, 0);
        let twice = Script::new().issue(0, flush, b"").issue(0, flush, b"").bytes();
        let outcome = run(&twice, memory());
        let Err(ReplayError::Twice { event: 1, .. }) = outcome else { panic!("{outcome:?}") };
    }

    #[test]
    fn a_write_without_its_data_is_refused_before_the_first_request() {
        let bytes = Script::new().issue(0, request(Operation::Write, 0, 4), b"").bytes();
        let outcome = Plan::of(&mut reader(&bytes));
        let Err(PlanError::NoData { event: 0, .. }) = outcome else { panic!("{outcome:?}") };
    }
}
