//! An eye on time: what waits too long, what can never come, and when all is over.
//!
//! Invariant: a replay that cannot go on says so within its patience, and names what it waits for.

use bytes::Bytes;

use super::arrive::{asked_of, place_of, refuse};
use super::{Conductor, EXTRA, LogState, Output, Phase};
use crate::engine::divergence::{Divergence, DivergenceKind};
use crate::engine::expected::{Came, Data, Expected, Stage};
use crate::engine::replay_error::ReplayError;
use crate::engine::schedule::Order;
use crate::engine::waiting::Waiting;
use crate::event::{Block, CompletionFlags, EventKind, Payload};
use crate::request::Errno;
use crate::units::Nanos;

/// How long a request is waited for while what asks the same is kept for later.
const EXCHANGE_AFTER: Nanos = Nanos(1_000_000_000);

impl Conductor {
    /// Looks at the clock: what was held until now is released, what was waited for too long is missing.
    pub(in crate::engine) fn tick(&mut self, now: Nanos, out: &mut Output) {
        self.settle(now, out);
        self.check_images(now, out);
        if self.phase == Phase::Running && self.rules.is_live() {
            if self.has_monitor() {
                self.check_monitor(now, out);
            } else {
                self.check_missing(now, out);
            }
            self.check_gone(now, out);
        }
    }

    /// When `tick` is needed next, if nothing happens before.
    pub(in crate::engine) fn next_tick(&mut self, now: Nanos) -> Option<Nanos> {
        let ready = self.ready.front().copied().filter(|_| self.away.len() < self.rules.depth);
        let due = ready.and_then(|place| self.due(place, now));
        [self.held_until, due].into_iter().flatten().min()
    }

    /// Whether the player has something to do that it may not know of: it is to be woken.
    pub(in crate::engine) fn needs_player(&self) -> bool {
        // Its nap ends when a held step is due, and that step may have become complete since it lay down.
        self.is_short() || self.phase != Phase::Running || self.held_until.is_some()
    }

    /// Whether nothing is with an image.
    pub(in crate::engine) fn is_idle(&self) -> bool {
        self.away.is_empty() && self.extras.is_empty()
    }

    /// An image that does not answer is trouble.
    fn check_images(&mut self, now: Nanos, out: &mut Output) {
        let silent = self.away.keys().filter_map(|place| {
            let Stage::Away(came) = &self.window.get(*place)?.stage else { return None };
            self.silent(*place, now.since(came.went))
        });
        if let Some(error) = silent.min_by_key(|error| match error {
            ReplayError::Silent { id, .. } => id.0,
            _ => u64::MAX,
        }) {
            self.fail(error, now, out);
            return;
        }
        let silent =
            self.extras.values().find(|extra| now.since(extra.came.went) > self.rules.patience);
        if let Some(extra) = silent {
            let (id, request) = (extra.asked.id.unwrap_or_default(), extra.asked.request);
            let waited = now.since(extra.came.went);
            self.fail(ReplayError::Silent { id, request, waited }, now, out);
        }
    }

    /// What there is to say of a request that its image has had for so long; `None` if that is no longer than allowed.
    fn silent(&self, place: u64, waited: Nanos) -> Option<ReplayError> {
        let Expected { id, request, block, .. } = self.window.get(place)?;
        let recorded =
            block.as_ref().map_or(Nanos(0), |recorded| recorded.latency.after(recorded.hold));
        let allowed = self.rules.patience.max(Nanos(recorded.0.saturating_mul(5)));
        (waited > allowed).then_some(ReplayError::Silent { id: *id, request: *request, waited })
    }

    /// The image has kept the player's thread with this request for so long. The replay stops if that is too long, and
    /// this says why: the player cannot.
    pub(in crate::engine) fn kept_player(
        &mut self,
        place: u64,
        waited: Nanos,
        now: Nanos,
        out: &mut Output,
    ) -> Option<ReplayError> {
        let error = self.silent(place, waited)?;
        self.stop(now, out);
        Some(error)
    }

    /// A request that does not come within patience is missing.
    fn check_missing(&mut self, now: Nanos, out: &mut Output) {
        let Some(place) = self.stuck_at() else { return };
        let Some(expected) = self.window.get(place) else { return };
        let patience = self.rules.patience.max(Nanos(expected.wait.0.saturating_mul(5)));
        let waited = now.since(self.moved);
        if waited > patience {
            self.miss(place, waited, now, out);
        } else if waited > EXCHANGE_AFTER {
            self.exchange(place, now, out);
        }
    }

    /// What asks the same as the missing one at `place` may have come, and have been taken for a later one because of its
    /// connection. If nothing else comes, connections tell nothing here.
    fn exchange(&mut self, place: u64, now: Nanos, out: &mut Output) {
        let Some(later) = self.window.same_that_waits(place) else { return };
        let Some(came) = self.window.take_back(later) else { return };
        self.counterparts.give_up();
        self.window.close(place);
        if let Some(expected) = self.window.get_mut(place) {
            expected.stage = Stage::Arrived(came);
        }
        self.moved = now;
        self.start(place, now, out);
        self.settle(now, out);
    }

