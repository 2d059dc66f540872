//! How many requests each epoch has, and what their keys add up to: two sides in, two lists for each device out.
//!
//! From summaries, where both sides have them; else by going over both sides at once. Invariant: both lists come from the same
//! source, and no list is longer than `EPOCHS_LISTED_MAX`; requests that a list has no room for are in a later one.

use std::thread;

use super::compared::{Compared, Facts};
use super::error::DiffError;
use super::rule::{Barrier, Rule};
use super::side::{EpochSums, Part, Side};
use crate::limits::EPOCHS_LISTED_MAX;
use crate::request::DeviceId;

/// What some requests are together, in whatever order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) count: u64,
    /// Those of them of which bytes are masked.
    pub(super) masked: u64,
    /// Of their keys, modulo 2^128.
    pub(super) keys: u128,
}

impl Sum {
    /// Counts one more.
    pub(super) fn add(&mut self, one: &Compared, facts: Facts) {
        self.count += 1;
        self.masked += u64::from(one.masked);
        self.keys = self.keys.wrapping_add(one.key(facts).0);
    }

    /// Whether they are the same requests, but for a collision of 128 bits.
    pub(super) fn is(&self, other: &Sum) -> bool {
        (self.count, self.keys) == (other.count, other.keys)
    }
}

/// Some epochs of a device, on both sides.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The first epoch of each list.
    pub(super) from: (u64, u64),
    pub(super) base: Vec<Sum>,
    pub(super) new: Vec<Sum>,
    /// There is more behind them.
    pub(super) more: bool,
}

/// The lists of all devices.
pub(super) struct Sums<'sides> {
    base: &'sides dyn Side,
    new: &'sides dyn Side,
    rule: &'sides Rule,
    limit: usize,
    /// By device, of both sides, where going over them once was enough.
    all: Option<[Vec<Vec<Sum>>; 2]>,
    asked: bool,
}

impl<'sides> Sums<'sides> {
    pub(super) fn of(
        base: &'sides dyn Side,
        new: &'sides dyn Side,
        rule: &'sides Rule,
    ) -> Sums<'sides> {
        Sums { base, new, rule, limit: EPOCHS_LISTED_MAX, all: None, asked: false }
    }

    /// The same with no list longer than `limit`.
    #[cfg(test)]
    pub(super) fn limited(self, limit: usize) -> Sums<'sides> {
        Sums { limit, ..self }
    }

    /// The epochs of a device from these of both sides on, but for those in which neither has a request before one of them has.
    pub(super) fn lists(&mut self, device: DeviceId, from: (u64, u64)) -> Result<Lists, DiffError> {
        if from == (0, 0) {
            if let Some(lists) = self.summarized(device)? {
                return Ok(lists);
            }
            if let Some(lists) = self.gone_over(device)? {
                return Ok(lists);
            }
        }
        let part = |from: u64| Part { device: Some(device), epochs: from..u64::MAX };
        let empty = |side: &dyn Side, from: u64| {
            let first = side.requests(&part(from))?.next_request()?;
            Ok(first.map(|one| one.epoch.saturating_sub(from)))
        };
        let (base, new) = both(|| empty(self.base, from.0), || empty(self.new, from.1))?;
        let empty = base.into_iter().chain(new).min().unwrap_or(0);
        let from = (from.0.saturating_add(empty), from.1.saturating_add(empty));
        let of = |side: &dyn Side, from: u64| {
            let mut table = Table::of(1, from, self.limit);
            let fits = table.add_all(side, &part(from), self.rule.facts, |_| 0)?;
            let mut list = table.lists.swap_remove(0);
            if !fits {
                // The next request lies behind it: there are none up to its end.
                list.resize(self.limit, Sum::default());
            }
            Ok((list, fits))
        };
        let ((base, whole), (new, other_whole)) =
            both(|| of(self.base, from.0), || of(self.new, from.1))?;
        Ok(Lists { from, base, new, more: !(whole && other_whole) })
    }

    /// What summaries say of a device.
    fn summarized(&self, device: DeviceId) -> Result<Option<Lists>, DiffError> {
        // They are sums over all facts, and count flushes.
        if self.rule.facts != Facts::ALL || self.rule.barrier != Barrier::Flush {
            return Ok(None);
        }
        let Some(base) = self.base.epoch_sums(device)? else { return Ok(None) };
        let Some(new) = self.new.epoch_sums(device)? else { return Ok(None) };
        if base.epochs.len().max(new.epochs.len()) > self.limit {
            return Ok(None);
        }
        let list = |sums: EpochSums| {
            let sum = |(count, keys)| Sum { count, masked: 0, keys };
            sums.epochs.into_iter().map(sum).collect()
        };
        Ok(Some(Lists { base: list(base), new: list(new), ..Lists::default() }))
    }

    /// Goes over both sides once, for all devices; `None` if they have too many epochs.
    fn gone_over(&mut self, device: DeviceId) -> Result<Option<Lists>, DiffError> {
        if !self.asked {
            self.asked = true;
            let of = |side: &dyn Side| {
                let mut table = Table::of(usize::from(side.devices()), 0, self.limit);
                let list = |device: DeviceId| usize::from(device.0);
                let fits = table.add_all(side, &Part::ALL, self.rule.facts, list)?;
                Ok(fits.then_some(table.lists))
            };
            if let (Some(base), Some(new)) = both(|| of(self.base), || of(self.new))? {
                self.all = Some([base, new]);
            }
        }
        let Some([base, new]) = &mut self.all else { return Ok(None) };
        let take = |lists: &mut Vec<Vec<Sum>>| {
            lists.get_mut(usize::from(device.0)).map(std::mem::take).unwrap_or_default()
        };
        Ok(Some(Lists { base: take(base), new: take(new), ..Lists::default() }))
    }
}

