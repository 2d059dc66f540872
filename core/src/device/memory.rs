//! An image in memory: the reference that the others are compared with.
//!
//! One vector behind one lock, obvious on purpose and never optimised. Everything is allocated, nothing is
//! a hole. Use it through `Pool` like every other image.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::extents::State;
use super::{Durable, Geometry, Image, Zeroing};
use crate::request::{Errno, Extent};
use crate::units::ByteRange;

/// A disk that is one vector.
#[derive(Debug)]
pub struct Memory {
    bytes: RwLock<Vec<u8>>,
    geometry: Geometry,
}

impl Memory {
    /// A disk of `size` bytes, all zero. Takes that much memory at once, so `size` must not come from a
    /// file or a peer.
    pub fn new(size: usize) -> Memory {
        let geometry = Geometry {
            size: size as u64,
            block_min: 1,
            block_preferred: 4096,
            read_only: false,
            discard: true,
        };
        Memory { bytes: RwLock::new(vec![0; size]), geometry }
    }

    /// A panic elsewhere leaves bytes, never a broken structure, so poison means nothing.
    fn bytes(&self) -> RwLockReadGuard<'_, Vec<u8>> {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes_mut(&self) -> RwLockWriteGuard<'_, Vec<u8>> {
        self.bytes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of `length` bytes at `offset` in the vector. A range beyond it is the caller's mistake.
fn place(offset: u64, length: u64) -> Result<std::ops::Range<usize>, Errno> {
    let end = offset.checked_add(length).ok_or(Errno::EINVAL)?;
    let index = |offset| usize::try_from(offset).map_err(|_| Errno::EINVAL);
    Ok(index(offset)?..index(end)?)
}

impl Image for Memory {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        let place = place(offset, buffer.len() as u64)?;
        buffer.copy_from_slice(self.bytes().get(place).ok_or(Errno::EINVAL)?);
        Ok(())
    }

    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> Option<Result<(), Errno>> {
        Some(self.read(offset, buffer))
    }

    fn write(&self, offset: u64, data: &[u8], _durable: Durable) -> Result<(), Errno> {
        let place = place(offset, data.len() as u64)?;
        self.bytes_mut().get_mut(place).ok_or(Errno::ENOSPC)?.copy_from_slice(data);
        Ok(())
    }

    fn write_now(&self, offset: u64, data: &[u8]) -> Option<Result<(), Errno>> {
        Some(self.write(offset, data, Durable::Later))
    }

    fn write_zeroes(&self, range: ByteRange, _how: Zeroing) -> Result<(), Errno> {
        let place = place(range.offset, range.length)?;
        self.bytes_mut().get_mut(place).ok_or(Errno::ENOSPC)?.fill(0);
        Ok(())
    }

    fn discard(&self, range: ByteRange, _durable: Durable) -> Result<(), Errno> {
        let place = place(range.offset, range.length)?;
        self.bytes_mut().get_mut(place).ok_or(Errno::EINVAL)?.fill(0);
        Ok(())
    }

    fn flush(&self) -> Result<(), Errno> {
        Ok(())
    }

    fn block_status(&self, range: ByteRange) -> Result<Vec<Extent>, Errno> {
        Ok(vec![State::Data.extent(range.length)])
    }

    fn cache(&self, _range: ByteRange) -> Result<(), Errno> {
        Ok(())
    }
}
