//! The lines of a comparison, from what was found and what of it is unfolded.
//!
//! Sections, rows and what a filter leaves of new in, lines out. Invariant: every difference that is kept has a line, unless all of
//! its requests of new are left out; so does every row.

use std::collections::BTreeMap;

use blkreplay_core::diff::Difference;
use roaring::RoaringTreemap;

use super::Unfolded;
use crate::compare::{Found, Section};

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// What follows is in the epochs of this section.
    Epoch(usize),
    /// A difference, by its number.
    Difference(usize),
    /// A row of a section that is unfolded.
    Row(usize, usize),
    /// What of a section is the same and not shown.
    Fold(usize),
    /// What is only counted.
    Rest,
}

/// All lines.
pub(super) fn of(
    found: &Found,
    unfolded: &BTreeMap<usize, Unfolded>,
    shown: Option<&RoaringTreemap>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, section) in found.sections.iter().enumerate() {
        let open = unfolded.get(&number).filter(|open| !open.rows.is_empty());
        let begins = lines.len();
        if let Some(open) = open {
            merge(&mut lines, found, (number, section), open, shown);
        } else {
            let all = section.differences.clone();
            let is_shown = |at: &usize| is_shown(&found.differences[*at], shown);
            lines.extend(all.filter(is_shown).map(Line::Difference));
        }
        if section.first.has_epochs() && lines.len() > begins {
            lines.insert(begins, Line::Epoch(number));
        }
        if section.same > 0 && open.is_none_or(|open| !open.is_all) {
            lines.push(Line::Fold(number));
        }
    }
    if found.rest.same > 0 || found.rest.differences() > 0 {
        lines.push(Line::Rest);
    }
    lines
}

fn is_shown(difference: &Difference, shown: Option<&RoaringTreemap>) -> bool {
    // What only base has no filter of new can leave out.
    let new = &difference.new;
    shown.is_none_or(|shown| new.is_empty() || new.iter().any(|one| shown.contains(one.place)))
}

/// Rows of a section with its differences among them, where they belong in base, or in new if base does not have them.
fn merge(
    lines: &mut Vec<Line>,
    found: &Found,
    (number, section): (usize, &Section),
    open: &Unfolded,
    shown: Option<&RoaringTreemap>,
) {
    let mut behind = 0;
    let latest: Vec<u64> = open
        .rows
        .iter()
        .map(|row| {
            behind = behind.max(row.new.map_or(0, |new| new.place));
            behind
        })
        .collect();
    let before = |difference: &Difference| match (difference.base.first(), difference.new.first()) {
        (Some(base), _) => open.rows.partition_point(|row| row.base.place <= base.place),
        (None, Some(new)) => latest.partition_point(|place| *place <= new.place),
        (None, None) => open.rows.len(),
    };
    let mut placed: Vec<(usize, usize)> = section
        .differences
        .clone()
        .filter(|at| is_shown(&found.differences[*at], shown))
        .map(|at| (before(&found.differences[at]), at))
        .collect();
    placed.sort_by_key(|(row, _)| *row);
    let mut placed = placed.into_iter().peekable();
    for (row, paired) in open.rows.iter().enumerate() {
        while let Some((_, at)) = placed.next_if(|(before, _)| *before <= row) {
            lines.push(Line::Difference(at));
        }
        let place = paired.new.map(|new| new.place);
        if shown.is_none_or(|shown| place.is_some_and(|place| shown.contains(place))) {
            lines.push(Line::Row(number, row));
        }
    }
    lines.extend(placed.map(|(_, at)| Line::Difference(at)));
}
