//! What every image and every device promises, checked on all of them: the memory image is the oracle of the
//! others.
//!
//! Here are the images and devices, and a test for each and each check; the checks, functions over any image
//! (`contents`, `random`) or device (`queues`), lie beside. An image gets queues by a pool, a device becomes an
//! image by `blocking`. No clock, no network, no tool.

#![expect(clippy::cast_possible_truncation, reason = "the sizes of tests are small")]

mod blocking;
mod cold;
pub(crate) mod contents;
pub(crate) mod queues;
pub(crate) mod random;

use std::any::Any;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use tempfile::TempDir;

use super::{
    Access, BlockDevice, Dice, Durable, Effect, Fault, Image, ImageFormat, Memory, OpenError,
    OpenOptions, Overlay, Pool, Rule, Sim, Transfer, When, Zeroing, open,
};
use crate::limits::EXTENTS_MAX;
use crate::units::{ByteRange, Clock, Nanos, Size, VirtualClock};

use blocking::{Blocking, Step};
use cold::cold;

/// Size of the images of most checks, in bytes: not a multiple of a page, for those that can be so.
const SIZE: u64 = 1_000_448;

/// A directory on a disk, for a temporary directory is often in memory, which has no direct transfers.
pub(super) static SCRATCH: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tmp"));
    fs::create_dir_all(&directory).unwrap();
    directory
});

/// What has to live as long as an image or a device.
pub(crate) type Held = Box<dyn Any>;

/// An image and what has to live as long as it.
pub(crate) type Subject = (Held, Arc<dyn Image>);

/// A device, how those who wait for it make it go on, and what has to live as long as it.
pub(crate) struct Attached {
    device: Arc<dyn BlockDevice>,
    step: Step,
    held: Held,
}

impl Attached {
    /// A device that goes on by itself.
    pub(crate) fn going_on(device: Arc<dyn BlockDevice>, held: Held) -> Attached {
        Attached { device, step: blocking::wait(), held }
    }
}

fn directory() -> TempDir {
    tempfile::tempdir_in(&*SCRATCH).unwrap()
}

pub(super) fn options(create: Option<Size>) -> OpenOptions {
    OpenOptions { access: Access::ReadWrite, format: None, transfer: Transfer::Buffered, create }
}

/// A raw file `disk.img` of `size` bytes, all hole.
pub(super) fn raw_file(size: u64, format: Option<ImageFormat>) -> (TempDir, Arc<dyn Image>) {
    let directory = directory();
    let options = OpenOptions { format, ..options(Some(Size(size))) };
    let image = open(&directory.path().join("disk.img"), &options).unwrap().image;
    (directory, image)
}

fn memory(size: u64) -> Option<Subject> {
    let fits = size <= 64 << 20;
    fits.then(|| (Box::new(()) as Held, Arc::new(Memory::new(size as usize)) as Arc<dyn Image>))
}

#[expect(clippy::unnecessary_wraps, reason = "one type for all subjects")]
fn file(size: u64) -> Option<Subject> {
    let (directory, image) = raw_file(size, None);
    Some((Box::new(directory), image))
}

