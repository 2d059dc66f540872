//! Sides made of lists, and an outcome that keeps all it is told: what the tests of alignments share.
//!
//! A [`One`] is a request as a test writes it down; a [`VecSide`] numbers them and counts their epochs in the obvious way.

mod random;

use std::ops::ControlFlow;

use bytes::Bytes;

use super::compared::{Compared, Facts};
use super::difference::{Difference, Kind, Outcome, Place};
use super::error::DiffError;
use super::side::{EpochSums, Part, Requests, Side};
use crate::event::{Payload, PayloadId};
use crate::request::{DeviceId, Digest, Errno, Flags, Operation, Request, RequestId};
use crate::units::{ByteRange, Nanos};

pub(in crate::diff) use random::{any_list, any_one, unheard};

/// A request as a test writes it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::diff) struct One {
    pub(in crate::diff) device: u16,
    pub(in crate::diff) request: Request,
    pub(in crate::diff) data: Option<Bytes>,
    pub(in crate::diff) result: Option<Result<(), Errno>>,
    pub(in crate::diff) straddling: bool,
    pub(in crate::diff) masked: bool,
}

/// A request of this kind over `length` bytes from `offset`, without data.
pub(in crate::diff) fn ask(operation: Operation, offset: u64, length: u64) -> One {
    let range = ByteRange::new(offset, length);
    let request = Request { operation, range, flags: Flags::NONE };
    let (data, result) = (None, Some(Ok(())));
    One { device: 0, request, data, result, straddling: false, masked: false }
}

/// A write of `length` bytes of `fill`.
pub(in crate::diff) fn write(offset: u64, length: usize, fill: u8) -> One {
    write_data(offset, vec![fill; length])
}

/// A write of these bytes.
pub(in crate::diff) fn write_data(offset: u64, data: impl Into<Bytes>) -> One {
    let data = data.into();
    One { data: Some(data.clone()), ..ask(Operation::Write, offset, data.len() as u64) }
}

/// A read that got `length` bytes of `fill`.
pub(in crate::diff) fn read(offset: u64, length: usize, fill: u8) -> One {
    One { data: Some(vec![fill; length].into()), ..ask(Operation::Read, offset, length as u64) }
}

/// Zeroes written.
pub(in crate::diff) fn zeroes(offset: u64, length: u64) -> One {
    ask(Operation::WriteZeroes, offset, length)
}

/// A discard.
pub(in crate::diff) fn discard(offset: u64, length: u64) -> One {
    ask(Operation::Discard, offset, length)
}

/// A flush, which is released before the next request is issued.
pub(in crate::diff) fn flush() -> One {
    ask(Operation::Flush, 0, 0)
}

impl One {
    /// The same on another device.
    pub(in crate::diff) fn on(self, device: u16) -> One {
        One { device, ..self }
    }

    /// The same with these flags.
    pub(in crate::diff) fn with(self, flags: Flags) -> One {
        let request = Request { flags, ..self.request };
        One { request, ..self }
    }

    /// The same, issued while a barrier was in flight.
    pub(in crate::diff) fn straddling(self) -> One {
        One { straddling: true, ..self }
    }

    /// The same, which failed.
    pub(in crate::diff) fn failed(self, errno: Errno) -> One {
        One { result: Some(Err(errno)), ..self }
    }

    /// The same, some bytes of which are masked.
    pub(in crate::diff) fn masked(self) -> One {
        One { masked: true, ..self }
    }
}

/// A side made of a list.
#[derive(Debug, Clone)]
pub(in crate::diff) struct VecSide {
    requests: Vec<Compared>,
    data: Vec<Option<Bytes>>,
    devices: u16,
    sums: bool,
}

impl VecSide {
    /// These requests, in this order. Data are stored; summaries say nothing.
    pub(in crate::diff) fn new(all: impl IntoIterator<Item = One>) -> VecSide {
        let (mut requests, mut data, mut epochs) = (Vec::new(), Vec::new(), [0; 16]);
        for (place, one) in (0_u64..).zip(all) {
            let epoch = &mut epochs[usize::from(one.device)];
            requests.push(Compared {
                place,
                id: RequestId(place),
                device: DeviceId(one.device),
                epoch: *epoch,
                straddling: one.straddling,
                time: Nanos(place * 1000),
                request: one.request,
                payload: one.data.as_deref().map_or(Payload::Absent, |data| stored(data, place)),
                masked: one.masked,
                result: one.result,
            });
            data.push(one.data);
            *epoch += u64::from(one.request.operation == Operation::Flush);
        }
        let devices = requests.iter().map(|one| one.device.0 + 1).max().unwrap_or(1);
        VecSide { requests, data, devices, sums: false }
    }

