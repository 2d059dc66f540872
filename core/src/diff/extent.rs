//! How far two sides can be compared: to their ends, or to where one of them is cut.
//!
//! Extents in, sides that end early out. Invariant: of a side that is cut nothing is compared of which the end is missing; what the
//! other has that could be the counterpart of that is either not compared, or known by [`Until::may_lie_behind`].

use bytes::Bytes;

use super::compared::Compared;
use super::difference::{Difference, Kind};
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

    /// Whether what only one side has may be behind the end on the other: it was in flight with the last barrier before that.
    pub fn may_lie_behind(&self, difference: &Difference) -> bool {
        let mut all = difference.base.iter().chain(&difference.new);
        matches!(self, Until::Epochs(_))
            && matches!(difference.kind, Kind::Removed | Kind::Added)
            && all.all(|one| one.straddling && one.epoch + 1 == self.epochs(one.device))
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

    fn compared_data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        self.side.compared_data(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::tests::{Told, VecSide, flush, write};
    use crate::diff::{Rule, compare};

    /// A side of which all data are masked.
    struct Masked(VecSide);

    impl Side for Masked {
        fn devices(&self) -> u16 {
            self.0.devices()
        }

        fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
            self.0.requests(part)
        }

        fn epoch_sums(&self, device: DeviceId) -> Result<Option<EpochSums>, DiffError> {
            self.0.epoch_sums(device)
        }

        fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
            self.0.data(of)
        }

        fn compared_data(&self, _: &Compared) -> Result<Option<Bytes>, DiffError> {
            Ok(Some(Bytes::from_static(b"\0\0")))
        }
    }

    #[test]
    fn data_of_a_beginning_are_those_of_its_side_as_they_are_and_as_they_are_compared() {
        let side = Masked(VecSide::new([write(0, 2, 7)]));
        let (beginning, one) = (Beginning::of(&side, Until::End), side.0.all()[0]);
        assert_eq!(beginning.data(&one).unwrap().unwrap(), [7, 7][..]);
        assert_eq!(beginning.compared_data(&one).unwrap().unwrap(), [0, 0][..]);
    }

    #[test]
    fn what_was_in_flight_with_the_last_barrier_may_lie_behind_the_end_of_the_other() {
        let early = [write(0, 8, 1), write(8, 8, 2).straddling(), flush()];
        let late = [write(0, 8, 1), flush(), write(8, 8, 2), flush()];
        let until = Until::Epochs(vec![1]);
        let differences = |base: &[_], new: &[_]| {
            let (base, new) = (VecSide::new(base.to_vec()), VecSide::new(new.to_vec()));
            let side = |side| Beginning::of(side, until.clone());
            let mut told = Told::default();
            compare(&side(&base), &side(&new), &Rule::default(), &tempfile::tempfile, &mut told)
                .unwrap();
            told.differences
        };
        let removed = differences(&early, &late);
        assert_eq!(removed.len(), 1);
        assert!(until.may_lie_behind(&removed[0]) && !Until::End.may_lie_behind(&removed[0]));
        assert!(until.may_lie_behind(&differences(&late, &early)[0]));
        // What was not in flight then, or lies further from the end, is gone.
        let plain = [write(0, 8, 1), write(8, 8, 2), flush()];
        assert!(!until.may_lie_behind(&differences(&plain, &late)[0]));
        assert!(!Until::Epochs(vec![2]).may_lie_behind(&removed[0]));
    }
}