// What is left out must be seen, so this prints.
#[cfg(test)]
fn direct(size: u64) -> Option<Subject> {
    let directory = directory();
    let options = OpenOptions { transfer: Transfer::Direct, ..options(Some(Size(size))) };
    match open(&directory.path().join("disk.img"), &options) {
        Ok(opened) => Some((Box::new(directory), opened.image)),
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
    Some((Box::new(directory), opened.image))
}

fn overlay_over(base: Option<Subject>) -> Option<Subject> {
    let (held, base) = base?;
    let scratch = tempfile::tempfile_in(&*SCRATCH).unwrap();
    Some((held, Arc::new(Overlay::new(base, scratch))))
}

fn overlay_memory(size: u64) -> Option<Subject> {
    overlay_over(memory(size))
}

fn overlay_file(size: u64) -> Option<Subject> {
    overlay_over(file(size))
}

/// An image behind a pool.
pub(crate) fn pooled(subject: Option<Subject>) -> Option<Attached> {
    let (held, image) = subject?;
    Some(Attached::going_on(Pool::new(image, 3), held))
}

/// A file of whose reads none need not wait.
fn cold_file(size: u64) -> Option<Attached> {
    pooled(cold(file(size)))
}

/// The same under an overlay.
fn cold_overlay(size: u64) -> Option<Attached> {
    pooled(cold(overlay_over(file(size))))
}

/// A device as an image.
pub(crate) fn blocking(attached: Option<Attached>) -> Option<Subject> {
    attached.map(|attached| {
        let image = Arc::new(Blocking::new(&attached));
        (attached.held, image as Arc<dyn Image>)
    })
}

/// A simulated device whose requests complete in the order of a seed, by those who wait.
fn sim(size: u64) -> Option<Attached> {
    let (held, memory) = memory(size)?;
    let sim = Sim::new(memory);
    let step = complete_any(&sim);
    Some(Attached { device: sim, step, held })
}

fn complete_any(sim: &Arc<Sim>) -> Step {
    let (sim, dice) = (Arc::clone(sim), Mutex::new(Dice::new(1)));
    Arc::new(move |_| {
        sim.complete_next(&mut dice.lock().unwrap());
    })
}

/// A device that could go wrong and does not, over threads.
fn fault_off(size: u64) -> Option<Attached> {
    let Attached { device, step, held } = pooled(memory(size))?;
    let device = Fault::new(device, Vec::new(), Arc::new(VirtualClock::default()), 1);
    Some(Attached { device, step, held })
}

/// A device that is late, over a simulated one: nothing that is promised may depend on time.
fn fault_late(size: u64) -> Option<Attached> {
    let (held, memory) = memory(size)?;
    let sim = Sim::new(memory);
    let complete = complete_any(&sim);
    let clock = Arc::new(VirtualClock::default());
    let late = |times, span| Rule {
        operation: None,
        range: None,
        when: When::OneIn(times),
        effect: Effect::Delay(Nanos(span)),
    };
    let rules = vec![late(3, 2), late(3, 50)];
    let fault = Fault::new(sim, rules, Arc::clone(&clock) as Arc<dyn Clock>, 1);
    let step: Step = Arc::new({
        let fault = Arc::clone(&fault);
        move |doorbell| {
            complete(doorbell);
            clock.advance(Nanos(1));
            fault.tick();
        }
    });
    Some(Attached { device: fault, step, held })
}

macro_rules! checks {
    ($subject:expr; $($file:ident::$check:ident)*) => { $(
        #[test]
        fn $check() {
            $file::$check($subject);
        }
    )* };
}

/// A test for each check, on each subject: as an image, and as a device.
macro_rules! contract {
    ($($subject:ident: $image:expr, $device:expr;)*) => { $(
        mod $subject {
            use super::*;

            checks! { $image;
                contents::what_is_written_is_read_back
                random::random_operations_agree_with_memory
                contents::neighbours_in_one_block_both_survive
                contents::neighbours_of_a_discard_survive
                contents::a_discard_zeroes_exactly_its_range
                contents::zeroes_are_exact_however_they_are_asked_for
                contents::fast_zeroes_that_are_refused_change_nothing
                contents::the_whole_of_a_huge_device_can_be_zeroed
                contents::block_status_covers_from_the_start
                contents::a_flush_completes_and_keeps_the_data
                contents::nothing_of_length_zero_does_anything
            }
            checks! { $device;
                queues::every_submission_completes_once
                queues::dropping_a_queue_waits
            }
        }
    )* };
}

// Devices of adapters, which no layer names, are checked where they are.
pub(crate) use {checks, contract};

contract! {
    memory: memory, |size| pooled(memory(size));
    file: file, |size| pooled(file(size));
    direct: direct, |size| pooled(direct(size));
    file_by_ring: |size| blocking(cold_file(size)), cold_file;
    overlay_by_ring: |size| blocking(cold_overlay(size)), cold_overlay;
    direct_by_ring: |size| blocking(pooled(direct(size))), |size| pooled(cold(direct(size)));
    qcow2: qcow2, |size| pooled(qcow2(size));
    overlay_memory: overlay_memory, |size| pooled(overlay_memory(size));
    overlay_file: overlay_file, |size| pooled(overlay_file(size));
    sim: |size| blocking(sim(size)), sim;
    fault_off: |size| blocking(fault_off(size)), fault_off;
    fault_late: |size| blocking(fault_late(size)), fault_late;
}

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
