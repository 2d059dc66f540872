//! Recordings of real clients: of the same work they are the same, and an option that was changed is found where it matters.

use std::path::Path;

use super::{diff, report};
use crate::support::{Sandbox, is_root, left_out};

const MIB: u64 = 1 << 20;

/// All that mkfs would else take from the clock or from chance.
const FIXED: &str =
    "-U 01234567-89ab-cdef-0123-456789abcdef -E hash_seed=01234567-89ab-cdef-0123-456789abcdef";

/// Makes a file system in a recorded disk that is a file of a mount; the words are options of mkfs.
const MKFS: &str = r#"
mkdir -p fuse
trap 'mountpoint -q fuse && umount fuse; wait' EXIT
nbdfuse fuse/disk "$BLKREPLAY_URI" &
for _ in $(seq 200); do [ -e fuse/disk ] && break; sleep 0.05; done
mkfs.ext4 -q -F "$@" fuse/disk
"#;

/// A sandbox in which disks can be mounted as files; `None` where that is not possible.
fn able() -> Option<Sandbox> {
    if !is_root() || !Path::new("/dev/fuse").exists() {
        left_out("mkfs.ext4 in a recorded disk: needs root and /dev/fuse");
        return None;
    }
    let sandbox = Sandbox::new();
    for tool in ["nbdfuse", "mkfs.ext4"] {
        drop(sandbox.tool(tool));
    }
    sandbox.blank("disk.img", 64 * MIB);
    sandbox.script("mkfs.sh", MKFS);
    Some(sandbox)
}

/// Records mkfs with these options, at a time that stands still if there is one.
#[track_caller]
fn mkfs(sandbox: &Sandbox, trace: &str, time: Option<&str>, options: &str) {
    let time = time.map(|time| format!("E2FSPROGS_FAKE_TIME={time}"));
    let words = ["record", "disk.img", "-o", trace, "--force", "--", "env"];
    let record = sandbox.blkreplay("").args(words).args(time).args(["sh", "mkfs.sh"]);
    record.args(options.split_whitespace()).finish().succeeds();
}

#[test]
fn two_file_systems_made_alike_are_the_same_if_time_and_chance_are_fixed() {
    let Some(sandbox) = able() else { return };
    mkfs(&sandbox, "base.blkr", Some("1700000000"), FIXED);
    mkfs(&sandbox, "new.blkr", Some("1700000000"), FIXED);
    for align in ["order", "epoch", "conflict", "key", "state"] {
        let told = diff(&sandbox, &format!("--align {align}")).succeeds();
        assert!(told.stdout.starts_with("same: "), "{told}");
    }
    // Without that, each has a UUID of its own, and with it all checksums.
    mkfs(&sandbox, "new.blkr", None, "");
    let value = report(&sandbox, "", 1);
    let summary = &value["summary"];
    assert!(summary["changed"].as_u64().unwrap() > 10, "{summary}");
    assert_eq!((&summary["added"], &summary["removed"]), (&0.into(), &0.into()), "the same places");
}

#[test]
fn an_option_of_mkfs_is_found_in_the_blocks_that_it_changes() {
    let Some(sandbox) = able() else { return };
    mkfs(&sandbox, "base.blkr", Some("1700000000"), FIXED);
    // How many blocks are kept for root stands in the super block and in its copies.
    mkfs(&sandbox, "new.blkr", Some("1700000000"), &format!("{FIXED} -m 4"));
    let value = report(&sandbox, "-n 0", 1);
    let groups = value["groups"].as_array().unwrap();
    let items = groups.iter().flat_map(|group| group["items"].as_array().unwrap());
    let mut places = Vec::new();
    for item in items {
        assert_eq!(item["kind"], "changed");
        assert_eq!(item["fields"], serde_json::json!(["payload"]));
        let (first, block) =
            (item["base"]["off"].as_u64().unwrap(), item["bytes"][0][0].as_u64().unwrap());
        // s_r_blocks_count_lo is at 8 of a super block, and its checksum at 1020.
        assert_eq!((block, &item["bytes"][1][0]), (8, &1020.into()), "{item}");
        places.push(first);
    }
    let primary = places.iter().filter(|place| **place == 1024).count();
    assert!(primary == 1 && places.len() > 1, "{places:?}");
    // The same requests were made.
    diff(&sandbox, "--loose").succeeds();
}

/// Records the making of a qcow2 image in the disk, with clusters of this size.
#[track_caller]
fn convert(sandbox: &Sandbox, trace: &str, cluster: &str) {
    let script = sandbox.script(
        "convert.sh",
        "qemu-img create -q -f qcow2 -o cluster_size=$1 \"$BLKREPLAY_URI\" 8M
         qemu-img convert -n -m 1 -f raw -O qcow2 some.img \"$BLKREPLAY_URI\"",
    );
    let record = format!("record disk.img -o {trace} --force -- {script} {cluster}");
    sandbox.blkreplay(&record).finish().succeeds();
}

#[test]
fn qemu_img_with_another_cluster_size_is_different_and_with_the_same_it_is_not() {
    let sandbox = Sandbox::new();
    drop(sandbox.tool("qemu-img"));
    sandbox.solid("some.img", 3, 4 * MIB);
    sandbox.blank("disk.img", 32 * MIB);
    convert(&sandbox, "base.blkr", "64k");
    convert(&sandbox, "new.blkr", "64k");
    diff(&sandbox, "").succeeds();
    convert(&sandbox, "new.blkr", "32k");
    let value = report(&sandbox, "", 1);
    let first = &value["first_difference"];
    assert!(first["base"].is_object() || first["new"].is_object(), "{first}");
    diff(&sandbox, "--loose").ends_with(1);
    diff(&sandbox, "--expect different").succeeds();
}
