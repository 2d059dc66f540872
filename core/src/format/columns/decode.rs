//! Columns to events: the events of one chunk, one at a time, in order.
//!
//! No I/O. Invariant: no bytes make it panic, and what is refused is refused before the first event is given
//! out, but for values that this version does not know.

use super::super::before::{completion, payload, shape};
use super::super::decode::{self, DecodeError, Decoded};
use super::super::varint::Source;
use super::Column;
use super::runs::{Class, Run};
use super::walk::{Route, Times, UnknownKind, Walk};
use crate::event::{
    Block, Checkpoint, CompletionFlags, Event, EventKind, Issue, Payload, PayloadId,
};
use crate::request::{DeviceId, Digest, Errno, Flags, Operation, Request, RequestId};
use crate::units::{ByteRange, Nanos};

/// Gives out the events of one chunk, in order.
#[derive(Debug)]
pub(in crate::format) struct Decoder {
    runs: std::vec::IntoIter<Run>,
    run: Run,
    left: u32,
    unknown: Option<UnknownKind>,
    issues: Issues,
    issue: usize,
    checkpoints: Vec<(u64, u64)>,
    checkpoint: usize,
    blocks: Blocks,
    block: usize,
    /// Bytes of all other events, and how many were taken.
    others: (Vec<u8>, usize),
    /// Time of the event before.
    time: u64,
    payloads: Payloads,
}

#[derive(Debug, Default)]
struct Issues {
    times: Vec<u64>,
    ids: Vec<u64>,
    shapes: Vec<u64>,
    flags: Vec<u64>,
    routes: Vec<u64>,
    route_list: Vec<Route>,
    cookies: Vec<u64>,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
    earlies: Vec<u64>,
}

#[derive(Debug, Default)]
struct Blocks {
    times: Vec<u64>,
    ids: Vec<u64>,
    shapes: Vec<u64>,
    flags: Vec<u64>,
    devices: Vec<u64>,
    latencies: Vec<u64>,
    holds: Vec<u64>,
    errnos: std::vec::IntoIter<u64>,
    /// Bytes of all extents, and how many were taken.
    extents: (Vec<u8>, usize),
}

#[derive(Debug, Default)]
struct Payloads {
    ids: std::vec::IntoIter<u64>,
    next: u64,
    digests: std::vec::IntoIter<Digest>,
}

impl Decoder {
    /// Decodes `count` events in `body`; times are those of the chunk's header.
    pub(in crate::format) fn new(
        body: &[u8],
        count: u32,
        time_first: u64,
        time_last: u64,
    ) -> Result<Decoder, DecodeError> {
        let walk = Walk::new(body, body.len(), count)?;
        let mut decoder = Decoder {
            runs: Vec::new().into_iter(),
            run: (Class::Other, 0),
            left: count,
            unknown: None,
            issues: Issues::default(),
            issue: 0,
            checkpoints: Vec::new(),
            checkpoint: 0,
            blocks: Blocks::default(),
            block: 0,
            others: (Vec::new(), 0),
            time: time_first,
            payloads: Payloads::default(),
        };
        match walk.times(time_first, time_last)? {
            Ok(times) => decoder.load(&walk, times)?,
            Err(unknown) => decoder.unknown = Some(unknown),
        }
        Ok(decoder)
    }

    fn load(&mut self, walk: &Walk<'_>, times: Times) -> Result<(), DecodeError> {
        self.issues = Issues::load(walk)?;
        let issues = &self.issues;
        let ids = walk.ids(Column::BlockId, Class::Block)?;
        let joined = walk.joined(&issues.ids, &ids);
        self.blocks = Blocks::load(walk, issues, &times, &joined)?;
        self.blocks.ids = ids;
        self.payloads = Payloads::load(walk, &issues.shapes, &self.blocks.shapes)?;
        let which = walk.numbers(Column::CheckpointWhich, Class::Checkpoint)?;
        self.checkpoints = times.checkpoints.into_iter().zip(which).collect();
        self.issues.times = times.issues;
        self.blocks.times = times.blocks;
        walk.directory.bytes(Column::Others, walk.body).clone_into(&mut self.others.0);
        self.runs = walk.runs.clone().into_iter();
        Ok(())
    }

