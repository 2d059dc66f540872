//! `-o TRACE2`: the replay's own trace has the steps of the recording, with times of its own.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::clients::live::{record, replay};
use crate::support::Sandbox;

const MIB: u64 = 1 << 20;

/// What lies between two checkpoints: the ids of what was issued, and of what was released then, in its order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    issued: BTreeSet<u64>,
    released: Vec<(u64, String)>,
}

/// The steps of a trace.
#[track_caller]
fn steps(sandbox: &Sandbox, name: &str) -> Vec<Step> {
    let printed = sandbox.blkreplay(&format!("print {name} --events --json")).finish().succeeds();
    let mut steps = vec![Step::default()];
    for line in printed.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let id = event["id"].as_u64();
        let last = steps.last_mut().unwrap();
        match event["kind"].as_str().unwrap() {
            "issue" if last.released.is_empty() => assert!(last.issued.insert(id.unwrap())),
            "issue" => steps.push(Step { issued: id.into_iter().collect(), ..Step::default() }),
            "checkpoint" if !last.released.is_empty() => steps.push(Step::default()),
            "block" => {
                let result = event["result"].as_str().unwrap().to_owned();
                last.released.push((id.unwrap(), result));
            }
            _ => {}
        }
    }
    steps
}

/// Asserts that `t2.blkr` has the steps, the requests and the data of `t.blkr`.
#[track_caller]
fn assert_same_steps(sandbox: &Sandbox) {
    let (recorded, replayed) = (steps(sandbox, "t.blkr"), steps(sandbox, "t2.blkr"));
    assert!(recorded.len() > 5, "{recorded:?}");
    for (number, (one, other)) in recorded.iter().zip(&replayed).enumerate() {
        assert_eq!(one, other, "step {number}");
    }
    assert_eq!(recorded.len(), replayed.len());
    sandbox.blkreplay("check --deep t2.blkr").finish().succeeds();
    let rows = |name: &str| {
        let printed = sandbox.blkreplay(&format!("print {name} --json")).finish().succeeds();
        let mut rows = crate::trace::rows(&printed.stdout);
        // Its own are the times, and the numbers of connections.
        for row in &mut rows {
            (row.t, row.conn) = (0, 0);
        }
        rows.sort_by_key(|row| row.id);
        rows
    };
    let (recorded, replayed) = (rows("t.blkr"), rows("t2.blkr"));
    for (one, other) in recorded.iter().zip(&replayed) {
        assert_eq!(one, other);
    }
    assert_eq!(recorded.len(), replayed.len());
}

#[test]
fn the_trace_of_a_replay_has_the_steps_of_the_recording() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 60, MIB);
    sandbox.copy("disk.img", "before.img");
    let client = sandbox.script(
        "client.sh",
        "qemu-io -t writeback -f raw -c 'write -q -P 1 0 64k' -c flush -c 'read -q 0 64k' -c 'discard -q 0 32k' \
             -c 'write -q -f -P 2 64k 4k' -c 'read -q 512k 64k' \"$BLKREPLAY_URI\"
         qemu-io -t writeback -f raw -c 'write -q -z 128k 64k' -c 'read -q 0 128k' \"$BLKREPLAY_URI\"",
    );
    let trace = record(&sandbox, "--write --payload all", &client);
    replay(&sandbox, "before.img -o t2.blkr", &client).repeats(&trace);
    assert_same_steps(&sandbox);
    // It is a trace like any other.
    sandbox.blkreplay(&format!("replay t2.blkr before.img -- {client}")).finish().succeeds();
}

#[test]
fn the_trace_of_a_replay_at_depth_has_them_too_whatever_comes_first() {
    let sandbox = Sandbox::new();
    sandbox.solid("some.img", 61, 16 * MIB);
    sandbox.blank("disk.img", 16 * MIB);
    sandbox.blank("before.img", 16 * MIB);
    let client = "qemu-img convert -n -W -m 8 -f raw -O raw some.img {uri}";
    let trace = record(&sandbox, "--write", client);
    replay(&sandbox, "before.img -o t2.blkr", client).repeats(&trace);
    assert_same_steps(&sandbox);
}
