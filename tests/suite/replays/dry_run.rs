//! `--dry-run`: what would be done, in text and in JSON. Invariant: nothing is.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::replays::{REQUESTS, assert_holds, events, issue_of, keys, recorded, recorded_with};
use crate::support::Sandbox;

/// The schedule as programs get it, by id.
#[track_caller]
fn schedule(sandbox: &Sandbox, options: &str) -> BTreeMap<u64, Value> {
    let line = format!("replay t.blkr --dry-run --json {options}");
    let finished = sandbox.blkreplay(&line).finish().succeeds();
    assert_eq!(finished.stderr, "");
    let lines = finished.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (line["id"].as_u64().unwrap(), line)).collect()
}

#[track_caller]
fn waits_for(schedule: &BTreeMap<u64, Value>, id: u64) -> Vec<u64> {
    let after = schedule[&id]["after"].as_array().unwrap();
    after.iter().map(|id| id.as_u64().unwrap()).collect()
}

#[test]
fn each_request_is_one_object_with_what_it_waits_for() {
    let sandbox = recorded();
    let recorded = schedule(&sandbox, "before.img");
    assert_eq!(recorded.len() as u64, REQUESTS);
    let fields = ["after", "dev", "event", "id", "left_out", "len", "off", "op", "schema"];
    assert!(recorded.values().all(|one| keys(one) == fields.into()), "{recorded:?}");
    let events = events(&sandbox, "t.blkr");
    for (id, one) in &recorded {
        let issue = issue_of(&events, *id);
        assert_eq!(
            (&one["schema"], &one["left_out"]),
            (&"blkreplay.schedule/1".into(), &false.into())
        );
        assert_eq!(
            (&one["event"], &one["dev"], &one["op"]),
            (&issue["seq"], &"disk".into(), &issue["op"])
        );
        let range = |name: &str| issue.get(name).cloned().unwrap_or(0.into());
        assert_eq!((&one["off"], &one["len"]), (&range("off"), &range("len")));
    }
    // A client that waits for each answer: each waits for the one before.
    assert_eq!(waits_for(&recorded, 4), [3]);
    assert_eq!(waits_for(&recorded, 12), [11]);

    let conflict = schedule(&sandbox, "--order conflict");
    assert!(waits_for(&conflict, 3).contains(&1), "#3 reads what #1 wrote");
    assert_eq!(waits_for(&conflict, 6), [0; 0], "nobody writes where #6 reads");
    assert!(waits_for(&conflict, 8).contains(&7), "a write waits for the flush before it");

    let none = schedule(&sandbox, "--order none");
    assert!(none.keys().all(|id| waits_for(&none, *id).is_empty()));
}

#[test]
fn times_are_there_where_they_count() {
    let sandbox = recorded();
    let events = events(&sandbox, "t.blkr");
    let time = |id: u64| {
        issue_of(&events, id)["t"].as_u64().unwrap() - issue_of(&events, 0)["t"].as_u64().unwrap()
    };
    let recorded = schedule(&sandbox, "--timing recorded");
    assert!(recorded.iter().all(|(id, one)| one["t"] == time(*id)), "{recorded:?}");
    let twice = schedule(&sandbox, "--timing scaled=2x");
    assert!(twice.iter().all(|(id, one)| one["t"] == time(*id) / 2), "{twice:?}");
}

#[test]
fn people_get_a_table_and_the_rest_of_the_options_hold() {
    let sandbox = recorded();
    let table = sandbox.blkreplay("replay t.blkr before.img --dry-run").finish().succeeds();
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(lines.len() as u64, 1 + REQUESTS);
    assert_eq!(lines[0], "      id        time request                      waits for");
    assert_eq!(lines[1], "      #0           - write 0+65536                -");
    assert_eq!(lines[5], "      #4           - flush                        #3");
    let timed = sandbox.blkreplay("replay t.blkr --dry-run --timing recorded").finish().succeeds();
    assert!(timed.stdout.contains("\n      #0    0.000000 write 0+65536"), "{timed}");
    let part = sandbox.blkreplay("replay t.blkr --dry-run --until #3").finish().succeeds();
    assert_eq!(part.stdout.lines().count(), 1 + 3, "{part}");
}

#[test]
fn nothing_is_done_and_nothing_is_written() {
    let sandbox = recorded();
    let before = sandbox.read("before.img");
    sandbox
        .blkreplay("replay t.blkr before.img --write --dry-run -o again.blkr")
        .finish()
        .succeeds();
    assert_holds(&sandbox, "before.img", &before);
    assert!(!sandbox.path("again.blkr").exists());
}

#[test]
fn what_a_replay_would_refuse_is_refused_here_too() {
    let sandbox = recorded_with("--payload hash");
    sandbox
        .blkreplay("replay t.blkr --dry-run")
        .finish()
        .ends_with(2)
        .says(&["has no data in the trace"]);
    sandbox.blkreplay("replay t.blkr --dry-run --fill zero").finish().succeeds();
}

#[test]
fn of_a_cut_trace_there_is_a_schedule_as_far_as_it_goes() {
    let sandbox = recorded();
    let whole = sandbox.read("t.blkr");
    sandbox.write("t.blkr", &whole[..whole.len() - 200]);
    sandbox
        .blkreplay("replay t.blkr --dry-run")
        .finish()
        .ends_with(2)
        .says(&["error: t.blkr is not whole: ", "hint: --allow-truncated replays what there is\n"]);
    let part = sandbox
        .blkreplay("replay t.blkr --dry-run --allow-truncated")
        .finish()
        .ends_with(3)
        .says(&["warning: t.blkr is not whole: "]);
    assert!((2..=1 + REQUESTS).contains(&(part.stdout.lines().count() as u64)), "{part}");
}
