//! `--json`: one object of `blkreplay.replay/1`, field by field, with the figures of the recording.

use serde_json::{Value, json};

use crate::replays::{
    REQUESTS, WRITTEN_BYTES, events, json as told, keys, recorded, recorded_with,
};

/// What every object has.
const FIELDS: [&str; 18] = [
    "absent",
    "ahead",
    "duration",
    "extra",
    "filled",
    "latency",
    "left_out",
    "marks_extra",
    "marks_missing",
    "missing",
    "reads_unverified",
    "reads_verified",
    "recorded_duration",
    "replayed",
    "requests",
    "schema",
    "trace_cut",
    "verdict",
];

#[test]
fn every_field_says_what_the_trace_and_the_image_say() {
    let sandbox = recorded();
    let object = told(&sandbox.blkreplay("replay t.blkr before.img --json").finish().succeeds());
    let mut fields = keys(&object);
    assert!(fields.remove("thrown_away"));
    assert_eq!(fields, FIELDS.into());
    let expected = json!({
        "schema": "blkreplay.replay/1", "verdict": "same", "requests": REQUESTS, "replayed": REQUESTS, "left_out": 0,
        "reads_verified": 4, "reads_unverified": 0, "filled": 0, "extra": 0, "missing": 0, "absent": 0, "ahead": 0,
        "marks_missing": 0, "marks_extra": 0, "thrown_away": WRITTEN_BYTES, "trace_cut": false,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&object[name], value, "{name}");
    }
    let end = events(&sandbox, "t.blkr").last().unwrap()["t"].clone();
    assert_eq!(object["recorded_duration"], end);
    assert!(object["duration"].as_u64().unwrap() > 0);
    assert_eq!(keys(&object["latency"]), ["discard", "flush", "read", "write"].into());
    for (operation, both) in object["latency"].as_object().unwrap() {
        assert_eq!(keys(both), ["recorded", "replayed"].into(), "{operation}");
        for side in both.as_object().unwrap().values() {
            assert_eq!(keys(side), ["p50", "p99"].into());
            assert!(side["p50"].as_u64().unwrap() <= side["p99"].as_u64().unwrap(), "{operation}");
        }
    }
}

#[test]
fn what_is_kept_is_not_called_thrown_away() {
    let sandbox = recorded();
    sandbox.copy("before.img", "again.img");
    for options in ["again.img --write", "before.img --output-image after.img"] {
        let line = format!("replay t.blkr {options} --json");
        let object = told(&sandbox.blkreplay(&line).finish().succeeds());
        assert_eq!(keys(&object), FIELDS.into(), "{options}");
    }
    sandbox
        .blkreplay("replay t.blkr before.img")
        .finish()
        .succeeds()
        .says(&["image    108 KiB written and thrown away; --write keeps them\n"]);
}

#[test]
fn requests_that_had_failed_are_left_out_and_counted() {
    let sandbox = recorded_with("");
    // Past the end: the front refuses it.
    let client = sandbox.script(
        "failing.sh",
        "qemu-io -f raw -c 'write -q -P 7 0 4k' -c 'read -q 4k 4k' \"$BLKREPLAY_URI\"\ntruncate -s 1M shrinks.img
         ! qemu-io -r -f raw -c 'read -q 2M 4k' \"$BLKREPLAY_URI\"",
    );
    sandbox.copy("before.img", "shrinks.img");
    sandbox
        .blkreplay(&format!("record shrinks.img -o failed.blkr -- {client}"))
        .finish()
        .succeeds();
    let finished = sandbox
        .blkreplay("replay failed.blkr before.img --json")
        .finish()
        .succeeds()
        .says(&["left out 1 (failed when recorded)  0 differences\n"]);
    let object = told(&finished);
    assert_eq!((&object["left_out"], &object["verdict"]), (&json!(1), &json!("same")));
    let done = object["requests"].as_u64().unwrap() - 1;
    assert_eq!(object["replayed"], done);
    let schedule = sandbox.blkreplay("replay failed.blkr --dry-run").finish().succeeds();
    assert!(schedule.stdout.contains("left out: it failed when it was recorded\n"), "{schedule}");
}

#[test]
fn a_cut_trace_is_told_as_such_and_ends_with_loss() {
    let sandbox = recorded();
    let whole = sandbox.read("t.blkr");
    sandbox.write("cut.blkr", &whole[..whole.len() - 200]);
    let refused = sandbox.blkreplay("replay cut.blkr before.img --json").finish().ends_with(2);
    assert_eq!(refused.stdout, "", "trouble is no object: {refused}");
    let part = sandbox
        .blkreplay("replay cut.blkr before.img --json --allow-truncated")
        .finish()
        .ends_with(3)
        .says(&["note     the replay ended before the end of the recording\n"]);
    let object = told(&part);
    assert_eq!((&object["trace_cut"], &object["until"]), (&json!(true), &Value::Null));
    assert_eq!(object["verdict"], "same");
}

#[test]
fn quiet_says_nothing_but_the_object() {
    let sandbox = recorded();
    let finished = sandbox.blkreplay("-q replay t.blkr before.img --json").finish().succeeds();
    told(&finished);
    assert_eq!(finished.stderr, "");
}
