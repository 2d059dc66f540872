//! What one entry of a trace means. How it is stored is the business of `format`.
//!
//! Only what a trace can hold lives here; state of a running engine does not. Invariant: an event says
//! nothing that depends on the process that wrote it (no pointers, no file descriptors).

use std::fmt;
use std::str::FromStr;

use crate::limits::MARK_NAME_BYTES_MAX;
use crate::request::{
    ConnectionId, DeviceId, Digest, Errno, Extent, Operation, Request, RequestId,
};
use crate::units::Nanos;

/// One entry of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, on the recording's clock. Never less than that of the event before.
    pub time: Nanos,
    /// What.
    pub kind: EventKind,
}

/// The kinds of events, with what each carries. The names are those that QEMU uses where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A request arrived.
    Issue(Issue),
    /// Its completion was released to the client (QEMU: `REPLAY_ASYNC_EVENT_BLOCK`).
    Block(Block),
    /// Queued events are released from here to the next issue.
    Checkpoint(Checkpoint),
    /// A device was attached.
    Open {
        /// Which.
        device: DeviceId,
    },
    /// The length of a device, said when it is opened.
    Length {
        /// Which.
        device: DeviceId,
        /// In bytes.
        length: u64,
    },
    /// A device was detached.
    Close {
        /// Which.
        device: DeviceId,
    },
    /// A client finished its handshake.
    Connect(Connect),
    /// A client went.
    Disconnect {
        /// Which.
        connection: ConnectionId,
        /// How.
        reason: Disconnect,
    },
    /// A point that somebody gave a name while it was recorded.
    Mark {
        /// The name; several marks may share one.
        name: MarkName,
    },
    /// The recording ended in order. The last event of a whole trace.
    End {
        /// Exit status of the recorded COMMAND, as a shell gives it; `None` without a COMMAND.
        status: Option<u8>,
    },
}

impl EventKind {
    /// The printed name of the kind.
    pub fn name(&self) -> &'static str {
        match self {
            EventKind::Issue(_) => "issue",
            EventKind::Block(_) => "block",
            EventKind::Checkpoint(_) => "checkpoint",
            EventKind::Open { .. } => "open",
            EventKind::Length { .. } => "length",
            EventKind::Close { .. } => "close",
            EventKind::Connect(_) => "connect",
            EventKind::Disconnect { .. } => "disconnect",
            EventKind::Mark { .. } => "mark",
            EventKind::End { .. } => "end",
        }
    }
}

/// A request arrived: its last byte was read from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Its name from here on.
    pub id: RequestId,
    /// The device asked.
    pub device: DeviceId,
    /// The connection it came over.
    pub connection: ConnectionId,
    /// The client's own tag; kept for people who read a packet capture beside the trace.
    pub cookie: u64,
    /// What was asked.
    pub request: Request,
    /// The data of a write; [`Payload::Absent`] for all others.
    pub payload: Payload,
}

/// A completion was released to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The request that is complete.
    pub id: RequestId,
    /// Its device.
    pub device: DeviceId,
    /// Its operation, so that a filter need not join.
    pub operation: Operation,
    /// What the image said.
    pub result: Result<(), Errno>,
    /// From the issue to the moment the image was done.
    pub latency: Nanos,
    /// From then to the release.
    pub hold: Nanos,
    /// What else happened.
    pub flags: CompletionFlags,
    /// The data of a read; [`Payload::Absent`] for all others and for a failed read.
    pub payload: Payload,
    /// The answer to a block status; empty for all others.
    pub extents: Vec<Extent>,
}

/// What else happened to a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CompletionFlags {
    /// The client had gone before it could be sent.
    pub undelivered: bool,
    /// The front refused the request (bounds, flags, read-only); it never reached the image.
    pub refused: bool,
}

/// The data of a request, as far as the trace knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Payload {
    /// The request has none, or the payload policy is `none`.
    #[default]
    Absent,
    /// All bytes are zero. Known under every policy but `none`, and free.
    Zeroes,
    /// Known by its digest only.
    Digest(Digest),
    /// The bytes are in the trace.
    Stored(Digest, PayloadId),
}

impl Payload {
    /// Whether the two are known to hold different bytes. Payloads of which nothing is known differ
    /// from nothing.
    pub fn differs(&self, other: &Payload) -> bool {
        match (self, other) {
            (Payload::Absent, _) | (_, Payload::Absent) | (Payload::Zeroes, Payload::Zeroes) => {
                false
            }
            (Payload::Zeroes, _) | (_, Payload::Zeroes) => true,
            (
                Payload::Digest(one) | Payload::Stored(one, _),
                Payload::Digest(two) | Payload::Stored(two, _),
            ) => one != two,
        }
    }

    /// What is known of `data` without storing them.
    pub fn of(data: &[u8]) -> Payload {
        if is_zero(data) { Payload::Zeroes } else { Payload::Digest(Digest::of(data)) }
    }
}

/// Whether all bytes are zero.
pub fn is_zero(data: &[u8]) -> bool {
    // In blocks, so that the compiler can use wide registers and a first non-zero block ends it.
    let mut blocks = data.chunks_exact(256);
    blocks.all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
        && data.chunks_exact(256).remainder().iter().all(|byte| *byte == 0)
}

