//! Kinds of events as edits tell them apart. An event comes in, yes or no goes out.
//!
//! Invariant: what is of a machine is neither a request nor a note.

use crate::event::{Checkpoint, EventKind};

/// Whether a virtual machine took it from the world, or did it.
pub(super) fn is_guest(kind: &EventKind) -> bool {
    !matches!(
        kind,
        EventKind::Issue(_)
            | EventKind::Block(_)
            | EventKind::Checkpoint(_)
            | EventKind::Open { .. }
            | EventKind::Length { .. }
            | EventKind::Close { .. }
            | EventKind::Connect(_)
            | EventKind::Disconnect { .. }
            | EventKind::Mark { .. }
            | EventKind::End { .. }
    )
}

/// Whether it is of a trace of a virtual machine.
pub(super) fn is_of_machine(kind: &EventKind) -> bool {
    is_guest(kind)
        || matches!(kind, EventKind::Checkpoint(which) if *which != Checkpoint::Controller)
}

/// Whether it is released at the checkpoint before it.
pub(super) fn is_released(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Block(_)
            | EventKind::Bh { .. }
            | EventKind::BhOneshot { .. }
            | EventKind::Input(_)
            | EventKind::InputSync
            | EventKind::CharRead { .. }
            | EventKind::Net { .. }
    )
}
