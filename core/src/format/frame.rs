//! The header of a chunk: bytes in, a struct out, and back. No I/O.
//!
//! Knows neither what a body means nor where in the file it lies. Invariant: a header that decodes is whole
//! (its checksum was right) and claims nothing beyond `limits`.

use crate::limits::{CHUNK_BODY_BYTES_MAX, SUMMARY_BYTES_MAX};

/// The four bytes that every chunk begins with.
pub(super) const CHUNK_MAGIC: [u8; 4] = *b"BLKC";

/// Length of the header that this version writes, and the least that any version has.
pub(super) const CHUNK_HEADER_BYTES: usize = 84;

/// Longest header a later version may write.
pub(super) const CHUNK_HEADER_BYTES_MAX: usize = 4096;

/// Set in the type of a chunk that a reader may skip.
pub(super) const COMPATIBLE: u16 = 0x8000;

/// Events in rows, payloads as they are.
pub(super) const ENCODING_PLAIN: u8 = 0;

/// Events by column.
pub(super) const ENCODING_COLUMNS: u8 = 1;

/// What a chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChunkType {
    Events,
    Payload,
    Index,
    /// Not known to this version.
    Other(u16),
}

impl ChunkType {
    pub(super) fn number(self) -> u16 {
        match self {
            ChunkType::Events => 1,
            ChunkType::Payload => 2,
            ChunkType::Index => COMPATIBLE | 1,
            ChunkType::Other(number) => number,
        }
    }

    pub(super) fn from_number(number: u16) -> ChunkType {
        const INDEX: u16 = COMPATIBLE | 1;
        match number {
            1 => ChunkType::Events,
            2 => ChunkType::Payload,
            INDEX => ChunkType::Index,
            _ => ChunkType::Other(number),
        }
    }
}

/// The header of a chunk. `book/src/reference/format.md` says what each field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkHeader {
    pub(super) holds: ChunkType,
    pub(super) encoding: u8,
    pub(super) codec: u8,
    /// Of this header, in bytes.
    pub(super) header_len: u16,
    pub(super) summary_len: u32,
    pub(super) salt: u64,
    pub(super) sequence: u64,
    /// Of the body, unpacked, in bytes.
    pub(super) raw_len: u32,
    /// Of the body as it lies in the file, in bytes.
    pub(super) stored_len: u32,
    /// Events or payloads.
    pub(super) count: u32,
    /// Events dropped between the chunk of events before and this one.
    pub(super) lost: u32,
    /// Index of the first event, or number of the first payload.
    pub(super) first: u64,
    pub(super) time_first: u64,
    pub(super) time_last: u64,
    pub(super) summary_crc: u32,
    pub(super) body_crc: u32,
}

/// Why bytes are not the header of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No chunk begins here.
    #[error("no chunk begins there")]
    Magic,
    /// The length of the header is out of bounds.
    #[error(
        "a chunk header claims {found} bytes; {CHUNK_HEADER_BYTES} to {CHUNK_HEADER_BYTES_MAX} are allowed"
    )]
    HeaderLength {
        /// The length claimed.
        found: u16,
    },
    /// The checksum of the header is wrong.
    #[error("the checksum of a chunk header is {found:08x}, computed {computed:08x}")]
    Checksum {
        /// In the file.
        found: u32,
        /// From its bytes.
        computed: u32,
    },
    /// A length is beyond its limit.
    #[error("a chunk claims {found} bytes of {what}; limit {limit}")]
    TooLong {
        /// Which length.
        what: &'static str,
        /// What it says.
        found: u32,
        /// What it may say.
        limit: usize,
    },
}

