//! What lies around the first difference, base and new side by side. A difference with its evidence comes in, lines go out.
//!
//! Invariant: a line fits 80 columns, what does not is cut.

use blkreplay_core::diff::{Around, Compared, Kept};

use super::Pair;
use super::words::{asked_of, sign, writers};

/// Columns of a side.
const SIDE: usize = 33;

/// What lies around `first`: who wrote there last, and the requests before and behind it.
pub(super) fn lines(first: &Kept, pair: &Pair) -> Vec<String> {
    let evidence = &first.evidence;
    let mut lines: Vec<String> = writers(first).into_iter().collect();
    let own = [&first.difference.base, &first.difference.new].map(|side| side.first());
    let sides = [(&evidence.base, own[0]), (&evidence.new, own[1])];
    if sides.iter().all(|(around, _)| around.as_ref().is_none_or(is_alone)) {
        return lines;
    }
    let sign = sign(first.difference.kind);
    let [base, new] = sides.map(|(around, own)| column(around.as_ref(), own, sign, pair));
    let above = base.above.len().max(new.above.len());
    let mut cells = Vec::new();
    for place in 0..above {
        // What is nearest stands in the last line.
        let from_end = above - place;
        cells.push((from_end_of(&base.above, from_end), from_end_of(&new.above, from_end)));
    }
    cells.push((Some(&base.own), Some(&new.own)));
    for place in 0..base.below.len().max(new.below.len()) {
        cells.push((base.below.get(place), new.below.get(place)));
    }
    let word = |cell: Option<&String>| cell.cloned().unwrap_or_default();
    lines.extend(rows(cells.into_iter().map(|(base, new)| (word(base), word(new)))));
    lines
}

/// Base and new side by side, under a heading.
pub(super) fn rows(cells: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let heading = row("around it in base", "in new");
    std::iter::once(heading).chain(cells.map(|(base, new)| row(&base, &new))).collect()
}

/// One side.
struct Column {
    above: Vec<String>,
    own: String,
    below: Vec<String>,
}

fn column(around: Option<&Around>, own: Option<&Compared>, sign: char, pair: &Pair) -> Column {
    let cells = |all: &[Compared]| all.iter().map(|one| cell(' ', one, pair)).collect();
    Column {
        above: around.map_or_else(Vec::new, |around| cells(&around.before)),
        own: own.map_or_else(|| "·".to_owned(), |one| cell(sign, one, pair)),
        below: around.map_or_else(Vec::new, |around| cells(&around.after)),
    }
}

fn is_alone(around: &Around) -> bool {
    around.before.is_empty() && around.after.is_empty()
}

fn from_end_of(all: &[String], place: usize) -> Option<&String> {
    all.len().checked_sub(place).map(|at| &all[at])
}

fn cell(sign: char, one: &Compared, pair: &Pair) -> String {
    format!("{sign} {} {}", one.id, asked_of(one, pair))
}

fn row(base: &str, new: &str) -> String {
    let cut = |text: &str| match text.char_indices().nth(SIDE) {
        None => text.to_owned(),
        Some(_) => text.chars().take(SIDE - 1).chain(['…']).collect(),
    };
    format!("{:<SIDE$}  {}", cut(base), cut(new)).trim_end().to_owned()
}
