//! The beginning of a trace file: the fixed part that says what the file is, around the metadata.
//!
//! Bytes in, [`Header`] out, and back. No I/O. Invariant: nothing behind the version is believed before the
//! checksum over all of it was found right.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::frame::{array_at, u16_at, u32_at, u64_at};
use super::header::Header;
use crate::limits::HEADER_BYTES_MAX;

/// What every trace begins with. A transfer in text mode, or one that strips the eighth bit or stops at a
/// control-Z, breaks it.
pub const MAGIC: [u8; 12] = *b"\x89BLKR\r\n\x1a\n\0\0\0";

/// The version of the format that this program writes and reads.
pub(super) const MAJOR: u16 = 1;
/// Counts additions that older readers skip.
pub(super) const MINOR: u16 = 0;

/// The compatible feature bit that says that the last chunk of a whole file is an index.
const ENDS_WITH_INDEX: u32 = 1;

/// Bytes before the metadata.
pub(super) const FIXED_BYTES: usize = 52;
/// Bytes before the metadata, and the checksum after them.
const AROUND_BYTES: usize = FIXED_BYTES + 4;

/// The beginning of a file, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Preamble {
    pub(super) header: Header,
    pub(super) uuid: u128,
    pub(super) salt: u64,
    /// Whether the last chunk of the file is an index, if it is whole.
    pub(super) ends_with_index: bool,
}

/// Why a file that begins as a trace cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PreambleError {
    /// A version with other rules.
    #[error("the trace has format version {major}.{minor}; this program reads version {MAJOR}")]
    Version {
        /// In the file.
        major: u16,
        /// In the file.
        minor: u16,
    },
    /// The file ends before its header does.
    #[error("the header is cut: {wanted} bytes are wanted, {found} are there")]
    Cut {
        /// Length of the header, as far as that is known.
        wanted: usize,
        /// Bytes there are.
        found: usize,
    },
    /// The length of the header is out of bounds.
    #[error("the header claims {found} bytes; {AROUND_BYTES} to {HEADER_BYTES_MAX} are allowed")]
    Length {
        /// What it says.
        found: u32,
    },
    /// The checksum is wrong.
    #[error("the header is damaged: its checksum is {found:08x}, computed {computed:08x}")]
    Checksum {
        /// In the file.
        found: u32,
        /// From its bytes.
        computed: u32,
    },
    /// It needs something that this program does not have.
    #[error("the trace needs the feature {feature}, which this program does not know")]
    Feature {
        /// Its name, where the file gives it, and its bit.
        feature: Feature,
    },
    /// The metadata are not what they must be.
    #[error("the metadata in the header are not what a trace needs")]
    Metadata(#[source] serde_json::Error),
    /// The metadata do not fit.
    #[error("the header would have {bytes} bytes; limit {HEADER_BYTES_MAX}")]
    TooLong {
        /// How many it would have.
        bytes: usize,
    },
}

/// An incompatible feature that a file uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// The bit that says so.
    pub bit: u32,
    /// The name that the file's metadata give it.
    pub name: Option<String>,
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "`{name}` (incompatible bit {})", self.bit),
            None => write!(f, "with incompatible bit {}", self.bit),
        }
    }
}

/// The member of the metadata that names features, for the message of a reader that lacks them.
#[derive(Deserialize)]
struct FeatureNames {
    #[serde(default)]
    features: BTreeMap<String, String>,
}

impl Preamble {
    /// The beginning of a file as its bytes.
    pub(super) fn encode(&self) -> Result<Vec<u8>, PreambleError> {
        let metadata = serde_json::to_vec(&self.header).map_err(PreambleError::Metadata)?;
        let length = AROUND_BYTES + metadata.len();
        let Some(header_len) = u32::try_from(length).ok().filter(|_| length <= HEADER_BYTES_MAX)
        else {
            return Err(PreambleError::TooLong { bytes: length });
        };
        let mut bytes = Vec::with_capacity(length);
        bytes.extend(MAGIC);
        bytes.extend(MAJOR.to_le_bytes());
        bytes.extend(MINOR.to_le_bytes());
        bytes.extend(header_len.to_le_bytes());
        let compatible = if self.ends_with_index { ENDS_WITH_INDEX } else { 0 };
        bytes.extend(compatible.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.uuid.to_be_bytes());
        bytes.extend(self.salt.to_le_bytes());
        bytes.extend(metadata);
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// How long the beginning of a file is that starts with `start`, whose magic is right.
    pub(super) fn length(start: &[u8]) -> Result<usize, PreambleError> {
        if start.len() < FIXED_BYTES {
            return Err(PreambleError::Cut { wanted: FIXED_BYTES, found: start.len() });
        }
        let (major, minor) = (u16_at(start, 12), u16_at(start, 14));
        if major != MAJOR {
            return Err(PreambleError::Version { major, minor });
        }
        let found = u32_at(start, 16);
        match usize::try_from(found) {
            Ok(length @ AROUND_BYTES..=HEADER_BYTES_MAX) => Ok(length),
            _ => Err(PreambleError::Length { found }),
        }
    }

    /// Reads the beginning of a file: as many bytes as [`Preamble::length`] said.
    pub(super) fn decode(bytes: &[u8]) -> Result<Preamble, PreambleError> {
        assert!(bytes.len() >= AROUND_BYTES, "the caller asked for the length");
        let (covered, checksum) = bytes.split_at(bytes.len() - 4);
        let (found, computed) = (u32_at(checksum, 0), crc32c::crc32c(covered));
        if found != computed {
            return Err(PreambleError::Checksum { found, computed });
        }
        let metadata = &covered[FIXED_BYTES..];
        let incompatible = u32_at(bytes, 24);
        if incompatible != 0 {
            let feature = feature(incompatible.trailing_zeros(), metadata);
            return Err(PreambleError::Feature { feature });
        }
        let header = serde_json::from_slice(metadata).map_err(PreambleError::Metadata)?;
        let uuid = u128::from_be_bytes(array_at(bytes, 28));
        let ends_with_index = u32_at(bytes, 20) & ENDS_WITH_INDEX != 0;
        Ok(Preamble { header, uuid, salt: u64_at(bytes, 44), ends_with_index })
    }
}

/// What is known of a feature that this program does not have.
fn feature(bit: u32, metadata: &[u8]) -> Feature {
    let names = serde_json::from_slice::<FeatureNames>(metadata).ok();
    Feature { bit, name: names.and_then(|mut names| names.features.remove(&bit.to_string())) }
}
