//! The columns of a chunk as slices, only those that are asked for: bodies come in, lists of numbers go out.
//!
//! Knows no files. Chunks in rows give the same, by decoding them. Invariant: all lists of issues that were
//! asked for have the same length, and so have those of blocks.

use std::collections::HashMap;

use super::super::before::shape;
use super::super::decode::{self, DecodeError, Visited};
use super::super::frame::ChunkHeader;
use super::Column;
use super::directory::Directory;
use super::fields::{BlockColumns, ColumnChunk, Field, Fields, IssueColumns, NO_ISSUE};
use super::join::Join;
use super::runs::Class;
use super::walk::{Times, Walk};
use crate::limits::ROWS_HELD_MAX;
use crate::request::RequestId;

/// Makes columns of one chunk after the other.
#[derive(Debug)]
pub(in crate::format) struct Batcher {
    wanted: Fields,
    chunk: ColumnChunk,
    /// Places of issues of chunks before, counted from the first that is carried.
    carried: HashMap<u64, u32>,
    /// Where chunks were left out since: the ids of those that are still open, ascending.
    open: Option<Vec<RequestId>>,
}

impl Batcher {
    pub(in crate::format) fn new(wanted: Fields) -> Batcher {
        Batcher { wanted, chunk: ColumnChunk::default(), carried: HashMap::new(), open: None }
    }

    /// The columns made last.
    pub(in crate::format) fn chunk(&self) -> &ColumnChunk {
        &self.chunk
    }

    /// Whether it is asked which issue each block answers.
    pub(in crate::format) fn joins(&self) -> bool {
        self.wanted.has(Field::BlockIssue)
    }

    /// Leaves out the next chunk, behind which only these are open, ascending.
    pub(in crate::format) fn keep(&mut self, open: &[RequestId]) {
        self.open = Some(open.to_vec());
    }

    /// How much of a body of `length` bytes must be unpacked: up to the digests, unless what lies behind them is wanted
    /// and there.
    pub(in crate::format) fn reach(&self, directory: &Directory, length: usize) -> usize {
        let behind = directory.start(Column::IssueEarly);
        if self.wanted.has(Field::IssueEarly) && behind < length {
            length
        } else {
            directory.start(Column::Digests)
        }
    }

    /// Makes the columns of a chunk by column. `body` may be cut behind the columns that are wanted.
    pub(in crate::format) fn columns(
        &mut self,
        header: &ChunkHeader,
        body: &[u8],
    ) -> Result<(), DecodeError> {
        let carried = self.carry();
        let walk = Walk::new(body, header.raw_len as usize, header.count)?;
        self.chunk = ColumnChunk {
            issues: IssueColumns::of(&walk, self.wanted)?,
            blocks: BlockColumns::default(),
            ended: walk.ended()?,
        };
        let times = self.times(&walk, header)?;
        self.blocks(&walk, &times)?;
        let wanted = self.wanted;
        let issues = &mut self.chunk.issues;
        issues.time = if wanted.has(Field::IssueTime) { times.issues } else { Vec::new() };
        self.chunk.blocks.time =
            if wanted.has(Field::BlockTime) { times.blocks } else { Vec::new() };
        issues.append(carried);
        Ok(())
    }

    /// All times, if somebody needs them.
    fn times(&self, walk: &Walk<'_>, header: &ChunkHeader) -> Result<Times, DecodeError> {
        let needs = [Field::IssueTime, Field::BlockTime, Field::BlockLatency];
        if !self.wanted.has_any(&needs) {
            return Ok(Times::default());
        }
        let times = walk.times(header.time_first, header.time_last)?;
        times.map_err(|unknown| DecodeError::Value {
            at: 0,
            what: "the kind of an event",
            found: unknown.kind.into(),
        })
    }

    fn blocks(&mut self, walk: &Walk<'_>, times: &Times) -> Result<(), DecodeError> {
        let wanted = self.wanted;
        let blocks = &mut self.chunk.blocks;
        blocks.id = walk.ids(Column::BlockId, Class::Block)?;
        let needs_issue = [Field::BlockIssue, Field::BlockLatency, Field::BlockErrno];
        if wanted.has_any(&needs_issue) {
            blocks.issue = walk.joined(&self.chunk.issues.id, &blocks.id);
        }
        if wanted.has_any(&[Field::BlockHold, Field::BlockLatency]) {
            blocks.hold = walk.holds()?;
        }
        if wanted.has(Field::BlockLatency) {
            blocks.latency = walk.latencies(times, &blocks.hold, &blocks.issue)?;
        }
        if wanted.has(Field::BlockErrno) {
            let issues = walk.numbers(Column::IssueShape, Class::Issue)?;
            let shapes = walk.block_shapes(&issues, &blocks.issue)?;
            blocks.errno = errnos(walk, &shapes)?;
        }
        if !wanted.has(Field::BlockHold) {
            blocks.hold = Vec::new();
        }
        if !wanted.has(Field::BlockIssue) {
            blocks.issue = Vec::new();
        }
        find_carried(blocks, &self.carried, self.chunk.issues.own);
        Ok(())
    }

