//! Bodies smaller, and back: zstd where a sample says that it pays. Bytes in, bytes out.
//!
//! Knows no chunks. Invariant: unpacking gives exactly as many bytes as were promised, or an error, and
//! never takes more memory than that.

use std::io;

/// The body lies in the file as it is.
pub(super) const STORED: u8 = 0;
/// The body is one zstd frame.
pub(super) const ZSTD: u8 = 1;

/// Fast enough for the log's thread; `compact` may take longer.
const LEVEL: i32 = 1;

/// The sample is this many pieces, spread evenly.
const PIECES: usize = 4;
/// Bytes of each piece.
const PIECE_BYTES: usize = 4096;

/// Why a body does not unpack.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// zstd refused it, or it holds more than promised.
    #[error("a body does not unpack to {wanted} bytes")]
    Zstd {
        /// The length promised.
        wanted: usize,
        /// What zstd says.
        source: io::Error,
    },
    /// It has another length than promised.
    #[error("a body unpacks to {found} bytes, {wanted} were promised")]
    Length {
        /// What came out.
        found: usize,
        /// The length promised.
        wanted: usize,
    },
}

/// `raw` packed, if that saves at least a tenth.
pub(super) fn pack(raw: &[u8]) -> Option<Vec<u8>> {
    let sample = sample(raw);
    if !pays(&zstd::bulk::compress(&sample, LEVEL).ok()?, sample.len()) {
        return None;
    }
    if sample.len() == raw.len() {
        // The sample is the body.
        return zstd::bulk::compress(raw, LEVEL).ok();
    }
    zstd::bulk::compress(raw, LEVEL).ok().filter(|packed| pays(packed, raw.len()))
}

fn pays(packed: &[u8], raw_len: usize) -> bool {
    packed.len() < raw_len - raw_len / 10
}

/// Pieces of `raw` that stand for it; all of it when it is short.
fn sample(raw: &[u8]) -> Vec<u8> {
    if raw.len() <= PIECES * PIECE_BYTES {
        return raw.to_vec();
    }
    let stride = (raw.len() - PIECE_BYTES) / (PIECES - 1);
    (0..PIECES).flat_map(|piece| &raw[piece * stride..][..PIECE_BYTES]).copied().collect()
}

/// Undoes `pack`. `wanted` was checked against the limits.
pub(super) fn unpack(packed: &[u8], wanted: usize) -> Result<Vec<u8>, UnpackError> {
    let raw = zstd::bulk::decompress(packed, wanted)
        .map_err(|source| UnpackError::Zstd { wanted, source })?;
    if raw.len() == wanted {
        Ok(raw)
    } else {
        Err(UnpackError::Length { found: raw.len(), wanted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that no compressor shortens.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let step = |state: &mut u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_le_bytes()[7]
        };
        (0..length).map(|_| step(&mut state)).collect()
    }

    #[test]
    fn text_is_packed_and_comes_back() {
        for length in [200, 16_384, 16_385, 1 << 20] {
            let text: Vec<u8> =
                b"epoch after epoch ".iter().copied().cycle().take(length).collect();
            let packed = pack(&text).unwrap();
            assert!(packed.len() < length / 2);
            assert_eq!(unpack(&packed, length).unwrap(), text);
        }
    }

    #[test]
    fn noise_is_left_as_it_is() {
        for length in [0, 1, 4096, 1 << 20] {
            assert!(pack(&noise(length)).is_none(), "{length}");
        }
    }

    #[test]
    fn a_body_that_holds_more_or_less_than_promised_is_refused() {
        let packed = pack(&vec![7; 1 << 20]).unwrap();
        assert!(matches!(unpack(&packed, 4096), Err(UnpackError::Zstd { .. })));
        assert!(matches!(unpack(&packed, 2 << 20), Err(UnpackError::Length { .. })));
        assert!(matches!(unpack(b"not zstd", 4096), Err(UnpackError::Zstd { .. })));
    }
}
