//! One of the two sides of a comparison: it can be gone over again and again.
//!
//! Invariant: going over it twice gives the same.

use std::ops::Range;

use bytes::Bytes;

use super::compared::Compared;
use super::error::DiffError;
use crate::request::DeviceId;

/// A part of a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Of this device, by its number on the base side; `None` for all, in the order of issue over all.
    pub device: Option<DeviceId>,
    /// Of these epochs.
    pub epochs: Range<u64>,
}

impl Part {
    /// All of it.
    pub const ALL: Part = Part { device: None, epochs: 0..u64::MAX };
}

/// The requests of a part, in the order of issue.
pub trait Requests {
    /// The next one; `None` after the last.
    fn next_request(&mut self) -> Result<Option<Compared>, DiffError>;
}

/// For each epoch of a device, from 0: how many requests, and a sum of them. Two sides whose lists come from the same source
/// (summaries, or the same facts) have the same requests in an epoch, but for a collision of 128 bits, if count and sum are equal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EpochSums {
    /// Count and sum.
    pub epochs: Vec<(u64, u128)>,
}

/// One of the two sides. Both are gone over at once, by a thread each.
pub trait Side: Sync {
    /// How many devices are compared; those that only one side has count.
    fn devices(&self) -> u16;

    /// Goes over a part of it, without what filters and rules leave out.
    fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError>;

    /// What the summaries of its chunks say of the epochs of a device; `None` if they do not say it, or not of what is
    /// compared.
    fn epoch_sums(&self, device: DeviceId) -> Result<Option<EpochSums>, DiffError>;

    /// The data of one of its requests, unmasked; `None` if it does not have them.
    fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError>;

    /// The same data as they are compared: bytes that are masked are zero.
    fn compared_data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        self.data(of)
    }
}
