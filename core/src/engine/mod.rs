//! The engine: numbers requests, keeps their completions back, and releases them at checkpoints.
//!
//! ```text
//!  front ─issue─▶ log, conflict rule ─submit─▶ image
//!        ◀─release─ checkpoint ◀─ queue ◀─complete─┘
//! ```
//!
//! `driver` sits between a front and an image, `conflict` says which request must wait, `queue` holds
//! completions, `checkpoint` releases them, `record` writes the log, `replay` does it all again from one.
//! It knows neither NBD nor files. Invariant: one lock guards the request counter, the log's order and the
//! queue, so that an issue logged before a release cannot depend on it.

mod checkpoint;
mod conflict;
mod divergence;
mod driver;
mod outbox;
#[cfg(test)]
mod parked;
mod plan;
mod queue;
mod record;
mod replay;
mod replay_error;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::device::BlockDevice;
use crate::event::{Event, EventKind, MarkName, Payload};
use crate::format::{Entry, PayloadPolicy};
use crate::request::{ConnectionId, DeviceId, Operation, RequestId};
use crate::units::{Clock, Nanos};

use conflict::Conflicts;
use driver::Held;
use queue::{AsyncQueue, Queued};

pub use divergence::{DifferentBytes, Divergence, DivergenceKind, LastWriter, last_writer};
pub use driver::{Arrival, Disk, Negotiated, Port, Released};
pub use plan::{Plan, PlanError};
pub use record::{Identity, MarkError, OnTrouble, RecordError, Recorded, Recorder};
pub use replay::{Options as ReplayOptions, Replayed, replay};
pub use replay_error::ReplayError;

/// Numbers requests, holds their completions and releases them. One for all devices and connections.
pub struct Engine {
    mode: Mode,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

/// What an engine does with events.
enum Mode {
    /// Runs them at once and logs nothing.
    Off,
    /// Logs them.
    Record { recorder: Recorder, policy: PayloadPolicy },
}

/// What the engine's one lock guards, beside the order of the log.
struct State {
    next_request: u64,
    next_connection: u32,
    queue: AsyncQueue,
    /// By device number.
    conflicts: Vec<Conflicts<Held>>,
    totals: Totals,
    /// Ids are given and events logged.
    enabled: bool,
}

/// What was released so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Requests of any kind.
    pub requests: u64,
    /// Flushes among them.
    pub flushes: u64,
    /// Requests that failed or were refused.
    pub errors: u64,
}

/// Entries on their way into the log, in order.
#[derive(Default)]
struct Log {
    entries: Vec<Entry>,
}

impl Log {
    fn push(&mut self, time: Nanos, kind: EventKind, data: Option<Bytes>) {
        self.entries.push(Entry { event: Event { time, kind }, data });
    }
}

impl Engine {
    /// An engine that records nothing. The conflict rule holds nevertheless.
    pub fn off(clock: Arc<dyn Clock>) -> Arc<Engine> {
        Engine::new(clock, Mode::Off)
    }

    /// An engine that records. `policy` says what is kept of the data.
    pub fn recording(
        clock: Arc<dyn Clock>,
        recorder: Recorder,
        policy: PayloadPolicy,
    ) -> Arc<Engine> {
        Engine::new(clock, Mode::Record { recorder, policy })
    }

    fn new(clock: Arc<dyn Clock>, mode: Mode) -> Arc<Engine> {
        let enabled = matches!(mode, Mode::Record { .. });
        let state = State {
            next_request: 0,
            next_connection: 0,
            queue: AsyncQueue::default(),
            conflicts: Vec::new(),
            totals: Totals::default(),
            enabled,
        };
        Arc::new(Engine { mode, clock, state: Mutex::new(state) })
    }

