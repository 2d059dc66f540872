//! By what two traces were compared, in words.

use blkreplay_core::diff::{Align, Fact};

use super::{Of, RuleTold};
use crate::words::counted;

/// What is hidden of logs: two runs of a machine do not share it.
const HIDDEN: [&str; 4] = ["instructions", "clocks", "timers", "interrupts"];

/// What is never compared of requests.
const IGNORED: [&str; 3] = ["time", "id", "conn"];

/// `align epoch; compare op off len flags payload result; ignore time id conn; 1 rule (blkreplay.toml)`.
pub(crate) fn words(told: &RuleTold) -> String {
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
    match (told.of, told.rule.align) {
        // What lies on the disk, or only where something was written.
        (Of::Requests, Align::State) if told.rule.facts.has(Fact::Payload) => vec!["contents"],
        (Of::Requests, Align::State) => vec!["ranges"],
        (Of::Requests, _) => told.rule.facts.iter().map(Fact::name).collect(),
        (Of::Events, _) => vec!["events"],
    }
}

/// What is not.
pub(super) fn ignored(told: &RuleTold) -> Vec<&'static str> {
    let facts = told.rule.facts;
    let is_compared = |fact| match told.rule.align {
        Align::State => fact == Fact::Payload && facts.has(fact),
        _ => facts.has(fact),
    };
    let facts = Fact::NAMES.into_iter().filter(|(fact, _)| !is_compared(*fact));
    match told.of {
        Of::Requests => IGNORED.into_iter().chain(facts.map(|(_, name)| name)).collect(),
        Of::Events => HIDDEN.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use blkreplay_core::diff::{Facts, Rule};

    use super::*;

    #[test]
    fn a_state_is_what_lies_on_the_disk_whatever_was_asked() {
        let told = |facts| {
            let rule = Rule { align: Align::State, facts, ..Rule::default() };
            words(&RuleTold { rule, ..RuleTold::default() })
        };
        let ignored = "ignore time id conn op off len flags";
        assert_eq!(told(Facts::ALL), format!("align state; compare contents; {ignored} result"));
        let without = told(Facts::ALL.without(Fact::Payload));
        assert_eq!(without, format!("align state; compare ranges; {ignored} payload result"));
    }
}
