//! Raw files and block devices: each byte of the image is the byte of the file at the same offset.
//!
//! Buffered or direct (past the page cache, see `direct`). It says where its bytes lie, for reads that would wait and direct
//! writes to go through a ring; writes into the page cache do not, for the kernel hands those to threads of its own.
//! Invariant: the size is that of when the file was opened. A
//! file that has shrunk since gives EIO for what is missing, and from the moment that is noticed, which a
//! flush does at the latest, for every change; it is never grown back to its size unnoticed.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Advice, FallocateFlags, SeekFrom};
use rustix::io::Errno as SystemErrno;

use super::direct::Direct;
use super::extents::{Extents, State};
use super::positioned::{self, PIECE_BYTES, ZEROES, errno, index};
use super::ring::Place;
use super::{Durable, Geometry, Image, Zeroing};
use crate::request::{Errno, Extent};
use crate::units::ByteRange;

/// A raw file or a block device.
#[derive(Debug)]
pub struct File {
    descriptor: fs::File,
    geometry: Geometry,
    kind: Kind,
    /// `None` if transfers go through the page cache.
    direct: Option<Direct>,
    /// The file was found to be shorter than it was.
    shrunk: AtomicBool,
}

/// What lies behind the descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Regular,
    /// Whose ranges are zeroed in units of so many bytes.
    BlockDevice(u32),
}

/// What a [`File`] is made of, all of it checked by `open`.
pub(super) struct Parts {
    pub(super) file: fs::File,
    /// In bytes; a multiple of the block when `direct`.
    pub(super) size: u64,
    pub(super) read_only: bool,
    pub(super) direct: Option<Direct>,
}

impl File {
    /// Serves what `parts` names.
    pub(super) fn new(parts: Parts) -> std::io::Result<File> {
        let Parts { file, size, read_only, direct } = parts;
        let kind = if file.metadata()?.file_type().is_block_device() {
            Kind::BlockDevice(rustix::fs::ioctl_blksszget(&file)?)
        } else {
            Kind::Regular
        };
        let block_min = direct.as_ref().map_or(1, Direct::block);
        let geometry = Geometry {
            size,
            block_min,
            block_preferred: block_min.max(4096),
            read_only,
            discard: !read_only,
        };
        Ok(File { descriptor: file, geometry, kind, direct, shrunk: AtomicBool::new(false) })
    }

    fn write_bytes(&self, offset: u64, data: &[u8], durable: Durable) -> Result<(), Errno> {
        match &self.direct {
            Some(direct) => direct.write(&self.descriptor, offset, data, durable),
            None => positioned::write(&self.descriptor, offset, data, durable),
        }
    }

    /// Refuses a change that must not be: the image is read-only, or is not what it was.
    ///
    /// A write in the middle of a file that shrank leaves it short, so the next flush still finds it; one
    /// that reaches the end would hide it, so that one looks first.
    fn check_change(&self, range: ByteRange, durable: Durable) -> Result<(), Errno> {
        if self.geometry.read_only {
            return Err(Errno::EPERM);
        }
        if range.end() == self.geometry.size || durable == Durable::Now {
            self.check_size()?;
        }
        if self.shrunk.load(Ordering::Relaxed) { Err(Errno::EIO) } else { Ok(()) }
    }

    fn check_size(&self) -> Result<(), Errno> {
        let length = match self.kind {
            Kind::Regular => self.descriptor.metadata().map_err(errno)?.len(),
            // A block device refuses what lies beyond its end by itself.
            Kind::BlockDevice(_) => return Ok(()),
        };
        if length < self.geometry.size {
            self.shrunk.store(true, Ordering::Relaxed);
            return Err(Errno::EIO);
        }
        Ok(())
    }

    /// Makes `range` read as zeroes: by one call for the whole blocks in it where the system can, by
    /// writing for the rest.
    fn zero(&self, range: ByteRange, how: Zeroing) -> Result<(), Errno> {
        self.check_change(range, how.durable)?;
        let inner = inner_blocks(range, self.zero_block());
        if how.fast_only && inner != range {
            return Err(Errno::ENOTSUP);
        }
        match self.zero_by_call(inner, how) {
            Ok(()) => {}
            Err(error) if !is_unsupported(error) => return Err(errno(error.into())),
            Err(_) if how.fast_only => return Err(Errno::ENOTSUP),
            Err(_) => self.write_zero_bytes(inner)?,
        }
        self.write_zero_bytes(ByteRange::new(range.offset, inner.offset - range.offset))?;
        self.write_zero_bytes(ByteRange::new(inner.end(), range.end() - inner.end()))?;
        match how.durable {
            Durable::Later => Ok(()),
            Durable::Now => positioned::sync(&self.descriptor),
        }
    }

