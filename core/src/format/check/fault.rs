//! What can be wrong with a trace: a fault, where it is, and what to do about it.
//!
//! Knows no files. Invariant: a code never changes its meaning; scripts rely on it.

use std::fmt;

use crate::format::frame::FrameError;
use crate::format::loss::{Damage, LossKind};
use crate::format::payload::PayloadError;
use crate::format::reader::ReadError;
use crate::limits::CHECK_OPEN_MAX;
use crate::request::Digest;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Worth knowing; the trace is what it should be.
    Note,
    /// The trace is not what it should be.
    Fault,
}

impl Level {
    /// The printed name.
    pub fn name(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Fault => "fault",
        }
    }
}

/// Where something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Byte of the file: of the chunk's first, or of what is no chunk.
    pub offset: u64,
    /// Sequence number of the chunk, if it is one.
    pub chunk: Option<u64>,
    /// Index of the event, if it is about one.
    pub event: Option<u64>,
}

/// `byte 300, chunk 2, event 17`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.offset)?;
        if let Some(chunk) = self.chunk {
            write!(f, ", chunk {chunk}")?;
        }
        match self.event {
            Some(event) => write!(f, ", event {event}"),
            None => Ok(()),
        }
    }
}

/// Something that was found.
#[derive(Debug)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What.
    pub fault: Fault,
}

/// What can be wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The header is not whole.
    #[error("the header is not whole: {0}")]
    Header(#[source] ReadError),
    /// Bytes are no chunk, or a chunk is not what was written.
    #[error("{kind}")]
    Chunk {
        /// Why.
        kind: LossKind,
        /// So many bytes are no chunk; `None` if there is one.
        bytes: Option<u64>,
    },
    /// A chunk holds nothing.
    #[error("the chunk there holds nothing")]
    Empty,
    /// A summary says something else than the events of its chunk.
    #[error("tag {tag} of the summary there does not say what the events of the chunk say")]
    Summary {
        /// Which value of it.
        tag: u64,
    },
    /// An index says something else than the chunks.
    #[error("the index there does not say what the chunks before it say")]
    Index,
    /// The recorder dropped events.
    #[error("{events} events are missing before that chunk; whoever wrote it knew")]
    Dropped {
        /// How many.
        events: u64,
    },
    /// Ids do not count up.
    #[error("request {found} is issued where request {wanted} was expected")]
    RequestId {
        /// The id.
        found: u64,
        /// The next one.
        wanted: u64,
    },
    /// A completion of nothing.
    #[error("request {id} is completed and was never issued")]
    BlockWithoutIssue {
        /// The id.
        id: u64,
    },
    /// A completion too many.
    #[error("request {id} is completed a second time")]
    BlockTwice {
        /// The id.
        id: u64,
    },
    /// A completion of something else.
    #[error("the completion of request {id} names the {what} {found}, its issue {wanted}")]
    BlockDiffers {
        /// The id.
        id: u64,
        /// Device or operation.
        what: &'static str,
        /// In the completion.
        found: String,
        /// In the issue.
        wanted: String,
    },
    /// No completion, though the recording ended in order.
    #[error("request {id} was never completed")]
    IssueWithoutBlock {
        /// The id.
        id: u64,
    },
    /// More open requests than can be kept in mind.
    #[error(
        "more than {CHECK_OPEN_MAX} requests are without a completion; from here on, completions without an issue go unnoticed"
    )]
    TooManyOpen,
    /// A payload that no chunk before holds.
    #[error("payload {id} is in no whole chunk before that event")]
    PayloadUnknown {
        /// Its number.
        id: u64,
    },
    /// A payload of another length than its request.
    #[error("payload {id} has {found} bytes, its request {wanted}")]
    PayloadLength {
        /// Its number.
        id: u64,
        /// Its length.
        found: u64,
        /// The request's.
        wanted: u64,
    },
    /// An event and the table say different digests.
    #[error("payload {id} has the digest {wanted} in its table, and {found} in that event")]
    PayloadDiffers {
        /// Its number.
        id: u64,
        /// In the event.
        found: Digest,
        /// In the table.
        wanted: Digest,
    },
    /// A payload of zeroes, which should not be stored.
    #[error("payload {id} is all zeroes, which are not to be stored")]
    PayloadZeroes {
        /// Its number.
        id: u64,
    },
}

