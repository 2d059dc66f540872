//! The summary of a chunk of events: what a reader can have without its body. A struct in, bytes out, and back.
//!
//! A list of tagged values; a reader skips tags that it does not know. Knows nothing of how a summary comes about
//! (`summarize`). Invariant: what is encoded fits in `SUMMARY_BYTES_MAX`, because `summarize` bounds each part.

use super::counts::OperationCounts;
use super::decode::DecodeError;
use super::marks::{self, Placed};
use super::sketch::Sketch;
use super::varint::{Source, SourceError, put, put_difference};
use crate::limits::OPEN_LISTED_MAX;
use crate::request::{DeviceId, Operation, RequestId};

/// The tags.
const OPERATIONS: u64 = 1;
const RANGES: u64 = 2;
const LATENCIES: u64 = 3;
const OPEN: u64 = 4;
const EPOCHS: u64 = 5;
const MARKS: u64 = 6;
const INDEX: u64 = 7;

/// A sketch of fewer completions than this says no more than they do themselves.
pub(super) const SKETCHED_MIN: u64 = 16;

/// What a chunk of events says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Requests by operation.
    pub operations: OperationCounts,
    /// What the requests that were issued in the chunk reach over; `None` without one.
    pub ranges: Option<Ranges>,
    /// How long completions took, from issue to the moment the image was done; only operations with at least 16 of
    /// them.
    pub latencies: Vec<(Operation, Sketch)>,
    /// What a reader must know that begins behind the chunk; `None` if the writer lost track.
    pub state: Option<State>,
    /// The requests that completed in the chunk, by device and epoch, in this order; `None` if the writer lost
    /// track. Sums over chunks are equal if, but for a collision of 128 bits, the same requests completed.
    pub epochs: Option<Vec<EpochSum>>,
    /// Marks, and their places among the events of the chunk.
    pub marks: Vec<Placed>,
    /// First byte of the last index before the chunk; `None` if there is none yet.
    pub index: Option<u64>,
}

/// What requests reach over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranges {
    /// Lowest first byte, on any device, of those with a length.
    pub offset_first: u64,
    /// Highest byte after the last; `u64::MAX` if one would lie beyond, 0 if none has a length.
    pub offset_end: u64,
    /// Lowest id.
    pub id_first: RequestId,
    /// Highest id.
    pub id_last: RequestId,
}

/// Where things stand at the end of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Requests issued and not released.
    pub open: u64,
    /// Their ids, ascending; empty if there are more than `OPEN_LISTED_MAX`.
    pub open_ids: Vec<RequestId>,
    /// Flushes released so far, by device; only devices with any, ascending, and only the first `DEVICES_MAX` ones.
    pub flushes: Vec<(DeviceId, u64)>,
}

impl State {
    /// The requests that are open, ascending; `None` if they are not all listed.
    pub fn listed(&self) -> Option<&[RequestId]> {
        (self.open == self.open_ids.len() as u64).then_some(&self.open_ids)
    }

    /// Flushes released so far by `device`, or by all.
    pub fn flushes_of(&self, device: Option<DeviceId>) -> u64 {
        let counted =
            self.flushes.iter().filter(|(found, _)| device.is_none_or(|one| one == *found));
        counted.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// Whether one of `ids`, which ascend, lies between the first and the last of a chunk.
pub(crate) fn any_between(ids: &[RequestId], (first, last): (RequestId, RequestId)) -> bool {
    let next = ids.partition_point(|id| *id < first);
    ids.get(next).is_some_and(|id| *id <= last)
}

/// The requests of one epoch of one device that completed in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochSum {
    /// The device.
    pub device: DeviceId,
    /// Flushes released on it when they were issued.
    pub epoch: u64,
    /// How many requests.
    pub count: u64,
    /// The sum of their digests, modulo 2^128.
    pub sum: u128,
}

impl Summary {
    /// The requests that are open behind the chunk, ascending; `None` if it does not list them all.
    pub fn open_ids(&self) -> Option<&[RequestId]> {
        self.state.as_ref()?.listed()
    }

    /// The summary section of a chunk.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut section = Vec::new();
        let mut tagged = |tag: u64, value: Vec<u8>| {
            if !value.is_empty() {
                put(&mut section, tag);
                put(&mut section, value.len() as u64);
                section.extend(value);
            }
        };
        tagged(OPERATIONS, self.operations.encode());
        tagged(RANGES, self.ranges.as_ref().map(encode_ranges).unwrap_or_default());
        tagged(LATENCIES, encode_latencies(&self.latencies));
        tagged(OPEN, self.state.as_ref().map(encode_state).unwrap_or_default());
        tagged(EPOCHS, self.epochs.as_deref().map(encode_epochs).unwrap_or_default());
        tagged(MARKS, encode_marks(&self.marks));
        tagged(INDEX, self.index.map(encode_number).unwrap_or_default());
        section
    }

