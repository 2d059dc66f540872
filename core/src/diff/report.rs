//! What is said of two sides: an alignment's words come in, a bounded report goes out.
//!
//! ```text
//! same 0 │ same 1 │ 7: changed, same │ same 8 │ same 9 │ added 12       what an alignment says, place by place
//! └──── run ─────┘ └───── run ──────┘ └──── run ──────┘ └─ run ─┘       what is kept
//! ```
//!
//! Invariants: everything is counted, whatever is kept; no more than [`Bounds::most`] differences are kept, and no more than
//! [`DIFF_RUNS_MAX`] runs, of which the last takes what does not fit.

use std::fmt;
use std::ops::{AddAssign, ControlFlow};

use super::compared::Compared;
use super::difference::{Difference, Kind, Outcome, Place};
use super::error::DiffError;
use super::evidence::{self, Evidence};
use super::known::Presets;
use super::side::Side;
use crate::limits::{DIFF_EXPLAINED_MAX, DIFF_KEPT_MAX, DIFF_RUNS_MAX};
use crate::request::{DeviceId, RequestId};

/// How many there are of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests that are the same on both sides.
    pub same: u64,
    /// Of these, those of which bytes were masked.
    pub masked: u64,
    /// Differences by kind, in the order of [`Kind::NAMES`]. One that is about several requests counts once.
    pub kinds: [u64; 4],
}

impl Counts {
    /// Differences of a kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.kinds[kind as usize]
    }

    /// Differences of all kinds.
    pub fn differences(&self) -> u64 {
        self.kinds.iter().sum()
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.same += other.same;
        self.masked += other.masked;
        self.kinds.iter_mut().zip(other.kinds).for_each(|(sum, more)| *sum += more);
    }
}

/// A difference with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What differs.
    pub difference: Difference,
    /// What is known of it.
    pub evidence: Evidence,
}

/// Places that follow one another and are all the same, or one that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The first place.
    pub first: Place,
    /// The last place: the first one too, unless all are the same, or this is the rest.
    pub last: Place,
    /// What is there.
    pub counts: Counts,
    /// Differences there, those that are kept.
    pub kept: Vec<Kept>,
    /// It took all that came when there was no room for further runs.
    pub rest: bool,
}

/// Which differences are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// All.
    #[default]
    All,
    /// Those of this epoch, of either side.
    Epoch(u64),
    /// Those about this request, of either side.
    Request(RequestId),
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Differences that are kept with all that they say; never more than [`DIFF_KEPT_MAX`].
    pub most: usize,
    /// The comparison ends at the first difference that is shown.
    pub first_only: bool,
    /// Which differences, and which runs.
    pub shown: Scope,
}

/// What is said of two sides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Everything, run by run.
    pub runs: Vec<Run>,
    /// Everything together.
    pub counts: Counts,
    /// The first difference of all.
    pub first: Option<Kept>,
    /// The comparison ended at the first difference that is shown: what comes behind it is not counted.
    pub stopped: bool,
    /// How many epochs base and new have, of all devices together; `None` if the alignment knows none, or stopped.
    pub epochs: [Option<u64>; 2],
    /// So often the window of the rule was too small to find out which requests are pairs.
    pub gave_up: u64,
}

impl Report {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.counts.differences() == 0
    }

    /// Finds out what is known of the differences that are kept: which bytes differ, and of the first one, who wrote there last
    /// and so many requests around it.
    pub fn explain(
        &mut self,
        base: &dyn Side,
        new: &dyn Side,
        context: usize,
    ) -> Result<(), DiffError> {
        let presets = Presets::new();
        let kept = self.runs.iter_mut().flat_map(|run| &mut run.kept).take(DIFF_EXPLAINED_MAX);
        for one in self.first.iter_mut().chain(kept) {
            one.evidence.look((base, new), &one.difference, &presets)?;
        }
        if let Some(Kept { difference, evidence }) = &mut self.first {
            let around = |side, requests: &[Compared]| {
                let first = requests.first();
                first.map(|one| evidence::around(side, one, context)).transpose()
            };
            evidence.base = around(base, &difference.base)?;
            evidence.new = around(new, &difference.new)?;
        }
        Ok(())
    }
}

/// A line: how many differences there are, and what the first one is.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Kept { difference, .. }) = &self.first else {
            return write!(f, "same: {} requests", self.counts.same);
        };
        f.write_str("different: ")?;
        for (place, (kind, name)) in Kind::NAMES.into_iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{} {name}", self.counts.of(kind))?;
        }
        let Difference { kind, base, new, .. } = difference;
        let Some(one) = base.first().or(new.first()) else { return Ok(()) };
        let (operation, range) = (one.request.operation, one.request.range);
        write!(f, "; first {}: {operation} {range}", kind.name())?;
        for (side, requests) in [("base", base), ("new", new)] {
            if let Some(one) = requests.first() {
                write!(f, ", {side} {}", one.id)?;
            }
        }
        Ok(())
    }
}

