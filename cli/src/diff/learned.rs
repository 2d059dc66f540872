//! What `--learn` prints: rules for `blkreplay.toml`, to be read by somebody before they are used.
//!
//! Invariant: it is a file that `config check` takes, and of which it says that reasons are missing.

use std::fmt::Write;
use std::ops::Range;

use blkreplay_core::diff::{Ignores, Learned, Proposal};
use serde_json::Value;

use crate::config::NO_REASON;
use crate::words::counted;

/// The file that would ignore what was learned. `devices` are names, if there are several.
pub(crate) fn toml(learned: &Learned, devices: &[String]) -> String {
    // Writing to a string cannot fail.
    let mut text = String::new();
    if learned.presets.is_empty() && learned.proposals.is_empty() {
        text.push_str("# Nothing is proposed.\n");
    } else {
        text.push_str(
            "# Proposed by blkreplay diff --learn. Say of each rule why, or leave it out.\n",
        );
    }
    if learned.flushes > 0 {
        let flushes = counted(learned.flushes, "flush").replace("flushs", "flushes");
        let _ = writeln!(
            text,
            "# {flushes} differ as well, and no rule is proposed for that: epochs end with them."
        );
    }
    if !learned.presets.is_empty() {
        let names: Vec<_> = learned.presets.iter().map(|(preset, _)| preset.name).collect();
        let _ = writeln!(text, "\n[diff]\npreset = {}", Value::from(names));
    }
    for proposal in &learned.proposals {
        text.push_str(&rule(proposal, devices));
    }
    text
}

fn rule(proposal: &Proposal, devices: &[String]) -> String {
    let device = devices.get(usize::from(proposal.device.0)).filter(|_| devices.len() > 1);
    let device = device.map(|name| format!("dev == {}", Value::from(name.as_str())));
    let (name, filter, bytes) = match &proposal.ignores {
        Ignores::Bytes(ranges) => {
            let ranges: Vec<_> = ranges.iter().map(range).collect();
            let ranges = ranges.join(", ");
            (format!("bytes {ranges}"), device, Some(ranges))
        }
        Ignores::Requests(operation, at) => {
            let (offset, length) = (at.offset, at.length);
            let filter = format!("op == {operation} && off == {offset} && len == {length}");
            let filter = device.into_iter().chain([filter]).collect::<Vec<_>>().join(" && ");
            (format!("{operation} {at}"), Some(filter), None)
        }
    };
    let count = counted(proposal.count, "difference");
    let mut text = format!("\n# {count}\n[[diff.ignore-rule]]\nname = {}\n", Value::from(name));
    for (key, value) in [("where", filter), ("bytes", bytes)] {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {}", Value::from(value));
        }
    }
    let _ = writeln!(text, "reason = \"{NO_REASON}\"");
    text
}

fn range(range: &Range<u64>) -> String {
    format!("{:#x}..{:#x}", range.start, range.end)
}
