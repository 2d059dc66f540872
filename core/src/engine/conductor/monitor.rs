//! A virtual machine monitor in a replay: what it does is held against the log, and it gets from the log what came from
//! the world when it was recorded.
//!
//! The monitor is one thread that knows when it does what, so its checkpoints and values must be the next of the log,
//! each and in order; only its requests are matched as those of clients are. A step with a checkpoint of the monitor
//! is released when the monitor passes it, all others release themselves. Invariant: the monitor gets nothing that the
//! log does not have next, and what it waits for has a bound.

use std::collections::VecDeque;

use bytes::Bytes;

use super::arrive::place_of;
use super::track::{Entry, Track};
use super::{Conductor, Extra, LogState, Output, Phase};
use crate::engine::async_event::{AsyncEvent, QueueFull};
use crate::engine::divergence::{Asked, Divergence, DivergenceKind, Place};
use crate::engine::expected::Came;
use crate::engine::monitor_divergence::{MonitorAct, MonitorDivergence, MonitorMismatch};
use crate::engine::replay_error::ReplayError;
use crate::event::{Checkpoint, EventKind, Payload};
use crate::limits::ASYNC_EVENTS_MAX;
use crate::request::{DeviceId, Request};
use crate::units::Nanos;

/// What a replay knows of its monitor.
#[derive(Debug, Default)]
pub(super) struct Monitored {
    /// What it did in the recording.
    pub(super) track: Track,
    /// Work that it has put off, and that the log has not run.
    bottom_halves: VecDeque<AsyncEvent>,
    /// Since when it waits for something.
    waits: Option<Nanos>,
    /// It does nothing any more.
    gone: bool,
}

/// What came of something that a monitor did.
#[derive(Debug)]
pub(in crate::engine) enum Met {
    /// The log has it next; with the value it had there.
    Done(EventKind),
    /// The log has something else next.
    NotNext,
    /// Not yet: requests are missing or with their image, or the log has not been read so far.
    Wait,
    /// The replay has stopped, or the log is cut here.
    Stopped,
}

impl Conductor {
    /// The monitor does something, after so many instructions.
    pub(in crate::engine) fn meet(
        &mut self,
        act: MonitorAct,
        executed: u64,
        now: Nanos,
        out: &mut Output,
    ) -> Met {
        if self.phase == Phase::Stopped {
            return Met::Stopped;
        }
        let next = match self.monitor.track.front() {
            Some(Entry::Act(next)) => next,
            Some(Entry::Block(_) | Entry::Event { .. }) => return Met::NotNext,
            None => return self.beyond_track(),
        };
        if act
            .differing(executed, &next.kind, next.executed)
            .is_none_or(|fields| !fields.is_empty())
        {
            return Met::NotNext;
        }
        let (kind, step, count) = (next.kind.clone(), next.step, next.executed);
        let checkpoint = matches!(kind, EventKind::Checkpoint(_));
        if checkpoint && (step != self.current || !self.step_is_ready(now, out)) {
            return Met::Wait;
        }
        self.monitor.track.pop();
        self.monitor_moved(now);
        if count > 0 {
            out.log.push(now, EventKind::Instruction { count }, None);
        }
        out.log.push(now, kind.clone(), None);
        if checkpoint {
            self.steps[0].begun = true;
            self.hand_over(now, out);
        }
        self.settle(now, out);
        Met::Done(kind)
    }

