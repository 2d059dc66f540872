//! What one side has written to a device so far: its requests in, what two disks do not have in common out.
//!
//! Data lie in a file without a name, with holes where nothing or zeroes were written. Invariants: memory is bounded, however
//! large the device and however many the writes; a byte that was never written differs from one that was, whatever was written.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};

use super::ranges::Ranges;
use crate::event::is_zero;
use crate::request::Digest;

/// Bytes that are compared or hashed at once.
const PIECE: u64 = 64 << 10;
/// Zeroes up to here are written; more are made a hole.
const ZEROES_WRITTEN: u64 = 4096;
/// Most parts of a device that are told apart, about 30 bytes each.
pub(super) const RANGES_MAX: usize = 1 << 21;

/// What was written.
#[derive(Debug)]
pub(super) struct Disk {
    file: File,
    /// Behind the last byte of the file.
    size: u64,
    written: Ranges,
    /// So many parts of it are told apart.
    most: usize,
    /// In so many parts that bytes between them count as written too.
    coarse: bool,
}

impl Disk {
    /// Nothing was written. The file is empty and its own; at most `most` parts of what will be written are told apart.
    pub(super) fn new(file: File, most: usize) -> Disk {
        Disk { file, size: 0, written: Ranges::default(), most, coarse: false }
    }

    /// Whether it was in so many parts that it is not known byte by byte what was written.
    pub(super) fn is_coarse(&self) -> bool {
        self.coarse
    }

    fn note(&mut self, start: u64, end: u64) {
        self.written.insert(start, end);
        self.coarse |= self.written.coarsen(self.most);
    }

    /// These bytes were written.
    pub(super) fn write(&mut self, start: u64, data: &[u8]) -> io::Result<()> {
        let end = start.saturating_add(data.len() as u64);
        self.note(start, end);
        self.size = self.size.max(end);
        self.file.write_all_at(data, start)
    }

    /// Zeroes were written.
    pub(super) fn zero(&mut self, start: u64, length: u64) -> io::Result<()> {
        self.note(start, start.saturating_add(length));
        // Behind the end there are none but zeroes.
        let length = length.min(self.size.saturating_sub(start));
        if length == 0 {
            return Ok(());
        }
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if length > ZEROES_WRITTEN && fallocate(&self.file, hole, start, length).is_ok() {
            return Ok(());
        }
        let zeroes = vec![0; usize::try_from(length.min(PIECE)).unwrap_or_default()];
        let mut done = 0;
        while done < length {
            let piece = usize::try_from((length - done).min(PIECE)).unwrap_or_default();
            self.file.write_all_at(&zeroes[..piece], start + done)?;
            done += piece as u64;
        }
        Ok(())
    }

    /// Where the next bytes that may not be zero begin, from `start` on; `end` if there are none before it.
    fn next_data(&self, start: u64, end: u64) -> u64 {
        if start >= self.size {
            return end;
        }
        match seek(self.file.as_fd(), SeekFrom::Data(start)) {
            Ok(data) => data.clamp(start, end),
            Err(rustix::io::Errno::NXIO) => end,
            // A file system that does not know: all of it may be.
            Err(_) => start,
        }
    }

    /// What lies from `start` to before `end`, which is at most a piece away.
    fn read(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let mut data = vec![0; usize::try_from(end - start).unwrap_or_default()];
        let mut done = 0;
        while done < data.len() {
            match self.file.read_at(&mut data[done..], start + done as u64)? {
                0 => break, // Zeroes follow.
                count => done += count,
            }
        }
        Ok(data)
    }

