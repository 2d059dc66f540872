//! An engine that replays: ports and conductor put together, with the trace behind them.
//!
//! The conductor decides under the engine's lock; what it wants done is done here, outside it: requests go to images,
//! data come from the trace. It knows no clients. Invariant: no I/O happens under the engine's lock.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::asking::Asking;
use super::conductor::{Conductor, Output, Phase};
use super::driver::Arrival;
use super::expected::{Answer, Came, Data};
use super::monitor::deliver;
use super::outbox::{Outbox, Work};
use super::plan::Plan;
use super::record::Recorder;
use super::replay_error::ReplayError;
use super::rules::{Replayed, Rules};
use super::spill::Spill;
use super::{Engine, Log, Mode, State};
use crate::device::{Completion, Doorbell, Queue};
use crate::event::{Event, EventKind, Payload, PayloadId};
use crate::format::{PayloadPolicy, ReadError, Reader};
use crate::limits::REQUEST_DATA_BYTES_MAX;
use crate::request::{ConnectionId, DeviceId, Request};
use crate::units::{Clock, Nanos};

/// What a replay is made from.
pub struct Script<R> {
    /// The trace, standing at its begin.
    pub trace: Reader<R>,
    /// What [`Plan::of`] said of it.
    pub plan: Plan,
    /// How to go about it.
    pub rules: Rules,
    /// Who writes the replay's own log, if there is to be one.
    pub recorder: Option<Recorder>,
    /// A file without a name, for early arrivals that memory has no room for.
    pub spill: File,
}

/// What a replaying engine has beside its state.
pub(super) struct Play {
    pub(super) recorder: Option<Recorder>,
    pub(super) policy: PayloadPolicy,
    /// Read by the player, and for data by whoever needs them.
    log: Mutex<Box<dyn Source>>,
    spill: Spill,
    /// What early arrivals hold of our memory, as the conductor last said, in bytes.
    kept_bytes: AtomicU64,
    /// What they may hold.
    kept_bytes_max: u64,
    /// The log's own connection.
    pub(super) player: Arc<Outbox>,
    /// What its thread asks of an image.
    pub(super) asking: Asking,
}

/// A trace, whatever it is read from.
pub(super) trait Source: Send {
    /// The next event with its place in the trace.
    fn next_event(&mut self) -> Result<Option<(u64, Event)>, ReadError>;
    /// The bytes of a payload that an event so far has named.
    fn payload(&mut self, id: PayloadId) -> Result<Bytes, ReadError>;
    /// Whether it was whole.
    fn is_whole(&self) -> bool;
}

impl<R: Read + Seek + Send> Source for Reader<R> {
    fn next_event(&mut self) -> Result<Option<(u64, Event)>, ReadError> {
        Reader::next_event(self)
    }

    fn payload(&mut self, id: PayloadId) -> Result<Bytes, ReadError> {
        Reader::payload(self, id)
    }

    fn is_whole(&self) -> bool {
        self.loss().is_none()
    }
}

impl Play {
    /// Waits while the replay's own log is too far behind.
    pub(super) fn wait_for_log(&self) {
        if let Some(recorder) = &self.recorder {
            // Nothing is promised: its length has no limit.
            recorder.wait_for_room(0);
        }
    }

    /// What early arrivals hold of our memory, in bytes.
    pub(super) fn kept_bytes(&self) -> u64 {
        self.kept_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Box<dyn Source>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// An engine that replays. Each device of the trace is to be attached, in its order, and a
    /// [`Player`](super::Player) started. Fails when the process has no descriptors left.
    pub fn replaying<R: Read + Seek + Send + 'static>(
        clock: Arc<dyn Clock>,
        script: Script<R>,
    ) -> io::Result<Arc<Engine>> {
        let Script { trace, plan, rules, recorder, spill } = script;
        let player = Arc::new(Outbox::new(Arc::new(Doorbell::new()?)));
        let kept_bytes_max = rules.kept_bytes_max;
        let conductor = Conductor::new(plan, rules, Arc::clone(&player));
        let play = Play {
            recorder,
            policy: trace.header().payload,
            log: Mutex::new(Box::new(trace)),
            spill: Spill::new(spill),
            kept_bytes: AtomicU64::new(0),
            kept_bytes_max,
            player,
            asking: Asking::new(),
        };
        let engine = Engine::new(clock, Mode::Replay(Box::new(play)));
        engine.lock().conductor = Some(conductor);
        Ok(engine)
    }

    /// What a replay did so far; `None` if this is none.
    pub fn replayed(&self) -> Option<Replayed> {
        self.lock().conductor.as_ref().map(|conductor| conductor.replayed().clone())
    }

