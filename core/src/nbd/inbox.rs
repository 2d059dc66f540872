//! Bytes received and not yet understood, and the payloads cut from them without copying.
//!
//! No socket here: the caller reads into the room that it is given. Invariant: the room grows with what was
//! really received, never with what a peer claims.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// Bytes that one receive asks for.
const RECEIVE_BYTES: usize = 256 << 10;

/// Least room worth a receive, in bytes.
const RECEIVE_BYTES_MIN: usize = 64 << 10;

/// A longer buffer is not kept for another time, in bytes.
const KEPT_BYTES_MAX: usize = 512 << 10;

/// Buffers that are waited for, at most: half of what a log may be behind.
const SPENT_MAX: usize = 16;

/// A shorter payload is copied, so that it does not keep the whole receive buffer alive, in bytes.
const SHARED_BYTES_MIN: usize = 4096;

/// Received bytes, first in, first out.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// What is received, from `start` on; empty while `shared` is not.
    growing: Vec<u8>,
    start: usize,
    /// What is left of a buffer from which payloads were cut.
    shared: Bytes,
    /// The last such buffers, the newest first: to be used again when nobody has a payload of theirs any more. The system
    /// gives memory page by page, and that would cost as much as what is received into it.
    spent: VecDeque<Bytes>,
}

impl Inbox {
    /// All that has been received and not yet used.
    pub(super) fn unread(&self) -> &[u8] {
        if self.shared.is_empty() { &self.growing[self.start..] } else { &self.shared }
    }

    /// Uses up `count` bytes.
    pub(super) fn skip(&mut self, count: usize) {
        assert!(count <= self.unread().len(), "only what was received can be used");
        if self.shared.is_empty() {
            self.start += count;
        } else {
            self.shared.advance(count);
        }
    }

    /// Uses up `count` bytes and gives them out.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        if count < SHARED_BYTES_MIN {
            let copy = Bytes::copy_from_slice(&self.unread()[..count]);
            self.skip(count);
            return copy;
        }
        if self.shared.is_empty() {
            self.shared = Bytes::from(std::mem::take(&mut self.growing));
            if self.shared.len() <= KEPT_BYTES_MAX {
                self.spent.truncate(SPENT_MAX - 1);
                self.spent.push_front(self.shared.slice(..1));
            }
            self.shared.advance(std::mem::take(&mut self.start));
        }
        self.shared.split_to(count)
    }

    /// The buffer with room to receive more; whoever gets it may only append. `missing` is how many bytes
    /// the next message needs at least, as far as is known.
    pub(super) fn room(&mut self, missing: usize) -> &mut Vec<u8> {
        let unread = self.unread().len();
        // A long payload is received to its end and no further, so that it need not be moved again.
        let step = missing.clamp(RECEIVE_BYTES_MIN, RECEIVE_BYTES.max(unread));
        if !self.shared.is_empty() {
            self.growing = self.empty_buffer();
            self.growing.reserve_exact(unread + step);
            self.growing.extend_from_slice(&std::mem::take(&mut self.shared));
        } else if self.start > 0 {
            self.growing.drain(..std::mem::take(&mut self.start));
        }
        if self.growing.capacity() == 0 {
            self.growing = self.empty_buffer();
            self.growing.reserve_exact(RECEIVE_BYTES);
        }
        if self.growing.capacity() - unread < RECEIVE_BYTES_MIN.min(step) {
            self.growing.reserve_exact(step);
        }
        &mut self.growing
    }

    /// A buffer that was used before, if nobody needs it any more; else a new one.
    fn empty_buffer(&mut self) -> Vec<u8> {
        // What nobody keeps is free at once, and is warm still.
        if let Some(newest) = self.spent.pop_front() {
            match emptied(newest) {
                Ok(buffer) => {
                    // So many need not be waited for.
                    self.spent.pop_back();
                    return buffer;
                }
                Err(needed) => self.spent.push_front(needed),
            }
        }
        // What a log keeps comes back in order.
        match self.spent.pop_back().map(emptied) {
            Some(Ok(buffer)) => buffer,
            Some(Err(needed)) => {
                self.spent.push_back(needed);
                Vec::new()
            }
            None => Vec::new(),
        }
    }
}

