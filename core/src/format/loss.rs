//! What is missing of a trace, said so that people know what they still have.
//!
//! Knows no files. Invariant: a loss names the first byte that could not be used, and all before it was whole.

use std::fmt;

use super::decode::DecodeError;
use super::frame::FrameError;
use super::pack::UnpackError;
use super::payload::PayloadError;

/// What is missing of a trace whose header is whole.
#[derive(Debug)]
pub struct Loss {
    /// The first byte of the file that was not used.
    pub offset: u64,
    /// Why.
    pub kind: LossKind,
    /// Events before it, all whole.
    pub events: u64,
    /// Bytes of the file from `offset` on.
    pub bytes_unread: u64,
}

/// Why a trace could not be read to its end.
#[derive(Debug)]
pub enum LossKind {
    /// The file ends inside a chunk.
    Cut,
    /// The file ends after a whole chunk, but its last event does not say that the recording ended.
    NoEnd,
    /// The file ends after a whole chunk, and the index is missing that is to end it.
    NoIndex,
    /// A chunk is not what was written.
    Damaged(Damage),
}

/// Why a chunk is not what was written.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Its header is not whole.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It belongs to another file.
    #[error(
        "the chunk there belongs to another trace (salt {found:016x}, this one has {wanted:016x})"
    )]
    Salt {
        /// In the chunk.
        found: u64,
        /// In the header of the file.
        wanted: u64,
    },
    /// It is not the next one.
    #[error("{what} of the chunk there is {found}, expected {wanted}")]
    Order {
        /// Which number.
        what: &'static str,
        /// In the chunk.
        found: u64,
        /// After the chunks before.
        wanted: u64,
    },
    /// It begins before the chunk before it ends.
    #[error("the chunk there begins at {found} ns, the one before ends at {before} ns")]
    Time {
        /// First time of the chunk.
        found: u64,
        /// Last time of the one before.
        before: u64,
    },
    /// A checksum is wrong.
    #[error("the checksum of the {what} there is {found:08x}, computed {computed:08x}")]
    Checksum {
        /// Of what.
        what: &'static str,
        /// In the header of the chunk.
        found: u32,
        /// From the bytes.
        computed: u32,
    },
    /// The file ends inside it.
    #[error("the file ends inside the chunk there")]
    Cut,
    /// Its summary does not decode.
    #[error("the summary of the chunk there is malformed: {0}")]
    Summary(#[source] DecodeError),
    /// It is an index, and does not decode.
    #[error("the index there is malformed: {0}")]
    Index(#[source] DecodeError),
    /// Its body does not unpack.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// Its events do not decode.
    #[error("event {event} in the chunk there is malformed: {source}")]
    Event {
        /// Its index.
        event: u64,
        /// Why.
        source: DecodeError,
    },
    /// Events follow the one that says that the recording ended.
    #[error("event {event} follows the end of the recording")]
    AfterEnd {
        /// Index of the first.
        event: u64,
    },
    /// Its payloads are not what was written.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

/// What is wrong at a place that is named elsewhere.
impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LossKind::Cut => f.write_str("the file ends inside the chunk there"),
            LossKind::NoEnd => f.write_str("the file ends without saying that the recording ended"),
            LossKind::NoIndex => f.write_str("the file ends without the index that is to end it"),
            LossKind::Damaged(damage) => damage.fmt(f),
        }
    }
}

impl From<Damage> for LossKind {
    fn from(damage: Damage) -> LossKind {
        match damage {
            Damage::Cut => LossKind::Cut,
            damage => LossKind::Damaged(damage),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loss { offset, kind, events, bytes_unread } = self;
        match kind {
            LossKind::Cut => write!(f, "the trace is cut inside the chunk at byte {offset}")?,
            LossKind::NoEnd => {
                write!(
                    f,
                    "the trace stops at byte {offset} without saying that the recording ended"
                )?;
            }
            LossKind::NoIndex => {
                write!(f, "the trace stops at byte {offset} without its closing index")?;
            }
            LossKind::Damaged(damage) => {
                write!(f, "the trace is damaged at byte {offset}: {damage}")?;
            }
        }
        match events {
            0 => write!(f, "; no event is whole")?,
            1 => write!(f, "; the one event before is whole")?,
            _ => write!(f, "; the {events} events before are whole")?,
        }
        match bytes_unread {
            0 if matches!(kind, LossKind::NoIndex) => Ok(()),
            0 => write!(f, ", what came later is lost"),
            1 => write!(f, ", 1 byte is lost"),
            _ => write!(f, ", {bytes_unread} bytes are lost"),
        }
    }
}
