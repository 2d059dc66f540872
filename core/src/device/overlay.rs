//! A layer over an image that takes all changes and is thrown away: a base comes in, a writable image of
//! the same size goes out, and the base is never changed.
//!
//! Exact to the byte: what was written lies in a scratch file at the same offset, what was discarded or
//! zeroed is an entry in a map, everything else is the base's. No block is ever copied, so two writes side
//! by side need nothing of each other. Invariant: the map names a range only after its bytes are in the
//! scratch file. When that is full, the client gets ENOSPC.

use std::fs;
use std::os::fd::AsFd;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rustix::fs::FallocateFlags;

use super::extents::{Extents, State};
use super::pieces::{Change, Pieces};
use super::positioned::{self, index};
use super::ring::Place;
use super::{Durable, Geometry, Image, Zeroing};
use crate::limits::OVERLAY_PIECES_MAX;
use crate::request::{Errno, Extent};
use crate::units::ByteRange;

/// A writable layer over an image.
pub struct Overlay {
    base: Arc<dyn Image>,
    scratch: fs::File,
    pieces: RwLock<Pieces>,
    geometry: Geometry,
}

impl Overlay {
    /// A layer over `base` whose data go to `scratch`: an empty file, open for reading and writing, that
    /// nobody else uses and that should have no name any more. It grows sparsely, up to the base's size.
    pub fn new(base: Arc<dyn Image>, scratch: fs::File) -> Overlay {
        let geometry =
            Geometry { block_min: 1, read_only: false, discard: true, ..base.geometry().clone() };
        Overlay { base, scratch, pieces: RwLock::default(), geometry }
    }

    /// Bytes that have been written and neither discarded nor zeroed since.
    pub fn written_bytes(&self) -> u64 {
        self.pieces().data_bytes()
    }

    fn pieces(&self) -> RwLockReadGuard<'_, Pieces> {
        self.pieces.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn pieces_mut(&self) -> RwLockWriteGuard<'_, Pieces> {
        self.pieces.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a change in the map. The number of its entries is bounded, as memory is.
    fn note(&self, range: ByteRange, change: Change) -> Result<u64, Errno> {
        let mut pieces = self.pieces_mut();
        if pieces.len() >= OVERLAY_PIECES_MAX {
            return Err(Errno::ENOSPC);
        }
        Ok(pieces.set(range, change))
    }

    fn zero(&self, range: ByteRange) -> Result<(), Errno> {
        let displaced = self.note(range, Change::Zero)?;
        if displaced > 0 {
            // Only saves room: nobody reads these bytes before they are written again.
            let _ = positioned::allocate(&self.scratch, FallocateFlags::PUNCH_HOLE, range);
        }
        Ok(())
    }

    /// Calls `read` for each piece of the range that `buffer` is for, until one of them says `None` or
    /// an error. The lock is not held meanwhile: nothing changes what a read in flight reads.
    fn read_pieces(
        &self,
        offset: u64,
        buffer: &mut [u8],
        mut read: impl FnMut(Option<Change>, u64, &mut [u8]) -> Option<Result<(), Errno>>,
    ) -> Option<Result<(), Errno>> {
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let (change, end) = self.pieces().at(at, at + rest.len() as u64);
            let (piece, after) = rest.split_at_mut(index(end - at));
            if let Err(error) = read(change, at, piece)? {
                return Some(Err(error));
            }
            at = end;
            rest = after;
        }
        Some(Ok(()))
    }
}

