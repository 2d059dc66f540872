//! Requests that the recording does not have, where the replay goes on: they go to the image all the same, and are
//! answered at once.
//!
//! Invariant: they wait for requests with which they conflict, and nothing waits for their step.

use bytes::Bytes;

use super::{Conductor, EXTRA, Extra, Output};
use crate::device::Submission;
use crate::engine::divergence::Asked;
use crate::engine::driver::Released;
use crate::engine::expected::{Came, Data, Stage};
use crate::engine::outbox::Work;
use crate::event::{Block, Checkpoint, CompletionFlags, EventKind, Issue, Payload};
use crate::request::{DeviceId, Errno, Extent, Operation, Request, RequestId};
use crate::units::Nanos;

impl Conductor {
    /// A request that the recording does not have goes to the image all the same.
    pub(super) fn extra(&mut self, came: Came, asked: Asked, now: Nanos, out: &mut Output) {
        self.replayed.extra += 1;
        let ticket = self.next_extra;
        self.next_extra += 1;
        let id = RequestId(self.plan.next_id + (ticket - super::EXTRA));
        let asked = Asked { id: Some(id), ..asked };
        let data = match &came.data {
            Data::Memory(bytes) => bytes.clone(),
            // Kept data are those of requests that are in the recording.
            Data::Spilled(_) => Bytes::new(),
        };
        let issue = Issue {
            id,
            device: asked.device,
            connection: came.connection,
            cookie: came.cookie,
            request: asked.request,
            payload: asked.payload,
            early: Nanos::default(),
        };
        out.log.push(now, EventKind::Issue(issue), Some(data));
        self.send_extra(ticket, Extra { came, asked }, now, out);
    }

    /// A request that no log has goes to the image.
    pub(super) fn send_extra(&mut self, ticket: u64, extra: Extra, now: Nanos, out: &mut Output) {
        let Extra { mut came, asked } = extra;
        let (device, request) = (asked.device, asked.request);
        came.went = now;
        let data = match &came.data {
            Data::Memory(bytes) => bytes.clone(),
            Data::Spilled(_) => Bytes::new(),
        };
        let stage = &self.stages[usize::from(device.0)];
        let refused = came.refused.or((!stage.has_image).then_some(Errno::EIO));
        let outbox = std::sync::Arc::clone(&came.outbox);
        let spilled = matches!(came.data, Data::Spilled(_));
        self.extras.insert(ticket, Extra { came, asked });
        if let Some(errno) = refused.or(spilled.then_some(Errno::ENOMEM)) {
            self.extra_done(ticket, Err(errno), Bytes::new(), Vec::new(), now, out);
        } else if self.queue_ahead(ticket, device, &request) {
            out.work
                .push((outbox, Work::Submit(device, Submission { tag: ticket, request, data })));
        }
    }

    /// Whether a request need not wait for any that is with the image. What has not begun waits for it: its client may
    /// go on only when it has the answer.
    fn queue_ahead(&mut self, ticket: u64, device: DeviceId, request: &Request) -> bool {
        let window = &self.window;
        let begun = |place: u64| {
            let stage = window.get(place).map(|one| &one.stage);
            place >= EXTRA || matches!(stage, Some(Stage::Away(_) | Stage::Done(..)))
        };
        let schedule = &mut self.schedules[usize::from(device.0)];
        let (clear, held_up) = schedule.add_ahead(ticket, request, begun);
        for place in held_up {
            if let Some(expected) = self.window.get_mut(place) {
                expected.clear = false;
            }
        }
        clear
    }

    /// A request that the recording does not have may go.
    pub(super) fn extra_clear(&mut self, ticket: u64, out: &mut Output) {
        let Some(extra) = self.extras.get_mut(&ticket) else { return };
        let data = std::mem::replace(&mut extra.came.data, Data::Memory(Bytes::new()));
        let Data::Memory(data) = data else { return };
        let submission = Submission { tag: ticket, request: extra.asked.request, data };
        let work = Work::Submit(extra.asked.device, submission);
        out.work.push((std::sync::Arc::clone(&extra.came.outbox), work));
    }

    /// A request that the recording does not have is complete, and is answered at once.
    pub(super) fn extra_done(
        &mut self,
        ticket: u64,
        result: Result<(), Errno>,
        data: Bytes,
        extents: Vec<Extent>,
        now: Nanos,
        out: &mut Output,
    ) {
        self.free(ticket, now, out);
        let Some(extra) = self.extras.remove(&ticket) else { return };
        let (came, asked) = (extra.came, extra.asked);
        let read = asked.request.operation == Operation::Read && result.is_ok();
        // One that came while events are disabled has no id, and no log has it.
        if let Some(id) = asked.id {
            let block = Block {
                id,
                device: asked.device,
                operation: asked.request.operation,
                result,
                latency: now.since(came.went),
                hold: Nanos::default(),
                flags: CompletionFlags {
                    undelivered: came.outbox.is_gone(),
                    refused: came.refused.is_some(),
                },
                payload: if read { Payload::of(&data) } else { Payload::Absent },
                extents: extents.clone(),
            };
            out.log.push(now, EventKind::Checkpoint(Checkpoint::Controller), None);
            out.log.push(now, EventKind::Block(block), read.then(|| data.clone()));
        }
        let released = Released {
            tag: came.tag,
            cookie: came.cookie,
            request: asked.request,
            result,
            data,
            extents,
        };
        out.released.push((came.outbox, released));
    }
}
