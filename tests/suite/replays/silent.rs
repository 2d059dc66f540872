//! Images that do not answer: trouble with a name, within `--patience`.

use std::path::Path;

use crate::support::{Sandbox, is_root, left_out};

/// Makes a disk of which each write takes three seconds, runs its arguments there, and takes everything down again.
const SLOW_DISK: &str = r#"
mkdir -p fuse
cleanup() {
    mountpoint -q fuse && umount fuse
    wait
}
trap cleanup EXIT
nbdkit -f -U run/slow --filter=delay memory 4M wdelay=3 &
server=$!
for _ in $(seq 200); do [ -e run/slow ] && break; sleep 0.05; done
nbdfuse fuse/disk "nbd+unix:///?socket=run/slow" &
for _ in $(seq 200); do [ -e fuse/disk ] && break; sleep 0.05; done
status=0
"$@" || status=$?
umount fuse
kill "$server"
wait
rm -f run/slow
exit "$status"
"#;

#[test]
fn an_image_that_is_silent_for_longer_than_patience_is_trouble_that_names_the_request() {
    if !is_root() || !Path::new("/dev/fuse").exists() {
        left_out("an image that does not answer: needs root and /dev/fuse");
        return;
    }
    let sandbox = Sandbox::new();
    for tool in ["nbdkit", "nbdfuse"] {
        drop(sandbox.tool(tool));
    }
    sandbox.blank("disk.img", 4 << 20);
    // Without `-t writeback` a write is durable, which no page cache answers for; with it, it is done by the thread that
    // asks, and FUSE has no page cache here.
    for mode in ["", "-t writeback"] {
        let client = format!("qemu-io {mode} -f raw -c 'write -q -P 5 64k 4k' \"$BLKREPLAY_URI\"");
        let client = sandbox.script("client.sh", &client);
        let recording = format!("record disk.img -o t.blkr --force -- {client}");
        sandbox.blkreplay(&recording).finish().succeeds();
        let run = |patience: &str| {
            let program = env!("CARGO_BIN_EXE_blkreplay");
            let line =
                format!("{program} replay t.blkr fuse/disk --write --json --patience {patience}");
            let slow = sandbox.script("slow.sh", SLOW_DISK);
            let mut words = slow.split(' ').chain(line.split(' '));
            sandbox.tool(words.next().unwrap()).args(words).finish()
        };
        let silent = run("500ms").ends_with(2).says(&[
            "error: cannot replay t.blkr: the image has not completed #0 (write at 65536+4096) for ",
            "hint: --patience 1m waits longer for a slow disk\n",
        ]);
        assert_eq!(silent.stdout, "", "trouble is no difference: {silent}");
        let slow = run("1m").ends_with(0);
        assert!(slow.stdout.contains("\"verdict\":\"same\""), "{slow}");
    }
}