    /// When every client has gone, nothing that is missing will come.
    pub(super) fn check_gone(&mut self, now: Nanos, out: &mut Output) {
        while self.phase == Phase::Running && self.is_gone() {
            let Some(place) = self.stuck_at() else { return };
            self.miss(place, now.since(self.moved), now, out);
            self.settle(now, out);
        }
    }

    /// The first request without which the replay cannot go on; `None` if it can, or waits for an image or for time.
    fn stuck_at(&self) -> Option<u64> {
        let place = self.first_awaited()?;
        let expected = self.window.get(place)?;
        let stuck = match self.rules.order {
            Order::Recorded => expected.step == self.current,
            _ => self.away.is_empty(),
        };
        stuck.then_some(place)
    }

    /// A request did not come. If the replay goes on, all that are missing now are given up together.
    pub(super) fn miss(&mut self, place: u64, waited: Nanos, now: Nanos, out: &mut Output) {
        let Some(expected) = self.window.get(place) else { return };
        let step = expected.step;
        let recorded_order = self.rules.order == Order::Recorded;
        let missing: Vec<u64> = self
            .window
            .iter()
            .filter(|(_, one)| one.is_awaited() && (one.step == step || !recorded_order))
            .map(|(place, _)| place)
            .take(if recorded_order { usize::MAX } else { 1 })
            .collect();
        let unanswered = self.window.iter().filter(|(_, one)| match &one.stage {
            Stage::Arrived(came) | Stage::Away(came) | Stage::Done(came, _) => !came.own,
            Stage::Missing | Stage::Over => false,
        });
        let kept = unanswered.clone().filter(|(_, one)| matches!(one.stage, Stage::Arrived(_)));
        let (kept, others) = (kept.count() as u64, missing.len() as u64 - 1);
        let unanswered = unanswered.take(DivergenceKind::UNANSWERED_MAX);
        let unanswered = unanswered.map(|(_, one)| asked_of(one)).collect();
        let clients_gone = self.is_gone();
        let kind = if kept > 0 && !clients_gone {
            DivergenceKind::Order { waited, kept, others, unanswered }
        } else {
            DivergenceKind::Missing { waited, clients_gone, others, unanswered }
        };
        let divergence = Divergence {
            kind,
            at: place_of(expected),
            expected: Some(asked_of(expected)),
            came: None,
            data: Bytes::new(),
            recorded_before: Vec::new(),
            came_before: Vec::new(),
        };
        self.moved = now;
        self.diverge(divergence, now, out);
        if self.phase == Phase::Stopped {
            return;
        }
        for place in missing {
            self.give_up(place, now, out);
        }
        self.settle(now, out);
    }

    /// Ends the replay when all of the log has been done.
    pub(super) fn check_over(&mut self, now: Nanos, out: &mut Output) {
        let read =
            self.log != LogState::Open && self.unjudged.is_empty() && self.monitor.track.is_empty();
        let steps = self.steps_over || self.rules.order != Order::Recorded;
        if self.phase != Phase::Running || !read || !steps {
            return;
        }
        let left: Vec<u64> = self.window.iter().map(|(place, _)| place).collect();
        for place in left {
            self.end_open(place, now, out);
        }
        self.window.forget();
        if self.window.len() == 0 {
            self.phase = Phase::Over;
            self.replayed.cut = self.log == LogState::Cut;
        }
    }

    /// Ends a request of which the log does not say how it ended, once that is all that is left.
    fn end_open(&mut self, place: u64, now: Nanos, out: &mut Output) {
        let Some(expected) = self.window.get(place) else { return };
        let open = expected.block.is_none();
        let request = expected.request;
        match &expected.stage {
            Stage::Missing if expected.optional => self.pass_by(place),
            Stage::Done(..) if open => {
                self.replayed.requests += 1;
                if let Stage::Done(came, _) = self.window.end(place)
                    && !came.own
                {
                    refuse(came, request, Errno::ESHUTDOWN, out);
                }
            }
            // Nobody will tell when these may go.
            Stage::Arrived(came) if open && !came.own && !expected.reached => {
                if let Stage::Arrived(came) = self.window.end(place) {
                    refuse(came, request, Errno::ESHUTDOWN, out);
                }
            }
            _ => {}
        }
        let _ = now;
    }

