//! Whole transfers at an offset of a descriptor: a range comes in, all of it goes through, or an error.
//!
//! Knows nothing of images; `file` and `overlay` are made of these. Invariant: nothing here moves or uses
//! the file's own position, so that any number of threads may work on one descriptor.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;
use rustix::io::{Errno as SystemErrno, ReadWriteFlags};

use super::Durable;
use crate::request::Errno;
use crate::units::ByteRange;

/// The most that is read, written or zeroed through memory of ours at once, in bytes.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// Zeroes to write from. Lives in the program's zero pages, so it costs no memory.
pub(super) static ZEROES: [u8; PIECE_BYTES] = [0; PIECE_BYTES];

/// A length of bytes in memory as the index of a buffer.
pub(super) fn index(length: u64) -> usize {
    usize::try_from(length).expect("what lies in memory has an address")
}

/// Fills `buffer` from `offset`. Fails with EIO where the file ends before the buffer does.
pub(super) fn read(file: &fs::File, offset: u64, buffer: &mut [u8]) -> Result<(), Errno> {
    file.read_exact_at(buffer, offset).map_err(errno)
}

/// Fills `buffer` from `offset` if the page cache has all of it. Whatever else happens is `None`: the
/// read that may wait finds out what it was.
pub(super) fn read_now(file: &fs::File, offset: u64, buffer: &mut [u8]) -> Option<()> {
    let length = buffer.len();
    let mut slices = [IoSliceMut::new(buffer)];
    let read = rustix::io::preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT);
    (read == Ok(length)).then_some(())
}

/// Writes all of `data` at `offset`.
pub(super) fn write(
    file: &fs::File,
    offset: u64,
    data: &[u8],
    durable: Durable,
) -> Result<(), Errno> {
    if durable == Durable::Later {
        return file.write_all_at(data, offset).map_err(errno);
    }
    let mut written = 0;
    while written < data.len() {
        let slices = [IoSlice::new(&data[written..])];
        let at = offset + written as u64;
        match rustix::io::pwritev2(file, &slices, at, ReadWriteFlags::DSYNC) {
            Ok(0) => return Err(Errno::EIO),
            Ok(more) => written += more,
            Err(SystemErrno::INTR) => {}
            Err(SystemErrno::OPNOTSUPP | SystemErrno::NOSYS) => {
                file.write_all_at(&data[written..], at).map_err(errno)?;
                return sync(file);
            }
            Err(error) => return Err(errno(error.into())),
        }
    }
    Ok(())
}

/// Makes what was written durable: the data, and what is needed to find them.
pub(super) fn sync(file: &fs::File) -> Result<(), Errno> {
    file.sync_data().map_err(errno)
}

/// One `fallocate` over `range`, which never changes the file's size; repeated when interrupted.
pub(super) fn allocate(
    file: &fs::File,
    mode: FallocateFlags,
    range: ByteRange,
) -> Result<(), SystemErrno> {
    let mode = mode | FallocateFlags::KEEP_SIZE;
    rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, mode, range.offset, range.length))
}

/// The number of an I/O error as a client is told it. Where the system gave none, the kind says as much.
pub(super) fn errno(error: io::Error) -> Errno {
    match (error.raw_os_error(), error.kind()) {
        (None, io::ErrorKind::StorageFull) => Errno::ENOSPC,
        (None, io::ErrorKind::Unsupported) => Errno::ENOTSUP,
        (None, io::ErrorKind::OutOfMemory) => Errno::ENOMEM,
        _ => Errno::from(error),
    }
}