    /// Hands the monitor what the log releases at the checkpoint that it passes. [`Met::NotNext`] says that this was all.
    pub(in crate::engine) fn hand_over(&mut self, now: Nanos, out: &mut Output) -> Met {
        loop {
            self.end_monitors_step(now, out);
            if self.phase == Phase::Stopped {
                return Met::Stopped;
            }
            match self.monitor.track.front().cloned() {
                None if self.wants_more() => return Met::Wait,
                None | Some(Entry::Act(_)) => return Met::NotNext,
                Some(Entry::Block(place)) => {
                    let over = self.is_ready(place, out) && self.release_first(now, out);
                    if self.phase == Phase::Stopped {
                        return Met::Stopped;
                    }
                    if !over {
                        return Met::Wait;
                    }
                }
                Some(Entry::Event { async_event, .. }) => {
                    if async_event.is_bottom_half() {
                        let queued = &mut self.monitor.bottom_halves;
                        let Some(index) = queued.iter().position(|one| *one == async_event) else {
                            return Met::Wait;
                        };
                        queued.remove(index);
                    }
                    out.log.push(now, async_event.kind(), None);
                    out.due.push((out.released.len(), async_event));
                }
            }
            self.monitor.track.pop();
            self.monitor_moved(now);
        }
    }

    /// The step whose checkpoint the monitor has passed is over when its last request is released.
    fn end_monitors_step(&mut self, now: Nanos, out: &mut Output) {
        let step = &self.steps[0];
        if step.begun && self.is_monitors_step() && step.items.is_empty() && !self.steps_over {
            self.next_step(now, out);
        }
    }

    /// Whether the monitor must pass the checkpoint of the current step.
    pub(super) fn is_monitors_step(&self) -> bool {
        let which = self.steps[0].checkpoint.unwrap_or(Checkpoint::Controller);
        self.rules.is_monitored() && which != Checkpoint::Controller
    }

    /// What comes of doing something where the log is known to have nothing for the monitor, or not yet.
    fn beyond_track(&self) -> Met {
        match self.log {
            LogState::Open => Met::Wait,
            LogState::Ended => Met::NotNext,
            LogState::Cut => Met::Stopped,
        }
    }

    /// What the monitor is to do next, after so many instructions since the last thing; [`Met::NotNext`] if nothing.
    pub(in crate::engine) fn ahead(&self) -> Result<(u64, EventKind), Met> {
        if self.phase == Phase::Stopped {
            return Err(Met::Stopped);
        }
        let next = self.monitor.track.next_act().ok_or_else(|| self.beyond_track())?;
        Ok((next.executed, next.kind.clone()))
    }

    /// The place in the trace before which a request must lie to be one that came. A monitor knows when it issues what:
    /// nothing of its comes before something else that it did in between.
    pub(super) fn bound_of(&self, came: &Came) -> u64 {
        let next = self.monitor.track.next_act().filter(|_| came.outbox.monitored().is_some());
        next.map_or(u64::MAX, |next| next.event)
    }

    /// The monitor puts off work. What the world brings is thrown away: the log has it.
    pub(in crate::engine) fn queue(&mut self, event: AsyncEvent) -> Result<(), QueueFull> {
        if !event.is_bottom_half() {
            return Ok(());
        }
        if self.monitor.bottom_halves.len() >= ASYNC_EVENTS_MAX {
            return Err(QueueFull);
        }
        self.monitor.bottom_halves.push_back(event);
        Ok(())
    }

    /// A request that came while events are disabled: no log has it.
    pub(in crate::engine) fn aside(
        &mut self,
        came: Came,
        device: DeviceId,
        request: Request,
        payload: Payload,
        now: Nanos,
        out: &mut Output,
    ) {
        let ticket = self.next_extra;
        self.next_extra += 1;
        let connection = came.connection;
        let asked = Asked { id: None, device, connection, request, payload, result: None };
        self.send_extra(ticket, Extra { came, asked }, now, out);
    }

    fn monitor_moved(&mut self, now: Nanos) {
        self.moved = now;
        self.monitor.waits = None;
    }

    /// The monitor waits.
    pub(in crate::engine) fn monitor_waits(&mut self, now: Nanos) {
        self.monitor.waits.get_or_insert(now);
    }

    /// The monitor does nothing any more.
    pub(in crate::engine) fn monitor_left(&mut self, now: Nanos, out: &mut Output) {
        self.monitor.gone = true;
        self.settle(now, out);
    }

    /// Whether the monitor may still do something.
    pub(super) fn has_monitor(&self) -> bool {
        self.rules.is_monitored() && !self.monitor.gone
    }

