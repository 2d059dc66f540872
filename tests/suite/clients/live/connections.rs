//! Clients that come, go and come again: connections are not compared, only what is asked on them.

use std::collections::BTreeSet;

use crate::clients::live::{record, replay};
use crate::support::Sandbox;
use crate::trace::{Row, Trace};

const MIB: u64 = 1 << 20;

/// How often a client that dies is replayed: what it had sent races with its end.
const RUNS: usize = 20;

/// Records the script `lines` on a blank disk; its copy is `before.img`.
#[track_caller]
fn recorded(sandbox: &Sandbox, lines: &str) -> (Trace, String) {
    for name in ["disk.img", "before.img"] {
        sandbox.blank(name, 8 * MIB);
    }
    let client = sandbox.script("client.sh", lines);
    (record(sandbox, "--write --payload all", &client), client)
}

fn connections(trace: &Trace) -> BTreeSet<u64> {
    trace.rows.iter().map(|row| row.conn).collect()
}

#[test]
fn a_client_that_comes_again_goes_on_where_it_was() {
    let sandbox = Sandbox::new();
    let (trace, client) = recorded(
        &sandbox,
        "for turn in 1 2 3 4 5; do
             qemu-io -t writeback -f raw -c \"write -P $turn 0 64k\" -c \"read -P $turn 0 64k\" \"$BLKREPLAY_URI\" >>said
         done
         ! grep -q ailed said",
    );
    assert_eq!(connections(&trace).len(), 5);
    replay(&sandbox, "before.img --write", &client).repeats(&trace);
    sandbox.assert_same("before.img", "disk.img");
    replay(&sandbox, "", &client).repeats(&trace);
}

#[test]
fn clients_that_share_a_disk_take_turns_as_they_did() {
    let sandbox = Sandbox::new();
    // Each waits for its answers, so which of them comes first is the only thing that chance decides.
    let (trace, client) = recorded(
        &sandbox,
        "for number in 1 2 3; do
             for turn in 0 1 2 3 4 5 6 7; do
                 echo \"write -P $number $((turn * 64))k 64k\"
                 echo \"read $((turn * 64))k 64k\"
             done >script$number
             qemu-io -t writeback -f raw \"$BLKREPLAY_URI\" <script$number >said$number &
         done
         wait",
    );
    assert_eq!(connections(&trace).len(), 3);
    for _ in 1..RUNS {
        replay(&sandbox, "before.img", &client).repeats(&trace);
    }
    replay(&sandbox, "before.img --write", &client).repeats(&trace);
    sandbox.assert_same("before.img", "disk.img");
}

#[test]
fn a_client_that_died_with_a_write_under_way_dies_again_and_nobody_waits_for_it() {
    let sandbox = Sandbox::new();
    // The write lies whole in the socket when the client dies; whether its answer came, chance decides.
    let (trace, client) = recorded(
        &sandbox,
        "ulimit -c 0
         qemu-io -t writeback -f raw -c 'write -P 1 0 64k' -c 'aio_write -P 2 1M 64k' -c abort \"$BLKREPLAY_URI\" \
             >said 2>&1 || true
         qemu-io -t writeback -f raw -c 'write -P 3 2M 64k' -c 'read -P 3 2M 64k' \"$BLKREPLAY_URI\" >said
         ! grep -q ailed said",
    );
    let under_way = |row: &&Row| row.off == MIB && row.op == "write";
    assert_eq!(trace.rows.iter().filter(under_way).count(), 1, "{:?}", trace.rows);
    for _ in 0..RUNS {
        sandbox.blank("before.img", 8 * MIB);
        replay(&sandbox, "before.img --write", &client).repeats(&trace);
        sandbox.assert_same("before.img", "disk.img");
    }
    replay(&sandbox, "", &client).repeats(&trace);
}