/// Gathers a report.
#[derive(Debug)]
pub struct Gatherer {
    keep: Bounds,
    report: Report,
    kept: usize,
    /// The run that is being put together.
    current: Option<Run>,
}

impl Gatherer {
    /// Gathers this much.
    pub fn new(keep: Bounds) -> Gatherer {
        let keep = Bounds { most: keep.most.min(DIFF_KEPT_MAX), ..keep };
        Gatherer { keep, report: Report::default(), kept: 0, current: None }
    }

    /// The report, when the alignment is through.
    pub fn finish(mut self) -> Report {
        self.close();
        if self.report.stopped {
            self.report.epochs = [None; 2];
        }
        self.report
    }

    /// The run at `place`, which is begun if need be.
    fn at(&mut self, place: Place, differs: bool) -> &mut Run {
        if !self.current.as_ref().is_some_and(|run| run.goes_on(place, differs)) {
            self.close();
        }
        self.current.get_or_insert_with(|| Run::at(place))
    }

    /// Puts away the run that is complete.
    fn close(&mut self) {
        let Some(run) = self.current.take() else { return };
        if !self.keep.shown.takes(&run) {
            return;
        }
        let full = self.report.runs.len() >= DIFF_RUNS_MAX;
        match self.report.runs.last_mut() {
            Some(last) if full || last.joins(&run) => last.absorb(run, full),
            _ => self.report.runs.push(run),
        }
    }
}

impl Outcome for Gatherer {
    fn same(&mut self, place: Place, count: u64, masked: u64) {
        let counts = Counts { same: count, masked, ..Counts::default() };
        self.report.counts += counts;
        self.at(place, false).counts += counts;
    }

