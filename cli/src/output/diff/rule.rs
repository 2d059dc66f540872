//! By what two traces were compared, in words.

use blkreplay_core::diff::{Fact, Rule};

use super::RuleTold;
use crate::words::counted;

/// What is never compared.
const IGNORED: [&str; 3] = ["time", "id", "conn"];

/// `align epoch; compare op off len flags payload result; ignore time id conn; 1 rule (blkreplay.toml)`.
pub(super) fn words(told: &RuleTold) -> String {
    let compared = compared(&told.rule).join(" ");
    let ignored = ignored(&told.rule).join(" ");
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

/// The facts that are compared.
pub(super) fn compared(rule: &Rule) -> Vec<&'static str> {
    rule.facts.iter().map(Fact::name).collect()
}

/// All that is not.
pub(super) fn ignored(rule: &Rule) -> Vec<&'static str> {
    let facts = Fact::NAMES.into_iter().filter(|(fact, _)| !rule.facts.has(*fact));
    IGNORED.into_iter().chain(facts.map(|(_, name)| name)).collect()
}
