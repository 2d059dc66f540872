//! What `--learn` prints: rules for `blkreplay.toml`, to be read by somebody before they are used.
//!
//! Invariant: it is a file that `config check` takes, and of which it says that reasons are missing.

use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

use blkreplay_core::diff::{Does, Ignores, Learned, MaskError, Proposal};
use serde_json::Value;

use super::accept;
use crate::config::{self, Config, NO_REASON};
use crate::failure::Failure;
use crate::words::counted;

/// Which requests bytes are masked of.
const HAS_DATA: &str = "has(payload)";

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
        let flushes = counted(learned.flushes, "flush");
        let _ = writeln!(
            text,
            "# No rule is proposed for {flushes} that differ or that only one of them has: epochs end with flushes."
        );
    }
    if !learned.presets.is_empty() {
        let names: Vec<_> = learned.presets.iter().map(|(preset, _)| preset.name).collect();
        let _ = writeln!(text, "\n[diff]\npreset = {}", Value::from(names));
    }
    for proposal in &learned.proposals {
        text.push_str(&rule(proposal, devices, NO_REASON));
    }
    text
}

/// Adds rules to a file that is there, or to one that is to be made.
pub(crate) fn add(file: &Path, rules: &str) -> Result<(), Failure> {
    let name = config::shown(file);
    let is_there = file.try_exists().unwrap_or(true);
    let mut text = if is_there { config::read_text(file)? } else { String::new() };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    // The first line of a file is not left empty.
    text.push_str(if text.is_empty() { rules.trim_start() } else { rules });
    if let Err(faults) = Config::of(file, &text) {
        let fault = faults.into_iter().next().unwrap_or_default();
        return Err(Failure::new(format!("{name} cannot take more rules: {fault}")));
    }
    accept::rewrite(file, &text)
        .map_err(|error| Failure::because(format!("cannot change {name}"), error))
}

/// The same as rules alone, with a reason, to be added to a file: masks of presets stand for themselves.
pub(crate) fn rules(
    learned: &Learned,
    devices: &[String],
    reason: &str,
) -> Result<String, MaskError> {
    let mut text = String::new();
    for (preset, _) in &learned.presets {
        for rule in preset.rules(None)? {
            let bytes = match &rule.does {
                Does::Mask(mask) => Some(mask.to_string()),
                Does::LookOnly | Does::LeaveOut => None,
            };
            text.push_str(&written(&rule.name, rule.filter, bytes, reason));
        }
    }
    for proposal in &learned.proposals {
        text.push_str(&rule(proposal, devices, reason));
    }
    Ok(text)
}

fn rule(proposal: &Proposal, devices: &[String], reason: &str) -> String {
    let device = devices.get(usize::from(proposal.device.0)).filter(|_| devices.len() > 1);
    let device = device.map(|name| format!("dev == {}", Value::from(name.as_str())));
    let (name, filter, bytes) = match &proposal.ignores {
        Ignores::Bytes(ranges) => {
            let ranges: Vec<_> = ranges.iter().map(range).collect();
            let ranges = ranges.join(", ");
            // Of what has no data, as reads of most recordings, none can be masked.
            let filter = device.into_iter().chain([HAS_DATA.to_owned()]).collect::<Vec<_>>();
            (format!("bytes {ranges}"), Some(filter.join(" && ")), Some(ranges))
        }
        Ignores::Requests(operation, at) => {
            let (offset, length) = (at.offset, at.length);
            let filter = format!("op == {operation} && off == {offset} && len == {length}");
            let filter = device.into_iter().chain([filter]).collect::<Vec<_>>().join(" && ");
            (format!("{operation} {at}"), Some(filter), None)
        }
    };
    let count = counted(proposal.count, "difference");
    let rule = written(&name, filter, bytes, reason);
    rule.replacen("\n[[", &format!("\n# {count}\n[["), 1)
}

/// A rule as a file has it.
fn written(name: &str, filter: Option<String>, bytes: Option<String>, reason: &str) -> String {
    let mut text = "\n[[diff.ignore-rule]]\n".to_owned();
    let keys = [("name", Some(name.to_owned())), ("where", filter), ("bytes", bytes)];
    for (key, value) in keys.into_iter().chain([("reason", Some(reason.to_owned()))]) {
        if let Some(value) = value {
            // A string of JSON is one of TOML. Writing to a string cannot fail.
            let _ = writeln!(text, "{key} = {}", Value::from(value));
        }
    }
    text
}

fn range(range: &Range<u64>) -> String {
    format!("{:#x}..{:#x}", range.start, range.end)
}
