//! `--timing recorded`: answers come no earlier than they came.

use crate::clients::live::{record, replay};
use crate::support::Sandbox;

/// How long the recorded client waits between its requests, in milliseconds.
const PAUSE: u64 = 200;

/// The words that run four writes, with something in between.
fn client(between: &str) -> String {
    let write = |number| format!("-c 'write -q -P 1 {}k 4k' {between}", number * 4);
    let writes: Vec<String> = (0..4).map(write).collect();
    format!("qemu-io -t writeback -f raw {} \"$BLKREPLAY_URI\"", writes.join(" "))
}

#[test]
fn a_client_that_is_faster_now_gets_its_answers_when_they_came() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    let slow = sandbox.script("slow.sh", &client(&format!("-c 'sleep {PAUSE}'")));
    let fast = sandbox.script("fast.sh", &client(""));
    let trace = record(&sandbox, "--payload all", &slow);
    let span = trace.rows.last().unwrap().t - trace.rows[0].t;
    assert!(span >= 4 * PAUSE * 1_000_000, "{span}");
    for image in ["disk.img", ""] {
        let replayed = replay(&sandbox, &format!("{image} --timing recorded"), &fast);
        let took = replayed.json["duration"].as_u64().unwrap_or_default();
        assert!(took >= span, "{took} of {span}: {}", replayed.finished);
        replayed.repeats(&trace);
    }
    let twice_as_fast = replay(&sandbox, "disk.img --timing scaled=2x", &fast);
    let took = twice_as_fast.json["duration"].as_u64().unwrap_or_default();
    assert!(took >= span / 2, "{took} of {span}: {}", twice_as_fast.finished);
    twice_as_fast.repeats(&trace);
}

#[test]
fn times_of_answers_need_their_order() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    let fast = sandbox.script("fast.sh", &format!("{}; echo done >done", client("")));
    record(&sandbox, "", &fast);
    sandbox.remove("done");
    sandbox
        .blkreplay(&format!("replay t.blkr disk.img --order conflict --timing recorded -- {fast}"))
        .finish()
        .ends_with(2)
        .says(&["--timing recorded", "--order conflict"]);
    assert!(!sandbox.path("done").exists(), "the client was not started");
}
