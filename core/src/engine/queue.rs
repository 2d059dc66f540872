//! The queue of async events: completions that wait for a checkpoint to release them (QEMU: the `events_list`
//! of replay-events.c).
//!
//! It keeps order and nothing else. Invariant: what is queued comes out once, first in first out.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::driver::Released;
use super::outbox::Outbox;
use crate::event::Payload;
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

/// First in, first out.
#[derive(Debug, Default)]
pub(super) struct AsyncQueue {
    queued: VecDeque<Queued>,
}

impl AsyncQueue {
    /// Adds an event at the end.
    pub(super) fn push(&mut self, queued: Queued) {
        self.queued.push_back(queued);
    }

    /// Takes the events that are queued at this moment; what comes later waits for the next checkpoint.
    pub(super) fn take(&mut self) -> VecDeque<Queued> {
        std::mem::take(&mut self.queued)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }
}
