//! `nbdcopy` with several threads and connections.

use crate::clients::assert_replays;
use crate::size::assert_compacts;
use crate::support::Sandbox;
use crate::trace::Trace;

const MIB: u64 = 1 << 20;

#[test]
fn half_a_gigabyte_over_four_connections_is_recorded_and_made_again() {
    const SIZE: u64 = 512 * MIB;
    let sandbox = Sandbox::new();
    sandbox.solid("big.img", 4, SIZE);
    sandbox.blank("disk.img", SIZE);
    sandbox.blank("before.img", SIZE);
    sandbox
        .blkreplay("record disk.img -o t.blkr --write -- nbdcopy --threads=4 --connections=4 --flush big.img {uri}")
        .finish()
        .succeeds();
    sandbox.assert_same("disk.img", "big.img");
    sandbox.remove("big.img");

    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.failures().is_empty(), "{:?}", trace.failures());
    assert_eq!(trace.bytes("write"), SIZE, "every byte once");
    let connections = trace.connections("write");
    assert!(connections.len() > 1, "more than one connection wrote: {connections:?}");
    assert!(trace.count("flush") > 0);
    assert_replays(&sandbox);
    assert_compacts(&sandbox);
}

#[test]
fn an_image_copied_out_is_recorded_and_its_reads_verify() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 5, 32 * MIB);
    sandbox
        .blkreplay("record disk.img -o t.blkr -- nbdcopy --threads=4 --connections=4 {uri} out.img")
        .finish()
        .succeeds();
    sandbox.assert_same("disk.img", "out.img");
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert_eq!(trace.bytes("read"), 32 * MIB);
    sandbox.blkreplay("replay t.blkr disk.img").finish().succeeds();
}
