//! `qemu-img convert` into and out of an export.

use crate::clients::assert_replays;
use crate::support::Sandbox;
use crate::trace::Trace;

const MIB: u64 = 1 << 20;

/// An image of 16 MiB: two solid pieces, holes between and behind them.
fn some_image(sandbox: &Sandbox) {
    sandbox.solid("solid", 1, 5 * MIB);
    sandbox.blank("some.img", 16 * MIB);
    sandbox
        .tool("dd")
        .args(["if=solid", "of=some.img", "bs=1M", "seek=2", "conv=notrunc", "count=3"])
        .finish()
        .succeeds();
    sandbox
        .tool("dd")
        .args(["if=solid", "of=some.img", "bs=1M", "skip=3", "seek=12", "conv=notrunc"])
        .finish()
        .succeeds();
}

#[test]
fn an_image_converted_into_the_export_is_recorded_and_made_again() {
    let sandbox = Sandbox::new();
    some_image(&sandbox);
    sandbox.solid("disk.img", 2, 16 * MIB);
    sandbox.copy("disk.img", "before.img");
    sandbox
        .blkreplay(
            "record disk.img -o t.blkr --write -- qemu-img convert -n -f raw -O raw some.img {uri}",
        )
        .finish()
        .succeeds();
    sandbox.assert_same("disk.img", "some.img");

    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.failures().is_empty(), "{:?}", trace.failures());
    assert_eq!(trace.bytes("write"), 5 * MIB, "the data of some.img, each byte once");
    let zeroed = trace.bytes("write_zeroes") + trace.bytes("discard");
    assert!(zeroed >= 11 * MIB, "the holes of some.img have to be made: {zeroed}");
    assert_replays(&sandbox);
}

#[test]
fn an_image_converted_out_of_the_export_is_recorded_and_its_reads_verify() {
    let sandbox = Sandbox::new();
    some_image(&sandbox);
    sandbox
        .blkreplay("record some.img -o t.blkr -- qemu-img convert -f raw -O raw {uri} out.img")
        .finish()
        .succeeds();
    sandbox.assert_same("some.img", "out.img");

    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.failures().is_empty(), "{:?}", trace.failures());
    assert!(trace.bytes("read") >= 5 * MIB, "all data were read: {}", trace.bytes("read"));
    assert!(trace.count("block_status") > 0, "qemu-img asks where the holes are");
    assert_eq!(trace.count("write"), 0);
    sandbox.copy("some.img", "before.img");
    sandbox.blkreplay("replay t.blkr before.img").finish().succeeds();
    sandbox.assert_same("before.img", "some.img");
}

#[test]
fn without_write_the_image_stays_as_it_was_and_the_client_never_knows() {
    let sandbox = Sandbox::new();
    some_image(&sandbox);
    sandbox.solid("disk.img", 2, 16 * MIB);
    sandbox.copy("disk.img", "before.img");
    let script = sandbox.script(
        "client.sh",
        "qemu-img convert -n -f raw -O raw some.img \"$BLKREPLAY_URI\"
         qemu-img compare -f raw -F raw some.img \"$BLKREPLAY_URI\"",
    );
    sandbox
        .blkreplay(&format!("record disk.img -o t.blkr -- {script}"))
        .finish()
        .succeeds()
        .says(&["thrown away", "--write"]);
    sandbox.assert_same("disk.img", "before.img");

    // The trace has it all: replaying it makes what the client saw.
    sandbox.blkreplay("replay t.blkr before.img --write").finish().succeeds();
    sandbox.assert_same("before.img", "some.img");
}

#[test]
fn an_image_can_be_made_for_the_recording() {
    let sandbox = Sandbox::new();
    some_image(&sandbox);
    sandbox
        .blkreplay("record disk.img --create 16M -o t.blkr -- qemu-img convert -n -f raw -O raw some.img {uri}")
        .finish()
        .succeeds();
    sandbox.assert_same("disk.img", "some.img");
    sandbox.blank("before.img", 16 * MIB);
    assert_replays(&sandbox);
}
