//! Which ranges of devices were written so far: ranges in, yes or no out.
//!
//! Knows no events. Invariant: memory is bounded; where that needs it, ranges are taken to be larger than they were, so that
//! what is said not to be written never was.

use std::collections::BTreeMap;

use crate::limits::WRITTEN_RANGES_MAX;
use crate::request::DeviceId;
use crate::units::ByteRange;

/// Blocks of this size are taken as a whole first when there are too many ranges.
const BLOCK_FIRST_BYTES: u64 = 4096;
/// Blocks of this size are as large as blocks get: so a device has 2^31 of them, and most have fewer written ranges.
const BLOCK_LAST_BYTES: u64 = 1 << 32;

/// Ranges that were written, by device.
#[derive(Debug, Clone)]
pub struct Written {
    /// Beginnings and ends of ranges that neither overlap nor touch.
    devices: BTreeMap<DeviceId, BTreeMap<u64, u64>>,
    /// How many ranges there are.
    count: usize,
    limit: usize,
    /// Ranges are widened to blocks of so many bytes.
    block: u64,
}

impl Default for Written {
    fn default() -> Written {
        Written::holding(WRITTEN_RANGES_MAX)
    }
}

impl Written {
    /// Nothing was written yet; no more than `limit` ranges are to be held, which is at least 1 a device.
    pub fn holding(limit: usize) -> Written {
        Written { devices: BTreeMap::new(), count: 0, limit, block: 1 }
    }

    /// Whether every range is still exactly what was written.
    pub fn is_exact(&self) -> bool {
        self.block == 1
    }

    /// Says that `range` was written.
    pub fn insert(&mut self, device: DeviceId, range: ByteRange) {
        if range.length == 0 {
            return;
        }
        let range = range.widened(self.block);
        let ranges = self.devices.entry(device).or_default();
        let before = ranges.len();
        join(ranges, range.offset, range.end());
        self.count = self.count + ranges.len() - before;
        while self.count > self.limit && self.block < BLOCK_LAST_BYTES {
            self.widen();
        }
    }

    /// Whether any byte of `range` was written. A yes may be wrong unless [`Written::is_exact`]; a no never is.
    pub fn touches(&self, device: DeviceId, range: ByteRange) -> bool {
        let Some(ranges) = self.devices.get(&device).filter(|_| range.length > 0) else {
            return false;
        };
        let before = ranges.range(..range.end()).next_back();
        before.is_some_and(|(_, end)| *end > range.offset)
    }

    /// Whether all bytes of `range` were written. A yes may be wrong unless [`Written::is_exact`]; a no never is.
    pub fn covers(&self, device: DeviceId, range: ByteRange) -> bool {
        let Some(ranges) = self.devices.get(&device) else { return range.length == 0 };
        let before = ranges.range(..=range.offset).next_back();
        range.length == 0 || before.is_some_and(|(_, end)| *end >= range.end())
    }

    /// Takes larger blocks, so that ranges grow together.
    fn widen(&mut self) {
        self.block = (self.block * 2).max(BLOCK_FIRST_BYTES);
        self.count = 0;
        for ranges in self.devices.values_mut() {
            let mut wider = BTreeMap::new();
            for (begin, end) in std::mem::take(ranges) {
                let range = ByteRange::new(begin, end - begin).widened(self.block);
                join(&mut wider, range.offset, range.end());
            }
            self.count += wider.len();
            *ranges = wider;
        }
    }
}

/// Adds a range to others, and makes one of those that it touches.
fn join(ranges: &mut BTreeMap<u64, u64>, mut begin: u64, mut end: u64) {
    while let Some((other, other_end)) =
        ranges.range(..=end).next_back().map(|(begin, end)| (*begin, *end))
    {
        if other_end < begin {
            break;
        }
        ranges.remove(&other);
        (begin, end) = (begin.min(other), end.max(other_end));
    }
    ranges.insert(begin, end);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SIZE: u64 = 200;

    /// A generator of noise.
    struct Noise(u64);

    impl Noise {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % bound
        }

        fn range(&mut self) -> ByteRange {
            let offset = self.below(SIZE);
            ByteRange::new(offset, self.below(20).min(SIZE - offset))
        }
    }

    #[test]
    fn what_is_written_is_what_a_set_of_bytes_holds() {
        for seed in 0..200 {
            let mut noise = Noise(seed);
            let (mut written, mut bytes) = (Written::default(), BTreeSet::new());
            for _ in 0..60 {
                let (device, range) = (DeviceId(0), noise.range());
                written.insert(device, range);
                bytes.extend(range.offset..range.end());
                let asked = noise.range();
                let mut held = (asked.offset..asked.end()).map(|byte| bytes.contains(&byte));
                assert_eq!(written.covers(device, asked), held.clone().all(|held| held), "{seed}");
                assert_eq!(written.touches(device, asked), held.any(|held| held), "{seed}");
                assert!(!written.touches(DeviceId(1), asked), "devices are apart");
            }
            assert!(written.is_exact());
        }
    }

    #[test]
    fn too_many_ranges_grow_together_and_lose_nothing() {
        let mut written = Written::holding(8);
        let device = DeviceId(3);
        for place in 0..1000 {
            written.insert(device, ByteRange::new(place * 10_000, 10));
        }
        assert!(written.count <= 8, "{written:?}");
        assert!(!written.is_exact());
        for place in 0..1000 {
            assert!(written.covers(device, ByteRange::new(place * 10_000, 10)), "{place}");
        }
        assert!(!written.touches(device, ByteRange::new(1 << 40, 1)));
    }

    #[test]
    fn the_end_of_all_bytes_can_be_written() {
        let mut written = Written::holding(1);
        let last = ByteRange::new(u64::MAX - 10, 10);
        written.insert(DeviceId(0), last);
        written.insert(DeviceId(0), ByteRange::new(0, 1));
        assert!(written.covers(DeviceId(0), last) && written.touches(DeviceId(0), last));
    }
}