    /// Whether all events were given out.
    pub(in crate::format) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// The next event.
    pub(in crate::format) fn next(&mut self) -> Result<Decoded, DecodeError> {
        if let Some(UnknownKind { kind, place }) = self.unknown {
            return Ok(Decoded::Unknown { kind, ahead: place });
        }
        if self.run.1 == 0 {
            let Some(run) = self.runs.next() else { return self.done() };
            self.run = run;
        }
        self.run.1 -= 1;
        self.left -= 1;
        let (time, kind) = match self.run.0 {
            Class::Issue => {
                let at = self.issue;
                self.issue += 1;
                (self.issues.times[at], EventKind::Issue(self.issues.get(at, &mut self.payloads)?))
            }
            Class::Block => {
                let at = self.block;
                self.block += 1;
                (self.blocks.times[at], EventKind::Block(self.blocks.get(at, &mut self.payloads)?))
            }
            Class::Checkpoint => {
                let (time, which) = self.checkpoints[self.checkpoint];
                self.checkpoint += 1;
                (time, EventKind::Checkpoint(checkpoint(which)?))
            }
            Class::Other => {
                let (bytes, taken) = &mut self.others;
                let mut source = Source::new(bytes, *taken);
                let (time, decoded) = decode::other(&mut source, self.time)?;
                (*taken, self.time) = (source.at(), time);
                return Ok(decoded);
            }
        };
        self.time = time;
        Ok(Decoded::Event(Event { time: Nanos(time), kind }))
    }

    fn done(&self) -> Result<Decoded, DecodeError> {
        let (extents, taken) = &self.blocks.extents;
        if extents.len() > *taken {
            return Err(DecodeError::Trailing { at: *taken, left: extents.len() - taken });
        }
        Ok(Decoded::Done)
    }
}

impl Issues {
    /// All but the times.
    fn load(walk: &Walk<'_>) -> Result<Issues, DecodeError> {
        let shapes = walk.numbers(Column::IssueShape, Class::Issue)?;
        let lengths = walk.numbers(Column::IssueLength, Class::Issue)?;
        let (routes, route_list) = walk.routes()?;
        let on = (&routes[..], route_list.len());
        Ok(Issues {
            times: Vec::new(),
            ids: walk.ids(Column::IssueId, Class::Issue)?,
            earlies: walk.earlies(&shapes)?,
            shapes,
            flags: walk.numbers(Column::IssueFlags, Class::Issue)?,
            cookies: walk.cookies(on)?,
            offsets: walk.offsets(on, &lengths)?,
            routes,
            route_list,
            lengths,
        })
    }

    fn get(&self, at: usize, payloads: &mut Payloads) -> Result<Issue, DecodeError> {
        let allowed = shape::OPERATION | shape::PAYLOAD | shape::EARLY;
        let shape = byte("the shape of an issue", self.shapes[at], allowed)?;
        let flags = byte("a set of flags", self.flags[at], u8::MAX)?;
        let flags = Flags::from_bits(flags).ok_or(value("a set of flags", flags))?;
        let route = usize::try_from(self.routes[at]).unwrap_or(usize::MAX);
        let (device, connection) = self.route_list[route];
        let range = ByteRange::new(self.offsets[at], self.lengths[at]);
        Ok(Issue {
            id: RequestId(self.ids[at]),
            device,
            connection,
            cookie: self.cookies[at],
            request: Request { operation: operation(shape)?, range, flags },
            payload: payloads.take(shape),
            early: decode::arrival(0, self.earlies[at], self.times[at])?,
        })
    }
}

impl Blocks {
    /// All but times and ids.
    fn load(
        walk: &Walk<'_>,
        issues: &Issues,
        times: &Times,
        joined: &[u32],
    ) -> Result<Blocks, DecodeError> {
        let shapes = walk.block_shapes(&issues.shapes, joined)?;
        let mut devices = walk.numbers(Column::BlockDevice, Class::Block)?;
        for (device, issue) in devices.iter_mut().zip(joined) {
            let route = issues.routes.get(*issue as usize);
            let route = route.and_then(|route| usize::try_from(*route).ok());
            *device ^= route.map_or(0, |route| u64::from(issues.route_list[route].0.0));
        }
        let holds = walk.holds()?;
        let failed = shapes.iter().filter(|bits| **bits & u64::from(shape::FAILED) != 0).count();
        let errnos = walk.directory.numbers(Column::BlockErrno, walk.body, failed)?;
        Ok(Blocks {
            times: Vec::new(),
            ids: Vec::new(),
            flags: walk.numbers(Column::BlockFlags, Class::Block)?,
            latencies: walk.latencies(times, &holds, joined)?,
            shapes,
            devices,
            holds,
            errnos: errnos.into_iter(),
            extents: (walk.directory.bytes(Column::Extents, walk.body).to_owned(), 0),
        })
    }

