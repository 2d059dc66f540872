//! Arrivals: a request of a client in, the expected request that it is, or a divergence, out.
//!
//! Invariant: an arrival is the earliest expected request that asks the same, of those of its connection's counterpart
//! if it has any, or it is told why there is none.

use bytes::Bytes;

use super::{Conductor, LogState, Output, Phase, Unjudged};
use crate::engine::divergence::{Asked, AskedField, Divergence, DivergenceKind, Place};
use crate::engine::driver::Released;
use crate::engine::expected::{Arrived, Came, Data, Expected, Found, Stage};
use crate::engine::schedule::Order;
use crate::event::{MarkName, Payload};
use crate::request::{DeviceId, Errno, Request};
use crate::units::Nanos;

/// In how many fields a request may differ from the one that is expected, to be that one.
const CHANGED_FIELDS_MAX: usize = 2;

impl Conductor {
    /// A client connected.
    pub(in crate::engine) fn connected(&mut self) {
        self.inputs += 1;
    }

    /// A connection brings nothing any more.
    pub(in crate::engine) fn input_closed(&mut self, now: Nanos, out: &mut Output) {
        self.inputs = self.inputs.saturating_sub(1);
        self.check_gone(now, out);
    }

    /// No client comes any more; those that are connected may still bring something.
    pub(in crate::engine) fn close(&mut self, now: Nanos, out: &mut Output) {
        self.closing = true;
        self.check_gone(now, out);
    }

    /// Whether nothing can come any more.
    pub(super) fn is_gone(&self) -> bool {
        self.closing && self.inputs == 0 && self.unjudged.is_empty()
    }

    /// A mark was made.
    pub(in crate::engine) fn mark(&mut self, name: &MarkName) {
        match self.marks.get_mut(name.as_str()) {
            Some(left) if *left > 0 => *left -= 1,
            _ => self.replayed.marks_extra += 1,
        }
    }

    /// A request came from a client.
    pub(in crate::engine) fn arrive(
        &mut self,
        came: Came,
        device: DeviceId,
        request: Request,
        payload: Payload,
        now: Nanos,
        out: &mut Output,
    ) {
        self.origin.get_or_insert((now, self.plan.first_issue));
        self.unjudged.push_back(Unjudged { came, device, request, payload });
        self.judge(now, out);
    }

    /// Finds out which expected requests the arrivals are, in their order, as far as the log has been read.
    pub(super) fn judge(&mut self, now: Nanos, out: &mut Output) {
        for _ in 0..self.unjudged.len() {
            let Some(one) = self.unjudged.pop_front() else { return };
            if self.phase == Phase::Stopped
                || (self.phase == Phase::Over && self.log == LogState::Cut)
            {
                refuse(one.came, one.request, Errno::ESHUTDOWN, out);
                continue;
            }
            let before = self.bound_of(&one.came);
            let arrived = Arrived {
                connection: one.came.connection,
                device: one.device,
                request: one.request,
                payload: &one.payload,
            };
            let (late, counterparts) = (&mut self.late, &mut self.counterparts);
            match self.window.take_match(&arrived, before, late, counterparts) {
                Some(Found::Expected(place)) => self.matched(place, one.came, now, out),
                Some(Found::Late) => refuse(one.came, one.request, Errno::ESHUTDOWN, out),
                // The log may have it: judged again when more has been read.
                None if self.wants_more() => self.unjudged.push_back(one),
                None => self.mismatched(one, now, out),
            }
        }
    }

    /// An arrival is the request at `place`.
    fn matched(&mut self, place: u64, mut came: Came, now: Nanos, out: &mut Output) {
        let Some(expected) = self.window.get_mut(place) else { return };
        let asked = asked_of(expected);
        let (reached, optional) = (expected.reached, expected.optional);
        match &mut expected.stage {
            Stage::Missing => {
                if !reached {
                    Self::keep(&mut self.kept_bytes, &mut came);
                }
                expected.stage = Stage::Arrived(came);
            }
            // It was begun from the trace; whoever brings it gets the answer.
            Stage::Arrived(own) | Stage::Away(own) | Stage::Done(own, _) => {
                own.outbox = came.outbox;
                own.tag = came.tag;
                own.cookie = came.cookie;
                own.own = false;
                self.replayed.absent = self.replayed.absent.saturating_sub(1);
                return;
            }
            Stage::Over => return,
        }
        Self::remember(&mut self.came_before, asked);
        if reached {
            if optional {
                // Its step was ready without it.
                self.steps[0].ready = 0;
                self.queue_up_late(place);
            }
            self.moved = now;
            self.start(place, now, out);
        }
    }

