//! Makes a `BlockDevice` of an image: what need not wait is done at once, the rest by a ring or by worker threads.
//!
//! A read that the page cache can answer, and a write into it, cost no other thread a wake-up. Short reads that would wait
//! for a disk, and direct transfers, go through the queue's own ring (`io_uring`) where the image says where they lie and the
//! system has rings; flushes, durable writes, discards, zeroes and everything else that waits go to the workers. Nothing is
//! promised about order. Invariant: each submission is completed exactly once, even if the image panics.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::aligned::Aligned;
use super::execute::{Done, execute};
use super::positioned::index;
use super::ring::{Landed, Place, Ring};
use super::{BlockDevice, Completion, Doorbell, Durable, Geometry, Image, Queue, Submission};
use crate::request::{Errno, Flags, Operation, Request};

/// Longest read through the page cache that goes through a ring, in bytes. Its data are copied by the thread that looks for
/// completions, which others wait for, and the kernel takes a long one in many small steps.
const RING_READ_BYTES_MAX: u64 = 64 << 10;

/// An image and the threads that wait for it.
pub struct Pool {
    image: Arc<dyn Image>,
    jobs: Arc<Jobs>,
    threads_max: usize,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Pool {
    /// Serves `image`, with at most `threads` workers (at least one). They are started when needed, and
    /// end when the pool is dropped.
    pub fn new(image: Arc<dyn Image>, threads: usize) -> Arc<Pool> {
        Arc::new(Pool {
            image,
            jobs: Arc::default(),
            threads_max: threads.max(1),
            threads: Mutex::default(),
        })
    }

    /// Hands jobs over, and starts another worker if all are busy.
    fn hand_over(&self, jobs: &mut Vec<Job>) {
        let (waiting, idle) = self.jobs.add(jobs);
        if waiting <= idle {
            return;
        }
        let mut threads = lock(&self.threads);
        for _ in idle..waiting {
            if threads.len() >= self.threads_max {
                return;
            }
            let worker = thread::Builder::new().name(format!("blkreplay-io-{}", threads.len()));
            let (image, jobs) = (Arc::clone(&self.image), Arc::clone(&self.jobs));
            match worker.spawn(move || work(&*image, &jobs)) {
                Ok(thread) => threads.push(thread),
                // Slower with the threads that there are, but not stuck; without any, do it here.
                Err(_) if !threads.is_empty() => return,
                Err(_) => {
                    while let Some(job) = self.jobs.take_now() {
                        job.run(&*self.image);
                    }
                    return;
                }
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs.close();
        for thread in lock(&self.threads).drain(..) {
            // A worker does not panic; if it did, it has said so already.
            let _ = thread.join();
        }
    }
}

impl BlockDevice for Pool {
    fn geometry(&self) -> &Geometry {
        self.image.geometry()
    }

    fn open_queue(self: Arc<Self>, doorbell: Arc<Doorbell>) -> Box<dyn Queue> {
        let inbox = Arc::new(Inbox { came: Mutex::default(), arrived: Condvar::new(), doorbell });
        Box::new(PoolQueue {
            ring: Way::Unasked,
            pool: self,
            inbox,
            done: Vec::new(),
            gathered: Vec::new(),
            away: 0,
        })
    }
}

/// Nothing that a panic could leave half done is kept under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the workers do until the pool is dropped.
fn work(image: &dyn Image, jobs: &Jobs) {
    while let Some(job) = jobs.take() {
        // An image that panics fails one request; the job tells so as it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| job.run(image)));
    }
}

/// Jobs that wait for a worker.
#[derive(Default)]
struct Jobs {
    state: Mutex<Waiting>,
    added: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    idle: usize,
    closed: bool,
}

impl Jobs {
    /// Takes all of `jobs`. Returns how many now wait, and for how many workers.
    fn add(&self, jobs: &mut Vec<Job>) -> (usize, usize) {
        let mut state = lock(&self.state);
        for job in jobs.drain(..) {
            state.jobs.push_back(job);
            self.added.notify_one();
        }
        (state.jobs.len(), state.idle)
    }

    /// The next job, once there is one; `None` when no more will come.
    fn take(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self.added.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn take_now(&self) -> Option<Job> {
        lock(&self.state).jobs.pop_front()
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.added.notify_all();
    }
}

/// Completions on their way from the workers to one queue.
struct Inbox {
    came: Mutex<Vec<Completion>>,
    /// For the one who drops the queue, and cannot use the doorbell.
    arrived: Condvar,
    doorbell: Arc<Doorbell>,
}

impl Inbox {
    fn put(&self, completion: Completion) {
        lock(&self.came).push(completion);
        self.arrived.notify_one();
        self.doorbell.ring();
    }
}

/// A request that waits for a worker, or is with one. Dropped uncompleted, it completes with EIO.
struct Job {
    submission: Submission,
    /// Where a read goes; empty for all others.
    buffer: Vec<u8>,
    inbox: Option<Arc<Inbox>>,
}

impl Job {
    /// A job whose completion goes to `inbox`; without a buffer one is made where it needs one.
    fn new(submission: Submission, buffer: Option<Vec<u8>>, inbox: &Arc<Inbox>) -> Job {
        let Request { operation, range, .. } = submission.request;
        let buffer = buffer.unwrap_or_else(|| match operation {
            Operation::Read => vec![0; index(range.length)],
            _ => Vec::new(),
        });
        Job { submission, buffer, inbox: Some(Arc::clone(inbox)) }
    }

    fn run(mut self, image: &dyn Image) {
        let buffer = std::mem::take(&mut self.buffer);
        let completion = execute(image, &self.submission, buffer);
        if let Some(inbox) = self.inbox.take() {
            inbox.put(completion);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(inbox) = self.inbox.take() {
            inbox.put(Done::failed(Errno::EIO).completes(self.submission.tag));
        }
    }
}

/// One worker's requests. Those that must wait are gathered until `kick`, so that a batch costs one lock.
struct PoolQueue {
    /// First, so that it is dropped before the image whose descriptors it uses.
    ring: Way,
    pool: Arc<Pool>,
    inbox: Arc<Inbox>,
    /// Completed at once, not yet polled.
    done: Vec<Completion>,
    gathered: Vec<Job>,
    /// Handed to the workers, not yet seen to come back.
    away: usize,
}

/// Whether there is a ring.
enum Way {
    /// It was not needed yet.
    Unasked,
    Open(Box<Ring>),
    /// The system has none, or does not let us have it.
    Closed,
}

impl Way {
    /// The ring, if there is one.
    fn ring(&mut self) -> Option<&mut Ring> {
        match self {
            Way::Open(ring) => Some(ring),
            Way::Unasked | Way::Closed => None,
        }
    }

    /// The ring, made now if that was not tried before.
    fn made(&mut self, doorbell: &Doorbell) -> Option<&mut Ring> {
        if matches!(self, Way::Unasked) {
            *self = Ring::new(doorbell).map_or(Way::Closed, |ring| Way::Open(Box::new(ring)));
        }
        self.ring()
    }
}

impl PoolQueue {
    /// Does what need not wait; hands everything else back, with the buffer that it will need.
    fn try_now(&mut self, submission: &Submission) -> Result<Completion, Vec<u8>> {
        let Request { operation, range, flags } = submission.request;
        match operation {
            Operation::Read => {
                let mut buffer = vec![0; index(range.length)];
                match self.pool.image.read_now(range.offset, &mut buffer) {
                    Some(result) => Ok(Done::read(result, buffer).completes(submission.tag)),
                    None => Err(buffer),
                }
            }
            Operation::Write if !flags.contains(Flags::FUA) => {
                let result = self.pool.image.write_now(range.offset, &submission.data);
                result
                    .map(|result| Done::plain(result).completes(submission.tag))
                    .ok_or_else(Vec::new)
            }
            _ => Err(Vec::new()),
        }
    }

    /// Takes what the ring can do; hands everything else back.
    fn try_ring(
        &mut self,
        submission: Submission,
        buffer: Vec<u8>,
    ) -> Result<(), (Submission, Vec<u8>)> {
        let Request { operation, range, flags } = submission.request;
        let durable = if flags.contains(Flags::FUA) { Durable::Now } else { Durable::Later };
        let place = match operation {
            _ if range.length == 0 => None,
            Operation::Read => self.pool.image.read_place(range),
            Operation::Write => self.pool.image.write_place(range, durable),
            _ => None,
        };
        let fits = |place: &Place<'_>| place.align > 1 || range.length <= RING_READ_BYTES_MAX;
        let Some(place) = place.filter(fits) else { return Err((submission, buffer)) };
        let Some(ring) = self.ring.made(&self.inbox.doorbell) else {
            return Err((submission, buffer));
        };
        if !ring.has_room() {
            return Err((submission, buffer));
        }
        let memory = match operation {
            Operation::Read if place.align == 1 => Aligned::from(buffer),
            Operation::Read => Aligned::zeroed(index(range.length), place.align),
            _ => {
                let mut copy = Aligned::zeroed(index(range.length), place.align);
                copy.as_mut().copy_from_slice(&submission.data);
                copy
            }
        };
        ring.take(place, submission, memory);
        Ok(())
    }

    /// Takes what the ring has done, and hands to the workers what it could not do.
    fn reap(&mut self) {
        let PoolQueue { ring, done, gathered, inbox, .. } = self;
        let Some(ring) = ring.ring().filter(|ring| ring.in_flight() > 0) else { return };
        ring.reap(|landed| match landed {
            Landed::Done(completion) => done.push(completion),
            Landed::Again(submission) => gathered.push(Job::new(submission, None, inbox)),
        });
        // What it could not begin before, and what is for the workers now.
        self.kick();
    }

    fn collect(&mut self) {
        let mut came = lock(&self.inbox.came);
        self.away -= came.len();
        self.done.append(&mut came);
    }
}

impl Queue for PoolQueue {
    fn submit(&mut self, submission: Submission) {
        submission.assert_sound();
        match self.try_now(&submission) {
            Ok(completion) => self.done.push(completion),
            Err(buffer) => {
                if let Err((submission, buffer)) = self.try_ring(submission, buffer) {
                    self.gathered.push(Job::new(submission, Some(buffer), &self.inbox));
                }
            }
        }
    }

    fn kick(&mut self) {
        if self.ring.ring().is_some_and(|ring| !ring.kick()) {
            // The worker must not sleep before it was tried again.
            self.inbox.doorbell.ring();
        }
        if !self.gathered.is_empty() {
            self.away += self.gathered.len();
            self.pool.hand_over(&mut self.gathered);
        }
    }

    fn poll(&mut self, completions: &mut Vec<Completion>) {
        self.reap();
        if self.away > 0 {
            self.collect();
        }
        completions.append(&mut self.done);
    }

    fn in_flight(&self) -> usize {
        let ring = if let Way::Open(ring) = &self.ring { ring.in_flight() } else { 0 };
        self.done.len() + self.gathered.len() + self.away + ring
    }
}

impl Drop for PoolQueue {
    fn drop(&mut self) {
        self.kick();
        while let Some(ring) = self.ring.ring().filter(|ring| ring.in_flight() > 0) {
            ring.wait();
            self.reap();
        }
        while self.away > 0 {
            let came = lock(&self.inbox.came);
            let came = if came.is_empty() {
                self.inbox.arrived.wait(came).unwrap_or_else(PoisonError::into_inner)
            } else {
                came
            };
            drop(came);
            self.collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::device::{Durable, Memory, Zeroing};
    use crate::limits::REQUEST_DATA_BYTES_MAX;
    use crate::request::Extent;
    use crate::units::ByteRange;

    /// An image whose reads and writes wait, and whose flush is up to the test.
    struct Slow<F> {
        memory: Memory,
        flush: F,
    }

    impl<F: Fn() -> Result<(), Errno> + Send + Sync> Image for Slow<F> {
        fn geometry(&self) -> &Geometry {
            self.memory.geometry()
        }
        fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Errno> {
            self.memory.read(offset, buffer)
        }
        fn read_now(&self, _: u64, buffer: &mut [u8]) -> Option<Result<(), Errno>> {
            // Undefined, so the caller must not care.
            buffer.fill(0xdd);
            None
        }
        fn write(&self, offset: u64, data: &[u8], durable: Durable) -> Result<(), Errno> {
            self.memory.write(offset, data, durable)
        }
        fn write_now(&self, _: u64, _: &[u8]) -> Option<Result<(), Errno>> {
            None
        }
        fn write_zeroes(&self, range: ByteRange, how: Zeroing) -> Result<(), Errno> {
            self.memory.write_zeroes(range, how)
        }
        fn discard(&self, range: ByteRange, durable: Durable) -> Result<(), Errno> {
            self.memory.discard(range, durable)
        }
        fn flush(&self) -> Result<(), Errno> {
            (self.flush)()
        }
        fn block_status(&self, range: ByteRange) -> Result<Vec<Extent>, Errno> {
            let half = Extent { length: range.length / 2, hole: false, zero: false };
            Ok(vec![half, Extent { zero: true, ..half }])
        }
        fn cache(&self, _: ByteRange) -> Result<(), Errno> {
            Err(Errno::ENOTSUP)
        }
    }

    fn queue(
        flush: impl Fn() -> Result<(), Errno> + Send + Sync + 'static,
        threads: usize,
    ) -> (Box<dyn Queue>, Arc<Doorbell>) {
        let image = Arc::new(Slow { memory: Memory::new(4096), flush });
        let doorbell = Arc::new(Doorbell::new().unwrap());
        (Pool::new(image, threads).open_queue(Arc::clone(&doorbell)), doorbell)
    }

    fn submission(tag: u64, operation: Operation, flags: Flags) -> Submission {
        let range = match operation {
            Operation::Flush => ByteRange::default(),
            _ => ByteRange::new(0, 100),
        };
        let data = if operation == Operation::Write { vec![7; 100] } else { Vec::new() };
        Submission { tag, request: Request { operation, range, flags }, data: Bytes::from(data) }
    }

    fn finish(queue: &mut dyn Queue, doorbell: &Doorbell) -> Vec<Completion> {
        let mut completions = Vec::new();
        queue.kick();
        while {
            doorbell.clear();
            queue.poll(&mut completions);
            queue.in_flight() > 0
        } {
            doorbell.wait(Duration::from_mins(1));
        }
        completions
    }

    #[test]
    fn what_would_wait_is_done_by_a_worker() {
        let (mut queue, doorbell) = queue(|| Ok(()), 2);
        let mut completions = Vec::new();
        for (tag, operation) in [(1, Operation::Write), (2, Operation::Read)] {
            queue.submit(submission(tag, operation, Flags::NONE));
            queue.poll(&mut completions);
            assert!(completions.is_empty(), "it cannot be complete at once");
            assert_eq!(queue.in_flight(), 1);
            completions = finish(&mut *queue, &doorbell);
            assert_eq!(completions.remove(0).result, Ok(()));
        }
        queue.submit(submission(3, Operation::Read, Flags::NONE));
        assert_eq!(finish(&mut *queue, &doorbell).remove(0).data, vec![7; 100]);
    }

    #[test]
    fn what_need_not_wait_is_complete_at_once_and_rings_nothing() {
        let doorbell = Arc::new(Doorbell::new().unwrap());
        let pool = Pool::new(Arc::new(Memory::new(4096)), 1);
        let mut queue = Arc::clone(&pool).open_queue(Arc::clone(&doorbell));
        doorbell.clear();
        queue.submit(submission(1, Operation::Write, Flags::NONE));
        queue.submit(submission(2, Operation::Read, Flags::NONE));
        let mut completions = Vec::new();
        queue.poll(&mut completions);
        assert_eq!(completions.len(), 2);
        assert_eq!(completions[1].data, vec![7; 100]);
        assert!(doorbell.park(), "nobody rang");
        assert_eq!(lock(&pool.threads).len(), 0, "no worker was needed");
    }

    #[test]
    fn block_status_is_cut_to_one_extent_when_one_is_asked_for() {
        let (mut queue, doorbell) = queue(|| Ok(()), 1);
        for (flags, count) in [(Flags::NONE, 2), (Flags::REQ_ONE, 1)] {
            queue.submit(submission(1, Operation::BlockStatus, flags));
            assert_eq!(finish(&mut *queue, &doorbell)[0].extents.len(), count);
        }
    }

    #[test]
    fn errors_come_back_with_their_tag() {
        let (mut queue, doorbell) = queue(|| Err(Errno::ENOSPC), 1);
        queue.submit(submission(8, Operation::Flush, Flags::NONE));
        queue.submit(submission(9, Operation::Cache, Flags::NONE));
        let mut completions = finish(&mut *queue, &doorbell);
        completions.sort_by_key(|completion| completion.tag);
        let results: Vec<_> = completions.iter().map(|c| (c.tag, c.result)).collect();
        assert_eq!(results, [(8, Err(Errno::ENOSPC)), (9, Err(Errno::ENOTSUP))]);
    }

    #[test]
    fn an_image_that_panics_fails_the_request_and_nothing_hangs() {
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&calls);
        let (mut queue, doorbell) = queue(
            move || {
                let call = seen.fetch_add(1, Ordering::SeqCst);
                assert!(call % 2 == 1, "a panic of the image, for the test");
                Ok(())
            },
            1,
        );
        for tag in 0..4 {
            queue.submit(submission(tag, Operation::Flush, Flags::NONE));
        }
        let completions = finish(&mut *queue, &doorbell);
        let failed = completions.iter().filter(|c| c.result == Err(Errno::EIO)).count();
        assert_eq!((completions.len(), failed), (4, 2));
    }

    #[test]
    fn one_that_waits_does_not_hold_up_another() {
        let (release, released) = mpsc::channel();
        let released = Mutex::new(released);
        let (mut queue, doorbell) = queue(
            move || {
                lock(&released).recv().unwrap();
                Ok(())
            },
            2,
        );
        queue.submit(submission(1, Operation::Flush, Flags::NONE));
        queue.kick();
        queue.submit(submission(2, Operation::Read, Flags::NONE));
        queue.kick();
        let mut completions = Vec::new();
        while completions.is_empty() {
            doorbell.clear();
            queue.poll(&mut completions);
            if completions.is_empty() {
                doorbell.wait(Duration::from_mins(1));
            }
        }
        assert_eq!(completions[0].tag, 2, "the read went past the flush");
        release.send(()).unwrap();
        assert_eq!(finish(&mut *queue, &doorbell)[0].tag, 1);
    }

    #[test]
    fn two_queues_get_what_is_theirs() {
        let pool = Pool::new(Arc::new(Memory::new(4096)), 2);
        let open = || {
            let doorbell = Arc::new(Doorbell::new().unwrap());
            (Arc::clone(&pool).open_queue(Arc::clone(&doorbell)), doorbell)
        };
        let ((mut one, one_bell), (mut two, two_bell)) = (open(), open());
        for tag in 0..100 {
            one.submit(submission(tag, Operation::Flush, Flags::NONE));
            two.submit(submission(1000 + tag, Operation::Flush, Flags::NONE));
        }
        two.kick();
        assert!(finish(&mut *one, &one_bell).iter().all(|completion| completion.tag < 100));
        assert_eq!(finish(&mut *two, &two_bell).len(), 100);
        assert!(lock(&pool.threads).len() <= 2);
    }

    #[test]
    #[should_panic(expected = "the front refuses requests with more data than that")]
    fn a_read_larger_than_the_limit_is_the_callers_mistake() {
        let (mut queue, _doorbell) = queue(|| Ok(()), 1);
        let range = ByteRange::new(0, u64::from(REQUEST_DATA_BYTES_MAX) + 1);
        let request = Request { operation: Operation::Read, range, flags: Flags::NONE };
        queue.submit(Submission { tag: 1, request, data: Bytes::new() });
    }
}
