//! A device for simulations: it completes nothing by itself. Submissions are parked; dice say which one is done
//! next, and when in between each reaches the image.
//!
//! ```text
//! submit ─▶ parked ──── any time ───▶ applied to the image ──── any time ───▶ completed, the bell rung
//! ```
//!
//! So requests in flight together reach the image in any order and come back in any other, across all queues:
//! whatever real disks do, and worse. Two that overlap should never be here together (the engine's conflict
//! rule); if they are, what they leave behind depends on the dice, and a test sees it. Everything happens on
//! the caller's thread. Knows neither time nor faults: `fault` goes on top. Invariant: a parked request
//! reaches the image once, before it completes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::execute::{Done, execute};
use super::positioned::index;
use super::{BlockDevice, Completion, Dice, Doorbell, Geometry, Image, Queue, Submission};
use crate::request::{Errno, Operation, Request};

/// Parks requests to an image until it is told to go on.
pub struct Sim {
    image: Arc<dyn Image>,
    geometry: Geometry,
    /// In the order in which they were started.
    parked: Mutex<Vec<Parked>>,
}

/// A request between its start and its completion.
struct Parked {
    submission: Submission,
    home: Arc<Home>,
    /// What the image said, once it was asked.
    applied: Option<Completion>,
}

/// Where the completions of one queue go.
struct Home {
    came: Mutex<Vec<Completion>>,
    doorbell: Arc<Doorbell>,
}

/// Nothing that a panic could leave half done is kept under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sim {
    /// A device over `image`, with its geometry.
    pub fn new(image: Arc<dyn Image>) -> Arc<Sim> {
        let block = image.geometry().block_min;
        Sim::with_blocks(image, block)
    }

    /// A device over `image` that says that its smallest block has `block_min` bytes, a power of two.
    pub fn with_blocks(image: Arc<dyn Image>, block_min: u32) -> Arc<Sim> {
        let geometry = Geometry { block_min, ..image.geometry().clone() };
        Arc::new(Sim { image, geometry, parked: Mutex::default() })
    }

    /// What is parked, in the order in which it was started: tags and requests.
    pub fn parked(&self) -> Vec<(u64, Request)> {
        let parked = lock(&self.parked);
        parked.iter().map(|one| (one.submission.tag, one.submission.request)).collect()
    }

    /// How many requests are parked.
    pub fn parked_count(&self) -> usize {
        lock(&self.parked).len()
    }

    /// Lets some requests reach the image, and completes one. Which ones, the dice say. Returns the tag of
    /// the one completed; `None` if nothing is parked.
    pub fn complete_next(&self, dice: &mut Dice) -> Option<u64> {
        let mut parked = lock(&self.parked);
        while dice.one_in(2) {
            let mut waiting: Vec<&mut Parked> =
                parked.iter_mut().filter(|one| one.applied.is_none()).collect();
            let Some(place) = dice.place(waiting.len()) else { break };
            waiting[place].apply(&*self.image);
        }
        let place = dice.place(parked.len())?;
        let one = parked.remove(place);
        Some(one.complete(&*self.image))
    }

    /// Completes the first request with this tag. False if there is none.
    pub fn complete(&self, tag: u64) -> bool {
        let one = self.take(tag);
        one.map(|one| one.complete(&*self.image)).is_some()
    }

    /// Fails the first request with this tag, which then may or may not have reached the image. False if there is
    /// none.
    pub fn fail(&self, tag: u64, errno: Errno) -> bool {
        let one = self.take(tag);
        one.map(|one| one.fail(errno)).is_some()
    }

    fn take(&self, tag: u64) -> Option<Parked> {
        let mut parked = lock(&self.parked);
        let place = parked.iter().position(|one| one.submission.tag == tag)?;
        Some(parked.remove(place))
    }
}

impl Parked {
    /// Lets the request reach the image.
    fn apply(&mut self, image: &dyn Image) {
        assert!(self.applied.is_none(), "a request reaches the image once");
        let submission = &self.submission;
        let buffer = match submission.request.operation {
            Operation::Read => vec![0; index(submission.request.range.length)],
            _ => Vec::new(),
        };
        self.applied = Some(execute(image, submission, buffer));
    }

    /// Lets the request reach the image if it has not, and completes it.
    fn complete(mut self, image: &dyn Image) -> u64 {
        if self.applied.is_none() {
            self.apply(image);
        }
        self.applied.map_or(self.submission.tag, |completion| self.home.put(completion))
    }

    fn fail(self, errno: Errno) -> u64 {
        self.home.put(Done::failed(errno).completes(self.submission.tag))
    }
}

impl Home {
    /// Brings a completion to its queue. Returns its tag.
    fn put(&self, completion: Completion) -> u64 {
        let tag = completion.tag;
        lock(&self.came).push(completion);
        self.doorbell.ring();
        tag
    }
}

impl BlockDevice for Sim {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn open_queue(self: Arc<Self>, doorbell: Arc<Doorbell>) -> Box<dyn Queue> {
        let home = Arc::new(Home { came: Mutex::default(), doorbell });
        Box::new(SimQueue { sim: self, home, gathered: Vec::new(), away: 0 })
    }
}

/// One worker's way to a simulated device.
struct SimQueue {
    sim: Arc<Sim>,
    home: Arc<Home>,
    /// Not started before `kick`: whoever forgets it waits for ever.
    gathered: Vec<Submission>,
    /// Started and not yet polled.
    away: usize,
}

impl Queue for SimQueue {
    fn submit(&mut self, submission: Submission) {
        submission.assert_sound();
        self.gathered.push(submission);
    }