impl ChunkHeader {
    /// The header as it lies in the file. Lengths beyond the limits are a bug of the writer.
    pub(super) fn encode(&self) -> [u8; CHUNK_HEADER_BYTES] {
        assert!(
            usize::from(self.header_len) == CHUNK_HEADER_BYTES,
            "we write one length of header"
        );
        assert!(self.check_lengths().is_ok(), "a writer closes chunks before they are too long");
        let mut bytes = Vec::with_capacity(CHUNK_HEADER_BYTES);
        bytes.extend(CHUNK_MAGIC);
        bytes.extend(self.holds.number().to_le_bytes());
        bytes.extend([self.encoding, self.codec]);
        bytes.extend(self.header_len.to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.summary_len.to_le_bytes());
        bytes.extend(self.salt.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(self.raw_len.to_le_bytes());
        bytes.extend(self.stored_len.to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.lost.to_le_bytes());
        bytes.extend(self.first.to_le_bytes());
        bytes.extend(self.time_first.to_le_bytes());
        bytes.extend(self.time_last.to_le_bytes());
        bytes.extend(self.summary_crc.to_le_bytes());
        bytes.extend(self.body_crc.to_le_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes.try_into().expect("the fields add up to the length of the header")
    }

    /// How long the header is whose first bytes are `start`.
    pub(super) fn length(start: &[u8; CHUNK_HEADER_BYTES]) -> Result<usize, FrameError> {
        if start[..4] != CHUNK_MAGIC {
            return Err(FrameError::Magic);
        }
        let found = u16_at(start, 8);
        match usize::from(found) {
            length @ CHUNK_HEADER_BYTES..=CHUNK_HEADER_BYTES_MAX => Ok(length),
            _ => Err(FrameError::HeaderLength { found }),
        }
    }

    /// The header in `bytes`, which are as many as [`ChunkHeader::length`] said.
    pub(super) fn decode(bytes: &[u8]) -> Result<ChunkHeader, FrameError> {
        assert!(bytes.len() >= CHUNK_HEADER_BYTES, "the caller asked for the length");
        let (covered, checksum) = bytes.split_at(bytes.len() - 4);
        let (found, computed) = (u32_at(checksum, 0), crc32c::crc32c(covered));
        if found != computed {
            return Err(FrameError::Checksum { found, computed });
        }
        let header = ChunkHeader {
            holds: ChunkType::from_number(u16_at(bytes, 4)),
            encoding: bytes[6],
            codec: bytes[7],
            header_len: u16_at(bytes, 8),
            summary_len: u32_at(bytes, 12),
            salt: u64_at(bytes, 16),
            sequence: u64_at(bytes, 24),
            raw_len: u32_at(bytes, 32),
            stored_len: u32_at(bytes, 36),
            count: u32_at(bytes, 40),
            lost: u32_at(bytes, 44),
            first: u64_at(bytes, 48),
            time_first: u64_at(bytes, 56),
            time_last: u64_at(bytes, 64),
            summary_crc: u32_at(bytes, 72),
            body_crc: u32_at(bytes, 76),
        };
        header.check_lengths()?;
        Ok(header)
    }

    fn check_lengths(&self) -> Result<(), FrameError> {
        for (what, found, limit) in [
            ("summary", self.summary_len, SUMMARY_BYTES_MAX),
            ("unpacked body", self.raw_len, CHUNK_BODY_BYTES_MAX),
            ("body", self.stored_len, CHUNK_BODY_BYTES_MAX),
        ] {
            if found as usize > limit {
                return Err(FrameError::TooLong { what, found, limit });
            }
        }
        Ok(())
    }

    /// The whole chunk, in bytes.
    pub(super) fn chunk_len(&self) -> u64 {
        u64::from(self.header_len) + u64::from(self.summary_len) + u64::from(self.stored_len)
    }
}

/// The bytes of `bytes` from `at`; they are there because the caller has a whole header.
pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> ChunkHeader {
        ChunkHeader {
            holds: ChunkType::Events,
            encoding: 3,
            codec: 1,
            header_len: 84,
            summary_len: 5,
            salt: 0x0123_4567_89ab_cdef,
            sequence: 7,
            raw_len: 100,
            stored_len: 90,
            count: 12,
            lost: 1,
            first: 1 << 40,
            time_first: 5,
            time_last: 6,
            summary_crc: 8,
            body_crc: 9,
        }
    }

    #[test]
    fn a_header_reads_back() {
        for number in [1, 2, 3, 0x8001, u16::MAX] {
            let header = ChunkHeader { holds: ChunkType::from_number(number), ..example() };
            let bytes = header.encode();
            assert_eq!(ChunkHeader::length(&bytes), Ok(84));
            assert_eq!(ChunkHeader::decode(&bytes), Ok(header));
            assert_eq!(header.chunk_len(), 84 + 5 + 90);
        }
    }

    #[test]
    fn any_flipped_bit_of_a_header_is_noticed() {
        let bytes = example().encode();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let length = ChunkHeader::length(&bytes);
            assert!(length != Ok(84) || ChunkHeader::decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_longer_header_of_a_later_version_is_read_as_far_as_it_is_known() {
        let mut bytes = example().encode().to_vec();
        bytes.truncate(80);
        bytes[8] = 92;
        bytes.extend(*b"newfield");
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        assert_eq!(ChunkHeader::length(&array_at(&bytes, 0)), Ok(92));
        assert_eq!(ChunkHeader::decode(&bytes), Ok(ChunkHeader { header_len: 92, ..example() }));
    }

    #[test]
    fn lengths_beyond_the_limits_are_refused_though_the_checksum_is_right() {
        let mut bytes = example().encode();
        bytes[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..80]);
        bytes[80..].copy_from_slice(&checksum.to_le_bytes());
        let limit = CHUNK_BODY_BYTES_MAX;
        assert_eq!(
            ChunkHeader::decode(&bytes),
            Err(FrameError::TooLong { what: "unpacked body", found: u32::MAX, limit })
        );
    }
}