    /// What the log still has for a monitor that has gone is missing.
    pub(super) fn check_left(&mut self, now: Nanos, out: &mut Output) {
        if self.monitor.gone && self.phase == Phase::Running && !self.monitor.track.is_empty() {
            self.monitor_misses(Nanos(0), now, out);
        }
    }

    /// What the monitor has waited for for too long is missing, unless an image is to blame.
    pub(super) fn check_monitor(&mut self, now: Nanos, out: &mut Output) {
        let Some(since) = self.monitor.waits else { return };
        if self.phase != Phase::Running || !self.is_idle() || self.held_until.is_some() {
            return;
        }
        let recorded = self.monitor.track.next_act().map_or(Nanos(0), |next| next.wait);
        let patience = self.rules.patience.max(Nanos(recorded.0.saturating_mul(5)));
        let waited = now.since(since.max(self.moved));
        if waited <= patience {
            return;
        }
        let missing = self.first_awaited().filter(|place| {
            self.window.get(*place).is_some_and(|expected| expected.step == self.current)
        });
        if let Some(place) = missing {
            self.miss(place, waited, now, out);
        } else if self.monitor.track.is_empty() && self.log == LogState::Open {
            self.fail(ReplayError::LogSilent { waited }, now, out);
        } else {
            self.monitor_misses(waited, now, out);
        }
    }

    fn monitor_misses(&mut self, waited: Nanos, now: Nanos, out: &mut Output) {
        self.monitor_diverges(None, MonitorMismatch::Missing { waited }, now, out);
    }

    /// The monitor did something else than the log has next.
    pub(in crate::engine) fn mismatch(
        &mut self,
        act: MonitorAct,
        executed: u64,
        now: Nanos,
        out: &mut Output,
    ) {
        let fields = match self.monitor.track.front() {
            Some(Entry::Act(next)) => act.differing(executed, &next.kind, next.executed),
            _ => None,
        };
        let mismatch = match fields {
            Some(fields) => MonitorMismatch::Changed { fields },
            None => MonitorMismatch::Unexpected,
        };
        self.monitor_diverges(Some((act, executed)), mismatch, now, out);
    }

    /// Tells of a divergence of the monitor. Nothing that it does afterwards means anything: the replay stops.
    fn monitor_diverges(
        &mut self,
        came: Option<(MonitorAct, u64)>,
        mismatch: MonitorMismatch,
        now: Nanos,
        out: &mut Output,
    ) {
        let (at, expected, expected_executed) = self.expected_of_monitor();
        let (came, executed) = came.map_or((None, 0), |(act, executed)| (Some(act), executed));
        let kind = DivergenceKind::Monitor(Box::new(MonitorDivergence {
            mismatch,
            expected,
            expected_executed,
            came,
            executed,
        }));
        let (recorded_before, came_before) = (Vec::new(), Vec::new());
        let (expected, came, data) = (None, None, Bytes::new());
        let divergence =
            Divergence { kind, at, expected, came, data, recorded_before, came_before };
        self.diverge(divergence, now, out);
        self.stop(now, out);
    }

    /// Where the recording has what is next for the monitor, and what that is after how many instructions.
    fn expected_of_monitor(&self) -> (Place, Option<EventKind>, u64) {
        let place = |event, step, time| Place { event, step, epoch: 0, time };
        match self.monitor.track.front() {
            Some(Entry::Act(next)) => {
                let at = place(next.event, next.step, next.time);
                (at, Some(next.kind.clone()), next.executed)
            }
            Some(Entry::Event { event, time, async_event }) => {
                (place(*event, self.current, *time), Some(async_event.kind()), 0)
            }
            Some(Entry::Block(request)) => {
                let expected = self.window.get(*request);
                let block = expected.and_then(|one| one.block.as_deref().cloned());
                (expected.map_or_else(|| self.here(), place_of), block.map(EventKind::Block), 0)
            }
            None => (self.here(), None, 0),
        }
    }
}