    fn difference(&mut self, difference: Difference) -> ControlFlow<()> {
        let mut counts = Counts::default();
        counts.kinds[difference.kind as usize] = 1;
        self.report.counts += counts;
        let kept = Kept { difference, evidence: Evidence::default() };
        let difference = &kept.difference;
        if self.report.first.is_none() {
            self.report.first = Some(kept.clone());
        }
        let is_shown = self.keep.shown.keeps(difference);
        let keeps = is_shown && self.kept < self.keep.most;
        let run = self.at(kept.difference.place, true);
        run.counts += counts;
        if keeps {
            run.kept.push(kept);
            self.kept += 1;
        }
        if is_shown && self.keep.first_only {
            self.report.stopped = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn epochs(&mut self, _: DeviceId, base: u64, new: u64) {
        for (all, count) in self.report.epochs.iter_mut().zip([base, new]) {
            if count > 0 {
                *all = Some(all.unwrap_or(0).saturating_add(count));
            }
        }
    }

    fn gave_up(&mut self, _: Place) {
        self.report.gave_up += 1;
    }
}

impl Run {
    fn at(place: Place) -> Run {
        Run { first: place, last: place, counts: Counts::default(), kept: Vec::new(), rest: false }
    }

    /// Whether nothing differs in it.
    pub fn is_same(&self) -> bool {
        self.counts.differences() == 0
    }

    /// Whether what is at `place` belongs to it. Where there are no epochs, what is the same ends what differs.
    fn goes_on(&self, place: Place, differs: bool) -> bool {
        let is_alike = self.is_same() != differs;
        self.last == place && (is_alike || place.has_epochs())
    }

    /// Whether both are the same, and `next` lies behind this.
    fn joins(&self, next: &Run) -> bool {
        let (last, next_first) = (self.last, next.first);
        let both =
            [last, next_first].iter().all(|at| at.base_epoch.is_some() && at.new_epoch.is_some());
        let is_later =
            last.base_epoch < next_first.base_epoch && last.new_epoch < next_first.new_epoch;
        self.is_same() && next.is_same() && last.device == next_first.device && both && is_later
    }

    fn absorb(&mut self, run: Run, full: bool) {
        self.last = run.last;
        self.counts += run.counts;
        self.kept.extend(run.kept);
        self.rest |= full;
    }
}

impl Place {
    /// Whether an epoch of either side is known.
    pub fn has_epochs(&self) -> bool {
        self.base_epoch.is_some() || self.new_epoch.is_some()
    }
}

impl Scope {
    fn keeps(self, difference: &Difference) -> bool {
        match self {
            Scope::All => true,
            Scope::Epoch(epoch) => {
                let Place { base_epoch, new_epoch, .. } = difference.place;
                let epochs = difference.base.iter().chain(&difference.new).map(|one| one.epoch);
                [base_epoch, new_epoch].into_iter().flatten().chain(epochs).any(|one| one == epoch)
            }
            Scope::Request(id) => {
                difference.base.iter().chain(&difference.new).any(|one| one.id == id)
            }
        }
    }

    fn takes(self, run: &Run) -> bool {
        match self {
            Scope::All => true,
            Scope::Epoch(epoch) => {
                let holds = |first: Option<u64>, last: Option<u64>| {
                    first.zip(last).is_some_and(|(first, last)| (first..=last).contains(&epoch))
                };
                !run.kept.is_empty()
                    || holds(run.first.base_epoch, run.last.base_epoch)
                    || holds(run.first.new_epoch, run.last.new_epoch)
            }
            Scope::Request(_) => !run.kept.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Compared, Fact, Facts};
    use crate::event::Payload;
    use crate::request::{Flags, Operation, Request};
    use crate::units::{ByteRange, Nanos};

    const ALL: Bounds = Bounds { most: 20, first_only: false, shown: Scope::All };

    fn epoch(number: u64) -> Place {
        Place { device: Some(DeviceId(0)), base_epoch: Some(number), new_epoch: Some(number) }
    }

    fn write(id: u64) -> Compared {
        Compared {
            place: id,
            id: RequestId(id),
            device: DeviceId(0),
            epoch: 0,
            straddling: false,
            time: Nanos(0),
            request: Request {
                operation: Operation::Write,
                range: ByteRange::new(0, 512),
                flags: Flags::NONE,
            },
            payload: Payload::Zeroes,
            masked: false,
            result: Some(Ok(())),
        }
    }

    fn changed(place: Place, id: u64) -> Difference {
        Difference {
            kind: Kind::Changed,
            place,
            base: vec![write(id)],
            new: vec![write(id + 100)],
            facts: Facts::NONE.with(Fact::Payload),
        }
    }

    fn added(place: Place, id: u64) -> Difference {
        let new = vec![write(id)];
        Difference { kind: Kind::Added, place, base: Vec::new(), new, facts: Facts::NONE }
    }

    fn spans(report: &Report) -> Vec<(u64, u64, u64, u64)> {
        let epoch = |place: Place| place.base_epoch.or(place.new_epoch).unwrap_or(u64::MAX);
        let of = |run: &Run| {
            (epoch(run.first), epoch(run.last), run.counts.same, run.counts.differences())
        };
        report.runs.iter().map(of).collect()
    }

    #[test]
    fn epochs_that_are_the_same_are_one_run_and_each_that_differs_is_its_own() {
        let mut gatherer = Gatherer::new(ALL);
        for number in 0..3 {
            gatherer.same(epoch(number), 10, 1);
        }
        assert!(gatherer.difference(changed(epoch(3), 1)).is_continue());
        gatherer.same(epoch(3), 4, 0);
        assert!(gatherer.difference(changed(epoch(4), 2)).is_continue());
        gatherer.same(epoch(5), 1, 0);
        gatherer.same(epoch(6), 1, 0);
        let report = gatherer.finish();
        assert!(!report.is_same() && !report.stopped);
        assert_eq!(spans(&report), [(0, 2, 30, 0), (3, 3, 4, 1), (4, 4, 0, 1), (5, 6, 2, 0)]);
        assert_eq!(report.counts, Counts { same: 36, masked: 3, kinds: [2, 0, 0, 0] });
        let told = "different: 2 changed, 0 added, 0 removed, 0 moved; first changed: write 0+512, base #1, new #101";
        assert_eq!(report.to_string(), told);
        assert_eq!(report.first.unwrap().difference, changed(epoch(3), 1));
    }

    #[test]
    fn what_is_the_same_in_an_epoch_may_be_said_before_what_differs_in_it() {
        let mut gatherer = Gatherer::new(ALL);
        gatherer.same(epoch(0), 10, 0);
        gatherer.same(epoch(1), 4, 0);
        assert!(gatherer.difference(changed(epoch(1), 1)).is_continue());
        gatherer.same(epoch(1), 2, 0);
        assert_eq!(spans(&gatherer.finish()), [(0, 0, 10, 0), (1, 1, 6, 1)]);
    }

    #[test]
    fn where_there_are_no_epochs_what_is_the_same_and_what_differs_alternate() {
        let nowhere = Place::default();
        let mut gatherer = Gatherer::new(ALL);
        gatherer.same(nowhere, 3, 0);
        gatherer.same(nowhere, 4, 0);
        assert!(gatherer.difference(changed(nowhere, 1)).is_continue());
        assert!(gatherer.difference(changed(nowhere, 2)).is_continue());
        gatherer.same(nowhere, 5, 0);
        let none = u64::MAX;
        let runs = [(none, none, 7, 0), (none, none, 0, 2), (none, none, 5, 0)];
        assert_eq!(spans(&gatherer.finish()), runs);
    }

    #[test]
    fn runs_of_two_devices_and_of_epochs_that_only_one_side_has_stay_apart() {
        let other = Place { device: Some(DeviceId(1)), ..epoch(1) };
        let only_new = Place { base_epoch: None, ..epoch(2) };
        let mut gatherer = Gatherer::new(ALL);
        gatherer.same(epoch(0), 1, 0);
        gatherer.same(epoch(1), 1, 0);
        assert!(gatherer.difference(added(only_new, 7)).is_continue());
        gatherer.same(Place { new_epoch: Some(3), ..epoch(2) }, 1, 0);
        gatherer.same(other, 1, 0);
        gatherer.epochs(DeviceId(0), 3, 4);
        gatherer.epochs(DeviceId(1), 2, 2);
        gatherer.epochs(DeviceId(2), 0, 0);
        let report = gatherer.finish();
        assert_eq!(report.epochs, [Some(3 + 2), Some(4 + 2)]);
        assert_eq!(spans(&report), [(0, 1, 2, 0), (2, 2, 0, 1), (2, 2, 1, 0), (1, 1, 1, 0)]);
        assert_eq!(report.counts.of(Kind::Added), 1);
        assert_eq!(report.counts.of(Kind::Changed), 0);
    }

    #[test]
    fn at_most_so_many_differences_are_kept_and_all_are_counted() {
        let mut gatherer = Gatherer::new(Bounds { most: 2, ..ALL });
        for id in 0..5 {
            assert!(gatherer.difference(changed(epoch(0), id)).is_continue());
        }
        let report = gatherer.finish();
        let kept: Vec<_> = report.runs[0].kept.iter().map(|one| &one.difference).collect();
        assert_eq!(kept, [&changed(epoch(0), 0), &changed(epoch(0), 1)]);
        assert_eq!(report.counts.differences(), 5);
    }

    #[test]
    fn the_first_difference_ends_it_if_that_was_asked() {
        let mut gatherer = Gatherer::new(Bounds { first_only: true, ..ALL });
        gatherer.same(epoch(0), 1, 0);
        assert!(gatherer.difference(changed(epoch(1), 1)).is_break());
        let report = gatherer.finish();
        assert!(report.stopped);
        assert_eq!(report.runs.len(), 2);
    }

    #[test]
    fn a_difference_that_is_not_shown_ends_nothing() {
        let shown = Scope::Epoch(2);
        let mut gatherer = Gatherer::new(Bounds { first_only: true, shown, ..ALL });
        assert!(gatherer.difference(changed(epoch(1), 1)).is_continue());
        assert!(gatherer.difference(changed(epoch(2), 2)).is_break());
        let report = gatherer.finish();
        assert!(report.stopped);
        assert_eq!(spans(&report), [(2, 2, 0, 1)]);
        assert_eq!(report.counts.differences(), 2);
    }

    #[test]
    fn one_epoch_or_one_request_can_be_shown_alone_and_all_are_counted() {
        for (shown, runs) in [
            (Scope::Epoch(2), vec![(2, 2, 1, 1)]),
            (Scope::Epoch(1), vec![(1, 1, 1, 0)]),
            (Scope::Request(RequestId(103)), vec![(3, 3, 1, 1)]),
            (Scope::Request(RequestId(9)), vec![]),
        ] {
            let mut gatherer = Gatherer::new(Bounds { shown, ..ALL });
            for number in 0..4 {
                gatherer.same(epoch(number), 1, 0);
                if number > 1 {
                    assert!(gatherer.difference(changed(epoch(number), number)).is_continue());
                }
            }
            let report = gatherer.finish();
            assert_eq!(spans(&report), runs, "{shown:?}");
            assert_eq!((report.counts.same, report.counts.differences()), (4, 2));
        }
    }

    #[test]
    fn when_there_is_no_room_for_runs_the_last_takes_the_rest() {
        let mut gatherer = Gatherer::new(ALL);
        let places = DIFF_RUNS_MAX as u64 + 10;
        for number in 0..places {
            assert!(gatherer.difference(changed(epoch(number), number)).is_continue());
        }
        let report = gatherer.finish();
        assert_eq!(report.runs.len(), DIFF_RUNS_MAX);
        let last = report.runs.last().unwrap();
        assert!(last.rest && !report.runs[0].rest);
        assert_eq!(last.counts.differences(), 11);
        assert_eq!(last.last.base_epoch, Some(places - 1));
        assert_eq!(report.counts.differences(), places);
    }
}
