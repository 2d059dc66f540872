//! A device that goes wrong as it is told: errors, torn and lost writes, lost flushes, delays.
//!
//! It lies over another device. Rules say which requests are struck and how; chance in a rule follows from a
//! seed. A struck request still goes through the device below, as something harmless or as its own
//! beginning, so that it comes back in the order that this device chooses. Knows neither traces nor threads:
//! delays end when somebody who moves the clock says so. Invariant: what no rule strikes is as below.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::positioned::index;
use super::{BlockDevice, Completion, Dice, Doorbell, Geometry, Queue, Submission};
use crate::request::{Errno, Flags, Operation, Request};
use crate::units::{ByteRange, Clock, Nanos};

/// Which requests are struck, and how. Of several rules that strike one request, the first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Only this operation; `None` for all.
    pub operation: Option<Operation>,
    /// Only requests that share a byte with this range; `None` for all. A flush has no range.
    pub range: Option<ByteRange>,
    /// Which of them.
    pub when: When,
    /// How.
    pub effect: Effect,
}

/// Which of the requests that a rule speaks of are struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// All.
    Always,
    /// One: the first is number 0, counted over all queues in the order of submission.
    Nth(u64),
    /// Each with this chance: once in so many times, at least 1.
    OneIn(u64),
}

/// What happens to a request that is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It fails, and never reaches the image.
    Error(Errno),
    /// Of what it would change, only a beginning reaches the image, shorter than the range by at least a byte and
    /// possibly empty. Strikes only what modifies.
    Torn {
        /// What the client is told.
        result: Result<(), Errno>,
    },
    /// It is told to have worked and never reaches the image. Strikes only what modifies, and flushes.
    Lost,
    /// It comes back this long after it was submitted, or later.
    Delay(Nanos),
}

/// A device that goes wrong.
pub struct Fault {
    below: Arc<dyn BlockDevice>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    rules: Vec<(Rule, Count)>,
    dice: Dice,
    /// What the queues hold back.
    delayed: Vec<Weak<Delayed>>,
}

/// What a rule has seen.
#[derive(Default)]
struct Count {
    matched: u64,
    struck: u64,
}

/// What one queue holds back.
struct Delayed {
    /// When each may come back at the earliest.
    due: Mutex<Vec<(Nanos, Completion)>>,
    doorbell: Arc<Doorbell>,
}

/// Nothing that a panic could leave half done is kept under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Effect {
    fn strikes(self, operation: Operation) -> bool {
        match self {
            Effect::Error(_) | Effect::Delay(_) => true,
            Effect::Torn { .. } => operation.modifies(),
            Effect::Lost => operation.modifies() || operation == Operation::Flush,
        }
    }
}

impl Rule {
    /// Whether the rule speaks of `request`.
    fn matches(&self, request: &Request) -> bool {
        self.operation.is_none_or(|operation| operation == request.operation)
            && self.range.is_none_or(|range| range.overlaps(request.range))
            && self.effect.strikes(request.operation)
    }
}