/// The memory behind `spent`, or `spent` if somebody needs it.
fn emptied(spent: Bytes) -> Result<Vec<u8>, Bytes> {
    let mut buffer = Vec::from(spent.try_into_mut()?);
    buffer.clear();
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_payloads_share_the_buffer_and_short_ones_do_not() {
        let mut inbox = Inbox::default();
        inbox.room(0).extend_from_slice(&[7; 9000]);
        let address = inbox.unread().as_ptr();
        assert_eq!(inbox.take(4096).as_ptr(), address);
        assert_ne!(inbox.take(100).as_ptr(), address.wrapping_add(4096));
        assert_eq!(inbox.unread(), [7; 9000 - 4196]);
    }

    #[test]
    fn a_buffer_is_used_again_once_its_payloads_are_gone() {
        let mut inbox = Inbox::default();
        inbox.room(0).extend_from_slice(&[7; 9000]);
        let first = inbox.unread().as_ptr();
        let payload = inbox.take(9000);
        inbox.room(0).extend_from_slice(&[8; 9000]);
        assert_ne!(inbox.unread().as_ptr(), first, "somebody has a payload of it");
        let other = inbox.take(8000);
        drop(payload);
        inbox.room(0);
        assert_eq!(inbox.unread(), [8; 1000]);
        assert_eq!(inbox.unread().as_ptr(), first);
        assert_eq!(other, [8; 8000][..]);
    }

    #[test]
    fn buffers_that_a_log_keeps_for_a_while_are_used_in_turn_and_forgotten_when_one_is_enough() {
        let mut inbox = Inbox::default();
        let mut kept = VecDeque::new();
        let mut addresses = std::collections::BTreeSet::new();
        for _ in 0..100 {
            inbox.room(0).extend_from_slice(&[7; 8192]);
            addresses.insert(inbox.unread().as_ptr());
            kept.push_back(inbox.take(8192));
            if kept.len() > 5 {
                kept.pop_front();
            }
        }
        assert!(addresses.len() <= 7, "{} buffers for five that are kept", addresses.len());
        drop(kept);
        for _ in 0..SPENT_MAX {
            inbox.room(0).extend_from_slice(&[7; 8192]);
            drop(inbox.take(8192));
        }
        assert!(inbox.spent.len() <= 1);
        // Of those that do not come back not more and more are kept.
        let lost: Vec<_> = (0..100)
            .map(|_| {
                inbox.room(0).extend_from_slice(&[7; 8192]);
                inbox.take(8192)
            })
            .collect();
        assert_eq!((lost.len(), inbox.spent.len()), (100, SPENT_MAX));
    }

    #[test]
    fn room_grows_with_what_came_not_with_what_is_claimed() {
        let mut inbox = Inbox::default();
        let mut received = 0;
        while received < 4 << 20 {
            let room = inbox.room((64 << 20) - received);
            assert!(room.capacity() <= 2 * received + RECEIVE_BYTES, "{received}");
            let more = room.capacity() - room.len();
            room.extend(std::iter::repeat_n(1, more));
            received += more;
        }
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_in_order(
            steps in prop::collection::vec((0_usize..3, 0_usize..12_000), 1..30),
        ) {
            let mut inbox = Inbox::default();
            let (mut sent, mut got) = (0_u64, 0_u64);
            let byte = |place: u64| (place % 251) as u8;
            for (step, count) in steps {
                let available = inbox.unread().len();
                let count = count.min(available);
                match step {
                    0 => {
                        let room = inbox.room(count);
                        prop_assert!(room.capacity() > room.len());
                        let more = (room.capacity() - room.len()).min(6_000) as u64;
                        room.extend((sent..sent + more).map(byte));
                        sent += more;
                    }
                    1 => {
                        inbox.skip(count);
                        got += count as u64;
                    }
                    _ => {
                        let taken = inbox.take(count);
                        let end = got + count as u64;
                        prop_assert!(taken.iter().copied().eq((got..end).map(byte)));
                        got = end;
                    }
                }
            }
        }
    }
}
