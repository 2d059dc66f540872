//! The kernel's own ext4 on a recorded disk, through nbdfuse and a loop device. Needs root.

use std::path::Path;

use crate::clients::assert_replays;
use crate::clients::witness::{behind_nbdkit, witnessed};
use crate::size::assert_compacts;
use crate::support::{Sandbox, is_root, left_out};
use crate::trace::Trace;

/// Makes a file system; whatever fails later, everything is taken down again.
const MAKE: &str = r#"
mkdir -p fuse mnt
device=
cleanup() {
    mountpoint -q mnt && umount mnt
    [ -z "$device" ] || losetup -d "$device"
    mountpoint -q fuse && umount fuse
    wait
}
trap cleanup EXIT
nbdfuse fuse/disk "$uri" &
for _ in $(seq 200); do [ -e fuse/disk ] && break; sleep 0.05; done
device=$(losetup -f --show fuse/disk)
mkfs.ext4 -q "$device"
"#;

/// Copies a tree into it, deletes some, and trims.
const USE: &str = r#"
mount "$device" mnt
cp -r tree mnt/
sync
rm -r mnt/tree/2
fstrim mnt
cp -r tree mnt/again
umount mnt
"#;

/// Writes small pieces all over a file, as a database does, and makes each sixteenth durable.
const USE_AS_A_DATABASE: &str = r#"
mount "$device" mnt
fio --name=database --directory=mnt --rw=randwrite --bs=4k --size=64M --io_size=20M --direct=1 --ioengine=psync --fsync=16 --output=fio.txt
umount mnt
"#;

/// Whether a kernel can be made to use our disk here.
fn is_able() -> bool {
    let able =
        is_root() && Path::new("/dev/fuse").exists() && Path::new("/dev/loop-control").exists();
    if !able {
        left_out("ext4 through nbdfuse: needs root, /dev/fuse and loop devices");
    }
    able
}

#[test]
fn a_file_system_is_made_used_trimmed_and_made_again() {
    if !is_able() {
        return;
    }
    let sandbox = Sandbox::new();
    for folder in 0..4 {
        std::fs::create_dir_all(sandbox.path(&format!("tree/{folder}"))).unwrap();
        for file in 0..20 {
            let size = 1000 + 4096 * file;
            sandbox.solid(&format!("tree/{folder}/{file}"), 100 * folder + file, size);
        }
    }
    sandbox.blank("disk.img", 64 << 20);
    sandbox.blank("before.img", 64 << 20);
    for tool in ["nbdfuse", "losetup", "mkfs.ext4", "fstrim", "nbdkit"] {
        drop(sandbox.tool(tool));
    }
    let client = behind_nbdkit(&sandbox, &format!("{MAKE}{USE}"));
    sandbox
        .blkreplay(&format!("record disk.img -o t.blkr --write -- {client}"))
        .finish()
        .succeeds();
    sandbox.tool("e2fsck").args(["-fn", "disk.img"]).finish().succeeds();

    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.failures().is_empty(), "{:?}", trace.failures());
    assert!(trace.count("discard") > 0, "fstrim reaches us");
    assert!(trace.count("flush") > 0, "so does sync");
    assert_eq!(trace.tally(), witnessed(&sandbox));
    assert_replays(&sandbox);
    assert_compacts(&sandbox);
    sandbox.tool("e2fsck").args(["-fn", "before.img"]).finish().succeeds();
}

#[test]
fn ten_thousand_requests_of_a_file_system_stay_small() {
    if !is_able() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 128 << 20);
    sandbox.blank("before.img", 128 << 20);
    let script = format!("uri=$1\n{MAKE}{USE_AS_A_DATABASE}");
    drop(sandbox.tool("fio"));
    let client = sandbox.script("client.sh", &script);
    sandbox
        .blkreplay(&format!("record disk.img -o t.blkr --write -- {client} {{uri}}"))
        .finish()
        .succeeds();
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.rows.len() >= 10_000, "{}", trace.rows.len());
    assert_compacts(&sandbox);
    assert_replays(&sandbox);
}
