//! The events of a virtual machine: what comes in is one of them, what goes out is its JSON object.
//!
//! Knows no requests. Invariant: data are there whole.

use blkreplay_core::event::{AudioIn, Checkpoint, Event, EventKind, Input, Key, Sample};
use blkreplay_core::qemu::{self, Layout, LogEvent};
use serde::Serialize;

use crate::words::hex;

/// The fields of all kinds of these events; each kind has its own.
#[derive(Debug, Default, Serialize)]
pub(super) struct GuestJson {
    schema: &'static str,
    seq: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icount: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    button: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    down: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    axis: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chardev: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    net_flags: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ret: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    played: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    samples: Vec<[i64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

/// The JSON object of an event of a virtual machine; `None` for all others.
pub(super) fn json(
    schema: &'static str,
    seq: u64,
    event: &Event,
    layout: Option<&Layout>,
) -> Option<GuestJson> {
    let none = GuestJson::default;
    let own = match &event.kind {
        EventKind::Bh { id } | EventKind::BhOneshot { id } => GuestJson { id: Some(*id), ..none() },
        EventKind::BlockId { id } => GuestJson { id: Some(id.0), ..none() },
        EventKind::Input(input) => input_json(input, layout),
        EventKind::InputSync | EventKind::Interrupt | EventKind::Exception => none(),
        EventKind::CharRead { device, data } => {
            GuestJson { chardev: Some(*device), data: Some(hex(data)), ..none() }
        }
        EventKind::Net { filter, flags, frame } => {
            let data = Some(hex(frame));
            GuestJson { filter: Some(*filter), net_flags: Some(*flags), data, ..none() }
        }
        EventKind::Clock { clock, value } => {
            GuestJson { clock: Some(clock.name()), value: Some(*value), ..none() }
        }
        EventKind::Random { result, data } => {
            GuestJson { ret: Some(*result), data: Some(hex(data)), ..none() }
        }
        EventKind::Instruction { count } => GuestJson { count: Some(*count), ..none() },
        EventKind::Shutdown { cause } => GuestJson { cause: Some(cause.name()), ..none() },
        EventKind::CharWrite { result, offset } => {
            GuestJson { ret: Some(*result), offset: Some(*offset), ..none() }
        }
        EventKind::CharReadAll { data } => GuestJson { data: Some(hex(data)), ..none() },
        EventKind::CharReadAllError { error } => GuestJson { error: Some(*error), ..none() },
        EventKind::AudioOut { played } => GuestJson { played: Some(*played), ..none() },
        EventKind::AudioIn(audio) => audio_json(audio),
        _ => return None,
    };
    Some(GuestJson { schema, seq, kind: event.kind.name(), t: Some(event.time.0), ..own })
}

/// The JSON object of an event of a QEMU log, which has no time.
pub(super) fn log_json(schema: &'static str, event: &LogEvent, layout: &Layout) -> GuestJson {
    let kind = &event.event.kind;
    let own = json(schema, event.index, &event.event, Some(layout)).unwrap_or_default();
    let checkpoint = match kind {
        EventKind::Checkpoint(checkpoint) => Some(*checkpoint),
        _ => event.checkpoint,
    };
    GuestJson {
        schema,
        seq: event.index,
        kind: kind.name(),
        t: None,
        at: Some(event.at),
        icount: Some(event.icount),
        checkpoint: checkpoint.map(Checkpoint::name),
        ..own
    }
}

fn input_json(input: &Input, layout: Option<&Layout>) -> GuestJson {
    let own = GuestJson { input: Some(input.name()), ..GuestJson::default() };
    match *input {
        Input::Key { key, down } => key_json(key, down, layout, own),
        Input::Button { button, down } => {
            let name = layout.and_then(|_| qemu::button_name(button));
            GuestJson { button: Some(button), name, down: Some(down), ..own }
        }
        Input::Relative { axis, value } | Input::Absolute { axis, value } => {
            GuestJson { axis: Some(axis), value: Some(value), ..own }
        }
        Input::MultiTouch { phase, slot, tracking_id, axis, value } => GuestJson {
            phase: Some(phase),
            slot: Some(slot),
            tracking_id: Some(tracking_id),
            axis: Some(axis),
            value: Some(value),
            ..own
        },
    }
}

fn key_json(key: Key, down: bool, layout: Option<&Layout>, own: GuestJson) -> GuestJson {
    // A trace has what its format has: numbers.
    let name = layout.and_then(|layout| qemu::key_name(Some(layout), key));
    let code = Some(key.code());
    GuestJson { key: Some(key.name()), code, name, down: Some(down), ..own }
}

fn audio_json(audio: &AudioIn) -> GuestJson {
    let pair = |sample: &Sample| [sample.left, sample.right];
    GuestJson {
        recorded: Some(audio.recorded),
        position: audio.position,
        samples: audio.samples.iter().map(pair).collect(),
        ..GuestJson::default()
    }
}
