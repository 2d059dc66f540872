//! Proof of what an image held: an image comes in, a digest of what a client would read goes out.
//!
//! Knows neither files nor formats, so raw, qcow2, sparse and full copies of one disk agree. Invariant:
//! memory is one block, whatever the size of the image.

use twox_hash::XxHash3_128;

use super::Image;
use super::positioned::{PIECE_BYTES, ZEROES, index};
use crate::format::{Fingerprint, FingerprintMethod};
use crate::request::{Digest, Errno};
use crate::units::ByteRange;

/// Bytes in a block of a sample.
const SAMPLE_BLOCK: usize = 4096;

/// Blocks of a sample that are spread over the image; one more is the last.
const SAMPLE_BLOCKS: u128 = 256;

/// Images smaller than this are sampled whole, in bytes.
const SAMPLE_WHOLE_BELOW: u64 = 1 << 20;

/// Bytes in a block of a full fingerprint.
const FULL_BLOCK: u64 = PIECE_BYTES as u64;

/// Bytes of an image that are asked about at once.
const WINDOW: usize = 1 << 30;

/// Why there is no fingerprint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FingerprintError {
    /// The image could not be read.
    #[error("bytes {range} of the image cannot be read: {errno}")]
    Unreadable {
        /// What was to be read.
        range: ByteRange,
        /// What the image said.
        errno: Errno,
    },
}

/// Takes the fingerprint of `image`. Call it before the first request, and below the overlay.
///
/// - `Sample`: xxh3-128 over the size (u64, little-endian) followed by 257 blocks of 4 KiB: those at
///   `size * i / 256` for i in 0..256, rounded down to 4 KiB, and the last one. An image smaller than
///   1 MiB is taken whole, each block once. A last partial block is filled up with zeroes.
/// - `Full`: xxh3-128 over a list of 24-byte entries, one for each 1 MiB block that is not all zero: its
///   number (u64, little-endian) and the xxh3-128 of its bytes (16 bytes, little-endian). A last partial
///   block is taken as long as it is.
/// - `None`: nothing is read.
pub fn fingerprint(
    image: &dyn Image,
    method: FingerprintMethod,
) -> Result<Fingerprint, FingerprintError> {
    let digest = match method {
        FingerprintMethod::None => None,
        FingerprintMethod::Sample => Some(sample(image)?),
        FingerprintMethod::Full => Some(full(image)?),
    };
    Ok(Fingerprint { method, digest })
}

fn sample(image: &dyn Image) -> Result<Digest, FingerprintError> {
    let size = image.geometry().size;
    let mut hash = XxHash3_128::new();
    hash.write(&size.to_le_bytes());
    let mut block = [0; SAMPLE_BLOCK];
    for offset in sample_offsets(size) {
        let length = index(size - offset).min(SAMPLE_BLOCK);
        read(image, offset, &mut block[..length])?;
        block[length..].fill(0);
        hash.write(&block);
    }
    Ok(Digest(hash.finish_128()))
}

/// Where the blocks of a sample lie, in the order in which they are hashed.
fn sample_offsets(size: u64) -> Vec<u64> {
    if size < SAMPLE_WHOLE_BELOW {
        return (0..size).step_by(SAMPLE_BLOCK).collect();
    }
    let spread = (0..SAMPLE_BLOCKS).map(|i| u128::from(size) * i / SAMPLE_BLOCKS);
    // Less than the size, so it fits.
    let spread = spread.map(|offset| u64::try_from(offset).unwrap_or(u64::MAX));
    let block = SAMPLE_BLOCK as u64;
    spread.chain([size - 1]).map(|offset| offset / block * block).collect()
}

fn full(image: &dyn Image) -> Result<Digest, FingerprintError> {
    let size = image.geometry().size;
    let mut hash = XxHash3_128::new();
    let mut block = vec![0; index(FULL_BLOCK.min(size))];
    for start in (0..size).step_by(WINDOW) {
        let window = ByteRange::new(start, (WINDOW as u64).min(size - start));
        for offset in blocks_to_read(image, window)? {
            let length = index(FULL_BLOCK.min(size - offset));
            let block = &mut block[..length];
            read(image, offset, block)?;
            if *block != ZEROES[..length] {
                hash.write(&(offset / FULL_BLOCK).to_le_bytes());
                hash.write(&Digest::of(block).0.to_le_bytes());
            }
        }
    }
    Ok(Digest(hash.finish_128()))
}

/// The blocks of `window` that the image does not know to be all zero: a disk that is mostly hole is not
/// read, but asked.
fn blocks_to_read(image: &dyn Image, window: ByteRange) -> Result<Vec<u64>, FingerprintError> {
    let extents = image
        .block_status(window)
        .map_err(|errno| FingerprintError::Unreadable { range: window, errno })?;
    let mut wanted = vec![false; index(window.length.div_ceil(FULL_BLOCK))];
    let mut at = 0;
    let mut want = |from: u64, to: u64| {
        wanted[index(from / FULL_BLOCK)..index(to.div_ceil(FULL_BLOCK))].fill(true);
    };
    for extent in extents {
        if !extent.zero {
            want(at, at + extent.length);
        }
        at += extent.length;
    }
    if at < window.length {
        want(at, window.length);
    }
    let numbers = (0..).zip(wanted).filter(|(_, wanted)| *wanted);
    Ok(numbers.map(|(number, _): (u64, bool)| window.offset + number * FULL_BLOCK).collect())
}

