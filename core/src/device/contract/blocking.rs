//! An image that is a device: every call is a request of its own, which it waits for. So devices that are no images
//! face the checks of images.
//!
//! Knows nothing of the device but how to make it go on. Invariant: a call returns when its request is complete.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Attached;
use crate::device::{
    BlockDevice, Completion, Doorbell, Durable, Geometry, Image, Submission, Zeroing,
};
use crate::request::{Errno, Extent, Flags, Operation, Request};
use crate::units::ByteRange;

/// What makes a device go on, called by those who wait for it; `doorbell` is theirs.
pub(super) type Step = Arc<dyn Fn(&Doorbell) + Send + Sync>;

/// For devices that go on by themselves.
pub(super) fn wait() -> Step {
    Arc::new(|doorbell| doorbell.wait(Duration::from_mins(1)))
}

pub(super) struct Blocking {
    device: Arc<dyn BlockDevice>,
    step: Step,
}

impl Blocking {
    pub(super) fn new(attached: &Attached) -> Blocking {
        Blocking { device: Arc::clone(&attached.device), step: Arc::clone(&attached.step) }
    }

    fn run(&self, request: Request, data: &[u8]) -> Completion {
        let doorbell = Arc::new(Doorbell::new().unwrap());
        let mut queue = Arc::clone(&self.device).open_queue(Arc::clone(&doorbell));
        queue.submit(Submission { tag: 1, request, data: Bytes::copy_from_slice(data) });
        queue.kick();
        let mut completions = Vec::new();
        loop {
            doorbell.clear();
            queue.poll(&mut completions);
            if let Some(completion) = completions.pop() {
                assert!(completions.is_empty() && queue.in_flight() == 0, "complete once");
                return completion;
            }
            (self.step)(&doorbell);
        }
    }

    fn change(
        &self,
        operation: Operation,
        range: ByteRange,
        flags: Flags,
        durable: Durable,
        data: &[u8],
    ) -> Result<(), Errno> {
        let durable = if durable == Durable::Now { Flags::FUA } else { Flags::NONE };
        self.run(Request { operation, range, flags: flags.with(durable) }, data).result
    }

    fn ask(&self, operation: Operation, range: ByteRange) -> Result<Completion, Errno> {
        let completion = self.run(Request { operation, range, flags: Flags::NONE }, &[]);
        completion.result.map(|()| completion)
    }
}

impl Image for Blocking {
    fn geometry(&self) -> &Geometry {
        self.device.geometry()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        let completion = self.ask(Operation::Read, ByteRange::new(offset, buffer.len() as u64))?;
        buffer.copy_from_slice(&completion.data);
        Ok(())
    }

    fn read_now(&self, _: u64, _: &mut [u8]) -> Option<Result<(), Errno>> {
        None
    }

    fn write(&self, offset: u64, data: &[u8], durable: Durable) -> Result<(), Errno> {
        let range = ByteRange::new(offset, data.len() as u64);
        self.change(Operation::Write, range, Flags::NONE, durable, data)
    }

    fn write_now(&self, _: u64, _: &[u8]) -> Option<Result<(), Errno>> {
        None
    }

    fn write_zeroes(&self, range: ByteRange, how: Zeroing) -> Result<(), Errno> {
        let flag = |set, flag| if set { flag } else { Flags::NONE };
        let flags =
            flag(how.keep_allocated, Flags::NO_HOLE).with(flag(how.fast_only, Flags::FAST_ZERO));
        self.change(Operation::WriteZeroes, range, flags, how.durable, &[])
    }

    fn discard(&self, range: ByteRange, durable: Durable) -> Result<(), Errno> {
        self.change(Operation::Discard, range, Flags::NONE, durable, &[])
    }

    fn flush(&self) -> Result<(), Errno> {
        self.ask(Operation::Flush, ByteRange::default()).map(|_| ())
    }

    fn block_status(&self, range: ByteRange) -> Result<Vec<Extent>, Errno> {
        self.ask(Operation::BlockStatus, range).map(|completion| completion.extents)
    }

    fn cache(&self, range: ByteRange) -> Result<(), Errno> {
        self.ask(Operation::Cache, range).map(|_| ())
    }
}
