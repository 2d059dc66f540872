//! Differences of two logs of QEMU, as programs see them. What was found comes in, JSON goes out.
//!
//! An event is the object that `print --json` writes of it. Invariant: the fields are those of differences of requests.

use blkreplay_core::diff::{EventDifference, Shown as ShownEvent};
use blkreplay_core::event::Event;
use blkreplay_core::qemu::{Layout, LogEvent};
use blkreplay_core::units::Nanos;
use serde_json::{Value, json};

use super::json::{self, Items};
use super::{LogsTold, places, sections};
use crate::output::guest;
use crate::output::json::EVENT_SCHEMA;

/// The first difference, with what lies around it; null if there is none.
pub(super) fn first(logs: &LogsTold) -> Value {
    let Some(first) = logs.report.differences.first() else { return Value::Null };
    let mut object = item(first, logs);
    let [base, new] = logs.layouts;
    for (name, all) in [("before", &logs.report.before), ("after", &logs.report.after)] {
        object[format!("base_{name}")] = all.iter().map(|(one, _)| event(one, base)).collect();
        object[format!("new_{name}")] = all.iter().map(|(_, one)| event(one, new)).collect();
    }
    object
}

/// One group for each kind of difference.
pub(super) fn groups(logs: &LogsTold, items: Items) -> Value {
    let place = json!({"epoch_base": null, "epoch_new": null});
    let kept = |kind| logs.report.differences.iter().filter(move |one| one.kind == kind);
    let group = |(kind, count)| {
        json::group(&place, (kind, count), items, kept(kind).map(|one| item(one, logs)))
    };
    places::kinds(&sections::counts_of(&logs.report)).map(group).collect()
}

/// The object of a difference.
pub(super) fn item(one: &EventDifference, logs: &LogsTold) -> Value {
    let [base, new] = logs.layouts;
    let side = |shown: &Option<ShownEvent>, layout| {
        shown.as_ref().map_or(Value::Null, |shown| event(shown, layout))
    };
    json!({
        "kind": one.kind.name(), "base": side(&one.base, base), "new": side(&one.new, new),
        "fields": [],
    })
}

fn event(shown: &ShownEvent, layout: &Layout) -> Value {
    let ShownEvent { index, at, icount, folded } = shown;
    let event = LogEvent {
        index: *index,
        at: *at,
        icount: *icount,
        checkpoint: None,
        event: Event { time: Nanos(0), kind: folded.event.clone() },
    };
    serde_json::to_value(guest::log_json(EVENT_SCHEMA, &event, layout)).unwrap_or(Value::Null)
}
