//! The points at which queued events are released: their names and numbers, and nothing of how they are reached.
//!
//! Invariant: a checkpoint stands in its table at its number in the trace file.

/// The points at which queued events are released (QEMU: `ReplayCheckpoint`). Not snapshots.
///
/// All but `controller` are QEMU's: a virtual machine monitor calls them where its time is deterministic, so a
/// replay and a diff compare them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checkpoint {
    /// Our own fronts: *these were released together, after those had arrived*. Its place depends on
    /// thread timing, so diff never compares it.
    Controller,
    /// Virtual time is about to be moved on while the guest sleeps (`CHECKPOINT_CLOCK_WARP_START`).
    ClockWarpStart,
    /// Virtual time was moved on (`CHECKPOINT_CLOCK_WARP_ACCOUNT`). From log version 0xe0200b on, QEMU releases its
    /// queue only before this one.
    ClockWarpAccount,
    /// The guest is to be reset (`CHECKPOINT_RESET_REQUESTED`).
    ResetRequested,
    /// The guest is to be suspended (`CHECKPOINT_SUSPEND_REQUESTED`).
    SuspendRequested,
    /// Timers of the virtual clock run (`CHECKPOINT_CLOCK_VIRTUAL`).
    ClockVirtual,
    /// Timers of the host's clock run (`CHECKPOINT_CLOCK_HOST`).
    ClockHost,
    /// Timers of the virtual clock that goes on in real time run (`CHECKPOINT_CLOCK_VIRTUAL_RT`).
    ClockVirtualRt,
    /// The machine is built (`CHECKPOINT_INIT`).
    Init,
    /// The machine is reset (`CHECKPOINT_RESET`).
    Reset,
}

impl Checkpoint {
    /// All checkpoints with their printed names; the place in the table is the number in the trace file. QEMU's are
    /// in its order, one behind its numbers.
    pub const NAMES: [(Checkpoint, &'static str); 10] = [
        (Checkpoint::Controller, "controller"),
        (Checkpoint::ClockWarpStart, "clock_warp_start"),
        (Checkpoint::ClockWarpAccount, "clock_warp_account"),
        (Checkpoint::ResetRequested, "reset_requested"),
        (Checkpoint::SuspendRequested, "suspend_requested"),
        (Checkpoint::ClockVirtual, "clock_virtual"),
        (Checkpoint::ClockHost, "clock_host"),
        (Checkpoint::ClockVirtualRt, "clock_virtual_rt"),
        (Checkpoint::Init, "init"),
        (Checkpoint::Reset, "reset"),
    ];

    /// The checkpoint with this number in the trace file.
    pub fn from_number(number: u64) -> Option<Checkpoint> {
        let named = usize::try_from(number).ok().and_then(|number| Self::NAMES.get(number));
        named.map(|(checkpoint, _)| *checkpoint)
    }

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_stand_in_their_table_at_their_number() {
        for (number, (checkpoint, name)) in Checkpoint::NAMES.into_iter().enumerate() {
            assert_eq!(checkpoint as usize, number);
            assert_eq!(Checkpoint::from_number(number as u64), Some(checkpoint));
            assert_eq!(checkpoint.name(), name);
        }
        assert_eq!(Checkpoint::from_number(10), None);
        assert_eq!(Checkpoint::from_number(u64::MAX), None);
    }
}