    /// Attaches a device; the first gets number 0. Logs that it was opened, and its length.
    pub fn attach(self: &Arc<Engine>, device: Arc<dyn BlockDevice>) -> Arc<Disk> {
        let mut state = self.lock();
        let number = u16::try_from(state.conflicts.len()).ok();
        let id = DeviceId(number.expect("callers attach at most DEVICES_MAX devices"));
        let geometry = device.geometry();
        state.conflicts.push(Conflicts::new(u64::from(geometry.block_min)));
        self.note(&state, EventKind::Open { device: id });
        self.note(&state, EventKind::Length { device: id, length: geometry.size });
        drop(state);
        Arc::new(Disk::new(Arc::clone(self), id, device))
    }

    /// What was released so far.
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Puts a mark into the log, at this point of it, and waits until it is written. Afterwards a kill of this
    /// process does not lose it.
    pub fn mark(&self, name: MarkName) -> Result<(), MarkError> {
        let state = self.lock();
        let Mode::Record { recorder, .. } = &self.mode else { return Err(MarkError::NotRecording) };
        if !state.enabled {
            return Err(MarkError::NotRecording);
        }
        self.note(&state, EventKind::Mark { name });
        drop(state);
        recorder.write_out()
    }

    /// Ends the recording: closes the devices, logs `end` with the `status` of COMMAND, and waits for the
    /// log to be written. `None` if nothing is recorded. Every [`Port`] must be gone.
    pub fn finish(&self, status: Option<u8>) -> Option<Result<Recorded, RecordError>> {
        let mut state = self.lock();
        for number in 0..state.conflicts.len() {
            let device = DeviceId(u16::try_from(number).expect("checked when it was attached"));
            self.note(&state, EventKind::Close { device });
        }
        self.note(&state, EventKind::End { status });
        state.enabled = false;
        drop(state);
        match &self.mode {
            Mode::Off => None,
            Mode::Record { recorder, .. } => Some(recorder.finish()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Puts entries into the log. The state's lock, which the caller holds, gives them their order.
    fn write(&self, state: &State, log: Log) {
        if let Mode::Record { recorder, .. } = &self.mode
            && state.enabled
        {
            recorder.write(log.entries);
        }
    }

    /// Logs one event of now.
    fn note(&self, state: &State, kind: EventKind) {
        let mut log = Log::default();
        log.push(self.now(), kind, None);
        self.write(state, log);
    }

    /// Waits while the log is too far behind: backpressure, so that nothing is lost and memory is bounded.
    fn wait_for_room(&self) {
        if let Mode::Record { recorder, .. } = &self.mode {
            recorder.wait_for_room();
        }
    }

    /// What the log is to know of a request's data.
    fn payload_of(&self, data: &[u8]) -> Payload {
        match &self.mode {
            Mode::Record { policy, .. } if *policy != PayloadPolicy::None && !data.is_empty() => {
                Payload::of(data)
            }
            _ => Payload::Absent,
        }
    }

    /// The data that the log keeps of a request with this operation and payload.
    fn stored(&self, operation: Operation, payload: &Payload, data: &Bytes) -> Option<Bytes> {
        let Mode::Record { policy, .. } = &self.mode else {
            return None;
        };
        let wanted = match operation {
            Operation::Read => *policy == PayloadPolicy::All,
            _ => matches!(policy, PayloadPolicy::Write | PayloadPolicy::All),
        };
        (wanted && matches!(payload, Payload::Digest(_))).then(|| data.clone())
    }
}

impl State {
    /// The next request's id; `None` while nothing is recorded.
    fn next_id(&mut self) -> Option<RequestId> {
        let id = self.enabled.then_some(RequestId(self.next_request));
        self.next_request += u64::from(self.enabled);
        id
    }

    fn next_connection(&mut self) -> ConnectionId {
        let connection = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.wrapping_add(1);
        connection
    }

    fn conflicts(&mut self, device: DeviceId) -> &mut Conflicts<Held> {
        &mut self.conflicts[usize::from(device.0)]
    }
}

impl Totals {
    fn count(&mut self, queued: &Queued) {
        self.requests += 1;
        self.flushes += u64::from(queued.released.request.operation == Operation::Flush);
        self.errors += u64::from(queued.released.result.is_err());
    }
}