    /// Makes the columns of a chunk in rows.
    pub(in crate::format) fn rows(
        &mut self,
        header: &ChunkHeader,
        body: &[u8],
    ) -> Result<(), DecodeError> {
        let carried = self.carry();
        self.chunk = ColumnChunk::default();
        let wanted = self.wanted;
        let mut join = Join::default();
        let ColumnChunk { issues, blocks, ended } = &mut self.chunk;
        let times = (header.time_first, header.time_last);
        decode::visit(body, header.count, times, |time, visited| match visited {
            Visited::Issue(issue) => {
                join.push(issue.id.0);
                issues.push(time, &issue, wanted);
            }
            Visited::Block(block) => {
                blocks.push(time, &block, wanted);
                if wanted.has(Field::BlockIssue) {
                    let place = join.find(block.id.0).and_then(|at| u32::try_from(at).ok());
                    blocks.issue.push(place.unwrap_or(NO_ISSUE));
                }
            }
            Visited::End => *ended = true,
        })?;
        issues.own = issues.id.len();
        find_carried(blocks, &self.carried, issues.own);
        issues.append(carried);
        Ok(())
    }

    /// Takes out the issues that are not answered yet.
    fn carry(&mut self) -> IssueColumns {
        self.carried.clear();
        let mut kept = IssueColumns::default();
        if !self.wanted.has(Field::BlockIssue) {
            return kept;
        }
        let ColumnChunk { issues, blocks, .. } = &self.chunk;
        let mut open = vec![true; issues.id.len()];
        for issue in &blocks.issue {
            if let Some(open) = open.get_mut(*issue as usize) {
                *open = false;
            }
        }
        if let Some(known) = self.open.take() {
            for (open, id) in open.iter_mut().zip(&issues.id) {
                *open &= known.binary_search(&RequestId(*id)).is_ok();
            }
        }
        // Those carried before are older than the chunk's own.
        let places = (issues.own..open.len()).chain(0..issues.own).filter(|place| open[*place]);
        let places: Vec<usize> = places.collect();
        for place in &places[places.len().saturating_sub(ROWS_HELD_MAX)..] {
            let next = u32::try_from(kept.id.len()).unwrap_or(NO_ISSUE);
            self.carried.insert(issues.id[*place], next);
            kept.push_from(issues, *place);
        }
        kept
    }
}

/// Looks for the issues of blocks among those carried, which come behind the chunk's own.
fn find_carried(blocks: &mut BlockColumns, carried: &HashMap<u64, u32>, own: usize) {
    let own = u32::try_from(own).unwrap_or(NO_ISSUE);
    for (issue, id) in
        blocks.issue.iter_mut().zip(&blocks.id).filter(|(issue, _)| **issue == NO_ISSUE)
    {
        if let Some(place) = carried.get(id) {
            *issue = own.saturating_add(*place);
        }
    }
}

impl IssueColumns {
    /// All but the times.
    fn of(walk: &Walk<'_>, wanted: Fields) -> Result<IssueColumns, DecodeError> {
        let mut issues = IssueColumns {
            id: walk.ids(Column::IssueId, Class::Issue)?,
            own: walk.count(Class::Issue),
            ..IssueColumns::default()
        };
        if wanted.has(Field::IssueOperation) {
            let shapes = walk.numbers(Column::IssueShape, Class::Issue)?;
            issues.operation =
                shapes.iter().map(|bits| bits.to_le_bytes()[0] & shape::OPERATION).collect();
        }
        if wanted.has(Field::IssueFlags) {
            let flags = walk.numbers(Column::IssueFlags, Class::Issue)?;
            issues.flags = flags.iter().map(|flags| flags.to_le_bytes()[0]).collect();
        }
        if wanted.has(Field::IssueEarly) {
            let shapes = walk.numbers(Column::IssueShape, Class::Issue)?;
            issues.early = walk.earlies(&shapes)?;
        }
        let needs_route = [Field::IssueRoute, Field::IssueCookie, Field::IssueOffset];
        if wanted.has_any(&needs_route) {
            issues.take_routed(walk, wanted)?;
        } else if wanted.has(Field::IssueLength) {
            issues.length = walk.numbers(Column::IssueLength, Class::Issue)?;
        }
        Ok(issues)
    }

