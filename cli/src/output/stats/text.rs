//! The statistics of one trace, for people. Totals come in, a table and a line for each thing worth knowing go out.
//!
//! Invariant: a line that would say nothing is left out.

use std::io::{self, Write};

use anstyle::Style;
use blkreplay_core::units::{Nanos, Size};
use blkreplay_core::view::stats::Stats;
use blkreplay_core::words::sizes;

use super::bars::sparkline;
use super::by;
use super::{Counted, Look, mib_a_second, percent, size, span};
use crate::output::printable;
use crate::words::{Count, counted};

const NANOS_A_SECOND: u64 = 1_000_000_000;

/// Writes the statistics.
pub(crate) fn write(counted: &Counted, look: Look, out: &mut impl Write) -> io::Result<()> {
    let stats = &counted.stats;
    writeln!(out, "{}", title(counted))?;
    write_operations(stats, look, out)?;
    if look.bars {
        write_sparklines(stats, out)?;
    }
    for (label, text) in describe(stats) {
        writeln!(out, "  {label:<11} {text}")?;
    }
    match &counted.by {
        Some(by) => by::write(by, &counted.devices, look, out),
        None => Ok(()),
    }
}

/// What was counted, in a line.
pub(super) fn title(counted: &Counted) -> String {
    let stats = &counted.stats;
    let name = counted.name.display().to_string();
    let mut words = vec![printable(&name).into_owned()];
    words.extend(counted.loss.as_ref().map(|_| "NOT WHOLE".to_owned()));
    words.push(crate::words::counted(stats.sum(|tally| tally.requests), "request"));
    words.push(format!("{} of data", Size(stats.pace().moved())));
    words.push(stats.pace().span().to_string());
    words.extend(counted.filter.as_ref().map(|filter| format!("where {}", printable(filter))));
    words.join("  ")
}

fn write_operations(stats: &Stats, look: Look, out: &mut impl Write) -> io::Result<()> {
    if stats.operations().next().is_none() {
        return Ok(());
    }
    let heading = if look.colored { Style::new().bold() } else { Style::new() };
    writeln!(
        out,
        "{heading}{:<12} {:>9} {:>9} {:>6} {:>6} {:>6} {:>6} {:>7} {:>4} {:>3}{heading:#}",
        "op", "count", "bytes", "p50", "p90", "p99", "max", "MiB/s", "seq%", "4k%"
    )?;
    for (operation, tally) in stats.operations() {
        let latency = &tally.latency;
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|fraction| span(latency.quantile(fraction)));
        let places = &tally.places;
        writeln!(
            out,
            "{operation:<12} {:>9} {:>9} {p50:>6} {p90:>6} {p99:>6} {:>6} {:>7} {:>4} {:>3}",
            Count(tally.requests),
            size(tally.bytes),
            span(latency.max()),
            mib_a_second(tally.bytes_done, stats.pace().span()),
            percent(places.sequential, places.followed),
            percent(places.aligned_4096, places.ranged),
        )?;
    }
    Ok(())
}

fn write_sparklines(stats: &Stats, out: &mut impl Write) -> io::Result<()> {
    for (operation, tally) in stats.operations() {
        let powers = tally.latency.powers();
        let (Some((first, _)), Some((last, _))) = (powers.first(), powers.last()) else { continue };
        let line = sparkline(&powers.iter().map(|(_, count)| *count).collect::<Vec<_>>());
        let (first, last) = (Nanos(*first), Nanos(last.saturating_mul(2)));
        writeln!(out, "  {:<11} {:<12} {first} {line} {last}", "latency", operation.name())?;
    }
    let (width, slices) = stats.pace().slices();
    if slices.len() > 1 {
        let data = slices.iter().any(|(_, done)| done.bytes > 0);
        let most = slices.last().map_or(0, |(from, _)| from.0 / width.0);
        let first = slices.first().map_or(0, |(from, _)| from.0 / width.0);
        // What came late after a long pause would fill the line with nothing.
        let mut counts = vec![0; usize::try_from(most - first + 1).unwrap_or(0).min(64)];
        for (from, done) in &slices {
            let place = usize::try_from(from.0 / width.0 - first).unwrap_or(usize::MAX);
            if let Some(count) = counts.get_mut(place) {
                *count += if data { done.bytes } else { done.requests };
            }
        }
        let what = if data { "bytes" } else { "requests" };
        writeln!(out, "  {:<11} {what:<12} {} {width} each", "over time", sparkline(&counts))?;
    }
    Ok(())
}