    /// The same with summaries.
    pub(in crate::diff) fn with_sums(self) -> VecSide {
        VecSide { sums: true, ..self }
    }

    /// The same with digests in place of data.
    pub(in crate::diff) fn without_data(mut self) -> VecSide {
        for (one, data) in self.requests.iter_mut().zip(&mut self.data) {
            if let Payload::Stored(digest, _) = one.payload {
                one.payload = Payload::Digest(digest);
            }
            *data = None;
        }
        self
    }

    /// The same of which flushes are left out, as a filter does: epochs may be empty.
    pub(in crate::diff) fn without_flushes(mut self) -> VecSide {
        self.requests.retain(|one| one.request.operation != Operation::Flush);
        self
    }

    /// The same in these epochs.
    pub(in crate::diff) fn in_epochs(mut self, epochs: &[u64]) -> VecSide {
        assert_eq!(epochs.len(), self.requests.len());
        self.requests.iter_mut().zip(epochs).for_each(|(one, epoch)| one.epoch = *epoch);
        self
    }

    /// The requests, in order.
    pub(in crate::diff) fn all(&self) -> &[Compared] {
        &self.requests
    }
}

fn stored(data: &[u8], place: u64) -> Payload {
    match Payload::of(data) {
        Payload::Zeroes => Payload::Zeroes,
        _ => Payload::Stored(Digest::of(data), PayloadId(place)),
    }
}

struct Listed(std::vec::IntoIter<Compared>);

impl Requests for Listed {
    fn next_request(&mut self) -> Result<Option<Compared>, DiffError> {
        Ok(self.0.next())
    }
}

impl Side for VecSide {
    fn devices(&self) -> u16 {
        self.devices
    }

    fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
        let belongs = |one: &&Compared| {
            part.epochs.contains(&one.epoch)
                && part.device.is_none_or(|device| device == one.device)
        };
        let list: Vec<_> = self.requests.iter().filter(belongs).copied().collect();
        Ok(Box::new(Listed(list.into_iter())))
    }

    fn epoch_sums(&self, device: DeviceId) -> Result<Option<EpochSums>, DiffError> {
        if !self.sums {
            return Ok(None);
        }
        let mut epochs = Vec::new();
        for one in self.requests.iter().filter(|one| one.device == device) {
            let epoch = usize::try_from(one.epoch).unwrap();
            epochs.resize(epochs.len().max(epoch + 1), (0, 0));
            let (count, sum): &mut (u64, u128) = &mut epochs[epoch];
            *count += 1;
            *sum = sum.wrapping_add(one.key(Facts::ALL).0);
        }
        Ok(Some(EpochSums { epochs }))
    }

    fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        Ok(self.data[usize::try_from(of.place).unwrap()].clone())
    }
}

/// All requests of a part.
pub(in crate::diff) fn every(mut part: Box<dyn Requests + Send + '_>) -> Vec<Compared> {
    std::iter::from_fn(|| part.next_request().unwrap()).collect()
}

/// Keeps all that an alignment says.
#[derive(Debug, Clone, Default)]
pub(in crate::diff) struct Told {
    /// Places with their counts of same requests, and of masked ones among them.
    pub(in crate::diff) same: Vec<(Place, u64, u64)>,
    pub(in crate::diff) differences: Vec<Difference>,
    /// Epochs of each device on both sides.
    pub(in crate::diff) epochs: Vec<(DeviceId, u64, u64)>,
    /// Where the window was too small.
    pub(in crate::diff) gave_up: Vec<Place>,
    /// Breaks at so many differences.
    pub(in crate::diff) enough: Option<usize>,
}

impl Outcome for Told {
    fn same(&mut self, place: Place, count: u64, masked: u64) {
        self.same.push((place, count, masked));
    }

