//! Which part of the devices was read, and which written: ranges of data in, distinct bytes out.
//!
//! Blocks are told apart, of 4 KiB as long as that fits; then of twice as much, and so on. A block of which one byte was touched
//! counts whole. Invariant: no more than `STATS_REGIONS_MAX` regions, and no range goes over more than `RANGE_REGIONS_MAX`.

use std::collections::HashMap;

use crate::limits::STATS_REGIONS_MAX;
use crate::request::DeviceId;
use crate::units::ByteRange;

/// Blocks in a region, a bit each.
const REGION_BLOCKS: u64 = 4096;
const WORDS: usize = 64;

/// Smallest block, in bytes: what a page is.
const BLOCK_BYTES_MIN: u64 = 4096;

/// Regions that one range may go over; a longer one makes the blocks larger. Data of 64 MiB go over five at most.
const RANGE_REGIONS_MAX: u64 = 16;

/// What was done to the blocks of a region.
#[derive(Debug, Clone)]
struct Region {
    read: [u64; WORDS],
    written: [u64; WORDS],
}

impl Default for Region {
    fn default() -> Region {
        Region { read: [0; WORDS], written: [0; WORDS] }
    }
}

/// Regions that lie next to each other: a disk of 1 TiB has a thousand shelves, which stay in the processor's cache, so that
/// a block anywhere costs one look into memory.
const SHELF_REGIONS: usize = 64;

/// Ranges that wait at most.
const WAITING_MAX: usize = 1024;

type Shelf = [Option<Box<Region>>; SHELF_REGIONS];

/// What is done to a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    Read,
    Write,
}

/// The blocks that were touched.
#[derive(Debug, Clone)]
pub(super) struct WorkingSet {
    block: u64,
    shelves: HashMap<(DeviceId, u64), Box<Shelf>>,
    regions: usize,
    /// Ranges that are to be put in. One after the other in a loop of their own, they wait for memory together.
    waiting: Vec<(DeviceId, ByteRange, Touch)>,
}

/// Distinct bytes, in whole blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Touched {
    /// Bytes of a block: 4096, or more where that would take too much memory.
    pub block: u64,
    /// Read at least once.
    pub read: u64,
    /// Written at least once.
    pub written: u64,
    /// Either.
    pub either: u64,
}

impl Default for WorkingSet {
    fn default() -> WorkingSet {
        WorkingSet {
            block: BLOCK_BYTES_MIN,
            shelves: HashMap::new(),
            regions: 0,
            waiting: Vec::new(),
        }
    }
}

impl WorkingSet {
    /// A range of a device was touched.
    pub(super) fn touch(&mut self, device: DeviceId, range: ByteRange, touch: Touch) {
        if range.length > 0 {
            self.waiting.push((device, range, touch));
        }
        if self.waiting.len() >= WAITING_MAX {
            self.settle();
        }
    }

    /// Puts in what waits.
    pub(super) fn settle(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        for (device, range, touch) in waiting.drain(..) {
            self.put(device, range, touch);
        }
        self.waiting = waiting;
    }

    fn put(&mut self, device: DeviceId, range: ByteRange, touch: Touch) {
        while range.length / self.block / REGION_BLOCKS >= RANGE_REGIONS_MAX {
            self.coarsen();
        }
        let (mut next, last) = (range.offset / self.block, (range.end() - 1) / self.block);
        loop {
            let region = next / REGION_BLOCKS;
            let end = last.min(region * REGION_BLOCKS + (REGION_BLOCKS - 1));
            let within = next % REGION_BLOCKS..=end % REGION_BLOCKS;
            let slot = self.region(device, region);
            match touch {
                Touch::Read => fill(&mut slot.read, within),
                Touch::Write => fill(&mut slot.written, within),
            }
            if end == last {
                break;
            }
            next = end + 1;
        }
        while self.regions > STATS_REGIONS_MAX && self.block < 1 << 62 {
            self.coarsen();
        }
    }

    fn region(&mut self, device: DeviceId, region: u64) -> &mut Region {
        let key = (device, region / SHELF_REGIONS as u64);
        let empty = || Box::new([const { None }; SHELF_REGIONS]);
        let numbered = self.shelves.entry(key).or_insert_with(empty);
        let slot = &mut numbered[usize::try_from(region % SHELF_REGIONS as u64).unwrap_or(0)];
        self.regions += usize::from(slot.is_none());
        slot.get_or_insert_default()
    }

