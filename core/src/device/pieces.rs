//! Which bytes of a disk have been changed, and how: an ordered map of ranges.
//!
//! Knows no files and no locks. Invariant: ranges are disjoint, none is empty, and neighbours that touch
//! differ; so its size is bounded by the number of changes, never by their lengths.

use std::collections::BTreeMap;

use crate::units::ByteRange;

/// Where the bytes of a changed range are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// They were written.
    Data,
    /// They are zeroes.
    Zero,
}

/// The changed ranges.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// By first byte: one past the last, and what became of them.
    map: BTreeMap<u64, (u64, Change)>,
    data_bytes: u64,
}

impl Pieces {
    /// What became of the byte at `offset` (`None`: nothing), and up to where that holds, at most `end`.
    pub(super) fn at(&self, offset: u64, end: u64) -> (Option<Change>, u64) {
        if let Some((_, &(piece_end, change))) = self.map.range(..=offset).next_back()
            && piece_end > offset
        {
            return (Some(change), piece_end.min(end));
        }
        let next = self.map.range(offset..end).next();
        (None, next.map_or(end, |(&start, _)| start))
    }

    /// Says that `range` has been changed. Returns how many bytes of it were data before.
    pub(super) fn set(&mut self, range: ByteRange, change: Change) -> u64 {
        if range.length == 0 {
            return 0;
        }
        let before = self.data_bytes;
        self.cut_at(range.offset);
        self.cut_at(range.end());
        while let Some((&start, _)) = self.map.range(range.offset..range.end()).next() {
            self.remove(start);
        }
        let displaced = before - self.data_bytes;
        self.insert_merged(range, change);
        displaced
    }

    /// Bytes in ranges of data.
    pub(super) fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// Number of ranges.
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// Makes `offset` a border: a piece that it lies inside of becomes two.
    fn cut_at(&mut self, offset: u64) {
        let Some((_, piece)) = self.map.range_mut(..offset).next_back() else { return };
        let (end, change) = *piece;
        if end > offset {
            piece.0 = offset;
            self.map.insert(offset, (end, change));
        }
    }

    fn insert_merged(&mut self, range: ByteRange, change: Change) {
        let (mut start, mut end) = (range.offset, range.end());
        if let Some((&left, &(left_end, kind))) = self.map.range(..start).next_back()
            && left_end == start
            && kind == change
        {
            self.remove(left);
            start = left;
        }
        if let Some(&(right_end, kind)) = self.map.get(&end)
            && kind == change
        {
            self.remove(end);
            end = right_end;
        }
        self.map.insert(start, (end, change));
        if change == Change::Data {
            self.data_bytes += end - start;
        }
    }

    fn remove(&mut self, start: u64) {
        if let Some((end, Change::Data)) = self.map.remove(&start) {
            self.data_bytes -= end - start;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::device::positioned::index;

    #[test]
    fn neighbours_that_touch_and_agree_become_one() {
        let mut pieces = Pieces::default();
        pieces.set(ByteRange::new(0, 10), Change::Data);
        pieces.set(ByteRange::new(20, 10), Change::Data);
        assert_eq!(pieces.len(), 2);
        pieces.set(ByteRange::new(10, 10), Change::Data);
        assert_eq!(pieces.len(), 1);
        assert_eq!(pieces.at(0, 100), (Some(Change::Data), 30));
        assert_eq!(pieces.at(30, 100), (None, 100));
        assert_eq!(pieces.set(ByteRange::new(5, 10), Change::Zero), 10);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces.data_bytes(), 20);
    }

    #[test]
    fn a_change_of_the_largest_range_is_one_piece() {
        let mut pieces = Pieces::default();
        pieces.set(ByteRange::new(0, u64::MAX), Change::Zero);
        assert_eq!(pieces.len(), 1);
        assert_eq!(pieces.at(1 << 60, u64::MAX), (Some(Change::Zero), u64::MAX));
    }

    proptest! {
        #[test]
        fn every_byte_is_what_it_was_last_made(
            changes in prop::collection::vec((0..64_usize, 0..20_usize, any::<bool>()), 0..60)
        ) {
            let mut pieces = Pieces::default();
            let mut bytes = [None; 100];
            for (offset, length, data) in changes {
                let change = if data { Change::Data } else { Change::Zero };
                pieces.set(ByteRange::new(offset as u64, length as u64), change);
                bytes[offset..offset + length].fill(Some(change));
            }
            let mut at = 0;
            let mut last = None;
            while at < 100 {
                let (change, end) = pieces.at(at, 100);
                prop_assert!(end > at);
                prop_assert!(bytes[index(at)..index(end)].iter().all(|byte| *byte == change));
                prop_assert!(at == 0 || last != Some(change), "neighbours must have been merged");
                last = Some(change);
                at = end;
            }
            let data = bytes.iter().filter(|byte| **byte == Some(Change::Data)).count();
            prop_assert_eq!(pieces.data_bytes(), data as u64);
        }
    }
}
