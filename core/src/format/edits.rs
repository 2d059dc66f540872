//! What a header says of a trace that was made of others: what was cut out, joined, or taken away.
//!
//! Kept in the metadata, beside what the recorder said. Invariant: what is not there is left out, so that the header
//! of a recording says nothing of edits.

use serde::{Deserialize, Serialize};

use super::header::{RecoveredHeader, ReplayHeader};

/// What was done to a trace since it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Edits {
    /// The cuts that made it, oldest first: each is of what the one before had left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sliced: Vec<SlicedHeader>,
    /// The traces that it was put together from, in the order of their devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<MergedHeader>,
    /// That names and data were taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymized: Option<AnonymizedHeader>,
}

/// That a trace is a part of another. Its ids and times are those of the other, so ids have gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlicedHeader {
    /// Program and version that did it.
    pub tool: String,
    /// The uuid of the trace that it was cut from, as UUIDs are printed.
    pub of: String,
    /// The position where it begins; `None` for the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The position before which it ends; `None` for the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What holds for its requests; `None` for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The devices that were kept, by name; `None` for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// Requests in it.
    pub requests: u64,
    /// Requests in the trace that it was cut from.
    pub of_requests: u64,
}

/// One of the traces that a trace was put together from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedHeader {
    /// Its uuid, as UUIDs are printed.
    pub of: String,
    /// Its file, as it was named on the command line.
    pub file: String,
    /// Program and version that wrote it.
    pub tool: String,
    /// Its command line.
    pub command: Vec<String>,
    /// What its devices are called now.
    pub devices: Vec<String>,
    /// Requests in it.
    pub requests: u64,
    /// What was added to its times, in nanoseconds.
    pub shift: u64,
    /// Exit status of its recorded command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u8>,
    /// As its own header says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<RecoveredHeader>,
    /// As its own header says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayHeader>,
    /// As its own header says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sliced: Vec<SlicedHeader>,
}

/// That a trace has lost its names and data. Its digests are tokens: equal ones stand for equal digests, and no data
/// have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnonymizedHeader {
    /// Program and version that did it.
    pub tool: String,
    /// Says which key made the tokens, and nothing else of it: those of two traces with one key can be compared.
    pub key: String,
    /// Length of the extents that were moved, in bytes; `None` if offsets are what they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extents_moved: Option<u64>,
}
