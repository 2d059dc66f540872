//! Transfers past the page cache: unaligned ranges come in, whole aligned blocks go to the descriptor.
//!
//! Each transfer goes through memory of our own that is aligned as `O_DIRECT` wants it. A block that is
//! written in part is read, changed and written back under one lock, so that two writes to different
//! bytes of a block both survive. Invariant: the file's size is a multiple of the block.

use std::fs;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, StatxFlags};

use super::Durable;
use super::aligned::Aligned;
use super::positioned::{self, PIECE_BYTES, index};
use super::ring::Place;
use crate::request::Errno;
use crate::units::ByteRange;

/// How the memory of a transfer is aligned, in bytes. Enough for every device that Linux knows.
const MEMORY_ALIGN: usize = 4096;

/// Largest block that is served, in bytes: the largest that NBD can name as its minimum.
const BLOCK_MAX: u32 = 64 << 10;

/// The way past the page cache of one file.
#[derive(Debug)]
pub(super) struct Direct {
    block: u32,
    /// Held while a block is read, changed and written back. One for all: a client that keeps to the
    /// advertised block never takes it.
    partial: Mutex<()>,
}

impl Direct {
    /// For a file opened with `O_DIRECT`. `None` if the file cannot do it.
    pub(super) fn probe(file: &fs::File) -> Option<Direct> {
        let block = offset_alignment(file)?;
        (block.is_power_of_two() && block <= BLOCK_MAX)
            .then(|| Direct { block, partial: Mutex::new(()) })
    }

    /// Bytes in a block: what every transfer to the file is a multiple of.
    pub(super) fn block(&self) -> u32 {
        self.block
    }

    /// Where `range` lies as it is, for one transfer; `None` unless it is whole blocks.
    pub(super) fn place<'a>(&self, file: &'a fs::File, range: ByteRange) -> Option<Place<'a>> {
        let is_whole = range.widened(u64::from(self.block)) == range;
        let (descriptor, offset) = (file.as_fd(), range.offset);
        is_whole.then_some(Place { descriptor, offset, align: MEMORY_ALIGN })
    }

    /// Memory for the largest of the pieces of `range`, widened to blocks.
    fn bounce(&self, range: ByteRange) -> Aligned {
        let length = range.widened(u64::from(self.block)).length.min(PIECE_BYTES as u64);
        Aligned::zeroed(index(length), MEMORY_ALIGN)
    }

    /// Fills `buffer` from `offset`.
    pub(super) fn read(
        &self,
        file: &fs::File,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), Errno> {
        let range = ByteRange::new(offset, buffer.len() as u64);
        let mut bounce = self.bounce(range);
        for piece in pieces(range.widened(u64::from(self.block))) {
            let bytes = &mut bounce.as_mut()[..index(piece.length)];
            positioned::read(file, piece.offset, bytes)?;
            let (theirs, ours) = shared(range, piece);
            buffer[theirs].copy_from_slice(&bytes[ours]);
        }
        Ok(())
    }

    /// Writes `data` at `offset`.
    pub(super) fn write(
        &self,
        file: &fs::File,
        offset: u64,
        data: &[u8],
        durable: Durable,
    ) -> Result<(), Errno> {
        let range = ByteRange::new(offset, data.len() as u64);
        let blocks = range.widened(u64::from(self.block));
        let _held =
            (blocks != range).then(|| self.partial.lock().unwrap_or_else(PoisonError::into_inner));
        let mut bounce = self.bounce(range);
        for piece in pieces(blocks) {
            let bytes = &mut bounce.as_mut()[..index(piece.length)];
            self.read_partial_blocks(file, range, piece, bytes)?;
            let (theirs, ours) = shared(range, piece);
            bytes[ours].copy_from_slice(&data[theirs]);
            positioned::write(file, piece.offset, bytes, durable)?;
        }
        Ok(())
    }

    /// Reads those blocks of `piece`, into their place in `bytes`, that `range` covers only in part.
    fn read_partial_blocks(
        &self,
        file: &fs::File,
        range: ByteRange,
        piece: ByteRange,
        bytes: &mut [u8],
    ) -> Result<(), Errno> {
        let block = self.block as usize;
        if piece.offset < range.offset {
            positioned::read(file, piece.offset, &mut bytes[..block])?;
        }
        if piece.end() > range.end() {
            let last = bytes.len() - block;
            positioned::read(file, piece.offset + last as u64, &mut bytes[last..])?;
        }
        Ok(())
    }
}

/// What offsets and lengths of transfers must be a multiple of, in bytes; `None` if there are none such.
fn offset_alignment(file: &fs::File) -> Option<u32> {
    let asked = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN);
    if let Ok(answer) = asked
        && answer.stx_mask & StatxFlags::DIOALIGN.bits() != 0
    {
        // Zero says that this file cannot be read past the cache, whatever its descriptor claims.
        return (answer.stx_dio_offset_align > 0).then(|| answer.stx_dio_offset_align.max(512));
    }
    // Kernels before 6.1 tell it of block devices; elsewhere a page is enough.
    Some(rustix::fs::ioctl_blksszget(file).unwrap_or(4096))
}

/// `blocks` cut into pieces that fit the bounce buffer.
fn pieces(blocks: ByteRange) -> impl Iterator<Item = ByteRange> {
    (blocks.offset..blocks.end())
        .step_by(PIECE_BYTES)
        .map(move |offset| ByteRange::new(offset, (blocks.end() - offset).min(PIECE_BYTES as u64)))
}

/// The bytes that `range` and `piece` share: as indices into a buffer for `range`, and into one for `piece`.
fn shared(range: ByteRange, piece: ByteRange) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let from = range.offset.max(piece.offset);
    let to = range.end().min(piece.end());
    let within = |of: ByteRange| index(from - of.offset)..index(to - of.offset);
    (within(range), within(piece))
}