    /// A sum of `ranges` and of what lies there, that is equal for two disks if these are.
    pub(super) fn sum(&self, ranges: &Ranges) -> io::Result<u128> {
        let mut sum = 0_u128;
        for (start, end) in ranges.iter() {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&start.to_le_bytes());
            bytes[8..].copy_from_slice(&end.to_le_bytes());
            sum = sum.wrapping_add(Digest::of(&bytes).0);
            let mut at = self.next_data(start, end);
            while at < end {
                // Pieces end where they would on the other disk, wherever there are holes.
                let (from, to) = (
                    (at / PIECE * PIECE).max(start),
                    (at / PIECE + 1).saturating_mul(PIECE).min(end),
                );
                let mut data = self.read(from, to)?;
                if !is_zero(&data) {
                    data.extend(from.to_le_bytes());
                    sum = sum.wrapping_add(Digest::of(&data).0);
                }
                at = self.next_data(to, end);
            }
        }
        Ok(sum)
    }

    /// Where two disks differ, from `start` to before `end`: gives each range in turn, until it is told to stop.
    pub(super) fn differing<E: From<io::Error>>(
        &self,
        other: &Disk,
        (start, end): (u64, u64),
        mut each: impl FnMut(u64, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        for (from, to) in self.written.differing(&other.written, start, end).iter() {
            each(from, to)?;
        }
        let next = |at| self.next_data(at, end).min(other.next_data(at, end));
        let mut at = next(start);
        while at < end {
            let to = at.saturating_add(PIECE).min(end);
            let (one, two) = (self.read(at, to)?, other.read(at, to)?);
            let mut done = 0;
            while let Some(first) = (done..one.len()).find(|place| one[*place] != two[*place]) {
                done = (first..one.len())
                    .find(|place| one[*place] == two[*place])
                    .unwrap_or(one.len());
                each(at + first as u64, at + done as u64)?;
            }
            at = next(to);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Disk {
        Disk::new(tempfile::tempfile().unwrap(), RANGES_MAX)
    }

    fn differing(one: &Disk, two: &Disk, range: (u64, u64)) -> Vec<(u64, u64)> {
        let mut ranges = Ranges::default();
        let each = |from, to| {
            ranges.insert(from, to);
            Ok::<(), io::Error>(())
        };
        one.differing(two, range, each).unwrap();
        ranges.iter().collect()
    }

    #[test]
    fn two_disks_differ_where_bytes_do_and_where_only_one_was_written() {
        let (mut one, mut two) = (empty(), empty());
        one.write(100, &[7; 300]).unwrap();
        two.write(100, &[7; 100]).unwrap();
        two.write(200, &[7; 200]).unwrap();
        assert_eq!(differing(&one, &two, (0, 1000)), []);
        two.write(250, &[8; 2]).unwrap();
        one.zero(500, 10).unwrap();
        assert_eq!(differing(&one, &two, (0, 1000)), [(250, 252), (500, 510)]);
        assert_eq!(differing(&two, &one, (251, 505)), [(251, 252), (500, 505)]);
        two.write(500, &[0; 10]).unwrap();
        assert_eq!(differing(&one, &two, (300, 1000)), []);
    }

    #[test]
    fn zeroes_over_a_large_device_take_neither_time_nor_room() {
        let (mut one, mut two) = (empty(), empty());
        let all = (0, 1 << 42);
        for disk in [&mut one, &mut two] {
            disk.write(1 << 30, &[7; 9000]).unwrap();
            disk.zero(0, 1 << 42).unwrap();
        }
        one.write(1 << 41, &[1]).unwrap();
        assert_eq!(differing(&one, &two, all), [(1 << 41, (1 << 41) + 1)]);
        let mut ranges = Ranges::default();
        ranges.insert(0, 1 << 41);
        assert_eq!(one.sum(&ranges).unwrap(), two.sum(&ranges).unwrap());
        ranges.insert(1 << 41, 1 << 42);
        assert_ne!(one.sum(&ranges).unwrap(), two.sum(&ranges).unwrap());
    }

    #[test]
    fn a_sum_does_not_depend_on_holes() {
        let (mut one, mut two) = (empty(), empty());
        one.write(0, &vec![0; 300_000]).unwrap();
        one.write(250_000, &[1; 10]).unwrap();
        two.zero(0, 300_000).unwrap();
        two.write(250_000, &[1; 10]).unwrap();
        let mut ranges = Ranges::default();
        ranges.insert(0, 300_000);
        assert_eq!(one.sum(&ranges).unwrap(), two.sum(&ranges).unwrap());
    }
}
