//! How far two sides can be compared: to their ends, or to where one of them is cut.
//!
//! Extents in, sides that end early out. Invariant: of a side that is cut nothing is compared of which the end is missing, and
//! nothing of the other that could be its counterpart.

use bytes::Bytes;

use super::compared::Compared;
use super::error::DiffError;
use super::rule::Align;
use super::side::{EpochSums, Part, Requests, Side};
use crate::format::Loss;
use crate::request::DeviceId;

/// How far a side goes.
#[derive(Debug, Default)]
pub struct Extent {
    /// How many requests it has.
    pub requests: u64,
    /// How many barriers were released, by device, by its number on the base side.
    pub released: Vec<u64>,
    /// Events that the recorder dropped.
    pub dropped: u64,
    /// What is missing, if it is cut or damaged.
    pub loss: Option<Loss>,
    /// So many requests, in the order of issue, are known with how they ended.
    pub whole_requests: u64,
    /// Of so many epochs, by device, all is known. More than there are, if nothing is missing.
    pub whole_epochs: Vec<u64>,
}

/// Where a comparison ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Until {
    /// Where the sides end.
    #[default]
    End,
    /// Before the request at this place of each side.
    Place(u64),
    /// Before this epoch, by device; devices that are not in the list end at once.
    Epochs(Vec<u64>),
}

impl Until {
    /// As far as both sides are whole.
    pub fn both(base: &Extent, new: &Extent, align: Align) -> Until {
        if base.loss.is_none() && new.loss.is_none() {
            return Until::End;
        }
        if align == Align::Order {
            return Until::Place(base.whole_requests.min(new.whole_requests));
        }
        let pairs = base.whole_epochs.iter().zip(&new.whole_epochs);
        Until::Epochs(pairs.map(|(base, new)| *base.min(new)).collect())
    }

    fn epochs(&self, device: DeviceId) -> u64 {
        match self {
            Until::End | Until::Place(_) => u64::MAX,
            Until::Epochs(epochs) => epochs.get(usize::from(device.0)).copied().unwrap_or(0),
        }
    }

    fn takes(&self, request: &Compared) -> bool {
        match self {
            Until::End => true,
            Until::Place(place) => request.place < *place,
            Until::Epochs(_) => request.epoch < self.epochs(request.device),
        }
    }
}

/// The beginning of another side.
pub struct Beginning<'side> {
    side: &'side dyn Side,
    until: Until,
}

impl<'side> Beginning<'side> {
    /// What of `side` lies before `until`.
    pub fn of(side: &'side dyn Side, until: Until) -> Beginning<'side> {
        Beginning { side, until }
    }
}

struct Fewer<'side> {
    requests: Box<dyn Requests + Send + 'side>,
    until: &'side Until,
}

impl Requests for Fewer<'_> {
    fn next_request(&mut self) -> Result<Option<Compared>, DiffError> {
        while let Some(request) = self.requests.next_request()? {
            if self.until.takes(&request) {
                return Ok(Some(request));
            }
            if matches!(self.until, Until::Place(_)) {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

impl Side for Beginning<'_> {
    fn devices(&self) -> u16 {
        self.side.devices()
    }

    fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
        let mut part = part.clone();
        if let Some(device) = part.device {
            let end = part.epochs.end.min(self.until.epochs(device));
            part.epochs = part.epochs.start.min(end)..end;
        }
        let requests = self.side.requests(&part)?;
        if self.until == Until::End {
            return Ok(requests);
        }
        Ok(Box::new(Fewer { requests, until: &self.until }))
    }

    fn epoch_sums(&self, device: DeviceId) -> Result<Option<EpochSums>, DiffError> {
        match self.until {
            Until::End => self.side.epoch_sums(device),
            Until::Place(_) => Ok(None),
            Until::Epochs(_) => {
                let sums = self.side.epoch_sums(device)?;
                let end = usize::try_from(self.until.epochs(device)).unwrap_or(usize::MAX);
                Ok(sums.map(|mut sums| {
                    sums.epochs.truncate(end);
                    sums
                }))
            }
        }
    }

    fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        self.side.data(of)
    }
}