    /// The unit in which a call can zero, in bytes. A file system zeroes single bytes, through the page
    /// cache: when that is passed by, whole blocks only, because a block zeroed in part while another
    /// write puts it back whole would lose one of the two.
    fn zero_block(&self) -> u64 {
        let kind = match self.kind {
            Kind::Regular => 1,
            Kind::BlockDevice(block) => block,
        };
        u64::from(kind.max(self.geometry.block_min))
    }

    fn zero_by_call(&self, range: ByteRange, how: Zeroing) -> Result<(), SystemErrno> {
        if range.length == 0 {
            return Ok(());
        }
        let device = matches!(self.kind, Kind::BlockDevice(_));
        if !how.keep_allocated {
            let punched = positioned::allocate(&self.descriptor, FallocateFlags::PUNCH_HOLE, range);
            if !punched.is_err_and(is_unsupported) {
                return punched;
            }
        }
        // For a block device the kernel writes the zeroes itself where the device cannot: not fast.
        if device && how.fast_only {
            return Err(SystemErrno::OPNOTSUPP);
        }
        positioned::allocate(&self.descriptor, FallocateFlags::ZERO_RANGE, range)
    }

    fn write_zero_bytes(&self, range: ByteRange) -> Result<(), Errno> {
        let mut at = range.offset;
        while at < range.end() {
            let length = (range.end() - at).min(PIECE_BYTES as u64);
            self.write_bytes(at, &ZEROES[..index(length)], Durable::Later)?;
            at += length;
        }
        Ok(())
    }

    /// The state of the file at `offset` and the end of that run, at most `end`.
    fn run_at(&self, offset: u64, end: u64) -> Result<(State, u64), Errno> {
        match rustix::fs::seek(&self.descriptor, SeekFrom::Data(offset)) {
            Ok(data) if data > offset => Ok((State::Hole, data.min(end))),
            Ok(_) => match rustix::fs::seek(&self.descriptor, SeekFrom::Hole(offset)) {
                Ok(hole) if hole > offset => Ok((State::Data, hole.min(end))),
                // Changed between the two questions, or not supported: data is always a true answer.
                _ => Ok((State::Data, end)),
            },
            Err(SystemErrno::NXIO) => self.check_size().map(|()| (State::Hole, end)),
            Err(_) => Ok((State::Data, end)),
        }
    }
}

/// The whole blocks in `range`; empty, at its start, if there are none.
fn inner_blocks(range: ByteRange, block: u64) -> ByteRange {
    let end = range.end() / block * block;
    match range.offset.checked_next_multiple_of(block) {
        Some(offset) if offset < end => ByteRange::new(offset, end - offset),
        _ => ByteRange::new(range.offset, 0),
    }
}

/// Whether this file, or this system, cannot do such a call at all.
fn is_unsupported(error: SystemErrno) -> bool {
    matches!(
        error,
        SystemErrno::OPNOTSUPP | SystemErrno::NOSYS | SystemErrno::INVAL | SystemErrno::NODEV
    )
}