    /// Reads a summary section.
    pub(super) fn decode(section: &[u8]) -> Result<Summary, DecodeError> {
        let mut summary = Summary::default();
        for_each_tag(section, |tag, value| {
            let mut source = Source::new(value, 0);
            match tag {
                OPERATIONS => summary.operations = OperationCounts::decode(value)?,
                RANGES => summary.ranges = Some(decode_ranges(&mut source)?),
                LATENCIES => summary.latencies = decode_latencies(&mut source)?,
                OPEN => summary.state = Some(decode_state(&mut source)?),
                EPOCHS => summary.epochs = Some(decode_epochs(&mut source)?),
                MARKS => summary.marks = marks::decode(value)?,
                INDEX => summary.index = Some(source.number()?),
                _ => {}
            }
            Ok::<(), DecodeError>(())
        })?;
        if summary.state.is_some() {
            // A writer that keeps track leaves the list out if it is empty.
            summary.epochs.get_or_insert_default();
        }
        Ok(summary)
    }
}

/// Goes over a list of `tag | length | value`.
pub(super) fn for_each_tag<E: From<SourceError>>(
    list: &[u8],
    mut take: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut source = Source::new(list, 0);
    while source.left() > 0 {
        let tag = source.number()?;
        let length = source.number()?;
        take(tag, source.slice(length)?)?;
    }
    Ok(())
}

fn encode_number(number: u64) -> Vec<u8> {
    let mut value = Vec::new();
    put(&mut value, number);
    value
}

fn encode_ranges(ranges: &Ranges) -> Vec<u8> {
    let mut value = encode_number(ranges.offset_first);
    put(&mut value, ranges.offset_end - ranges.offset_first);
    put(&mut value, ranges.id_first.0);
    put(&mut value, ranges.id_last.0 - ranges.id_first.0);
    value
}

fn decode_ranges(source: &mut Source<'_>) -> Result<Ranges, DecodeError> {
    let offset_first = source.number()?;
    let offset_end = offset_first.saturating_add(source.number()?);
    let id_first = source.number()?;
    let id_last = RequestId(id_first.saturating_add(source.number()?));
    Ok(Ranges { offset_first, offset_end, id_first: RequestId(id_first), id_last })
}

fn encode_latencies(latencies: &[(Operation, Sketch)]) -> Vec<u8> {
    let mut value = Vec::new();
    for (operation, sketch) in latencies {
        value.push(*operation as u8);
        sketch.encode(&mut value);
    }
    value
}

fn decode_latencies(source: &mut Source<'_>) -> Result<Vec<(Operation, Sketch)>, DecodeError> {
    let mut latencies = Vec::new();
    while source.left() > 0 {
        let operation = Operation::from_number(source.byte()?);
        let sketch = Sketch::decode(source)?;
        latencies.extend(operation.map(|operation| (operation, sketch)));
        // Each operation is there once; more is nothing that a writer wrote.
        latencies.truncate(Operation::NAMES.len());
    }
    Ok(latencies)
}

fn encode_state(state: &State) -> Vec<u8> {
    let mut value = encode_number(state.open);
    let mut next = 0;
    for id in &state.open_ids {
        put_difference(&mut value, id.0, next);
        next = id.0.wrapping_add(1);
    }
    let mut next = 0;
    for (device, count) in &state.flushes {
        put(&mut value, u64::from(device.0) - next);
        put(&mut value, *count);
        next = u64::from(device.0) + 1;
    }
    value
}

fn decode_state(source: &mut Source<'_>) -> Result<State, DecodeError> {
    let open = source.number()?;
    let mut open_ids = Vec::new();
    if open <= OPEN_LISTED_MAX as u64 {
        let mut next = 0;
        for _ in 0..open {
            let id = source.difference(next)?;
            open_ids.push(RequestId(id));
            next = id.wrapping_add(1);
        }
    }
    let mut flushes = Vec::new();
    let mut next: u64 = 0;
    while source.left() > 0 {
        let device = next.saturating_add(source.number()?);
        let count = source.number()?;
        flushes.extend(u16::try_from(device).ok().map(|device| (DeviceId(device), count)));
        next = device.saturating_add(1);
    }
    Ok(State { open, open_ids, flushes })
}