    /// Whether a replay has come to its end, or stopped at a divergence.
    pub fn replay_ended(&self) -> bool {
        let state = self.lock();
        state.conductor.as_ref().is_some_and(|conductor| conductor.phase() != Phase::Running)
    }

    /// Whether clients have nothing more to do: the replay stopped, or the trace ends here without being whole.
    pub fn replay_is_decided(&self) -> bool {
        let state = self.lock();
        state.conductor.as_ref().is_some_and(|conductor| match conductor.phase() {
            Phase::Running => false,
            Phase::Over => conductor.replayed().cut,
            Phase::Stopped => true,
        })
    }

    /// Says that no client comes any more, so that what is missing will not come. Those that are connected may still
    /// bring what they have sent.
    pub fn no_more_clients(&self) {
        self.conduct(Conductor::close);
    }

    /// Says with which status COMMAND ended. To be called when all clients have gone.
    pub fn client_status(&self, status: u8) {
        self.conduct(|conductor, now, out| conductor.client_status(status, now, out));
    }

    /// Ends a replay where it is.
    pub fn stop_replay(&self) {
        self.conduct(Conductor::stop);
    }

    /// A connection brings nothing any more.
    pub(super) fn input_closed(&self) {
        self.conduct(Conductor::input_closed);
    }

    /// Does something with the conductor, and what comes of it.
    pub(super) fn conduct<T>(
        &self,
        act: impl FnOnce(&mut Conductor, Nanos, &mut Output) -> T,
    ) -> Option<T> {
        let Mode::Replay(play) = &self.mode else { return None };
        let mut state = self.lock();
        let now = self.now();
        let mut out = Output::with_log(play.recorder.is_some());
        let result = act(state.conductor.as_mut()?, now, &mut out);
        self.apply(play, &mut state, out, &play.player);
        drop(state);
        play.player.bell().ring();
        Some(result)
    }

    /// Requests of a client.
    pub(super) fn play_arrivals(
        &self,
        play: &Play,
        device: DeviceId,
        connection: ConnectionId,
        outbox: &Arc<Outbox>,
        arrivals: &mut Vec<Arrival>,
    ) {
        play.wait_for_log();
        let mut arriving = Vec::with_capacity(arrivals.len());
        let mut trouble = None;
        for arrival in arrivals.drain(..) {
            let Arrival { tag, cookie, request, data, refused } = arrival;
            let payload = self.payload_of(&data);
            let full = play.kept_bytes() > play.kept_bytes_max;
            let data = if full && !data.is_empty() {
                play.spill.put(&data).map_or_else(
                    |error| {
                        trouble = Some(ReplayError::Spill(error));
                        Data::Memory(data)
                    },
                    Data::Spilled,
                )
            } else {
                Data::Memory(data)
            };
            arriving.push((Arriving { tag, cookie, refused, data, payload }, request));
        }
        let mut state = self.lock();
        let now = self.now();
        let mut out = Output::with_log(play.recorder.is_some());
        let enabled = state.enabled;
        let Some(conductor) = state.conductor.as_mut() else { return };
        if let Some(error) = trouble {
            conductor.fail(error, now, &mut out);
        }
        for (one, request) in arriving {
            let payload = one.payload;
            let came = one.came(outbox, connection, now);
            if enabled {
                conductor.arrive(came, device, request, payload, now, &mut out);
            } else {
                conductor.aside(came, device, request, payload, now, &mut out);
            }
        }
        conductor.settle(now, &mut out);
        let more = conductor.needs_player();
        self.apply(play, &mut state, out, outbox);
        drop(state);
        if more {
            play.player.bell().ring();
        }
    }

