//! A qcow2 image: served, written, and replayed, onto qcow2 and onto raw.

use crate::support::Sandbox;
use crate::trace::Trace;

/// Makes `disk.qcow2` with some data, and two images that hold the same: `before.qcow2` and `before.img`.
fn images(sandbox: &Sandbox) {
    sandbox.solid("solid", 11, 3 << 20);
    for line in [
        "create -q -f qcow2 disk.qcow2 16M",
        "convert -n -f raw -O qcow2 solid disk.qcow2",
        "convert -f qcow2 -O raw disk.qcow2 before.img",
    ] {
        sandbox.tool("qemu-img").args(line.split(' ')).finish().succeeds();
    }
    sandbox.copy("disk.qcow2", "before.qcow2");
}

/// Asserts that two images hold the same data, whatever their formats.
#[track_caller]
fn assert_same_data(sandbox: &Sandbox, one: &str, other: &str) {
    sandbox.tool("qemu-img").args(["compare", one, other]).finish().succeeds();
}

#[test]
fn a_qcow2_image_is_recorded_and_replayed_onto_qcow2_and_onto_raw() {
    let sandbox = Sandbox::new();
    images(&sandbox);
    let client = sandbox.script(
        "client.sh",
        "qemu-io -f raw -c 'aio_write -P 1 1M 256k' -c 'aio_write -P 2 1152k 256k' -c aio_flush \
            -c 'write -P 3 9M 64k' -c 'discard 64k 64k' -c 'write -z 2M 128k' -c 'write -f -P 4 15M 4k' \
            -c 'read -P 0 64k 64k' -c flush \"$BLKREPLAY_URI\"",
    );
    sandbox
        .blkreplay(&format!("record disk.qcow2 -o t.blkr --write -- {client}"))
        .finish()
        .succeeds();
    sandbox.tool("qemu-img").args(["check", "-q", "disk.qcow2"]).finish().succeeds();
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.failures().is_empty(), "{:?}", trace.failures());
    assert_eq!(trace.count("write"), 4);

    sandbox.blkreplay("replay t.blkr before.qcow2 --write").finish().succeeds();
    sandbox.tool("qemu-img").args(["check", "-q", "before.qcow2"]).finish().succeeds();
    assert_same_data(&sandbox, "disk.qcow2", "before.qcow2");
    // The fingerprint is of what a client would read, so a raw copy will do.
    sandbox.blkreplay("replay t.blkr before.img --write").finish().succeeds();
    assert_same_data(&sandbox, "disk.qcow2", "before.img");
}

#[test]
fn a_qcow2_image_served_as_raw_is_its_file() {
    let sandbox = Sandbox::new();
    images(&sandbox);
    sandbox
        .blkreplay("record disk.qcow2 --format raw -o t.blkr -- nbdcopy {uri} out")
        .finish()
        .succeeds();
    sandbox.assert_same("disk.qcow2", "out");
}