    fn kick(&mut self) {
        self.away += self.gathered.len();
        let started = self.gathered.drain(..).map(|submission| Parked {
            submission,
            home: Arc::clone(&self.home),
            applied: None,
        });
        lock(&self.sim.parked).extend(started);
    }

    fn poll(&mut self, completions: &mut Vec<Completion>) {
        let mut came = lock(&self.home.came);
        self.away -= came.len();
        completions.append(&mut came);
    }

    fn in_flight(&self) -> usize {
        self.gathered.len() + self.away
    }
}

impl Drop for SimQueue {
    /// There is nobody to wait for: what is left reaches the image here, in order.
    fn drop(&mut self) {
        self.kick();
        let mut parked = lock(&self.sim.parked);
        let is_ours = |one: &mut Parked| Arc::ptr_eq(&one.home, &self.home);
        for one in parked.extract_if(.., is_ours) {
            one.complete(&*self.sim.image);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::device::Memory;
    use crate::request::Flags;
    use crate::units::ByteRange;

    fn sim() -> (Arc<Sim>, Arc<Memory>) {
        let memory = Arc::new(Memory::new(4096));
        (Sim::new(Arc::clone(&memory) as Arc<dyn Image>), memory)
    }

    fn queue(sim: &Arc<Sim>) -> Box<dyn Queue> {
        Arc::clone(sim).open_queue(Arc::new(Doorbell::new().unwrap()))
    }

    fn write(tag: u64, offset: u64, byte: u8) -> Submission {
        let request = Request {
            operation: Operation::Write,
            range: ByteRange::new(offset, 1),
            flags: Flags::NONE,
        };
        Submission { tag, request, data: Bytes::from(vec![byte]) }
    }

    fn byte(memory: &Memory, offset: u64) -> u8 {
        let mut byte = [0xee];
        memory.read(offset, &mut byte).unwrap();
        byte[0]
    }

    fn tags(queue: &mut dyn Queue) -> Vec<u64> {
        let mut completions = Vec::new();
        queue.poll(&mut completions);
        completions.iter().map(|completion| completion.tag).collect()
    }

    #[test]
    fn nothing_starts_before_the_kick_and_nothing_completes_by_itself() {
        let (sim, memory) = sim();
        let mut queue = queue(&sim);
        queue.submit(write(1, 0, 7));
        assert_eq!(sim.complete_next(&mut Dice::new(1)), None);
        queue.kick();
        assert_eq!(sim.parked_count(), 1);
        assert_eq!((tags(&mut *queue), queue.in_flight(), byte(&memory, 0)), (vec![], 1, 0));
        assert_eq!(sim.complete_next(&mut Dice::new(1)), Some(1));
        assert_eq!((tags(&mut *queue), queue.in_flight(), byte(&memory, 0)), (vec![1], 0, 7));
    }

    /// How three requests of two queues end under a seed: the order of completions.
    fn order(seed: u64) -> Vec<u64> {
        let (sim, _) = sim();
        let (mut one, mut two) = (queue(&sim), queue(&sim));
        one.submit(write(1, 0, 1));
        one.submit(write(2, 1, 1));
        two.submit(write(3, 2, 1));
        one.kick();
        two.kick();
        let mut dice = Dice::new(seed);
        let order = std::iter::from_fn(|| sim.complete_next(&mut dice)).collect();
        assert_eq!((tags(&mut *one).len(), tags(&mut *two)), (2, vec![3]));
        order
    }

    #[test]
    fn every_order_has_its_seed_and_a_seed_has_one_order() {
        let orders: std::collections::BTreeSet<Vec<u64>> = (0..100).map(order).collect();
        assert_eq!(orders.len(), 6);
        assert_eq!(order(5), order(5));
    }

    #[test]
    fn overlapping_requests_in_flight_together_are_seen() {
        let mut left = std::collections::BTreeSet::new();
        let mut overtaken = false;
        for seed in 0..100 {
            let (sim, memory) = sim();
            let mut queue = queue(&sim);
            queue.submit(write(1, 0, 1));
            queue.submit(write(2, 0, 2));
            queue.kick();
            let mut dice = Dice::new(seed);
            let order: Vec<u64> = std::iter::from_fn(|| sim.complete_next(&mut dice)).collect();
            left.insert(byte(&memory, 0));
            overtaken |= order == [1, 2] && byte(&memory, 0) == 1;
        }
        assert_eq!(left, [1, 2].into());
        assert!(overtaken, "the order of completions says nothing about the order on the image");
    }

    #[test]
    fn a_request_is_completed_or_failed_by_its_tag() {
        let (sim, memory) = sim();
        let mut queue = queue(&sim);
        queue.submit(write(1, 0, 7));
        queue.submit(write(2, 1, 7));
        queue.kick();
        assert!(sim.complete(2) && !sim.complete(2) && !sim.complete(3));
        assert!(sim.fail(1, Errno::ENOSPC) && !sim.fail(1, Errno::ENOSPC));
        let mut completions = Vec::new();
        queue.poll(&mut completions);
        let results: Vec<_> = completions.iter().map(|one| (one.tag, one.result)).collect();
        assert_eq!(results, [(2, Ok(())), (1, Err(Errno::ENOSPC))]);
        assert_eq!((byte(&memory, 0), byte(&memory, 1)), (0, 7));
    }

    #[test]
    fn a_queue_that_goes_takes_only_its_own_with_it() {
        let (sim, memory) = sim();
        let (mut one, mut two) = (queue(&sim), queue(&sim));
        one.submit(write(1, 0, 1));
        two.submit(write(2, 1, 1));
        two.kick();
        drop(one);
        assert_eq!((byte(&memory, 0), byte(&memory, 1)), (1, 0));
        assert_eq!(sim.parked().iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [2]);
    }
}
