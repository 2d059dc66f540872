//! Memory whose first byte lies where a transfer past the page cache wants it.
//!
//! Invariant: it does not move while it is kept, whoever owns it: more is allocated than asked for, and the start left out.

use bytes::Bytes;

/// Bytes from a multiple of an alignment on.
#[derive(Debug)]
pub(super) struct Aligned {
    memory: Vec<u8>,
    start: usize,
}

impl Aligned {
    /// `length` zeroes whose address is a multiple of `align`, a power of two.
    pub(super) fn zeroed(length: usize, align: usize) -> Aligned {
        let memory = vec![0; length + align - 1];
        let start = memory.as_ptr().align_offset(align);
        // What is behind the bytes that were asked for is not needed, and not told of.
        let mut aligned = Aligned { memory, start };
        aligned.memory.truncate(start + length);
        aligned
    }

    /// The bytes.
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }

    /// The bytes, for good.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from(self.memory).split_off(self.start)
    }
}

/// Memory that lies anywhere.
impl From<Vec<u8>> for Aligned {
    fn from(memory: Vec<u8>) -> Aligned {
        Aligned { memory, start: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_multiple_and_is_as_long_as_was_asked_for() {
        for align in [1, 512, 4096] {
            for length in [0, 1, 4096, 100_001] {
                let mut aligned = Aligned::zeroed(length, align);
                assert_eq!(aligned.as_mut().len(), length);
                assert_eq!(aligned.as_mut().as_ptr().align_offset(align), 0);
                aligned.as_mut().fill(7);
                let bytes = aligned.into_bytes();
                assert!(bytes.len() == length && bytes.iter().all(|byte| *byte == 7));
            }
        }
    }
}
