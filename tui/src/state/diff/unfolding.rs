//! Stretches where both sides are the same, unfolded and folded again. Sections in; what is to be read out.
//!
//! Invariant: no more than [`ROWS`] rows are unfolded, and those of a section are its own, each once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use blkreplay_core::diff::{Compared, Difference, Part, Place};

use super::{Diff, Line};
use crate::compare::{Ask, Paired, STEP, Section, Stretch, Trouble};

/// Rows that are unfolded.
const ROWS: usize = 1 << 15;

/// Rows of a section.
#[derive(Debug, Default)]
pub struct Unfolded {
    /// Those that were read.
    pub rows: Vec<Paired>,
    /// More are being read.
    pub reads: bool,
    /// There are no more.
    pub is_all: bool,
    /// So many are its own; those behind belong to others.
    pub(super) most: u64,
    /// Tells this time that the section is unfolded from others.
    pub(super) number: u64,
}

impl Diff {
    /// Reads the next rows of a section; `false` if it has as many as are kept.
    pub fn unfold(&mut self, section: usize) -> bool {
        let Some(places) = self.found.sections.get(section).cloned() else { return true };
        let is_here = |other: &Section| (other.first, other.last) == (places.first, places.last);
        let others: u64 = (self.found.sections[..section].iter())
            .filter(|other| is_here(other))
            .map(|other| other.same)
            .sum();
        // Requests beside a flush may count in one epoch and be listed in the next: an epoch shows all that are in it.
        let is_last = !self.found.sections[section + 1..].iter().any(is_here);
        let is_bounded = !(places.first.has_epochs() && is_last);
        let parts = self.parts(&places);
        let unfolded = self.unfolded.entry(section).or_insert_with(|| {
            self.unfoldings += 1;
            Unfolded { number: self.unfoldings, ..Unfolded::default() }
        });
        unfolded.most = if is_bounded { places.same } else { u64::MAX };
        if unfolded.reads || unfolded.is_all {
            return true;
        }
        if unfolded.rows.len() + STEP > ROWS {
            return false;
        }
        unfolded.reads = true;
        let had = unfolded.rows.len() as u64;
        let left = usize::try_from(unfolded.most.saturating_sub(had)).unwrap_or(usize::MAX);
        let places_of = |side: fn(&Difference) -> &[Compared]| {
            let all = self.found.differences.iter().flat_map(side);
            let mut all: Vec<u64> = all.map(|one| one.place).collect();
            all.sort_unstable();
            Arc::new(all)
        };
        let differing = [places_of(|one| &one.base), places_of(|one| &one.new)];
        let (unfolding, skip, most) = (unfolded.number, others + had, left.min(STEP));
        let stretch = Stretch { section, unfolding, parts, skip, most, differing };
        self.asks.push(Ask::Rows(stretch));
        self.fold_others(section);
        true
    }

    /// Takes rows that were read, unless the section was folded since.
    pub(super) fn take_rows(
        &mut self,
        section: usize,
        unfolding: u64,
        read: Result<(Vec<Paired>, bool), Trouble>,
    ) {
        let unfolded = self.unfolded.get_mut(&section);
        let Some(unfolded) = unfolded.filter(|unfolded| unfolded.number == unfolding) else {
            return;
        };
        match read {
            Ok((rows, is_all)) => {
                unfolded.rows.extend(rows);
                unfolded.is_all = is_all || unfolded.rows.len() as u64 >= unfolded.most;
                unfolded.reads = false;
            }
            Err(trouble) => {
                self.unfolded.remove(&section);
                self.trouble = Some(trouble);
            }
        }
        self.line_up();
    }

    /// Folds the last section: it may turn out to be one with others.
    pub(super) fn fold_last(&mut self) {
        if let Some(last) = self.found.sections.len().checked_sub(1) {
            self.unfolded.remove(&last);
        }
    }

    /// Folds sections until there are no more rows than are kept.
    fn fold_others(&mut self, section: usize) {
        let count = |all: &BTreeMap<usize, Unfolded>| -> usize {
            all.values().map(|unfolded| unfolded.rows.len()).sum()
        };
        while count(&self.unfolded) + STEP > ROWS {
            let other = self.unfolded.keys().find(|other| **other != section).copied();
            match other {
                Some(other) => self.unfolded.remove(&other),
                None => break,
            };
        }
    }

    /// Folds a section; whether it was unfolded.
    pub fn fold(&mut self, section: usize) -> bool {
        let was = self.unfolded.remove(&section).is_some();
        if was {
            self.line_up();
            let is_its = |line: &Line| matches!(line, Line::Fold(of) if *of == section);
            self.at = self.lines.iter().position(is_its).unwrap_or(self.at);
        }
        was
    }

    /// The parts of base and of new in which a section lies.
    fn parts(&self, places: &Section) -> [Part; 2] {
        let device = places.first.device;
        [
            Part { device, epochs: self.epochs(places, |place| place.base_epoch) },
            Part { device, epochs: self.epochs(places, |place| place.new_epoch) },
        ]
    }

    /// Its epochs on one side. An alignment may take several together, and tells of the first: those up to the next section are its
    /// own.
    fn epochs(&self, places: &Section, of: fn(&Place) -> Option<u64>) -> Range<u64> {
        let (Some(first), Some(last)) = (of(&places.first), of(&places.last)) else {
            return Part::ALL.epochs;
        };
        let others = self
            .found
            .sections
            .iter()
            .filter(|other| other.same > 0 && other.first.device == places.first.device);
        let next = others.filter_map(|other| of(&other.first)).filter(|epoch| *epoch > last).min();
        let end = if self.goes_on() { last.saturating_add(1) } else { u64::MAX };
        first..next.unwrap_or(end)
    }
}
