//! The block driver between a front and an image: gives requests their ids, holds those that must wait, and
//! brings completions to the queue (QEMU: block/blkreplay.c).
//!
//! Requests come in through a [`Port`], one for each connection and disk, and come out of the same port when a
//! checkpoint has released them. It knows neither sockets nor trace files. Invariant: every request issued
//! is queued once and handed back once, or logged as undelivered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::conflict::Ticket;
use super::disk::Disk;
use super::outbox::{Outbox, Work};
use super::queue::Queued;
use super::{Log, Mode, State};
use crate::device::{Completion, Doorbell, Queue, Submission};
use crate::event::{Disconnect, EventKind, Issue, Payload};
use crate::request::{ConnectionId, Errno, Extent, Operation, Request, RequestId};
use crate::units::Nanos;

/// How long a port that is being closed sleeps between two looks, if nobody rings.
const DRAIN_NAP: Duration = Duration::from_millis(100);

/// How often a port sleeps that is closed by a panic.
const PANIC_NAPS: usize = 10;

/// What a client and the front agreed on, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The export name that the client asked for.
    pub export: String,
    /// Replies are structured.
    pub structured_replies: bool,
    /// It may ask for block status.
    pub block_status: bool,
    /// Requests and replies have extended headers.
    pub extended_headers: bool,
}

#[cfg(test)]
impl Negotiated {
    /// What most clients agree on.
    pub(super) fn usual() -> Negotiated {
        let (structured_replies, block_status) = (true, true);
        Negotiated {
            export: String::new(),
            structured_replies,
            block_status,
            extended_headers: false,
        }
    }
}

/// A request as a front hands it in.
#[derive(Debug)]
pub struct Arrival {
    /// The front's own note, handed back with the reply.
    pub tag: u64,
    /// The client's tag.
    pub cookie: u64,
    /// What is asked. Within the device unless it is refused.
    pub request: Request,
    /// The data of a write; empty for all others.
    pub data: Bytes,
    /// The front refuses it with this error: it is logged and never reaches the image.
    pub refused: Option<Errno>,
}

/// A reply as a front gets it back.
#[derive(Debug)]
pub struct Released {
    /// From the arrival.
    pub tag: u64,
    /// From the arrival.
    pub cookie: u64,
    /// From the arrival.
    pub request: Request,
    /// What the image said, or the refusal.
    pub result: Result<(), Errno>,
    /// The data of a read that worked.
    pub data: Bytes,
    /// The answer to a block status that worked.
    pub extents: Vec<Extent>,
}

/// A submission that the conflict rule holds back, with the port that it belongs to.
#[derive(Debug)]
pub(super) struct Held {
    submission: Submission,
    outbox: Arc<Outbox>,
}

/// One connection's way to one disk.
pub struct Port {
    pub(super) disk: Arc<Disk>,
    connection: ConnectionId,
    /// `None` where a trace answers.
    queue: Option<Box<dyn Queue>>,
    pub(super) outbox: Arc<Outbox>,
    /// What is with the image or held back, by ticket.
    flights: HashMap<u64, Flight, foldhash::fast::RandomState>,
    /// A refused request waits in the queue for a checkpoint.
    pub(super) refusals_queued: bool,
    /// Requests issued and not yet handed back.
    pub(super) handed_in: usize,
    /// Kept for its memory.
    completions: Vec<Completion>,
    /// The client sends nothing any more.
    input_closed: bool,
    /// How the connection ends.
    ending: Disconnect,
}

/// A request between its issue and its completion by the image.
#[derive(Debug)]
struct Flight {
    id: Option<RequestId>,
    tag: u64,
    cookie: u64,
    request: Request,
    issued: Nanos,
}

impl Port {
    pub(super) fn new(
        disk: Arc<Disk>,
        connection: ConnectionId,
        queue: Option<Box<dyn Queue>>,
        outbox: Arc<Outbox>,
    ) -> Port {
        Port {
            disk,
            connection,
            queue,
            outbox,
            flights: HashMap::default(),
            refusals_queued: false,
            handed_in: 0,
            completions: Vec::new(),
            input_closed: false,
            ending: Disconnect::Closed,
        }
    }

    /// Its number in the trace.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Rung when another thread did something for this connection.
    pub fn doorbell(&self) -> &Arc<Doorbell> {
        self.outbox.bell()
    }

