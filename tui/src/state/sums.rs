//! What requests amount to, as the views of statistics and latencies show it: totals of core in, numbers and short lines out.
//!
//! Invariants: every number is core's own; a line whose requests a filter can name has the term that names them.

use blkreplay_core::format::Sketch;
use blkreplay_core::request::Operation;
use blkreplay_core::units::{Nanos, Size};
use blkreplay_core::view::stats::{Places, Spread, Stats, Tally, rate};
use blkreplay_core::words::sizes;

use crate::state::outline::Outline;
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
    /// Those that were completed.
    pub completed: u64,
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
    /// Where they lie is not known: summaries do not say it.
    pub is_said: bool,
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

impl Sums {
    /// What summaries say of all of the trace, and what they cannot say as it was counted so far, if it was.
    #[must_use]
    pub fn said(outline: &Outline, counted: Option<&Sums>) -> Sums {
        let counted = counted.filter(|sums| !sums.operations.is_empty());
        let operations = outline.operations().map(|said| Sum {
            operation: said.operation,
            requests: said.count.issues,
            bytes: said.count.bytes,
            completed: said.count.completions,
            errors: said.count.errors,
            ranged: if said.operation == Operation::Flush { 0 } else { said.count.issues },
            followed: 0,
            sequential: 0,
            aligned: 0,
            latency: spread(said.latency),
            is_said: true,
        });
        let operations: Vec<Sum> = operations.collect();
        let lines = if operations.is_empty() { Vec::new() } else { lines_said(outline, counted) };
        Sums { operations, lines }
    }
}

/// What a sketch says, each of its numbers in the middle of its bucket.
fn spread(sketch: &Sketch) -> Spread {
    let mut spread = Spread::default();
    for (bucket, count) in sketch.buckets() {
        let (low, high) = (bucket.start().0, bucket.end().0);
        spread.add_many(low + (high - low) / 2, count);
    }
    spread
}

/// The lines of what was counted, or of what is not known, but for those that summaries can say.
fn lines_said(outline: &Outline, counted: Option<&Sums>) -> Vec<Said> {
    let number = |number: u64, what: &str| match number {
        0 => "none".to_owned(),
        number => format!("{}{what}", count(number)),
    };
    let never = outline.sum(|count| count.issues.saturating_sub(count.completions));
    let errors = number(outline.sum(|count| count.errors), "");
    let mut lines = vec![
        Said { label: "errors", text: errors, term: Some("result != ok") },
        Said { label: "unfinished", text: number(never, " never completed"), term: Some("!done") },
    ];
    let known: Vec<&str> = lines.iter().map(|line| line.label).collect();
    match counted {
        Some(sums) => {
            let others = sums.lines.iter().filter(|line| !known.contains(&line.label));
            lines.extend(others.cloned());
        }
        None => lines.extend(
            ["sequential", "sizes", "4k-aligned", "in flight", "data"].map(|label| Said {
                label,
                text: "…".to_owned(),
                term: None,
            }),
        ),
    }
    lines
}

impl Sum {
    fn of(operation: Operation, tally: &Tally) -> Sum {
        let Places { ranged, followed, sequential, aligned_4096, .. } = tally.places;
        Sum {
            operation,
            requests: tally.requests,
            bytes: tally.bytes,
            completed: tally.completed,
            errors: tally.errors,
            ranged,
            followed,
            sequential,
            aligned: aligned_4096,
            latency: tally.latency.clone(),
            is_said: false,
        }
    }

    /// Whether their latencies are not known: summaries of chunks with few completions do not say them.
    pub fn hides_latency(&self) -> bool {
        self.is_said && self.completed > 0 && self.latency.count() == 0
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
    let lengths = stats.operations().filter_map(|(operation, tally)| {
        sizes(tally).map(|text| format!("{} {text}", letter(operation)))
    });
    let lengths = lengths.collect::<Vec<_>>().join("; ");
    for (label, text) in [("sequential", sequential), ("sizes", lengths), ("4k-aligned", aligned)] {
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
