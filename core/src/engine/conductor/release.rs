//! Completions in the order of the log: compared with what was recorded, logged, and given to the clients.
//!
//! Invariant: what differs is found before the client sees it, and a step is released whole and in its order.

use bytes::Bytes;

use super::answers::{data_of, logged};
use super::arrive::{asked_of, place_of};
use super::{Conductor, Item, LogState, Output, Phase};
use crate::engine::divergence::{Asked, Divergence, DivergenceKind};
use crate::engine::driver::Released;
use crate::engine::expected::{Came, Done, Expected, Stage};
use crate::engine::outbox::Work;
use crate::engine::schedule::Order;
use crate::event::{Block, Checkpoint, EventKind, Payload};
use crate::request::{Errno, Operation};
use crate::units::Nanos;

/// What verifying a completion came to.
enum Verdict {
    /// There is nothing to compare.
    Nothing,
    /// It is what was recorded.
    Same,
    /// It cannot be compared.
    Unverified,
    /// It is something else.
    Different(DivergenceKind),
}

impl Conductor {
    /// Releases all steps that are complete.
    pub(super) fn advance(&mut self, now: Nanos, out: &mut Output) {
        self.held_until = None;
        while self.phase == Phase::Running
            && !self.steps_over
            && !self.is_monitors_step()
            && self.step_is_ready(now, out)
        {
            if !self.release_step(now, out) {
                return;
            }
            self.next_step(now, out);
        }
    }

    /// The current step is over.
    pub(super) fn next_step(&mut self, now: Nanos, out: &mut Output) {
        self.moved = now;
        if self.steps.len() == 1 {
            // The log has ended.
            self.steps[0] = self.step_behind(self.current);
            self.steps_over = true;
        } else {
            self.steps.pop_front();
            self.enter_step(now, out);
        }
        self.current = self.steps[0].number;
    }

    /// Whether all of the current step has come and is complete, and its time has come.
    pub(super) fn step_is_ready(&mut self, now: Nanos, out: &mut Output) -> bool {
        let read = self.steps.len() > 1 || self.log != LogState::Open;
        if !read || self.steps[0].awaited > 0 {
            return false;
        }
        // What is ready stays so, unless it is one that need not come and comes.
        while let Some(item) = self.steps[0].items.get(self.steps[0].ready) {
            if let Item::Block(place) = *item
                && !self.is_ready(place, out)
            {
                return false;
            }
            self.steps[0].ready += 1;
        }
        if self.steps[0].items.is_empty() || !self.rules.is_live() {
            return true;
        }
        match self.scaled(self.steps[0].time, now) {
            Some(due) if due > now => {
                self.held_until = Some(due);
                false
            }
            _ => true,
        }
    }

    /// Whether the request at `place` can be released; asks for data that its client needs from the trace.
    pub(super) fn is_ready(&mut self, place: u64, out: &mut Output) -> bool {
        let Some(expected) = self.window.get_mut(place) else { return true };
        match &expected.stage {
            Stage::Missing => expected.optional,
            Stage::Arrived(_) | Stage::Away(_) => false,
            Stage::Done(came, Done::AsRecorded) if !came.own => {
                match expected
                    .block
                    .as_ref()
                    .map(|block| (block.operation, block.result, block.payload))
                {
                    Some((Operation::Read, Ok(()), Payload::Stored(_, payload))) => {
                        if !expected.fetching {
                            expected.fetching = true;
                            let work = Work::Fetch { ticket: place, payload };
                            out.work.push((std::sync::Arc::clone(&came.outbox), work));
                        }
                        false
                    }
                    _ => true,
                }
            }
            Stage::Over | Stage::Done(..) => true,
        }
    }

    /// Releases the current step. False if it must wait in between, or the replay has stopped.
    fn release_step(&mut self, now: Nanos, out: &mut Output) -> bool {
        while !self.steps[0].items.is_empty() {
            if !self.release_first(now, out) {
                return false;
            }
        }
        let step = &self.steps[0];
        if let Some(which) = step.checkpoint.filter(|which| *which != Checkpoint::Controller)
            && !step.begun
            && !self.rules.is_live()
        {
            // A monitor passes checkpoints at which nothing is released.
            out.log.push(now, EventKind::Checkpoint(which), None);
        }
        true
    }

