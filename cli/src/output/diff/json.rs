//! A pair that was compared, as programs see it: one object, `blkreplay.diff/1`. A pair comes in, a line of JSON goes out.
//!
//! Invariants: it is written on trouble too; a field that is not there is left out, but for those that the schema in the book
//! requires; within `/1` fields are only added.

use std::io::{self, Write};

use blkreplay_core::diff::{
    Around, Budgeted, Compared, Difference, Fact, Kept, Kind, Place, Run, Writer,
};
use blkreplay_core::event::Payload;
use serde_json::{Map, Value, json};

use super::{Found, Pair, SideTold, log_json, places, rule, words};
use crate::words::hex;

/// The schema of a pair.
const SCHEMA: &str = "blkreplay.diff/1";

/// Whether the differences stand in their groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Items {
    Listed,
    /// They are told elsewhere.
    Left,
}

/// Writes one object, on a line.
pub(crate) fn write(pair: &Pair, out: &mut impl Write) -> io::Result<()> {
    line(&object(pair, Items::Listed), out)
}

/// Writes a value on a line.
pub(super) fn line(value: &Value, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// The object of a pair.
pub(super) fn object(pair: &Pair, items: Items) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("schema", SCHEMA.into());
    put("tool", json!({"name": "blkreplay", "version": env!("CARGO_PKG_VERSION")}));
    put("verdict", pair.verdict().name().into());
    put("exit_code", pair.exit_code().into());
    put("rule", rule_json(pair));
    put("base", side(&pair.base));
    put("new", side(&pair.new));
    put("summary", summary(pair));
    let (first, groups) = match &pair.found {
        Found::Report(report) => {
            let first = report.first.as_ref().map(|first| first_item(first, pair));
            let groups = report.runs.iter().flat_map(|run| groups(run, pair, items));
            (first.unwrap_or(Value::Null), groups.collect())
        }
        Found::Logs(logs) => (log_json::first(logs), log_json::groups(logs, items)),
        Found::Only(_) | Found::Trouble(_) => (Value::Null, Value::Array(Vec::new())),
    };
    put("first_difference", first);
    put("groups", groups);
    put("budgets", pair.budgets.iter().map(budget).collect());
    let warnings = pair.warnings.iter().map(|warning| {
        let mut object = json!({"code": warning.code, "message": warning.message});
        if let Some(at) = &warning.at {
            object["at"] = at.as_str().into();
        }
        object
    });
    put("warnings", warnings.collect());
    put("error", error(pair));
    Value::Object(object)
}

fn error(pair: &Pair) -> Value {
    let Found::Trouble(trouble) = &pair.found else { return Value::Null };
    let mut error = json!({"code": trouble.code, "message": trouble.message});
    if !trouble.hints.is_empty() {
        error["hint"] = trouble.hints.join("\n").into();
    }
    error
}

fn rule_json(pair: &Pair) -> Value {
    let told = &pair.rule;
    let mut object = json!({
        "align": told.rule.align.name(),
        "compare": rule::compared(told),
        "ignore": rule::ignored(told),
        "rules": told.rules,
    });
    if let Some(config) = &told.config {
        object["config"] = config.as_str().into();
    }
    object
}

fn side(side: &SideTold) -> Value {
    let mut object = Map::new();
    object.insert("path".to_owned(), side.path.as_str().into());
    let numbers = [("requests", side.requests), ("events", side.events), ("epochs", side.epochs)];
    for (name, number) in numbers {
        number.map(|number| object.insert(name.to_owned(), number.into()));
    }
    side.complete.map(|complete| object.insert("complete".to_owned(), complete.into()));
    Value::Object(object)
}

fn summary(pair: &Pair) -> Value {
    let counts = pair.counts();
    let mut object = Map::new();
    object.insert("same".to_owned(), counts.same.into());
    for (kind, name) in Kind::NAMES {
        object.insert(name.to_owned(), counts.of(kind).into());
    }
    object.insert("masked".to_owned(), counts.masked.into());
    object.insert("ignored".to_owned(), pair.left_out.iter().sum::<u64>().into());
    object.insert("over_budget".to_owned(), pair.over().into());
    Value::Object(object)
}

