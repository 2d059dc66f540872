//! What a replay expects: the requests of the log that were read ahead, until each is over.
//!
//! They are found by what is asked, so that an arrival finds those that ask the same. It decides
//! nothing about when a request may go. Invariant: a place names one expected request for ever.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::counterparts::Counterparts;
use super::late::Late;
use super::outbox::Outbox;
use crate::event::{Block, Payload};
use crate::request::{ConnectionId, DeviceId, Errno, Extent, Request, RequestId};
use crate::units::Nanos;

/// A request of the log that is not over.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and any may hold with any"
)]
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) id: RequestId,
    /// Its issue's place in the trace.
    pub(super) event: u64,
    /// When it was issued in the recording.
    pub(super) time: Nanos,
    /// How long the recording had waited for it since the last release.
    pub(super) wait: Nanos,
    /// The step in which it was issued.
    pub(super) step: u64,
    pub(super) epoch: u64,
    pub(super) device: DeviceId,
    pub(super) connection: ConnectionId,
    pub(super) request: Request,
    /// The data of a write, as far as the trace knows them.
    pub(super) payload: Payload,
    /// It failed when it was recorded, and is not done again.
    pub(super) failed: bool,
    /// Its client had gone: it is not waited for.
    pub(super) optional: bool,
    /// How it ended in the recording, once that was read.
    pub(super) block: Option<Box<Block>>,
    /// Its step has come.
    pub(super) reached: bool,
    /// Nothing that must be before it is left.
    pub(super) clear: bool,
    /// It is in the log of the replay.
    pub(super) entered: bool,
    /// What the trace does not have of its data was made up; of a read, data that were may lie in its range.
    pub(super) filled: bool,
    /// A conflicting request may have been done in either order.
    pub(super) racy: bool,
    /// Its data are on their way, from the trace or from where they were spilled.
    pub(super) fetching: bool,
    /// Its data came from the trace.
    pub(super) fetched: bool,
    /// A divergence names it already.
    pub(super) named: bool,
    pub(super) stage: Stage,
}

/// How far a request has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has not arrived.
    Missing,
    /// It has arrived and waits for its turn.
    Arrived(Came),
    /// It is with the image, or its data are being fetched.
    Away(Came),
    /// It is complete and not released.
    Done(Came, Done),
    /// It was released, or nobody waits for it any more.
    Over,
}

/// A request as it came.
#[derive(Debug)]
pub(super) struct Came {
    /// Where its completion goes.
    pub(super) outbox: Arc<Outbox>,
    pub(super) tag: u64,
    pub(super) cookie: u64,
    pub(super) connection: ConnectionId,
    pub(super) data: Data,
    /// When it arrived.
    pub(super) at: Nanos,
    /// When it went to the image, or what stands for that.
    pub(super) went: Nanos,
    /// The front refuses it.
    pub(super) refused: Option<Errno>,
    /// No client waits for it: it is done from the trace.
    pub(super) own: bool,
    /// What it holds of the room for early arrivals, in bytes.
    pub(super) kept: u64,
}

/// Where the data of a write are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    /// Here. Empty for all that is no write.
    Memory(Bytes),
    /// In the file of those that were kept, from this byte on.
    Spilled(u64),
}

impl Data {
    /// What they take of our memory, in bytes.
    pub(super) fn held_bytes(&self) -> u64 {
        match self {
            Data::Memory(bytes) => bytes.len() as u64,
            Data::Spilled(_) => 0,
        }
    }
}

/// How a request ended now.
#[derive(Debug)]
pub(super) enum Done {
    /// As it was recorded; nobody asked an image.
    AsRecorded,
    /// The image, or the trace in its place, said so.
    Answered(Answer),
}

/// What an image said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) result: Result<(), Errno>,
    pub(super) payload: Payload,
    pub(super) data: Bytes,
    pub(super) extents: Vec<Extent>,
    /// When it did.
    pub(super) at: Nanos,
}

impl Answer {
    /// An error.
    pub(super) fn failed(errno: Errno, at: Nanos) -> Answer {
        let (data, extents) = (Bytes::new(), Vec::new());
        Answer { result: Err(errno), payload: Payload::Absent, data, extents, at }
    }
}

impl Expected {
    /// What an arrival must ask to be this one, beside its data.
    fn key(&self) -> Key {
        Key { device: self.device, request: self.request }
    }

    /// Whether the replay must not go on without it.
    pub(super) fn is_awaited(&self) -> bool {
        !self.optional && matches!(self.stage, Stage::Missing)
    }
}

/// What an arrival is matched by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived<'a> {
    pub(super) connection: ConnectionId,
    pub(super) device: DeviceId,
    pub(super) request: Request,
    pub(super) payload: &'a Payload,
}

/// What an arrival is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The request at this place.
    Expected(u64),
    /// One whose client had gone, and that is over.
    Late,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    device: DeviceId,
    request: Request,
}

/// The expected requests, by place, by id, and by what they ask.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Place of the first of `expected`.
    base: u64,
    expected: VecDeque<Expected>,
    by_id: HashMap<RequestId, u64, foldhash::fast::RandomState>,
    /// Of those that have not arrived, in order.
    by_key: HashMap<Key, VecDeque<u64>>,
    unmatched: usize,
}

