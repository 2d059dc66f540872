//! `print --events -f`: the events of the requests that a filter means, in their order, and no others.

use serde_json::Value;

use super::{ids, print, recorded};

/// What lines of JSON say.
fn objects(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_events_of_what_a_filter_means_are_those_with_the_ids_of_what_is_printed() {
    let sandbox = recorded();
    let all = objects(&sandbox.printed("t.blkr --events --json"));
    assert!(all.iter().any(|event| event["kind"] == "checkpoint"));
    for filter in
        ["write", "dev == two and len > 0", "lat > p50(lat)", "flush or trim", "err", "id >= 0"]
    {
        let meant = ids(&print(&sandbox, filter, "--json").succeeds());
        let expected: Vec<&Value> = all
            .iter()
            .filter(|event| ["issue", "block"].contains(&event["kind"].as_str().unwrap()))
            .filter(|event| meant.contains(&event["id"].as_u64().unwrap()))
            .collect();
        assert_eq!(expected.len(), 2 * meant.len(), "all were completed: {filter}");
        let check = |words: &str, expected: &[&Value]| {
            let printed = print(&sandbox, filter, &format!("--events --json {words}")).succeeds();
            assert_eq!(
                objects(&printed.stdout).iter().collect::<Vec<_>>(),
                expected,
                "{filter} {words}"
            );
        };
        check("", &expected);
        check("-n 3", &expected[..expected.len().min(3)]);
        check("--tail 2", &expected[expected.len().saturating_sub(2)..]);
        let from =
            all.iter().position(|event| event["kind"] == "issue" && event["id"] == 4).unwrap();
        let later = expected.iter().filter(|event| event["seq"].as_u64().unwrap() >= from as u64);
        check("--at #4", &later.copied().collect::<Vec<_>>());
        let text = print(&sandbox, filter, "--events").succeeds();
        assert_eq!(text.stdout.lines().count(), 1 + expected.len(), "{filter}: {text}");
    }
    let nothing = print(&sandbox, "err", "--events").succeeds();
    nothing.says(&["nothing is meant", "none passes `err`"]);
}