fn read(image: &dyn Image, offset: u64, buffer: &mut [u8]) -> Result<(), FingerprintError> {
    let range = ByteRange::new(offset, buffer.len() as u64);
    image.read(offset, buffer).map_err(|errno| FingerprintError::Unreadable { range, errno })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::device::contract::{SCRATCH, raw_file};
    use crate::device::{Durable, Memory, Overlay};

    const MIB: usize = 1 << 20;

    /// A disk with data at both ends, in the middle, and zeroes that were written.
    fn fill(image: &dyn Image) {
        let size = image.geometry().size;
        for (offset, byte, length) in
            [(0, 1, 5000), (size / 2, 2, 70_000), (size - 9, 3, 9), (size / 3, 0, 5000)]
        {
            image.write(offset, &vec![byte; length], Durable::Later).unwrap();
        }
    }

    fn both(image: &dyn Image) -> [Option<Digest>; 2] {
        [FingerprintMethod::Sample, FingerprintMethod::Full]
            .map(|method| fingerprint(image, method).unwrap().digest)
    }

    #[test]
    fn copies_of_one_disk_agree_however_they_are_kept() {
        // Not a multiple of any block.
        let size = 7 * MIB + 1234;
        let memory = Memory::new(size);
        let (_directory, sparse) = raw_file(size as u64, None);
        let (_directory2, full) = raw_file(size as u64, None);
        full.write(0, &vec![0; size], Durable::Later).unwrap();
        let (_directory3, base) = raw_file(size as u64, None);
        let overlay = Overlay::new(base, tempfile::tempfile_in(&*SCRATCH).unwrap());
        let images: [&dyn Image; 4] = [&memory, &*sparse, &*full, &overlay];
        for image in images {
            fill(image);
            assert_eq!(both(image), both(&memory));
        }
        sparse.write(0, b"x", Durable::Later).unwrap();
        let changed = both(&*sparse);
        assert!(changed[0] != both(&memory)[0] && changed[1] != both(&memory)[1]);
    }

    /// The definition, written down a second time in the plainest way.
    #[test]
    fn the_digests_are_those_of_the_definition() {
        for size in [1, 4096, 5000, MIB - 1, MIB, MIB + 1, 3 * MIB + 5000] {
            let memory = Memory::new(size);
            let period: Vec<u8> = (0..=250).flat_map(|byte| [byte; 1000]).collect();
            let bytes: Vec<u8> = period.iter().copied().cycle().take(size).collect();
            memory.write(0, &bytes, Durable::Later).unwrap();
            let mut padded = bytes.clone();
            padded.resize(size.next_multiple_of(4096), 0);
            let mut sample = (size as u64).to_le_bytes().to_vec();
            if size < MIB {
                sample.extend(&padded);
            } else {
                for i in 0..256 {
                    let start = (size * i / 256) / 4096 * 4096;
                    sample.extend(&padded[start..start + 4096]);
                }
                sample.extend(&padded[padded.len() - 4096..]);
            }
            let mut full = Vec::new();
            for (number, block) in (0_u64..).zip(bytes.chunks(MIB)) {
                if block.iter().any(|byte| *byte != 0) {
                    full.extend(number.to_le_bytes());
                    full.extend(Digest::of(block).0.to_le_bytes());
                }
            }
            assert_eq!(
                both(&memory),
                [Some(Digest::of(&sample)), Some(Digest::of(&full))],
                "{size} bytes"
            );
        }
    }

    #[test]
    fn a_huge_empty_disk_is_asked_and_not_read() {
        let (_directory, image) = raw_file(1 << 40, None);
        let (_directory2, other) = raw_file(1 << 39, None);
        assert_eq!(both(&*image)[1], both(&*other)[1], "neither has a block that is not zero");
        assert_ne!(both(&*image)[0], both(&*other)[0], "a sample has the size in it");
    }

    #[test]
    fn an_image_that_cannot_be_read_says_where() {
        let (directory, image) = raw_file(2 * MIB as u64, None);
        let file = std::fs::File::options().write(true).open(directory.path().join("disk.img"));
        file.unwrap().set_len(MIB as u64).unwrap();
        let error = fingerprint(&*image, FingerprintMethod::Sample).unwrap_err();
        assert_eq!(error.to_string(), "bytes 1048576+4096 of the image cannot be read: EIO");
    }

    #[test]
    fn none_reads_nothing() {
        let image: Arc<dyn Image> = Arc::new(Memory::new(1));
        assert_eq!(fingerprint(&*image, FingerprintMethod::None).unwrap().digest, None);
    }
}
