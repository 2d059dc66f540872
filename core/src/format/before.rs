//! The numbers that events are written with, and what each is told relative to.
//!
//! Shared by `encode` and `decode`, so that the two cannot drift. Invariant: a chunk starts from
//! `Before::default()` with its own first time, so that it decodes without the chunks before it.

/// Event kinds below this must be known; those from here on carry their length and may be skipped.
pub(super) const SKIPPABLE: u8 = 0x80;

pub(super) const ISSUE: u8 = 1;
pub(super) const BLOCK: u8 = 2;
pub(super) const CHECKPOINT: u8 = 3;
pub(super) const END: u8 = 4;
pub(super) const BH: u8 = 5;
pub(super) const BH_ONESHOT: u8 = 6;
pub(super) const INPUT: u8 = 7;
pub(super) const INPUT_SYNC: u8 = 8;
pub(super) const CHAR_READ: u8 = 9;
pub(super) const NET: u8 = 10;
pub(super) const CLOCK: u8 = 11;
pub(super) const RANDOM: u8 = 12;
pub(super) const INSTRUCTION: u8 = 13;
pub(super) const SHUTDOWN: u8 = 14;
pub(super) const INTERRUPT: u8 = 15;
pub(super) const EXCEPTION: u8 = 16;
pub(super) const CHAR_WRITE: u8 = 17;
pub(super) const CHAR_READ_ALL: u8 = 18;
pub(super) const CHAR_READ_ALL_ERROR: u8 = 19;
pub(super) const AUDIO_OUT: u8 = 20;
pub(super) const AUDIO_IN: u8 = 21;
pub(super) const BLOCK_ID: u8 = 22;
pub(super) const OPEN: u8 = 0x80;
pub(super) const LENGTH: u8 = 0x81;
pub(super) const CLOSE: u8 = 0x82;
pub(super) const CONNECT: u8 = 0x83;
pub(super) const DISCONNECT: u8 = 0x84;
pub(super) const MARK: u8 = 0x85;

/// The bits of the byte `shape` of an issue or block.
pub(super) mod shape {
    pub(in crate::format) const OPERATION: u8 = 0b0000_0111;
    pub(in crate::format) const PAYLOAD: u8 = 0b0001_1000;
    pub(in crate::format) const PAYLOAD_SHIFT: u32 = 3;
    pub(in crate::format) const ROUTE: u8 = 0b0010_0000;
    /// Of a block.
    pub(in crate::format) const FAILED: u8 = 0b0100_0000;
    /// Of an issue.
    pub(in crate::format) const EARLY: u8 = 0b0100_0000;
    pub(in crate::format) const EXTENTS: u8 = 0b1000_0000;
}

/// What is known of a payload, in two bits of `shape`.
pub(super) mod payload {
    pub(in crate::format) const ABSENT: u8 = 0;
    pub(in crate::format) const ZEROES: u8 = 1;
    pub(in crate::format) const DIGEST: u8 = 2;
    pub(in crate::format) const STORED: u8 = 3;
}

/// The bits of the completion flags.
pub(super) mod completion {
    pub(in crate::format) const UNDELIVERED: u8 = 1;
    pub(in crate::format) const REFUSED: u8 = 2;
    pub(in crate::format) const KNOWN: u8 = UNDELIVERED | REFUSED;
}

/// The bits of the flags of an extent.
pub(super) mod extent {
    pub(in crate::format) const HOLE: u8 = 1;
    pub(in crate::format) const ZERO: u8 = 2;
    pub(in crate::format) const KNOWN: u8 = HOLE | ZERO;
}

/// The bits of what a connection negotiated. Unknown ones are ignored: they are notes for people.
pub(super) mod connect {
    pub(in crate::format) const STRUCTURED_REPLIES: u8 = 1;
    pub(in crate::format) const BLOCK_STATUS: u8 = 2;
    pub(in crate::format) const EXTENDED_HEADERS: u8 = 4;
}

/// What the next event of a chunk is told relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Before {
    /// Time of the event before.
    pub(super) time: u64,
    /// One more than the id of the issue before.
    pub(super) issue_id: u64,
    /// Device of the issue before.
    pub(super) issue_device: u16,
    /// Connection of the issue before.
    pub(super) issue_connection: u32,
    /// Cookie of the issue before.
    pub(super) cookie: u64,
    /// Where the range of the issue before ends, modulo 2^64.
    pub(super) offset: u64,
    /// One more than the id of the block before.
    pub(super) block_id: u64,
    /// Device of the block before.
    pub(super) block_device: u16,
    /// One more than the number of the stored payload named before.
    pub(super) payload_id: u64,
}
