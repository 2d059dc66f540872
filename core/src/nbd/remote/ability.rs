//! What a server can do, as a device of ours: what was agreed on comes in, a geometry and abilities go out, or why the
//! export is of no use.
//!
//! Invariant: what the geometry promises, the server can be asked for; every block size is a power of two.

use crate::device::{Access, Geometry};
use crate::limits::REQUEST_DATA_BYTES_MAX;
use crate::nbd::asking::Dialect;
use crate::nbd::export::PAYLOAD_ADVERTISED_BYTES;
use crate::nbd::negotiate::Terms;
use crate::nbd::wire::transmission_flag as flag;

/// Smallest blocks that the protocol allows, in bytes (proto.md, "Size constraints").
const BLOCK_MIN_MAX: u32 = 64 << 10;

/// Longest zeroes that one request asks for, in bytes: older servers refuse two gigabytes.
const ZEROES_BYTES_MAX: u64 = 1 << 30;

/// What may be asked of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the protocol")]
pub(super) struct Ability {
    /// Smallest block, in bytes.
    pub(super) block: u64,
    /// Most data in one request, in bytes: whole blocks.
    pub(super) payload: u64,
    /// Longest range in one request without data, in bytes: whole blocks.
    pub(super) range: u64,
    /// Longest zeroes in one request, in bytes; 0 if it has no such request.
    pub(super) zeroes: u64,
    pub(super) fast_zero: bool,
    pub(super) flush: bool,
    pub(super) fua: bool,
    pub(super) cache: bool,
    pub(super) block_status: bool,
    pub(super) multi_conn: bool,
}

/// Why an export is of no use.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what the message says")]
pub enum UnusableError {
    #[error("the export is empty: an image has at least one byte")]
    Empty,
    #[error("the export has {0} bytes, more than any image can have")]
    TooLarge(u64),
    #[error("the export has blocks of {min}, {preferred} and {max} bytes, which no server may say")]
    BlockSizes { min: u32, preferred: u32, max: u32 },
    #[error("the export has {size} bytes, no multiple of its smallest block, {block} bytes")]
    Uneven { size: u64, block: u32 },
    #[error("the export cannot be written: its server offers it read-only")]
    ReadOnly,
}

/// What an export is to us, if it is used for `access`.
pub(super) fn ability(terms: &Terms, access: Access) -> Result<(Geometry, Ability), UnusableError> {
    let has = |flag| terms.flags & flag != 0;
    let size = terms.size;
    if size == 0 {
        return Err(UnusableError::Empty);
    }
    if i64::try_from(size).is_err() {
        return Err(UnusableError::TooLarge(size));
    }
    if access == Access::ReadWrite && has(flag::READ_ONLY) {
        return Err(UnusableError::ReadOnly);
    }
    let usual = [1, 4096, PAYLOAD_ADVERTISED_BYTES];
    let [min, preferred, max] = terms.block_sizes.unwrap_or(usual);
    let sound = min.is_power_of_two() && min <= BLOCK_MIN_MAX && preferred.is_power_of_two();
    if !sound || preferred < min || max < min {
        return Err(UnusableError::BlockSizes { min, preferred, max });
    }
    let block = u64::from(min);
    if !size.is_multiple_of(block) {
        return Err(UnusableError::Uneven { size, block: min });
    }
    let read_only = access == Access::ReadOnly;
    let zeroes = if has(flag::WRITE_ZEROES) { ZEROES_BYTES_MAX } else { 0 };
    let geometry = Geometry {
        size,
        block_min: min,
        block_preferred: preferred.max(512),
        read_only,
        // What TRIM leaves behind may be anything; see `job`.
        discard: !read_only && has(flag::TRIM) && zeroes > 0,
    };
    let ability = Ability {
        block,
        // A largest block of 2^32 - 1 means that there is none.
        payload: u64::from(max.min(REQUEST_DATA_BYTES_MAX)) / block * block,
        range: match terms.dialect {
            Dialect::Simple | Dialect::Structured => u64::from(u32::MAX) / block * block,
            Dialect::Extended => u64::MAX / block * block,
        },
        zeroes,
        fast_zero: zeroes > 0 && has(flag::FAST_ZERO),
        flush: has(flag::FLUSH),
        fua: has(flag::FUA),
        cache: has(flag::CACHE),
        block_status: terms.allocation.is_some(),
        multi_conn: has(flag::MULTI_CONN),
    };
    Ok((geometry, ability))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(size: u64, flags: u16, block_sizes: Option<[u32; 3]>) -> Terms {
        let flags = flags | flag::HAS_FLAGS;
        Terms { size, flags, block_sizes, dialect: Dialect::Structured, allocation: Some(1) }
    }

    #[test]
    fn a_server_that_tells_nothing_gets_the_usual() {
        let (geometry, ability) = ability(&terms(1000, 0, None), Access::ReadWrite).unwrap();
        let expected = Geometry {
            size: 1000,
            block_min: 1,
            block_preferred: 4096,
            read_only: false,
            discard: false,
        };
        assert_eq!(geometry, expected);
        assert_eq!((ability.payload, ability.zeroes, ability.flush), (32 << 20, 0, false));
    }

    #[test]
    fn discard_needs_trim_and_zeroes_and_a_writer() {
        let (trim, zeroes) = (flag::TRIM, flag::WRITE_ZEROES);
        for (flags, access, expected) in [
            (trim | zeroes, Access::ReadWrite, true),
            (trim | zeroes, Access::ReadOnly, false),
            (trim, Access::ReadWrite, false),
            (zeroes, Access::ReadWrite, false),
        ] {
            let (geometry, _) = ability(&terms(4096, flags, None), access).unwrap();
            assert_eq!(geometry.discard, expected, "{flags:#x} {access:?}");
        }
    }

    #[test]
    fn payloads_are_whole_blocks_within_our_own_limit() {
        let payload = |sizes| {
            let terms = terms(8192, 0, Some(sizes));
            ability(&terms, Access::ReadOnly).unwrap().1.payload
        };
        assert_eq!(payload([512, 4096, 5000]), 4608);
        assert_eq!(payload([1, 4096, u32::MAX]), 64 << 20);
    }

    #[test]
    fn exports_that_cannot_be_used_are_refused_by_what_they_say() {
        let sizes = |min, preferred, max| Some([min, preferred, max]);
        for (terms, why) in [
            (terms(0, 0, None), "is empty"),
            (terms(1 << 63, 0, None), "more than any image"),
            (terms(4096, flag::READ_ONLY, None), "offers it read-only"),
            (terms(4096, 0, sizes(3, 4096, 8192)), "blocks of 3, 4096 and 8192"),
            (terms(4096, 0, sizes(0, 4096, 8192)), "blocks of 0"),
            (terms(1 << 20, 0, sizes(1 << 17, 1 << 17, 1 << 20)), "no server may say"),
            (terms(4096, 0, sizes(4096, 512, 8192)), "no server may say"),
            (terms(4096, 0, sizes(4096, 4096, 512)), "no server may say"),
            (terms(4097, 0, sizes(512, 4096, 8192)), "no multiple of its smallest block, 512"),
        ] {
            let error = ability(&terms, Access::ReadWrite).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
