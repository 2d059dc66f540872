//! Writing what an image holds to a file: raw and sparse. An image comes in, a file goes out.
//!
//! Invariant: the file appears whole under its name, or not at all.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use blkreplay_core::device::Image;
use blkreplay_core::event::is_zero;
use blkreplay_core::request::Errno;
use blkreplay_core::units::ByteRange;

use crate::failure::Failure;
use crate::trace_file::{self, Overwrite, directory_of};

/// Bytes copied at a time, and the smallest hole that is left.
const BLOCK_BYTES: u64 = 64 << 10;

/// Why an image could not be copied.
#[derive(Debug, thiserror::Error)]
enum CopyError {
    /// The image cannot be read.
    #[error("bytes {range} of the image cannot be read: {errno}")]
    Read {
        /// Where.
        range: ByteRange,
        /// Why.
        errno: Errno,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Writes all of `image` to a new file at `path`.
pub(crate) fn write(image: &dyn Image, path: &Path, overwrite: Overwrite) -> Result<(), Failure> {
    trace_file::check_output(path, overwrite)?;
    let cannot =
        |error: CopyError| Failure::because(format!("cannot write {}", path.display()), error);
    let file = tempfile::NamedTempFile::new_in(directory_of(path))
        .map_err(|error| cannot(error.into()))?;
    copy(image, file.as_file()).map_err(cannot)?;
    let placed = match overwrite {
        Overwrite::Yes => file.persist(path),
        Overwrite::No => file.persist_noclobber(path),
    };
    placed.map(drop).map_err(|error| cannot(error.error.into()))
}

/// Copies what is not zero, where the image says that there may be something.
fn copy(image: &dyn Image, file: &File) -> Result<(), CopyError> {
    let size = image.geometry().size;
    file.set_len(size)?;
    let mut offset = 0;
    while offset < size {
        let range = ByteRange::new(offset, size - offset);
        let extents =
            image.block_status(range).map_err(|errno| CopyError::Read { range, errno })?;
        for extent in extents {
            let end = offset.saturating_add(extent.length).min(size);
            if !extent.zero {
                copy_range(image, file, ByteRange::new(offset, end - offset))?;
            }
            offset = end;
        }
    }
    Ok(())
}

fn copy_range(image: &dyn Image, file: &File, range: ByteRange) -> Result<(), CopyError> {
    let mut buffer = vec![0; usize::try_from(BLOCK_BYTES).unwrap_or(0)];
    let mut offset = range.offset;
    while offset < range.end() {
        let length = BLOCK_BYTES.min(range.end() - offset);
        let block = ByteRange::new(offset, length);
        let bytes = &mut buffer[..usize::try_from(length).unwrap_or(0)];
        image.read(offset, bytes).map_err(|errno| CopyError::Read { range: block, errno })?;
        if !is_zero(bytes) {
            file.write_all_at(bytes, offset)?;
        }
        offset = block.end();
    }
    Ok(())
}
