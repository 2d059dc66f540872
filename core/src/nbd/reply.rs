//! Replies: what the engine released, as bytes for the client.
//!
//! No I/O, no decisions about requests. After structured replies were negotiated, reads and block status are
//! answered in chunks, their errors too; everything else is always answered simply, as proto.md allows.
//! Invariant: every reply is whole when it is begun, for an error found later could not be told.

use bytes::BufMut;

use crate::engine::Released;
use crate::nbd::export::PAYLOAD_ADVERTISED_BYTES;
use crate::nbd::outbox::Outbox;
use crate::nbd::wire::{
    BASE_ALLOCATION_ID, CHUNK_DONE, ChunkHeader, STATE_HOLE, STATE_ZERO, chunk, write_simple_reply,
};
use crate::request::{Errno, Extent, Flags, Operation, Request};

/// How reads are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replies {
    /// One header, then the data.
    Simple,
    /// In chunks.
    Structured,
}

impl Replies {
    /// Appends the reply to `out`.
    pub(super) fn write(self, released: Released, out: &mut Outbox) {
        let Released { cookie, request, result, .. } = released;
        let in_chunks = self == Replies::Structured
            && matches!(request.operation, Operation::Read | Operation::BlockStatus);
        match result {
            Err(errno) => {
                let error = self.error(errno, &request);
                if in_chunks {
                    write_error_chunk(out, cookie, error);
                } else {
                    write_simple_reply(out.tail(), error, cookie);
                }
            }
            Ok(()) if !in_chunks => {
                write_simple_reply(out.tail(), 0, cookie);
                out.push(released.data);
            }
            Ok(()) if request.operation == Operation::BlockStatus => {
                write_extents(out, cookie, &request, &released.extents);
            }
            Ok(()) => write_data_chunks(out, released),
        }
    }

    /// proto.md, "Error values": the number that tells a client of this error.
    fn error(self, errno: Errno, request: &Request) -> u32 {
        const EFBIG: Errno = Errno(27);
        const EROFS: Errno = Errno(30);
        const EDQUOT: Errno = Errno(122);
        let told = match errno {
            Errno::EPERM
            | Errno::EIO
            | Errno::ENOMEM
            | Errno::EINVAL
            | Errno::ENOSPC
            | Errno::ESHUTDOWN => errno,
            EROFS => Errno::EPERM,
            EDQUOT | EFBIG => Errno::ENOSPC,
            // These two have one documented use each.
            Errno::EOVERFLOW
                if self == Replies::Structured && request.operation == Operation::Read =>
            {
                errno
            }
            Errno::ENOTSUP if request.flags.contains(Flags::FAST_ZERO) => errno,
            Errno::ENOTSUP => Errno::EINVAL,
            _ => Errno::EIO,
        };
        u32::from(told.0)
    }
}

/// Answers a command that is no request of ours.
pub(super) fn write_refusal(out: &mut Outbox, cookie: u64, errno: Errno) {
    write_simple_reply(out.tail(), u32::from(errno.0), cookie);
}

/// One chunk, unless the data are longer than the largest payload we advertise.
fn write_data_chunks(out: &mut Outbox, released: Released) {
    let Released { cookie, request, mut data, .. } = released;
    let mut offset = request.range.offset;
    loop {
        let length = data.len().min(PAYLOAD_ADVERTISED_BYTES as usize);
        let piece = data.split_to(length);
        let flags = if data.is_empty() { CHUNK_DONE } else { 0 };
        let length = u32::try_from(length).expect("at most PAYLOAD_ADVERTISED_BYTES");
        let header = ChunkHeader { flags, kind: chunk::OFFSET_DATA, cookie, length: length + 8 };
        header.write(out.tail());
        out.tail().put_u64(offset);
        out.push(piece);
        offset += u64::from(length);
        if data.is_empty() {
            break;
        }
    }
}

fn write_error_chunk(out: &mut Outbox, cookie: u64, error: u32) {
    let header = ChunkHeader { flags: CHUNK_DONE, kind: chunk::ERROR, cookie, length: 6 };
    header.write(out.tail());
    out.tail().put_u32(error);
    out.tail().put_u16(0); // No message.
}

