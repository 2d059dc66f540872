//! The statistics of a trace as JSON, one object. Totals come in, a line goes out.
//!
//! Times are integer nanoseconds, lengths bytes, and an absent field is left out. Invariant: what is here is a promise to
//! programs; a field is added, never changed.

use std::collections::BTreeMap;
use std::io::{self, Write};

use blkreplay_core::query::{Kind, Value};
use blkreplay_core::view::stats::{Group, Key, Spread, Stats, Tally};
use serde::Serialize;
use serde_json::json;

use super::{ByField, Counted};
use crate::output::{Devices, Outcome};

/// The schema of statistics.
pub(super) const STATS_SCHEMA: &str = "blkreplay.stats/1";

#[derive(Debug, Serialize)]
struct StatsJson<'a> {
    schema: &'static str,
    path: String,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a str>,
    requests: u64,
    completed: u64,
    undelivered: u64,
    refused: u64,
    errors: BTreeMap<String, u64>,
    data_bytes: u64,
    span: u64,
    busy: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight_mean: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight_mean_busy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<SpreadJson>,
    connections: u64,
    connections_at_least: bool,
    epochs: u64,
    operations: BTreeMap<&'static str, OperationJson>,
    flush: FlushJson,
    touched: TouchedJson,
    over_time: OverTimeJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<ByJson>,
}

