//! What an alignment says: how many are the same, and each difference with its place.
//!
//! Invariant: every request of both sides is told of once: as the same, as ignored by its side, or in one difference. By what is left
//! behind (`Align::State`) only requests of base are counted as the same, and a difference has those who wrote last.

use std::ops::ControlFlow;

use super::compared::{Compared, Facts};
use crate::request::DeviceId;

/// Where in two traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// The device, by its number on the base side; `None` if the alignment goes over all together.
    pub device: Option<DeviceId>,
    /// The epoch of base; `None` if there is none there, or the alignment knows no epochs.
    pub base_epoch: Option<u64>,
    /// The epoch of new.
    pub new_epoch: Option<u64>,
}

/// How two sides differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Both have it, and some facts differ.
    Changed,
    /// Only new has it.
    Added,
    /// Only base has it.
    Removed,
    /// Both have it, at different places: in other epochs, or before and behind one that it conflicts with.
    Moved,
}

impl Kind {
    /// All kinds with their names.
    pub const NAMES: [(Kind, &'static str); 4] = [
        (Kind::Changed, "changed"),
        (Kind::Added, "added"),
        (Kind::Removed, "removed"),
        (Kind::Moved, "moved"),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// One difference. A side has several requests only where requests were split or merged, or a state differs that several
/// brought about; and no side has none, but for the other that was added to or removed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How.
    pub kind: Kind,
    /// Where.
    pub place: Place,
    /// The requests of base.
    pub base: Vec<Compared>,
    /// The requests of new.
    pub new: Vec<Compared>,
    /// What differs, of those that were compared.
    pub facts: Facts,
}

/// Takes what an alignment finds, in the order of the base side where there is one.
pub trait Outcome {
    /// `count` requests of each side are the same there, of which `masked` had bytes masked.
    fn same(&mut self, place: Place, count: u64, masked: u64);

    /// There is a difference. To break ends the comparison.
    fn difference(&mut self, difference: Difference) -> ControlFlow<()>;

    /// So many epochs of a device base and new have: one more than that of their last request there.
    fn epochs(&mut self, device: DeviceId, base: u64, new: u64);

    /// There the window was too small to hold all requests that could be pairs: some that are told of as removed and added may
    /// be the same, or changed, or moved. Whether the sides are the same there is not in doubt.
    fn gave_up(&mut self, place: Place);
}
