//! Another disk than the recorded one: `--no-verify`, `--any-image`, block devices, `--direct`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::replays::{SIZE, assert_holds, image_after, json, recorded};
use crate::support::{Sandbox, is_root, left_out};

/// A larger disk that holds something else.
fn other(sandbox: &Sandbox) {
    sandbox.solid("other.img", 71, 2 * SIZE);
    sandbox.copy("other.img", "other-before.img");
}

#[test]
fn without_verifying_a_larger_disk_will_do_and_nothing_counts_as_the_same() {
    let sandbox = recorded();
    other(&sandbox);
    let finished = sandbox
        .blkreplay("replay t.blkr other.img --no-verify --write --json")
        .finish()
        .succeeds()
        .says(&["reads verified 0  unverified 4  nothing could be compared\n"]);
    let told = json(&finished);
    assert_eq!((&told["reads_verified"], &told["reads_unverified"]), (&0.into(), &4.into()));
    assert_eq!(told["replayed"], told["requests"]);
    assert_holds(&sandbox, "other.img", &image_after(&sandbox, "other-before.img", u64::MAX));
}

#[test]
fn a_disk_that_is_too_small_is_refused_whatever_is_accepted() {
    let sandbox = recorded();
    sandbox.blank("small.img", SIZE / 2);
    for options in ["", "--any-image", "--no-verify"] {
        let line = format!("replay t.blkr small.img --write {options}");
        sandbox.blkreplay(&line).finish().ends_with(2).says(&[
            "error: small.img has 2097152 bytes (2 MiB), the recorded device disk had 4194304 (4 MiB)\n",
            "hint: truncate -s 4194304 FILE makes a copy long enough\n",
        ]);
    }
    assert!(sandbox.read("small.img").iter().all(|byte| *byte == 0));
}

#[test]
fn a_larger_disk_is_refused_unless_any_will_do_and_then_its_reads_are_compared() {
    let sandbox = recorded();
    other(&sandbox);
    sandbox.blkreplay("replay t.blkr other.img --write").finish().ends_with(2).says(&[
        "error: other.img has 8388608 bytes (8 MiB), the recorded device disk had 4194304 (4 MiB)\n",
        "hint: --any-image accepts a larger image\n",
    ]);
    sandbox.assert_same("other.img", "other-before.img");
    // The first read of what nobody wrote differs.
    sandbox
        .blkreplay("replay t.blkr other.img --any-image")
        .finish()
        .ends_with(1)
        .says(&["error: replay diverged at request #6: data ("]);
    sandbox.assert_same("other.img", "other-before.img");
}

#[test]
fn an_image_of_the_same_size_with_other_data_is_refused_unless_any_will_do() {
    let sandbox = recorded();
    sandbox.solid("other.img", 71, SIZE);
    sandbox.blkreplay("replay t.blkr other.img").finish().ends_with(2).says(&[
        "error: other.img is not the image that was recorded as disk (disk.img): its fingerprint is xxh3:",
        "hint: a replay needs a copy of the image as it was before the recording\n",
        "hint: --any-image takes this one all the same; its reads are still compared\n",
    ]);
    sandbox.blkreplay("replay t.blkr other.img --any-image").finish().ends_with(1);
    sandbox.blkreplay("replay t.blkr other.img --no-verify").finish().succeeds();
}

#[test]
fn around_the_page_cache_it_is_the_same() {
    let sandbox = recorded();
    sandbox.copy("before.img", "again.img");
    let finished =
        sandbox.blkreplay("replay t.blkr again.img --direct --write --json").finish().succeeds();
    assert_eq!(json(&finished)["reads_verified"], 4);
    assert_holds(&sandbox, "again.img", &image_after(&sandbox, "before.img", u64::MAX));
    sandbox.blkreplay("replay t.blkr before.img --direct").finish().succeeds();
}

#[test]
fn around_the_page_cache_smaller_requests_than_the_disk_takes_are_refused_before_the_first() {
    let sandbox = recorded();
    let client = "qemu-io -f raw -t writeback -c 'write -q -P 1 4k 4k' -c 'write -q -P 2 3 100' \"$BLKREPLAY_URI\"";
    let client = sandbox.script("small.sh", client);
    sandbox.blkreplay(&format!("record before.img -o small.blkr -- {client}")).finish().succeeds();
    sandbox.copy("before.img", "again.img");
    sandbox.blkreplay("replay small.blkr again.img --direct --write").finish().ends_with(2).says(
        &[
            "error: again.img takes only multiples of ",
            " bytes, the trace has ranges at multiples of 1\n",
            "hint: without --direct smaller ones can be done, too\n",
        ],
    );
    sandbox.assert_same("again.img", "before.img");
}

/// A file as a block device, until it is dropped.
struct Loop(PathBuf);

impl Loop {
    fn of(sandbox: &Sandbox, name: &str) -> Loop {
        let made = sandbox.tool("losetup").args(["-f", "--show", name]).finish().succeeds();
        Loop(PathBuf::from(made.stdout.trim()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let detached = Command::new("losetup").arg("-d").arg(&self.0).status();
        assert!(detached.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn a_block_device_is_a_disk_too() {
    if !is_root() || !Path::new("/dev/loop-control").exists() {
        left_out("a replay onto a block device: needs root and loop devices");
        return;
    }
    let sandbox = recorded();
    other(&sandbox);
    for options in ["", "--direct"] {
        sandbox.copy("other-before.img", "other.img");
        let device = Loop::of(&sandbox, "other.img");
        let line =
            format!("replay t.blkr {} --write --no-verify --json {options}", device.0.display());
        let told = json(&sandbox.blkreplay(&line).finish().succeeds());
        assert_eq!((&told["replayed"], &told["reads_unverified"]), (&told["requests"], &4.into()));
        drop(device);
        assert_holds(&sandbox, "other.img", &image_after(&sandbox, "other-before.img", u64::MAX));
    }
    // One that holds what was recorded is verified as any image.
    sandbox.copy("before.img", "again.img");
    let device = Loop::of(&sandbox, "again.img");
    let line = format!("replay t.blkr {} --write --json", device.0.display());
    assert_eq!(json(&sandbox.blkreplay(&line).finish().succeeds())["reads_verified"], 4);
    drop(device);
    assert_holds(&sandbox, "again.img", &image_after(&sandbox, "before.img", u64::MAX));
}
