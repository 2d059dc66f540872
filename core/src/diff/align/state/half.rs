//! One side of a device: its requests in, what it holds at the end of each epoch out.
//!
//! Knows nothing of the other side. Invariant: what it is said to hold is known byte by byte, or it is trouble.

use std::ops::Range;

use super::disk::{Disk, RANGES_MAX};
use super::ranges::Ranges;
use crate::diff::align::Scratch;
use crate::diff::compared::{Compared, Fact};
use crate::diff::error::{DiffError, Which};
use crate::diff::rule::Rule;
use crate::diff::side::{Part, Requests, Side};
use crate::event::Payload;
use crate::request::{DeviceId, Operation};

/// What a side did in an epoch.
pub(super) struct Epoch {
    /// A sum of what was written and what lies there at its end; `None` if that was in too many parts to say.
    pub(super) sum: Option<u128>,
    /// Its requests, and how many of them are masked.
    pub(super) count: u64,
    pub(super) masked: u64,
}

/// Whether a request changes what is read.
pub(super) fn changes(one: &Compared) -> bool {
    one.request.operation.modifies() && !matches!(one.result, Some(Err(_)))
}

/// One side, as far as it was gone over.
pub(super) struct Half<'a> {
    pub(super) side: &'a dyn Side,
    pub(super) which: Which,
    rule: &'a Rule,
    pub(super) disk: Disk,
    requests: Box<dyn Requests + Send + 'a>,
    next: Option<Compared>,
    /// Epochs that were gone over, of these those that were not compared, and what they wrote.
    pub(super) epochs: Range<u64>,
    pub(super) wrote: Ranges,
    /// What straddling requests wrote of it.
    pub(super) straddling: Ranges,
    /// The last barrier of the last epoch, and whether that epoch changed anything.
    pub(super) barrier: Option<Compared>,
    pub(super) changed: bool,
    /// Requests that were not told of, and how many of them are masked.
    pub(super) count: u64,
    pub(super) masked: u64,
    pub(super) coarse: bool,
}

impl<'a> Half<'a> {
    pub(super) fn new(
        side: &'a dyn Side,
        which: Which,
        device: DeviceId,
        rule: &'a Rule,
        scratch: Scratch<'_>,
    ) -> Result<Half<'a>, DiffError> {
        let mut requests = side.requests(&Part { device: Some(device), ..Part::ALL })?;
        Ok(Half {
            side,
            which,
            rule,
            disk: Disk::new(scratch()?, RANGES_MAX),
            next: requests.next_request()?,
            requests,
            epochs: 0..0,
            wrote: Ranges::default(),
            straddling: Ranges::default(),
            barrier: None,
            changed: false,
            count: 0,
            masked: 0,
            coarse: false,
        })
    }

    /// Goes over all epochs, of which there may be `most`.
    pub(super) fn all_epochs(mut self, most: usize) -> Result<Vec<Epoch>, DiffError> {
        let mut epochs = Vec::new();
        while let Some(next) = &self.next {
            if epochs.len() == most {
                return Err(DiffError::Epochs { device: next.device }.of(self.which));
            }
            self.go_over_epoch()?;
            let sum = if self.coarse { None } else { Some(self.disk.sum(&self.wrote)?) };
            epochs.push(Epoch { sum, count: self.count, masked: self.masked });
            self.compared();
        }
        Ok(epochs)
    }

    /// Goes over the next epoch.
    pub(super) fn go_over_epoch(&mut self) -> Result<(), DiffError> {
        let epoch = self.epochs.end;
        self.epochs.end += 1;
        (self.barrier, self.changed) = (None, false);
        while let Some(one) = self.next.filter(|one| one.epoch <= epoch) {
            self.next = self.requests.next_request()?;
            self.count += 1;
            self.masked += u64::from(one.masked);
            if self.rule.barrier.is(&one.request) {
                self.barrier = Some(one);
            }
            if changes(&one) {
                self.change(&one)?;
            }
        }
        Ok(())
    }

    fn change(&mut self, one: &Compared) -> Result<(), DiffError> {
        self.changed = true;
        let range = one.request.range;
        let most = self.rule.window.saturating_mul(4);
        self.wrote.insert(range.offset, range.end());
        self.coarse |= self.wrote.coarsen(most);
        if one.straddling {
            self.straddling.insert(range.offset, range.end());
            self.coarse |= self.straddling.coarsen(most);
        }
        if !self.rule.facts.has(Fact::Payload)
            || one.request.operation != Operation::Write
            || one.payload == Payload::Zeroes
        {
            self.disk.zero(range.offset, range.length)?;
        } else {
            let data = self.side.compared_data(one).map_err(|error| error.of(self.which))?;
            let data = data.ok_or(DiffError::NoData { id: one.id });
            self.disk.write(range.offset, &data.map_err(|error| error.of(self.which))?)?;
        }
        if self.disk.is_coarse() {
            let error = DiffError::Scattered { device: one.device, most: RANGES_MAX };
            return Err(error.of(self.which));
        }
        Ok(())
    }

    /// All that was gone over was compared.
    pub(super) fn compared(&mut self) {
        self.epochs.start = self.epochs.end;
        self.wrote = Ranges::default();
        self.straddling = Ranges::default();
        (self.count, self.masked, self.coarse) = (0, 0, false);
    }
}
