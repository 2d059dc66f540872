//! The queue of async events: what waits for a checkpoint to release it, and what was released and waits for the
//! monitor that runs it (QEMU: the `events_list` of replay-events.c).
//!
//! ```text
//!  a front's completions ─▶ controller ─────────────────▶ outbox
//!  a monitor's           ─▶ held ─── its checkpoint ───▶ due ─▶ monitor
//!  events queued while it runs ─▶ joined ─ same step ──▶ due
//! ```
//!
//! It keeps order and nothing else. Invariant: what is queued comes out once, first in first out, and what waits for
//! a monitor is never released by a front.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::async_event::{AsyncEvent, Due, QueueFull};
use super::driver::Released;
use super::outbox::Outbox;
use crate::event::Payload;
use crate::limits::{ASYNC_BYTES_MAX, ASYNC_EVENTS_MAX};
use crate::request::{DeviceId, RequestId};
use crate::units::Nanos;

/// A completion that the image has delivered and the client has not seen.
#[derive(Debug)]
pub(super) struct Queued {
    /// Its name in the log; `None` if it was issued while nothing was recorded.
    pub(super) id: Option<RequestId>,
    pub(super) device: DeviceId,
    /// When the request was issued.
    pub(super) issued: Nanos,
    /// When the image was done.
    pub(super) done: Nanos,
    /// The front refused it; the image never saw it.
    pub(super) refused: bool,
    /// What the log will know of a read's data.
    pub(super) payload: Payload,
    /// The data of a read, if the log is to keep them.
    pub(super) stored: Option<Bytes>,
    /// What the client gets.
    pub(super) released: Released,
    /// Where it gets it.
    pub(super) outbox: Arc<Outbox>,
}

/// What waits for a checkpoint of a monitor.
#[derive(Debug)]
pub(super) enum Pending {
    Block(Queued),
    Event(AsyncEvent),
}

/// First in, first out.
#[derive(Debug, Default)]
pub(super) struct AsyncQueue {
    /// Released by the checkpoints of fronts.
    controller: VecDeque<Queued>,
    /// Released by the checkpoints of a monitor.
    held: VecDeque<Pending>,
    /// Queued by what the monitor runs: they belong to the step whose events it runs.
    joined: VecDeque<AsyncEvent>,
    /// To be run by the monitor.
    due: VecDeque<Due>,
    /// Async events in all lanes but those of requests, which are bounded elsewhere.
    events: usize,
    /// What they carry.
    bytes: u64,
}

impl AsyncQueue {
    /// Adds a completion of a front.
    pub(super) fn push(&mut self, queued: Queued) {
        self.controller.push_back(queued);
    }

    /// Takes the completions of fronts that are queued at this moment; what comes later waits for the next checkpoint.
    pub(super) fn take(&mut self) -> VecDeque<Queued> {
        std::mem::take(&mut self.controller)
    }

    /// Whether no completion of a front waits.
    pub(super) fn is_empty(&self) -> bool {
        self.controller.is_empty()
    }

    /// Adds a completion that waits for a checkpoint of the monitor.
    pub(super) fn hold(&mut self, queued: Queued) {
        self.held.push_back(Pending::Block(queued));
    }

    /// Adds an event that waits for a checkpoint of the monitor, or with `joined` for what it runs now.
    pub(super) fn hold_event(&mut self, event: AsyncEvent, joined: bool) -> Result<(), QueueFull> {
        self.count(&event)?;
        if joined {
            self.joined.push_back(event);
        } else {
            self.held.push_back(Pending::Event(event));
        }
        Ok(())
    }

    /// Adds an event that nothing waits for.
    pub(super) fn run_at_once(&mut self, event: AsyncEvent) -> Result<(), QueueFull> {
        self.count(&event)?;
        self.due.push_back(Due::Event(event));
        Ok(())
    }

