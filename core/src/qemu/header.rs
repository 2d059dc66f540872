//! The first 12 bytes of a QEMU log: bytes come in, a version goes out.
//!
//! QEMU writes them last, when a recording ends in order (`replay_finish`); until then they are zeroes. So a log without
//! a version is recognised by its events. Invariant: what is no log, or too short to be one, is an error here.

use std::io::{self, Read};

use super::encode::HEADER_BYTES;
use super::layout::{LAYOUTS, Layout};
use super::scan::Scan;

/// How much of a file without a version is looked at to see whether it is a log, in bytes.
const LOOK_BYTES: usize = 64 << 10;

/// Why a file cannot be read as a log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read.
    #[error("cannot read at byte {at}")]
    Read {
        /// Where.
        at: u64,
        /// Why.
        source: io::Error,
    },
    /// It is shorter than a header.
    #[error("it has {found} bytes, and the header of a QEMU log has {HEADER_BYTES}")]
    Short {
        /// How long it is, in bytes.
        found: usize,
    },
}

/// The header of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHeader {
    /// The version; 0 if the recording was not ended in order.
    pub version: u32,
    /// What lies between the version and the first event: 0 in every log that QEMU wrote.
    pub reserved: u64,
}

impl LogHeader {
    /// Takes the header of a log.
    pub(super) fn take(input: &mut impl Read) -> Result<LogHeader, LogError> {
        let mut bytes = Vec::new();
        let read = input.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut bytes);
        let found = read.map_err(|source| LogError::Read { at: 0, source })?;
        let whole = bytes.split_first_chunk::<4>().and_then(|(version, rest)| {
            Some((u32::from_be_bytes(*version), u64::from_be_bytes(*rest.first_chunk()?)))
        });
        let (version, reserved) = whole.ok_or(LogError::Short { found })?;
        Ok(LogHeader { version, reserved })
    }

    /// The layouts that a log with this version may have: those of the version; all, if it names none that is known.
    pub(super) fn candidates(self) -> Vec<&'static Layout> {
        let named: Vec<_> = Layout::of_version(self.version).collect();
        if named.is_empty() { LAYOUTS.iter().collect() } else { named }
    }
}

/// Whether a file that begins with `start` is a log: by its version, or where it has none by its first events.
pub fn is_log(start: &[u8]) -> bool {
    let Some((header, events)) = start.split_at_checked(HEADER_BYTES) else { return false };
    if header.starts_with(&[0, 0xe0, 0x20]) {
        return true;
    }
    // An empty image begins with zeroes, too; as a log they would be events of no instruction, which QEMU never
    // writes.
    let events = &events[..events.len().min(LOOK_BYTES)];
    header == [0; HEADER_BYTES]
        && LAYOUTS.iter().any(|layout| {
            let mut scan = Scan::new(layout);
            scan.feed(events);
            scan.events() > 0 && scan.fault().is_none() && scan.oddities() == 0
        })
}

/// How many bytes [`is_log`] looks at.
pub const START_BYTES: usize = HEADER_BYTES + LOOK_BYTES;