    /// Ends the replay here: whatever waits is refused.
    pub(in crate::engine) fn stop(&mut self, now: Nanos, out: &mut Output) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.phase = Phase::Stopped;
        self.ready.clear();
        while let Some(one) = self.unjudged.pop_front() {
            refuse(one.came, one.request, Errno::ESHUTDOWN, out);
        }
        let places: Vec<u64> = self.window.iter().map(|(place, _)| place).collect();
        for place in places {
            let Some(expected) = self.window.get(place) else { continue };
            let (request, entered) = (expected.request, expected.entered);
            if matches!(expected.stage, Stage::Away(_)) {
                continue; // When the image is done with it.
            }
            if entered && matches!(expected.stage, Stage::Arrived(_) | Stage::Done(..)) {
                self.enter_refusal(place, now, out);
            }
            if let Stage::Arrived(came) | Stage::Done(came, _) = self.window.end(place)
                && !came.own
            {
                refuse(came, request, Errno::ESHUTDOWN, out);
            }
        }
        self.stop_extras(now, out);
        self.window.forget();
    }

    /// Refuses those of which the recording knows nothing and that wait for others.
    fn stop_extras(&mut self, now: Nanos, out: &mut Output) {
        let held = self.extras.iter().filter(|(ticket, extra)| {
            self.schedules[usize::from(extra.asked.device.0)].is_held_back(**ticket)
        });
        let held: Vec<u64> = held.map(|(ticket, _)| *ticket).collect();
        for ticket in held {
            debug_assert!(ticket >= EXTRA, "extras have tickets of their own");
            self.extra_done(ticket, Err(Errno::ESHUTDOWN), Bytes::new(), Vec::new(), now, out);
        }
    }

    /// Logs that a request which is in the log of the replay was not answered as recorded.
    pub(super) fn enter_refusal(&mut self, place: u64, now: Nanos, out: &mut Output) {
        let Some(expected) = self.window.get(place) else { return };
        let block = Block {
            id: expected.id,
            device: expected.device,
            operation: expected.request.operation,
            result: Err(Errno::ESHUTDOWN),
            latency: Nanos::default(),
            hold: Nanos::default(),
            flags: CompletionFlags { undelivered: false, refused: true },
            payload: Payload::Absent,
            extents: Vec::new(),
        };
        let checkpoint = crate::event::Checkpoint::Controller;
        out.log.push(now, EventKind::Checkpoint(checkpoint), None);
        out.log.push(now, EventKind::Block(block), None);
    }

    /// COMMAND ended with this status.
    pub(in crate::engine) fn client_status(&mut self, status: u8, now: Nanos, out: &mut Output) {
        let Some(recorded) = self.plan.status.filter(|recorded| *recorded != status) else {
            return;
        };
        if self.phase != Phase::Over || self.log == LogState::Cut {
            return;
        }
        let divergence = Divergence {
            kind: DivergenceKind::ClientStatus { recorded, now: status },
            at: self.here(),
            expected: None,
            came: None,
            data: Bytes::new(),
            recorded_before: Vec::new(),
            came_before: Vec::new(),
        };
        self.diverge(divergence, now, out);
    }

    /// How long the replay took, and all that it did.
    pub(in crate::engine) fn ended(&mut self, now: Nanos) -> super::Replayed {
        self.replayed.duration = now;
        if self.rules.is_live() {
            // A mark may come behind the last request.
            self.replayed.marks_missing = self.marks.values().sum();
        }
        self.replayed.clone()
    }

    /// What waits for what.
    pub(in crate::engine) fn waiting(&self, now: Nanos) -> Waiting {
        let mut waiting =
            Waiting { step: self.current, since: now.since(self.moved), ..Waiting::default() };
        waiting.monitor = self.monitor.track.next_act().map(|next| next.kind.clone());
        // Without steps, what is waited for is in that of the first.
        let first = self.first_awaited().filter(|_| self.rules.order != Order::Recorded);
        let step =
            first.and_then(|place| self.window.get(place)).map_or(self.current, |one| one.step);
        for (_, one) in self.window.iter() {
            let list = match &one.stage {
                Stage::Missing if one.is_awaited() && one.step == step => &mut waiting.missing,
                Stage::Arrived(_) if one.reached => &mut waiting.held,
                Stage::Arrived(_) => &mut waiting.early,
                Stage::Away(_) => &mut waiting.away,
                Stage::Done(..) => &mut waiting.done,
                Stage::Missing | Stage::Over => continue,
            };
            list.push(asked_of(one));
        }
        for (ticket, extra) in &self.extras {
            let device = usize::from(extra.asked.device.0);
            let held = self.schedules[device].is_held_back(*ticket);
            let list = if held { &mut waiting.held } else { &mut waiting.away };
            list.push(extra.asked);
        }
        waiting
    }

    /// What the early arrivals hold of our memory, in bytes.
    pub(in crate::engine) fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// An arrival that comes before its turn counts as kept until it goes.
    pub(super) fn keep(kept_bytes: &mut u64, came: &mut Came) {
        came.kept = match &came.data {
            Data::Memory(_) => came.data.held_bytes(),
            Data::Spilled(_) => 0,
        };
        *kept_bytes += came.kept;
    }
}
