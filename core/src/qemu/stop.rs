//! Where reading a log stops before its end, and what that means to people.
//!
//! Invariant: every reason has a meaning and something to try.

use super::decode::Fault;

/// Where a log cannot be read further, or should not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}, event {event}, {icount} instructions in: {why}")]
pub struct Stop {
    /// The first byte of the event that is not whole, not known or not to be there.
    pub at: u64,
    /// The index it has or would have, from 0.
    pub event: u64,
    /// How many instructions the guest had executed before it.
    pub icount: u64,
    /// What is there.
    pub why: Why,
}

/// Why a log is not read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It ends between two events.
    #[error("the log ends without an end event")]
    NoEnd,
    /// It ends inside an event.
    #[error("the log ends inside an event, of which {bytes} bytes are there")]
    Cut {
        /// How much of the event is there, in bytes.
        bytes: u64,
    },
    /// What is there is no event.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// The end came before the file's.
    #[error("{bytes} bytes follow the end event")]
    Trailing {
        /// How many.
        bytes: u64,
    },
}

impl Stop {
    /// What it means.
    pub fn meaning(&self) -> &'static str {
        match self.why {
            Why::NoEnd => {
                "QEMU was killed while it recorded, or the log was cut between two events"
            }
            Why::Cut { .. } => "the log was cut, or QEMU was killed before it had written all",
            Why::Fault(_) => {
                "a byte here or before is not what QEMU wrote, or the layout is another"
            }
            Why::Trailing { .. } => "QEMU ignores what follows; something else wrote it",
        }
    }

    /// What to try; `LOG` stands for its path.
    pub fn hint(&self) -> &'static str {
        match self.why {
            Why::NoEnd | Why::Cut { .. } | Why::Trailing { .. } => {
                "blkreplay recover LOG -o NEW  writes what is whole as a log that QEMU replays"
            }
            Why::Fault(_) => {
                "blkreplay info LOG  tells which layouts fit; --qemu-layout LABEL takes another"
            }
        }
    }

    /// Whether events are missing, not only something wrong behind them.
    pub fn is_loss(&self) -> bool {
        !matches!(self.why, Why::Trailing { .. })
    }
}
