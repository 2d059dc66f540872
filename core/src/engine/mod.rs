//! The engine: numbers requests, keeps their completions back, and releases them at checkpoints.
//!
//! ```text
//!  front ─issue─▶ log, conflict rule ─submit─▶ image
//!        ◀─release─ checkpoint ◀─ queue ◀─complete─┘
//! ```
//!
//! `driver` sits between a front and an image, `conflict` says which request must wait, `queue` holds
//! completions, `checkpoint` releases them, `record` writes the log, `conductor` does it all again from one.
//! `monitor` is the same for a virtual machine, which has more to record than requests. It knows neither NBD nor files.
//! Invariant: one lock guards the request counter, the log's order and the queue, so that an issue logged before a
//! release cannot depend on it.

mod asking;
mod async_event;
mod checkpoint;
mod conductor;
mod conflict;
mod counterparts;
mod disk;
mod divergence;
mod driver;
mod evidence;
mod expected;
mod feed;
mod hands;
mod late;
mod monitor;
mod monitor_divergence;
mod outbox;
#[cfg(test)]
pub(crate) mod parked;
mod plan;
mod planned;
mod play;
mod player;
mod queue;
mod record;
mod replay_error;
mod room;
mod rules;
mod schedule;
mod spill;
#[cfg(test)]
mod tests;
mod totals;
mod waiting;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::Bytes;

use crate::device::{BlockDevice, Doorbell, Geometry};
use crate::event::{Disconnect, Event, EventKind, MarkName, Payload};
use crate::format::{Entry, PayloadPolicy};
use crate::request::{ConnectionId, DeviceId, Operation, RequestId};
use crate::units::{Clock, Nanos};

use conductor::Conductor;
use conflict::Conflicts;
use driver::Held;
use play::Play;
use queue::AsyncQueue;

pub use async_event::{AsyncEvent, Due, QueueFull};
pub use disk::Disk;
pub use divergence::{Asked, AskedField, DifferentBytes, Divergence, DivergenceKind, Place, Shown};
pub use driver::{Arrival, Negotiated, Port, Released};
pub use evidence::{Evidence, LastWriter, Later, evidence};
pub use monitor::{Monitor, MonitorError, Passed};
pub use monitor_divergence::{MonitorAct, MonitorDivergence, MonitorField, MonitorMismatch};
pub use plan::{Incomplete, Plan, PlanError};
pub use planned::{Planned, schedule};
pub use play::Script;
pub use player::{Fill, Player, Standing};
pub use record::{Identity, MarkError, OnTrouble, RecordError, Recorded, Recorder};
pub use replay_error::ReplayError;
pub use rules::{Latencies, Replayed, Rules, Source, Timing};
pub use schedule::Order;
pub use totals::Totals;
pub use waiting::Waiting;

/// How often a lock that is held is looked at before its thread sleeps for it: some ten microseconds, which is what others do
/// under it at once.
const LOCK_TRIES: u32 = 1000;

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
    /// Takes their order and their results from a log.
    Replay(Box<Play>),
}

/// What the engine's one lock guards, beside the order of the log.
struct State {
    next_request: u64,
    next_connection: u32,
    queue: AsyncQueue,
    /// By device number.
    conflicts: Vec<Conflicts<Held>>,
    /// Of all requests.
    totals: Totals,
    /// Of those that are in the log.
    recorded: Totals,
    /// Whether events reach the log.
    logging: Logging,
    /// Off: events are run at once, and nothing of them reaches the log.
    enabled: bool,
    /// Wakes the monitor, if there is one.
    monitor: Option<Arc<Doorbell>>,
    /// Requests in the log whose completion is not.
    open: u64,
    /// Connections in the log whose end is not.
    connected: BTreeSet<ConnectionId>,
    /// Of a replay.
    conductor: Option<Conductor>,
}

/// Whether events reach the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Logging {
    /// Ids are given and everything is logged.
    On,
    /// The recording ends: only completions of what is in the log already are logged.
    Draining,
    /// Nothing is.
    Off,
}