    fn count(&mut self, event: &AsyncEvent) -> Result<(), QueueFull> {
        let bytes = self.bytes + event.data_bytes();
        if self.events >= ASYNC_EVENTS_MAX || bytes > ASYNC_BYTES_MAX {
            return Err(QueueFull);
        }
        self.events += 1;
        self.bytes = bytes;
        Ok(())
    }

    /// Takes what waits for a checkpoint of the monitor at this moment.
    pub(super) fn take_held(&mut self) -> VecDeque<Pending> {
        std::mem::take(&mut self.held)
    }

    /// Takes what was queued by what the monitor runs.
    pub(super) fn take_joined(&mut self) -> VecDeque<AsyncEvent> {
        std::mem::take(&mut self.joined)
    }

    /// An event that was taken is to be run.
    pub(super) fn run(&mut self, event: AsyncEvent) {
        self.due.push_back(Due::Event(event));
    }

    /// An event of the log is to be run.
    pub(super) fn run_recorded(&mut self, event: AsyncEvent) {
        self.events += 1;
        self.bytes += event.data_bytes();
        self.due.push_back(Due::Event(event));
    }

    /// The monitor is to tell its guest of a completion.
    pub(super) fn tell(&mut self, device: DeviceId, released: Released) {
        self.due.push_back(Due::Block { device, released });
    }

    /// What the monitor is to do next.
    pub(super) fn next_due(&mut self) -> Option<Due> {
        let due = self.due.pop_front()?;
        if let Due::Event(event) = &due {
            self.events -= 1;
            self.bytes -= event.data_bytes();
        }
        Some(due)
    }

    /// Whether anything waits for the monitor or for its checkpoint.
    pub(super) fn has_work(&self) -> bool {
        !self.due.is_empty() || !self.held.is_empty()
    }

    /// The monitor's port to `device` closes: its completions go the way of a front's. Returns those that were released
    /// and that nobody has taken.
    pub(super) fn give_back(&mut self, outbox: &Arc<Outbox>, device: DeviceId) -> Vec<Released> {
        for pending in std::mem::take(&mut self.held) {
            match pending {
                Pending::Block(queued) if Arc::ptr_eq(&queued.outbox, outbox) => self.push(queued),
                other => self.held.push_back(other),
            }
        }
        let mut released = Vec::new();
        for due in std::mem::take(&mut self.due) {
            match due {
                Due::Block { device: of, released: one } if of == device => released.push(one),
                other => self.due.push_back(other),
            }
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventData;
    use crate::limits::EVENT_BYTES_MAX;

    #[test]
    fn what_nobody_runs_is_bounded_in_number_and_in_bytes() {
        let mut queue = AsyncQueue::default();
        for id in 0..ASYNC_EVENTS_MAX as u64 {
            queue.hold_event(AsyncEvent::Bh { id }, id % 2 == 0).unwrap();
        }
        assert_eq!(queue.hold_event(AsyncEvent::InputSync, false), Err(QueueFull));
        assert_eq!(queue.run_at_once(AsyncEvent::InputSync), Err(QueueFull));
        queue.take_held();
        let taken: Vec<_> = queue.take_joined().into();
        for event in taken {
            queue.run(event);
        }
        assert!(matches!(queue.next_due(), Some(Due::Event(AsyncEvent::Bh { id: 0 }))));
        queue.hold_event(AsyncEvent::InputSync, false).unwrap();

        let mut queue = AsyncQueue::default();
        let data = EventData::new(vec![7; EVENT_BYTES_MAX]).unwrap();
        let frame = AsyncEvent::Net { filter: 0, flags: 0, frame: data };
        for _ in 0..ASYNC_BYTES_MAX / EVENT_BYTES_MAX as u64 {
            queue.run_at_once(frame.clone()).unwrap();
        }
        assert_eq!(queue.run_at_once(frame.clone()), Err(QueueFull));
        queue.next_due();
        queue.run_at_once(frame).unwrap();
    }
}
