//! Bodies smaller, and back: zstd where a sample says that it pays. Bytes in, bytes out.
//!
//! Knows no chunks. Invariant: unpacking gives exactly as many bytes as were promised, or an error, and
//! never takes more memory than that.

use std::io::{self, Read};

/// The body lies in the file as it is.
pub(super) const STORED: u8 = 0;
/// The body is one zstd frame.
pub(super) const ZSTD: u8 = 1;

/// The level of zstd that is fast enough for the log's thread; `compact` may take longer.
pub(super) const LIVE_LEVEL: i32 = 1;

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

/// `raw` packed at `level`, if that saves at least a tenth; where a recording waits for it, at [`LIVE_LEVEL`], a quarter:
/// to save less takes longer than to write it.
pub(super) fn pack(raw: &[u8], level: i32) -> Option<Vec<u8>> {
    let share = if level == LIVE_LEVEL { 4 } else { 10 };
    let pays = |packed: &Vec<u8>, raw: usize| packed.len() < raw - raw / share;
    let sample = sample(raw);
    if !pays(&zstd::bulk::compress(&sample, LIVE_LEVEL).ok()?, sample.len()) {
        return None;
    }
    if sample.len() == raw.len() {
        // The sample is the body.
        return zstd::bulk::compress(raw, level).ok();
    }
    zstd::bulk::compress(raw, level).ok().filter(|packed| pays(packed, raw.len()))
}

/// `raw` packed at `level`, if that saves anything.
pub(super) fn pack_small(raw: &[u8], level: i32) -> Option<Vec<u8>> {
    zstd::bulk::compress(raw, level).ok().filter(|packed| packed.len() < raw.len())
}

/// How long `raw` is when it is packed by itself, at a level that compares well.
pub(super) fn packed_len(raw: &[u8]) -> usize {
    pack_small(raw, 3).map_or(raw.len(), |packed| packed.len())
}

/// Pieces of `raw` that stand for it; all of it when it is short.
fn sample(raw: &[u8]) -> Vec<u8> {
    if raw.len() <= PIECES * PIECE_BYTES {
        return raw.to_vec();
    }
    let stride = (raw.len() - PIECE_BYTES) / (PIECES - 1);
    (0..PIECES).flat_map(|piece| &raw[piece * stride..][..PIECE_BYTES]).copied().collect()
}

/// Undoes `pack`, in the memory of `raw` as far as that goes. `wanted` was checked against the limits.
pub(super) fn unpack(
    packed: &[u8],
    wanted: usize,
    mut raw: Vec<u8>,
) -> Result<Vec<u8>, UnpackError> {
    raw.clear();
    raw.reserve_exact(wanted);
    let unpacked = zstd::bulk::Decompressor::new()
        .and_then(|mut unpacker| unpacker.decompress_to_buffer(packed, &mut raw));
    unpacked.map_err(|source| UnpackError::Zstd { wanted, source })?;
    if raw.len() == wanted {
        Ok(raw)
    } else {
        Err(UnpackError::Length { found: raw.len(), wanted })
    }
}

/// The beginning of a packed body, unpacked as far as it is wanted.
pub(super) struct Prefix<'packed> {
    input: zstd::stream::read::Decoder<'static, &'packed [u8]>,
    bytes: Vec<u8>,
    wanted: usize,
}

impl<'packed> Prefix<'packed> {
    /// Begins with nothing. `wanted`, the length of the whole, was checked against the limits.
    pub(super) fn new(
        packed: &'packed [u8],
        wanted: usize,
    ) -> Result<Prefix<'packed>, UnpackError> {
        let input = zstd::stream::read::Decoder::with_buffer(packed);
        let input = input.map_err(|source| UnpackError::Zstd { wanted, source })?.single_frame();
        Ok(Prefix { input, bytes: Vec::new(), wanted })
    }

    /// Unpacks until there are `length` bytes, or all.
    pub(super) fn reach(&mut self, length: usize) -> Result<(), UnpackError> {
        let length = length.min(self.wanted);
        let Some(missing) = length.checked_sub(self.bytes.len()) else { return Ok(()) };
        self.bytes.reserve(missing);
        let taken = (&mut self.input).take(missing as u64).read_to_end(&mut self.bytes);
        taken.map_err(|source| UnpackError::Zstd { wanted: self.wanted, source })?;
        if self.bytes.len() < length {
            return Err(UnpackError::Length { found: self.bytes.len(), wanted: self.wanted });
        }
        Ok(())
    }

    /// What was unpacked so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was unpacked.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
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
            let packed = pack(&text, LIVE_LEVEL).unwrap();
            assert!(packed.len() < length / 2);
            assert_eq!(unpack(&packed, length, Vec::new()).unwrap(), text);
        }
    }

    #[test]
    fn what_saves_little_is_packed_only_where_nobody_waits() {
        // Of eight bits each byte has less than seven.
        let bytes: Vec<u8> = noise(1 << 20).iter().map(|byte| byte % 100).collect();
        assert!(pack(&bytes, LIVE_LEVEL).is_none());
        let packed = pack(&bytes, LIVE_LEVEL + 2).unwrap();
        assert!((bytes.len() * 3 / 4..bytes.len() * 9 / 10).contains(&packed.len()));
    }

    #[test]
    fn noise_is_left_as_it_is() {
        for length in [0, 1, 4096, 1 << 20] {
            assert!(pack(&noise(length), LIVE_LEVEL).is_none(), "{length}");
        }
    }

    #[test]
    fn a_body_that_holds_more_or_less_than_promised_is_refused() {
        let packed = pack(&vec![7; 1 << 20], LIVE_LEVEL).unwrap();
        assert!(matches!(unpack(&packed, 4096, Vec::new()), Err(UnpackError::Zstd { .. })));
        assert!(matches!(unpack(&packed, 2 << 20, Vec::new()), Err(UnpackError::Length { .. })));
        assert!(matches!(unpack(b"not zstd", 4096, Vec::new()), Err(UnpackError::Zstd { .. })));
        // With room for more than was promised, more is still too much.
        let room = Vec::with_capacity(2 << 20);
        assert!(matches!(unpack(&packed, 4096, room), Err(UnpackError::Length { .. })));
    }
}
