//! What the columns of a chunk say together: absolute times, ids, offsets, and which block answers which
//! issue. A body comes in, lists of numbers go out.
//!
//! Each list is made only when it is asked for. Invariant: a list has one number for each event of its class.

use super::super::before::shape;
use super::super::decode::{self, DecodeError, Decoded, unknown};
use super::super::varint::Source;
use super::directory::Directory;
use super::join::Join;
use super::runs::{self, Class, Run};
use super::{Column, Relative, unzigzag};
use crate::event::EventKind;
use crate::limits::COLUMNS_EVENTS_MAX;
use crate::request::{ConnectionId, DeviceId};

/// The place of the issue of a block whose issue is not in the chunk.
pub(super) const NOWHERE: u32 = u32::MAX;

/// A body, its directory and its runs.
#[derive(Debug)]
pub(super) struct Walk<'body> {
    pub(super) body: &'body [u8],
    pub(super) directory: Directory,
    pub(super) runs: Vec<Run>,
    each: [usize; 4],
}

/// Where a request came from.
pub(super) type Route = (DeviceId, ConnectionId);

/// The times of events, by class.
#[derive(Debug, Default)]
pub(super) struct Times {
    pub(super) issues: Vec<u64>,
    pub(super) checkpoints: Vec<u64>,
    pub(super) blocks: Vec<u64>,
}

/// A kind of event that must be known and is not.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnknownKind {
    pub(super) kind: u8,
    /// Its place in the chunk.
    pub(super) place: u64,
}

