//! Checks of what an image holds after what was done to it.
//!
//! Each takes a way to make an image and knows nothing else of it.

use std::thread;

use super::{FREELY, SIZE, Subject, check_status, pattern, read};
use crate::device::{Durable, Zeroing};
use crate::request::Errno;
use crate::units::ByteRange;

pub(crate) fn what_is_written_is_read_back(subject: fn(u64) -> Option<Subject>) {
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

pub(crate) fn neighbours_in_one_block_both_survive(subject: fn(u64) -> Option<Subject>) {
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

pub(crate) fn neighbours_of_a_discard_survive(subject: fn(u64) -> Option<Subject>) {
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

pub(crate) fn a_discard_zeroes_exactly_its_range(subject: fn(u64) -> Option<Subject>) {
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

pub(crate) fn zeroes_are_exact_however_they_are_asked_for(subject: fn(u64) -> Option<Subject>) {
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

pub(crate) fn fast_zeroes_that_are_refused_change_nothing(subject: fn(u64) -> Option<Subject>) {
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

pub(crate) fn the_whole_of_a_huge_device_can_be_zeroed(subject: fn(u64) -> Option<Subject>) {
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

pub(crate) fn block_status_covers_from_the_start(subject: fn(u64) -> Option<Subject>) {
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

pub(crate) fn nothing_of_length_zero_does_anything(subject: fn(u64) -> Option<Subject>) {
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

pub(crate) fn a_flush_completes_and_keeps_the_data(subject: fn(u64) -> Option<Subject>) {
    let Some((_directory, image)) = subject(SIZE) else { return };
    image.write(77, &pattern(5, 10_000), Durable::Later).unwrap();
    image.flush().unwrap();
    image.flush().unwrap();
    image.cache(ByteRange::new(0, SIZE)).unwrap();
    assert_eq!(read(&*image, 77, 10_000), pattern(5, 10_000));
}
