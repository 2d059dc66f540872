//! The header of an anonymized trace. A header comes in, one that names nothing goes out.
//!
//! What is kept is listed here, all else is new: so nothing that a later version adds slips through. Invariant: no text of
//! the old header is in the new one, but for words that every trace may have.

use super::token::Key;
use crate::format::{
    AnonymizedHeader, DeviceHeader, Edits, ExportHeader, Fingerprint, FingerprintMethod, Header,
    MergedHeader, PayloadPolicy, RecoveredHeader, ReplayHeader, SlicedHeader,
};

/// The header without names. `tool` is who does it; `extents_moved` is how long extents are, if they are moved.
pub fn nameless(named: &Header, key: &Key, tool: &str, extents_moved: Option<u64>) -> Header {
    let edits = Edits {
        sliced: named.edits.sliced.iter().map(|sliced| sliced_without(sliced, key, tool)).collect(),
        merged: named.edits.merged.iter().map(|merged| merged_without(merged, key, tool)).collect(),
        anonymized: Some(AnonymizedHeader {
            tool: tool.to_owned(),
            key: key.name(),
            extents_moved,
        }),
    };
    Header {
        tool: tool.to_owned(),
        command: Vec::new(),
        wall_clock_ns: 0,
        payload: digests_only(named.payload),
        devices: (0..)
            .zip(&named.devices)
            .map(|(number, device)| unnamed(number, device))
            .collect(),
        exports: named.exports.iter().map(unnamed_export).collect(),
        limits: named.limits,
        recovered: named.recovered.as_ref().map(|recovered| recovered_without(recovered, tool)),
        replay: named.replay.as_ref().map(|replay| replay_without(replay, key)),
        edits,
    }
}

fn unnamed(number: usize, device: &DeviceHeader) -> DeviceHeader {
    DeviceHeader {
        name: format!("disk{number}"),
        image: String::new(),
        format: one_of(&["raw", "qcow2"], &device.format),
        size: device.size,
        block_min: device.block_min,
        block_preferred: device.block_preferred,
        read_only: device.read_only,
        discard: device.discard,
        fingerprint: Fingerprint { method: FingerprintMethod::None, digest: None },
    }
}

fn unnamed_export(export: &ExportHeader) -> ExportHeader {
    let first = (export.device == 0).then(String::new);
    let contexts = export.contexts.iter().filter(|context| *context == "base:allocation");
    ExportHeader {
        names: first.into_iter().chain([export.device.to_string()]).collect(),
        device: export.device,
        transmission_flags: export.transmission_flags,
        block_sizes: export.block_sizes,
        contexts: contexts.cloned().collect(),
        extended_headers: export.extended_headers,
    }
}

fn sliced_without(sliced: &SlicedHeader, key: &Key, tool: &str) -> SlicedHeader {
    SlicedHeader {
        tool: tool.to_owned(),
        of: key.uuid(&sliced.of),
        from: None,
        to: None,
        filter: None,
        devices: None,
        requests: sliced.requests,
        of_requests: sliced.of_requests,
    }
}

fn merged_without(merged: &MergedHeader, key: &Key, tool: &str) -> MergedHeader {
    MergedHeader {
        of: key.uuid(&merged.of),
        file: String::new(),
        tool: tool.to_owned(),
        command: Vec::new(),
        devices: Vec::new(),
        requests: merged.requests,
        shift: 0,
        status: merged.status,
        recovered: merged.recovered.as_ref().map(|recovered| recovered_without(recovered, tool)),
        replay: merged.replay.as_ref().map(|replay| replay_without(replay, key)),
        sliced: merged.sliced.iter().map(|sliced| sliced_without(sliced, key, tool)).collect(),
    }
}

fn recovered_without(recovered: &RecoveredHeader, tool: &str) -> RecoveredHeader {
    RecoveredHeader { tool: tool.to_owned(), header: recovered.header, bytes: recovered.bytes }
}

fn replay_without(replay: &ReplayHeader, key: &Key) -> ReplayHeader {
    let order = one_of(&["recorded", "conflict", "none"], &replay.order);
    ReplayHeader { of: key.uuid(&replay.of), order }
}

/// Data are gone, and digests are tokens.
fn digests_only(policy: PayloadPolicy) -> PayloadPolicy {
    match policy {
        PayloadPolicy::None => PayloadPolicy::None,
        _ => PayloadPolicy::Hash,
    }
}

/// `text` if it is one of these words, else nothing.
fn one_of(words: &[&str], text: &str) -> String {
    words.iter().find(|word| **word == text).map_or_else(String::new, |word| (*word).to_owned())
}
