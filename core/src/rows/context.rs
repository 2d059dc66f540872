//! What a request is among those around it: events in, a [`Context`] for each issue out.
//!
//! Knows nothing of how requests end. Invariant: what depends on events that were not seen is absent, never guessed.

use std::collections::HashMap;
use std::sync::Arc;

use super::written::Written;
use crate::event::{Block, Issue};
use crate::request::{DeviceId, Operation};
use crate::units::Nanos;

/// What a request is among those around it. What a reader that began in the middle of a trace cannot know is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    /// Checkpoints before its issue: which step of the trace it belongs to, from 0.
    pub step: Option<u64>,
    /// Requests of its device that were issued and not released when it was issued, itself counted.
    pub depth: Option<u32>,
    /// From the arrival of the request before it, of any device; `None` for the first.
    pub gap: Option<Nanos>,
    /// From the end of the last request before it of its device that has a range to its own offset, in bytes; `None` for the
    /// first, and for those without a range. 0 goes on where that one ended.
    pub seek: Option<i64>,
    /// The name of the last mark before it.
    pub mark: Option<Arc<str>>,
    /// Whether that mark lies between the request before and this one.
    pub marked: bool,
    /// Of a read: whether no request before it, in the order of ids, was to change any byte of its range. `None` for others,
    /// and where nobody asked for it.
    pub never_written: Option<bool>,
}

/// Finds out the contexts of requests, in the order of their issue.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// The reader began in the middle: what was before is not known.
    began_later: bool,
    /// How many were in flight there is known all the same.
    knows_depths: bool,
    steps: u64,
    depths: HashMap<DeviceId, u32>,
    last_arrival: Option<Nanos>,
    last_ends: HashMap<DeviceId, u64>,
    mark: Option<Arc<str>>,
    marked: bool,
    written: Option<Written>,
}

impl Surroundings {
    pub(super) fn beginning_later() -> Surroundings {
        Surroundings { began_later: true, ..Surroundings::default() }
    }

    /// Says that nothing was in flight where the reader began but so many requests of one device.
    pub(super) fn know_depths(&mut self, device: DeviceId, depth: u32) {
        self.knows_depths = true;
        self.depths.insert(device, depth);
    }

    /// Keeps so many ranges apart.
    pub(super) fn keep_written(&mut self, ranges: usize) {
        self.written = (!self.began_later).then(|| Written::holding(ranges));
    }

    pub(super) fn widened_written(&self) -> bool {
        self.written.as_ref().is_some_and(|written| !written.is_exact())
    }

    pub(super) fn checkpoint(&mut self) {
        self.steps += 1;
    }

    pub(super) fn mark(&mut self, name: &str) {
        self.mark = Some(name.into());
        self.marked = true;
    }

    pub(super) fn block(&mut self, block: &Block) {
        if let Some(depth) = self.depths.get_mut(&block.device) {
            *depth = depth.saturating_sub(1);
        }
    }

    /// The context of a request that arrived at `time`.
    pub(super) fn issue(&mut self, issue: &Issue, time: Nanos) -> Context {
        let (device, range) = (issue.device, issue.request.range);
        let known = !self.began_later;
        let depth = self.depths.entry(device).or_default();
        *depth = depth.saturating_add(1);
        let gap = self.last_arrival.replace(time).map(|last| Nanos(time.0.saturating_sub(last.0)));
        let before =
            if range.length > 0 { self.last_ends.insert(device, range.end()) } else { None };
        let seek = before.map(|end| i128::from(range.offset) - i128::from(end));
        Context {
            step: known.then_some(self.steps),
            depth: (known || self.knows_depths).then_some(*depth),
            gap,
            seek: seek.and_then(|seek| i64::try_from(seek).ok()),
            mark: self.mark.clone(),
            marked: std::mem::take(&mut self.marked),
            never_written: self.never_written(issue),
        }
    }

    /// A request that failed may have changed something as well.
    fn never_written(&mut self, issue: &Issue) -> Option<bool> {
        let written = self.written.as_mut()?;
        let (device, range) = (issue.device, issue.request.range);
        if issue.request.operation.modifies() {
            written.insert(device, range);
        }
        let is_read = issue.request.operation == Operation::Read && range.length > 0;
        is_read.then(|| !written.touches(device, range))
    }
}
