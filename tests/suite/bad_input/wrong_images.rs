//! Replays onto images that are not the one that was recorded.

use std::os::unix::fs::FileExt;

use crate::support::Sandbox;

const SIZE: u64 = 1 << 20;

/// A trace of a client that reads the first 64 KiB and writes the next, and `disk.img` as it was before.
fn recording() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 30, SIZE);
    let client = sandbox.script(
        "client.sh",
        "qemu-io -f raw -c 'read 0 64k' -c 'write 64k 64k' \"$BLKREPLAY_URI\"",
    );
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().succeeds();
    sandbox
}

/// `disk.img` with one byte of the first block changed.
fn changed(sandbox: &Sandbox) {
    sandbox.copy("disk.img", "changed.img");
    let image = std::fs::File::options().write(true).open(sandbox.path("changed.img")).unwrap();
    image.write_all_at(b"\0", 100).unwrap();
    drop(image);
    sandbox.copy("changed.img", "changed-before.img");
}

#[test]
fn an_image_of_another_size_is_refused_before_the_first_request() {
    let sandbox = recording();
    for (name, size) in [("smaller.img", SIZE / 2), ("larger.img", SIZE * 2)] {
        sandbox.solid(name, 30, size);
        sandbox.copy(name, "before.img");
        sandbox
            .blkreplay(&format!("replay t.blkr {name} --write"))
            .finish()
            .ends_with(2)
            .says(&["error", name, "hint"]);
        sandbox.assert_same(name, "before.img");
    }
}

#[test]
fn an_image_whose_first_block_changed_is_refused_before_the_first_request() {
    let sandbox = recording();
    changed(&sandbox);
    sandbox.blkreplay("replay t.blkr changed.img --write").finish().ends_with(2).says(&[
        "error",
        "changed.img",
        "--any-image",
    ]);
    sandbox.assert_same("changed.img", "changed-before.img");
}

#[test]
fn any_image_is_accepted_when_asked_and_its_reads_are_verified_all_the_same() {
    let sandbox = recording();
    changed(&sandbox);
    sandbox
        .blkreplay("replay t.blkr changed.img --any-image")
        .finish()
        .ends_with(1)
        .says(&["diverged", "#0", "read"]);
    sandbox.assert_same("changed.img", "changed-before.img");
}

#[test]
fn more_or_fewer_images_than_the_trace_has_devices_are_refused() {
    let sandbox = recording();
    sandbox.copy("disk.img", "second.img");
    sandbox
        .blkreplay("replay t.blkr disk.img second.img --write")
        .finish()
        .ends_with(2)
        .says(&["error"]);
    sandbox.blkreplay("replay t.blkr").finish().ends_with(2).says(&["error"]);
    sandbox.blkreplay("replay t.blkr missing.img").finish().ends_with(2).says(&["missing.img"]);
}

#[test]
fn a_trace_without_the_data_of_writes_is_refused_before_the_first_request() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 31, SIZE);
    let client =
        sandbox.script("client.sh", "qemu-io -f raw -c 'write -P 5 0 64k' \"$BLKREPLAY_URI\"");
    for policy in ["hash", "none"] {
        sandbox
            .blkreplay(&format!("record disk.img -o {policy}.blkr --payload {policy} -- {client}"))
            .finish()
            .succeeds();
        sandbox.copy("disk.img", "before.img");
        sandbox
            .blkreplay(&format!("replay {policy}.blkr before.img --write"))
            .finish()
            .ends_with(2)
            .says(&["error", "#0", "no data in the trace", "--payload write"]);
        sandbox.assert_same("before.img", "disk.img");
    }
}
