//! The trace file. `book/src/reference/format.md` is normative.
//!
//! ```text
//! Reader: chunks (walks the file) ──▶ frame (headers) ──▶ pack (unpacks) ──▶ decode (events), payload
//! Writer: encode (events), payload (finds equal ones) ──▶ pack ──▶ frame ──▶ one write a chunk
//! ```
//!
//! Only `chunks`, `reader` and `writer` touch a file. Knows what an event is, not what it is for.

mod before;
mod chunks;
mod decode;
mod encode;
mod facts;
mod frame;
mod header;
mod loss;
mod marks;
mod origin;
mod pack;
mod payload;
mod preamble;
mod reader;
mod summary;
mod varint;
mod writer;

#[cfg(test)]
mod tests;

pub use decode::DecodeError;
pub use facts::Facts;
pub use frame::FrameError;
pub use header::{
    DeviceHeader, ExportHeader, Fingerprint, FingerprintMethod, Header, LimitsHeader, PayloadPolicy,
};
pub use loss::{Damage, Loss, LossKind};
pub use origin::Origin;
pub use pack::UnpackError;
pub use payload::PayloadError;
pub use preamble::{Feature, PreambleError};
pub use reader::{ReadError, Reader, Survey};
pub use summary::{OperationCount, OperationCounts};
pub use varint::SourceError;
pub use writer::{Entry, WriteError, Writer, Written};
