//! `nbdcopy` over four connections: which thread takes which part of the disk is another matter each time.

use crate::clients::live::{record, replay};
use crate::support::Sandbox;

/// Four times what one thread of nbdcopy takes at once, so that each has a part of its own.
const SIZE: u64 = 512 << 20;

const RUNS: usize = 5;

#[test]
fn half_a_gigabyte_over_four_connections_is_copied_again_in_each_of_five_runs() {
    let sandbox = Sandbox::new();
    sandbox.solid("big.img", 4, SIZE);
    sandbox.blank("disk.img", SIZE);
    sandbox.blank("before.img", SIZE);
    let client = "nbdcopy --threads=4 --connections=4 --flush big.img {uri}";
    // Digests tell every byte of the writes; their data need not be kept for a client that sends them again.
    let trace = record(&sandbox, "--write --payload hash", client);
    assert_eq!(trace.bytes("write"), SIZE, "every byte once");
    assert!(trace.connections("write").len() > 1, "{:?}", trace.connections("write"));
    sandbox.assert_same("disk.img", "big.img");
    sandbox.remove("disk.img");
    for _ in 1..RUNS {
        replay(&sandbox, "before.img", client).repeats(&trace);
    }
    replay(&sandbox, "before.img --write", client).repeats(&trace);
    sandbox.assert_same("before.img", "big.img");
}
