//! An image whose reads always wait: what it lies on has to be asked each time.

use std::sync::Arc;

use super::Subject;
use crate::device::{Durable, Geometry, Image, Place, Zeroing};
use crate::request::{Errno, Extent};
use crate::units::ByteRange;

/// Nothing of the image is in memory.
struct Cold(Arc<dyn Image>);

/// The same image, cold.
pub(super) fn cold(subject: Option<Subject>) -> Option<Subject> {
    subject.map(|(held, image)| (held, Arc::new(Cold(image)) as Arc<dyn Image>))
}

impl Image for Cold {
    fn geometry(&self) -> &Geometry {
        self.0.geometry()
    }
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        self.0.read(offset, buffer)
    }
    fn read_now(&self, _: u64, buffer: &mut [u8]) -> Option<Result<(), Errno>> {
        // Undefined, so the caller must not care.
        buffer.fill(0xdd);
        None
    }
    fn read_place(&self, range: ByteRange) -> Option<Place<'_>> {
        self.0.read_place(range)
    }
    fn write_place(&self, range: ByteRange, durable: Durable) -> Option<Place<'_>> {
        self.0.write_place(range, durable)
    }
    fn write(&self, offset: u64, data: &[u8], durable: Durable) -> Result<(), Errno> {
        self.0.write(offset, data, durable)
    }
    fn write_now(&self, offset: u64, data: &[u8]) -> Option<Result<(), Errno>> {
        self.0.write_now(offset, data)
    }
    fn write_zeroes(&self, range: ByteRange, how: Zeroing) -> Result<(), Errno> {
        self.0.write_zeroes(range, how)
    }
    fn discard(&self, range: ByteRange, durable: Durable) -> Result<(), Errno> {
        self.0.discard(range, durable)
    }
    fn flush(&self) -> Result<(), Errno> {
        self.0.flush()
    }
    fn block_status(&self, range: ByteRange) -> Result<Vec<Extent>, Errno> {
        self.0.block_status(range)
    }
    fn cache(&self, range: ByteRange) -> Result<(), Errno> {
        self.0.cache(range)
    }
}