impl Fault {
    /// A device over `below` that goes wrong as `rules` say. `clock` tells when delays end, `seed` decides what
    /// rules leave to chance.
    pub fn new(
        below: Arc<dyn BlockDevice>,
        rules: Vec<Rule>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Arc<Fault> {
        let rules = rules.into_iter().map(|rule| (rule, Count::default())).collect();
        let state = State { rules, dice: Dice::new(seed), delayed: Vec::new() };
        Arc::new(Fault { below, clock, state: Mutex::new(state) })
    }

    /// How many requests each rule has struck, in the order of the rules.
    pub fn struck(&self) -> Vec<u64> {
        lock(&self.state).rules.iter().map(|(_, count)| count.struck).collect()
    }

    /// When the next delayed completion may come back; `None` if none is held back. It may have passed.
    pub fn next_due(&self) -> Option<Nanos> {
        let queues: Vec<Arc<Delayed>> = self.queues();
        queues.iter().filter_map(|queue| queue.first_due()).min()
    }

    /// Rings for the queues whose completions need not be held back any longer. To be called by whoever moves the
    /// clock.
    pub fn tick(&self) {
        let now = self.clock.now();
        for queue in self.queues() {
            if queue.first_due().is_some_and(|due| due <= now) {
                queue.doorbell.ring();
            }
        }
    }

    fn queues(&self) -> Vec<Arc<Delayed>> {
        let mut state = lock(&self.state);
        state.delayed.retain(|queue| queue.strong_count() > 0);
        state.delayed.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Delayed {
    fn first_due(&self) -> Option<Nanos> {
        lock(&self.due).iter().map(|(due, _)| *due).min()
    }
}

impl State {
    /// The effect of the first rule that strikes. Every rule counts what it matches.
    fn effect(&mut self, request: &Request) -> Option<Effect> {
        let mut effect = None;
        for (rule, count) in &mut self.rules {
            if !rule.matches(request) {
                continue;
            }
            let struck = match rule.when {
                When::Always => true,
                When::Nth(number) => count.matched == number,
                When::OneIn(times) => self.dice.one_in(times.max(1)),
            };
            count.matched += 1;
            if struck && effect.is_none() {
                count.struck += 1;
                effect = Some(rule.effect);
            }
        }
        effect
    }
}

impl BlockDevice for Fault {
    fn geometry(&self) -> &Geometry {
        self.below.geometry()
    }

    fn open_queue(self: Arc<Self>, doorbell: Arc<Doorbell>) -> Box<dyn Queue> {
        let delayed = Arc::new(Delayed { due: Mutex::default(), doorbell: Arc::clone(&doorbell) });
        lock(&self.state).delayed.push(Arc::downgrade(&delayed));
        let below = Arc::clone(&self.below).open_queue(doorbell);
        Box::new(FaultQueue {
            below,
            delayed,
            fates: HashMap::new(),
            came: Vec::new(),
            fault: self,
        })
    }
}

/// One worker's way to a device that goes wrong.
struct FaultQueue {
    below: Box<dyn Queue>,
    delayed: Arc<Delayed>,
    /// What is to become of requests that were struck, by tag.
    fates: HashMap<u64, Fate>,
    /// Kept for its memory.
    came: Vec<Completion>,
    fault: Arc<Fault>,
}

/// What is to become of a request that was struck, when it comes back from below.
enum Fate {
    /// The client is told this.
    Told(Result<(), Errno>),
    /// It comes back at this time at the earliest.
    Due(Nanos),
}

impl FaultQueue {
    /// What goes below in place of a request that was struck.
    fn strike(&mut self, effect: Effect, submission: Submission) -> Submission {
        let tag = submission.tag;
        let (fate, below) = match effect {
            Effect::Error(errno) => (Fate::Told(Err(errno)), nothing(tag)),
            Effect::Lost => (Fate::Told(Ok(())), nothing(tag)),
            Effect::Torn { result } => {
                let length = submission.request.range.length;
                // Nothing is shorter than nothing.
                let kept = lock(&self.fault.state).dice.below(length.max(1));
                (Fate::Told(result), beginning(submission, kept))
            }
            Effect::Delay(span) => (Fate::Due(self.fault.clock.now().after(span)), submission),
        };
        self.fates.insert(tag, fate);
        below
    }
}

/// Something that changes nothing and is complete when the device below says so.
fn nothing(tag: u64) -> Submission {
    let range = ByteRange::default();
    let request = Request { operation: Operation::Cache, range, flags: Flags::NONE };
    Submission { tag, request, data: bytes::Bytes::new() }
}

/// The first `kept` bytes of a request that modifies.
fn beginning(mut submission: Submission, kept: u64) -> Submission {
    submission.request.range.length = kept;
    if submission.request.operation == Operation::Write {
        submission.data.truncate(index(kept));
    }
    submission
}

impl Queue for FaultQueue {
    fn submit(&mut self, submission: Submission) {
        submission.assert_sound();
        let effect = lock(&self.fault.state).effect(&submission.request);
        let submission = match effect {
            Some(effect) => self.strike(effect, submission),
            None => submission,
        };
        self.below.submit(submission);
    }

    fn kick(&mut self) {
        self.below.kick();
    }

    fn poll(&mut self, completions: &mut Vec<Completion>) {
        let now = self.fault.clock.now();
        let mut due = lock(&self.delayed.due);
        let over = due.extract_if(.., |(due, _)| *due <= now);
        completions.extend(over.map(|(_, completion)| completion));
        self.below.poll(&mut self.came);
        for completion in self.came.drain(..) {
            match self.fates.remove(&completion.tag) {
                Some(Fate::Told(result)) => completions.push(Completion { result, ..completion }),
                Some(Fate::Due(time)) if time > now => due.push((time, completion)),
                Some(Fate::Due(_)) | None => completions.push(completion),
            }
        }
    }

    fn in_flight(&self) -> usize {
        self.below.in_flight() + lock(&self.delayed.due).len()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::device::{Durable, Image, Memory, Sim};
    use crate::units::VirtualClock;

    const EVERY: Rule =
        Rule { operation: None, range: None, when: When::Always, effect: Effect::Lost };

    struct Subject {
        memory: Arc<Memory>,
        sim: Arc<Sim>,
        clock: Arc<VirtualClock>,
        fault: Arc<Fault>,
        queue: Box<dyn Queue>,
        doorbell: Arc<Doorbell>,
    }

    fn subject(rules: Vec<Rule>) -> Subject {
        let memory = Arc::new(Memory::new(4096));
        memory.write(0, &[1; 4096], Durable::Later).unwrap();
        let sim = Sim::new(Arc::clone(&memory) as Arc<dyn Image>);
        let clock = Arc::new(VirtualClock::default());
        let below = Arc::clone(&sim) as Arc<dyn BlockDevice>;
        let fault = Fault::new(below, rules, Arc::clone(&clock) as Arc<dyn Clock>, 5);
        let doorbell = Arc::new(Doorbell::new().unwrap());
        let queue = Arc::clone(&fault).open_queue(Arc::clone(&doorbell));
        Subject { memory, sim, clock, fault, queue, doorbell }
    }

    impl Subject {
        /// Submits requests, completes them in order, and says what became of each.
        fn run(&mut self, requests: &[(Operation, u64, u64)]) -> Vec<Result<(), Errno>> {
            for (tag, (operation, offset, length)) in (0..).zip(requests) {
                let range = ByteRange::new(*offset, *length);
                let data = match operation {
                    Operation::Write => Bytes::from(vec![9; index(*length)]),
                    _ => Bytes::new(),
                };
                let request = Request { operation: *operation, range, flags: Flags::NONE };
                self.queue.submit(Submission { tag, request, data });
                self.queue.kick();
                assert!(self.sim.complete(tag), "it goes through the device below");
            }
            let mut completions = Vec::new();
            self.queue.poll(&mut completions);
            assert!(completions.iter().map(|one| one.tag).eq(0..requests.len() as u64));
            assert_eq!(self.queue.in_flight(), 0);
            for completion in &completions {
                let bytes = completion.data.len();
                assert!(completion.result.is_ok() || bytes == 0, "an error has no data");
            }
            completions.iter().map(|completion| completion.result).collect()
        }

        fn bytes(&self, offset: u64, length: usize) -> Vec<u8> {
            let mut bytes = vec![0xee; length];
            self.memory.read(offset, &mut bytes).unwrap();
            bytes
        }
    }

    #[test]
    fn an_error_strikes_what_its_rule_says_and_changes_nothing() {
        let full = Rule {
            operation: Some(Operation::Write),
            range: Some(ByteRange::new(512, 512)),
            when: When::Nth(1),
            effect: Effect::Error(Errno::ENOSPC),
        };
        let mut subject = subject(vec![full]);
        let results = subject.run(&[
            (Operation::Write, 0, 512),
            (Operation::Write, 1023, 10),
            (Operation::Discard, 512, 10),
            (Operation::Write, 500, 13),
            (Operation::Write, 512, 512),
        ]);
        assert_eq!(results, [Ok(()), Ok(()), Ok(()), Err(Errno::ENOSPC), Ok(())]);
        assert_eq!(subject.fault.struck(), [1]);
        let failing = Rule { effect: Effect::Error(Errno::EIO), ..EVERY };
        let mut subject = self::subject(vec![failing]);
        let every = Operation::NAMES.map(|(operation, _)| match operation {
            Operation::Flush => (operation, 0, 0),
            _ => (operation, 100, 50),
        });
        assert_eq!(subject.run(&every), [Err(Errno::EIO); 7]);
        assert_eq!(subject.bytes(0, 4096), [1; 4096]);
    }

    #[test]
    fn what_is_lost_is_told_to_have_worked() {
        let mut subject = subject(vec![EVERY]);
        let results = subject.run(&[
            (Operation::Write, 0, 512),
            (Operation::WriteZeroes, 0, 512),
            (Operation::Discard, 0, 512),
            (Operation::Flush, 0, 0),
            (Operation::Read, 0, 512),
        ]);
        assert_eq!(results, [Ok(()); 5]);
        assert_eq!(subject.bytes(0, 512), [1; 512]);
        assert_eq!(subject.fault.struck(), [4], "a read cannot be lost");
    }

    #[test]
    fn a_lost_flush_never_reaches_the_device_below() {
        let lost = Rule { operation: Some(Operation::Flush), ..EVERY };
        let mut subject = subject(vec![lost]);
        let request = Request {
            operation: Operation::Flush,
            range: ByteRange::default(),
            flags: Flags::NONE,
        };
        subject.queue.submit(Submission { tag: 3, request, data: Bytes::new() });
        subject.queue.kick();
        let below = subject.sim.parked();
        assert!(matches!(below[..], [(3, Request { operation: Operation::Cache, .. })]));
    }

    #[test]
    fn of_a_torn_write_a_beginning_is_left() {
        let mut lengths = std::collections::BTreeSet::new();
        for result in [Ok(()), Err(Errno::EIO)] {
            let torn = Rule { effect: Effect::Torn { result }, ..EVERY };
            let mut subject = subject(vec![torn]);
            for offset in (0..4000).step_by(100) {
                let results = subject.run(&[(Operation::Write, offset, 8)]);
                assert_eq!(results, [result]);
                let bytes = subject.bytes(offset, 9);
                let kept = bytes.iter().take_while(|byte| **byte == 9).count();
                assert!(bytes[kept..].iter().all(|byte| *byte == 1), "{bytes:?}");
                lengths.insert(kept);
            }
            assert_eq!(subject.run(&[(Operation::Discard, 4090, 6)]), [result]);
            assert_eq!(subject.bytes(4095, 1), [1], "never whole");
            assert_eq!(subject.run(&[(Operation::Flush, 0, 0)]), [Ok(())]);
        }
        assert_eq!(lengths, (0..8).collect());
    }

    #[test]
    fn a_delayed_completion_comes_when_its_time_has_come() {
        let slow =
            Rule { operation: Some(Operation::Read), effect: Effect::Delay(Nanos(100)), ..EVERY };
        let Subject { sim, clock, fault, mut queue, doorbell, .. } = subject(vec![slow]);
        let range = ByteRange::new(0, 10);
        let request = Request { operation: Operation::Read, range, flags: Flags::NONE };
        queue.submit(Submission { tag: 1, request, data: Bytes::new() });
        queue.kick();
        assert_eq!(fault.next_due(), None, "the device below has it");
        assert!(sim.complete(1));
        let mut completions = Vec::new();
        queue.poll(&mut completions);
        assert!(completions.is_empty() && queue.in_flight() == 1);
        assert_eq!(fault.next_due(), Some(Nanos(100)));
        doorbell.clear();
        clock.advance(Nanos(99));
        fault.tick();
        queue.poll(&mut completions);
        assert!(completions.is_empty() && doorbell.park(), "one nanosecond is missing");
        clock.advance(Nanos(1));
        fault.tick();
        assert!(!doorbell.park(), "the bell was rung");
        queue.poll(&mut completions);
        assert_eq!((completions.len(), queue.in_flight()), (1, 0));
        assert_eq!(completions[0].data, vec![1; 10]);
        assert_eq!(fault.next_due(), None);
    }

    #[test]
    fn chance_follows_from_the_seed_and_the_first_rule_counts() {
        let sometimes = Rule { when: When::OneIn(4), effect: Effect::Error(Errno::EIO), ..EVERY };
        let otherwise = Rule { effect: Effect::Error(Errno::ENOSPC), ..EVERY };
        let requests = vec![(Operation::Read, 0, 1); 400];
        let results = subject(vec![sometimes, otherwise]).run(&requests);
        let count = results.iter().filter(|result| **result == Err(Errno::EIO)).count();
        assert!((70..130).contains(&count), "{count}");
        assert!(results.iter().all(Result::is_err));
        assert_eq!(subject(vec![sometimes, otherwise]).run(&requests), results);
    }
}