    /// All regions there are, with their devices and numbers.
    fn all(&self) -> impl Iterator<Item = (DeviceId, u64, &Region)> {
        self.shelves.iter().flat_map(|((device, shelf), regions)| {
            let numbers = shelf * SHELF_REGIONS as u64..;
            let there = numbers.zip(regions.iter());
            there.filter_map(|(number, region)| Some((*device, number, region.as_deref()?)))
        })
    }

    /// Puts each two blocks together.
    fn coarsen(&mut self) {
        let before = std::mem::take(self);
        self.block = before.block * 2;
        for (device, region, old) in before.all() {
            let new = self.region(device, region / 2);
            let first = usize::try_from(region % 2).unwrap_or(0) * WORDS / 2;
            halve(&old.read, &mut new.read[first..first + WORDS / 2]);
            halve(&old.written, &mut new.written[first..first + WORDS / 2]);
        }
    }

    /// What was touched, but for what waits.
    pub(super) fn touched(&self) -> Touched {
        let mut blocks = [0; 3];
        for (_, _, region) in self.all() {
            for (read, written) in region.read.iter().zip(&region.written) {
                for (count, bits) in blocks.iter_mut().zip([*read, *written, read | written]) {
                    *count += u64::from(bits.count_ones());
                }
            }
        }
        let [read, written, either] = blocks.map(|count| count.saturating_mul(self.block));
        Touched { block: self.block, read, written, either }
    }
}

fn fill(bits: &mut [u64; WORDS], within: std::ops::RangeInclusive<u64>) {
    let (first, last) = (*within.start(), *within.end());
    for word in first / 64..=last / 64 {
        let low = if word == first / 64 { u64::MAX << (first % 64) } else { u64::MAX };
        let high = if word == last / 64 { u64::MAX >> (63 - last % 64) } else { u64::MAX };
        bits[usize::try_from(word).unwrap_or(0)] |= low & high;
    }
}

/// Puts each two bits of `old` together.
fn halve(old: &[u64; WORDS], new: &mut [u64]) {
    for (pair, new) in old.chunks(2).zip(new) {
        let half = |bits: u64| {
            (0..32).filter(|bit| bits >> (2 * bit) & 3 != 0).fold(0, |half, bit| half | 1 << bit)
        };
        *new |= half(pair[0]) | half(pair[1]) << 32;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn dice(seed: &mut u64) -> u64 {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *seed >> 16
    }

    #[test]
    fn distinct_bytes_are_those_of_a_set_of_blocks() {
        let mut set = WorkingSet::default();
        let mut sets = [HashSet::new(), HashSet::new()];
        let mut seed = 3;
        for _ in 0..3000 {
            let device = DeviceId(u16::from(dice(&mut seed).is_multiple_of(7)));
            let range = ByteRange::new(dice(&mut seed) % (1 << 32), dice(&mut seed) % (1 << 20));
            let write = dice(&mut seed).is_multiple_of(3);
            set.touch(device, range, if write { Touch::Write } else { Touch::Read });
            if range.length > 0 {
                let blocks = range.offset / 4096..=(range.end() - 1) / 4096;
                sets[usize::from(write)].extend(blocks.map(|block| (device, block)));
            }
        }
        let bytes = |blocks: usize| blocks as u64 * 4096;
        let either = sets[0].union(&sets[1]).count();
        let [read, written] = sets.map(|set| bytes(set.len()));
        let expected = Touched { block: 4096, read, written, either: bytes(either) };
        set.settle();
        assert_eq!(set.touched(), expected);
    }

    #[test]
    fn too_many_regions_make_the_blocks_larger_and_lose_none() {
        let mut set = WorkingSet::default();
        let regions = STATS_REGIONS_MAX as u64 * 3;
        for region in 0..regions {
            set.touch(DeviceId(0), ByteRange::new(region * 4096 * 4096, 1), Touch::Read);
        }
        set.settle();
        let touched = set.touched();
        assert_eq!(touched.block, 4096 * 4);
        assert_eq!(touched.read, regions * touched.block, "one block each");
        assert!(set.regions <= STATS_REGIONS_MAX && set.regions == set.all().count());
    }

    #[test]
    fn a_range_as_long_as_they_come_is_soon_done() {
        let mut set = WorkingSet::default();
        set.touch(DeviceId(0), ByteRange::new(0, 4096), Touch::Write);
        set.touch(DeviceId(0), ByteRange::new(1 << 30, u64::MAX), Touch::Read);
        set.settle();
        let touched = set.touched();
        assert!(touched.block > 1 << 40, "{touched:?}");
        assert!(touched.written == touched.block && touched.read >= u64::MAX - 2 * touched.block);
    }
}
