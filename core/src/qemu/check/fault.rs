//! What can be wrong with a QEMU log: where, how much it matters, what it means and what to do.
//!
//! Invariant: a code never changes its meaning.

use std::fmt;

use crate::event::{Checkpoint, ClockKind};
use crate::format::Level;
use crate::qemu::stop::{Stop, Why};

/// Where in a log something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogPlace {
    /// Its byte in the file.
    pub at: u64,
    /// The index of the event, from 0.
    pub event: u64,
    /// How many instructions the guest had executed.
    pub icount: u64,
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LogPlace { at, event, icount } = self;
        write!(f, "byte {at}, event {event}, {icount} instructions in")
    }
}

/// Something that is wrong, or to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFinding {
    /// Where.
    pub place: LogPlace,
    /// What.
    pub fault: LogFault,
}

/// What is wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// The version is 0.
    #[error("the log has no version: its recording was not ended in order")]
    NoVersion,
    /// The version is one that no QEMU is known to write.
    #[error("no QEMU is known that writes version {found:#x}")]
    Version {
        /// The version.
        found: u32,
    },
    /// No layout of the version reads the log, and another does.
    #[error("version {version:#x} is not that of the layout, which is {layout}")]
    Layout {
        /// The version.
        version: u32,
        /// The label of the layout that fits.
        layout: &'static str,
    },
    /// Something lies between the version and the first event.
    #[error("{found:#018x} lies behind the version, where QEMU has zeroes")]
    Reserved {
        /// What.
        found: u64,
    },
    /// It cannot be read to its end, or goes on behind it.
    #[error("{}", .0.why)]
    Stop(Stop),
    /// A request was completed before.
    #[error("request {id} is completed a second time")]
    BlockTwice {
        /// Which.
        id: u64,
    },
    /// Requests were never completed, and later ones were.
    #[error("{} never completed, and request {behind} is", requests(*.first, *.count))]
    BlockMissing {
        /// The first of them.
        first: u64,
        /// How many there are, one behind the other.
        count: u64,
        /// The one behind them.
        behind: u64,
    },
    /// More requests are open than are kept in mind.
    #[error("more requests are open than are kept in mind: what is missing is not told any more")]
    TooManyOpen,
    /// A clock says less than before.
    #[error("clock {} goes back from {from} to {to}", .clock.name())]
    ClockBackwards {
        /// Which.
        clock: ClockKind,
        /// What it said before.
        from: i64,
        /// What it says.
        to: i64,
    },
    /// An event counts no instruction, or more than QEMU can.
    #[error("an event of {count} instructions; QEMU writes from 1 to 2147483647")]
    Instructions {
        /// How many.
        count: u64,
    },
    /// A bottom half was put off at an instruction that the guest has not reached.
    #[error("a bottom half of instruction {id}, and the guest has executed {icount}")]
    BottomHalf {
        /// Its id: how many instructions had been executed when it was put off.
        id: u64,
        /// How many have been.
        icount: u64,
    },
    /// A checkpoint where there can be none of its kind.
    #[error("checkpoint {} where {} has to be", .found.name(), .wanted.name())]
    CheckpointOrder {
        /// What is there.
        found: Checkpoint,
        /// What has to be there.
        wanted: Checkpoint,
    },
    /// A checkpoint that a machine passes once.
    #[error("checkpoint {} is passed a second time", .found.name())]
    CheckpointTwice {
        /// Which.
        found: Checkpoint,
    },
    /// An asynchronous event that no replay delivers.
    #[error("an asynchronous event of checkpoint {} lies behind {}", .said.name(), .last.name())]
    AsyncPlace {
        /// The checkpoint at which it says to have been written.
        said: Checkpoint,
        /// The checkpoint before it.
        last: Checkpoint,
    },
    /// Nothing that was queued can have been released.
    #[error("no checkpoint releases what is queued: clock_warp_account is never passed")]
    NeverReleased,
    /// No request of a disk was completed.
    #[error("no request of a disk is completed")]
    NoBlock,
    /// The machine did not go down by itself.
    #[error("the recorder was ended by a signal")]
    EndedBySignal,
}