    /// Requests issued and not yet handed back by [`Port::pump`].
    pub fn in_flight(&self) -> usize {
        self.handed_in
    }

    /// Issues requests; they get their ids in this order. Waits only while the log is too far behind.
    pub fn issue(&mut self, arrivals: &mut Vec<Arrival>) {
        if arrivals.is_empty() {
            return;
        }
        let disk = Arc::clone(&self.disk);
        if let Mode::Replay(play) = &disk.engine.mode {
            self.handed_in += arrivals.len();
            disk.engine.play_arrivals(play, disk.id, self.connection, &self.outbox, arrivals);
            return;
        }
        disk.engine.wait_for_room(arrivals);
        let payloads: Vec<Payload> =
            arrivals.iter().map(|arrival| disk.engine.payload_of(&arrival.data)).collect();
        self.handed_in += arrivals.len();
        let mut log = Log::default();
        let mut go = Vec::with_capacity(arrivals.len());
        let mut state = disk.engine.lock();
        let now = disk.engine.now();
        for (arrival, payload) in arrivals.drain(..).zip(payloads) {
            let id = state.next_id();
            log.promised += disk.engine.issue_promise(&arrival);
            if id.is_none() {
                let is_refused = arrival.refused.is_some();
                log.promised += disk.engine.block_promise(arrival.request, is_refused);
            }
            if let Some(id) = id {
                let stored = disk.engine.stored(arrival.request.operation, &payload, &arrival.data);
                let issue = self.issue_event(id, &arrival, payload);
                log.push(now, EventKind::Issue(issue), stored);
            }
            match arrival.refused {
                Some(errno) => self.refuse(&mut state, id, &arrival, errno, now),
                None => go.extend(self.start(&mut state, id, arrival, now)),
            }
        }
        disk.engine.write(&state, log);
        drop(state);
        // The image may do its work inside `submit`: never under the lock.
        if let Some(queue) = &mut self.queue {
            for submission in go {
                queue.submit(submission);
            }
            queue.kick();
        }
    }

    fn issue_event(&self, id: RequestId, arrival: &Arrival, payload: Payload) -> Issue {
        Issue {
            id,
            device: self.disk.id,
            connection: self.connection,
            cookie: arrival.cookie,
            request: arrival.request,
            payload,
            early: Nanos(0),
        }
    }

    /// What to submit now; nothing if the request must wait.
    fn start(
        &mut self,
        state: &mut State,
        id: Option<RequestId>,
        arrival: Arrival,
        now: Nanos,
    ) -> Option<Submission> {
        let Arrival { tag, cookie, request, data, .. } = arrival;
        let outbox = &self.outbox;
        let (ticket, ready) = state.conflicts(self.disk.id).arrive(&request, |ticket| Held {
            submission: Submission { tag: ticket.0, request, data },
            outbox: Arc::clone(outbox),
        });
        self.flights.insert(ticket.0, Flight { id, tag, cookie, request, issued: now });
        ready.map(|held| held.submission)
    }

    /// Queues the completion of a request that the image must not see.
    fn refuse(
        &mut self,
        state: &mut State,
        id: Option<RequestId>,
        arrival: &Arrival,
        errno: Errno,
        now: Nanos,
    ) {
        let Arrival { tag, cookie, request, .. } = *arrival;
        let (data, extents) = (Bytes::new(), Vec::new());
        let queued = Queued {
            id,
            device: self.disk.id,
            issued: now,
            done: now,
            refused: true,
            payload: Payload::Absent,
            stored: None,
            released: Released { tag, cookie, request, result: Err(errno), data, extents },
            outbox: Arc::clone(&self.outbox),
        };
        self.refusals_queued |= state.enqueue(queued);
    }

    /// Brings the image's completions to the queue, passes a checkpoint if anything is queued that waits for none of a
    /// [`Monitor`](super::Monitor), and appends what was released to this connection. Never waits for the image.
    pub fn pump(&mut self, released: &mut Vec<Released>) {
        let disk = Arc::clone(&self.disk);
        if let Mode::Replay(play) = &disk.engine.mode {
            let queues = std::slice::from_mut(&mut self.queue);
            while disk.engine.play_pump(play, queues, &self.outbox, &mut self.completions) {}
        } else {
            loop {
                self.work();
                if self.completions.is_empty() && !self.refusals_queued {
                    break;
                }
                self.complete();
            }
        }
        self.handed_in -= self.outbox.take_released(released);
    }

