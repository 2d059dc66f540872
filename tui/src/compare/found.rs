//! What an alignment found: stretches where both sides are the same, with the differences in them, in its order.
//!
//! ```text
//! same 0 │ same 1 │ 7: changed, same │ same 8 │ added 12       what an alignment says, place by place
//! └── section ────┘ └─── section ────┘ section  section
//! ```
//!
//! Invariants: everything is counted; no more than so many differences are kept, and what comes behind the last that is kept is
//! in `rest` alone.

use std::ops::Range;

use blkreplay_core::diff::{Counts, Difference, Place};

/// Sections that are kept.
const SECTIONS: usize = 1 << 15;

/// Places that follow one another and are all the same, or one with differences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The first place.
    pub first: Place,
    /// The last place.
    pub last: Place,
    /// Requests that are the same.
    pub same: u64,
    /// The numbers of the differences there.
    pub differences: Range<usize>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// In its order.
    pub sections: Vec<Section>,
    /// Those that are kept.
    pub differences: Vec<Difference>,
    /// All that was counted.
    pub counts: Counts,
    /// What of it is in no section.
    pub rest: Counts,
    /// Epochs of base and of new, of all devices together.
    pub epochs: [Option<u64>; 2],
    /// Not all pairs were looked for: so many requests that are looked at together were too few.
    pub gave_up: Option<usize>,
    /// Requests of base that were looked at.
    pub seen: u64,
    is_full: bool,
    /// Differences that are kept at most.
    most: usize,
    /// What was found before this, if this goes on behind it: sections, and differences.
    before: Option<(usize, usize)>,
}

impl Section {
    fn at(place: Place, differences: usize) -> Section {
        Section { first: place, last: place, same: 0, differences: differences..differences }
    }

    /// Whether what is at `place` belongs to it.
    fn goes_on(&self, place: Place, differs: bool) -> bool {
        // Where there are no epochs, what is the same ends what differs.
        let is_alike = self.differences.is_empty() != differs;
        self.last == place && (is_alike || place.has_epochs())
    }

    /// Whether what is the same at `place` lies behind what is the same here.
    fn leads_to(&self, place: Place) -> bool {
        let later = |one: Option<u64>, other: Option<u64>| one.is_some() && one < other;
        self.differences.is_empty()
            && self.last.device == place.device
            && later(self.last.base_epoch, place.base_epoch)
            && later(self.last.new_epoch, place.new_epoch)
    }
}

impl Found {
    /// Nothing yet; so many differences are kept.
    pub fn keeping(most: usize) -> Found {
        Found { most, ..Found::default() }
    }

    /// Nothing yet of what goes on behind this.
    #[must_use]
    pub fn behind(&self) -> Found {
        let (sections, differences) = self.before.unwrap_or_default();
        let before = (sections + self.sections.len(), differences + self.differences.len());
        Found { is_full: self.is_full, before: Some(before), ..Found::keeping(self.most) }
    }

    /// `count` requests of each side are the same there.
    pub fn same(&mut self, place: Place, count: u64, masked: u64) {
        let counts = Counts { same: count, masked, ..Counts::default() };
        self.counts += counts;
        self.seen += count;
        match self.sections.last_mut() {
            _ if count == 0 => {}
            Some(last) if !self.is_full && last.goes_on(place, false) => last.same += count,
            _ => match self.begin(place) {
                Some(section) => section.same = count,
                None => self.rest += counts,
            },
        }
    }

    /// There is a difference.
    pub fn difference(&mut self, difference: Difference) {
        let mut counts = Counts::default();
        counts.kinds[difference.kind as usize] = 1;
        self.counts += counts;
        self.seen += difference.base.len() as u64;
        let at = self.differences.len();
        self.is_full |= self.before.map_or(0, |before| before.1) + at >= self.most;
        let place = difference.place;
        let section = match self.sections.last_mut() {
            Some(last) if !self.is_full && last.goes_on(place, true) => Some(last),
            _ => self.begin(place),
        };
        match section {
            Some(section) => {
                section.differences.end = at + 1;
                self.differences.push(difference);
            }
            None => self.rest += counts,
        }
    }

    /// A section at `place`; `None` if there is no room.
    fn begin(&mut self, place: Place) -> Option<&mut Section> {
        self.close();
        let sections = self.before.map_or(0, |before| before.0) + self.sections.len();
        self.is_full |= sections >= SECTIONS;
        if self.is_full {
            return None;
        }
        self.sections.push(Section::at(place, self.differences.len()));
        self.sections.last_mut()
    }

    /// Nothing more is found.
    pub fn finish(&mut self) {
        self.close();
    }

    /// Takes the last section for complete: one that is the same as the one before is one with it.
    fn close(&mut self) {
        // The first may belong to one before it.
        let is_alone = self.sections.len() < if self.before.is_some() { 3 } else { 2 };
        if is_alone {
            return;
        }
        let Some(last) = self.sections.pop() else { return };
        match self.sections.last_mut() {
            Some(before) if last.differences.is_empty() && before.leads_to(last.first) => {
                before.last = last.last;
                before.same += last.same;
            }
            _ => self.sections.push(last),
        }
    }