impl Fault {
    /// A short name for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Fault::Header(_) => "header",
            Fault::Chunk { kind, .. } => match kind {
                LossKind::Cut => "cut",
                LossKind::NoEnd => "no-end",
                LossKind::NoIndex => "no-index",
                LossKind::Damaged(damage) => damage_code(damage),
            },
            Fault::Empty => "empty-chunk",
            Fault::Summary { .. } => "summary",
            Fault::Index => "index",
            Fault::Dropped { .. } => "dropped",
            Fault::RequestId { .. } => "request-id",
            Fault::BlockWithoutIssue { .. } => "block-without-issue",
            Fault::BlockTwice { .. } => "block-twice",
            Fault::BlockDiffers { .. } => "block-differs",
            Fault::IssueWithoutBlock { .. } => "issue-without-block",
            Fault::TooManyOpen => "too-many-open",
            Fault::PayloadUnknown { .. } => "payload-unknown",
            Fault::PayloadLength { .. } => "payload-length",
            Fault::PayloadDiffers { .. } => "payload-differs",
            Fault::PayloadZeroes { .. } => "payload-zeroes",
        }
    }

    /// How much it matters.
    pub fn level(&self) -> Level {
        match self {
            Fault::Dropped { .. } | Fault::IssueWithoutBlock { .. } => Level::Note,
            _ => Level::Fault,
        }
    }

    /// What it means, or what to do about it; `None` where the sentence says it all.
    pub fn hint(&self) -> Option<&'static str> {
        const RECOVER: &str = "blkreplay recover TRACE -o NEW keeps what is whole";
        const MAKER: &str = "whatever wrote this trace does not keep to its format";
        match self {
            Fault::Header(_) => {
                Some("blkreplay recover TRACE -o NEW rebuilds the header as far as it can be")
            }
            Fault::Chunk { kind, .. } => match kind {
                LossKind::Cut => Some("it was cut, or its recorder was killed or has not finished"),
                LossKind::NoEnd => Some("its recorder was killed, or has not finished"),
                LossKind::NoIndex => Some("blkreplay recover TRACE -o NEW makes a new one"),
                LossKind::Damaged(Damage::Salt { .. }) => {
                    Some("a part of another trace lies in it; blkreplay recover leaves it out")
                }
                LossKind::Damaged(_) => Some(RECOVER),
            },
            Fault::IssueWithoutBlock { .. } => {
                Some("its client went before it was answered, or its completion was lost")
            }
            Fault::PayloadUnknown { .. } => {
                Some("blkreplay recover TRACE -o NEW keeps the event, with its digest only")
            }
            Fault::Dropped { .. } | Fault::TooManyOpen => None,
            _ => Some(MAKER),
        }
    }
}

fn damage_code(damage: &Damage) -> &'static str {
    match damage {
        Damage::Frame(FrameError::Magic) => "no-chunk",
        Damage::Frame(_) => "chunk-header",
        Damage::Salt { .. } => "salt",
        Damage::Order { .. } => "order",
        Damage::Time { .. } => "time",
        Damage::Checksum { what: "summary", .. } => "summary-checksum",
        Damage::Checksum { .. } => "chunk-checksum",
        Damage::Cut => "cut",
        Damage::Summary(_) => "summary",
        Damage::Index(_) => "index",
        Damage::Unpack(_) => "unpack",
        Damage::Event { .. } => "event",
        Damage::AfterEnd { .. } => "after-end",
        Damage::Payload(PayloadError::Digest { .. }) => "payload-digest",
        Damage::Payload(_) => "payload-table",
    }
}

impl From<Damage> for Fault {
    fn from(damage: Damage) -> Fault {
        Fault::Chunk { kind: damage.into(), bytes: None }
    }
}
