//! By what two traces were compared, in words.

use blkreplay_core::diff::Fact;

use super::{Of, RuleTold};
use crate::words::counted;

/// What is hidden of logs: two runs of a machine do not share it.
const HIDDEN: [&str; 4] = ["instructions", "clocks", "timers", "interrupts"];

/// What is never compared of requests.
const IGNORED: [&str; 3] = ["time", "id", "conn"];

/// `align epoch; compare op off len flags payload result; ignore time id conn; 1 rule (blkreplay.toml)`.
pub(super) fn words(told: &RuleTold) -> String {
    let compared = compared(told).join(" ");
    let ignored = ignored(told).join(" ");
    let mut words =
        format!("align {}; compare {compared}; ignore {ignored}", told.rule.align.name());
    if !told.rules.is_empty() {
        words = format!("{words}; {}", counted(told.rules.len() as u64, "rule"));
    }
    if let Some(config) = &told.config {
        words = format!("{words} ({config})");
    }
    words
}

/// What is compared.
pub(super) fn compared(told: &RuleTold) -> Vec<&'static str> {
    match told.of {
        Of::Requests => told.rule.facts.iter().map(Fact::name).collect(),
        Of::Events => vec!["events"],
    }
}

/// What is not.
pub(super) fn ignored(told: &RuleTold) -> Vec<&'static str> {
    let facts = Fact::NAMES.into_iter().filter(|(fact, _)| !told.rule.facts.has(*fact));
    match told.of {
        Of::Requests => IGNORED.into_iter().chain(facts.map(|(_, name)| name)).collect(),
        Of::Events => HIDDEN.to_vec(),
    }
}
