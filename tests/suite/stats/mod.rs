//! `stats`, held against what `print --json` tells of the same trace, and against what the client itself reports.

/// Against fio's own report.
mod fio;
/// Text, side by side, terminals.
mod forms;
/// QEMU logs: what is counted, and what is said to be unknown.
mod logs;
/// Against the rows of `print --json`, summed up here.
mod rows;
/// Cut traces, pipes, and all that is refused.
mod traces;

use serde_json::Value;

use crate::support::Sandbox;

/// Two disks, on which different things are done, in `t.blkr`.
fn recorded() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.solid("one.img", 90, 4 << 20);
    sandbox.blank("two.img", 4 << 20);
    let client = sandbox.script(
        "client.sh",
        "io() { qemu-io -t writeback -f raw \"$@\" >>said; }
         io -c 'write -q -P 1 0 64k' -c 'write -q -P 1 64k 64k' -c 'write -q -f -P 2 1M 4k' -c flush -c flush \
            -c 'read -q 512 1k' -c 'discard -q 2M 1M' \"$BLKREPLAY_URI\"
         io -c 'write -q -z 1M 64k' -c 'read -q 1M 64k' -c flush -c 'write -q -P 3 3M 512' -c 'write -q -P 4 3M 512' \
            \"$BLKREPLAY_URI_1\"",
    );
    sandbox.blkreplay(&format!("record one.img two.img -o t.blkr -- {client}")).finish().succeeds();
    sandbox
}

/// What `stats --json` says of `t.blkr`, with other words.
#[track_caller]
fn stats(sandbox: &Sandbox, words: &[&str]) -> Value {
    let told = sandbox.blkreplay("stats t.blkr --json").args(words).finish().succeeds();
    let value: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(value["schema"], "blkreplay.stats/1");
    value
}
