//! What a trace says of itself before its first event: who made it, of what, how.
//!
//! The fixed binary part is framed elsewhere; this is the metadata, kept as JSON in the file so that people
//! and other languages can read it. Invariant: a reader skips members that it does not know.

use serde::{Deserialize, Serialize};

use super::edits::Edits;
use crate::request::Digest;

/// The metadata of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Program and version that wrote the trace: `blkreplay 0.1.0`.
    pub tool: String,
    /// Its command line, argument by argument.
    pub command: Vec<String>,
    /// Wall clock at time 0 of the recording, nanoseconds since 1970-01-01 UTC; 0 if nobody knows.
    pub wall_clock_ns: u64,
    /// What was kept of the data.
    pub payload: PayloadPolicy,
    /// The devices, in the order of their numbers.
    pub devices: Vec<DeviceHeader>,
    /// What was advertised to clients.
    pub exports: Vec<ExportHeader>,
    /// The limits in force while recording.
    pub limits: LimitsHeader,
    /// Said of a trace that was put together from a damaged one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<RecoveredHeader>,
    /// Said of a trace that a replay wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayHeader>,
    /// What was done to it since.
    #[serde(flatten)]
    pub edits: Edits,
}

/// That a trace is what a replay did. Its ids are those of the recording: they stand in the order in which requests
/// went, and those that were not asked are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayHeader {
    /// The uuid of the trace that was replayed, as UUIDs are printed.
    pub of: String,
    /// `recorded`, `conflict` or `none`: what a request waited for.
    pub order: String,
}

/// That a trace is what was left of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveredHeader {
    /// Program and version that did it.
    pub tool: String,
    /// What the other metadata are worth.
    pub header: HeaderWorth,
    /// Length of the file that it was made from.
    pub bytes: u64,
}

/// What the header of a damaged trace is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderWorth {
    /// Its checksum was right.
    Whole,
    /// Its metadata could be read, but its checksum was wrong: a letter or a digit may be another.
    Unverified,
    /// It could not be read. The metadata are what the events tell.
    Rebuilt,
}

impl HeaderWorth {
    /// All of them with their printed names.
    pub const NAMES: [(HeaderWorth, &'static str); 3] = [
        (HeaderWorth::Whole, "whole"),
        (HeaderWorth::Unverified, "unverified"),
        (HeaderWorth::Rebuilt, "rebuilt"),
    ];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// What `--payload` asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayloadPolicy {
    /// Neither data nor digests: nothing can be verified.
    None,
    /// Digests of what was read and written.
    Hash,
    /// Digests, and the data of writes.
    Write,
    /// Digests, and the data of reads and writes.
    All,
}

impl PayloadPolicy {
    /// All policies with their printed names, from least to most.
    pub const NAMES: [(PayloadPolicy, &'static str); 4] = [
        (PayloadPolicy::None, "none"),
        (PayloadPolicy::Hash, "hash"),
        (PayloadPolicy::Write, "write"),
        (PayloadPolicy::All, "all"),
    ];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// A device as it was when the recording began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceHeader {
    /// The printed name: the file's stem, made unique.
    pub name: String,
    /// The image as it was named on the command line.
    pub image: String,
    /// `raw` or `qcow2`.
    pub format: String,
    /// Bytes.
    pub size: u64,
    /// Smallest block advertised, in bytes.
    pub block_min: u32,
    /// Preferred block advertised, in bytes.
    pub block_preferred: u32,
    /// Requests that modify were refused.
    pub read_only: bool,
    /// Discard was offered.
    pub discard: bool,
    /// Proof of what it held before the first request.
    pub fingerprint: Fingerprint,
}

/// Proof of what a client would have read, taken before the first request and below the overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How it was taken.
    pub method: FingerprintMethod,
    /// The digest; `None` with [`FingerprintMethod::None`].
    #[serde(with = "digest_text", default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// How much of an image a fingerprint covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FingerprintMethod {
    /// Size only.
    None,
    /// The size and 257 blocks of 4 KiB. Proves that two images differ, never that they are equal.
    Sample,
    /// Every byte.
    Full,
}

impl FingerprintMethod {
    /// All methods with their printed names.
    pub const NAMES: [(FingerprintMethod, &'static str); 3] = [
        (FingerprintMethod::None, "none"),
        (FingerprintMethod::Sample, "sample"),
        (FingerprintMethod::Full, "full"),
    ];
}

/// An export as clients saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHeader {
    /// Every name that reaches it.
    pub names: Vec<String>,
    /// Its device's number.
    pub device: u16,
    /// The NBD transmission flags, as sent.
    pub transmission_flags: u16,
    /// Block sizes as sent: minimum, preferred, maximum, in bytes.
    pub block_sizes: [u32; 3],
    /// Meta contexts on offer.
    pub contexts: Vec<String>,
    /// Whether extended headers were on offer. Left out where they were not, as it is in traces from before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extended_headers: bool,
}

/// The limits in force while recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsHeader {
    /// Longest data of one request, in bytes.
    pub request_data_bytes: u32,
    /// Requests of one connection in flight.
    pub connection_requests: usize,
}

/// Digests as the text that they are printed as.
mod digest_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::request::Digest;

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        digest: &Option<Digest>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => serializer.collect_str(digest),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Digest>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}