impl Image for File {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        match &self.direct {
            Some(direct) => direct.read(&self.descriptor, offset, buffer),
            None => positioned::read(&self.descriptor, offset, buffer),
        }
    }

    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> Option<Result<(), Errno>> {
        match self.direct {
            Some(_) => None,
            None => positioned::read_now(&self.descriptor, offset, buffer).map(Ok),
        }
    }

    fn read_place(&self, range: ByteRange) -> Option<Place<'_>> {
        let (descriptor, offset) = (self.descriptor.as_fd(), range.offset);
        match &self.direct {
            Some(direct) => direct.place(&self.descriptor, range),
            None => Some(Place { descriptor, offset, align: 1 }),
        }
    }

    fn write_place(&self, range: ByteRange, durable: Durable) -> Option<Place<'_>> {
        let place = self.direct.as_ref()?.place(&self.descriptor, range)?;
        self.check_change(range, durable).is_ok().then_some(place)
    }

    fn write(&self, offset: u64, data: &[u8], durable: Durable) -> Result<(), Errno> {
        self.check_change(ByteRange::new(offset, data.len() as u64), durable)?;
        self.write_bytes(offset, data, durable)
    }

    fn write_now(&self, offset: u64, data: &[u8]) -> Option<Result<(), Errno>> {
        // Into the page cache a write is quick, and asking first (RWF_NOWAIT) is refused by ext4.
        self.direct.is_none().then(|| self.write(offset, data, Durable::Later))
    }

    fn write_zeroes(&self, range: ByteRange, how: Zeroing) -> Result<(), Errno> {
        self.zero(range, how)
    }

    fn discard(&self, range: ByteRange, durable: Durable) -> Result<(), Errno> {
        self.zero(range, Zeroing { keep_allocated: false, fast_only: false, durable })
    }

    fn flush(&self) -> Result<(), Errno> {
        if self.geometry.read_only {
            return Ok(());
        }
        positioned::sync(&self.descriptor)?;
        self.check_size()
    }

    fn block_status(&self, range: ByteRange) -> Result<Vec<Extent>, Errno> {
        let mut extents = Extents::default();
        let mut at = range.offset;
        while at < range.end() {
            let (state, end) = self.run_at(at, range.end())?;
            if !extents.push(state.extent(end - at)) {
                break;
            }
            at = end;
        }
        Ok(extents.into_vec())
    }

    fn cache(&self, range: ByteRange) -> Result<(), Errno> {
        // Only advice: a file that takes none is as near as it gets.
        let length = std::num::NonZeroU64::new(range.length);
        let _ = rustix::fs::fadvise(&self.descriptor, range.offset, length, Advice::WillNeed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::device::contract::{options, raw_file};
    use crate::device::{OpenOptions, Transfer, open};

    const SIZE: u64 = 1 << 20;

    /// A file of [`SIZE`] bytes that is cut to half while it is served.
    fn cut_in_half() -> (tempfile::TempDir, std::sync::Arc<dyn Image>) {
        let (directory, image) = raw_file(SIZE, None);
        set_length(&directory, SIZE / 2);
        (directory, image)
    }

    fn set_length(directory: &tempfile::TempDir, length: u64) {
        let path = directory.path().join("disk.img");
        fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
    }

    #[test]
    fn what_a_shrunken_file_lacks_is_an_io_error_through_a_queue_too() {
        use crate::device::{BlockDevice, Doorbell, Pool, Submission};
        use crate::request::{Flags, Operation, Request};
        let (_directory, image) = cut_in_half();
        let doorbell = std::sync::Arc::new(Doorbell::new().unwrap());
        let mut queue = Pool::new(image, 1).open_queue(std::sync::Arc::clone(&doorbell));
        for (tag, offset) in [(1, SIZE / 2 - 50), (2, SIZE - 100), (3, 0)] {
            let range = ByteRange::new(offset, 100);
            let request = Request { operation: Operation::Read, range, flags: Flags::NONE };
            queue.submit(Submission { tag, request, data: bytes::Bytes::new() });
        }
        queue.kick();
        let mut results = Vec::new();
        while queue.in_flight() > 0 {
            doorbell.clear();
            let mut completions = Vec::new();
            queue.poll(&mut completions);
            results.extend(completions.into_iter().map(|one| (one.tag, one.result)));
            if queue.in_flight() > 0 {
                doorbell.wait(std::time::Duration::from_mins(1));
            }
        }
        results.sort_unstable_by_key(|(tag, _)| *tag);
        assert_eq!(results, [(1, Err(Errno::EIO)), (2, Err(Errno::EIO)), (3, Ok(()))]);
    }

    #[test]
    fn what_a_shrunken_file_lacks_is_an_io_error() {
        let (_directory, image) = cut_in_half();
        let mut buffer = [0; 100];
        assert_eq!(image.read(0, &mut buffer), Ok(()));
        for offset in [SIZE / 2 - 50, SIZE / 2, SIZE - 100] {
            assert_eq!(image.read(offset, &mut buffer), Err(Errno::EIO));
            assert_eq!(image.read_now(offset, &mut buffer), None);
        }
        let beyond = ByteRange::new(SIZE / 2 + 5, 100);
        assert_eq!(image.block_status(beyond), Err(Errno::EIO));
    }

    #[test]
    fn a_shrunken_file_is_not_grown_back() {
        let (directory, image) = cut_in_half();
        let length = || fs::metadata(directory.path().join("disk.img")).unwrap().len();
        assert_eq!(image.write(SIZE - 10, &[1; 10], Durable::Later), Err(Errno::EIO));
        assert_eq!(length(), SIZE / 2);
        // From now on it is known.
        let range = ByteRange::new(SIZE / 2, 10);
        assert_eq!(image.write(range.offset, &[1; 10], Durable::Later), Err(Errno::EIO));
        assert_eq!(image.discard(range, Durable::Later), Err(Errno::EIO));
        assert_eq!(image.flush(), Err(Errno::EIO));
        assert_eq!(length(), SIZE / 2);
    }

    #[test]
    fn a_write_into_a_shrunken_file_is_found_by_the_flush() {
        let (_directory, image) = cut_in_half();
        image.write(SIZE / 2 + 100, &[1; 10], Durable::Later).unwrap();
        assert_eq!(image.flush(), Err(Errno::EIO));
        assert_eq!(image.write(0, &[1; 10], Durable::Later), Err(Errno::EIO));
        let (_directory, image) = cut_in_half();
        assert_eq!(image.write(SIZE / 2, &[1; 10], Durable::Now), Err(Errno::EIO));
    }

    #[test]
    fn a_file_that_grew_keeps_its_size_here() {
        let (directory, image) = raw_file(SIZE, None);
        set_length(&directory, 2 * SIZE);
        image.write(SIZE - 10, &[1; 10], Durable::Later).unwrap();
        assert_eq!(image.flush(), Ok(()));
        assert_eq!(image.geometry().size, SIZE);
    }

    #[test]
    fn discard_gives_space_back_and_no_hole_keeps_it() {
        let (directory, image) = raw_file(SIZE, None);
        let blocks = || fs::metadata(directory.path().join("disk.img")).unwrap().blocks();
        let all = ByteRange::new(0, SIZE);
        let zeroing =
            |keep_allocated| Zeroing { keep_allocated, fast_only: false, durable: Durable::Now };
        image.write(0, &vec![1; all.length.try_into().unwrap()], Durable::Now).unwrap();
        let allocated = blocks();
        assert!(allocated * 512 >= SIZE);
        image.write_zeroes(all, zeroing(true)).unwrap();
        assert!(blocks() >= allocated, "NO_HOLE keeps what is allocated");
        image.write_zeroes(all, zeroing(false)).unwrap();
        assert!(blocks() < allocated / 2, "zeroes may be holes otherwise");
    }

    #[test]
    fn a_read_only_image_refuses_changes() {
        let (directory, image) = raw_file(SIZE, None);
        drop(image);
        let options = OpenOptions { access: crate::device::Access::ReadOnly, ..options(None) };
        let image = open(&directory.path().join("disk.img"), &options).unwrap().image;
        assert_eq!(image.write(0, &[1], Durable::Later), Err(Errno::EPERM));
        assert_eq!(image.discard(ByteRange::new(0, 1), Durable::Later), Err(Errno::EPERM));
        assert_eq!(image.flush(), Ok(()));
    }

    #[test]
    fn direct_transfers_need_whole_blocks_and_say_so() {
        let (directory, image) = raw_file(SIZE + 100, None);
        drop(image);
        let options = OpenOptions { transfer: Transfer::Direct, ..options(None) };
        let Err(error) = open(&directory.path().join("disk.img"), &options) else {
            panic!("the last block is not whole");
        };
        let text = error.to_string();
        assert!(
            text.ends_with("that direct I/O needs") || text.ends_with("not support direct I/O"),
            "{text}"
        );
        assert_eq!(error.hint(), Some("leave --direct out"));
    }

    #[test]
    fn inner_blocks_are_whole() {
        for (range, expected) in [
            ((0, 512), (0, 512)),
            ((1, 511), (1, 0)),
            ((1, 1023), (512, 512)),
            ((100, 1000), (512, 512)),
            ((512, 0), (512, 0)),
            ((u64::MAX - 5, 5), (u64::MAX - 5, 0)),
        ] {
            let inner = inner_blocks(ByteRange::new(range.0, range.1), 512);
            assert_eq!(inner, ByteRange::new(expected.0, expected.1));
        }
    }
}