    fn difference(&mut self, difference: Difference) -> ControlFlow<()> {
        self.differences.push(difference);
        if self.enough.is_some_and(|enough| self.differences.len() >= enough) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn epochs(&mut self, device: DeviceId, base: u64, new: u64) {
        self.epochs.push((device, base, new));
    }

    fn gave_up(&mut self, place: Place) {
        self.gave_up.push(place);
    }
}

impl Told {
    /// How many requests of each side are the same.
    pub(in crate::diff) fn same_count(&self) -> u64 {
        self.same.iter().map(|(_, count, _)| count).sum()
    }

    /// The differences in short: their kind, and the places of their requests on both sides.
    pub(in crate::diff) fn short(&self) -> Vec<(Kind, Vec<u64>, Vec<u64>)> {
        let places = |list: &[Compared]| list.iter().map(|one| one.place).collect();
        let short = |one: &Difference| (one.kind, places(&one.base), places(&one.new));
        self.differences.iter().map(short).collect()
    }

    /// Every request of both sides is told of once.
    pub(in crate::diff) fn assert_whole(&self, base: &VecSide, new: &VecSide, about: &str) {
        let told = |of: fn(&Difference) -> &Vec<Compared>, side: &VecSide| {
            let mut told: Vec<_> =
                self.differences.iter().flat_map(of).map(|one| one.place).collect();
            let all = told.len();
            told.sort_unstable();
            told.dedup();
            assert_eq!(told.len(), all, "told of twice, {about}: {:?}", self.short());
            let both = self.same_count() + all as u64;
            assert_eq!(both, side.all().len() as u64, "{about}: {:?}", self.short());
        };
        told(|one| &one.base, base);
        told(|one| &one.new, new);
    }
}

#[test]
fn a_side_made_of_a_list_counts_epochs_by_device_and_gives_parts_data_and_sums() {
    let asked = [
        write(0, 4, 7),
        write(0, 4, 0).on(1).masked(),
        flush(),
        read(0, 4, 7).failed(Errno::EIO),
        zeroes(8, 8).straddling(),
        discard(8, 8).with(Flags::FUA).on(1),
        write_data(4, &b"abcd"[..]),
    ];
    let side = VecSide::new(asked).with_sums();
    let epochs: Vec<_> = side.all().iter().map(|one| one.epoch).collect();
    assert_eq!(epochs, [0, 0, 0, 1, 1, 0, 1]);
    assert_eq!(side.devices(), 2);
    let part = side.requests(&Part { device: Some(DeviceId(0)), epochs: 1..2 }).unwrap();
    let places: Vec<_> = every(part).iter().map(|one| one.place).collect();
    assert_eq!(places, [3, 4, 6]);
    assert_eq!(side.all()[1].payload, Payload::Zeroes);
    assert!(side.all()[1].masked && side.all()[4].straddling);
    assert_eq!(side.data(&side.all()[6]).unwrap().unwrap(), "abcd");
    let sums = side.epoch_sums(DeviceId(0)).unwrap().unwrap().epochs;
    assert_eq!(sums.iter().map(|(count, _)| *count).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(side.epoch_sums(DeviceId(1)).unwrap().unwrap().epochs.len(), 1);
    let digests = side.without_data();
    assert_eq!(digests.data(&digests.all()[6]).unwrap(), None);
    assert_eq!(digests.all()[6].payload, Payload::Digest(Digest::of(b"abcd")));
}

#[test]
fn what_was_told_is_whole_if_every_request_of_both_sides_is_in_it_once() {
    let base = VecSide::new([write(0, 4, 7), flush()]);
    let new = VecSide::new([flush()]);
    let mut told = Told { enough: Some(1), ..Told::default() };
    told.same(Place::default(), 1, 0);
    let removed = Difference {
        kind: Kind::Removed,
        place: Place::default(),
        base: vec![base.all()[0]],
        new: Vec::new(),
        facts: Facts::NONE,
    };
    assert_eq!(told.difference(removed), ControlFlow::Break(()));
    told.assert_whole(&base, &new, "one removed");
    assert_eq!(told.short(), [(Kind::Removed, vec![0], vec![])]);
}
