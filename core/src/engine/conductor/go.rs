//! From arrival to image and back: when a request may go, goes, and comes back.
//!
//! Invariant: a request goes to its image once, after all that must be before it; one that failed when it was recorded
//! never does.

use std::sync::Arc;

use bytes::Bytes;

use super::arrive::refuse;
use super::{Conductor, EXTRA, Output, Phase};
use crate::device::Submission;
use crate::engine::expected::{Answer, Data, Done, Stage};
use crate::engine::outbox::Work;
use crate::engine::rules::Timing;
use crate::engine::schedule::Order;
use crate::event::{EventKind, Issue, Payload};
use crate::request::{Errno, Operation};
use crate::units::Nanos;

impl Conductor {
    /// The step of the request at `place` has come.
    pub(super) fn reach(&mut self, place: u64, now: Nanos, out: &mut Output) {
        let Some(expected) = self.window.get_mut(place) else { return };
        if expected.reached || matches!(expected.stage, Stage::Over) {
            return;
        }
        expected.reached = true;
        // One that nobody may bring holds nothing up.
        if !(expected.optional && matches!(expected.stage, Stage::Missing)) {
            self.queue_up(place);
        }
        self.start(place, now, out);
    }

    /// A request waits from now on for those before it with which it conflicts, and holds up those behind it.
    fn queue_up(&mut self, place: u64) {
        let Some(expected) = self.window.get_mut(place) else { return };
        let device = usize::from(expected.device.0);
        let done =
            self.stages[device].has_image && expected.request.operation != Operation::BlockStatus;
        let counts = !expected.failed && (done || self.rules.order == Order::Conflict);
        expected.clear = !counts || self.schedules[device].add(place, &expected.request);
    }

    /// One that nobody waited for came after its step: others may have gone ahead of it, so it goes behind all of them,
    /// and what it reads need not be what it read.
    pub(super) fn queue_up_late(&mut self, place: u64) {
        if let Some(expected) = self.window.get_mut(place) {
            expected.racy = true;
            self.queue_up(place);
        }
    }

    /// Begins with a request that has arrived and whose step has come.
    pub(super) fn start(&mut self, place: u64, now: Nanos, out: &mut Output) {
        let recorded_order = self.rules.order == Order::Recorded;
        let live = self.rules.is_live();
        let Some(expected) = self.window.get_mut(place) else { return };
        let Stage::Arrived(came) = &expected.stage else { return };
        if !expected.reached || expected.fetching {
            return;
        }
        if let Data::Spilled(offset) = came.data {
            expected.fetching = true;
            let length = expected.request.data_bytes();
            let work = Work::Load { ticket: place, offset, length };
            out.work.push((Arc::clone(&came.outbox), work));
            return;
        }
        // In the recorded order a request is in the log before those with which it is in flight are released.
        let (entered, clear) = (expected.entered, expected.clear);
        if live && recorded_order && !entered {
            self.enter(place, now, out);
        }
        if clear {
            self.go(place, now, out);
        }
    }

    /// Data that had been spilled are here again.
    pub(in crate::engine) fn loaded(
        &mut self,
        ticket: u64,
        data: Bytes,
        now: Nanos,
        out: &mut Output,
    ) {
        let Some(expected) = self.window.get_mut(ticket) else { return };
        expected.fetching = false;
        if let Stage::Arrived(came) = &mut expected.stage {
            came.data = Data::Memory(data);
        }
        self.start(ticket, now, out);
        self.settle(now, out);
    }

    /// A request may go: at once if a client made it, else when there is room and its time has come.
    fn go(&mut self, place: u64, now: Nanos, out: &mut Output) {
        if self.rules.is_live() {
            self.dispatch(place, now, out);
        } else {
            self.ready.push_back(place);
        }
    }

    /// Sends what may go, as far as there is room and time. Whether anything went.
    pub(super) fn send_ready(&mut self, now: Nanos, out: &mut Output) -> bool {
        let mut any = false;
        while self.away.len() < self.rules.depth && self.phase == Phase::Running {
            let Some(place) = self.ready.front().copied() else { break };
            let due = self.due(place, now);
            if due.is_some_and(|due| due > now) {
                break;
            }
            if let Some(due) = due {
                let slip = now.since(due);
                self.replayed.slip.add(slip);
                self.replayed.slip_max = self.replayed.slip_max.max(slip);
            }
            self.ready.pop_front();
            self.dispatch(place, now, out);
            any = true;
        }
        any
    }

    /// When the request at `place` is to go; `None` if it is as soon as it may.
    pub(super) fn due(&mut self, place: u64, now: Nanos) -> Option<Nanos> {
        let time = self.window.get(place)?.time;
        self.scaled(time, now)
    }