fn write_extents(out: &mut Outbox, cookie: u64, request: &Request, extents: &[Extent]) {
    let wanted = if request.flags.contains(Flags::REQ_ONE) { 1 } else { extents.len() };
    let extents = &extents[..wanted.min(extents.len())];
    let length = 4 + 8 * u32::try_from(extents.len()).expect("at most EXTENTS_MAX");
    let header = ChunkHeader { flags: CHUNK_DONE, kind: chunk::BLOCK_STATUS, cookie, length };
    header.write(out.tail());
    out.tail().put_u32(BASE_ALLOCATION_ID);
    for extent in extents {
        let hole = if extent.hole { STATE_HOLE } else { 0 };
        let zero = if extent.zero { STATE_ZERO } else { 0 };
        let length = u32::try_from(extent.length);
        out.tail().put_u32(length.expect("extents lie within a request of 32 bits"));
        out.tail().put_u32(hole | zero);
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use bytes::Bytes;

    use super::*;
    use crate::nbd::outbox::SLICES;
    use crate::units::ByteRange;

    fn released(operation: Operation, length: u64, result: Result<(), Errno>) -> Released {
        let range = ByteRange::new(0x1000, length);
        let request = Request { operation, range, flags: Flags::NONE };
        let (data, extents) = (Bytes::new(), Vec::new());
        Released { tag: 0, cookie: 0x0102, request, result, data, extents }
    }

    fn written(replies: Replies, released: Released) -> Vec<u8> {
        let mut out = Outbox::default();
        replies.write(released, &mut out);
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = out.show(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    #[test]
    fn a_simple_reply_is_a_header_and_the_data() {
        let mut read = released(Operation::Read, 4, Ok(()));
        read.data = Bytes::from_static(b"data");
        let expected = b"\x67\x44\x66\x98\0\0\0\0\0\0\0\0\0\0\x01\x02data";
        assert_eq!(written(Replies::Simple, read), expected);
    }

    #[test]
    fn a_simple_error_has_no_data() {
        let expected = b"\x67\x44\x66\x98\0\0\0\x05\0\0\0\0\0\0\x01\x02";
        for operation in [Operation::Read, Operation::Write, Operation::BlockStatus] {
            let failed = released(operation, 4, Err(Errno::EIO));
            assert_eq!(written(Replies::Simple, failed), expected);
        }
    }

    #[test]
    fn a_structured_read_is_one_last_chunk_with_its_offset() {
        let mut read = released(Operation::Read, 4, Ok(()));
        read.data = Bytes::from_static(b"data");
        let mut expected = b"\x66\x8e\x33\xef\0\x01\0\x01\0\0\0\0\0\0\x01\x02".to_vec();
        expected.extend(b"\0\0\0\x0c\0\0\0\0\0\0\x10\0data");
        assert_eq!(written(Replies::Structured, read), expected);
    }

    #[test]
    fn a_read_beyond_the_advertised_payload_comes_in_two_chunks() {
        let length = PAYLOAD_ADVERTISED_BYTES as usize + 3;
        let mut read = released(Operation::Read, length as u64, Ok(()));
        read.data = Bytes::from(vec![9; length]);
        let bytes = written(Replies::Structured, read);
        let second = 28 + PAYLOAD_ADVERTISED_BYTES as usize;
        assert_eq!(bytes.len(), second + 28 + 3);
        assert_eq!(bytes[4..6], [0, 0], "more is to come");
        assert_eq!(bytes[second + 4..second + 6], [0, 1]);
        assert_eq!(bytes[second + 20..second + 28], 0x0200_1000_u64.to_be_bytes());
    }

    #[test]
    fn a_structured_read_fails_in_a_chunk_and_a_write_simply() {
        let mut expected = b"\x66\x8e\x33\xef\0\x01\x80\x01\0\0\0\0\0\0\x01\x02".to_vec();
        expected.extend(b"\0\0\0\x06\0\0\0\x16\0\0");
        let failed = released(Operation::Read, 4, Err(Errno::EINVAL));
        assert_eq!(written(Replies::Structured, failed), expected);
        let done = written(Replies::Structured, released(Operation::Write, 4, Ok(())));
        assert_eq!(done, b"\x67\x44\x66\x98\0\0\0\0\0\0\0\0\0\0\x01\x02");
    }

    #[test]
    fn extents_go_with_their_context_and_only_one_if_one_is_wanted() {
        let mut status = released(Operation::BlockStatus, 8192, Ok(()));
        status.extents = vec![
            Extent { length: 4096, hole: true, zero: true },
            Extent { length: 4096, hole: false, zero: false },
        ];
        let header = b"\x66\x8e\x33\xef\0\x01\0\x05\0\0\0\0\0\0\x01\x02";
        let mut expected = [header.as_slice(), b"\0\0\0\x14\0\0\0\x01"].concat();
        expected.extend(b"\0\0\x10\0\0\0\0\x03\0\0\x10\0\0\0\0\0");
        let mut one = released(Operation::BlockStatus, 8192, Ok(()));
        one.extents.clone_from(&status.extents);
        assert_eq!(written(Replies::Structured, status), expected);
        one.request.flags = Flags::REQ_ONE;
        let expected = [header.as_slice(), b"\0\0\0\x0c\0\0\0\x01\0\0\x10\0\0\0\0\x03"].concat();
        assert_eq!(written(Replies::Structured, one), expected);
    }

    #[test]
    fn errors_are_told_in_the_numbers_that_clients_know() {
        for (errno, told) in [(1, 1), (5, 5), (12, 12), (22, 22), (28, 28), (108, 108)]
            .into_iter()
            .chain([(27, 28), (122, 28), (30, 1), (75, 5), (95, 22), (2, 5), (999, 5)])
        {
            let request = released(Operation::Write, 1, Ok(())).request;
            assert_eq!(Replies::Structured.error(Errno(errno), &request), told, "{errno}");
        }
        let read = released(Operation::Read, 1, Ok(())).request;
        assert_eq!(Replies::Structured.error(Errno::EOVERFLOW, &read), 75);
        assert_eq!(Replies::Simple.error(Errno::EOVERFLOW, &read), 5);
        let mut fast = released(Operation::WriteZeroes, 1, Ok(())).request;
        fast.flags = Flags::FAST_ZERO;
        assert_eq!(Replies::Structured.error(Errno::ENOTSUP, &fast), 95);
    }
}