    /// Hands the image what the conflict rule has let go, and takes what it has completed.
    fn work(&mut self) {
        let Some(queue) = &mut self.queue else { return };
        for work in self.outbox.take_ready() {
            match work {
                Work::Submit(_, submission) => queue.submit(submission),
                Work::Fetch { .. } | Work::Load { .. } => {
                    unreachable!("only a replay reads a trace")
                }
            }
        }
        queue.kick();
        queue.poll(&mut self.completions);
    }

    /// Whether requests that come before their turn are kept, so that those behind them must be read: in a replay.
    pub fn keeps_early(&self) -> bool {
        matches!(self.disk.engine.mode, Mode::Replay(_))
    }

    /// Says that the client sends nothing any more. What it has sent is answered.
    pub fn close_input(&mut self) {
        if !std::mem::replace(&mut self.input_closed, true) {
            self.disk.engine.input_closed();
        }
    }

    /// Says that the client has gone: what is released from now on is logged as undelivered. Dropping the port does
    /// the same, and waits for what is in flight.
    pub fn abandon(&mut self) {
        self.close_input();
        self.outbox.abandon();
    }

    /// Queues the completions at hand and passes a checkpoint.
    fn complete(&mut self) {
        let disk = Arc::clone(&self.disk);
        let done = disk.engine.now();
        let completions = std::mem::take(&mut self.completions);
        let mut queued = Vec::with_capacity(completions.len());
        for completion in completions {
            queued.push((Ticket(completion.tag), self.finish(completion, done)));
        }
        let mut let_go = Vec::new();
        let mut state = disk.engine.lock();
        for (ticket, queued) in queued {
            state.conflicts(disk.id).complete(ticket, &mut let_go);
            state.enqueue(queued);
        }
        disk.engine.checkpoint(&mut state, &self.outbox);
        drop(state);
        self.refusals_queued = false;
        for held in let_go {
            let work = Work::Submit(disk.id, held.submission);
            held.outbox.let_go(work, &self.outbox);
        }
    }

    /// Turns what the image delivered into what the queue holds.
    fn finish(&mut self, completion: Completion, done: Nanos) -> Queued {
        let flight = self.flights.remove(&completion.tag);
        let Some(flight) = flight else {
            panic!("the device completed ticket {} twice", completion.tag);
        };
        let payload = match flight.request.operation {
            Operation::Read if completion.result.is_ok() => {
                self.disk.engine.payload_of(&completion.data)
            }
            _ => Payload::Absent,
        };
        Queued {
            id: flight.id,
            device: self.disk.id,
            issued: flight.issued,
            done,
            refused: false,
            stored: self.disk.engine.stored(Operation::Read, &payload, &completion.data),
            payload,
            released: Released {
                tag: flight.tag,
                cookie: flight.cookie,
                request: flight.request,
                result: completion.result,
                data: completion.data,
                extents: completion.extents,
            },
            outbox: Arc::clone(&self.outbox),
        }
    }

    /// Ends the connection: waits until the image is done with what is in flight, which is logged as
    /// undelivered, then logs how it ended. Dropping the port does the same, as [`Disconnect::Closed`].
    pub fn disconnect(mut self, reason: Disconnect) {
        self.ending = reason;
    }
}