    /// Does what is in `outbox`, with these queues (one, or one for each device), and tells the conductor what came of
    /// it. False if there was nothing.
    pub(super) fn play_pump(
        &self,
        play: &Play,
        queues: &mut [Option<Box<dyn Queue>>],
        outbox: &Arc<Outbox>,
        completions: &mut Vec<Completion>,
    ) -> bool {
        let (mut answers, mut loads, mut trouble) = (Vec::new(), Vec::new(), None);
        let own = Arc::ptr_eq(outbox, &play.player);
        for work in outbox.take_ready() {
            match work {
                Work::Submit(device, submission) => {
                    let place = if queues.len() == 1 { 0 } else { usize::from(device.0) };
                    let Some(queue) = queues.get_mut(place).and_then(Option::as_mut) else {
                        continue;
                    };
                    if own {
                        play.asking.begin(submission.tag, self.now());
                    }
                    queue.submit(submission);
                    if own {
                        play.asking.end();
                    }
                }
                Work::Fetch { ticket, payload } => match play.log().payload(payload) {
                    Ok(data) => answers.push((ticket, fetched(data, self.now()))),
                    Err(error) => trouble = Some(ReplayError::Read(error)),
                },
                Work::Load { ticket, offset, length } => match play.spill.get(offset, length) {
                    Ok(data) => loads.push((ticket, data)),
                    Err(error) => trouble = Some(ReplayError::Spill(error)),
                },
            }
        }
        for queue in queues.iter_mut().flatten() {
            queue.kick();
            queue.poll(completions);
        }
        let now = self.now();
        for completion in completions.drain(..) {
            answers.push((completion.tag, self.answer_of(completion, now)));
        }
        if answers.is_empty() && loads.is_empty() && trouble.is_none() {
            return false;
        }
        let mut state = self.lock_soon();
        let now = self.now();
        let mut out = Output::with_log(play.recorder.is_some());
        let Some(conductor) = state.conductor.as_mut() else { return false };
        if let Some(error) = trouble {
            conductor.fail(error, now, &mut out);
        }
        for (ticket, data) in loads {
            conductor.loaded(ticket, data, now, &mut out);
        }
        for (ticket, answer) in answers {
            conductor.completed(ticket, answer, now, &mut out);
        }
        conductor.settle(now, &mut out);
        let more = conductor.needs_player();
        self.apply(play, &mut state, out, outbox);
        drop(state);
        if more && !own {
            play.player.bell().ring();
        }
        true
    }

    /// What an image said.
    fn answer_of(&self, completion: Completion, at: Nanos) -> Answer {
        let Completion { result, data, extents, .. } = completion;
        Answer { payload: self.payload_of(&data), result, data, extents, at }
    }

    /// Does what the conductor said, as far as it is done under the lock: logs, and gives out. `own` belongs to this
    /// thread.
    pub(super) fn apply(&self, play: &Play, state: &mut State, out: Output, own: &Arc<Outbox>) {
        let Output { log, work, released, untold, due } = out;
        if play.recorder.is_some() && !log.entries.is_empty() {
            let log = self.as_logged(log);
            self.write(state, log);
        }
        let mut due = due.into_iter().peekable();
        for (index, (outbox, released)) in released.into_iter().enumerate() {
            while let Some((_, event)) = due.next_if(|(before, _)| *before <= index) {
                state.queue.run_recorded(event);
            }
            state.totals.count(&released);
            deliver(state, &outbox, released, own);
        }
        due.for_each(|(_, event)| state.queue.run_recorded(event));
        for (outbox, released) in untold {
            state.totals.count(&released);
            outbox.release(released, own);
        }
        for (outbox, work) in work {
            outbox.let_go(work, own);
        }
        if !state.monitor.as_ref().is_some_and(|bell| Arc::ptr_eq(bell, own.bell())) {
            state.ring_monitor();
        }
        if let Some(conductor) = &state.conductor {
            play.kept_bytes.store(conductor.kept_bytes(), Ordering::Relaxed);
        }
    }

    /// Entries as the replay's own log has them: data are stored as its policy says, and numbers of payloads are its own.
    fn as_logged(&self, mut log: Log) -> Log {
        for entry in &mut log.entries {
            let (operation, payload) = match &mut entry.event.kind {
                EventKind::Issue(issue) => (issue.request.operation, &mut issue.payload),
                EventKind::Block(block) => (block.operation, &mut block.payload),
                _ => continue,
            };
            if let Payload::Stored(digest, _) = *payload {
                *payload = Payload::Digest(digest);
            }
            let data = entry.data.take().filter(|data| !data.is_empty());
            entry.data =
                data.filter(|_| self.keeps(operation) && matches!(payload, Payload::Digest(_)));
        }
        log
    }
}

/// An arrival on its way to the conductor.
struct Arriving {
    tag: u64,
    cookie: u64,
    refused: Option<crate::request::Errno>,
    data: Data,
    payload: Payload,
}

impl Arriving {
    fn came(self, outbox: &Arc<Outbox>, connection: ConnectionId, at: Nanos) -> Came {
        let Arriving { tag, cookie, refused, data, .. } = self;
        let outbox = Arc::clone(outbox);
        Came { outbox, tag, cookie, connection, data, at, went: at, refused, own: false, kept: 0 }
    }
}

/// The data of a read, out of the trace.
fn fetched(data: Bytes, at: Nanos) -> Answer {
    Answer { result: Ok(()), payload: Payload::Absent, data, extents: Vec::new(), at }
}

/// The longest data that a request of the log may have: what any front takes.
pub(super) fn is_too_long(request: &Request) -> bool {
    request.data_bytes() > u64::from(REQUEST_DATA_BYTES_MAX)
}
