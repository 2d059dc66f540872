//! The trace file. `book/src/reference/format.md` is normative.
//!
//! ```text
//! Reader: chunks (walks the file) ──▶ frame (headers) ──▶ pack (unpacks) ──▶ body (events), payload
//! Writer: encode or columns (events), payload (finds equal ones) ──▶ pack ──▶ frame ──▶ one write a chunk
//! ```
//!
//! Only `chunks`, `reader` and `writer` touch a file. Knows what an event is, not what it is for.

mod ahead;
mod before;
mod beginning;
mod body;
mod check;
mod chunks;
mod columns;
mod counts;
mod decode;
mod decode_error;
mod edits;
mod encode;
mod facts;
mod frame;
mod gather;
mod growth;
mod guest;
mod header;
mod index;
mod locate;
mod loss;
mod marks;
mod origin;
mod pack;
mod parts;
mod payload;
mod preamble;
mod reader;
mod rebuilt;
mod recover;
mod recovery;
mod scan;
mod seek;
mod shelf;
mod sketch;
mod summarize;
mod summary;
mod survey;
mod varint;
mod walk;
mod writer;

#[cfg(test)]
mod tests;

pub use ahead::{Ahead, Events};
pub use body::Item;
pub use check::{CheckError, Checked, Depth, Fault, Finding, Inspector, Level, Place, check};
pub use columns::{BlockColumns, Column, ColumnChunk, Field, Fields, IssueColumns, NO_ISSUE};
pub use counts::{OperationCount, OperationCounts};
pub use decode::{DecodeError, UnknownEvent};
pub use edits::{AnonymizedHeader, Edits, MergedHeader, SlicedHeader};
pub use facts::Facts;
pub use frame::FrameError;
pub use gather::Layout;
pub use growth::Growth;
pub use header::{
    DeviceHeader, ExportHeader, Fingerprint, FingerprintMethod, Header, HeaderWorth, LimitsHeader,
    PayloadPolicy, RecoveredHeader, ReplayHeader,
};
pub use index::ChunkEntry;
pub use loss::{Damage, Loss, LossKind};
pub use origin::Origin;
pub use pack::UnpackError;
pub use parts::{ColumnCost, ColumnCosts, Parts};
pub use payload::PayloadError;
pub use preamble::{Feature, MAGIC, PreambleError};
pub use reader::{ReadError, Reader};
pub use recover::recover;
pub use recovery::{Amount, Fresh, Gap, Observer, RecoverError, Recovery};
pub use scan::{Outline, Scan, Scanned, Step};
pub use seek::{Start, Target};
pub use sketch::Sketch;
pub use summarize::Summarizer;
pub(crate) use summary::any_between;
pub use summary::{EpochSum, Ranges, State, Summary};
pub use survey::Survey;
pub use varint::SourceError;
pub use writer::{Entry, WriteError, Writer, Written};