impl Drop for Port {
    /// A port must not vanish with requests in flight: those that conflict with them would wait for ever. A thread that
    /// panics waits for a second: what it broke may be what would complete them.
    fn drop(&mut self) {
        self.abandon();
        self.leave_monitor();
        let mut nobody_reads = Vec::new();
        let naps = if std::thread::panicking() { PANIC_NAPS } else { usize::MAX };
        for _ in 0..naps {
            self.doorbell().clear();
            self.pump(&mut nobody_reads);
            nobody_reads.clear();
            if self.in_flight() == 0 {
                break;
            }
            self.outbox.bell().wait(DRAIN_NAP);
        }
        self.disk.engine.disconnected(self.connection, self.ending);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::BlockDevice;
    use crate::engine::Engine;
    use crate::engine::parked::Parked;
    use crate::request::Flags;
    use crate::units::ByteRange;

    fn arrival(cookie: u64, operation: Operation, offset: u64, length: u64) -> Arrival {
        let range = ByteRange::new(offset, length);
        let request = Request { operation, range, flags: Flags::NONE };
        let data = match operation {
            Operation::Write => Bytes::from(vec![1; usize::try_from(length).unwrap()]),
            _ => Bytes::new(),
        };
        Arrival { tag: cookie + 1000, cookie, request, data, refused: None }
    }

    fn port(device: &Arc<Parked>) -> Port {
        let engine = Engine::off(Arc::new(crate::engine::parked::Stopped));
        let disk = engine.attach(Arc::clone(device) as Arc<dyn BlockDevice>);
        connect(&disk)
    }

    fn connect(disk: &Arc<Disk>) -> Port {
        disk.connect(Negotiated::usual()).unwrap()
    }

    fn pumped(port: &mut Port) -> Vec<u64> {
        let mut released = Vec::new();
        port.pump(&mut released);
        released.iter().map(|released| released.cookie).collect()
    }

    #[test]
    fn a_conflicting_request_reaches_the_image_only_after_the_earlier_one() {
        let device = Parked::new(1 << 20);
        let mut port = port(&device);
        let write = || arrival(0, Operation::Write, 0, 4096);
        port.issue(&mut vec![write(), arrival(1, Operation::Read, 100, 8), write()]);
        assert_eq!(device.parked(), [0]);
        device.complete(0, Ok(()));
        assert_eq!(pumped(&mut port), [0]);
        assert_eq!(device.parked(), [1], "the read goes, the second write waits for it");
        device.complete(1, Ok(()));
        assert_eq!(pumped(&mut port), [1]);
        assert_eq!(device.parked(), [2]);
        device.complete(2, Ok(()));
        assert_eq!(pumped(&mut port), [0]);
        assert_eq!(port.in_flight(), 0);
    }

    #[test]
    fn independent_requests_come_back_in_the_order_the_image_chose() {
        let device = Parked::new(1 << 20);
        let mut port = port(&device);
        let mut arrivals: Vec<Arrival> =
            (0..4).map(|n| arrival(n, Operation::Write, n * 4096, 4096)).collect();
        port.issue(&mut arrivals);
        for ticket in [2, 0, 3, 1] {
            device.complete(ticket, Ok(()));
            assert_eq!(pumped(&mut port), [ticket]);
        }
    }

    #[test]
    fn a_request_held_back_for_another_connection_goes_when_that_one_is_complete() {
        let device = Parked::new(1 << 20);
        let mut first = port(&device);
        let mut second = connect(&first.disk);
        first.issue(&mut vec![arrival(0, Operation::Write, 0, 512)]);
        second.issue(&mut vec![arrival(7, Operation::Discard, 0, 512)]);
        second.doorbell().clear();
        assert_eq!(device.parked(), [0]);
        device.complete(0, Ok(()));
        assert_eq!(pumped(&mut first), [0]);
        assert!(!second.doorbell().park(), "it was rung");
        assert_eq!(pumped(&mut second), [0; 0]);
        assert_eq!(device.parked(), [1]);
        device.complete(1, Err(Errno::EIO));
        assert_eq!(pumped(&mut second), [7]);
    }

    #[test]
    fn a_refused_request_is_answered_and_never_reaches_the_image() {
        let device = Parked::new(1 << 20);
        let mut port = port(&device);
        let refused = Some(Errno::EPERM);
        port.issue(&mut vec![Arrival { refused, ..arrival(3, Operation::Write, 0, 512) }]);
        let mut released = Vec::new();
        port.pump(&mut released);
        assert_eq!(released.len(), 1);
        assert_eq!(released[0].result, Err(Errno::EPERM));
        assert_eq!(released[0].tag, 1003, "the front's own note comes back");
        assert_eq!(device.parked(), [0; 0]);
    }

    #[test]
    fn a_port_that_goes_waits_for_what_is_in_flight() {
        let device = Parked::new(1 << 20);
        let mut port = port(&device);
        port.issue(&mut vec![arrival(0, Operation::Read, 0, 512)]);
        let completer = std::thread::spawn({
            let device = Arc::clone(&device);
            move || device.complete(0, Ok(()))
        });
        port.disconnect(Disconnect::Asked);
        assert_eq!(device.parked(), [0; 0], "the port is gone only when the image is done");
        completer.join().unwrap();
    }
}