fn requests(first: u64, count: u64) -> String {
    match count {
        1 => format!("request {first} is"),
        _ => format!("requests {first} to {} are", first.saturating_add(count - 1)),
    }
}

impl LogFault {
    /// A short name for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            LogFault::NoVersion => "no-version",
            LogFault::Version { .. } => "version",
            LogFault::Layout { .. } => "layout",
            LogFault::Reserved { .. } => "reserved",
            LogFault::Stop(stop) => match stop.why {
                Why::NoEnd => "no-end",
                Why::Cut { .. } => "cut",
                Why::Fault(_) => "event",
                Why::Trailing { .. } => "trailing",
            },
            LogFault::BlockTwice { .. } => "block-twice",
            LogFault::BlockMissing { .. } => "block-missing",
            LogFault::TooManyOpen => "too-many-open",
            LogFault::ClockBackwards { .. } => "clock-backwards",
            LogFault::Instructions { .. } => "instructions",
            LogFault::BottomHalf { .. } => "bottom-half",
            LogFault::CheckpointOrder { .. } | LogFault::CheckpointTwice { .. } => "checkpoint",
            LogFault::AsyncPlace { .. } => "async-place",
            LogFault::NeverReleased => "never-released",
            LogFault::NoBlock => "no-block",
            LogFault::EndedBySignal => "ended-by-signal",
        }
    }

    /// How much it matters: a fault keeps QEMU from replaying the log, or QEMU did not write it.
    pub fn level(&self) -> Level {
        match self {
            LogFault::Stop(stop) if !stop.is_loss() => Level::Note,
            // The time of day may be set back while a machine is recorded.
            LogFault::ClockBackwards { clock: ClockKind::Host, .. }
            | LogFault::Reserved { .. }
            | LogFault::TooManyOpen
            | LogFault::NoBlock
            | LogFault::EndedBySignal => Level::Note,
            _ => Level::Fault,
        }
    }

    /// What it means, or what to do about it; `TRACE` stands for the log's path.
    pub fn hint(&self) -> &'static str {
        const RECOVER: &str =
            "blkreplay recover TRACE -o NEW  writes what is whole as a log that QEMU replays";
        const BYTE: &str = "a byte here or before is not what QEMU wrote";
        match self {
            LogFault::NoVersion => RECOVER,
            LogFault::Version { .. } => "a later QEMU wrote it, or a byte of it is another",
            LogFault::Layout { .. } => {
                "QEMU compares the version and refuses the log; recover writes the right one"
            }
            LogFault::Reserved { .. } => "QEMU does not look at it; something else wrote it",
            LogFault::Stop(stop) => match stop.why {
                Why::NoEnd | Why::Cut { .. } => RECOVER,
                Why::Fault(_) => "QEMU ends its replay here; recover keeps what comes before",
                Why::Trailing { .. } => "QEMU ignores it; something else wrote it",
            },
            LogFault::BlockTwice { .. } => {
                "a replay waits here for ever: no request of its guest has that number any more"
            }
            LogFault::BlockMissing { .. } => {
                "the guest of a replay never gets an answer to it, and may wait for ever"
            }
            LogFault::BottomHalf { .. } => {
                "a replay waits here for ever: it has put off nothing with that number"
            }
            LogFault::TooManyOpen => {
                "no guest has so many requests open: their numbers are not QEMU's"
            }
            LogFault::ClockBackwards { clock: ClockKind::Host, .. } => {
                "somebody set the host's time back, or a byte of it is another"
            }
            LogFault::ClockBackwards { .. }
            | LogFault::Instructions { .. }
            | LogFault::CheckpointOrder { .. }
            | LogFault::CheckpointTwice { .. } => BYTE,
            LogFault::AsyncPlace { .. } => {
                "QEMU delivers such an event at its own checkpoint only: a replay waits here for ever"
            }
            LogFault::NeverReleased => {
                "-icount sleep=off hangs while it records, from QEMU 7.1 on: leave it out"
            }
            LogFault::NoBlock => {
                "if the guest has a disk, its chain lacks driver=blkreplay, and the replay hangs or goes wrong"
            }
            LogFault::EndedBySignal => {
                "the guest did not go down by itself: the log ends where it was told to"
            }
        }
    }
}
