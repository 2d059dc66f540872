//! `qemu-img convert -W -m 8`: eight copies at once, written as each is read.

use crate::clients::live::{record, replay};
use crate::support::Sandbox;

const MIB: u64 = 1 << 20;

const RUNS: usize = 20;

#[test]
fn a_conversion_out_of_order_is_the_same_in_each_of_twenty_runs() {
    let sandbox = Sandbox::new();
    sandbox.solid("some.img", 50, 48 * MIB);
    sandbox.blank("disk.img", 48 * MIB);
    sandbox.blank("before.img", 48 * MIB);
    let client = "qemu-img convert -n -W -m 8 -f raw -O raw some.img {uri}";
    let trace = record(&sandbox, "--write", client);
    assert_eq!(trace.bytes("write"), 48 * MIB, "every byte once");
    sandbox.assert_same("disk.img", "some.img");
    for _ in 1..RUNS {
        replay(&sandbox, "before.img", client).repeats(&trace);
    }
    replay(&sandbox, "before.img --write", client).repeats(&trace);
    sandbox.assert_same("before.img", "some.img");
}