    fn get(&mut self, at: usize, payloads: &mut Payloads) -> Result<Block, DecodeError> {
        let shape = byte("the shape of a block", self.shapes[at], !shape::ROUTE)?;
        let bits = byte("a set of completion flags", self.flags[at], completion::KNOWN)?;
        let result = if shape & shape::FAILED == 0 {
            Ok(())
        } else {
            let errno = self.errnos.next().expect("there is one for each that failed");
            Err(Errno(narrow("an error number", errno)?))
        };
        let mut extents = Vec::new();
        if shape & shape::EXTENTS != 0 {
            let (bytes, taken) = &mut self.extents;
            let mut source = Source::new(bytes, *taken);
            extents = decode::extents(&mut source)?;
            *taken = source.at();
        }
        Ok(Block {
            id: RequestId(self.ids[at]),
            device: DeviceId(narrow("a device", self.devices[at])?),
            operation: operation(shape)?,
            result,
            latency: Nanos(self.latencies[at]),
            hold: Nanos(self.holds[at]),
            flags: CompletionFlags {
                undelivered: bits & completion::UNDELIVERED != 0,
                refused: bits & completion::REFUSED != 0,
            },
            payload: payloads.take(shape),
            extents,
        })
    }
}

impl Payloads {
    fn load(walk: &Walk<'_>, issues: &[u64], blocks: &[u64]) -> Result<Payloads, DecodeError> {
        let known = |wanted: u8| {
            let of = |shape: &&u64| known(shape.to_le_bytes()[0]) == wanted;
            issues.iter().filter(of).count() + blocks.iter().filter(of).count()
        };
        let (hashed, stored) = (known(payload::DIGEST), known(payload::STORED));
        let bytes = walk.directory.bytes(Column::Digests, walk.body);
        let count = hashed + stored;
        if bytes.len() != 16 * count {
            let column = Column::Digests.name();
            return Err(DecodeError::Column { column, bytes: bytes.len(), count });
        }
        let (digests, _) = bytes.as_chunks();
        let digests: Vec<_> =
            digests.iter().map(|bytes| Digest(u128::from_le_bytes(*bytes))).collect();
        let ids = walk.directory.numbers(Column::PayloadId, walk.body, stored)?;
        Ok(Payloads { ids: ids.into_iter(), next: 0, digests: digests.into_iter() })
    }

    /// The payload of the next event, which has this shape.
    fn take(&mut self, shape: u8) -> Payload {
        let known = known(shape);
        if known == payload::ABSENT {
            return Payload::Absent;
        }
        if known == payload::ZEROES {
            return Payload::Zeroes;
        }
        let digest = self.digests.next().expect("there is one for each");
        if known == payload::DIGEST {
            return Payload::Digest(digest);
        }
        let way = super::unzigzag(self.ids.next().expect("there is one for each"));
        let id = self.next.wrapping_add(way);
        self.next = id.wrapping_add(1);
        Payload::Stored(digest, PayloadId(id))
    }
}

fn known(shape: u8) -> u8 {
    (shape & shape::PAYLOAD) >> shape::PAYLOAD_SHIFT
}

fn value(what: &'static str, found: impl Into<u64>) -> DecodeError {
    DecodeError::Value { at: 0, what, found: found.into() }
}

/// A number that fits in a byte and has no other bits than `allowed`.
fn byte(what: &'static str, found: u64, allowed: u8) -> Result<u8, DecodeError> {
    u8::try_from(found).ok().filter(|byte| byte & !allowed == 0).ok_or(value(what, found))
}

fn narrow<N: TryFrom<u64>>(what: &'static str, found: u64) -> Result<N, DecodeError> {
    N::try_from(found).map_err(|_| value(what, found))
}

fn operation(shape: u8) -> Result<Operation, DecodeError> {
    let number = shape & shape::OPERATION;
    Operation::from_number(number).ok_or(value("an operation", number))
}

fn checkpoint(which: u64) -> Result<Checkpoint, DecodeError> {
    Checkpoint::from_number(which).ok_or(value("a checkpoint", which))
}
