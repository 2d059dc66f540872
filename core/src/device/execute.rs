//! One request done to an image: a submission comes in, its completion goes out.
//!
//! Blocks for as long as the image does; knows neither queues nor threads. Invariant: a request that failed
//! brings neither data nor extents.

use bytes::Bytes;

use super::{Completion, Durable, Image, Submission, Zeroing};
use crate::limits::REQUEST_DATA_BYTES_MAX;
use crate::request::{Errno, Extent, Flags, Operation, Request};

impl Submission {
    /// What every caller owes a queue.
    pub(crate) fn assert_sound(&self) {
        let Request { operation, range, .. } = self.request;
        let carries = matches!(operation, Operation::Read | Operation::Write);
        assert!(
            !carries || range.length <= u64::from(REQUEST_DATA_BYTES_MAX),
            "the front refuses requests with more data than that"
        );
        assert!(
            operation != Operation::Write || self.data.len() as u64 == range.length,
            "a write has as much data as its range is long"
        );
    }
}

/// What a request came to.
pub(super) struct Done {
    result: Result<(), Errno>,
    data: Bytes,
    extents: Vec<Extent>,
}

impl Done {
    pub(super) fn failed(errno: Errno) -> Done {
        Done { result: Err(errno), data: Bytes::new(), extents: Vec::new() }
    }

    pub(super) fn plain(result: Result<(), Errno>) -> Done {
        Done { result, data: Bytes::new(), extents: Vec::new() }
    }

    pub(super) fn read(result: Result<(), Errno>, buffer: Vec<u8>) -> Done {
        let data = if result.is_ok() { Bytes::from(buffer) } else { Bytes::new() };
        Done { result, data, extents: Vec::new() }
    }

    pub(super) fn completes(self, tag: u64) -> Completion {
        let Done { result, data, extents } = self;
        Completion { tag, result, data, extents }
    }
}

/// Does what was asked, however long it takes. `buffer` is where a read goes: as long as its range, and empty for
/// all others.
pub(super) fn execute(
    image: &dyn Image,
    submission: &Submission,
    mut buffer: Vec<u8>,
) -> Completion {
    let Request { operation, range, flags } = submission.request;
    let durable = if flags.contains(Flags::FUA) { Durable::Now } else { Durable::Later };
    let done = match operation {
        Operation::Read => Done::read(image.read(range.offset, &mut buffer), buffer),
        Operation::Write => Done::plain(image.write(range.offset, &submission.data, durable)),
        Operation::WriteZeroes => {
            let how = Zeroing {
                keep_allocated: flags.contains(Flags::NO_HOLE),
                fast_only: flags.contains(Flags::FAST_ZERO),
                durable,
            };
            Done::plain(image.write_zeroes(range, how))
        }
        Operation::Discard => Done::plain(image.discard(range, durable)),
        Operation::Flush => Done::plain(image.flush()),
        Operation::Cache => Done::plain(image.cache(range)),
        Operation::BlockStatus => match image.block_status(range) {
            Ok(mut extents) => {
                if flags.contains(Flags::REQ_ONE) {
                    extents.truncate(1);
                }
                Done { extents, ..Done::plain(Ok(())) }
            }
            Err(errno) => Done::failed(errno),
        },
    };
    done.completes(submission.tag)
}