    /// Releases the first thing that is left of the current step. False if it must wait, or the replay has stopped.
    pub(super) fn release_first(&mut self, now: Nanos, out: &mut Output) -> bool {
        let step = &mut self.steps[0];
        let live = self.rules.is_live();
        // Without clients they are those of the recording: what comes behind a request that a bottom half issued has none.
        let checkpoint = step.checkpoint.or(live.then_some(Checkpoint::Controller));
        let checkpoint = checkpoint.filter(|_| !step.begun);
        match step.items.front() {
            None => return true,
            Some(Item::Event(kind)) => {
                if let Some(which) = checkpoint {
                    out.log.push(now, EventKind::Checkpoint(which), None);
                }
                out.log.push(now, kind.clone(), None);
                step.begun = true;
            }
            Some(&Item::Block(place)) => {
                self.steps[0].begun |= self.release(place, checkpoint, now, out);
                if self.phase != Phase::Running {
                    return false;
                }
                let over = |one: &Expected| matches!(one.stage, Stage::Over);
                if !self.window.get(place).is_none_or(over) {
                    // After a difference its data come from the trace. What the log has meanwhile ends this part of the step.
                    self.steps[0].begun &= self.is_monitors_step();
                    return false;
                }
            }
        }
        let step = &mut self.steps[0];
        step.items.pop_front();
        step.ready = step.ready.saturating_sub(1);
        true
    }

    /// Begins with the step that is current now.
    pub(super) fn enter_step(&mut self, now: Nanos, out: &mut Output) {
        let Some(step) = self.steps.front_mut() else { return };
        for kind in std::mem::take(&mut step.notes) {
            out.log.push(now, kind, None);
        }
        for place in step.first..step.end {
            self.reach(place, now, out);
        }
    }

    /// Where there are no steps: releases a request as soon as it is complete and the log has its completion.
    pub(super) fn release_if_done(&mut self, place: u64, now: Nanos, out: &mut Output) {
        if self.rules.order == Order::Recorded || self.phase != Phase::Running {
            return;
        }
        let Some(expected) = self.window.get(place) else { return };
        if expected.block.is_none() || !matches!(expected.stage, Stage::Done(..)) {
            return;
        }
        if self.is_ready(place, out) && self.release(place, Some(Checkpoint::Controller), now, out)
        {
            self.moved = now;
        }
    }

    /// Compares and releases one request. True if anything was released: then `checkpoint` was logged before it, unless
    /// it is `None` because it was already.
    fn release(
        &mut self,
        place: u64,
        checkpoint: Option<Checkpoint>,
        now: Nanos,
        out: &mut Output,
    ) -> bool {
        let Some(expected) = self.window.get(place) else { return false };
        if matches!(expected.stage, Stage::Missing) {
            self.pass_by(place);
            return false;
        }
        let (Stage::Done(_, done), Some(recorded)) = (&expected.stage, &expected.block) else {
            return false;
        };
        if !expected.named {
            match self.verify(expected, recorded, done) {
                Verdict::Nothing => {}
                Verdict::Same => self.replayed.verified += 1,
                Verdict::Unverified => self.replayed.unverified += 1,
                Verdict::Different(kind) => return self.differs(place, kind, checkpoint, now, out),
            }
        }
        self.give(place, checkpoint, now, out);
        true
    }

    /// A completion is not what was recorded. If the replay goes on, its client gets what was.
    fn differs(
        &mut self,
        place: u64,
        kind: DivergenceKind,
        checkpoint: Option<Checkpoint>,
        now: Nanos,
        out: &mut Output,
    ) -> bool {
        let Some(expected) = self.window.get_mut(place) else { return false };
        expected.named = true;
        let mut came = asked_of(expected);
        let mut data = Bytes::new();
        if let Stage::Done(who, Done::Answered(answer)) = &expected.stage {
            came.connection = who.connection;
            came.result = Some(answer.result);
            came.payload = answer.payload;
            data = answer.data.clone();
        }
        let divergence = Divergence {
            kind,
            at: place_of(expected),
            expected: Some(asked_of(expected)),
            came: Some(came),
            data,
            recorded_before: Vec::new(),
            came_before: Vec::new(),
        };
        self.diverge(divergence, now, out);
        if self.phase != Phase::Running {
            return false;
        }
        let live = self.rules.is_live();
        let Some(expected) = self.window.get_mut(place) else { return false };
        let stored = expected
            .block
            .as_ref()
            .is_some_and(|recorded| matches!(recorded.payload, Payload::Stored(..)));
        let stage = std::mem::replace(&mut expected.stage, Stage::Over);
        if let Stage::Done(came, done) = stage {
            let done = if live && stored { Done::AsRecorded } else { done };
            expected.stage = Stage::Done(came, done);
        }
        if !self.is_ready(place, out) {
            return false;
        }
        self.give(place, checkpoint, now, out);
        true
    }

