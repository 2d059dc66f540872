//! A replay as programs see it: one object, `blkreplay.replay/1`. Facts come in, JSON goes out.
//!
//! Invariant: a field that is not there is left out; times are nanoseconds, offsets and lengths bytes.

use blkreplay_core::engine::{Asked, Divergence, DivergenceKind, Latencies, Replayed};
use blkreplay_core::event::Payload;
use blkreplay_core::request::Operation;
use blkreplay_core::units::Nanos;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Report, quantile};
use crate::slip;
use crate::words::hex;

impl Report<'_> {
    /// One object for programs.
    pub(super) fn json(&self) -> impl Serialize {
        let Replayed { requests, left_out, verified, unverified, duration, .. } = self.replayed;
        let diverged = !self.replayed.divergences.is_empty();
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("schema", "blkreplay.replay/1".into());
        let verdict = match (diverged, self.slipped) {
            (true, _) => "diverged",
            (false, Some(_)) => "late",
            (false, None) => "same",
        };
        put("verdict", verdict.into());
        put("requests", self.requests.into());
        put("replayed", (*requests).into());
        put("left_out", (*left_out).into());
        put("reads_verified", (*verified).into());
        put("reads_unverified", (*unverified).into());
        put("filled", self.replayed.filled.into());
        put("extra", self.replayed.extra.into());
        put("missing", self.replayed.missing.into());
        put("absent", self.replayed.absent.into());
        put("ahead", self.replayed.ahead.into());
        put("marks_missing", self.replayed.marks_missing.into());
        put("marks_extra", self.replayed.marks_extra.into());
        put("duration", duration.0.into());
        put("recorded_duration", self.recorded.0.into());
        if let Some(bytes) = self.thrown_away {
            put("thrown_away", bytes.into());
        }
        put("trace_cut", self.trace_cut.into());
        if let (Some((_, event)), true) = (self.until, self.replayed.cut) {
            put("until", event.into());
        }
        put("latency", self.latency_json());
        if self.replayed.slip.total() > 0 {
            let [p50, p99] = [0.5, 0.99].map(|part| slip::quantile(self.replayed, part).0);
            put("late", json!({"p50": p50, "p99": p99, "max": self.replayed.slip_max.0}));
        }
        let divergences = self.replayed.divergences.iter().enumerate();
        let divergences: Vec<Value> =
            divergences.map(|(number, one)| self.divergence_json(one, number == 0)).collect();
        if let Some(first) = divergences.first() {
            put("divergence", first.clone());
            put("divergences", divergences.into());
        }
        Value::Object(object)
    }

    fn latency_json(&self) -> Value {
        let (recorded, now) = (&self.replayed.recorded_latency, &self.replayed.replayed_latency);
        let used = Operation::NAMES.into_iter().filter(|(one, _)| now.of(*one).total() > 0);
        let figures = |all: &Latencies, one: Operation| {
            let [p50, p99]: [Nanos; 2] = [0.5, 0.99].map(|part| quantile(all.of(one), part));
            json!({"p50": p50.0, "p99": p99.0})
        };
        let of = |(one, name): (Operation, &str)| {
            let both = json!({"recorded": figures(recorded, one), "replayed": figures(now, one)});
            (name.to_owned(), both)
        };
        Value::Object(used.map(of).collect())
    }

    fn divergence_json(&self, divergence: &Divergence, first: bool) -> Value {
        let place = divergence.at;
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("kind", divergence.kind.name().into());
        put("event", place.event.into());
        put("step", place.step.into());
        put("epoch", place.epoch.into());
        put("t", place.time.0.into());
        if let Some(expected) = &divergence.expected {
            put("expected", self.asked_json(expected));
        }
        if let Some(came) = &divergence.came {
            put("came", self.asked_json(came));
        }
        match &divergence.kind {
            DivergenceKind::Changed { fields } => {
                let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
                put("fields", names.into());
            }
            DivergenceKind::Missing { waited, others, unanswered, .. } => {
                put("waited", waited.0.into());
                put("others", (*others).into());
                put("unanswered", unanswered.iter().map(|one| self.asked_json(one)).collect());
            }
            DivergenceKind::Order { waited, kept, others, unanswered } => {
                put("waited", waited.0.into());
                put("kept", (*kept).into());
                put("unanswered", unanswered.iter().map(|one| self.asked_json(one)).collect());
                put("others", (*others).into());
            }
            DivergenceKind::Window { window } => {
                put("window", (*window).into());
            }
            DivergenceKind::ClientStatus { recorded, now } => {
                put("recorded_status", (*recorded).into());
                put("status", (*now).into());
            }
            // No command runs a virtual machine of its own.
            DivergenceKind::Monitor(_)
            | DivergenceKind::Unexpected { .. }
            | DivergenceKind::Data { .. }
            | DivergenceKind::Result { .. } => {}
        }
        if first {
            if let Some(bytes) = &self.evidence.bytes {
                put("first_different", bytes.first.into());
                put("different", bytes.count.into());
                put("recorded_bytes", hex(bytes.recorded.bytes()).into());
                put("came_bytes", hex(bytes.came.bytes()).into());
            }
            let all = |asked: &[Asked]| asked.iter().map(|one| self.asked_json(one)).collect();
            put("recorded_before", Value::Array(all(&divergence.recorded_before)));
            put("came_before", Value::Array(all(&divergence.came_before)));
            if let Some(writer) = &self.evidence.last_writer {
                put("last_writer", writer.id.0.into());
            }
            if let Some(later) = &self.evidence.later {
                put("later", later.id.0.into());
            }
        }
        Value::Object(object)
    }

    fn asked_json(&self, asked: &Asked) -> Value {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        if let Some(id) = asked.id {
            put("id", id.0.into());
        }
        let device = self.devices.get(usize::from(asked.device.0)).copied().unwrap_or("?");
        put("dev", device.into());
        put("conn", asked.connection.0.into());
        put("op", asked.request.operation.name().into());
        put("off", asked.request.range.offset.into());
        put("len", asked.request.range.length.into());
        let flags: Vec<&str> = asked.request.flags.names().collect();
        if !flags.is_empty() {
            put("flags", flags.into());
        }
        if asked.payload != Payload::Absent {
            put("payload", asked.payload.to_string().into());
        }
        if let Some(result) = asked.result {
            let result = result.map_or_else(|errno| errno.to_string(), |()| "ok".to_owned());
            put("result", result.into());
        }
        Value::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use blkreplay_core::engine::Place;
    use blkreplay_core::request::{ConnectionId, DeviceId, Flags, Request, RequestId};
    use blkreplay_core::units::ByteRange;
    use bytes::Bytes;

    use super::super::tests::{replayed, report};
    use super::*;

    #[test]
    fn json_leaves_out_what_is_not_there() {
        let replayed = replayed();
        let same = serde_json::to_value(report(&replayed).json()).unwrap();
        assert_eq!(
            (&same["schema"], &same["verdict"]),
            (&json!("blkreplay.replay/1"), &json!("same"))
        );
        assert!(same.get("divergences").is_none() && same.get("thrown_away").is_none());
    }

    #[test]
    fn a_divergence_has_both_sides_and_the_bytes() {
        let asked = Asked {
            id: Some(RequestId(1240)),
            device: DeviceId(0),
            connection: ConnectionId(0),
            request: Request {
                operation: Operation::Read,
                range: ByteRange::new(4096, 512),
                flags: Flags::NONE,
            },
            payload: Payload::Zeroes,
            result: Some(Ok(())),
        };
        let divergence = Divergence {
            kind: DivergenceKind::Data { recorded: Payload::Zeroes, now: Payload::Zeroes },
            at: Place::default(),
            expected: Some(asked),
            came: Some(Asked { id: None, ..asked }),
            data: Bytes::new(),
            recorded_before: Vec::new(),
            came_before: Vec::new(),
        };
        let replayed = Replayed { divergences: vec![divergence], ..replayed() };
        let json = serde_json::to_value(report(&replayed).json()).unwrap();
        assert_eq!(json["verdict"], "diverged");
        let one = &json["divergence"];
        assert_eq!(json["divergences"], json!([one]));
        assert_eq!((&one["kind"], &one["expected"]["id"]), (&json!("data"), &json!(1240)));
        assert!(one["came"].get("id").is_none());
    }
}
