//! Images behind one interface: requests go in with their buffers, completions come out in any order.
//!
//! A device knows nothing of traces, ids or conflicts: two overlapping requests in flight together are
//! undefined here, and the engine's driver never lets that happen. It does promise that
//! - every request handed in is completed exactly once, with its buffer;
//! - two requests that share no byte are independent, even inside one block;
//! - a discarded range reads as zeroes, exactly that range;
//! - neither discard nor write zeroes allocates memory by its length.
//!
//! [`Image`] is the blocking side, which every store implements; [`BlockDevice`] and [`Queue`] are what the
//! engine uses. `pool` makes the second out of the first.

mod aligned;
mod dice;
mod direct;
mod doorbell;
mod execute;
mod extents;
mod fault;
mod file;
mod fingerprint;
mod lock;
mod memory;
mod open;
mod overlay;
mod pieces;
mod pool;
mod positioned;
mod qcow2;
mod refcounts;
mod ring;
mod sim;

#[cfg(test)]
pub(crate) mod contract;

use std::sync::Arc;

use bytes::Bytes;

use crate::request::{Errno, Extent, Request};
use crate::units::ByteRange;

pub use dice::Dice;
pub use doorbell::Doorbell;
pub use fault::{Effect, Fault, Rule, When};
pub use file::File;
pub use fingerprint::{FingerprintError, fingerprint};
pub use lock::{Holder, LockError};
pub use memory::Memory;
pub use open::{Access, Identity, ImageFormat, OpenError, OpenOptions, Opened, Transfer, open};
pub use overlay::Overlay;
pub use pool::Pool;
pub use qcow2::{Qcow2, Qcow2Error};
pub use refcounts::RefcountError;
pub use ring::Place;
pub use sim::Sim;

/// What a device is and can do. Advertised to clients and kept in the trace's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes.
    pub size: u64,
    /// Smallest unit a client should use, in bytes: a power of two, at most 64 KiB.
    pub block_min: u32,
    /// Unit that works best, in bytes: a power of two, at least 512.
    pub block_preferred: u32,
    /// Requests that modify are refused.
    pub read_only: bool,
    /// Discard is offered.
    pub discard: bool,
}

/// One request handed to a [`Queue`], with what it needs.
#[derive(Debug)]
pub struct Submission {
    /// The caller's name for it; comes back with the completion. Requests that one queue has in flight
    /// together have different ones.
    pub tag: u64,
    /// What to do. Lies within the device, and its data are at most `REQUEST_DATA_BYTES_MAX`.
    pub request: Request,
    /// The data of a write; empty for all others.
    pub data: Bytes,
}

/// What became of a [`Submission`].
#[derive(Debug)]
pub struct Completion {
    /// From the submission.
    pub tag: u64,
    /// Whether it worked.
    pub result: Result<(), Errno>,
    /// The data of a read that worked: exactly as long as its range. Empty for all others.
    pub data: Bytes,
    /// The answer to a block status that worked: covers its range from its start, at most
    /// `EXTENTS_MAX` of them. Empty for all others.
    pub extents: Vec<Extent>,
}

/// A device that several workers may use at once, each through a queue of its own.
pub trait BlockDevice: Send + Sync {
    /// Does not change while the device is open.
    fn geometry(&self) -> &Geometry;

    /// A queue for one worker. `doorbell` is rung when a completion arrives that `submit` or `kick` did
    /// not deliver at once.
    fn open_queue(self: Arc<Self>, doorbell: Arc<Doorbell>) -> Box<dyn Queue>;
}

/// One worker's requests in flight. Never blocks; dropping it waits for what is in flight.
pub trait Queue: Send {
    /// Takes a request. It may be complete at once, or gathered until `kick`.
    fn submit(&mut self, submission: Submission);

    /// Starts whatever `submit` gathered.
    fn kick(&mut self);

    /// Appends the completions that have come to `completions`.
    fn poll(&mut self, completions: &mut Vec<Completion>);

    /// Requests taken and not yet given back by `poll`.
    fn in_flight(&self) -> usize;
}

/// A store that answers when it is done. Used from many threads at once.
///
/// Ranges lie within the device. Errors are those of the system, told to the client.
pub trait Image: Send + Sync {
    /// Does not change while the image is open.
    fn geometry(&self) -> &Geometry;

    /// Fills `buffer` from `offset`.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Errno>;

    /// Fills `buffer` from `offset` if that need not wait for a disk; `None` if it would have to. What
    /// the buffer then holds is undefined.
    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> Option<Result<(), Errno>>;

    /// Where all of `range` lies as it is now, so that to read it there is what [`Image::read`] does. `None` if it has no
    /// such place, or not just now.
    fn read_place(&self, _range: ByteRange) -> Option<Place<'_>> {
        None
    }

    /// The same for a write: to write there is what [`Image::write`] does. `None` also where that would be refused.
    fn write_place(&self, _range: ByteRange, _durable: Durable) -> Option<Place<'_>> {
        None
    }

    /// Writes `data` at `offset`.
    fn write(&self, offset: u64, data: &[u8], durable: Durable) -> Result<(), Errno>;

    /// Writes `data` at `offset`, durable by the next flush, if that need not wait for a disk; `None`,
    /// with nothing written, if it would have to.
    fn write_now(&self, offset: u64, data: &[u8]) -> Option<Result<(), Errno>>;

    /// Makes `range` read as zeroes.
    fn write_zeroes(&self, range: ByteRange, how: Zeroing) -> Result<(), Errno>;

    /// Makes `range` read as zeroes and gives its space back where possible.
    fn discard(&self, range: ByteRange, durable: Durable) -> Result<(), Errno>;

    /// Makes everything completed so far durable.
    fn flush(&self) -> Result<(), Errno>;

    /// The extents of `range`, in order, from its start: at least one, at most `EXTENTS_MAX`, none
    /// reaching beyond it. They may end before `range` does.
    fn block_status(&self, range: ByteRange) -> Result<Vec<Extent>, Errno>;

    /// Brings `range` nearer, if there is a way.
    fn cache(&self, range: ByteRange) -> Result<(), Errno>;
}

/// Whether a change must be durable when it is complete (FUA).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// By the next flush.
    Later,
    /// Now.
    Now,
}

/// How zeroes are to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zeroing {
    /// The range may not be unmapped (NBD `NO_HOLE`).
    pub keep_allocated: bool,
    /// Fail with ENOTSUP, data untouched, where zeroes would have to be written (NBD `FAST_ZERO`).
    pub fast_only: bool,
    /// Whether it must be durable when complete.
    pub durable: Durable,
}
