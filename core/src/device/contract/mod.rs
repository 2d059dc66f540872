//! What every image promises, checked on all of them: the memory image is the oracle of the others.
//!
//! Here are the images, and a test for each image and each check; the checks, functions over any image, lie
//! in `contents`, `random` and `queues`. No clock, no network, no tool.

#![expect(clippy::cast_possible_truncation, reason = "the sizes of tests are small")]

mod contents;
mod queues;
mod random;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use tempfile::TempDir;

use super::{
    Access, Durable, Image, ImageFormat, Memory, OpenError, OpenOptions, Overlay, Transfer,
    Zeroing, open,
};
use crate::limits::EXTENTS_MAX;
use crate::units::{ByteRange, Size};

/// Size of the images of most checks, in bytes: not a multiple of a page, for those that can be so.
const SIZE: u64 = 1_000_448;

/// A directory on a disk, for a temporary directory is often in memory, which has no direct transfers.
pub(super) static SCRATCH: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tmp"));
    fs::create_dir_all(&directory).unwrap();
    directory
});

/// An image and what has to live as long as it.
type Subject = (TempDir, Arc<dyn Image>);

fn directory() -> TempDir {
    tempfile::tempdir_in(&*SCRATCH).unwrap()
}

pub(super) fn options(create: Option<Size>) -> OpenOptions {
    OpenOptions { access: Access::ReadWrite, format: None, transfer: Transfer::Buffered, create }
}

/// A raw file `disk.img` of `size` bytes, all hole.
pub(super) fn raw_file(size: u64, format: Option<ImageFormat>) -> Subject {
    let directory = directory();
    let options = OpenOptions { format, ..options(Some(Size(size))) };
    let image = open(&directory.path().join("disk.img"), &options).unwrap().image;
    (directory, image)
}

fn memory(size: u64) -> Option<Subject> {
    let fits = size <= 64 << 20;
    fits.then(|| (directory(), Arc::new(Memory::new(size as usize)) as Arc<dyn Image>))
}

#[expect(clippy::unnecessary_wraps, reason = "one type for all subjects")]
fn file(size: u64) -> Option<Subject> {
    Some(raw_file(size, None))
}

// What is left out must be seen, so this prints.
#[cfg(test)]
fn direct(size: u64) -> Option<Subject> {
    let directory = directory();
    let options = OpenOptions { transfer: Transfer::Direct, ..options(Some(Size(size))) };
    match open(&directory.path().join("disk.img"), &options) {
        Ok(opened) => Some((directory, opened.image)),
        Err(error @ OpenError::DirectUnsupported { .. }) => {
            eprintln!("LEFT OUT: direct transfers were not checked: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// An empty qcow2 image in the file of that name.
pub(super) fn make_qcow2(path: &Path, size: u64) {
    use imago::FormatCreateBuilder;
    fs::write(path, []).unwrap();
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let storage = imago::file::File::try_from(file).unwrap();
    // Large disks get large clusters, as whoever makes them would choose.
    let cluster = if size > 1 << 30 { 2 << 20 } else { 64 << 10 };
    let builder = imago::qcow2::Qcow2::<imago::file::File>::create_builder(storage);
    builder.size(size).cluster_size(cluster).create().unwrap();
}

#[expect(clippy::unnecessary_wraps, reason = "one type for all subjects")]
fn qcow2(size: u64) -> Option<Subject> {
    let directory = directory();
    let path = directory.path().join("disk.qcow2");
    make_qcow2(&path, size);
    let opened = open(&path, &options(None)).unwrap();
    assert_eq!(opened.format, ImageFormat::Qcow2);
    Some((directory, opened.image))
}

fn overlay_over(base: Option<Subject>) -> Option<Subject> {
    let (directory, base) = base?;
    let scratch = tempfile::tempfile_in(&*SCRATCH).unwrap();
    Some((directory, Arc::new(Overlay::new(base, scratch))))
}

fn overlay_memory(size: u64) -> Option<Subject> {
    overlay_over(memory(size))
}

fn overlay_file(size: u64) -> Option<Subject> {
    overlay_over(file(size))
}

macro_rules! contract {
    ($($subject:ident: $($checks:ident::$check:ident)*;)*) => { $(
        mod $subject {
            $(
                #[test]
                fn $check() {
                    super::$checks::$check(super::$subject);
                }
            )*
        }
    )* };
}

macro_rules! all_checks {
    ($($subject:ident)*) => {
        contract! { $($subject:
            contents::what_is_written_is_read_back
            random::random_operations_agree_with_memory
            contents::neighbours_in_one_block_both_survive
            contents::neighbours_of_a_discard_survive
            contents::a_discard_zeroes_exactly_its_range
            contents::zeroes_are_exact_however_they_are_asked_for
            contents::fast_zeroes_that_are_refused_change_nothing
            contents::the_whole_of_a_huge_device_can_be_zeroed
            contents::block_status_covers_from_the_start
            queues::every_submission_completes_once
            queues::dropping_a_queue_waits
            contents::a_flush_completes_and_keeps_the_data
            contents::nothing_of_length_zero_does_anything
        ; )* }
    };
}

all_checks! { memory file direct qcow2 overlay_memory overlay_file }

const FREELY: Zeroing =
    Zeroing { keep_allocated: false, fast_only: false, durable: Durable::Later };

fn read(image: &dyn Image, offset: u64, length: u64) -> Vec<u8> {
    // Not what is expected, so that a read that does nothing is found.
    let mut buffer = vec![0xee; length as usize];
    image.read(offset, &mut buffer).unwrap();
    if let Some(result) = image.read_now(offset, &mut vec![0xdd; length as usize]) {
        result.unwrap();
        let mut again = vec![0xdd; length as usize];
        if image.read_now(offset, &mut again).is_some() {
            assert_eq!(again, buffer, "a read that need not wait reads the same");
        }
    }
    buffer
}

/// Bytes without a period that blocks could hide.
fn pattern(seed: u64, length: u64) -> Vec<u8> {
    (0..length).map(|i| (1 + (i * 7 + i / 251 + seed * 31) % 255) as u8).collect()
}

/// Checks the form of the answer, and that what is said to be zero is.
fn check_status(image: &dyn Image, range: ByteRange, content: &[u8]) -> u64 {
    let extents = image.block_status(range).unwrap();
    assert!(!extents.is_empty() && extents.len() <= EXTENTS_MAX);
    let mut at = 0;
    for extent in &extents {
        assert!(extent.length > 0, "{extents:?}");
        let run = &content[at as usize..(at + extent.length) as usize];
        assert!(!extent.zero || run.iter().all(|byte| *byte == 0), "{extents:?} at {at}");
        assert!(!extent.hole || extent.zero, "a hole reads as zeroes here");
        at += extent.length;
    }
    assert!(at <= range.length, "{extents:?} in {range}");
    at
}