/// One group for each kind of difference in a run.
fn groups(run: &Run, pair: &Pair, items: Items) -> Vec<Value> {
    let mut place = place_json(&run.first, pair);
    if run.rest {
        place["rest"] = true.into();
    }
    let kept = |kind| run.kept.iter().filter(move |one| one.difference.kind == kind);
    let group =
        |(kind, count)| group(&place, (kind, count), items, kept(kind).map(|one| item(one, pair)));
    places::kinds(&run.counts).map(group).collect()
}

/// So many differences of a kind in one place, of which these are told.
pub(super) fn group(
    place: &Value,
    (kind, count): (Kind, u64),
    items: Items,
    told: impl Iterator<Item = Value>,
) -> Value {
    let listed: Vec<Value> = told.take_while(|_| items == Items::Listed).collect();
    let truncated = count - listed.len() as u64;
    json!({
        "where": place, "kind": kind.name(), "count": count, "items": listed,
        "truncated": truncated,
    })
}

fn place_json(place: &Place, pair: &Pair) -> Value {
    let mut object = json!({"epoch_base": place.base_epoch, "epoch_new": place.new_epoch});
    if let Some(device) = place.device.and_then(|device| pair.devices.get(usize::from(device.0))) {
        object["dev"] = device.as_str().into();
    }
    object
}

/// The object of a difference.
pub(super) fn item(kept: &Kept, pair: &Pair) -> Value {
    let Difference { kind, base, new, facts, .. } = &kept.difference;
    let one = |side: &[Compared]| side.first().map_or(Value::Null, |one| request(one, pair));
    let mut object = json!({"kind": kind.name(), "base": one(base), "new": one(new)});
    for (name, side) in [("base_all", base), ("new_all", new)] {
        if side.len() > 1 {
            object[name] = side.iter().map(|one| request(one, pair)).collect();
        }
    }
    object["fields"] = facts.iter().map(Fact::name).collect();
    if let Some(bytes) = &kept.evidence.bytes {
        object["bytes"] = bytes.ranges.iter().map(|one| json!([one.start, one.end])).collect();
        object["bytes_differing"] = bytes.count.into();
        object["base_bytes"] = hex(&bytes.base).into();
        object["new_bytes"] = hex(&bytes.new).into();
    }
    if let Some(preset) = kept.evidence.preset {
        object["preset"] = preset.name.into();
    }
    object
}

/// The object of the first difference, of which more is known.
fn first_item(first: &Kept, pair: &Pair) -> Value {
    let mut object = item(first, pair);
    let list = |all: &[Compared]| all.iter().map(|one| request(one, pair)).collect::<Value>();
    for (name, around) in [("base", &first.evidence.base), ("new", &first.evidence.new)] {
        let Some(Around { before, after, writer }) = around else { continue };
        object[format!("{name}_before")] = list(before);
        object[format!("{name}_after")] = list(after);
        if let Some(Writer::Request(id)) = writer {
            object[format!("{name}_last_writer")] = id.0.into();
        }
    }
    object
}

fn request(one: &Compared, pair: &Pair) -> Value {
    let range = one.request.range;
    let mut object = json!({"id": one.id.0});
    if let Some(device) = pair.devices.get(usize::from(one.device.0)) {
        object["dev"] = device.as_str().into();
    }
    object["op"] = one.request.operation.name().into();
    object["off"] = range.offset.into();
    object["len"] = range.length.into();
    let flags: Vec<&str> = one.request.flags.names().collect();
    if !flags.is_empty() {
        object["flags"] = flags.into();
    }
    object["t"] = one.time.0.into();
    object["epoch"] = one.epoch.into();
    if one.payload != Payload::Absent {
        object["payload"] = one.payload.to_string().into();
    }
    if one.result.is_some() {
        object["result"] = words::result(one).into();
    }
    object
}

fn budget(budget: &Budgeted) -> Value {
    let mut object = json!({
        "name": budget.name, "metric": budget.metric, "base": budget.base, "new": budget.new,
        "change": budget.change(), "limit": budget.limit, "ok": !budget.is_over(), "p": budget.p,
        "runs": [budget.runs.0, budget.runs.1],
    });
    if let Some(at) = &budget.at {
        object["at"] = at.as_str().into();
    }
    object
}
