//! Whether two runs of a virtual machine had the same events, in the same order: two folded logs in, differences out.
//!
//! Compared is what [`Fold`] shows, by all that an event carries; where in its run a machine stood is not. An event that has
//! become another of its kind is changed. Knows no format of a log. Invariants: every event that is shown is told of once;
//! memory is bounded by the window.

use std::collections::VecDeque;

use super::difference::Kind;
use super::error::Which;
use super::sequence::{Aligner, Pair, Sequences};
use crate::event::Event;
use crate::request::Digest;
use crate::view::{Fold, Folded, Hidden};

/// An event of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its index among all events of its log, from 0.
    pub index: u64,
    /// Its first byte in the file.
    pub at: u64,
    /// How many instructions had been executed.
    pub icount: u64,
    /// What happened.
    pub event: Event,
}

/// An event that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its index among all events of its log, from 0.
    pub index: u64,
    /// Its first byte in the file.
    pub at: u64,
    /// How many instructions had been executed.
    pub icount: u64,
    /// What happened, its place among those that are shown, and how many events were hidden before it.
    pub folded: Folded,
}

/// How two logs differ at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDifference {
    /// Changed, added or removed; events are not looked for elsewhere.
    pub kind: Kind,
    /// The event of base, if it has one.
    pub base: Option<Shown>,
    /// The event of new, if it has one.
    pub new: Option<Shown>,
}

/// How much is kept of what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Differences; all of them are counted.
    pub differences: usize,
    /// Same events before the first difference, and behind it.
    pub context: usize,
    /// Nothing is read behind the first difference and its context.
    pub first_only: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventReport {
    /// Events of each side that are the same.
    pub same: u64,
    /// Events that became others of their kind.
    pub changed: u64,
    /// Events that only new has.
    pub added: u64,
    /// Events that only base has.
    pub removed: u64,
    /// What was hidden of base, behind the last event that is shown too.
    pub hidden_base: Hidden,
    /// The same of new.
    pub hidden_new: Hidden,
    /// The first differences, in the order of base.
    pub differences: Vec<EventDifference>,
    /// The last events of both sides that are the same before the first difference.
    pub before: Vec<(Shown, Shown)>,
    /// The first ones behind it.
    pub after: Vec<(Shown, Shown)>,
    /// It was broken off: the counts are those of a beginning.
    pub stopped: bool,
}

impl EventReport {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.changed + self.added + self.removed == 0
    }
}

/// Compares two logs, whose events `base` and `new` give one after another, at most `window` of each side together.
pub fn compare_events<E>(
    base: impl FnMut() -> Result<Option<Logged>, E>,
    new: impl FnMut() -> Result<Option<Logged>, E>,
    window: usize,
    keep: Keep,
) -> Result<EventReport, E> {
    let runs = Runs { base: Run::new(base), new: Run::new(new) };
    let mut aligner = Aligner::new(runs, window);
    let (mut report, mut before) = (EventReport::default(), VecDeque::new());
    while let Some(pair) = aligner.next_pair()? {
        let (kind, base, new) = match pair {
            Pair::Both(base, new) if base.folded.event == new.folded.event => {
                report.same += 1;
                context(&mut report, &mut before, keep.context, (base, new));
                if keep.first_only && report.after.len() == keep.context && !report.is_same() {
                    report.stopped = true;
                    break;
                }
                continue;
            }
            Pair::Both(base, new) => {
                report.changed += 1;
                (Kind::Changed, Some(base), Some(new))
            }
            Pair::Base(base) => {
                report.removed += 1;
                (Kind::Removed, Some(base), None)
            }
            Pair::New(new) => {
                report.added += 1;
                (Kind::Added, None, Some(new))
            }
        };
        if report.differences.len() < keep.differences {
            report.differences.push(EventDifference { kind, base, new });
        }
    }
    report.before = before.into();
    report.hidden_base = aligner.sequences().base.hidden();
    report.hidden_new = aligner.sequences().new.hidden();
    Ok(report)
}