/// Entries on their way into the log, in order.
#[derive(Default)]
struct Log {
    entries: Vec<Entry>,
    /// What was promised for them, in bytes.
    promised: u64,
    /// Nothing is logged.
    off: bool,
}

impl Log {
    /// Where nothing is logged.
    fn off() -> Log {
        Log { off: true, ..Log::default() }
    }

    fn push(&mut self, time: Nanos, kind: EventKind, data: Option<Bytes>) {
        if !self.off {
            self.entries.push(Entry { event: Event { time, kind }, data });
        }
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
        let recording = match &mode {
            Mode::Off => false,
            Mode::Record { .. } => true,
            Mode::Replay(play) => play.recorder.is_some(),
        };
        let state = State {
            next_request: 0,
            next_connection: 0,
            queue: AsyncQueue::default(),
            conflicts: Vec::new(),
            totals: Totals::default(),
            recorded: Totals::default(),
            logging: if recording { Logging::On } else { Logging::Off },
            enabled: true,
            monitor: None,
            open: 0,
            connected: BTreeSet::new(),
            conductor: None,
        };
        Arc::new(Engine { mode, clock, state: Mutex::new(state) })
    }

    /// Attaches a device; the first gets number 0. Logs that it was opened, and its length.
    pub fn attach(self: &Arc<Engine>, device: Arc<dyn BlockDevice>) -> Arc<Disk> {
        let geometry = device.geometry().clone();
        self.attach_stage(geometry, Some(device))
    }

    /// Attaches a device to a replay with clients, who are told that it is what it was when it was recorded.
    pub fn attach_as(
        self: &Arc<Engine>,
        geometry: Geometry,
        device: Arc<dyn BlockDevice>,
    ) -> Arc<Disk> {
        self.attach_stage(geometry, Some(device))
    }

    /// Attaches a device without an image to a replay: the trace answers what is asked of it.
    pub fn attach_trace(self: &Arc<Engine>, geometry: Geometry) -> Arc<Disk> {
        assert!(matches!(self.mode, Mode::Replay(_)), "only a replay can do without an image");
        self.attach_stage(geometry, None)
    }

    fn attach_stage(
        self: &Arc<Engine>,
        geometry: Geometry,
        device: Option<Arc<dyn BlockDevice>>,
    ) -> Arc<Disk> {
        let mut state = self.lock();
        let number = u16::try_from(state.conflicts.len()).ok();
        let id = DeviceId(number.expect("callers attach at most DEVICES_MAX devices"));
        state.conflicts.push(Conflicts::new(u64::from(geometry.block_min)));
        if let Some(conductor) = &mut state.conductor {
            conductor.attach(geometry.clone(), device.is_some());
        }
        self.note(&state, EventKind::Open { device: id });
        self.note(&state, EventKind::Length { device: id, length: geometry.size });
        drop(state);
        Arc::new(Disk::new(Arc::clone(self), id, geometry, device))
    }

    /// What was released so far.
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Puts a mark into the log, at this point of it, and waits until it is written. Afterwards a kill of this
    /// process does not lose it.
    pub fn mark(&self, name: MarkName) -> Result<(), MarkError> {
        let mut state = self.lock();
        if let Some(conductor) = &mut state.conductor {
            conductor.mark(&name);
        } else if state.logging != Logging::On {
            return Err(MarkError::NotRecording);
        }
        self.note(&state, EventKind::Mark { name });
        drop(state);
        self.recorder().map_or(Ok(()), Recorder::write_out)
    }

    /// Who writes the log, if there is one.
    fn recorder(&self) -> Option<&Recorder> {
        match &self.mode {
            Mode::Off => None,
            Mode::Record { recorder, .. } => Some(recorder),
            Mode::Replay(play) => play.recorder.as_ref(),
        }
    }

    /// Ends the recording: closes the devices, logs `end` with the `status` of COMMAND, and waits for the
    /// log to be written. `None` if nothing is recorded. Every [`Port`] should be gone: what an image has not completed by
    /// now has no completion in the log.
    pub fn finish(&self, status: Option<u8>) -> Option<Result<Recorded, RecordError>> {
        let mut state = self.lock();
        self.write_end(&mut state, status);
        drop(state);
        self.recorder().map(Recorder::finish)
    }