    /// What the replay's clock will say at a time of the recording's; `None` if times do not count.
    pub(super) fn scaled(&mut self, time: Nanos, now: Nanos) -> Option<Nanos> {
        let Timing::Scaled(factor) = self.rules.timing else { return None };
        let (began, recorded) = *self.origin.get_or_insert((now, self.plan.first_issue));
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a nanosecond in a hundred days is all that is lost; it saturates"
        )]
        let after = Nanos((time.since(recorded).0 as f64 / factor) as u64);
        Some(began.after(after))
    }

    /// Sends a request to its image, or does what stands for that.
    fn dispatch(&mut self, place: u64, now: Nanos, out: &mut Output) {
        match self.rules.order {
            Order::None => self.mark_racy(place),
            Order::Conflict if self.rules.is_live() => self.count_if_ahead(place),
            Order::Conflict | Order::Recorded => {}
        }
        self.enter(place, now, out);
        let Some(expected) = self.window.get_mut(place) else { return };
        let has_image = self.stages[usize::from(expected.device.0)].has_image;
        let stage = std::mem::replace(&mut expected.stage, Stage::Over);
        let Stage::Arrived(mut came) = stage else {
            expected.stage = stage;
            return;
        };
        came.went = now;
        let (request, device) = (expected.request, expected.device);
        self.kept_bytes = self.kept_bytes.saturating_sub(came.kept);
        came.kept = 0;
        let at_once =
            if expected.failed || request.operation == Operation::BlockStatus || !has_image {
                Some(Done::AsRecorded)
            } else {
                came.refused.map(|errno| Done::Answered(Answer::failed(errno, now)))
            };
        if let Some(done) = at_once {
            expected.stage = Stage::Done(came, done);
            self.done(place, now, out);
            return;
        }
        let data = match std::mem::replace(&mut came.data, Data::Memory(Bytes::new())) {
            Data::Memory(data) => data,
            Data::Spilled(_) => unreachable!("`start` brings back what was spilled"),
        };
        if came.own {
            came.outbox = self.crew.choose();
        }
        let work = Work::Submit(device, Submission { tag: place, request, data });
        out.work.push((Arc::clone(&came.outbox), work));
        if let Some(expected) = self.window.get_mut(place) {
            expected.stage = Stage::Away(came);
        }
        self.away.insert(place, (device, request));
    }

    /// Counts a request that does not wait for one that had been released before it was issued.
    fn count_if_ahead(&mut self, place: u64) {
        let first = self.first_awaited().and_then(|first| self.window.get(first));
        let (Some(first), Some(one)) = (first, self.window.get(place)) else { return };
        self.replayed.ahead += u64::from(first.step < one.step);
    }

    /// Without an order, of a read with which a conflicting request is in flight nobody can say what it returns; nor of
    /// one that comes later, where two changes were in flight together.
    fn mark_racy(&mut self, place: u64) {
        let Some(one) = self.window.get(place) else { return };
        let (device, request) = (one.device, one.request);
        let block = u64::from(self.stages[usize::from(device.0)].geometry.block_min);
        let mut racy = self.is_unsure(device, request);
        let mut unsure = Vec::new();
        for (other, (other_device, other_request)) in &self.away {
            if *other_device != device || !other_request.conflicts(&request, block) {
                continue;
            }
            racy = true;
            if other_request.operation.modifies() && request.operation.modifies() {
                unsure.push(other_request.range);
            }
            if let Some(other) = self.window.get_mut(*other) {
                other.racy = true;
            }
        }
        for range in unsure {
            self.make_unsure(device, range);
        }
        if let Some(one) = self.window.get_mut(place) {
            one.racy |= racy;
        }
    }

    /// An image, or the trace in its place, is done with a request.
    pub(in crate::engine) fn completed(
        &mut self,
        ticket: u64,
        answer: Answer,
        now: Nanos,
        out: &mut Output,
    ) {
        if ticket >= EXTRA {
            let Answer { result, data, extents, .. } = answer;
            self.extra_done(ticket, result, data, extents, now, out);
            return;
        }
        self.away.remove(&ticket);
        let Some(expected) = self.window.get_mut(ticket) else { return };
        let stage = std::mem::replace(&mut expected.stage, Stage::Over);
        let (came, was_away) = match stage {
            Stage::Away(came) => (came, true),
            Stage::Done(came, _) => (came, false),
            other => {
                expected.stage = other;
                return;
            }
        };
        expected.fetching = false;
        expected.fetched |= !was_away;
        let (request, entered) = (expected.request, expected.entered);
        if came.own && was_away {
            self.crew.came_back(&came.outbox);
        }
        if self.phase == Phase::Stopped {
            if entered {
                self.enter_refusal(ticket, now, out);
            }
            if !came.own {
                refuse(came, request, Errno::ESHUTDOWN, out);
            }
            self.window.end(ticket);
            return;
        }
        if let Some(expected) = self.window.get_mut(ticket) {
            expected.stage = Stage::Done(came, Done::Answered(answer));
        }
        if was_away {
            self.done(ticket, now, out);
        } else {
            // Its data came from the trace.
            self.release_if_done(ticket, now, out);
        }
        // What else can be done now, the caller's `settle` does, once for many.
    }

    /// A request is complete: those that it held back may go.
    fn done(&mut self, place: u64, now: Nanos, out: &mut Output) {
        if !(self.rules.is_live() && self.rules.order == Order::Conflict) {
            self.free(place, now, out);
        }
        self.release_if_done(place, now, out);
    }

    /// The request with this ticket holds nothing back any more.
    pub(super) fn free(&mut self, ticket: u64, now: Nanos, out: &mut Output) {
        let device = match self.window.get(ticket) {
            Some(expected) => expected.device,
            None => match self.extras.get(&ticket) {
                Some(extra) => extra.asked.device,
                None => return,
            },
        };
        let mut clear = Vec::new();
        self.schedules[usize::from(device.0)].complete(ticket, &mut clear);
        let mut next = 0;
        while let Some(place) = clear.get(next).copied() {
            next += 1;
            if place >= EXTRA {
                self.extra_clear(place, out);
                continue;
            }
            match self.window.get_mut(place) {
                Some(expected) if !matches!(expected.stage, Stage::Over) => {
                    expected.clear = true;
                    self.start(place, now, out);
                }
                // It was given up while it was held back.
                _ => self.schedules[usize::from(device.0)].complete(place, &mut clear),
            }
        }
    }

    /// A request will not come: nothing waits for it from now on.
    pub(super) fn give_up(&mut self, place: u64, now: Nanos, out: &mut Output) {
        let Some(expected) = self.window.get(place) else { return };
        if expected.is_awaited() && self.rules.order == Order::Recorded {
            let index = self.steps.partition_point(|step| step.number < expected.step);
            if let Some(step) = self.steps.get_mut(index) {
                step.awaited = step.awaited.saturating_sub(1);
            }
        }
        self.replayed.missing += 1;
        let held_back = self.schedules[usize::from(expected.device.0)].is_held_back(place);
        self.window.end(place);
        if !held_back {
            self.free(place, now, out);
        }
    }

    /// Puts the issue of a request that has arrived into the log of the replay, once. In the recorded order the log does
    /// not make one before those that it has before: what is held back by a conflict has been asked all the same.
    fn enter(&mut self, place: u64, now: Nanos, out: &mut Output) {
        if !self.rules.is_live() && self.rules.order == Order::Recorded {
            let first = self.steps[0].first.max(self.steps[0].entered);
            self.steps[0].entered = first.max(place);
            (first..place).for_each(|earlier| self.enter_one(earlier, now, out));
        }
        self.enter_one(place, now, out);
    }

    fn enter_one(&mut self, place: u64, now: Nanos, out: &mut Output) {
        let live = self.rules.is_live();
        let Some(expected) = self.window.get_mut(place) else { return };
        let Stage::Arrived(came) = &mut expected.stage else { return };
        if std::mem::replace(&mut expected.entered, true) {
            return;
        }
        if came.own {
            came.at = now;
        }
        if live && expected.optional {
            // It was never counted.
        } else if self.rules.order == Order::Recorded
            && let Some(step) = self.steps.front_mut()
        {
            step.awaited = step.awaited.saturating_sub(1);
        }
        if !live {
            self.ahead -= 1;
            self.ahead_bytes -= if expected.failed { 0 } else { expected.request.data_bytes() };
        }
        if out.log.off {
            return;
        }
        let data = match &came.data {
            Data::Memory(data) => data.clone(),
            Data::Spilled(_) => Bytes::new(),
        };
        let issue = Issue {
            id: expected.id,
            device: expected.device,
            connection: came.connection,
            cookie: came.cookie,
            request: expected.request,
            // What was made up is in no recording.
            payload: if expected.filled && !data.is_empty() {
                Payload::of(&data)
            } else {
                expected.payload
            },
            early: if came.own { Nanos::default() } else { now.since(came.at) },
        };
        out.log.push(now, EventKind::Issue(issue), Some(data));
    }
}
