//! A side that can be stopped while it is gone over. A side and a question in, a side out.
//!
//! Invariant: until it is stopped it is the side that it is made of.

use blkreplay_core::diff::{Compared, DiffError, EpochSums, Part, Requests, Side};
use blkreplay_core::request::DeviceId;
use bytes::Bytes;

use super::Wanted;

/// A side for as long as somebody wants it.
pub struct Stoppable<'a> {
    side: &'a dyn Side,
    wanted: Wanted<'a>,
}

impl<'a> Stoppable<'a> {
    /// `side`, which fails once it is not `wanted` any more.
    pub fn new(side: &'a dyn Side, wanted: Wanted<'a>) -> Stoppable<'a> {
        Stoppable { side, wanted }
    }
}

struct Going<'a> {
    requests: Box<dyn Requests + Send + 'a>,
    wanted: Wanted<'a>,
}

impl Requests for Going<'_> {
    fn next_request(&mut self) -> Result<Option<Compared>, DiffError> {
        if (self.wanted)() { self.requests.next_request() } else { Err(stopped()) }
    }
}

fn stopped() -> DiffError {
    DiffError::Again("it was stopped".into())
}

impl Side for Stoppable<'_> {
    fn devices(&self) -> u16 {
        self.side.devices()
    }

    fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
        if !(self.wanted)() {
            return Err(stopped());
        }
        Ok(Box::new(Going { requests: self.side.requests(part)?, wanted: self.wanted }))
    }

    fn epoch_sums(&self, device: DeviceId) -> Result<Option<EpochSums>, DiffError> {
        self.side.epoch_sums(device)
    }

    fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        self.side.data(of)
    }

    fn compared_data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        self.side.compared_data(of)
    }
}
