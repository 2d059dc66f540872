//! The kinds of events of a QEMU log, under the names that QEMU's source gives them.
//!
//! Knows no numbers: which kind has which is the business of `layout`. Invariant: every kind that any version wrote
//! is here once, and its name is that of QEMU's enum without `EVENT_` (`replay/replay-internal.h`).

use crate::event::{Checkpoint, ClockKind, ShutdownCause};

/// A kind of event of a QEMU log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogKind {
    /// The guest executed instructions.
    Instruction,
    /// The guest took an interrupt.
    Interrupt,
    /// The guest took an exception.
    Exception,
    /// An asynchronous event whose kind is in a byte of its own (versions up to 0xe0200b).
    Async,
    /// A bottom half.
    Bh,
    /// A bottom half that nobody keeps.
    BhOneshot,
    /// Something a person did.
    Input,
    /// The end of what a person did at once.
    InputSync,
    /// Bytes for a character device.
    CharRead,
    /// The completion of a request of a disk.
    Block,
    /// A frame of a network.
    Net,
    /// The guest is to go down; logs before QEMU 2.10 do not say why.
    ShutdownUnsaid,
    /// The guest is to go down.
    Shutdown(ShutdownCause),
    /// A number behind the last cause, which QEMU never writes.
    ShutdownMax,
    /// The guest wrote to a character device.
    CharWrite,
    /// A character device was read until enough was there.
    CharReadAll,
    /// The same failed.
    CharReadAllError,
    /// Samples were played.
    AudioOut,
    /// Samples were recorded.
    AudioIn,
    /// Random bytes were drawn.
    Random,
    /// A clock was read.
    Clock(ClockKind),
    /// The one checkpoint of versions 0xe02002 and 0xe02003 that later became two.
    ClockWarp,
    /// A checkpoint of QEMU's.
    Checkpoint(Checkpoint),
    /// The recording ended.
    End,
}

impl LogKind {
    /// What QEMU calls it.
    pub fn name(self) -> &'static str {
        match self {
            LogKind::Instruction => "INSTRUCTION",
            LogKind::Interrupt => "INTERRUPT",
            LogKind::Exception => "EXCEPTION",
            LogKind::Async => "ASYNC",
            LogKind::Bh => "ASYNC_BH",
            LogKind::BhOneshot => "ASYNC_BH_ONESHOT",
            LogKind::Input => "ASYNC_INPUT",
            LogKind::InputSync => "ASYNC_INPUT_SYNC",
            LogKind::CharRead => "ASYNC_CHAR_READ",
            LogKind::Block => "ASYNC_BLOCK",
            LogKind::Net => "ASYNC_NET",
            LogKind::ShutdownUnsaid => "SHUTDOWN",
            LogKind::Shutdown(cause) => shutdown_name(cause),
            LogKind::ShutdownMax => "SHUTDOWN__MAX",
            LogKind::CharWrite => "CHAR_WRITE",
            LogKind::CharReadAll => "CHAR_READ_ALL",
            LogKind::CharReadAllError => "CHAR_READ_ALL_ERROR",
            LogKind::AudioOut => "AUDIO_OUT",
            LogKind::AudioIn => "AUDIO_IN",
            LogKind::Random => "RANDOM",
            LogKind::Clock(ClockKind::Host) => "CLOCK_HOST",
            LogKind::Clock(ClockKind::VirtualRt) => "CLOCK_VIRTUAL_RT",
            LogKind::Clock(ClockKind::Virtual) => "CLOCK_VIRTUAL",
            LogKind::ClockWarp => "CP_CLOCK_WARP",
            LogKind::Checkpoint(checkpoint) => checkpoint_name(checkpoint),
            LogKind::End => "END",
        }
    }

    /// Whether it is one of those that QEMU queues until a checkpoint.
    pub fn is_async(self) -> bool {
        use LogKind::{Bh, BhOneshot, Block, CharRead, Input, InputSync, Net};
        matches!(self, Bh | BhOneshot | Input | InputSync | CharRead | Block | Net)
    }
}

fn shutdown_name(cause: ShutdownCause) -> &'static str {
    match cause {
        ShutdownCause::None => "SHUTDOWN_NONE",
        ShutdownCause::HostError => "SHUTDOWN_HOST_ERROR",
        ShutdownCause::HostQmpQuit => "SHUTDOWN_HOST_QMP_QUIT",
        ShutdownCause::HostQmpSystemReset => "SHUTDOWN_HOST_QMP_SYSTEM_RESET",
        ShutdownCause::HostSignal => "SHUTDOWN_HOST_SIGNAL",
        ShutdownCause::HostUi => "SHUTDOWN_HOST_UI",
        ShutdownCause::GuestShutdown => "SHUTDOWN_GUEST_SHUTDOWN",
        ShutdownCause::GuestReset => "SHUTDOWN_GUEST_RESET",
        ShutdownCause::GuestPanic => "SHUTDOWN_GUEST_PANIC",
        ShutdownCause::SubsystemReset => "SHUTDOWN_SUBSYSTEM_RESET",
        ShutdownCause::SnapshotLoad => "SHUTDOWN_SNAPSHOT_LOAD",
        ShutdownCause::HostQmp => "SHUTDOWN_HOST_QMP",
    }
}

fn checkpoint_name(checkpoint: Checkpoint) -> &'static str {
    match checkpoint {
        Checkpoint::Controller => "CP_CONTROLLER",
        Checkpoint::ClockWarpStart => "CP_CLOCK_WARP_START",
        Checkpoint::ClockWarpAccount => "CP_CLOCK_WARP_ACCOUNT",
        Checkpoint::ResetRequested => "CP_RESET_REQUESTED",
        Checkpoint::SuspendRequested => "CP_SUSPEND_REQUESTED",
        Checkpoint::ClockVirtual => "CP_CLOCK_VIRTUAL",
        Checkpoint::ClockHost => "CP_CLOCK_HOST",
        Checkpoint::ClockVirtualRt => "CP_CLOCK_VIRTUAL_RT",
        Checkpoint::Init => "CP_INIT",
        Checkpoint::Reset => "CP_RESET",
    }
}