/// Keeps a same event if it is near the first difference.
fn context(
    report: &mut EventReport,
    before: &mut VecDeque<(Shown, Shown)>,
    count: usize,
    both: (Shown, Shown),
) {
    if !report.is_same() {
        if report.after.len() < count {
            report.after.push(both);
        }
        return;
    }
    before.push_back(both);
    if before.len() > count {
        before.pop_front();
    }
}

/// A log, folded as it is read.
struct Run<F> {
    next: F,
    fold: Fold,
    hidden: Hidden,
}

impl<F> Run<F> {
    fn new(next: F) -> Run<F> {
        Run { next, fold: Fold::default(), hidden: Hidden::default() }
    }

    /// What was hidden so far.
    fn hidden(&self) -> Hidden {
        let mut hidden = self.hidden;
        hidden += self.fold.rest();
        hidden
    }

    fn next_shown<E>(&mut self) -> Result<Option<Shown>, E>
    where
        F: FnMut() -> Result<Option<Logged>, E>,
    {
        while let Some(Logged { index, at, icount, event }) = (self.next)()? {
            if let Some(folded) = self.fold.push(&event) {
                self.hidden += folded.hidden;
                return Ok(Some(Shown { index, at, icount, folded }));
            }
        }
        Ok(None)
    }
}

struct Runs<B, N> {
    base: Run<B>,
    new: Run<N>,
}

