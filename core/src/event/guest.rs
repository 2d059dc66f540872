//! What a virtual machine gets from outside but requests and input: times, bytes, samples, and the word to go down.
//!
//! Values as they were recorded; how a replay hands them back is the business of `engine`. Invariant: what is here
//! takes no more memory than `EVENT_BYTES_MAX`, and names stand in their table at their number in the trace file.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::limits::EVENT_BYTES_MAX;

/// The clocks whose readings are recorded (QEMU: `ReplayClockKind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClockKind {
    /// The time of day of the host (`REPLAY_CLOCK_HOST`).
    Host,
    /// Time that the guest has run, as the host's clock measures it (`REPLAY_CLOCK_VIRTUAL_RT`).
    VirtualRt,
    /// The guest's own time. QEMU computes it from the number of instructions and never records it; this one is for
    /// monitors that do not count instructions.
    Virtual,
}

impl ClockKind {
    /// All clocks with their printed names; the place in the table is the number in the trace file.
    pub const NAMES: [(ClockKind, &'static str); 3] = [
        (ClockKind::Host, "host"),
        (ClockKind::VirtualRt, "virtual_rt"),
        (ClockKind::Virtual, "virtual"),
    ];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// Who asked a guest to go down, and how (QEMU: `ShutdownCause`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShutdownCause {
    /// Nobody said. All that logs before QEMU 2.10 know.
    None,
    /// An error of the host.
    HostError,
    /// The monitor command `quit`.
    HostQmpQuit,
    /// The monitor command `system_reset`.
    HostQmpSystemReset,
    /// A signal to the monitor. QEMU also writes it at the end of every log since version 0xe0200a.
    HostSignal,
    /// The window was closed.
    HostUi,
    /// The guest powered itself off.
    GuestShutdown,
    /// The guest reset itself.
    GuestReset,
    /// The guest gave up.
    GuestPanic,
    /// A part of the machine was reset.
    SubsystemReset,
    /// A snapshot is loaded.
    SnapshotLoad,
    /// Any monitor command: logs of QEMU 2.10 to 3.1 do not say which.
    HostQmp,
}

impl ShutdownCause {
    /// All causes with their printed names; the place in the table is the number in the trace file.
    pub const NAMES: [(ShutdownCause, &'static str); 12] = [
        (ShutdownCause::None, "none"),
        (ShutdownCause::HostError, "host_error"),
        (ShutdownCause::HostQmpQuit, "host_qmp_quit"),
        (ShutdownCause::HostQmpSystemReset, "host_qmp_system_reset"),
        (ShutdownCause::HostSignal, "host_signal"),
        (ShutdownCause::HostUi, "host_ui"),
        (ShutdownCause::GuestShutdown, "guest_shutdown"),
        (ShutdownCause::GuestReset, "guest_reset"),
        (ShutdownCause::GuestPanic, "guest_panic"),
        (ShutdownCause::SubsystemReset, "subsystem_reset"),
        (ShutdownCause::SnapshotLoad, "snapshot_load"),
        (ShutdownCause::HostQmp, "host_qmp"),
    ];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// Bytes that an event carries itself, at most `EVENT_BYTES_MAX`: unlike those of a request, they are wherever the
/// event is.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct EventData(Bytes);

/// What an event is to carry is too much.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("an event of {found} bytes of data, at most {EVENT_BYTES_MAX} are allowed")]
pub struct EventDataError {
    /// How much it is, in bytes; a sample counts as 16.
    pub found: usize,
}

impl EventData {
    /// These bytes, if they are not too many.
    pub fn new(data: impl Into<Bytes>) -> Result<EventData, EventDataError> {
        let data = data.into();
        if data.len() > EVENT_BYTES_MAX {
            return Err(EventDataError { found: data.len() });
        }
        Ok(EventData(data))
    }

    /// The bytes, shared.
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl Deref for EventData {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for EventData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Sound that a guest recorded (QEMU: `replay_audio_in`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AudioIn {
    /// How many samples were recorded. A QEMU log may have fewer: it leaves out all if they fill the ring.
    pub recorded: u64,
    /// Place in the ring where the next one goes; logs from version 0xe0200d on do not say it.
    pub position: Option<u64>,
    /// The samples.
    pub samples: Samples,
}

/// A sample of sound: how far left and right are from rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sample {
    /// Left.
    pub left: i64,
    /// Right.
    pub right: i64,
}

/// Samples of sound, at most [`Samples::MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// How many there may be: 16 bytes each, `EVENT_BYTES_MAX` together.
    pub const MAX: usize = EVENT_BYTES_MAX / size_of::<Sample>();

    /// These samples, if they are not too many.
    pub fn new(samples: Vec<Sample>) -> Result<Samples, EventDataError> {
        if samples.len() > Self::MAX {
            return Err(EventDataError {
                found: samples.len().saturating_mul(size_of::<Sample>()),
            });
        }
        Ok(Samples(samples))
    }
}

impl Deref for Samples {
    type Target = [Sample];

    fn deref(&self) -> &[Sample] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_their_tables_at_their_number() {
        for (number, (clock, name)) in ClockKind::NAMES.into_iter().enumerate() {
            assert_eq!(clock as usize, number);
            assert_eq!(clock.name(), name);
        }
        for (number, (cause, name)) in ShutdownCause::NAMES.into_iter().enumerate() {
            assert_eq!(cause as usize, number);
            assert_eq!(cause.name(), name);
        }
    }

    #[test]
    fn an_event_carries_so_much_and_no_more() {
        assert_eq!(EventData::new(vec![7; EVENT_BYTES_MAX]).unwrap().len(), EVENT_BYTES_MAX);
        let found = EVENT_BYTES_MAX + 1;
        let refused = EventData::new(vec![7; found]).unwrap_err();
        assert_eq!(refused, EventDataError { found });
        let text = "an event of 1048577 bytes of data, at most 1048576 are allowed";
        assert_eq!(refused.to_string(), text);
        let samples = |count| Samples::new(vec![Sample::default(); count]);
        assert_eq!(samples(Samples::MAX).unwrap().len(), Samples::MAX);
        let refused = samples(Samples::MAX + 1).unwrap_err();
        assert_eq!(refused, EventDataError { found: EVENT_BYTES_MAX + 16 });
    }
}