impl Window {
    /// The place that the next one gets.
    pub(super) fn next_place(&self) -> u64 {
        self.base + self.expected.len() as u64
    }

    /// How many there are that are not over, and behind the first of them.
    pub(super) fn len(&self) -> usize {
        self.expected.len()
    }

    /// How many have not arrived.
    pub(super) fn unmatched(&self) -> usize {
        self.unmatched
    }

    /// Takes one. It may be matched from now on if it is `open` to arrivals.
    pub(super) fn push(&mut self, expected: Expected, open: bool) -> u64 {
        let place = self.next_place();
        self.by_id.insert(expected.id, place);
        if open {
            self.by_key.entry(expected.key()).or_default().push_back(place);
            self.unmatched += 1;
        }
        self.expected.push_back(expected);
        place
    }

    pub(super) fn contains(&self, id: RequestId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(super) fn place_of(&self, id: RequestId) -> Option<u64> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn get(&self, place: u64) -> Option<&Expected> {
        let index = usize::try_from(place.checked_sub(self.base)?).ok()?;
        self.expected.get(index)
    }

    pub(super) fn get_mut(&mut self, place: u64) -> Option<&mut Expected> {
        let index = usize::try_from(place.checked_sub(self.base)?).ok()?;
        self.expected.get_mut(index)
    }

    /// All of them with their places, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Expected)> + Clone {
        (self.base..).zip(&self.expected)
    }

    /// Takes one that asks the same and whose data are not known to differ, out of those that have not arrived and lie
    /// `before` this place in the trace, or that are `late`: the earliest, unless `counterparts` know better for this
    /// connection.
    pub(super) fn take_match(
        &mut self,
        arrival: &Arrived<'_>,
        before: u64,
        late: &mut Late,
        counterparts: &mut Counterparts,
    ) -> Option<Found> {
        let key = Key { device: arrival.device, request: arrival.request };
        let (base, expected) = (self.base, &self.expected);
        let queue = self.by_key.get(&key);
        let open = queue.into_iter().flatten().enumerate().filter_map(|(index, place)| {
            let one = expected.get(usize::try_from(place - base).unwrap_or(usize::MAX))?;
            let fits = one.event < before && !one.payload.differs(arrival.payload);
            fits.then_some((Ok(index), one.connection))
        });
        let gone = late.candidates(arrival).map(|(index, connection)| (Err(index), connection));
        match counterparts.choose(arrival.connection, open.chain(gone))? {
            Ok(index) => self.take(key, index).map(Found::Expected),
            Err(index) => {
                late.take(arrival, index);
                Some(Found::Late)
            }
        }
    }

    /// The one that stands there among those that ask the same is open to arrivals no more.
    fn take(&mut self, key: Key, index: usize) -> Option<u64> {
        let queue = self.by_key.get_mut(&key)?;
        let place = queue.remove(index)?;
        if queue.is_empty() {
            self.by_key.remove(&key);
        }
        self.unmatched -= 1;
        Some(place)
    }

    /// The earliest that asks the same as the one at `place`, with the same data, and came, and waits for its turn.
    pub(super) fn same_that_waits(&self, place: u64) -> Option<u64> {
        let missing = self.get(place)?;
        let same = |one: &Expected| {
            let waits = matches!(&one.stage, Stage::Arrived(came) if !came.own);
            waits
                && !one.entered
                && !one.fetching
                && one.key() == missing.key()
                && one.payload == missing.payload
        };
        self.iter().find(|(_, one)| same(one)).map(|(place, _)| place)
    }

    /// What came is not the one at `place` but something else: it is open to arrivals again.
    pub(super) fn take_back(&mut self, place: u64) -> Option<Came> {
        let one = self.get_mut(place)?;
        let (key, stage) = (one.key(), std::mem::replace(&mut one.stage, Stage::Missing));
        let Stage::Arrived(came) = stage else {
            one.stage = stage;
            return None;
        };
        let queue = self.by_key.entry(key).or_default();
        let index = queue.partition_point(|other| *other < place);
        queue.insert(index, place);
        self.unmatched += 1;
        Some(came)
    }

    /// Nobody is to match the one at `place` any more.
    pub(super) fn close(&mut self, place: u64) {
        let Some(key) = self.get(place).map(Expected::key) else { return };
        let Some(queue) = self.by_key.get_mut(&key) else { return };
        if let Some(index) = queue.iter().position(|one| *one == place) {
            queue.remove(index);
            self.unmatched -= 1;
        }
        if queue.is_empty() {
            self.by_key.remove(&key);
        }
    }

    /// Ends the one at `place`; returns how far it had come.
    pub(super) fn end(&mut self, place: u64) -> Stage {
        let Some(expected) = self.get_mut(place) else { return Stage::Over };
        let stage = std::mem::replace(&mut expected.stage, Stage::Over);
        let (id, optional) = (expected.id, expected.optional);
        if self.by_id.get(&id) == Some(&place) {
            self.by_id.remove(&id);
        }
        // One whose client had gone is open to arrivals though it was begun without.
        if optional || matches!(stage, Stage::Missing) {
            self.close(place);
        }
        stage
    }

    /// Forgets those at the front that are over.
    pub(super) fn forget(&mut self) {
        while self.expected.front().is_some_and(|one| matches!(one.stage, Stage::Over)) {
            self.expected.pop_front();
            self.base += 1;
        }
    }
}