/// What there is to say besides the table, each with its label.
fn describe(stats: &Stats) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if stats.operations().next().is_none() {
        return lines;
    }
    lines.extend(errors(stats).map(|text| ("errors", text)));
    lines.extend(unfinished(stats).map(|text| ("unfinished", text)));
    lines.extend(rates(stats).into_iter().map(|text| ("rate", text)));
    lines.extend(depth(stats).map(|text| ("depth", text)));
    for (operation, tally) in stats.operations() {
        lines.extend(sizes(tally).map(|text| ("sizes", format!("{operation:<12} {text}"))));
    }
    for (operation, tally) in stats.operations() {
        let [p50, p99] = [0.5, 0.99].map(|fraction| span(tally.hold.quantile(fraction)));
        let max = span(tally.hold.max());
        let text = format!("{operation:<12} p50 {p50}  p99 {p99}  max {max}");
        lines.extend((tally.completed > 0).then_some(("hold", text)));
    }
    lines.extend(discipline(stats));
    let touched = stats.touched();
    if touched.either > 0 {
        let [read, written, either, block] =
            [touched.read, touched.written, touched.either, touched.block].map(Size);
        lines.push((
            "touched",
            format!("{read} read, {written} written, {either} in all, in blocks of {block}"),
        ));
    }
    let (connections, at_least) = stats.connections();
    let epochs = counted(stats.discipline().epochs, "epoch");
    let connections = counted(connections, "connection");
    let at_least = if at_least { "at least " } else { "" };
    lines.push(("from", format!("{at_least}{connections}, {epochs}")));
    lines
}

fn errors(stats: &Stats) -> Option<String> {
    let errors = stats.errors();
    let each: Vec<_> =
        errors.iter().map(|(errno, count)| format!("{errno} {}", Count(*count))).collect();
    (!each.is_empty())
        .then(|| format!("{}: {}", Count(stats.sum(|tally| tally.errors)), each.join(", ")))
}

fn unfinished(stats: &Stats) -> Option<String> {
    let never = stats.sum(|tally| tally.requests - tally.completed);
    let parts = [
        (never, "never completed"),
        (stats.sum(|tally| tally.undelivered), "whose client had gone"),
        (stats.sum(|tally| tally.refused), "refused"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", Count(*count)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn rates(stats: &Stats) -> Vec<String> {
    let pace = stats.pace();
    let completed = u128::from(stats.sum(|tally| tally.completed));
    let share = percent(pace.busy().0, pace.span().0);
    let line = |time: Nanos, when: String| {
        let requests = (completed * u128::from(NANOS_A_SECOND)).checked_div(time.0.into())?;
        let requests = Count(u64::try_from(requests).unwrap_or(u64::MAX));
        let bytes = mib_a_second(pace.moved(), time);
        Some(format!("{requests} requests/s, {bytes} MiB/s {when}"))
    };
    let all = line(pace.span(), format!("in {}", pace.span()));
    let busy = line(pace.busy(), format!("while busy, {} ({share}%)", pace.busy()));
    all.into_iter().chain(busy).collect()
}

fn depth(stats: &Stats) -> Option<String> {
    let pace = stats.pace();
    let (mean, busy) = (pace.in_flight(pace.span())?, pace.in_flight(pace.busy())?);
    let depth = stats.depth();
    let at = |fraction| depth.quantile(fraction).unwrap_or(0);
    let max = depth.max().unwrap_or(0);
    Some(format!(
        "{mean:.2} in flight on average, {busy:.2} while busy; when issued p50 {}  p99 {}  max {max}",
        at(0.5),
        at(0.99),
    ))
}

fn discipline(stats: &Stats) -> Vec<(&'static str, String)> {
    let discipline = stats.discipline();
    let mut lines = Vec::new();
    if discipline.flushes + discipline.fua > 0 {
        let mut text =
            format!("{}, {} redundant", Count(discipline.flushes), Count(discipline.redundant));
        if discipline.fua > 0 {
            let fua = counted(discipline.fua, "write");
            text.extend([format!("; {fua} with FUA, {}", Size(discipline.fua_bytes))]);
        }
        lines.push(("flushes", text));
    }
    let at_risk = &discipline.at_risk;
    if let (Some(mean), Some(max)) = (at_risk.mean(), at_risk.max()) {
        let least = if discipline.rewritten_at_least { "at least " } else { "" };
        lines.push((
            "at risk",
            format!(
                "{} between flushes on average, {} at most; {} never flushed; {least}{} rewritten before the flush",
                Size(mean),
                Size(max),
                Size(discipline.unflushed),
                Size(discipline.rewritten),
            ),
        ));
    }
    lines
}