impl Image for Overlay {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        let read = self.read_pieces(offset, buffer, |change, at, piece| match change {
            None => Some(self.base.read(at, piece)),
            Some(Change::Data) => Some(positioned::read(&self.scratch, at, piece)),
            Some(Change::Zero) => {
                piece.fill(0);
                Some(Ok(()))
            }
        });
        read.unwrap_or(Err(Errno::EIO))
    }

    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> Option<Result<(), Errno>> {
        self.read_pieces(offset, buffer, |change, at, piece| match change {
            None => self.base.read_now(at, piece),
            Some(Change::Data) => positioned::read_now(&self.scratch, at, piece).map(Ok),
            Some(Change::Zero) => {
                piece.fill(0);
                Some(Ok(()))
            }
        })
    }

    fn read_place(&self, range: ByteRange) -> Option<Place<'_>> {
        match self.pieces().at(range.offset, range.end()) {
            (None, end) if end == range.end() => self.base.read_place(range),
            (Some(Change::Data), end) if end == range.end() => {
                let (descriptor, offset) = (self.scratch.as_fd(), range.offset);
                Some(Place { descriptor, offset, align: 1 })
            }
            _ => None,
        }
    }

    /// Durability is not offered: all of it is thrown away.
    fn write(&self, offset: u64, data: &[u8], _durable: Durable) -> Result<(), Errno> {
        positioned::write(&self.scratch, offset, data, Durable::Later)?;
        self.note(ByteRange::new(offset, data.len() as u64), Change::Data).map(|_| ())
    }

    fn write_now(&self, offset: u64, data: &[u8]) -> Option<Result<(), Errno>> {
        Some(self.write(offset, data, Durable::Later))
    }

    /// Always fast, and the map is all that is allocated, whatever `how` says.
    fn write_zeroes(&self, range: ByteRange, _how: Zeroing) -> Result<(), Errno> {
        self.zero(range)
    }

    fn discard(&self, range: ByteRange, _durable: Durable) -> Result<(), Errno> {
        self.zero(range)
    }

    /// Does nothing: there is no crash that the layer survives.
    fn flush(&self) -> Result<(), Errno> {
        Ok(())
    }

    fn block_status(&self, range: ByteRange) -> Result<Vec<Extent>, Errno> {
        let mut extents = Extents::default();
        let mut at = range.offset;
        while at < range.end() {
            let (change, end) = self.pieces().at(at, range.end());
            let mut runs = match change {
                None => self.base.block_status(ByteRange::new(at, end - at))?,
                Some(Change::Data) => vec![State::Data.extent(end - at)],
                Some(Change::Zero) => vec![State::Hole.extent(end - at)],
            }
            .into_iter();
            let covered: u64 = runs.clone().map(|run| run.length).sum();
            if !runs.all(|run| extents.push(run)) || covered < end - at {
                break;
            }
            at = end;
        }
        Ok(extents.into_vec())
    }

    fn cache(&self, range: ByteRange) -> Result<(), Errno> {
        self.base.cache(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Memory;
    use crate::device::contract::SCRATCH;

    fn scratch() -> fs::File {
        tempfile::tempfile_in(&*SCRATCH).unwrap()
    }

    fn read(image: &dyn Image, offset: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0xee; length];
        image.read(offset, &mut buffer).unwrap();
        buffer
    }

    #[test]
    fn the_base_shows_through_and_is_never_changed() {
        let base = Arc::new(Memory::new(1000));
        base.write(0, &[7; 1000], Durable::Later).unwrap();
        let overlay = Overlay::new(Arc::clone(&base) as Arc<dyn Image>, scratch());
        overlay.write(100, &[1; 50], Durable::Now).unwrap();
        overlay.discard(ByteRange::new(120, 50), Durable::Later).unwrap();
        let expected = [vec![7; 10], vec![1; 20], vec![0; 50], vec![7; 10]].concat();
        assert_eq!(read(&overlay, 90, 90), expected);
        assert_eq!(overlay.written_bytes(), 20);
        assert_eq!(read(&*base, 0, 1000), [7; 1000]);
        let mut now = vec![0; 90];
        assert_eq!(overlay.read_now(90, &mut now), Some(Ok(())));
        assert_eq!(now, expected);
    }

    #[test]
    fn block_status_is_the_layers_and_the_bases_together() {
        let overlay = Overlay::new(Arc::new(Memory::new(1000)), scratch());
        overlay.write(100, &[1; 50], Durable::Later).unwrap();
        overlay.discard(ByteRange::new(200, 50), Durable::Later).unwrap();
        let extents = overlay.block_status(ByteRange::new(120, 200)).unwrap();
        let (data, hole) = (State::Data, State::Hole);
        assert_eq!(extents, [data.extent(80), hole.extent(50), data.extent(70)]);
    }

    #[test]
    fn a_full_scratch_file_is_enospc_and_keeps_what_was_there() {
        // Every write to it fails so, reads are zeroes.
        let full = fs::File::options().read(true).write(true).open("/dev/full").unwrap();
        let base = Arc::new(Memory::new(100));
        base.write(0, &[7; 100], Durable::Later).unwrap();
        let overlay = Overlay::new(base, full);
        assert_eq!(overlay.write(10, &[1; 10], Durable::Later), Err(Errno::ENOSPC));
        assert_eq!(overlay.write_now(10, &[1; 10]), Some(Err(Errno::ENOSPC)));
        assert_eq!(read(&overlay, 0, 100), [7; 100]);
        assert_eq!(overlay.written_bytes(), 0);
        overlay.discard(ByteRange::new(0, 100), Durable::Later).unwrap();
        assert_eq!(read(&overlay, 0, 100), [0; 100], "a discard takes no room");
    }

    #[test]
    fn a_layer_over_a_read_only_image_is_writable() {
        use crate::device::contract::{options, raw_file};
        use crate::device::{Access, OpenOptions, open};
        let (directory, image) = raw_file(4096, None);
        drop(image);
        let options = OpenOptions { access: Access::ReadOnly, ..options(None) };
        let base = open(&directory.path().join("disk.img"), &options).unwrap().image;
        assert!(base.geometry().read_only && !base.geometry().discard);
        let overlay = Overlay::new(base, scratch());
        assert!(!overlay.geometry().read_only && overlay.geometry().discard);
        overlay.write(0, b"x", Durable::Later).unwrap();
        assert_eq!(read(&overlay, 0, 1), b"x");
    }
}
