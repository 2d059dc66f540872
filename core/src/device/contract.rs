//! What every image promises, checked on all of them: the memory image is the oracle of the others.
//!
//! Images come in, nothing goes out; no clock, no network, no tool. Each check is a function over any image,
//! and each image gets a test for each check.

#![expect(clippy::cast_possible_truncation, reason = "the sizes of tests are small")]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use super::{
    Access, BlockDevice, Completion, Doorbell, Durable, Image, ImageFormat, Memory, OpenError,
    OpenOptions, Overlay, Pool, Queue, Submission, Transfer, Zeroing, open,
};
use crate::limits::EXTENTS_MAX;
use crate::request::{Errno, Flags, Operation, Request};
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
pub(super) fn make_qcow2(path: &std::path::Path, size: u64) {
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
    ($($subject:ident: $($check:ident)*;)*) => { $(
        mod $subject {
            $(
                #[test]
                fn $check() {
                    super::$check(super::$subject);
                }
            )*
        }
    )* };
}

macro_rules! all_checks {
    ($($subject:ident)*) => {
        contract! { $($subject:
            what_is_written_is_read_back
            random_operations_agree_with_memory
            neighbours_in_one_block_both_survive
            neighbours_of_a_discard_survive
            a_discard_zeroes_exactly_its_range
            zeroes_are_exact_however_they_are_asked_for
            fast_zeroes_that_are_refused_change_nothing
            the_whole_of_a_huge_device_can_be_zeroed
            block_status_covers_from_the_start
            every_submission_completes_once
            dropping_a_queue_waits
            a_flush_completes_and_keeps_the_data
            nothing_of_length_zero_does_anything
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

fn what_is_written_is_read_back(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    assert_eq!(image.geometry().size, SIZE);
    assert!(!image.geometry().read_only && image.geometry().discard);
    assert_eq!(read(&*image, 0, SIZE), vec![0; SIZE as usize], "a new image is zero");
    for (offset, length) in
        [(0, 1), (SIZE - 1, 1), (511, 2), (4095, 8194), (100_000, 300_001), (0, SIZE)]
    {
        for durable in [Durable::Later, Durable::Now] {
            let data = pattern(offset, length);
            image.write(offset, &data, durable).unwrap();
            assert_eq!(read(&*image, offset, length), data, "{length} bytes at {offset}");
        }
    }
}

/// An operation of a random sequence.
#[derive(Debug, Clone)]
enum Step {
    Write(ByteRange, u64),
    Zero(ByteRange, bool),
    Discard(ByteRange),
    Flush,
    Read(ByteRange),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let range = (0..SIZE, prop_oneof![1..600_u64, 1..70_000_u64, 1..SIZE])
        .prop_map(|(offset, length)| ByteRange::new(offset, length.min(SIZE - offset)));
    let step = prop_oneof![
        4 => (range.clone(), any::<u64>()).prop_map(|(range, seed)| Step::Write(range, seed % 97)),
        2 => (range.clone(), any::<bool>()).prop_map(|(range, keep)| Step::Zero(range, keep)),
        2 => range.clone().prop_map(Step::Discard),
        1 => Just(Step::Flush),
        2 => range.prop_map(Step::Read),
    ];
    prop::collection::vec(step, 1..30)
}

fn random_operations_agree_with_memory(subject: fn(u64) -> Option<Subject>) {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        let Some((_directory, image)) = subject(SIZE) else { return Ok(()) };
        let oracle = Memory::new(SIZE as usize);
        for step in &steps {
            for image in [&*image, &oracle] {
                match *step {
                    Step::Write(range, seed) => {
                        let data = pattern(seed, range.length);
                        image.write(range.offset, &data, Durable::Later).unwrap();
                    }
                    Step::Zero(range, keep_allocated) => {
                        image.write_zeroes(range, Zeroing { keep_allocated, ..FREELY }).unwrap();
                    }
                    Step::Discard(range) => image.discard(range, Durable::Later).unwrap(),
                    Step::Flush => image.flush().unwrap(),
                    Step::Read(_) => {}
                }
            }
            if let Step::Read(range) = *step {
                let expected = read(&oracle, range.offset, range.length);
                prop_assert!(read(&*image, range.offset, range.length) == expected, "{range}");
                check_status(&*image, range, &expected);
            }
        }
        prop_assert!(read(&*image, 0, SIZE) == read(&oracle, 0, SIZE), "the whole, at the end");
        Ok(())
    });
    outcome.unwrap();
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

fn neighbours_in_one_block_both_survive(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    let ends: [(u64, u64); 4] = [(0, 100), (100, 156), (256, 3), (259, 253)];
    for round in 1..40_u64 {
        // A fresh block each time, so that all of them also find it unallocated.
        let base = round * 20_000;
        thread::scope(|scope| {
            for (offset, length) in ends {
                let image = &*image;
                scope.spawn(move || {
                    image.write(base + offset, &pattern(offset, length), Durable::Later).unwrap();
                });
            }
        });
        for (offset, length) in ends {
            assert_eq!(read(&*image, base + offset, length), pattern(offset, length));
        }
    }
}

fn neighbours_of_a_discard_survive(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    let length = 10_000;
    for round in 0..40_u64 {
        let base = round * 20_000 + 13;
        image.write(base, &pattern(1, length), Durable::Later).unwrap();
        thread::scope(|scope| {
            let image = &*image;
            scope.spawn(move || image.write(base, &pattern(2, 3000), Durable::Later).unwrap());
            scope.spawn(move || {
                let range = ByteRange::new(base + 3000, 4000);
                if round % 2 == 0 {
                    image.discard(range, Durable::Later).unwrap();
                } else {
                    image.write_zeroes(range, FREELY).unwrap();
                }
            });
            scope.spawn(move || {
                image.write(base + 7000, &pattern(3, 3000), Durable::Later).unwrap();
            });
        });
        let expected = [pattern(2, 3000), vec![0; 4000], pattern(3, 3000)].concat();
        assert!(read(&*image, base, length) == expected, "round {round}");
    }
}

fn a_discard_zeroes_exactly_its_range(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    let mut expected = pattern(1, SIZE);
    image.write(0, &expected, Durable::Later).unwrap();
    for (offset, length) in [(1, 1), (4000, 200), (65_000, 140_000), (SIZE - 3, 3), (0, SIZE)] {
        for durable in [Durable::Later, Durable::Now] {
            image.discard(ByteRange::new(offset, length), durable).unwrap();
        }
        expected[offset as usize..][..length as usize].fill(0);
        assert!(read(&*image, 0, SIZE) == expected, "{length} bytes at {offset}");
    }
}

fn zeroes_are_exact_however_they_are_asked_for(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    for keep_allocated in [false, true] {
        for durable in [Durable::Later, Durable::Now] {
            let mut expected = pattern(2, SIZE);
            image.write(0, &expected, Durable::Later).unwrap();
            for (offset, length) in [(7, 500), (4096, 8192), (70_001, 200_000), (SIZE - 1, 1)] {
                let how = Zeroing { keep_allocated, fast_only: false, durable };
                image.write_zeroes(ByteRange::new(offset, length), how).unwrap();
                expected[offset as usize..][..length as usize].fill(0);
                assert!(read(&*image, 0, SIZE) == expected, "{length} bytes at {offset}");
            }
        }
    }
}

fn fast_zeroes_that_are_refused_change_nothing(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    let written = pattern(3, SIZE);
    for keep_allocated in [false, true] {
        for (offset, length) in [(1, 3), (4096, 8192), (100_000, 100_001), (0, SIZE)] {
            image.write(0, &written, Durable::Later).unwrap();
            let how = Zeroing { keep_allocated, fast_only: true, durable: Durable::Later };
            let mut expected = written.clone();
            match image.write_zeroes(ByteRange::new(offset, length), how) {
                Ok(()) => expected[offset as usize..][..length as usize].fill(0),
                Err(errno) => assert_eq!(errno, Errno::ENOTSUP),
            }
            assert!(read(&*image, 0, SIZE) == expected, "{length} bytes at {offset}");
        }
    }
}

fn the_whole_of_a_huge_device_can_be_zeroed(subject: fn(u64) -> Option<Subject>) {
    let size = 1 << 40;
    // The memory image is what it says.
    let Some((_directory, image)) = subject(size) else { return };
    let whole = ByteRange::new(0, size);
    let middle = size / 2;
    for round in 0..3 {
        image.write(middle, &pattern(1, 5000), Durable::Later).unwrap();
        match round {
            0 => image.discard(whole, Durable::Later).unwrap(),
            1 => image.write_zeroes(whole, FREELY).unwrap(),
            _ => image.discard(ByteRange::new(1, size - 2), Durable::Now).unwrap(),
        }
        assert_eq!(read(&*image, middle, 5000), vec![0; 5000]);
    }
    // Blocks at the ends may have been written.
    let extents = image.block_status(ByteRange::new(1 << 21, size - (1 << 22))).unwrap();
    assert!(extents.iter().all(|extent| extent.zero), "{extents:?}");
}

fn block_status_covers_from_the_start(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    let mut content = vec![0; SIZE as usize];
    for offset in [0, 5000, 65_536, 200_000, SIZE - 100] {
        image.write(offset, &pattern(4, 100), Durable::Later).unwrap();
        content[offset as usize..][..100].copy_from_slice(&pattern(4, 100));
    }
    for (offset, length) in [(0, SIZE), (1, 1), (4095, 2), (SIZE - 1, 1), (5050, 300_000)] {
        let mut at = offset;
        while at < offset + length {
            let rest = ByteRange::new(at, offset + length - at);
            at += check_status(&*image, rest, &content[at as usize..]);
        }
    }
}

fn nothing_of_length_zero_does_anything(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    image.write(100, &pattern(1, 50), Durable::Later).unwrap();
    for offset in [0, 120, SIZE] {
        let nothing = ByteRange::new(offset, 0);
        image.write(offset, &[], Durable::Now).unwrap();
        image.read(offset, &mut []).unwrap();
        image.discard(nothing, Durable::Later).unwrap();
        image.write_zeroes(nothing, FREELY).unwrap();
        image.cache(nothing).unwrap();
    }
    assert_eq!(read(&*image, 100, 50), pattern(1, 50));
}

/// A queue of a pool over the image, and its bell.
fn queue_over(image: Arc<dyn Image>) -> (Box<dyn Queue>, Arc<Doorbell>) {
    let doorbell = Arc::new(Doorbell::new().unwrap());
    let pool = Pool::new(image, 3);
    (pool.open_queue(Arc::clone(&doorbell)), doorbell)
}

fn submission(tag: u64, operation: Operation, range: ByteRange, flags: Flags) -> Submission {
    let data = if operation == Operation::Write { pattern(tag, range.length) } else { Vec::new() };
    Submission { tag, request: Request { operation, range, flags }, data: Bytes::from(data) }
}

/// Takes completions until nothing is in flight.
fn finish(queue: &mut dyn Queue, doorbell: &Doorbell) -> Vec<Completion> {
    let mut completions = Vec::new();
    queue.kick();
    loop {
        doorbell.clear();
        queue.poll(&mut completions);
        if queue.in_flight() == 0 {
            return completions;
        }
        doorbell.wait(Duration::from_mins(1));
    }
}

fn every_submission_completes_once(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    let (mut queue, doorbell) = queue_over(Arc::clone(&image));
    let flags = [Flags::NONE, Flags::FUA];
    let count = 400;
    let mut completions = Vec::new();
    for tag in 0..count {
        let (operation, _) = Operation::NAMES[tag as usize % Operation::NAMES.len()];
        let flags = flags[tag as usize / 7 % 2];
        let range = match operation {
            Operation::Flush => ByteRange::default(),
            _ => ByteRange::new(tag * 2048, 700),
        };
        queue.submit(submission(tag, operation, range, flags));
        if tag % 16 == 0 {
            queue.kick();
        }
        queue.poll(&mut completions);
    }
    assert_eq!(queue.in_flight() + completions.len(), count as usize);
    completions.extend(finish(&mut *queue, &doorbell));
    let mut tags: Vec<u64> = completions.iter().map(|completion| completion.tag).collect();
    tags.sort_unstable();
    assert_eq!(tags, (0..count).collect::<Vec<_>>());
    for completion in completions {
        let (operation, _) = Operation::NAMES[completion.tag as usize % Operation::NAMES.len()];
        assert_eq!(completion.result, Ok(()), "{operation}");
        assert_eq!(completion.data.len(), if operation == Operation::Read { 700 } else { 0 });
        assert_eq!(completion.extents.is_empty(), operation != Operation::BlockStatus);
        if operation == Operation::Write {
            let written = pattern(completion.tag, 700);
            assert!(read(&*image, completion.tag * 2048, 700) == written);
        }
    }
}

fn dropping_a_queue_waits(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    for kicked in [true, false] {
        let (mut queue, _doorbell) = queue_over(Arc::clone(&image));
        for tag in 0..50 {
            let range = ByteRange::new(tag * 1000, 1000);
            queue.submit(submission(tag, Operation::Write, range, Flags::FUA));
        }
        if kicked {
            queue.kick();
        }
        drop(queue);
        for tag in 0..50 {
            assert_eq!(read(&*image, tag * 1000, 1000), pattern(tag, 1000));
        }
        image.discard(ByteRange::new(0, 50_000), Durable::Later).unwrap();
    }
}

fn a_flush_completes_and_keeps_the_data(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    image.write(77, &pattern(5, 10_000), Durable::Later).unwrap();
    image.flush().unwrap();
    image.flush().unwrap();
    image.cache(ByteRange::new(0, SIZE)).unwrap();
    assert_eq!(read(&*image, 77, 10_000), pattern(5, 10_000));
}