    /// Whether a completion is what was recorded.
    fn verify(&self, expected: &Expected, recorded: &Block, done: &Done) -> Verdict {
        let Done::Answered(answer) = done else { return Verdict::Nothing };
        if recorded.result.is_err() || expected.fetched {
            return Verdict::Nothing;
        }
        if let Err(now) = answer.result {
            return Verdict::Different(DivergenceKind::Result { now });
        }
        if recorded.operation != Operation::Read {
            return Verdict::Nothing;
        }
        let known = recorded.payload != Payload::Absent && self.rules.verify;
        if !known || expected.racy || expected.filled {
            return Verdict::Unverified;
        }
        if recorded.payload.differs(&answer.payload) {
            let (recorded, now) = (recorded.payload, answer.payload);
            return Verdict::Different(DivergenceKind::Data { recorded, now });
        }
        Verdict::Same
    }

    /// One whose client had gone did not come: it may still.
    pub(super) fn pass_by(&mut self, place: u64) {
        let Some(expected) = self.window.get(place) else { return };
        self.replayed.absent += 1;
        self.may_come_late(asked_of(expected), expected.payload);
        self.window.end(place);
    }

    /// A request is over that its client, which had gone when it was recorded, may still bring, with this `payload`.
    fn may_come_late(&mut self, asked: Asked, payload: Payload) {
        let key = (asked.device, asked.request);
        self.late.add(key, asked.connection, payload, self.rules.window);
    }

    /// Logs a completion, and gives it to its client.
    fn give(&mut self, place: u64, checkpoint: Option<Checkpoint>, now: Nanos, out: &mut Output) {
        let Some(expected) = self.window.get(place) else { return };
        let asked = asked_of(expected);
        let (failed, written) = (expected.failed, expected.payload);
        let Some(expected) = self.window.get_mut(place) else { return };
        let Some(block) = expected.block.take() else { return };
        let Stage::Done(came, done) = self.window.end(place) else { return };
        if let Some(checkpoint) = checkpoint {
            out.log.push(now, EventKind::Checkpoint(checkpoint), None);
        }
        let took = block.latency.after(block.hold);
        self.replayed.recorded_latency.add(block.operation, took);
        self.replayed.replayed_latency.add(block.operation, now.since(came.went));
        self.replayed.requests += u64::from(!failed);
        self.replayed.left_out += u64::from(failed);
        Self::remember(&mut self.recorded_before, asked);
        let data = data_of(&block, &done, &came, asked.request.range.length);
        if !out.log.off {
            let logged = EventKind::Block(logged(&block, &came, &done, now));
            out.log.push(now, logged, (!data.is_empty()).then(|| data.clone()));
        }
        if self.rules.is_live() && self.rules.order == Order::Conflict {
            // What waits for it is issued after its release, as it was recorded.
            self.free(place, now, out);
        }
        if came.own {
            if self.rules.is_live() {
                self.may_come_late(asked, written);
            }
            return;
        }
        let result = match (&done, block.operation) {
            // Only one whose client had gone when it was recorded has no data anywhere.
            (Done::AsRecorded, Operation::Read)
                if block.result.is_ok() && block.payload != Payload::Zeroes =>
            {
                Err(Errno::ESHUTDOWN)
            }
            _ => block.result,
        };
        let Came { outbox, tag, cookie, .. } = came;
        let request = asked.request;
        let released = Released { tag, cookie, request, result, data, extents: block.extents };
        let untold = block.flags.undelivered && outbox.monitored().is_some();
        let list = if untold { &mut out.untold } else { &mut out.released };
        list.push((outbox, released));
    }
}
