//! What was found, section by section, as formats for people write it. A pair that was compared comes in, words go out.
//!
//! A section is a run of places of traces, or all of two logs. Invariant: what a section does not list it counts.

use blkreplay_core::diff::{Counts, EventReport, Fact, Kind, Run};

use super::words::Words;
use super::{Found, LogsTold, Pair, log_words, places};

/// A part of what was found.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Where it is; empty if there is no word for it.
    pub(super) place: String,
    /// The epoch that shows it alone, with `--epoch`.
    pub(super) epoch: Option<u64>,
    /// What is there.
    pub(super) counts: Counts,
    /// The differences that are told.
    pub(super) items: Vec<Item>,
}

/// A difference that is told.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// How it differs.
    pub(super) kind: Kind,
    /// What differs.
    pub(super) fields: Vec<&'static str>,
    /// The same in words.
    pub(super) words: Words,
    /// Its line in base, if that is a text.
    pub(super) line: Option<u64>,
}

impl Section {
    /// Whether nothing differs there.
    pub(super) fn is_same(&self) -> bool {
        self.counts.differences() == 0
    }

    /// How many differences are not listed.
    pub(super) fn left(&self) -> u64 {
        self.counts.differences() - self.items.len() as u64
    }

    /// All lines of all that is listed.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.items.iter().flat_map(|item| item.words.lines())
    }
}

/// The sections of a pair, in their order.
pub(super) fn of(pair: &Pair) -> Vec<Section> {
    match &pair.found {
        Found::Report(report) => report.runs.iter().map(|run| of_run(run, pair)).collect(),
        Found::Logs(logs) => vec![of_logs(logs)],
        Found::Only(_) | Found::Trouble(_) => Vec::new(),
    }
}

fn of_run(run: &Run, pair: &Pair) -> Section {
    let items = run.kept.iter().map(|kept| Item {
        kind: kept.difference.kind,
        fields: kept.difference.facts.iter().map(Fact::name).collect(),
        words: Words::of(kept, pair),
        // Of a text, ids are lines.
        line: kept.difference.base.first().filter(|_| pair.base.is_text).map(|one| one.id.0),
    });
    Section {
        place: places::place(run, pair),
        epoch: places::epoch(run.first),
        counts: run.counts,
        items: items.collect(),
    }
}

fn of_logs(logs: &LogsTold) -> Section {
    let items = logs.report.differences.iter().enumerate().map(|(number, one)| Item {
        kind: one.kind,
        fields: Vec::new(),
        words: log_words::of(one, number == 0, logs),
        line: None,
    });
    Section {
        place: String::new(),
        epoch: None,
        counts: counts_of(&logs.report),
        items: items.collect(),
    }
}

/// The same counts as of requests.
pub(super) fn counts_of(report: &EventReport) -> Counts {
    let EventReport { same, changed, added, removed, .. } = *report;
    let mut counts = Counts { same, ..Counts::default() };
    for (kind, count) in [(Kind::Changed, changed), (Kind::Added, added), (Kind::Removed, removed)]
    {
        counts.kinds[kind as usize] = count;
    }
    counts
}
