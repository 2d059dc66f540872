//! Replies on their way to the client: short ones gathered, long data passed on without copying.
//!
//! No socket here: the caller sends what it is shown. Invariant: bytes leave in the order they came.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// Pieces shown for one send.
pub(super) const SLICES: usize = 64;

/// Shorter data are copied behind their header, in bytes: cheaper than a piece of their own.
const OWN_PIECE_BYTES_MIN: usize = 2048;

/// Bytes to be sent.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Go first.
    sealed: VecDeque<Bytes>,
    sealed_bytes: usize,
    /// Goes last; takes what is short.
    tail: BytesMut,
}

impl Outbox {
    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.sealed_bytes + self.tail.len()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where short messages are appended.
    pub(super) fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Appends data.
    pub(super) fn push(&mut self, data: Bytes) {
        if data.len() < OWN_PIECE_BYTES_MIN {
            self.tail.extend_from_slice(&data);
            return;
        }
        let tail = self.tail.split().freeze();
        self.seal(tail);
        self.seal(data);
    }

    fn seal(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.sealed_bytes += data.len();
            self.sealed.push_back(data);
        }
    }

    /// Shows the first bytes in at most [`SLICES`] pieces; the rest of `slices` is left as it is. Returns
    /// how many pieces.
    pub(super) fn show<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
        let pieces = self.sealed.iter().map(|piece| &piece[..]).chain(tail);
        slices.iter_mut().zip(pieces).map(|(slot, piece)| *slot = IoSlice::new(piece)).count()
    }

    /// Forgets the first `count` bytes, which were sent.
    pub(super) fn sent(&mut self, mut count: usize) {
        while let Some(piece) = self.sealed.front_mut() {
            if count < piece.len() {
                piece.advance(count);
                self.sealed_bytes -= count;
                return;
            }
            count -= piece.len();
            self.sealed_bytes -= piece.len();
            self.sealed.pop_front();
        }
        self.tail.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = outbox.show(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    #[test]
    fn long_data_are_shown_where_they_lie() {
        let data = Bytes::from(vec![3; OWN_PIECE_BYTES_MIN]);
        let mut outbox = Outbox::default();
        outbox.tail().extend_from_slice(b"header");
        outbox.push(data.clone());
        let mut slices = [IoSlice::new(&[]); SLICES];
        assert_eq!(outbox.show(&mut slices), 2);
        assert_eq!(slices[1].as_ptr(), data.as_ptr());
    }

    proptest! {
        #[test]
        fn what_goes_in_is_shown_in_order_however_it_is_sent(
            pieces in prop::collection::vec((any::<bool>(), 0_usize..5000), 0..40),
            sends in prop::collection::vec(0_usize..9000, 0..80),
        ) {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for (number, (own, length)) in pieces.into_iter().enumerate() {
                let piece = vec![u8::try_from(number).unwrap(); length];
                if own { outbox.push(piece.clone().into()) } else { outbox.tail().extend(&piece) }
                expected.extend(piece);
            }
            for count in sends {
                let seen = shown(&outbox);
                prop_assert_eq!(outbox.len(), expected.len());
                prop_assert!(expected.starts_with(&seen));
                prop_assert_eq!(seen.is_empty(), expected.is_empty());
                let count = count.min(seen.len());
                outbox.sent(count);
                expected.drain(..count);
            }
        }
    }
}