#[derive(Debug, Serialize)]
struct SpreadJson {
    count: u64,
    min: u64,
    mean: u64,
    stddev: u64,
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

#[derive(Debug, Serialize)]
struct OperationJson {
    requests: u64,
    completed: u64,
    errors: u64,
    undelivered: u64,
    refused: u64,
    bytes: u64,
    bytes_done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<SpreadJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<SpreadJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<SpreadJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<SpreadJson>,
    sizes: Vec<SizeJson>,
    sizes_other: u64,
    size_powers: Vec<SizeJson>,
    ranged: u64,
    followed: u64,
    sequential: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance: Option<SpreadJson>,
    aligned_512: u64,
    aligned_4096: u64,
    aligned_block: u64,
}

#[derive(Debug, Serialize)]
struct SizeJson {
    len: u64,
    requests: u64,
}

#[derive(Debug, Serialize)]
struct FlushJson {
    flushes: u64,
    redundant: u64,
    fua: u64,
    fua_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_risk: Option<SpreadJson>,
    unflushed: u64,
    rewritten: u64,
    rewritten_at_least: bool,
}

#[derive(Debug, Serialize)]
struct TouchedJson {
    block: u64,
    read: u64,
    written: u64,
    either: u64,
}

#[derive(Debug, Serialize)]
struct OverTimeJson {
    width: u64,
    slices: Vec<SliceJson>,
}

#[derive(Debug, Serialize)]
struct SliceJson {
    t: u64,
    requests: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct ByJson {
    field: &'static str,
    groups: Vec<GroupJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rest_values: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rest: Option<GroupJson>,
}

#[derive(Debug, Serialize)]
struct GroupJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    requests: u64,
    bytes: u64,
    errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<SpreadJson>,
}

/// Writes the statistics of a trace.
pub(crate) fn write(counted: &Counted, out: &mut impl Write) -> io::Result<()> {
    let stats = &counted.stats;
    let pace = stats.pace();
    let touched = stats.touched();
    let (width, slices) = pace.slices();
    let slice = |(from, done): (blkreplay_core::units::Nanos, _)| {
        let blkreplay_core::view::stats::Done { requests, bytes } = done;
        SliceJson { t: from.0, requests, bytes }
    };
    let (connections, connections_at_least) = stats.connections();
    let errors = stats.errors().iter().map(|(errno, count)| (errno.to_string(), *count));
    let json = StatsJson {
        schema: STATS_SCHEMA,
        path: counted.name.display().to_string(),
        complete: counted.loss.is_none(),
        loss: counted.loss.as_ref().map(ToString::to_string),
        filter: counted.filter.as_deref(),
        requests: stats.sum(|tally| tally.requests),
        completed: stats.sum(|tally| tally.completed),
        undelivered: stats.sum(|tally| tally.undelivered),
        refused: stats.sum(|tally| tally.refused),
        errors: errors.collect(),
        data_bytes: pace.moved(),
        span: pace.span().0,
        busy: pace.busy().0,
        in_flight_mean: pace.in_flight(pace.span()),
        in_flight_mean_busy: pace.in_flight(pace.busy()),
        depth: spread(&stats.depth()),
        connections,
        connections_at_least,
        epochs: stats.discipline().epochs,
        operations: stats.operations().map(|(name, it)| (name.name(), operation(it))).collect(),
        flush: flush(stats),
        touched: TouchedJson {
            block: touched.block,
            read: touched.read,
            written: touched.written,
            either: touched.either,
        },
        over_time: OverTimeJson { width: width.0, slices: slices.into_iter().map(slice).collect() },
        by: counted.by.as_ref().map(|by| by_field(by, &counted.devices)),
    };
    serde_json::to_writer(&mut *out, &json)?;
    writeln!(out)
}

/// How numbers are spread; `None` without any.
fn spread(spread: &Spread) -> Option<SpreadJson> {
    let at = |fraction| spread.quantile(fraction);
    Some(SpreadJson {
        count: spread.count(),
        min: spread.min()?,
        mean: spread.mean()?,
        stddev: spread.deviation()?,
        p50: at(0.5)?,
        p90: at(0.9)?,
        p99: at(0.99)?,
        p999: at(0.999)?,
        max: spread.max()?,
    })
}

fn operation(tally: &Tally) -> OperationJson {
    let size = |(len, requests)| SizeJson { len, requests };
    let places = &tally.places;
    OperationJson {
        requests: tally.requests,
        completed: tally.completed,
        errors: tally.errors,
        undelivered: tally.undelivered,
        refused: tally.refused,
        bytes: tally.bytes,
        bytes_done: tally.bytes_done,
        latency: spread(&tally.latency),
        hold: spread(&tally.hold),
        total: spread(&tally.total),
        depth: spread(&tally.depth),
        sizes: tally.sizes.common().into_iter().map(size).collect(),
        sizes_other: tally.sizes.others(),
        size_powers: tally.sizes.powers().map(size).collect(),
        ranged: places.ranged,
        followed: places.followed,
        sequential: places.sequential,
        distance: spread(&places.distance),
        aligned_512: places.aligned_512,
        aligned_4096: places.aligned_4096,
        aligned_block: places.aligned_block,
    }
}

fn flush(stats: &Stats) -> FlushJson {
    let discipline = stats.discipline();
    FlushJson {
        flushes: discipline.flushes,
        redundant: discipline.redundant,
        fua: discipline.fua,
        fua_bytes: discipline.fua_bytes,
        at_risk: spread(&discipline.at_risk),
        unflushed: discipline.unflushed,
        rewritten: discipline.rewritten,
        rewritten_at_least: discipline.rewritten_at_least,
    }
}

fn by_field(by: &ByField, devices: &Devices) -> ByJson {
    let largest = &by.largest;
    let groups = largest.groups.iter().map(|(key, group)| match key {
        Key::Absent => group_json(group),
        Key::Is(value) => GroupJson {
            value: Some(value_json(*value, by.field.kind, devices)),
            ..group_json(group)
        },
        Key::Text(text) => GroupJson { value: Some(json!(text)), ..group_json(group) },
        Key::From(from, to) => GroupJson { from: Some(*from), to: Some(*to), ..group_json(group) },
    });
    ByJson {
        field: by.field.name,
        groups: groups.collect(),
        rest_values: largest.rest_values,
        rest: (largest.rest.requests > 0).then(|| group_json(&largest.rest)),
    }
}

fn group_json(group: &Group) -> GroupJson {
    let Group { requests, bytes, errors, ref latency } = *group;
    GroupJson {
        value: None,
        from: None,
        to: None,
        requests,
        bytes,
        errors,
        latency: spread(latency),
    }
}

fn value_json(value: Value, kind: Kind, devices: &Devices) -> serde_json::Value {
    match value {
        Value::Number(number) => match (u64::try_from(number), i64::try_from(number)) {
            (Ok(number), _) => json!(number),
            (_, Ok(number)) => json!(number),
            // Larger than any field gets.
            _ => json!(format!("{number} {}", kind.name())),
        },
        Value::Flag(flag) => json!(flag),
        Value::Operation(operation) => json!(operation.name()),
        Value::Result(result) => json!(Outcome(result).to_string()),
        Value::Device(device) => json!(devices.name(device)),
        Value::Event(name) => json!(name),
    }
}
