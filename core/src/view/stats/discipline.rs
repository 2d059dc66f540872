//! How a client makes its data durable: rows in, what is at risk between flushes out.
//!
//! Only what was written without an error counts: writes and zeroes, not discards. Invariant: ranges that were written are kept
//! within `STATS_PIECES_MAX`; where that is not enough, `rewritten_at_least` says so.

use super::around::Around;
use super::pieces::Pieces;
use super::spread::Spread;
use crate::limits::STATS_PIECES_MAX;
use crate::request::{Flags, Operation};
use crate::rows::Row;

/// How a client makes its data durable.
#[derive(Debug, Clone, Default)]
pub struct Discipline {
    /// Flushes.
    pub flushes: u64,
    /// Those before which all that was written was durable already.
    pub redundant: u64,
    /// Writes and zeroes that were durable when they were complete.
    pub fua: u64,
    /// What those wrote, in bytes.
    pub fua_bytes: u64,
    /// Epochs of all devices in which there is a request.
    pub epochs: u64,
    /// What was written without FUA in each epoch that has any, in bytes: what a power cut before its flush may take.
    pub at_risk: Spread,
    /// The part of that which no flush came after.
    pub unflushed: u64,
    /// Bytes that were written again in the epoch in which they had been written.
    pub rewritten: u64,
    /// There were too many ranges to keep: it may be more.
    pub rewritten_at_least: bool,
    /// By their number, of 16 bits; `None` before the first request.
    devices: Vec<Option<Epoch>>,
    pieces: usize,
}

/// The epoch that a device is in.
#[derive(Debug, Clone, Default)]
struct Epoch {
    number: u64,
    at_risk: u64,
    written: Pieces,
}

impl Discipline {
    /// Takes the next request.
    pub(super) fn add(&mut self, row: &Row, around: Around) {
        let device = usize::from(row.device.0);
        if device >= self.devices.len() {
            self.devices.resize_with(device + 1, || None);
        }
        let slot = &mut self.devices[device];
        let begins = slot.as_ref().is_none_or(|epoch| epoch.number != row.epoch);
        if begins {
            self.epochs += 1;
            let ended = slot.replace(Epoch { number: row.epoch, ..Epoch::default() });
            let ended = ended.unwrap_or_default();
            self.pieces -= ended.written.len();
            if ended.at_risk > 0 {
                self.at_risk.add(ended.at_risk);
            }
        }
        let epoch = slot.get_or_insert_default();
        let request = &row.request;
        if request.operation == Operation::Flush {
            self.flushes += 1;
            self.redundant += u64::from(around.redundant);
        }
        let is_ok = row.completion.as_ref().is_some_and(|end| end.result.is_ok());
        let writes = matches!(request.operation, Operation::Write | Operation::WriteZeroes);
        if !(writes && is_ok) {
            return;
        }
        let length = request.range.length;
        if request.flags.contains(Flags::FUA) {
            self.fua += 1;
            self.fua_bytes = self.fua_bytes.saturating_add(length);
        } else {
            epoch.at_risk = epoch.at_risk.saturating_add(length);
        }
        let before = epoch.written.len();
        self.rewritten = self.rewritten.saturating_add(epoch.written.insert(request.range));
        self.pieces = self.pieces + epoch.written.len() - before;
        if self.pieces > STATS_PIECES_MAX {
            self.rewritten_at_least = true;
            self.pieces -= epoch.written.len();
            epoch.written = Pieces::default();
        }
    }

    /// No requests follow.
    pub(super) fn finish(&mut self) {
        for epoch in self.devices.drain(..).flatten() {
            if epoch.at_risk > 0 {
                self.at_risk.add(epoch.at_risk);
                self.unflushed = self.unflushed.saturating_add(epoch.at_risk);
            }
        }
        self.pieces = 0;
    }
}
