//! The table by a field, for people. Groups come in, lines go out.
//!
//! Invariant: the lines add up to all that was counted.

use std::io::{self, Write};

use anstyle::Style;
use blkreplay_core::query::{Field, Kind, Value};
use blkreplay_core::units::{Nanos, Size};
use blkreplay_core::view::stats::{Group, Key};
use blkreplay_core::words::exact_size;

use super::bars::bar;
use super::{ByField, Look, percent, size, span};
use crate::output::{Devices, Outcome, printable};
use crate::words::Count;

/// Characters of the longest bar.
const BAR_WIDTH: usize = 20;

/// Writes the table.
pub(super) fn write(
    by: &ByField,
    devices: &Devices,
    look: Look,
    out: &mut impl Write,
) -> io::Result<()> {
    let largest = &by.largest;
    let rest_label = match largest.rest_values {
        Some(1) => "1 other".to_owned(),
        Some(values) => format!("{} others", Count(values)),
        None => "others".to_owned(),
    };
    let mut lines: Vec<(String, &Group)> =
        largest.groups.iter().map(|(key, group)| (label(by.field, key, devices), group)).collect();
    if largest.rest.requests > 0 {
        lines.push((rest_label, &largest.rest));
    }
    let all: u64 = lines.iter().map(|(_, group)| group.requests).sum();
    let most = lines.iter().map(|(_, group)| group.requests).max().unwrap_or(0);
    let width = lines.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let width = width.max(by.field.name.len());
    let heading = if look.colored { Style::new().bold() } else { Style::new() };
    let name = by.field.name;
    writeln!(
        out,
        "\n{heading}{name:<width$} {:>11} {:>5} {:>9} {:>7} {:>7} {:>7} {:>7} {:>7}{heading:#}",
        "count", "%", "bytes", "errors", "p50", "p90", "p99", "max"
    )?;
    for (label, group) in lines {
        let latency = &group.latency;
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|fraction| span(latency.quantile(fraction)));
        let bar = if look.bars { bar(group.requests, most, BAR_WIDTH) } else { String::new() };
        let line = format!(
            "{label:<width$} {:>11} {:>5} {:>9} {:>7} {p50:>7} {p90:>7} {p99:>7} {:>7} {bar}",
            Count(group.requests),
            percent(group.requests, all),
            size(group.bytes),
            Count(group.errors),
            span(latency.max()),
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// What the requests of a group share, in words.
fn label(field: &Field, key: &Key, devices: &Devices) -> String {
    match *key {
        Key::Absent => "-".to_owned(),
        Key::Text(ref text) => printable(text).into_owned(),
        Key::Is(value) => value_label(field, value, devices),
        Key::From(from, to) if field.kind == Kind::Span => {
            format!("{}..{}", Nanos(from), Nanos(to))
        }
        Key::From(from, to) if ["off", "end"].contains(&field.name) => {
            format!("{}..{}", Size(from), Size(to))
        }
        Key::From(from, to) if to - from <= 1 => from.to_string(),
        Key::From(from, to) => format!("{from}..{to}"),
    }
}

fn value_label(field: &Field, value: Value, devices: &Devices) -> String {
    match value {
        Value::Number(number) if field.name == "len" => {
            u64::try_from(number).map_or_else(|_| number.to_string(), exact_size)
        }
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => if flag { "yes" } else { "no" }.to_owned(),
        Value::Operation(operation) => operation.to_string(),
        Value::Result(result) => Outcome(result).to_string(),
        Value::Device(device) => devices.printed(device),
        Value::Event(name) => name.to_owned(),
    }
}
