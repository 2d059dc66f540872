//! Where a run of places is, and what is there, in words. A run comes in, words go out.

use blkreplay_core::diff::{Counts, Kind, Place, Run};

use super::Pair;
use crate::output::printable;
use crate::words::{Count, counted};

/// `epochs 0–5`, `epoch 7`, `epoch 7 | 8` where the numbers are not the same on both sides; nothing where there are no
/// epochs. The device goes before, if there are several.
pub(super) fn place(run: &Run, pair: &Pair) -> String {
    let device = run.first.device.and_then(|device| pair.device(device.0));
    let device = device.map(|device| format!("{} ", printable(device)));
    let device = device.unwrap_or_default();
    if run.rest {
        return format!("{device}and all that follows");
    }
    let sides =
        [(run.first.base_epoch, run.last.base_epoch), (run.first.new_epoch, run.last.new_epoch)];
    let words = match sides.map(|(first, last)| span(first, last)) {
        [None, None] => return device.trim_end().to_owned(),
        [Some(one), None] | [None, Some(one)] => one,
        [Some(base), Some(new)] if base == new => base,
        [Some(base), Some(new)] => format!("{base} | {new}"),
    };
    let plural = if run.first == run.last { "" } else { "s" };
    format!("{device}epoch{plural} {words}")
}

fn span(first: Option<u64>, last: Option<u64>) -> Option<String> {
    match (first?, last?) {
        (first, last) if first == last => Some(Count(first).to_string()),
        (first, last) => Some(format!("{}–{}", Count(first), Count(last))),
    }
}

/// The sign of counts: that of the differences if they are of one kind.
pub(super) fn sign(counts: &Counts) -> char {
    let mut kinds = kinds(counts).map(|(kind, _)| kind);
    match (kinds.next(), kinds.next()) {
        (None, _) => ' ',
        (Some(kind), None) => super::words::sign(kind),
        (Some(_), Some(_)) => super::words::sign(Kind::Changed),
    }
}

/// `2,011 same`, `1 changed, 8 added, 40 same`.
pub(super) fn counts(counts: &Counts) -> String {
    let kinds = kinds(counts).map(|(kind, count)| format!("{} {}", Count(count), kind.name()));
    let mut words: Vec<String> = kinds.collect();
    if counts.same > 0 || words.is_empty() {
        words.push(format!("{} same", Count(counts.same)));
    }
    words.join(", ")
}

/// The kinds of which there are differences, and how many.
pub(super) fn kinds(counts: &Counts) -> impl Iterator<Item = (Kind, u64)> {
    let all = Kind::NAMES.into_iter().map(|(kind, _)| (kind, counts.of(kind)));
    all.filter(|(_, count)| *count > 0)
}

/// `1 changed, 8 added, 0 removed, 0 moved`, and budgets.
pub(super) fn totals(counts: &Counts, over: usize) -> String {
    let kinds = Kind::NAMES.map(|(kind, name)| format!("{} {name}", Count(counts.of(kind))));
    let mut words = kinds.join(", ");
    if over > 0 {
        words.extend(["; ", &counted(over as u64, "budget"), " over"]);
    }
    words
}

/// The epoch that shows a run alone, with `--epoch`.
pub(super) fn epoch(place: Place) -> Option<u64> {
    place.base_epoch.or(place.new_epoch)
}
