//! The data of a request, as far as a trace knows them. Bytes come in, what is known of them goes out.
//!
//! Holds no data: what is stored lies elsewhere and has a number. Invariant: all-zero data are known as such.

use std::fmt;

use crate::request::Digest;

/// The data of a request, as far as the trace knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Payload {
    /// The request has none, or the payload policy is `none`.
    #[default]
    Absent,
    /// All bytes are zero. Known under every policy but `none`, and free.
    Zeroes,
    /// Known by its digest only.
    Digest(Digest),
    /// The bytes are in the trace.
    Stored(Digest, PayloadId),
}

impl Payload {
    /// Whether the two are known to hold different bytes. Payloads of which nothing is known differ
    /// from nothing.
    pub fn differs(&self, other: &Payload) -> bool {
        match (self, other) {
            (Payload::Absent, _) | (_, Payload::Absent) | (Payload::Zeroes, Payload::Zeroes) => {
                false
            }
            (Payload::Zeroes, _) | (_, Payload::Zeroes) => true,
            (
                Payload::Digest(one) | Payload::Stored(one, _),
                Payload::Digest(two) | Payload::Stored(two, _),
            ) => one != two,
        }
    }

    /// What is known of `data` without storing them.
    pub fn of(data: &[u8]) -> Payload {
        if is_zero(data) { Payload::Zeroes } else { Payload::Digest(Digest::of(data)) }
    }
}

/// Whether all bytes are zero.
pub fn is_zero(data: &[u8]) -> bool {
    // In blocks, so that the compiler can use wide registers and a first non-zero block ends it.
    let mut blocks = data.chunks_exact(256);
    blocks.all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
        && data.chunks_exact(256).remainder().iter().all(|byte| *byte == 0)
}

/// A stored payload, numbered from 0 in the order of storing. Equal data share a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadId(pub u64);

/// `xxh3:…`, `zeroes`, or nothing.
impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Absent => Ok(()),
            Payload::Zeroes => f.pad("zeroes"),
            Payload::Digest(digest) | Payload::Stored(digest, _) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_zero_data_count_as_zeroes() {
        for length in [0, 1, 255, 256, 257, 512, 4096, 5000] {
            let mut data = vec![0; length];
            assert!(is_zero(&data), "{length}");
            for place in [0, length / 2, length.saturating_sub(1)] {
                if place < length {
                    data[place] = 1;
                    assert!(!is_zero(&data), "{length} bytes, byte {place} set");
                    data[place] = 0;
                }
            }
        }
    }

    #[test]
    fn payloads_differ_only_where_both_are_known() {
        let one = Payload::of(b"one");
        let two = Payload::of(b"two");
        assert!(one.differs(&two));
        assert!(!one.differs(&one));
        assert!(one.differs(&Payload::Zeroes));
        assert!(!one.differs(&Payload::Absent));
        assert!(!Payload::Absent.differs(&two));
    }
}
