//! Whether a trace of limited size has room for more, and what requests under way may still add to it.
//!
//! Arrivals and completions in, bytes out. Knows no file. Invariant: what is promised for a request when it arrives is
//! given back when its events are handed to the log, all of it.

use super::driver::Arrival;
use super::record::Room;
use super::{Engine, Mode};
use crate::format::{Entry, PayloadPolicy};
use crate::request::{Operation, Request};

/// What an event weighs beside its data, in bytes.
pub(super) const ENTRY_BYTES: u64 = size_of::<Entry>() as u64;

impl Engine {
    /// Waits while the log is too far behind: backpressure, so that nothing is lost and memory is bounded. Ends
    /// the recording if `arrivals` have no room in the trace.
    pub(super) fn wait_for_room(&self, arrivals: &[Arrival]) {
        let promises = arrivals.iter().map(|arrival| {
            let is_refused = arrival.refused.is_some();
            let block = self.block_promise(arrival.request, is_refused);
            self.issue_promise(arrival).saturating_add(block)
        });
        let promise = promises.fold(0, u64::saturating_add);
        if let Mode::Record { recorder, .. } = &self.mode
            && recorder.wait_for_room(promise) == Room::None
        {
            self.end_recording();
        }
    }

    /// What the issue of a request takes at most, with its data, in bytes.
    pub(super) fn issue_promise(&self, arrival: &Arrival) -> u64 {
        let kept = self.keeps(Operation::Write);
        ENTRY_BYTES + if kept { arrival.data.len() as u64 } else { 0 }
    }

    /// What the completion of a request takes at most, with the data read, in bytes. One that is refused brings none,
    /// whatever length it claims.
    pub(super) fn block_promise(&self, request: Request, is_refused: bool) -> u64 {
        let reads = request.operation == Operation::Read && !is_refused;
        let kept = reads && self.keeps(Operation::Read);
        ENTRY_BYTES.saturating_add(if kept { request.range.length } else { 0 })
    }

    /// Whether the log keeps the data of such requests.
    pub(super) fn keeps(&self, operation: Operation) -> bool {
        match operation {
            Operation::Read => self.policy() == PayloadPolicy::All,
            _ => matches!(self.policy(), PayloadPolicy::Write | PayloadPolicy::All),
        }
    }
}