/// Does the same for both sides at once.
pub(super) fn both<T: Send>(
    base: impl FnOnce() -> Result<T, DiffError> + Send,
    new: impl FnOnce() -> Result<T, DiffError>,
) -> Result<(T, T), DiffError> {
    thread::scope(|scope| {
        let spawned = thread::Builder::new().name("diff-base".to_owned());
        let base = spawned.spawn_scoped(scope, base);
        let base = base.map_err(DiffError::Thread)?;
        let new = new();
        let base = base.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((base, new?))
    })
}

/// Sums of epochs that are being added up.
struct Table {
    lists: Vec<Vec<Sum>>,
    /// The epoch that comes first in each list.
    from: u64,
    /// So many epochs may still be added.
    room: usize,
}

impl Table {
    fn of(lists: usize, from: u64, room: usize) -> Table {
        Table { lists: vec![Vec::new(); lists], from, room }
    }

    /// Adds all requests of a part, each to the list that `list` says, up to the first that there is no room for: `false`.
    fn add_all(
        &mut self,
        side: &dyn Side,
        part: &Part,
        facts: Facts,
        list: impl Fn(DeviceId) -> usize,
    ) -> Result<bool, DiffError> {
        let mut requests = side.requests(part)?;
        while let Some(one) = requests.next_request()? {
            let Some(sum) = self.sum(list(one.device), one.epoch) else { return Ok(false) };
            sum.add(&one, facts);
        }
        Ok(true)
    }

    fn sum(&mut self, list: usize, epoch: u64) -> Option<&mut Sum> {
        let place = usize::try_from(epoch.checked_sub(self.from)?).ok()?;
        let list = self.lists.get_mut(list)?;
        let more = place.saturating_add(1).saturating_sub(list.len());
        self.room = self.room.checked_sub(more)?;
        if more > 0 {
            list.resize(place + 1, Sum::default());
        }
        list.get_mut(place)
    }
}
