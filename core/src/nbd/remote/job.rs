//! One request as the server can do it: a request of ours comes in, requests that the server takes go out one by one, and
//! what it answers becomes one completion.
//!
//! - What is longer than the server takes is split; what is not whole blocks is read and asked for in whole blocks.
//! - FUA without the server's flag is the change and a flush behind it; without a flush, too, the server promises
//!   nothing, and neither do we more than it.
//! - A discard is write zeroes that may leave holes, not TRIM: after TRIM a range may read as anything, and a discarded
//!   range reads as zeroes here. TRIM before zeroes would gain nothing: where they leave no holes, they fill its own.
//! - Zeroes without the server's request are written, at most [`WRITTEN_ZEROES`] at a time.
//!
//! It knows no connection. Invariant: at most [`PARTS_MAX`] parts are with the server, and a completion is told once,
//! even if the job is dropped.

use bytes::Bytes;

use super::ability::Ability;
use crate::device::Completion;
use crate::nbd::answers::Answer;
use crate::request::{Errno, Extent, Flags, Operation, Request};
use crate::units::ByteRange;

/// Parts of one request that are with the server at once.
const PARTS_MAX: usize = 8;

/// Zeroes to write from; they live in the program's zero pages.
static WRITTEN_ZEROES: [u8; 1 << 20] = [0; 1 << 20];

/// Called once, with what became of a request.
pub(super) type Done = Box<dyn FnOnce(Completion) + Send>;

/// A request on its way through a server.
pub(super) struct Job {
    tag: u64,
    request: Request,
    data: Bytes,
    done: Option<Done>,
    plan: Plan,
    /// Up to here it has been asked for.
    at: u64,
    /// Parts that are with the server.
    away: usize,
    result: Result<(), Errno>,
    read: Read,
    extents: Vec<Extent>,
}

/// What is asked of the server.
#[derive(Debug, Clone, Copy)]
struct Plan {
    operation: Operation,
    flags: Flags,
    /// Whole blocks.
    range: ByteRange,
    /// Longest part, in bytes.
    part: u64,
    /// A flush follows.
    flush: bool,
}

/// What was read so far.
enum Read {
    Nothing,
    /// One part that is the whole.
    Whole(Bytes),
    Parts(Vec<u8>),
}

/// What the server is to be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) request: Request,
    /// Of a write.
    pub(super) data: Bytes,
}

impl Job {
    /// For `request` with its data; `done` is told what became of it, with `tag`.
    pub(super) fn new(tag: u64, request: Request, data: Bytes, done: Done) -> Job {
        // Nothing to be asked until `begin` says what.
        let plan = Plan {
            operation: request.operation,
            flags: Flags::NONE,
            range: ByteRange::default(),
            part: 1,
            flush: false,
        };
        let (result, read, extents) = (Ok(()), Read::Nothing, Vec::new());
        Job { tag, request, data, done: Some(done), plan, at: 0, away: 0, result, read, extents }
    }

    /// Decides how it is done, by a server of such an ability that lets us write or not.
    pub(super) fn begin(&mut self, ability: &Ability, read_only: bool) {
        match self.planned(ability, read_only) {
            Ok(Some(plan)) => {
                self.at = plan.range.offset;
                self.plan = plan;
            }
            Ok(None) => self.answer_alone(),
            Err(errno) => self.result = Err(errno),
        }
    }

    /// What to ask; `None` if there is nothing to ask.
    fn planned(&self, ability: &Ability, read_only: bool) -> Result<Option<Plan>, Errno> {
        let Request { operation, range, flags } = self.request;
        if operation.modifies() && read_only {
            return Err(Errno::EPERM);
        }
        if operation == Operation::Flush {
            let (range, part, flush) = (ByteRange::default(), 1, true);
            let plan = Plan { operation, flags: Flags::NONE, range, part, flush };
            return Ok(ability.flush.then_some(plan));
        }
        if range.length == 0 {
            return Ok(None);
        }
        let whole = range.widened(ability.block);
        if operation.modifies() && whole != range {
            return Err(Errno::EINVAL);
        }
        let kept = |flag| if flags.contains(flag) { flag } else { Flags::NONE };
        let fua = operation.modifies() && flags.contains(Flags::FUA);
        let durable = if fua && ability.fua { Flags::FUA } else { Flags::NONE };
        let plan = |operation, flags, part| {
            let flush = fua && !ability.fua && ability.flush;
            Ok(Some(Plan { operation, flags: durable.with(flags), range: whole, part, flush }))
        };
        match operation {
            Operation::Read | Operation::Write => plan(operation, Flags::NONE, ability.payload),
            Operation::Cache if ability.cache => plan(operation, Flags::NONE, ability.payload),
            Operation::BlockStatus if ability.block_status => {
                // One part is an answer: it need not cover the whole range.
                let part = whole.length.min(ability.range);
                let (range, flags) = (ByteRange::new(whole.offset, part), kept(Flags::REQ_ONE));
                Ok(Some(Plan { operation, flags, range, part, flush: false }))
            }
            Operation::Cache | Operation::BlockStatus | Operation::Flush => Ok(None),
            Operation::Discard if ability.zeroes == 0 => Err(Errno::ENOTSUP),
            Operation::Discard => plan(Operation::WriteZeroes, Flags::NONE, ability.zeroes),
            Operation::WriteZeroes => {
                let fast = flags.contains(Flags::FAST_ZERO);
                // In parts, one could be refused after another was done.
                if fast && (!ability.fast_zero || range.length > ability.zeroes) {
                    return Err(Errno::ENOTSUP);
                }
                if ability.zeroes == 0 {
                    let most = (WRITTEN_ZEROES.len() as u64).min(ability.payload);
                    return plan(Operation::Write, Flags::NONE, most);
                }
                let flags = kept(Flags::NO_HOLE).with(kept(Flags::FAST_ZERO));
                plan(operation, flags, ability.zeroes)
            }
        }
    }

