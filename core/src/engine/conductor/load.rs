//! Reading ahead: events of the log in, expected requests and steps out.
//!
//! Invariant: no more is read ahead than is needed to match arrivals, or to keep images busy.

use super::track::is_act;
use super::{Conductor, Item, LogState, Output, Phase, Step};
use crate::engine::async_event::AsyncEvent;
use crate::engine::expected::{Came, Data, Expected, Stage};
use crate::engine::replay_error::ReplayError;
use crate::engine::schedule::Order;
use crate::event::{Block, Checkpoint, Event, EventKind, Issue, Payload};
use crate::limits::{
    ASYNC_BYTES_MAX, ASYNC_EVENTS_MAX, REPLAY_BYTES_MAX, REPLAY_REQUESTS_MAX,
    REQUEST_DATA_BYTES_MAX,
};
use crate::request::{DeviceId, Operation, Request};
use crate::units::{ByteRange, Nanos};

/// Requests that are read ahead where the log is the client.
const LOOK_AHEAD: usize = 1024;

/// Notes that are read ahead in one step.
const NOTES_MAX: usize = 4096;

/// What the caller read of the log, with what it needs.
#[derive(Debug)]
pub(in crate::engine) struct Loaded {
    /// The event's place in the trace.
    pub(in crate::engine) event: u64,
    /// What it is.
    pub(in crate::engine) entry: Event,
    /// The data of a write that the replay does itself.
    pub(in crate::engine) data: bytes::Bytes,
    /// They were made up.
    pub(in crate::engine) filled: bool,
}

impl Conductor {
    /// Whether more of the log is needed.
    pub(in crate::engine) fn wants_more(&self) -> bool {
        if self.log != LogState::Open || self.phase != Phase::Running {
            return false;
        }
        if self.rules.is_live() {
            // A step that was begun is read to its end: it is released as a whole.
            let room =
                !self.monitor.track.is_full() || self.steps.back().is_some_and(|step| step.closed);
            return self.window.unmatched() < self.rules.window && room;
        }
        let behind = self.steps.back().filter(|_| self.steps.len() > 1);
        let next_step = self.rules.order == Order::Recorded && behind.is_none();
        let full = |step: &Step| step.notes.len() >= NOTES_MAX || step.bytes >= ASYNC_BYTES_MAX;
        if behind.is_some_and(full) {
            return false;
        }
        next_step || (self.ahead < LOOK_AHEAD && self.ahead_bytes < REPLAY_BYTES_MAX)
    }

    /// Whether so much of the log is needed that the player is to be woken for it.
    pub(super) fn is_short(&self) -> bool {
        let next_step = self.rules.order == Order::Recorded && self.steps.len() == 1;
        (self.rules.is_live() || next_step || self.ahead < LOOK_AHEAD / 2) && self.wants_more()
    }

    /// Takes the next event of the log.
    pub(in crate::engine) fn load(
        &mut self,
        loaded: Loaded,
        now: Nanos,
        out: &mut Output,
    ) -> Result<(), ReplayError> {
        let Loaded { event, entry, data, filled } = loaded;
        match entry.kind {
            EventKind::Issue(issue) => {
                let came = self.own_arrival(&issue, data, now);
                self.load_issue(event, entry.time, &issue, came, filled, now, out)?;
            }
            EventKind::Block(block) => self.load_block(entry.time, block, now, out),
            EventKind::Checkpoint(which) => {
                self.begin_step_if_closed(now, out);
                let step = self.loading();
                step.checkpoint = Some(which);
                step.closed = true;
                let steps = self.rules.is_live() || self.rules.order == Order::Recorded;
                if !steps && which != Checkpoint::Controller {
                    self.take_over(event, entry.kind, now, out)?;
                } else {
                    self.track(event, entry.time, entry.kind)?;
                }
            }
            kind if !self.rules.is_live() => self.take_over(event, kind, now, out)?,
            kind => {
                if self.rules.is_monitored() && is_act(&kind) {
                    // Completions of a step lie together: none comes behind it.
                    self.begin_step_if_closed(now, out);
                }
                self.track(event, entry.time, kind)?;
            }
        }
        Ok(())
    }

    /// What the monitor is to do, or gets.
    fn track(&mut self, event: u64, time: Nanos, kind: EventKind) -> Result<(), ReplayError> {
        if self.rules.is_monitored() {
            let step = self.loading_number();
            self.monitor.track.push(event, time, step, kind);
            if self.monitor.track.is_impossible() {
                return Err(ReplayError::StepTooLong { event });
            }
        }
        Ok(())
    }

