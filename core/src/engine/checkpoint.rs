//! Checkpoints: where queued completions are written to the log and released (QEMU: `replay_save_events`).
//!
//! Invariant: a completion is in the log before its client can see it, and a checkpoint ends: it releases
//! what was queued when it began.

use std::sync::Arc;

use super::outbox::Outbox;
use super::queue::Queued;
use super::{Engine, Log, State};
use crate::event::{Block, Checkpoint, CompletionFlags, EventKind};
use crate::request::Operation;
use crate::units::Nanos;

impl Engine {
    /// Passes a checkpoint of our own fronts, on the thread that `own` belongs to. With an empty queue
    /// nothing happens.
    pub(super) fn checkpoint(&self, state: &mut State, own: &Arc<Outbox>) {
        if state.queue.is_empty() {
            return;
        }
        let now = self.now();
        let mut log = Log::default();
        log.push(now, EventKind::Checkpoint(Checkpoint::Controller), None);
        let events = state.queue.take();
        let mut run = Vec::with_capacity(events.len());
        for mut queued in events {
            self.log_block(state, &mut queued, now, &mut log);
            run.push(queued);
        }
        // A checkpoint of nothing but unrecorded requests is none of the log's.
        if log.entries.len() > 1 {
            self.write(state, log);
        }
        self.end_if_drained(state);
        for queued in run {
            queued.outbox.release(queued.released, own);
        }
    }

    /// Counts a completion, and logs it if its request is in the log.
    pub(super) fn log_block(
        &self,
        state: &mut State,
        queued: &mut Queued,
        now: Nanos,
        log: &mut Log,
    ) {
        state.totals.count(&queued.released);
        if let Some(block) = block_event(queued, now) {
            state.recorded.count(&queued.released);
            state.open -= 1;
            log.promised += self.block_promise(queued.released.request, queued.refused);
            log.push(now, EventKind::Block(block), queued.stored.take());
        }
    }
}

/// What the log says of a completion that is released at `now`; nothing if its issue was not logged.
fn block_event(queued: &mut Queued, now: Nanos) -> Option<Block> {
    let request = &queued.released.request;
    Some(Block {
        id: queued.id?,
        device: queued.device,
        operation: request.operation,
        result: queued.released.result,
        latency: queued.done.since(queued.issued),
        hold: now.since(queued.done),
        flags: CompletionFlags { undelivered: queued.outbox.is_gone(), refused: queued.refused },
        payload: queued.payload,
        extents: match request.operation {
            Operation::BlockStatus => queued.released.extents.clone(),
            _ => Vec::new(),
        },
    })
}
