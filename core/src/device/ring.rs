//! Transfers through `io_uring`, for what would wait for a disk: reads and writes of a descriptor go in, many at a time, and
//! come out completed, without a thread for each that waits.
//!
//! Behind a queue, whose worker alone uses it; a completion makes the worker's doorbell readable. What the ring does not do
//! in full, for whatever reason, is handed back to be done by a plain call, which finds out what is wrong. Invariant: the
//! kernel writes to no memory and reads from none that is not kept here until it has said that it is done with it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::{IoUring, opcode, squeue, types};

use super::aligned::Aligned;
use super::positioned::index;
use super::{Completion, Doorbell, Submission};
use crate::request::{Flags, Operation};

/// Transfers that can be handed to the kernel with one call.
const ENTRIES: u32 = 128;

/// Transfers in flight: as many as there is room for completions.
const IN_FLIGHT_MAX: usize = 2 * ENTRIES as usize;

/// Where the bytes of a range lie: a descriptor, and how far into it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The file or block device.
    pub(super) descriptor: BorrowedFd<'a>,
    /// In bytes.
    pub(super) offset: u64,
    /// What the address of the memory has to be a multiple of, in bytes; 1 through the page cache.
    pub(super) align: usize,
}

/// A transfer that has landed.
pub(super) enum Landed {
    /// It was done.
    Done(Completion),
    /// It was not, or not in full, and may be done again.
    Again(Submission),
}

/// One worker's transfers.
pub(super) struct Ring {
    kernel: IoUring,
    /// By the number that goes with them.
    flights: Vec<Option<Flight>>,
    free: Vec<usize>,
}

/// A transfer that the kernel has, or will have.
struct Flight {
    submission: Submission,
    memory: Aligned,
}

impl Ring {
    /// A ring whose completions make `doorbell` readable. Fails where the system has none, or does not let us have it.
    pub(super) fn new(doorbell: &Doorbell) -> io::Result<Ring> {
        // What completes waits for our next call into the kernel rather than interrupt us: there is one soon.
        let kernel = IoUring::builder().setup_coop_taskrun().build(ENTRIES)?;
        kernel.submitter().register_eventfd(doorbell.signalled().as_raw_fd())?;
        Ok(Ring { kernel, flights: Vec::new(), free: Vec::new() })
    }

    /// Whether one more transfer may come. What was taken is begun where that makes room.
    pub(super) fn has_room(&mut self) -> bool {
        self.in_flight() < IN_FLIGHT_MAX && (!self.kernel.submission().is_full() || self.kick())
    }

    /// Transfers that have not landed.
    pub(super) fn in_flight(&self) -> usize {
        self.flights.len() - self.free.len()
    }

