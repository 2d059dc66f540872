//! An export as an image: each call is one request, which it waits for. For what lies below an overlay, and for
//! fingerprints.
//!
//! Any number of threads may call; all use the connection that the device has anyway. Invariant: a call ends when the
//! server has answered, or is lost.

use std::sync::mpsc::channel;

use bytes::Bytes;

use super::Remote;
use super::job::Job;
use crate::device::{Completion, Durable, Geometry, Image, Zeroing};
use crate::request::{Errno, Extent, Flags, Operation, Request};
use crate::units::ByteRange;

impl Remote {
    fn call(&self, request: Request, data: &[u8]) -> Result<Completion, Errno> {
        let (sender, came) = channel();
        let done = Box::new(move |completion| {
            // Whoever asked waits for it.
            let _ = sender.send(completion);
        });
        let job = Job::new(0, request, Bytes::copy_from_slice(data), done);
        self.first.hand_over(&mut vec![job]);
        let completion: Completion = came.recv().map_err(|_| Errno::EIO)?;
        completion.result.map(|()| completion)
    }

    fn change(
        &self,
        operation: Operation,
        range: ByteRange,
        (flags, durable): (Flags, Durable),
        data: &[u8],
    ) -> Result<(), Errno> {
        let durable = if durable == Durable::Now { Flags::FUA } else { Flags::NONE };
        self.call(Request { operation, range, flags: flags.with(durable) }, data).map(drop)
    }

    fn ask(&self, operation: Operation, range: ByteRange) -> Result<Completion, Errno> {
        self.call(Request { operation, range, flags: Flags::NONE }, &[])
    }
}

impl Image for Remote {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        let range = ByteRange::new(offset, buffer.len() as u64);
        buffer.copy_from_slice(&self.ask(Operation::Read, range)?.data);
        Ok(())
    }

    /// Whatever it is, it is somewhere else.
    fn read_now(&self, _offset: u64, _buffer: &mut [u8]) -> Option<Result<(), Errno>> {
        None
    }

    fn write(&self, offset: u64, data: &[u8], durable: Durable) -> Result<(), Errno> {
        let range = ByteRange::new(offset, data.len() as u64);
        self.change(Operation::Write, range, (Flags::NONE, durable), data)
    }

    fn write_now(&self, _offset: u64, _data: &[u8]) -> Option<Result<(), Errno>> {
        None
    }

    fn write_zeroes(&self, range: ByteRange, how: Zeroing) -> Result<(), Errno> {
        let kept = if how.keep_allocated { Flags::NO_HOLE } else { Flags::NONE };
        let fast = if how.fast_only { Flags::FAST_ZERO } else { Flags::NONE };
        self.change(Operation::WriteZeroes, range, (kept.with(fast), how.durable), &[])
    }

    fn discard(&self, range: ByteRange, durable: Durable) -> Result<(), Errno> {
        self.change(Operation::Discard, range, (Flags::NONE, durable), &[])
    }

    fn flush(&self) -> Result<(), Errno> {
        self.ask(Operation::Flush, ByteRange::default()).map(drop)
    }

    fn block_status(&self, range: ByteRange) -> Result<Vec<Extent>, Errno> {
        Ok(self.ask(Operation::BlockStatus, range)?.extents)
    }

    fn cache(&self, range: ByteRange) -> Result<(), Errno> {
        self.ask(Operation::Cache, range).map(drop)
    }
}
