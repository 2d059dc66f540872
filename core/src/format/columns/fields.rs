//! What can be asked for of a chunk by column, and how it is handed over.
//!
//! Knows no bytes. Invariant: all lists of issues that were asked for have the same length, and so have those of
//! blocks.

use super::walk::NOWHERE;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    /// Time of issues.
    IssueTime,
    /// Operation of issues.
    IssueOperation,
    /// Flags of issues.
    IssueFlags,
    /// Device and connection of issues.
    IssueRoute,
    /// Cookie of issues.
    IssueCookie,
    /// Offset of issues.
    IssueOffset,
    /// Length of issues.
    IssueLength,
    /// Time of blocks.
    BlockTime,
    /// Which issue each block answers.
    BlockIssue,
    /// Latency of blocks.
    BlockLatency,
    /// Hold of blocks.
    BlockHold,
    /// Errno of blocks.
    BlockErrno,
    /// How early issues came.
    IssueEarly,
}

/// A set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields(u16);

impl Fields {
    /// All of `fields`.
    pub fn of(fields: &[Field]) -> Fields {
        Fields(fields.iter().fold(0, |all, field| all | 1 << *field as u8))
    }

    pub(super) fn has(self, field: Field) -> bool {
        self.0 & (1 << field as u8) != 0
    }

    pub(super) fn has_any(self, fields: &[Field]) -> bool {
        self.0 & Fields::of(fields).0 != 0
    }
}

/// The issue of a block that answers none of the issues known.
pub const NO_ISSUE: u32 = NOWHERE;

/// What issues say. Lists that were not asked for are empty; the ids are always there.
///
/// First come the issues of the chunk, then those of chunks before that were not answered there, if it was
/// asked which issue each block answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IssueColumns {
    /// How many issues are the chunk's own.
    pub own: usize,
    /// Ids.
    pub id: Vec<u64>,
    /// Times of their events, in nanoseconds since the recording began. The request had arrived `early` before.
    pub time: Vec<u64>,
    /// Operations, by their numbers.
    pub operation: Vec<u8>,
    /// Flags, by their bits.
    pub flags: Vec<u8>,
    /// Devices.
    pub device: Vec<u16>,
    /// Connections.
    pub connection: Vec<u32>,
    /// Cookies.
    pub cookie: Vec<u64>,
    /// Offsets, in bytes.
    pub offset: Vec<u64>,
    /// Lengths, in bytes.
    pub length: Vec<u64>,
    /// How long before the time of its event each had arrived, in nanoseconds.
    pub early: Vec<u64>,
}

/// What blocks say. Lists that were not asked for are empty; the ids are always there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockColumns {
    /// Ids.
    pub id: Vec<u64>,
    /// The place of the issue that is answered in [`IssueColumns`], or [`NO_ISSUE`].
    pub issue: Vec<u32>,
    /// Times, in nanoseconds since the recording began.
    pub time: Vec<u64>,
    /// From the arrival of the request to the moment the image was done, in nanoseconds.
    pub latency: Vec<u64>,
    /// From then to the release, in nanoseconds.
    pub hold: Vec<u64>,
    /// Error numbers; 0 where there is none.
    pub errno: Vec<u16>,
}

/// The columns of one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnChunk {
    /// Its issues.
    pub issues: IssueColumns,
    /// Its blocks.
    pub blocks: BlockColumns,
    /// Whether the recording ends in it.
    pub ended: bool,
}