impl<'body> Walk<'body> {
    /// Reads what there is in `body`, which holds `count` events and may be cut behind the columns that will
    /// be asked for. `body_len` is the length of the whole.
    pub(super) fn new(
        body: &'body [u8],
        body_len: usize,
        count: u32,
    ) -> Result<Walk<'body>, DecodeError> {
        if count > COLUMNS_EVENTS_MAX {
            return Err(DecodeError::Events { found: count });
        }
        let directory = Directory::read(body, body_len)?;
        let (runs, each) = runs::runs(directory.bytes(Column::Runs, body), count)?;
        Ok(Walk { body, directory, runs, each })
    }

    /// How many events there are of a class.
    pub(super) fn count(&self, class: Class) -> usize {
        self.each[class as usize]
    }

    /// The numbers of a column that has one for each event of `class`.
    pub(super) fn numbers(&self, column: Column, class: Class) -> Result<Vec<u64>, DecodeError> {
        self.directory.numbers(column, self.body, self.count(class))
    }

    /// The times of all issues, checkpoints and blocks. The other events are looked at and not kept: they can take much
    /// more memory than their bytes. One of a kind that must be known and is not ends the walk.
    pub(super) fn times(
        &self,
        time_first: u64,
        time_last: u64,
    ) -> Result<Result<Times, UnknownKind>, DecodeError> {
        let mut times = Times {
            issues: self.numbers(Column::IssueTime, Class::Issue)?,
            checkpoints: self.numbers(Column::CheckpointTime, Class::Checkpoint)?,
            blocks: self.numbers(Column::BlockTime, Class::Block)?,
        };
        let mut next = [0; 4];
        let mut others = Source::new(self.directory.bytes(Column::Others, self.body), 0);
        let (mut time, mut place) = (time_first, 0);
        for (class, length) in &self.runs {
            let from = next[*class as usize];
            next[*class as usize] += length;
            let list = match class {
                Class::Issue => &mut times.issues,
                Class::Checkpoint => &mut times.checkpoints,
                Class::Block => &mut times.blocks,
                Class::Other => {
                    for ahead in 0..*length as u64 {
                        let (at, decoded) = decode::other(&mut others, time)?;
                        time = at;
                        if let Decoded::Unknown { kind, .. } = decoded {
                            return Ok(Err(UnknownKind { kind, place: place + ahead }));
                        }
                    }
                    place += *length as u64;
                    continue;
                }
            };
            time = add_up(&mut list[from..from + length], time)
                .ok_or_else(|| unknown(&others, "a time", time))?;
            place += *length as u64;
        }
        if others.left() > 0 {
            return Err(DecodeError::Trailing { at: others.at(), left: others.left() });
        }
        if time != time_last {
            return Err(DecodeError::TimeLast { found: time, said: time_last });
        }
        Ok(Ok(times))
    }

    /// Whether the recording ends here. Refuses a kind of event that must be known and is not.
    pub(super) fn ended(&self) -> Result<bool, DecodeError> {
        let mut others = Source::new(self.directory.bytes(Column::Others, self.body), 0);
        let mut ended = false;
        while others.left() > 0 {
            // When they were is not asked.
            match decode::other(&mut others, 0)?.1 {
                Decoded::Unknown { kind, .. } => {
                    return Err(unknown(&others, "the kind of an event", kind));
                }
                Decoded::Event(event) => ended |= matches!(event.kind, EventKind::End { .. }),
                Decoded::Skipped(_) | Decoded::Done => {}
            }
        }
        Ok(ended)
    }

    /// The ids of issues or blocks.
    pub(super) fn ids(&self, column: Column, class: Class) -> Result<Vec<u64>, DecodeError> {
        let mut ids = self.numbers(column, class)?;
        let mut next: u64 = 0;
        for id in &mut ids {
            *id = next.wrapping_add(unzigzag(*id));
            next = id.wrapping_add(1);
        }
        Ok(ids)
    }

    /// The place of each block's issue in the chunk, or [`NOWHERE`].
    pub(super) fn joined(&self, issues: &[u64], blocks: &[u64]) -> Vec<u32> {
        let mut join = Join::default();
        let mut places = Vec::with_capacity(blocks.len());
        let mut asked = 0;
        for (class, length) in &self.runs {
            match class {
                Class::Issue => {
                    issues[asked..asked + length].iter().for_each(|id| join.push(*id));
                    asked += length;
                }
                Class::Block => {
                    let from = places.len();
                    places.extend(blocks[from..from + length].iter().map(|id| {
                        join.find(*id).map_or(NOWHERE, |at| u32::try_from(at).unwrap_or(NOWHERE))
                    }));
                }
                Class::Checkpoint | Class::Other => {}
            }
        }
        places
    }

    /// The routes of issues: places in the list.
    pub(super) fn routes(&self) -> Result<(Vec<u64>, Vec<Route>), DecodeError> {
        let places = self.numbers(Column::IssueRoute, Class::Issue)?;
        let mut source = Source::new(self.directory.bytes(Column::Routes, self.body), 0);
        let mut list = Vec::new();
        while source.left() > 0 {
            let device = DeviceId(decode::narrow(&mut source, "a device")?);
            list.push((device, ConnectionId(decode::narrow(&mut source, "a connection")?)));
        }
        match places.iter().find(|place| **place >= list.len() as u64) {
            Some(place) => Err(unknown(&source, "a route", *place)),
            None => Ok((places, list)),
        }
    }

    /// The numbers of `column`, of issues, made absolute. `routes` are their routes, `count` how many there
    /// are; `suggests` says what number a number at a place suggests for the one behind it.
    pub(super) fn absolute(
        &self,
        column: Column,
        (routes, count): (&[u64], usize),
        before: impl Fn(usize, u64) -> u64,
        route: impl Fn(usize, u64) -> u64,
    ) -> Result<Vec<u64>, DecodeError> {
        let mut numbers = self.numbers(column, Class::Issue)?;
        match self.directory.relative(column) {
            Relative::Plain => {}
            Relative::Before => {
                let mut expected: u64 = 0;
                for (place, number) in numbers.iter_mut().enumerate() {
                    *number = expected.wrapping_add(unzigzag(*number));
                    expected = before(place, *number);
                }
            }
            Relative::Route => {
                let mut expected: Vec<u64> = vec![0; count];
                for ((place, number), on) in numbers.iter_mut().enumerate().zip(routes) {
                    // The routes were checked against their list.
                    let Some(expected) =
                        usize::try_from(*on).ok().and_then(|on| expected.get_mut(on))
                    else {
                        continue;
                    };
                    *number = expected.wrapping_add(unzigzag(*number));
                    *expected = route(place, *number);
                }
            }
        }
        Ok(numbers)
    }

    /// The cookies of issues.
    pub(super) fn cookies(&self, routes: (&[u64], usize)) -> Result<Vec<u64>, DecodeError> {
        let next = |_, cookie: u64| cookie.wrapping_add(1);
        self.absolute(Column::IssueCookie, routes, |_, cookie| cookie, next)
    }

    /// The offsets of issues of these lengths.
    pub(super) fn offsets(
        &self,
        routes: (&[u64], usize),
        lengths: &[u64],
    ) -> Result<Vec<u64>, DecodeError> {
        let end = |place: usize, offset: u64| offset.wrapping_add(lengths[place]);
        self.absolute(Column::IssueOffset, routes, end, end)
    }

    /// How early issues of these shapes came.
    pub(super) fn earlies(&self, shapes: &[u64]) -> Result<Vec<u64>, DecodeError> {
        let early = |bits: &&u64| **bits & u64::from(shape::EARLY) != 0;
        let count = shapes.iter().filter(early).count();
        let mut told = self.directory.numbers(Column::IssueEarly, self.body, count)?.into_iter();
        let of = |bits| early(&bits).then(|| told.next()).flatten().unwrap_or(0);
        Ok(shapes.iter().map(of).collect())
    }

    /// The shapes of blocks, given the shapes of issues and which block answers which.
    pub(super) fn block_shapes(
        &self,
        issues: &[u64],
        joined: &[u32],
    ) -> Result<Vec<u64>, DecodeError> {
        let mut shapes = self.numbers(Column::BlockShape, Class::Block)?;
        let mut before = [0; 8];
        for (shape, issue) in shapes.iter_mut().zip(joined) {
            let operation = issues.get(*issue as usize).map_or(0, |shape| shape & 7);
            *shape ^= before[low(operation)];
            before[low(*shape)] = *shape;
        }
        Ok(shapes)
    }

    /// The holds of blocks.
    pub(super) fn holds(&self) -> Result<Vec<u64>, DecodeError> {
        let mut holds = self.numbers(Column::BlockHold, Class::Block)?;
        let mut rest = &mut holds[..];
        for (_, length) in self.runs.iter().filter(|(class, _)| *class == Class::Block) {
            let (run, behind) = std::mem::take(&mut rest).split_at_mut(*length);
            let mut before: u64 = 0;
            for hold in run {
                *hold = before.wrapping_add(unzigzag(*hold));
                before = *hold;
            }
            rest = behind;
        }
        Ok(holds)
    }

    /// The latencies of blocks.
    pub(super) fn latencies(
        &self,
        times: &Times,
        holds: &[u64],
        joined: &[u32],
    ) -> Result<Vec<u64>, DecodeError> {
        let mut latencies = self.numbers(Column::BlockLatency, Class::Block)?;
        let blocks = times.blocks.iter().zip(holds).zip(joined);
        for (latency, ((time, hold), issue)) in latencies.iter_mut().zip(blocks) {
            let issued = times.issues.get(*issue as usize);
            let expected =
                issued.map_or(0, |issued| time.wrapping_sub(*issued).wrapping_sub(*hold));
            *latency = expected.wrapping_add(unzigzag(*latency));
        }
        Ok(latencies)
    }
}

/// Adds up the ways since `time`; the last time, unless it is beyond 64 bits.
fn add_up(deltas: &mut [u64], mut time: u64) -> Option<u64> {
    let mut beyond = false;
    for delta in deltas {
        let (next, wrapped) = time.overflowing_add(*delta);
        beyond |= wrapped;
        (time, *delta) = (next, next);
    }
    (!beyond).then_some(time)
}

fn low(shape: u64) -> usize {
    usize::from(shape.to_le_bytes()[0] & 7)
}
