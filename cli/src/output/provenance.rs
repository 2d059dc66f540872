//! What was done to a trace since it was recorded, for people. Edits come in, lines with their labels go out.
//!
//! Invariant: what a header says of itself steers no terminal.

use blkreplay_core::format::{AnonymizedHeader, Edits, MergedHeader, SlicedHeader};
use blkreplay_core::units::{Nanos, Size};

use super::printable;
use crate::words::{Count, counted};

/// A line for each edit.
pub(super) fn lines(edits: &Edits) -> Vec<(&'static str, String)> {
    let merged = edits.merged.iter().map(|merged| ("merged", of_merged(merged)));
    let sliced = edits.sliced.iter().map(|sliced| ("sliced", of_sliced(sliced)));
    let anonymized = edits.anonymized.iter().map(|it| ("anonymized", of_anonymized(it)));
    merged.chain(sliced).chain(anonymized).collect()
}

fn of_sliced(sliced: &SlicedHeader) -> String {
    let (kept, all) = (Count(sliced.requests), counted(sliced.of_requests, "request"));
    let mut text = format!("{kept} of {all} of {}", sliced.of);
    let devices = sliced.devices.as_ref().map(|devices| devices.join(", "));
    for (option, value) in
        [("from", &sliced.from), ("to", &sliced.to), ("filter", &sliced.filter), ("dev", &devices)]
    {
        if let Some(value) = value {
            text.extend([", --", option, " ", value]);
        }
    }
    printable(&text).into_owned()
}

fn of_merged(merged: &MergedHeader) -> String {
    let (requests, shift) = (counted(merged.requests, "request"), Nanos(merged.shift));
    let devices = merged.devices.join(", ");
    let text = format!("{} {}  {requests} of {devices}, from {shift} on", merged.file, merged.of);
    printable(text.trim()).into_owned()
}

fn of_anonymized(anonymized: &AnonymizedHeader) -> String {
    let key = &anonymized.key;
    let moved = anonymized
        .extents_moved
        .map_or_else(String::new, |extent| format!(", extents of {} moved about", Size(extent)));
    printable(&format!("no names, no data, tokens for digests with key {key}{moved}")).into_owned()
}