/// A stored payload, numbered from 0 in the order of storing. Equal data share a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadId(pub u64);

/// The points at which queued events are released (QEMU: `ReplayCheckpoint`). Not snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Checkpoint {
    /// Our own fronts: *these were released together, after those had arrived*. Its place depends on
    /// thread timing, so diff never compares it.
    Controller,
}

impl Checkpoint {
    /// All checkpoints with their printed names; the place in the table is the number in the trace file.
    pub const NAMES: [(Checkpoint, &'static str); 1] = [(Checkpoint::Controller, "controller")];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// What a client and the front agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Its number from here on.
    pub connection: ConnectionId,
    /// The device behind the export it chose.
    pub device: DeviceId,
    /// The name it asked for.
    pub export: String,
    /// Replies are structured.
    pub structured_replies: bool,
    /// It may ask for `base:allocation`.
    pub block_status: bool,
}

/// The name of a mark: 1 to `MARK_NAME_BYTES_MAX` bytes of UTF-8 without control characters, so that it fits
/// on a line and steers no terminal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MarkName(String);

/// Why a text is no name of a mark.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum MarkNameError {
    /// It is empty.
    #[error("the name of a mark is empty")]
    Empty,
    /// It is too long.
    #[error("the name of a mark has {found} bytes, at most {MARK_NAME_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// It holds a control character.
    #[error("the name of a mark holds a control character (U+{:04X}) at byte {at}", u32::from(*.found))]
    Control {
        /// Where.
        at: usize,
        /// Which.
        found: char,
    },
}

impl MarkName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MarkName {
    type Err = MarkNameError;

    fn from_str(text: &str) -> Result<MarkName, MarkNameError> {
        if text.is_empty() {
            return Err(MarkNameError::Empty);
        }
        if text.len() > MARK_NAME_BYTES_MAX {
            return Err(MarkNameError::TooLong { found: text.len() });
        }
        match text.char_indices().find(|(_, character)| character.is_control()) {
            Some((at, found)) => Err(MarkNameError::Control { at, found }),
            None => Ok(MarkName(text.to_owned())),
        }
    }
}

impl fmt::Display for MarkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disconnect {
    /// The client said so (NBD `DISC`).
    Asked,
    /// The client's end was closed without a word.
    Closed,
    /// The client broke the protocol.
    Protocol,
    /// We ended it: the recording was over.
    Shutdown,
}

impl Disconnect {
    /// All reasons with their printed names; the place in the table is the number in the trace file.
    pub const NAMES: [(Disconnect, &'static str); 4] = [
        (Disconnect::Asked, "asked"),
        (Disconnect::Closed, "closed"),
        (Disconnect::Protocol, "protocol"),
        (Disconnect::Shutdown, "shutdown"),
    ];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// `xxh3:…`, `zeroes`, or nothing.
impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Absent => Ok(()),
            Payload::Zeroes => f.pad("zeroes"),
            Payload::Digest(digest) | Payload::Stored(digest, _) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_zero_data_count_as_zeroes() {
        for length in [0, 1, 255, 256, 257, 512, 4096, 5000] {
            let mut data = vec![0; length];
            assert!(is_zero(&data), "{length}");
            for place in [0, length / 2, length.saturating_sub(1)] {
                if place < length {
                    data[place] = 1;
                    assert!(!is_zero(&data), "{length} bytes, byte {place} set");
                    data[place] = 0;
                }
            }
        }
    }

    #[test]
    fn a_mark_has_a_name_that_fits_on_a_line() {
        let longest = "x".repeat(MARK_NAME_BYTES_MAX);
        for name in ["a", "before fsck", "größe", "#1", longest.as_str()] {
            assert_eq!(name.parse::<MarkName>().unwrap().as_str(), name);
        }
        let refused = |text: &str| text.parse::<MarkName>().unwrap_err();
        assert_eq!(refused(""), MarkNameError::Empty);
        let found = MARK_NAME_BYTES_MAX + 1;
        assert_eq!(refused(&"x".repeat(found)), MarkNameError::TooLong { found });
        assert_eq!(refused("a\nb"), MarkNameError::Control { at: 1, found: '\n' });
        assert!(refused("\u{1b}[2J").to_string().contains("U+001B"));
    }

    #[test]
    fn payloads_differ_only_where_both_are_known() {
        let one = Payload::of(b"one");
        let two = Payload::of(b"two");
        assert!(one.differs(&two));
        assert!(!one.differs(&one));
        assert!(one.differs(&Payload::Zeroes));
        assert!(!one.differs(&Payload::Absent));
        assert!(!Payload::Absent.differs(&two));
    }

    #[test]
    fn names_stand_in_their_tables_at_their_number() {
        for (number, (reason, name)) in Disconnect::NAMES.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
            assert_eq!(reason.name(), name);
        }
        for (number, (checkpoint, name)) in Checkpoint::NAMES.into_iter().enumerate() {
            assert_eq!(checkpoint as usize, number);
            assert_eq!(checkpoint.name(), name);
        }
    }
}
