//! What requests amount to, as the views of statistics and latencies show it: totals of core in, numbers and short lines out.
//!
//! Invariants: every number is core's own; a line whose requests a filter can name has the term that names them.

use blkreplay_core::request::Operation;
use blkreplay_core::units::{Nanos, Size};
use blkreplay_core::view::stats::{Places, Spread, Stats, Tally, rate};

use crate::words::{count, letter, percent};

/// What requests amount to.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// Operations of which there are requests.
    pub operations: Vec<Sum>,
    /// What there is to say besides; nothing of nothing.
    pub lines: Vec<Said>,
}

/// What the requests of an operation amount to.
#[derive(Debug, Clone)]
pub struct Sum {
    /// The operation.
    pub operation: Operation,
    /// How many there are.
    pub requests: u64,
    /// What they asked for, in bytes.
    pub bytes: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that have a range.
    pub ranged: u64,
    /// Those of which another of their device and direction came before.
    pub followed: u64,
    /// Those of them that begin where that one ended.
    pub sequential: u64,
    /// Those that begin and end at multiples of 4096 bytes.
    pub aligned: u64,
    /// From the arrival of each until the image was done, in nanoseconds.
    pub latency: Spread,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What it is about.
    pub label: &'static str,
    /// What there is to say.
    pub text: String,
    /// A term that holds for the requests that it tells of, if a filter can say it.
    pub term: Option<&'static str>,
}

impl Sums {
    /// Those of all that was counted so far.
    pub fn of(stats: &Stats) -> Sums {
        let operations: Vec<_> =
            stats.operations().map(|(operation, tally)| Sum::of(operation, tally)).collect();
        let lines = if operations.is_empty() { Vec::new() } else { lines(stats) };
        Sums { operations, lines }
    }
}

impl Sum {
    fn of(operation: Operation, tally: &Tally) -> Sum {
        let Places { ranged, followed, sequential, aligned_4096, .. } = tally.places;
        Sum {
            operation,
            requests: tally.requests,
            bytes: tally.bytes,
            errors: tally.errors,
            ranged,
            followed,
            sequential,
            aligned: aligned_4096,
            latency: tally.latency.clone(),
        }
    }

    /// Their length on average, in bytes; `None` if they have none.
    pub fn mean_bytes(&self) -> Option<u64> {
        self.bytes.checked_div(self.ranged)
    }
}

fn lines(stats: &Stats) -> Vec<Said> {
    let mut lines = Vec::new();
    let mut say = |label, term, text| lines.push(Said { label, text, term });
    let errors = stats.sum(|tally| tally.errors);
    let each = stats.errors().iter().map(|(errno, number)| format!("{errno} {}", count(*number)));
    let each = each.collect::<Vec<_>>().join(", ");
    match errors {
        0 => say("errors", None, "none".to_owned()),
        _ => say("errors", Some("result != ok"), format!("{}: {each}", count(errors))),
    }
    match stats.sum(|tally| tally.requests - tally.completed) {
        0 => say("unfinished", None, "none".to_owned()),
        never => say("unfinished", Some("!done"), format!("{} never completed", count(never))),
    }
    let others = [
        ("undelivered", stats.sum(|tally| tally.undelivered), "the client had gone"),
        ("refused", stats.sum(|tally| tally.refused), "by the front"),
    ];
    for (label, number, why) in others.into_iter().filter(|(_, number, _)| *number > 0) {
        say(label, Some(label), format!("{}, {why}", count(number)));
    }
    let share = |part: fn(&Places) -> u64, whole: fn(&Places) -> u64| {
        let each = stats.operations().filter_map(|(operation, tally)| {
            let (part, whole) = (part(&tally.places), whole(&tally.places));
            (whole > 0).then(|| format!("{} {}%", letter(operation), percent(part, whole)))
        });
        each.collect::<Vec<_>>().join(", ")
    };
    let sequential = share(|places| places.sequential, |places| places.followed);
    let aligned = share(|places| places.aligned_4096, |places| places.ranged);
    for (label, text) in [("sequential", sequential), ("4k-aligned", aligned)] {
        if !text.is_empty() {
            say(label, None, text);
        }
    }
    let pace = stats.pace();
    if let (Some(mean), Some(max)) = (pace.in_flight(pace.span()), stats.depth().max()) {
        say("in flight", None, format!("avg {mean:.2}, max {max}"));
    }
    say("data", None, format!("{} in {}", Size(pace.moved()), pace.span()));
    if let Some(rate) = mib_a_second(pace.moved(), pace.span()) {
        say("rate", None, rate);
    }
    let touched = stats.touched();
    if touched.either > 0 {
        let (read, written) = (Size(touched.read), Size(touched.written));
        say("touched", None, format!("{read} read, {written} written"));
    }
    lines.extend(discipline(stats));
    lines
}

fn mib_a_second(bytes: u64, time: Nanos) -> Option<String> {
    let rate = rate(bytes, time)?;
    Some(format!("{:.1} MiB/s", rate / f64::from(1 << 20)))
}

/// How data were made durable.
fn discipline(stats: &Stats) -> Vec<Said> {
    let discipline = stats.discipline();
    let mut lines = Vec::new();
    let mut say = |label, term, text| lines.push(Said { label, text, term });
    if discipline.flushes > 0 {
        let (flushes, redundant) = (count(discipline.flushes), count(discipline.redundant));
        say("flushes", Some("op == flush"), format!("{flushes}, {redundant} redundant"));
    }
    if discipline.fua > 0 {
        let (fua, bytes) = (count(discipline.fua), Size(discipline.fua_bytes));
        say("with FUA", None, format!("{fua}, {bytes}"));
    }
    let at_risk = &discipline.at_risk;
    if let (Some(mean), Some(max)) = (at_risk.mean(), at_risk.max()) {
        let (mean, max, unflushed) = (Size(mean), Size(max), Size(discipline.unflushed));
        say("per flush", None, format!("avg {mean}, max {max}"));
        say("unflushed", None, unflushed.to_string());
        let least = if discipline.rewritten_at_least { "at least " } else { "" };
        let rewritten = Size(discipline.rewritten);
        say("rewritten", None, format!("{least}{rewritten} before the flush"));
    }
    lines
}