    /// What is true without asking: of what nothing is known, it is data.
    fn answer_alone(&mut self) {
        let range = self.request.range;
        if self.request.operation == Operation::BlockStatus && range.length > 0 {
            self.extents = vec![Extent { length: range.length, hole: false, zero: false }];
        }
    }

    /// The next that the server is to be asked, if there is something to be asked now.
    pub(super) fn next_part(&mut self) -> Option<Part> {
        if self.result.is_err() || self.away >= PARTS_MAX {
            return None;
        }
        let Plan { operation, flags, range, part, .. } = self.plan;
        let rest = range.end() - self.at;
        if rest > 0 {
            let part = ByteRange::new(self.at, rest.min(part));
            self.at = part.end();
            self.away += 1;
            let data = match (operation, self.request.operation) {
                (Operation::Write, Operation::Write) => {
                    let start = index(part.offset - range.offset);
                    self.data.slice(start..start + index(part.length))
                }
                (Operation::Write, _) => Bytes::from_static(&WRITTEN_ZEROES[..index(part.length)]),
                _ => Bytes::new(),
            };
            return Some(Part { request: Request { operation, range: part, flags }, data });
        }
        if self.plan.flush && self.away == 0 {
            self.plan.flush = false;
            self.away += 1;
            let (operation, range) = (Operation::Flush, ByteRange::default());
            let request = Request { operation, range, flags: Flags::NONE };
            return Some(Part { request, data: Bytes::new() });
        }
        None
    }

    /// Takes the answer to the part that had `range`.
    pub(super) fn answered(&mut self, range: ByteRange, answer: Answer) {
        self.away -= 1;
        if answer.result.is_err() {
            self.result = self.result.and(answer.result);
            return;
        }
        let whole = self.plan.range;
        match self.request.operation {
            Operation::Read if range == whole => self.read = Read::Whole(answer.data),
            Operation::Read => {
                if let Read::Nothing = self.read {
                    self.read = Read::Parts(vec![0; index(whole.length)]);
                }
                if let Read::Parts(bytes) = &mut self.read {
                    let start = index(range.offset - whole.offset);
                    bytes[start..start + answer.data.len()].copy_from_slice(&answer.data);
                }
            }
            Operation::BlockStatus => {
                self.extents = clipped(&answer.extents, whole, self.request.range);
                if self.request.flags.contains(Flags::REQ_ONE) {
                    self.extents.truncate(1);
                }
            }
            _ => {}
        }
    }

    /// Whether all is done that there is to do.
    pub(super) fn is_over(&self) -> bool {
        let asked = self.at >= self.plan.range.end() && !self.plan.flush;
        self.away == 0 && (self.result.is_err() || asked)
    }

    /// Tells what became of it.
    pub(super) fn complete(mut self) {
        self.tell();
    }

    /// Tells that it failed, whatever was done of it.
    pub(super) fn fail(mut self, errno: Errno) {
        self.result = Err(errno);
        self.tell();
    }

    fn tell(&mut self) {
        let Some(done) = self.done.take() else { return };
        let (tag, result) = (self.tag, self.result);
        let mut completion = Completion { tag, result, data: Bytes::new(), extents: Vec::new() };
        if result.is_ok() {
            let within = index(self.request.range.offset.saturating_sub(self.plan.range.offset));
            let data = match std::mem::replace(&mut self.read, Read::Nothing) {
                Read::Nothing => Bytes::new(),
                Read::Whole(data) => data,
                Read::Parts(bytes) => bytes.into(),
            };
            if !data.is_empty() {
                completion.data = data.slice(within..within + index(self.request.range.length));
            }
            completion.extents = std::mem::take(&mut self.extents);
        }
        done(completion);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.done.is_some() {
            self.result = Err(Errno::EIO);
            self.tell();
        }
    }
}

/// The part of `extents`, which begin with `whole`, that lies in `range`. A server may tell beyond what it was asked; a
/// hole that it does not know to be zero is data to us. Where it told nothing of `range`, that is data, too.
fn clipped(extents: &[Extent], whole: ByteRange, range: ByteRange) -> Vec<Extent> {
    let mut kept: Vec<Extent> = Vec::new();
    let mut at = whole.offset;
    for extent in extents {
        let end = at.saturating_add(extent.length);
        let (from, to) = (at.max(range.offset), end.min(range.end()));
        if from < to {
            let hole = extent.hole && extent.zero;
            kept.push(Extent { length: to - from, hole, zero: extent.zero });
        }
        at = end;
    }
    if kept.is_empty() {
        kept.push(Extent { length: range.length, hole: false, zero: false });
    }
    kept
}

/// Bytes of a request, which lie in memory.
fn index(length: u64) -> usize {
    usize::try_from(length).expect("a request's data have an address")
}

#[cfg(test)]
mod tests;