impl<E, B, N> Sequences for Runs<B, N>
where
    B: FnMut() -> Result<Option<Logged>, E>,
    N: FnMut() -> Result<Option<Logged>, E>,
{
    type Item = Shown;
    type Error = E;

    fn next_item(&mut self, which: Which) -> Result<Option<Shown>, E> {
        match which {
            Which::Base => self.base.next_shown(),
            Which::New => self.new.next_shown(),
        }
    }

    fn same(&self, base: &Shown, new: &Shown) -> bool {
        base.folded.event == new.folded.event
    }

    fn full(&self, item: &Shown) -> u128 {
        Digest::of(format!("{:?}", item.folded.event).as_bytes()).0
    }

    fn shape(&self, item: &Shown) -> u128 {
        Digest::of(item.folded.event.name().as_bytes()).0
    }

    fn held_bytes(&self, item: &Shown) -> usize {
        usize::try_from(item.folded.event.data_bytes()).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::device::Dice;
    use crate::event::{ClockKind, EventKind};
    use crate::request::RequestId;
    use crate::units::Nanos;

    const ALL: Keep = Keep { differences: 100, context: 2, first_only: false };

    fn block(id: u64) -> EventKind {
        EventKind::BlockId { id: RequestId(id) }
    }

    fn wrote(offset: i32) -> EventKind {
        EventKind::CharWrite { result: 1, offset }
    }

    fn log(kinds: &[EventKind]) -> impl FnMut() -> Result<Option<Logged>, Infallible> {
        let events: Vec<_> = (0..)
            .zip(kinds)
            .map(|(index, kind)| Logged {
                index,
                at: 12 + index * 5,
                icount: index * 100,
                event: Event { time: Nanos(0), kind: kind.clone() },
            })
            .collect();
        let mut events = events.into_iter();
        move || Ok(events.next())
    }

    fn compared(base: &[EventKind], new: &[EventKind], keep: Keep) -> EventReport {
        compare_events(log(base), log(new), 1 << 16, keep).unwrap()
    }

    #[test]
    fn what_a_host_decides_is_no_difference_and_is_counted() {
        let clock = |value| EventKind::Clock { clock: ClockKind::Host, value };
        let base = [clock(1), block(0), EventKind::Bh { id: 500 }, clock(2)];
        let new = [block(0), EventKind::Instruction { count: 9 }, EventKind::Bh { id: 501 }];
        let report = compared(&base, &new, ALL);
        assert!(report.is_same());
        assert_eq!((report.same, report.hidden_base.clocks), (2, 2));
        assert_eq!((report.hidden_new.instructions, report.hidden_new.total()), (1, 1));
        assert_eq!(report.before.len(), 2);
    }

    #[test]
    fn the_first_difference_says_where_it_is_on_both_sides_and_what_is_around() {
        let clock = EventKind::Clock { clock: ClockKind::Host, value: 3 };
        let base = [block(0), wrote(0), block(1), wrote(1), block(2), wrote(2)];
        let new = [block(0), wrote(0), block(1), clock, block(7), wrote(1), block(3), wrote(2)];
        let report = compared(&base, &new, ALL);
        assert_eq!((report.same, report.changed, report.added, report.removed), (5, 1, 1, 0));
        let [first, second] = &report.differences[..] else { panic!("{report:?}") };
        let shown = first.new.as_ref().unwrap();
        assert_eq!((first.kind, &first.base), (Kind::Added, &None));
        assert_eq!((shown.index, shown.at, shown.icount), (4, 32, 400));
        assert_eq!((shown.folded.place, shown.folded.hidden.clocks), (3, 1));
        assert_eq!(shown.folded.event, block(7));
        let events = |one: &EventDifference| {
            [&one.base, &one.new].map(|one| one.as_ref().unwrap().folded.event.clone())
        };
        assert_eq!((second.kind, events(second)), (Kind::Changed, [block(2), block(3)]));
        let kinds = |list: &[(Shown, Shown)]| -> Vec<_> {
            list.iter().map(|(one, _)| one.folded.event.clone()).collect()
        };
        assert_eq!(kinds(&report.before), [wrote(0), block(1)]);
        assert_eq!(kinds(&report.after), [wrote(1), wrote(2)]);
    }

    #[test]
    fn no_more_is_kept_than_was_asked_for_and_the_first_ends_it() {
        let base: Vec<_> = (0..100).map(block).collect();
        let report = compared(&base, &[], Keep { differences: 3, ..ALL });
        assert_eq!((report.removed, report.differences.len()), (100, 3));
        let mut new = base.clone();
        new.remove(10);
        let first = Keep { first_only: true, ..ALL };
        let report = compared(&base, &new, first);
        assert_eq!((report.same, report.removed, report.stopped), (12, 1, true));
        assert!(!compared(&base, &base, first).stopped);
    }

    #[test]
    fn one_event_more_less_or_other_is_the_one_that_is_told() {
        for seed in 0..300 {
            let mut dice = Dice::new(seed);
            let base: Vec<_> = (0..=dice.below(300)).map(|_| block(dice.below(9))).collect();
            let (mut new, at) = (base.clone(), dice.place(base.len()).unwrap());
            let kind = Kind::NAMES[dice.place(3).unwrap()].0;
            match kind {
                Kind::Added => new.insert(at, block(99)),
                Kind::Removed => drop(new.remove(at)),
                _ if base[..at].last() == Some(&base[at])
                    || base.get(at + 1) == Some(&base[at]) =>
                {
                    continue; // Which of two equal neighbours changed cannot be told.
                }
                _ => new[at] = block(99),
            }
            let report = compared(&base, &new, ALL);
            let [only] = &report.differences[..] else { panic!("seed {seed}: {report:?}") };
            assert_eq!(only.kind, kind, "seed {seed}");
            if kind != Kind::Removed {
                let shown = only.new.as_ref().unwrap();
                assert_eq!(
                    (shown.index, &shown.folded.event),
                    (at as u64, &block(99)),
                    "seed {seed}"
                );
            }
        }
    }

    #[test]
    fn a_log_that_cannot_be_read_is_trouble() {
        let unreadable = || Err("cut");
        let whole = || Ok(None);
        assert_eq!(compare_events(whole, unreadable, 10, ALL), Err("cut"));
    }
}