    /// There is no more of the log.
    pub(in crate::engine) fn log_ended(&mut self, whole: bool) {
        self.log = if whole { LogState::Ended } else { LogState::Cut };
    }

    fn loading(&mut self) -> &mut Step {
        self.steps.back_mut().expect("there is always a step that is being read")
    }

    /// Whether the monitor releases the step that is being read.
    fn loading_is_monitors(&mut self) -> bool {
        self.loading().checkpoint.is_some_and(|which| which != Checkpoint::Controller)
    }

    /// Number of the step that is being read.
    fn loading_number(&self) -> u64 {
        self.steps.back().map_or(self.current, |step| step.number)
    }

    /// The one that comes after the step with this number, with nothing in it yet.
    pub(super) fn step_behind(&self, number: u64) -> Step {
        let first = self.window.next_place();
        Step { number: number + 1, first, end: first, ..Step::default() }
    }

    fn begin_step_if_closed(&mut self, now: Nanos, out: &mut Output) {
        if !self.loading().closed {
            return;
        }
        let next = self.step_behind(self.loading_number());
        let counts = self.rules.is_live() && !self.rules.is_monitored();
        if counts && self.steps.len() > 1 && self.loading().is_void() {
            // However many there are behind one that waits: they take no room.
            *self.loading() = next;
            return;
        }
        self.steps.push_back(next);
        if self.rules.order != Order::Recorded {
            // Steps mean nothing here; the one that is being read is the current one.
            self.steps.pop_front();
            self.current = self.steps[0].number;
            self.enter_step(now, out);
        }
    }

    /// What is no request goes into the log of the replay where it lies in the recording.
    fn take_over(
        &mut self,
        event: u64,
        kind: EventKind,
        now: Nanos,
        out: &mut Output,
    ) -> Result<(), ReplayError> {
        let is_note = matches!(
            kind,
            EventKind::Connect(_)
                | EventKind::Disconnect { .. }
                | EventKind::Mark { .. }
                | EventKind::Instruction { .. }
        );
        let is_async = AsyncEvent::of(&kind).is_some();
        if !is_note && !is_async && !is_act(&kind) {
            return Ok(());
        }
        if self.rules.order != Order::Recorded {
            out.log.push(now, kind, None);
            return Ok(());
        }
        let current = self.steps.len() == 1;
        let step = self.loading();
        if is_async || step.closed {
            step.closed = true;
            step.bytes += kind.data_bytes();
            step.items.push_back(Item::Event(kind));
            if step.items.len() > ASYNC_EVENTS_MAX + REPLAY_REQUESTS_MAX
                || step.bytes > 2 * ASYNC_BYTES_MAX
            {
                return Err(ReplayError::StepTooLong { event });
            }
        } else if current {
            out.log.push(now, kind, None);
        } else {
            step.bytes += kind.data_bytes();
            step.notes.push(kind);
        }
        Ok(())
    }

    /// How a request comes that the log itself makes.
    fn own_arrival(&self, issue: &Issue, data: bytes::Bytes, now: Nanos) -> Came {
        Came {
            outbox: self.crew.player(),
            tag: 0,
            cookie: issue.cookie,
            connection: issue.connection,
            data: Data::Memory(data),
            at: now,
            went: now,
            refused: None,
            own: true,
            kept: 0,
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "an event, what belongs to it, and the usual two"
    )]
    fn load_issue(
        &mut self,
        event: u64,
        time: Nanos,
        issue: &Issue,
        came: Came,
        filled: bool,
        now: Nanos,
        out: &mut Output,
    ) -> Result<(), ReplayError> {
        let failed = self.plan.leaves_out(issue.id);
        self.check(event, issue, failed)?;
        self.begin_step_if_closed(now, out);
        let live = self.rules.is_live();
        let optional = self.plan.is_optional(issue.id);
        if filled {
            self.replayed.filled += 1;
            self.make_unsure(issue.device, issue.request.range);
        }
        let supplied = live && optional && !failed && self.can_supply(issue, filled);
        let stage = if !live || supplied { Stage::Arrived(came) } else { Stage::Missing };
        if !live {
            self.ahead += 1;
            // What failed has no data, whatever length it claimed.
            self.ahead_bytes += if failed { 0 } else { issue.request.data_bytes() };
        }
        self.replayed.absent += u64::from(supplied);
        let expected = Expected {
            id: issue.id,
            event,
            time,
            wait: time.since(self.last_release),
            step: self.loading_number(),
            epoch: self.flushes[usize::from(issue.device.0)],
            device: issue.device,
            connection: issue.connection,
            request: issue.request,
            payload: if filled { Payload::Absent } else { issue.payload },
            failed,
            optional,
            block: None,
            reached: false,
            clear: false,
            entered: false,
            filled: filled || self.is_unsure(issue.device, issue.request),
            racy: false,
            fetching: false,
            fetched: false,
            named: false,
            stage,
        };
        let reached = self.rules.order != Order::Recorded || self.steps.len() == 1;
        let place = self.window.push(expected, live);
        let step = self.loading();
        step.end = place + 1;
        step.awaited += usize::from(!optional || !live);
        if reached {
            self.reach(place, now, out);
        }
        Ok(())
    }

