//! Where a log that was cut can end so that QEMU replays it. The events that are whole come in, a place goes out.
//!
//! Not every whole event can be the last. QEMU counts instructions just before the event that they lead to
//! (`replay_advance_current_icount`): a guest whose log ends behind such a count comes to that event, and where it is a
//! character written, random bytes or sound, QEMU ends with an error instead of waiting (`replay_sync_error`,
//! "Missing character write event in the replay log"). The same holds for more events that one instruction brings, and
//! for those that a timer or a queued event brings. Invariant: what is kept at a place was complete when QEMU recorded:
//! whoever wrote it had let go of the log.

use std::io::Read;

use super::encode::HEADER_BYTES;
use super::header::LogError;
use super::reader::{LogEvent, LogReader};
use crate::event::{Checkpoint, EventKind};

/// How much of a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The byte behind it.
    pub end: u64,
    /// How many events.
    pub events: u64,
    /// How many instructions the guest executes.
    pub icount: u64,
}

/// How much of the log that `reader` stands at the beginning of QEMU replays without what came behind its last whole
/// event. All that is whole, if the guest did nothing yet.
pub(super) fn kept<R: Read>(reader: &mut LogReader<R>) -> Result<Kept, LogError> {
    let mut whole = Kept { end: HEADER_BYTES as u64, events: 0, icount: 0 };
    let mut last = None;
    while let Some(event) = reader.next_event()? {
        if matches!(event.event.kind, EventKind::Instruction { .. }) {
            last = Some(Kept { end: event.at, ..whole });
        }
        whole = Kept { end: reader.place().at, events: event.index + 1, icount: event.icount };
        if closes(&event) {
            last = Some(whole);
        }
    }
    Ok(last.unwrap_or(whole))
}

/// Whether all that came before this event, and this event, need nothing of what follows.
fn closes(event: &LogEvent) -> bool {
    match event.event.kind {
        // The processor's thread passes it before it executes anything, while nobody else writes
        // (`icount_account_warp_timer`).
        EventKind::Checkpoint(checkpoint) => checkpoint == Checkpoint::ClockWarpAccount,
        // The machine does no more.
        EventKind::Shutdown { .. } => true,
        _ => false,
    }
}