    /// Takes what was found behind this.
    pub fn absorb(&mut self, more: Found) {
        let shift = self.differences.len();
        self.differences.extend(more.differences);
        self.counts += more.counts;
        self.rest += more.rest;
        self.gave_up = self.gave_up.or(more.gave_up);
        self.seen += more.seen;
        for (all, epochs) in self.epochs.iter_mut().zip(more.epochs) {
            *all = if all.is_some() || epochs.is_some() {
                Some(all.unwrap_or(0).saturating_add(epochs.unwrap_or(0)))
            } else {
                None
            };
        }
        for section in more.sections {
            let Range { start, end } = section.differences;
            let next = Section { differences: start + shift..end + shift, ..section };
            match self.sections.last_mut() {
                Some(last) if last.takes(&next) => {
                    last.same += next.same;
                    last.differences.end = next.differences.end;
                }
                _ => {
                    self.close();
                    self.sections.push(next);
                }
            }
        }
        self.is_full |= more.is_full;
    }

    /// So many epochs of a device base and new have.
    pub fn epochs(&mut self, base: u64, new: u64) {
        for (all, count) in self.epochs.iter_mut().zip([base, new]) {
            if count > 0 {
                *all = Some(all.unwrap_or(0).saturating_add(count));
            }
        }
    }
}

impl Section {
    /// Whether all of `next` belongs to it.
    fn takes(&self, next: &Section) -> bool {
        let differs = !next.differences.is_empty();
        let is_one =
            next.first == next.last && (!differs || next.same == 0 || next.first.has_epochs());
        is_one && self.first == self.last && self.goes_on(next.first, differs)
    }
}

#[cfg(test)]
mod tests {
    use blkreplay_core::diff::{Facts, Kind};
    use blkreplay_core::request::DeviceId;
    use blkreplay_fixtures::workload::Numbers;

    use super::*;

    /// What an alignment may say: a place, and how many are the same there, or a kind of difference.
    fn any_words(numbers: &mut Numbers) -> Vec<(Place, Result<u64, Kind>)> {
        let (mut epoch, mut words) = (0, Vec::new());
        for _ in 0..numbers.below(60) {
            epoch += numbers.below(3).min(1);
            let has_epochs = numbers.below(8) > 0;
            let place = Place {
                device: Some(DeviceId(0)),
                base_epoch: has_epochs.then_some(epoch),
                new_epoch: has_epochs.then_some(epoch + 1),
            };
            let (kind, _) = Kind::NAMES[usize::try_from(numbers.below(4)).unwrap()];
            let said = if numbers.below(3) == 0 { Err(kind) } else { Ok(numbers.below(9)) };
            words.push((place, said));
        }
        words
    }

    fn say(found: &mut Found, (place, said): (Place, Result<u64, Kind>)) {
        match said {
            Ok(count) => found.same(place, count, count / 2),
            Err(kind) => {
                let (base, new, facts) = (Vec::new(), Vec::new(), Facts::NONE);
                found.difference(Difference { kind, place, base, new, facts });
            }
        }
    }

    #[test]
    fn what_is_found_in_parts_is_what_is_found_at_once() {
        for seed in 0..2000 {
            let mut numbers = Numbers::new(seed);
            let most = usize::try_from(1 + numbers.below(20)).unwrap();
            let words = any_words(&mut numbers);
            let mut whole = Found::keeping(most);
            let (mut all, mut part) = (Found::keeping(most), Found::keeping(most));
            for one in words {
                say(&mut whole, one);
                if numbers.below(4) == 0 {
                    let behind = part.behind();
                    all.absorb(std::mem::replace(&mut part, behind));
                }
                say(&mut part, one);
            }
            all.absorb(part);
            all.finish();
            whole.finish();
            assert_eq!(all.sections, whole.sections, "{seed}");
            assert_eq!(all.differences, whole.differences, "{seed}");
            assert_eq!((all.counts, all.rest), (whole.counts, whole.rest), "{seed}");
        }
    }

    #[test]
    fn no_more_is_kept_than_was_asked_for_and_all_is_counted() {
        for seed in 0..200 {
            let mut numbers = Numbers::new(seed);
            let mut found = Found::keeping(3);
            let words = any_words(&mut numbers);
            for one in &words {
                say(&mut found, *one);
            }
            let differences = words.iter().filter(|(_, said)| said.is_err()).count();
            let same: u64 = words.iter().filter_map(|(_, said)| said.ok()).sum();
            assert_eq!((found.counts.differences(), found.counts.same), (differences as u64, same));
            assert_eq!(found.differences.len(), differences.min(3), "{seed}");
            let listed: u64 = found.sections.iter().map(|section| section.same).sum();
            assert_eq!(listed + found.rest.same, same);
            let left = found.rest.differences() + found.differences.len() as u64;
            assert_eq!(left, differences as u64, "{seed}");
        }
    }
}