    /// What may be told relative to the issue before on the same route.
    fn take_routed(&mut self, walk: &Walk<'_>, wanted: Fields) -> Result<(), DecodeError> {
        let (routes, list) = walk.routes()?;
        let on = (&routes[..], list.len());
        if wanted.has(Field::IssueCookie) {
            self.cookie = walk.cookies(on)?;
        }
        if wanted.has_any(&[Field::IssueOffset, Field::IssueLength]) {
            self.length = walk.numbers(Column::IssueLength, Class::Issue)?;
        }
        if wanted.has(Field::IssueOffset) {
            self.offset = walk.offsets(on, &self.length)?;
        }
        if !wanted.has(Field::IssueLength) {
            self.length = Vec::new();
        }
        if wanted.has(Field::IssueRoute) {
            let routes = routes.iter().filter_map(|route| list.get(usize::try_from(*route).ok()?));
            (self.device, self.connection) =
                routes.map(|(device, connection)| (device.0, connection.0)).unzip();
        }
        Ok(())
    }

    fn push(&mut self, time: u64, issue: &crate::event::Issue, wanted: Fields) {
        self.id.push(issue.id.0);
        put(&mut self.time, time, wanted, Field::IssueTime);
        put(&mut self.operation, issue.request.operation as u8, wanted, Field::IssueOperation);
        put(&mut self.flags, issue.request.flags.bits(), wanted, Field::IssueFlags);
        put(&mut self.device, issue.device.0, wanted, Field::IssueRoute);
        put(&mut self.connection, issue.connection.0, wanted, Field::IssueRoute);
        put(&mut self.cookie, issue.cookie, wanted, Field::IssueCookie);
        put(&mut self.offset, issue.request.range.offset, wanted, Field::IssueOffset);
        put(&mut self.length, issue.request.range.length, wanted, Field::IssueLength);
        put(&mut self.early, issue.early.0, wanted, Field::IssueEarly);
    }

    /// Appends one of other issues, of which the same fields are there.
    fn push_from(&mut self, other: &IssueColumns, place: usize) {
        self.id.extend(other.id.get(place));
        self.time.extend(other.time.get(place));
        self.operation.extend(other.operation.get(place));
        self.flags.extend(other.flags.get(place));
        self.device.extend(other.device.get(place));
        self.connection.extend(other.connection.get(place));
        self.cookie.extend(other.cookie.get(place));
        self.offset.extend(other.offset.get(place));
        self.length.extend(other.length.get(place));
        self.early.extend(other.early.get(place));
    }

    fn append(&mut self, mut other: IssueColumns) {
        self.id.append(&mut other.id);
        self.time.append(&mut other.time);
        self.operation.append(&mut other.operation);
        self.flags.append(&mut other.flags);
        self.device.append(&mut other.device);
        self.connection.append(&mut other.connection);
        self.cookie.append(&mut other.cookie);
        self.offset.append(&mut other.offset);
        self.length.append(&mut other.length);
        self.early.append(&mut other.early);
    }
}

impl BlockColumns {
    /// All but the issue.
    fn push(&mut self, time: u64, block: &crate::event::Block, wanted: Fields) {
        self.id.push(block.id.0);
        put(&mut self.time, time, wanted, Field::BlockTime);
        put(&mut self.latency, block.latency.0, wanted, Field::BlockLatency);
        put(&mut self.hold, block.hold.0, wanted, Field::BlockHold);
        let errno = block.result.err().map_or(0, |errno| errno.0);
        put(&mut self.errno, errno, wanted, Field::BlockErrno);
    }
}

fn put<T>(list: &mut Vec<T>, value: T, wanted: Fields, field: Field) {
    if wanted.has(field) {
        list.push(value);
    }
}

fn errnos(walk: &Walk<'_>, shapes: &[u64]) -> Result<Vec<u16>, DecodeError> {
    let failed = |bits: &u64| bits & u64::from(shape::FAILED) != 0;
    let count = shapes.iter().filter(|bits| failed(bits)).count();
    let errnos = walk.directory.numbers(Column::BlockErrno, walk.body, count)?;
    let mut errnos = errnos.into_iter().map(|errno| u16::try_from(errno).unwrap_or(u16::MAX));
    Ok(shapes
        .iter()
        .map(|bits| failed(bits).then(|| errnos.next()).flatten().unwrap_or(0))
        .collect())
}