    /// An arrival is none of the requests that may come now.
    fn mismatched(&mut self, one: Unjudged, now: Nanos, out: &mut Output) {
        let Unjudged { came, device, request, payload } = one;
        let asked = Asked {
            id: None,
            device,
            connection: came.connection,
            request,
            payload,
            result: came.refused.map(Err),
        };
        let (changed, fields) = match self.nearest(&asked) {
            Some((place, fields)) => (Some(place), fields),
            None => (None, Vec::new()),
        };
        let kind = if changed.is_some() {
            DivergenceKind::Changed { fields }
        } else if self.log == LogState::Open {
            DivergenceKind::Window { window: self.rules.window }
        } else {
            DivergenceKind::Unexpected { after_end: self.window.unmatched() == 0 }
        };
        let expected = changed.or_else(|| self.first_awaited());
        let named = expected.and_then(|place| self.window.get(place));
        let divergence = Divergence {
            kind,
            at: named.map_or_else(|| self.here(), place_of),
            expected: named.map(asked_of),
            came: Some(asked),
            data: match &came.data {
                Data::Memory(bytes) => bytes.clone(),
                Data::Spilled(_) => Bytes::new(),
            },
            recorded_before: Vec::new(),
            came_before: Vec::new(),
        };
        self.diverge(divergence, now, out);
        Self::remember(&mut self.came_before, asked);
        if self.phase == Phase::Stopped {
            refuse(came, request, Errno::ESHUTDOWN, out);
            return;
        }
        if let Some(place) = changed {
            // The one that came stands for it: it is not waited for as well.
            self.give_up(place, now, out);
        }
        self.extra(came, asked, now, out);
    }

    /// The expected request of the current step that differs least, and in what; none if all differ in much.
    fn nearest(&self, asked: &Asked) -> Option<(u64, Vec<AskedField>)> {
        let step = self.window.get(self.first_awaited()?)?.step;
        let places = self.window.iter().filter(|(_, one)| {
            one.is_awaited()
                && one.request.operation == asked.request.operation
                && (one.step == step || self.rules.order != Order::Recorded)
        });
        places
            .map(|(place, one)| (place, asked_of(one).differing(asked)))
            .filter(|(_, fields)| !fields.is_empty() && fields.len() <= CHANGED_FIELDS_MAX)
            .min_by_key(|(place, fields)| (fields.len(), *place))
    }

    /// The first request that the replay waits for.
    pub(super) fn first_awaited(&self) -> Option<u64> {
        self.window.iter().find(|(_, one)| one.is_awaited()).map(|(place, _)| place)
    }

    /// Where the recording is, when no request says it.
    pub(super) fn here(&self) -> Place {
        let last = self.window.iter().next();
        last.map_or_else(
            || Place {
                event: self.plan.events,
                step: self.current,
                epoch: 0,
                time: self.plan.duration,
            },
            |(_, one)| place_of(one),
        )
    }
}

/// Answers a request that is in no log. A guest is told nothing of it: its monitor learns that the replay has stopped.
pub(super) fn refuse(came: Came, request: Request, errno: Errno, out: &mut Output) {
    let Came { outbox, tag, cookie, .. } = came;
    let (data, extents) = (Bytes::new(), Vec::new());
    let released = Released { tag, cookie, request, result: Err(errno), data, extents };
    let list = if outbox.monitored().is_some() { &mut out.untold } else { &mut out.released };
    list.push((outbox, released));
}

/// An expected request as a divergence tells of it.
pub(super) fn asked_of(expected: &Expected) -> Asked {
    let recorded = expected.block.as_ref();
    Asked {
        id: Some(expected.id),
        device: expected.device,
        connection: expected.connection,
        request: expected.request,
        payload: match (expected.payload, recorded) {
            (Payload::Absent, Some(recorded)) => recorded.payload,
            (payload, _) => payload,
        },
        result: recorded.map(|recorded| recorded.result),
    }
}

/// Where the recording has it.
pub(super) fn place_of(expected: &Expected) -> Place {
    let Expected { event, step, epoch, time, .. } = *expected;
    Place { event, step, epoch, time }
}
