//! The folded view: of the events of a virtual machine, those that two runs of one machine share.
//!
//! ```text
//! instruction  clock  checkpoint clock_virtual  bh 5884148  interrupt  block 3
//!                                               bh 0                   block 3    what is shown
//! └────────────── hidden before it ───────────┘             └ hidden ┘
//! ```
//!
//! Where a guest stands when something comes, how often it looks at a clock, and which timers run depends on the host. What
//! comes, and in which order, does not: so the first difference of two folded runs is where they part. Events in, those
//! that are shown out, with how many were hidden before each. Knows no file. Invariants: every event is shown or counted;
//! memory does not grow with the run.

use std::ops::AddAssign;

use crate::event::{Checkpoint, Event, EventKind};

/// Folds a run, event by event.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    hidden: Hidden,
    shown: u64,
    bottom_halves: u64,
    oneshots: u64,
}

/// An event that is shown. Two are the same if their `event`s are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// Its place among those that are shown, from 0.
    pub place: u64,
    /// What happened. The id of a bottom half, which QEMU takes from the number of instructions executed, is its place
    /// among those of its kind, from 0.
    pub event: EventKind,
    /// What was hidden since the one before.
    pub hidden: Hidden,
}

/// How many events were hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hidden {
    /// Events that say how many instructions were executed.
    pub instructions: u64,
    /// Readings of a clock.
    pub clocks: u64,
    /// Checkpoints whose place depends on time or on threads.
    pub checkpoints: u64,
    /// Interrupts and exceptions.
    pub interrupts: u64,
}

impl Hidden {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.instructions + self.clocks + self.checkpoints + self.interrupts
    }

    /// The one that counts events of this kind; `None` if they are shown.
    fn counter(&mut self, kind: &EventKind) -> Option<&mut u64> {
        Some(match kind {
            EventKind::Instruction { .. } => &mut self.instructions,
            EventKind::Clock { .. } => &mut self.clocks,
            EventKind::Checkpoint(which) if depends_on_time(*which) => &mut self.checkpoints,
            EventKind::Interrupt | EventKind::Exception => &mut self.interrupts,
            _ => return None,
        })
    }
}

impl AddAssign for Hidden {
    fn add_assign(&mut self, other: Hidden) {
        self.instructions += other.instructions;
        self.clocks += other.clocks;
        self.checkpoints += other.checkpoints;
        self.interrupts += other.interrupts;
    }
}

/// Whether two runs of one machine pass it at different places: those of timers (QEMU: `CHECKPOINT_CLOCK_*`), and those
/// of our own fronts, which depend on threads.
fn depends_on_time(checkpoint: Checkpoint) -> bool {
    match checkpoint {
        Checkpoint::Controller
        | Checkpoint::ClockWarpStart
        | Checkpoint::ClockWarpAccount
        | Checkpoint::ClockVirtual
        | Checkpoint::ClockHost
        | Checkpoint::ClockVirtualRt => true,
        Checkpoint::ResetRequested
        | Checkpoint::SuspendRequested
        | Checkpoint::Init
        | Checkpoint::Reset => false,
    }
}

impl Fold {
    /// Takes the next event; gives it back if it is shown.
    pub fn push(&mut self, event: &Event) -> Option<Folded> {
        if let Some(counter) = self.hidden.counter(&event.kind) {
            *counter += 1;
            return None;
        }
        let next = |counter: &mut u64| std::mem::replace(counter, *counter + 1);
        let kind = match &event.kind {
            EventKind::Bh { .. } => EventKind::Bh { id: next(&mut self.bottom_halves) },
            EventKind::BhOneshot { .. } => EventKind::BhOneshot { id: next(&mut self.oneshots) },
            kind => kind.clone(),
        };
        let hidden = std::mem::take(&mut self.hidden);
        Some(Folded { place: next(&mut self.shown), event: kind, hidden })
    }

    /// What was hidden behind the last that is shown.
    pub fn rest(&self) -> Hidden {
        self.hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ClockKind;
    use crate::units::Nanos;

    fn fold(kinds: &[EventKind]) -> (Vec<Folded>, Hidden) {
        let mut fold = Fold::default();
        let events = kinds.iter().map(|kind| Event { time: Nanos(0), kind: kind.clone() });
        let shown = events.filter_map(|event| fold.push(&event)).collect();
        (shown, fold.rest())
    }

    #[test]
    fn what_time_and_threads_decide_is_counted_and_not_shown() {
        let hidden = [
            EventKind::Instruction { count: 7 },
            EventKind::Clock { clock: ClockKind::Host, value: 1 },
            EventKind::Clock { clock: ClockKind::VirtualRt, value: 2 },
            EventKind::Checkpoint(Checkpoint::ClockVirtual),
            EventKind::Checkpoint(Checkpoint::Controller),
            EventKind::Interrupt,
            EventKind::Exception,
        ];
        let shown = [
            EventKind::Checkpoint(Checkpoint::Init),
            EventKind::Checkpoint(Checkpoint::Reset),
            EventKind::InputSync,
        ];
        let all: Vec<_> = hidden.iter().chain(&shown).chain(&hidden[..1]).cloned().collect();
        let (folded, rest) = fold(&all);
        let kinds: Vec<_> = folded.iter().map(|one| one.event.clone()).collect();
        assert_eq!(kinds, shown);
        let before = Hidden { instructions: 1, clocks: 2, checkpoints: 2, interrupts: 2 };
        assert_eq!((folded[0].hidden, before.total()), (before, 7));
        assert_eq!(folded[1].hidden, Hidden::default());
        assert_eq!(rest, Hidden { instructions: 1, ..Hidden::default() });
        let mut sum = rest;
        for one in &folded {
            sum += one.hidden;
        }
        assert_eq!(sum.total() + folded.len() as u64, all.len() as u64);
    }

    #[test]
    fn bottom_halves_are_named_by_their_order() {
        let bh = |id| EventKind::Bh { id };
        let oneshot = |id| EventKind::BhOneshot { id };
        let (one, _) = fold(&[bh(500), oneshot(7), bh(500), bh(9)]);
        let (other, _) = fold(&[bh(501), oneshot(8), bh(503), bh(10)]);
        assert_eq!(one, other);
        let kinds: Vec<_> = one.into_iter().map(|one| one.event).collect();
        assert_eq!(kinds, [bh(0), oneshot(0), bh(1), bh(2)]);
    }
}
