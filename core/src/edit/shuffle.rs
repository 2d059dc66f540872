//! Moves the extents of devices about. Requests come in, a map of offsets goes out.
//!
//! Extents that a request crosses the border of are one group; a group moves as a whole, to where one of the same length
//! lay. Invariants: two requests overlap, follow each other or lie apart as before if they are of one group, and never
//! overlap if they are not; what lay within a device still does.

use std::collections::BTreeMap;

use super::token::Key;
use crate::event::Issue;
use crate::format::Header;
use crate::limits::EXTENTS_MOVED_MAX;
use crate::request::{DeviceId, Operation};
use crate::units::ByteRange;

/// There are more extents than can be kept in mind.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error(
    "the devices have {found} extents of {extent} bytes, at most {EXTENTS_MOVED_MAX} can be moved"
)]
pub struct TooManyExtents {
    /// How many.
    pub found: u64,
    /// How long they are, in bytes.
    pub extent: u64,
}

/// Which extents must stay together.
#[derive(Debug)]
pub struct Groups {
    extent: u64,
    devices: Vec<Crossed>,
}

/// How often borders between extents of a device are crossed.
#[derive(Debug)]
struct Crossed {
    size: u64,
    /// For each extent, how many more requests cross the border behind it than the one before it.
    change: Vec<i64>,
}

impl Groups {
    /// Extents of `extent` bytes, not 0, that no request has crossed.
    pub fn new(header: &Header, extent: u64) -> Result<Groups, TooManyExtents> {
        let count = |size: u64| size.div_ceil(extent);
        let found =
            header.devices.iter().fold(0, |sum: u64, it| sum.saturating_add(count(it.size)));
        if found > EXTENTS_MOVED_MAX {
            return Err(TooManyExtents { found, extent });
        }
        let devices = header.devices.iter().map(|device| {
            let extents = usize::try_from(count(device.size)).unwrap_or(0);
            Crossed { size: device.size, change: vec![0; extents] }
        });
        Ok(Groups { extent, devices: devices.collect() })
    }

    /// Takes a request: what it crosses stays together. One on the whole device stays there without that, unless its answer
    /// says what lies where.
    pub(super) fn note(&mut self, issue: &Issue) {
        let range = issue.request.range;
        let Some(device) = self.devices.get_mut(usize::from(issue.device.0)) else { return };
        if !is_inside(range, device.size) || range.length == 0 {
            return;
        }
        let whole = range.length == device.size;
        if whole && issue.request.operation != Operation::BlockStatus {
            return;
        }
        let place = |offset: u64| usize::try_from(offset / self.extent).unwrap_or(usize::MAX);
        let (first, last) = (place(range.offset), place(range.offset + (range.length - 1)));
        device.change[first] += 1;
        device.change[last] -= 1;
    }

    /// Moves groups about, as `key` says.
    pub fn shuffled(self, key: &Key) -> Shuffle {
        let extent = self.extent;
        let devices = (0..).zip(self.devices).map(|(number, device)| {
            let to = moved(&device, extent, number, key);
            Moved { size: device.size, to }
        });
        Shuffle { extent, devices: devices.collect() }
    }
}

/// For each extent of a device, where it goes.
fn moved(device: &Crossed, extent: u64, number: u64, key: &Key) -> Vec<u32> {
    // By their length in bytes: the last extent may be shorter than the others.
    let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    let (mut start, mut crossing) = (0, 0);
    for (place, change) in device.change.iter().enumerate() {
        crossing += change;
        if crossing == 0 || place + 1 == device.change.len() {
            let bytes = |place: usize| (place as u64).saturating_mul(extent).min(device.size);
            groups.entry(bytes(place + 1) - bytes(start)).or_default().push(start);
            start = place + 1;
        }
    }
    let mut to = vec![0; device.change.len()];
    let mut dice = key.dice("extents", number);
    for (bytes, starts) in groups {
        let mut targets = starts.clone();
        for place in (1..targets.len()).rev() {
            let other = usize::try_from(dice.below(place as u64 + 1)).unwrap_or(0);
            targets.swap(place, other);
        }
        let length = usize::try_from(bytes.div_ceil(extent)).unwrap_or(0);
        for (start, target) in starts.into_iter().zip(targets) {
            for place in 0..length {
                to[start + place] = u32::try_from(target + place).unwrap_or(0);
            }
        }
    }
    to
}

/// Where extents went.
#[derive(Debug)]
pub struct Shuffle {
    extent: u64,
    devices: Vec<Moved>,
}

#[derive(Debug)]
struct Moved {
    size: u64,
    to: Vec<u32>,
}

impl Shuffle {
    /// Length of an extent, in bytes.
    pub fn extent(&self) -> u64 {
        self.extent
    }

    /// How many extents lie elsewhere than before, and how many there are.
    pub fn moved(&self) -> (u64, u64) {
        let all = || self.devices.iter().flat_map(|device| (0..).zip(&device.to));
        (all().filter(|(from, to)| from != *to).count() as u64, all().count() as u64)
    }

    /// Where a range begins now. One that reaches beyond the device, or is all of it, stays where it was.
    pub(super) fn offset(&self, device: DeviceId, range: ByteRange) -> u64 {
        let Some(device) = self.devices.get(usize::from(device.0)) else { return range.offset };
        if !is_inside(range, device.size) || range.length == device.size {
            return range.offset;
        }
        let place = usize::try_from(range.offset / self.extent).ok();
        let to = place.and_then(|place| device.to.get(place));
        to.map_or(range.offset, |to| u64::from(*to) * self.extent + range.offset % self.extent)
    }
}

fn is_inside(range: ByteRange, size: u64) -> bool {
    range.offset.checked_add(range.length).is_some_and(|end| end <= size)
}
