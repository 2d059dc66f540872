//! How events come to a monitor: into the queue, through its checkpoints into the log, and out to be run.
//!
//! Events and completions in, what is due out; recording or off, under the engine's one lock. Knows no replay (see
//! `following`). Invariant: an event is in the log before the monitor runs it, and what runs it at once logs nothing.

use std::sync::Arc;

use super::super::async_event::{AsyncEvent, QueueFull};
use super::super::driver::{Port, Released};
use super::super::outbox::Outbox;
use super::super::queue::{Pending, Queued};
use super::super::record::Room;
use super::super::room::ENTRY_BYTES;
use super::super::{Engine, Log, Logging, Mode, State};
use crate::event::{Checkpoint, EventKind};
use crate::units::Nanos;

impl Engine {
    /// Queues an event for the next checkpoint of the monitor, from any thread (QEMU: `replay_add_event`). While the
    /// engine is off, or events are disabled, it is due at once. In a replay a bottom half waits until the log runs it,
    /// and everything else is thrown away: the log has it.
    ///
    /// May wait, as [`Port::issue`] does, for a log that is too far behind.
    pub fn queue(&self, event: AsyncEvent) -> Result<(), QueueFull> {
        self.queue_event(event, false)
    }

    /// Whether requests, async events and values are logged, or come from the log (QEMU: `replay_enable_events`,
    /// `replay_disable_events`). At first they are. While they are not, an async event runs at once, a value comes
    /// from the world, and a request gets no id: for what a monitor does before its machine runs, alike in both runs.
    pub fn enable_events(&self, enabled: bool) {
        self.lock().enabled = enabled;
    }

    /// Whether they are.
    pub fn events_enabled(&self) -> bool {
        self.lock().enabled
    }

    /// Queues an event; if it is queued by what the monitor runs, it is `joined` to that step.
    pub(super) fn queue_event(&self, event: AsyncEvent, joined: bool) -> Result<(), QueueFull> {
        let promised = self.promise(event_promise(&event));
        let mut guard = self.lock();
        let state = &mut *guard;
        let outcome = match &mut state.conductor {
            Some(conductor) if state.enabled => conductor.queue(event),
            None if state.enabled && state.logging == Logging::On => {
                let outcome = state.queue.hold_event(event, joined);
                if outcome.is_ok() {
                    state.ring_monitor();
                    return Ok(());
                }
                outcome
            }
            _ => state.queue.run_at_once(event),
        };
        // It will not be logged.
        self.write(state, Log { promised, ..Log::default() });
        state.ring_monitor();
        outcome
    }

    /// Waits for room in the log, and keeps so many bytes of it. Says how many it keeps: none where nothing is recorded.
    pub(super) fn promise(&self, bytes: u64) -> u64 {
        let Mode::Record { recorder, .. } = &self.mode else { return 0 };
        if recorder.wait_for_room(bytes) == Room::None {
            self.end_recording();
            return 0;
        }
        bytes
    }

    /// A checkpoint of the monitor, which had executed so many instructions since its last event: logs it and what is
    /// queued at this moment, which is then due (QEMU: `replay_checkpoint`, `replay_save_events`).
    pub(super) fn pass_recording(&self, which: Checkpoint, executed: &mut u64) {
        let promised = self.promise(2 * ENTRY_BYTES);
        let mut state = self.lock();
        let mut log = Log { promised, ..Log::default() };
        if !state.enabled {
            self.write(&state, log);
            return;
        }
        let now = self.now();
        if state.logs() {
            log_executed(executed, now, &mut log);
        }
        log.push(now, EventKind::Checkpoint(which), None);
        let held = state.queue.take_held();
        self.hand_out(&mut state, held.into(), now, log);
    }

    /// What was queued by what the monitor runs is due too. False if there is nothing.
    pub(super) fn run_joined(&self) -> bool {
        let mut state = self.lock();
        let joined = state.queue.take_joined();
        if joined.is_empty() {
            return false;
        }
        let pending = joined.into_iter().map(Pending::Event).collect();
        let now = self.now();
        self.hand_out(&mut state, pending, now, Log::default());
        true
    }