    /// Ends the recording while clients are served on: what comes from now on is not in the log, what has been
    /// issued is completed in it. After the last completion the trace is whole.
    pub fn end_recording(&self) {
        let mut state = self.lock();
        if state.logging == Logging::On {
            state.logging = Logging::Draining;
            self.end_if_drained(&mut state);
        }
    }

    /// Whether a recording was ended: by [`Engine::end_recording`], or because its trace became as large as it
    /// may be.
    pub fn recording_ended(&self) -> bool {
        matches!(self.mode, Mode::Record { .. }) && self.lock().logging != Logging::On
    }

    /// What is in the log of what was released.
    pub fn recorded(&self) -> Totals {
        self.lock().recorded
    }

    /// Ends the log once everything in it is complete.
    fn end_if_drained(&self, state: &mut State) {
        if state.logging == Logging::Draining && state.open == 0 {
            self.write_end(state, None);
        }
    }

    /// Writes the events that end a trace, unless they are written.
    fn write_end(&self, state: &mut State, status: Option<u8>) {
        if state.logging == Logging::Off {
            return;
        }
        let now = self.now();
        let mut log = Log::default();
        for connection in std::mem::take(&mut state.connected) {
            let reason = Disconnect::Shutdown;
            log.push(now, EventKind::Disconnect { connection, reason }, None);
        }
        for number in 0..state.conflicts.len() {
            let device = DeviceId(u16::try_from(number).expect("checked when it was attached"));
            log.push(now, EventKind::Close { device }, None);
        }
        log.push(now, EventKind::End { status }, None);
        self.write(state, log);
        state.logging = Logging::Off;
        if let Some(recorder) = self.recorder() {
            recorder.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same where several threads do short work under it all the time: whoever sleeps for it costs two of them more
    /// than the wait, so it is tried some times before.
    fn lock_soon(&self) -> MutexGuard<'_, State> {
        for _ in 0..LOCK_TRIES {
            match self.state.try_lock() {
                Ok(state) => return state,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        self.lock()
    }

    fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Puts entries into the log. The state's lock, which the caller holds, gives them their order.
    fn write(&self, state: &State, log: Log) {
        if let Some(recorder) = self.recorder()
            && state.logging != Logging::Off
        {
            recorder.write(log.entries, log.promised);
        }
    }

    /// Logs one event of now.
    fn note(&self, state: &State, kind: EventKind) {
        if state.logging != Logging::On {
            return;
        }
        let mut log = Log::default();
        log.push(self.now(), kind, None);
        self.write(state, log);
    }

    /// What the log is to know of a request's data.
    fn payload_of(&self, data: &[u8]) -> Payload {
        match &self.mode {
            Mode::Off => Payload::Absent,
            _ if data.is_empty() || self.policy() == PayloadPolicy::None => Payload::Absent,
            _ => Payload::of(data),
        }
    }

    /// What the log keeps of the data.
    fn policy(&self) -> PayloadPolicy {
        match &self.mode {
            Mode::Off => PayloadPolicy::None,
            Mode::Record { policy, .. } => *policy,
            Mode::Replay(play) => play.policy,
        }
    }

    /// The data that the log keeps of a request with this operation and payload.
    fn stored(&self, operation: Operation, payload: &Payload, data: &Bytes) -> Option<Bytes> {
        let wanted = self.keeps(operation) && matches!(payload, Payload::Digest(_));
        wanted.then(|| data.clone())
    }
}

impl State {
    /// Whether what happens now is logged.
    fn logs(&self) -> bool {
        self.enabled && self.logging == Logging::On
    }

    /// The next request's id; `None` while nothing is recorded.
    fn next_id(&mut self) -> Option<RequestId> {
        let logs = self.logs();
        let id = logs.then_some(RequestId(self.next_request));
        self.next_request += u64::from(logs);
        self.open += u64::from(logs);
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
