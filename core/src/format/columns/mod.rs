//! Events by column: the body of a chunk of events in encoding 1. Events in, bytes out, and back.
//!
//! ```text
//! events ──encode──▶ one list of numbers a column ──planes──▶ bytes ──directory──▶ body ──▶ `pack`
//! body ──directory──▶ bytes a column ──planes──▶ numbers ──▶ decode (events, one at a time), batch (slices)
//! ```
//!
//! No I/O. Knows no chunk but its own. Invariant: what is encoded decodes to the same events, and a body claims
//! no more events than `COLUMNS_EVENTS_MAX`, so that what is decoded fits in memory.

mod batch;
mod decode;
mod directory;
mod encode;
mod fields;
mod join;
mod planes;
mod runs;
mod walk;

pub(super) use batch::Batcher;
pub(super) use decode::Decoder;
pub(super) use directory::Directory;
pub(super) use encode::Encoder;
pub use fields::{BlockColumns, ColumnChunk, Field, Fields, IssueColumns, NO_ISSUE};

/// The columns, with the numbers that they have in a body. Those before [`Column::Digests`] are few bytes each;
/// the digests come last, so that a reader can leave them packed. Only what a replay wrote has more behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Column {
    /// The kinds of events, in runs.
    Runs = 1,
    /// Issues: time since the event before.
    IssueTime = 2,
    /// Issues: id.
    IssueId = 3,
    /// Issues: operation, and what is known of the payload.
    IssueShape = 4,
    /// Issues: flags.
    IssueFlags = 5,
    /// Issues: place of device and connection in [`Column::Routes`].
    IssueRoute = 6,
    /// Issues: cookie.
    IssueCookie = 7,
    /// Issues: offset.
    IssueOffset = 8,
    /// Issues: length.
    IssueLength = 9,
    /// Checkpoints: time since the event before.
    CheckpointTime = 10,
    /// Checkpoints: which.
    CheckpointWhich = 11,
    /// Blocks: time since the event before.
    BlockTime = 12,
    /// Blocks: id.
    BlockId = 13,
    /// Blocks: operation, what is known of the payload, and whether an errno or extents follow.
    BlockShape = 14,
    /// Blocks: completion flags.
    BlockFlags = 15,
    /// Blocks: device.
    BlockDevice = 16,
    /// Blocks: hold.
    BlockHold = 17,
    /// Blocks: latency.
    BlockLatency = 18,
    /// Failed blocks: errno.
    BlockErrno = 19,
    /// Stored payloads: number.
    PayloadId = 20,
    /// Devices and connections.
    Routes = 21,
    /// Extents of block status.
    Extents = 22,
    /// All other events.
    Others = 23,
    /// Digests of payloads.
    Digests = 24,
    /// Issues that came early: how early.
    IssueEarly = 25,
}

impl Column {
    /// All columns with their printed names, in the order in which they lie in a body.
    pub const NAMES: [(Column, &'static str); 25] = [
        (Column::Runs, "kinds"),
        (Column::IssueTime, "issue time"),
        (Column::IssueId, "issue id"),
        (Column::IssueShape, "issue operation"),
        (Column::IssueFlags, "issue flags"),
        (Column::IssueRoute, "issue route"),
        (Column::IssueCookie, "issue cookie"),
        (Column::IssueOffset, "issue offset"),
        (Column::IssueLength, "issue length"),
        (Column::CheckpointTime, "checkpoint time"),
        (Column::CheckpointWhich, "checkpoint kind"),
        (Column::BlockTime, "block time"),
        (Column::BlockId, "block id"),
        (Column::BlockShape, "block operation"),
        (Column::BlockFlags, "block flags"),
        (Column::BlockDevice, "block device"),
        (Column::BlockHold, "block hold"),
        (Column::BlockLatency, "block latency"),
        (Column::BlockErrno, "block errno"),
        (Column::PayloadId, "payload number"),
        (Column::Routes, "routes"),
        (Column::Extents, "extents"),
        (Column::Others, "other events"),
        (Column::Digests, "digests"),
        (Column::IssueEarly, "issue early"),
    ];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize - 1].1
    }

    /// The column with this number in a body.
    fn from_number(number: u8) -> Option<Column> {
        Self::NAMES.get(usize::from(number).checked_sub(1)?).map(|(column, _)| *column)
    }
}

/// Columns from this number on may be skipped.
const SKIPPABLE: u8 = 0x80;

/// What numbers of a column are told relative to, where a writer has the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Relative {
    /// Nothing: the numbers themselves.
    Plain = 0,
    /// What the issue before suggests.
    Before = 1,
    /// What the issue before on the same route suggests.
    Route = 2,
}

impl Relative {
    const ALL: [Relative; 3] = [Relative::Plain, Relative::Before, Relative::Route];

    fn from_number(number: u8) -> Option<Relative> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

fn zigzag(way: u64) -> u64 {
    let way = way.cast_signed();
    ((way << 1) ^ (way >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_their_table_at_their_number() {
        for (place, (column, name)) in Column::NAMES.into_iter().enumerate() {
            assert_eq!(column as usize, place + 1);
            assert_eq!(Column::from_number(column as u8), Some(column));
            assert_eq!(column.name(), name);
        }
        assert_eq!(Column::from_number(0), None);
        assert_eq!(Column::from_number(26), None);
    }

    #[test]
    fn ways_fold_to_small_numbers_and_back() {
        for (way, folded) in [(0, 0), (u64::MAX, 1), (1, 2), (1 << 63, u64::MAX)] {
            assert_eq!(zigzag(way), folded);
            assert_eq!(unzigzag(folded), way);
        }
    }
}
