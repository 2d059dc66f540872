//! Numbers of variable length: LEB128, and zigzag LEB128 for differences. Bytes in, numbers out, and back.
//!
//! Knows nothing of events. Invariant: reading never goes past the bytes it was given, and a number that
//! does not fit in 64 bits is refused.

/// Why bytes are not what was expected. Places are counted from the start of what is being decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The bytes end inside a value.
    #[error("byte {at}: {wanted} bytes are wanted, {left} are left")]
    Short {
        /// Where the value starts.
        at: usize,
        /// How many bytes it has.
        wanted: u64,
        /// How many there are.
        left: usize,
    },
    /// A number has more than 64 bits.
    #[error("byte {at}: a number has more than 64 bits")]
    TooLong {
        /// Where the number starts.
        at: usize,
    },
}

/// Bytes of the longest number.
const LONGEST: usize = 10;

/// Appends `value` as LEB128: seven bits a byte, lowest first, the high bit set on all but the last.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends the way from `expected` to `value`, modulo 2^64, as zigzag LEB128.
pub(super) fn put_difference(out: &mut Vec<u8>, value: u64, expected: u64) {
    let way = value.wrapping_sub(expected).cast_signed();
    put(out, ((way << 1) ^ (way >> 63)).cast_unsigned());
}

/// Bytes that are taken from the front.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Source<'a> {
    /// Takes from `bytes`, beginning at `at`, which must lie within.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Source<'a> {
        assert!(at <= bytes.len(), "a source starts within its bytes");
        Source { bytes, at }
    }

    /// How many bytes lie before the next one.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Takes `length` bytes.
    pub(super) fn slice(&mut self, length: u64) -> Result<&'a [u8], SourceError> {
        let left = self.left();
        match usize::try_from(length) {
            Ok(length) if length <= left => {
                let taken = &self.bytes[self.at..self.at + length];
                self.at += length;
                Ok(taken)
            }
            _ => Err(SourceError::Short { at: self.at, wanted: length, left }),
        }
    }

    /// Takes `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], SourceError> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(N as u64)?);
        Ok(array)
    }

    /// Takes one byte.
    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, SourceError> {
        let byte = self.bytes.get(self.at);
        let byte = byte.ok_or(SourceError::Short { at: self.at, wanted: 1, left: 0 })?;
        self.at += 1;
        Ok(*byte)
    }

    /// Takes a LEB128 number.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, SourceError> {
        // Most are short.
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, SourceError> {
        let start = self.at;
        let rest = &self.bytes[start..];
        let mut value = 0;
        for (place, byte) in rest.iter().take(LONGEST).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if place == LONGEST - 1 && bits > 1 {
                return Err(SourceError::TooLong { at: start });
            }
            value |= bits << (7 * place);
            if byte & 0x80 == 0 {
                self.at = start + place + 1;
                return Ok(value);
            }
        }
        if rest.len() < LONGEST {
            return Err(SourceError::Short { at: self.bytes.len(), wanted: 1, left: 0 });
        }
        Err(SourceError::TooLong { at: start })
    }

    /// Takes a way from `expected`, and says where it leads.
    pub(super) fn difference(&mut self, expected: u64) -> Result<u64, SourceError> {
        let zigzag = self.number()?;
        let way = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
        Ok(expected.wrapping_add(way))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGES: [u64; 9] = [0, 1, 63, 64, 127, 128, 16_383, 1 << 63, u64::MAX];

    #[test]
    fn numbers_read_back_and_small_ones_are_short() {
        for value in EDGES {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            assert_eq!(Source::new(&bytes, 0).number(), Ok(value));
            let bits = 64 - value.leading_zeros();
            assert_eq!(bytes.len(), bits.div_ceil(7).max(1) as usize, "{value}");
        }
    }

    #[test]
    fn differences_read_back_from_any_expectation() {
        for value in EDGES {
            for expected in EDGES {
                let mut bytes = Vec::new();
                put_difference(&mut bytes, value, expected);
                assert_eq!(Source::new(&bytes, 0).difference(expected), Ok(value));
            }
        }
        let mut bytes = Vec::new();
        put_difference(&mut bytes, 99, 100);
        assert_eq!(bytes, [1]);
    }

    #[test]
    fn numbers_cut_short_or_too_long_name_their_byte() {
        let cut = Source::new(&[0, 0x80], 1).number();
        assert_eq!(cut, Err(SourceError::Short { at: 2, wanted: 1, left: 0 }));
        let mut long = [0xff; 10];
        long[9] = 2;
        assert_eq!(Source::new(&long, 0).number(), Err(SourceError::TooLong { at: 0 }));
        assert_eq!(Source::new(&[0x80; 11], 0).number(), Err(SourceError::TooLong { at: 0 }));
    }

    #[test]
    fn a_slice_longer_than_what_is_left_is_refused() {
        let taken = Source::new(b"abc", 1).slice(u64::MAX);
        assert_eq!(taken, Err(SourceError::Short { at: 1, wanted: u64::MAX, left: 2 }));
    }
}