    /// Logs events, then hands them to the monitor.
    fn hand_out(&self, state: &mut State, mut events: Vec<Pending>, now: Nanos, mut log: Log) {
        let logs = state.logs();
        let begun = log.entries.len();
        for event in &mut events {
            match event {
                Pending::Block(queued) => self.log_block(state, queued, now, &mut log),
                Pending::Event(event) => {
                    log.promised += event_promise(event);
                    if logs {
                        log.push(now, event.kind(), None);
                    }
                }
            }
        }
        if !logs && log.entries.len() == begun {
            // The recording ends, and a checkpoint of nothing that is in it is none of the log's.
            log.entries.clear();
        }
        self.write(state, log);
        self.end_if_drained(state);
        for event in events {
            match event {
                Pending::Block(queued) => state.queue.tell(queued.device, queued.released),
                Pending::Event(event) => state.queue.run(event),
            }
        }
    }

    /// Logs what the monitor took from the world.
    pub(super) fn log_value(&self, kind: &EventKind, executed: &mut u64) {
        let promised = self.promise(2 * ENTRY_BYTES + kind.data_bytes());
        let state = self.lock();
        let mut log = Log { promised, ..Log::default() };
        if state.logs() {
            let now = self.now();
            log_executed(executed, now, &mut log);
            log.push(now, kind.clone(), None);
        }
        self.write(&state, log);
    }
}

impl State {
    /// Queues a completion. True if the port that brings it is to pass a checkpoint.
    pub(in crate::engine) fn enqueue(&mut self, queued: Queued) -> bool {
        if queued.outbox.monitored().is_none() {
            self.queue.push(queued);
            return true;
        }
        if queued.id.is_some() {
            self.queue.hold(queued);
        } else {
            self.totals.count(&queued.released);
            self.queue.tell(queued.device, queued.released);
        }
        self.ring_monitor();
        false
    }

    /// Wakes the monitor, if there is one.
    pub(in crate::engine) fn ring_monitor(&self) {
        if let Some(bell) = &self.monitor {
            bell.ring();
        }
    }
}

impl Port {
    /// What is released over this port goes to the monitor from now on, which also passes the checkpoints for it.
    pub(super) fn serve_monitor(&self) {
        self.outbox.set_monitored(Some(self.disk.id()));
    }

    /// The monitor has taken one completion of this port.
    pub(super) fn taken(&mut self) {
        self.handed_in -= 1;
    }

    /// Nobody tells a guest any more: completions go the way of a front's, whose client has gone.
    pub(in crate::engine) fn leave_monitor(&mut self) {
        let mut state = self.disk.engine.lock();
        if let Some(device) = self.outbox.monitored() {
            self.outbox.set_monitored(None);
            let released = state.queue.give_back(&self.outbox, device);
            self.refusals_queued |= !state.queue.is_empty();
            for one in released {
                self.outbox.release(one, &self.outbox);
            }
        }
    }
}

/// Hands a completion to whom it belongs.
pub(in crate::engine) fn deliver(
    state: &mut State,
    outbox: &Arc<Outbox>,
    released: Released,
    own: &Arc<Outbox>,
) {
    match outbox.monitored() {
        Some(device) => state.queue.tell(device, released),
        None => outbox.release(released, own),
    }
}

/// What an event takes of the log at most, in bytes.
fn event_promise(event: &AsyncEvent) -> u64 {
    ENTRY_BYTES + event.data_bytes()
}

/// Logs the instructions since the last event, if there were any (QEMU: `replay_save_instructions`).
fn log_executed(executed: &mut u64, now: Nanos, log: &mut Log) {
    let count = std::mem::take(executed);
    if count > 0 {
        log.push(now, EventKind::Instruction { count }, None);
    }
}