    /// Whether a request whose client had gone changes the image, and can be done without that client.
    fn can_supply(&self, issue: &Issue, filled: bool) -> bool {
        let data = match issue.payload {
            Payload::Stored(..) | Payload::Zeroes => true,
            Payload::Absent | Payload::Digest(_) => issue.request.operation != Operation::Write,
        };
        issue.request.operation.modifies()
            && data
            && !filled
            && self.stages[usize::from(issue.device.0)].has_image
    }

    /// Refuses what no image can be asked.
    fn check(&self, event: u64, issue: &Issue, failed: bool) -> Result<(), ReplayError> {
        let (id, request) = (issue.id, issue.request);
        if self.window.contains(id) {
            return Err(ReplayError::Twice { event, id });
        }
        if self.window.len() >= REPLAY_REQUESTS_MAX {
            return Err(ReplayError::TooMany { event });
        }
        let size = self.stages[usize::from(issue.device.0)].geometry.size;
        if !failed && !request.range.fits(size) {
            return Err(ReplayError::PastEnd { event, id, request, size });
        }
        let length = request.data_bytes();
        if !failed && length > u64::from(REQUEST_DATA_BYTES_MAX) {
            return Err(ReplayError::TooLong { event, id, length });
        }
        Ok(())
    }

    /// Whether nobody can say what a read returns, for some of its data were made up, or written in no order.
    pub(super) fn is_unsure(&self, device: DeviceId, request: Request) -> bool {
        let range = request.range;
        let unsure = &self.unsure[usize::from(device.0)];
        request.operation == Operation::Read
            && unsure.range(..range.end()).next_back().is_some_and(|(_, end)| *end > range.offset)
    }

    /// Nobody can say what is read there from now on.
    pub(super) fn make_unsure(&mut self, device: DeviceId, range: ByteRange) {
        let unsure = &mut self.unsure[usize::from(device.0)];
        let (mut first, mut end) = (range.offset, range.end());
        // Joined with those that it touches, so that a disk filled from one end to the other is one range.
        while let Some((offset, other)) = unsure.range(..=end).next_back().map(|(a, b)| (*a, *b)) {
            if other < first {
                break;
            }
            unsure.remove(&offset);
            (first, end) = (first.min(offset), end.max(other));
        }
        unsure.insert(first, end);
    }

    fn load_block(&mut self, time: Nanos, block: Block, now: Nanos, out: &mut Output) {
        if block.operation == Operation::Flush
            && let Some(flushes) = self.flushes.get_mut(usize::from(block.device.0))
        {
            *flushes += 1;
        }
        self.last_release = time;
        let order = self.rules.order;
        let step = self.loading();
        if step.items.is_empty() {
            step.time = time;
        }
        step.closed = true;
        // Issued before the part that we have, or completed twice.
        let Some(place) = self.window.place_of(block.id) else { return };
        let Some(expected) = self.window.get_mut(place) else { return };
        if expected.block.is_some() {
            return;
        }
        let device = expected.device;
        expected.block = Some(Box::new(block));
        if order == Order::Recorded {
            self.loading().items.push_back(Item::Block(place));
            if self.rules.is_monitored() && self.loading_is_monitors() {
                self.monitor.track.push_block(place);
            }
        } else {
            self.schedules[usize::from(device.0)].released(place);
            self.release_if_done(place, now, out);
        }
    }
}