/// Epochs of one device after the other: the device, how many epochs of it, then each: the way from the epoch before,
/// less one, its count, and its sum.
fn encode_epochs(epochs: &[EpochSum]) -> Vec<u8> {
    let mut value = Vec::new();
    for of_device in epochs.chunk_by(|one, other| one.device == other.device) {
        put(&mut value, u64::from(of_device[0].device.0));
        put(&mut value, of_device.len() as u64);
        let mut next = 0;
        for one in of_device {
            put(&mut value, one.epoch - next);
            put(&mut value, one.count);
            value.extend(one.sum.to_le_bytes());
            next = one.epoch + 1;
        }
    }
    value
}

fn decode_epochs(source: &mut Source<'_>) -> Result<Vec<EpochSum>, DecodeError> {
    let mut epochs = Vec::new();
    while source.left() > 0 {
        let device = source.number()?;
        let mut next: u64 = 0;
        for _ in 0..source.number()? {
            let epoch = next.saturating_add(source.number()?);
            let count = source.number()?;
            let sum = u128::from_le_bytes(source.array()?);
            if let Ok(device) = u16::try_from(device) {
                epochs.push(EpochSum { device: DeviceId(device), epoch, count, sum });
            }
            next = epoch.saturating_add(1);
        }
    }
    Ok(epochs)
}

fn encode_marks(placed: &[Placed]) -> Vec<u8> {
    let mut value = Vec::new();
    let mut after = 0;
    for (place, name) in placed {
        marks::encode(&mut value, after, *place, name);
        after = place + 1;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Nanos;

    fn some() -> Summary {
        let mut sketch = Sketch::default();
        (0..20).for_each(|step| sketch.add(Nanos(80_000 + step * 1000)));
        let sum = |device, epoch, sum| EpochSum { device: DeviceId(device), epoch, count: 3, sum };
        Summary {
            operations: OperationCounts::default(),
            ranges: Some(Ranges {
                offset_first: 4096,
                offset_end: u64::MAX,
                id_first: RequestId(7),
                id_last: RequestId(u64::MAX),
            }),
            latencies: vec![(Operation::Read, sketch.clone()), (Operation::Flush, sketch)],
            state: Some(State {
                open: 3,
                open_ids: vec![RequestId(5), RequestId(6), RequestId(u64::MAX)],
                flushes: vec![(DeviceId(0), 9), (DeviceId(1023), 1)],
            }),
            epochs: Some(vec![sum(0, 0, 1), sum(0, 5, u128::MAX), sum(1, 1 << 40, 2)]),
            marks: vec![(0, "a".parse().unwrap()), (9, "b".parse().unwrap())],
            index: Some(123_456),
        }
    }

    #[test]
    fn a_summary_reads_back() {
        assert_eq!(Summary::decode(&some().encode()).unwrap(), some());
        assert_eq!(Summary::decode(&[]).unwrap(), Summary::default());
        let idle = Summary {
            state: Some(State::default()),
            epochs: Some(Vec::new()),
            ..Summary::default()
        };
        assert_eq!(
            Summary::decode(&idle.encode()).unwrap(),
            idle,
            "no epoch is not an unknown one"
        );
    }

    #[test]
    fn tags_that_are_not_known_are_skipped() {
        let mut section = vec![99, 3, 1, 2, 3];
        section.extend(some().encode());
        section.extend([100, 0]);
        assert_eq!(Summary::decode(&section).unwrap(), some());
    }

    #[test]
    fn a_summary_cut_inside_a_value_is_refused() {
        let section = some().encode();
        let mut whole = Vec::new();
        let mut source = Source::new(&section, 0);
        while source.left() > 0 {
            whole.push(source.at());
            source.number().unwrap();
            let length = source.number().unwrap();
            source.slice(length).unwrap();
        }
        assert_eq!(whole.len(), 6);
        for end in (0..section.len()).filter(|end| !whole.contains(end)) {
            assert!(Summary::decode(&section[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn a_claim_of_many_values_costs_no_memory() {
        for (tag, value) in [(LATENCIES, vec![0]), (OPEN, vec![]), (EPOCHS, vec![0])] {
            let mut section = vec![];
            put(&mut section, tag);
            let mut claim = value;
            put(&mut claim, u64::MAX);
            put(&mut section, claim.len() as u64);
            section.extend(claim);
            // More open requests than are listed is no error; none are listed then.
            assert_eq!(Summary::decode(&section).is_ok(), tag == OPEN);
        }
    }

    #[test]
    fn the_flushes_of_all_devices_add_up() {
        let state = some().state.unwrap();
        assert_eq!(state.flushes_of(None), 10);
        assert_eq!(state.flushes_of(Some(DeviceId(0))), 9);
        assert_eq!(state.flushes_of(Some(DeviceId(2))), 0);
    }
}