    /// Reads what `submission` wants into `memory`, which is as long; or writes its data, which `memory` has a copy of if
    /// the place wants them aligned. `place` must stay open until it has landed. Begins with [`Ring::kick`]. To be asked
    /// only where there is [room](Ring::has_room).
    pub(super) fn take(&mut self, place: Place<'_>, submission: Submission, memory: Aligned) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.flights.push(None);
            self.flights.len() - 1
        });
        let flight = self.flights[number].insert(Flight { submission, memory });
        let entry = flight.entry(place).user_data(number as u64);
        assert!(push(&mut self.kernel.submission(), &entry), "whoever asks has looked for room");
    }

    /// Begins what was taken. False if the system could not just now: to be tried again.
    pub(super) fn kick(&mut self) -> bool {
        while self.waits_for_kick() {
            match self.kernel.submit() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Whether something was taken that has not begun.
    fn waits_for_kick(&mut self) -> bool {
        !self.kernel.submission().is_empty()
    }

    /// Sleeps until something has landed, if anything is to.
    pub(super) fn wait(&mut self) {
        let wanted = usize::from(self.in_flight() > 0);
        if !self.kick() || self.kernel.submit_and_wait(wanted).is_err() {
            std::thread::yield_now();
        }
    }

    /// Gives what has landed.
    pub(super) fn reap(&mut self, mut land: impl FnMut(Landed)) {
        let Ring { kernel, flights, free } = self;
        for entry in kernel.completion() {
            let number = usize::try_from(entry.user_data()).expect("it was an index");
            let Some(flight) = flights[number].take() else { continue };
            free.push(number);
            land(flight.landed(entry.result()));
        }
    }
}

impl Drop for Ring {
    /// Nothing may be freed that the kernel still uses.
    fn drop(&mut self) {
        while self.in_flight() > 0 {
            self.wait();
            self.reap(drop);
        }
    }
}

impl Flight {
    fn entry(&mut self, place: Place<'_>) -> squeue::Entry {
        let request = &self.submission.request;
        let (file, length) = (types::Fd(place.descriptor.as_raw_fd()), request.range.length);
        let length = u32::try_from(length).expect("no request has more data");
        if request.operation == Operation::Read {
            let memory = self.memory.as_mut().as_mut_ptr();
            return opcode::Read::new(file, memory, length).offset(place.offset).build();
        }
        let durable = request.flags.contains(Flags::FUA);
        let flags = if durable { rustix::io::ReadWriteFlags::DSYNC.bits() } else { 0 };
        let memory = self.memory.as_mut().as_ptr();
        let write = opcode::Write::new(file, memory, length).offset(place.offset);
        write.rw_flags(i32::try_from(flags).expect("flags have few bits")).build()
    }

    /// What came of it: how many bytes, or the number of an error below zero.
    fn landed(self, result: i32) -> Landed {
        let Flight { submission, memory } = self;
        if usize::try_from(result) != Ok(index(submission.request.range.length)) {
            return Landed::Again(submission);
        }
        let data = match submission.request.operation {
            Operation::Read => memory.into_bytes(),
            _ => bytes::Bytes::new(),
        };
        Landed::Done(Completion { tag: submission.tag, result: Ok(()), data, extents: Vec::new() })
    }
}

/// False if there is no room.
#[expect(unsafe_code, reason = "the ring takes addresses, and cannot know that they stay good")]
fn push(queue: &mut squeue::SubmissionQueue<'_>, entry: &squeue::Entry) -> bool {
    // SAFETY: only `take` makes entries. Their memory belongs to a flight that is kept, where it does not move, until the
    // kernel has given the entry back, `Drop` included; their descriptor stays open as long, which `take` demands.
    unsafe { queue.push(entry) }.is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::device::contract::SCRATCH;
    use crate::request::Request;
    use crate::units::ByteRange;

    fn ring() -> (Ring, Doorbell) {
        let doorbell = Doorbell::new().unwrap();
        let ring =
            Ring::new(&doorbell).expect("io_uring is needed here; a container may forbid it");
        (ring, doorbell)
    }

    /// A file of these bytes.
    fn file(content: &[u8]) -> fs::File {
        let file = tempfile::tempfile_in(&*SCRATCH).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, content, 0).unwrap();
        file
    }

    fn place(file: &fs::File, offset: u64) -> Place<'_> {
        Place { descriptor: file.as_fd(), offset, align: 1 }
    }

    fn submission(tag: u64, operation: Operation, length: usize) -> Submission {
        let range = ByteRange::new(0, length as u64);
        let data = if operation == Operation::Write { vec![9; length] } else { Vec::new() };
        let request = Request { operation, range, flags: Flags::NONE };
        Submission { tag, request, data: Bytes::from(data) }
    }

    fn read(tag: u64, length: usize) -> (Submission, Aligned) {
        (submission(tag, Operation::Read, length), Aligned::zeroed(length, 1))
    }

    /// Waits at the doorbell until all has landed.
    fn landed(ring: &mut Ring, doorbell: &Doorbell) -> Vec<Landed> {
        let mut landed = Vec::new();
        assert!(ring.kick());
        loop {
            doorbell.clear();
            ring.reap(|one| landed.push(one));
            if ring.in_flight() == 0 {
                return landed;
            }
            doorbell.wait(Duration::from_mins(1));
        }
    }

    #[test]
    fn more_transfers_than_fit_at_once_are_all_done_and_the_doorbell_tells() {
        let (mut ring, doorbell) = ring();
        let file = file(&(0..=255).cycle().take(1 << 16).collect::<Vec<u8>>());
        let mut tags = Vec::new();
        for tag in 0..IN_FLIGHT_MAX as u64 {
            assert!(ring.has_room());
            let (submission, memory) = read(tag, 7);
            ring.take(place(&file, tag), submission, memory);
        }
        assert!(!ring.has_room());
        for landed in landed(&mut ring, &doorbell) {
            let Landed::Done(done) = landed else { panic!("a read in a file is done") };
            let expected: Vec<u8> =
                (done.tag..done.tag + 7).map(|at| at.to_le_bytes()[0]).collect();
            assert_eq!((done.result, &done.data[..]), (Ok(()), &expected[..]));
            tags.push(done.tag);
        }
        tags.sort_unstable();
        assert_eq!(tags, (0..IN_FLIGHT_MAX as u64).collect::<Vec<_>>());
        assert!(ring.has_room());
    }

    #[test]
    fn what_was_written_is_there() {
        let (mut ring, doorbell) = ring();
        let file = file(&[0; 100]);
        for (offset, flags) in [(10, Flags::NONE), (40, Flags::FUA)] {
            let mut submission = submission(offset, Operation::Write, 20);
            submission.request.flags = flags;
            let memory = Aligned::from(submission.data.to_vec());
            ring.take(place(&file, offset), submission, memory);
        }
        let landed = landed(&mut ring, &doorbell);
        assert!(landed.iter().all(|one| matches!(one, Landed::Done(done) if done.data.is_empty())));
        let mut content = [0; 100];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut content, 0).unwrap();
        let expected = [vec![0; 10], vec![9; 20], vec![0; 10], vec![9; 20], vec![0; 40]].concat();
        assert_eq!(content[..], expected[..]);
    }

    #[test]
    fn what_is_not_done_in_full_is_handed_back() {
        let (mut ring, doorbell) = ring();
        let short = file(&[0; 100]);
        let (submission, memory) = read(1, 60);
        ring.take(place(&short, 50), submission, memory);
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let submission = self::submission(2, Operation::Write, 60);
        ring.take(place(&full, 0), submission, Aligned::zeroed(60, 1));
        let mut again: Vec<u64> = Vec::new();
        for landed in landed(&mut ring, &doorbell) {
            let Landed::Again(submission) = landed else { panic!("it could not be done") };
            again.push(submission.tag);
        }
        again.sort_unstable();
        assert_eq!(again, [1, 2]);
    }

    #[test]
    fn a_ring_that_is_dropped_waits_for_its_transfers() {
        let (mut ring, _doorbell) = ring();
        let (reader, writer) = std::io::pipe().unwrap();
        let (submission, memory) = read(1, 5);
        // A pipe has no offsets.
        let place = Place { descriptor: reader.as_fd(), offset: 0, align: 1 };
        ring.take(place, submission, memory);
        assert!(ring.kick());
        let writing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            std::io::Write::write_all(&mut &writer, b"bytes").unwrap();
            writer
        });
        drop(ring);
        let _writer = writing.join().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let nothing = std::io::Read::read(&mut &reader, &mut [0; 5]);
        assert!(!nothing.is_ok_and(|count| count > 0), "the ring has read them");
    }
}
