//! Real clients on disks that nbdkit makes slow or broken, and nbdfuse a file: errors, who asks again, and who does not wait.

use std::path::Path;

use serde_json::{Value, json};

use super::objects;
use crate::support::{Sandbox, is_root, left_out};

/// Behind what the kernel has read ahead when the image was opened.
const MIB: u64 = 1 << 20;

/// Records `client.sh` on a disk with the filter of nbdkit's that its arguments say, and takes everything down again.
const RECORD: &str = r#"
mkdir -p fuse
nbdkit -f -U run/disk memory 4M "$@" &
server=$!
for _ in $(seq 400); do [ -e run/disk ] && break; sleep 0.05; done
nbdfuse fuse/disk "nbd+unix:///?socket=run/disk" &
for _ in $(seq 400); do [ -e fuse/disk ] && break; sleep 0.05; done
status=0
blkreplay -q record fuse/disk -o t.blkr --fingerprint none -- sh client.sh || status=$?
umount fuse
kill "$server"
wait
exit "$status"
"#;

/// A recording of what these commands of qemu-io's do to a disk with this filter; `None` where there can be no such disk.
fn recorded(filter: &str, commands: &str) -> Option<Sandbox> {
    if !is_root() || !Path::new("/dev/fuse").exists() {
        left_out("findings on disks that are slow or fail: need root and /dev/fuse");
        return None;
    }
    let sandbox = Sandbox::new();
    for tool in ["nbdkit", "nbdfuse", "qemu-io"] {
        drop(sandbox.tool(tool));
    }
    let program = env!("CARGO_BIN_EXE_blkreplay");
    sandbox.script(
        "client.sh",
        &format!("touch run/used\nqemu-io -t writeback -f raw {commands} \"$BLKREPLAY_URI\" >said 2>&1 || true"),
    );
    let record = sandbox.script("record.sh", &RECORD.replace("blkreplay", program));
    let mut words = record.split(' ').chain(filter.split(' '));
    sandbox.tool(words.next().unwrap()).args(words).finish().succeeds();
    Some(sandbox)
}

/// The findings of this name, without what depends on the clock.
fn found(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let (mut found, _) = objects(sandbox);
    found.retain(|one| one["name"] == name);
    for one in &mut found {
        let one = one.as_object_mut().unwrap();
        for member in ["schema", "path", "dev", "event", "t", "about", "name"] {
            assert!(one.remove(member).is_some(), "{member}");
        }
    }
    found
}

#[test]
fn errors_of_the_disk_are_found_and_a_client_that_asks_the_same_again() {
    let commands = "-c 'read -q 1M 4k' -c 'read -q 1M 4k' -c 'read -q 2M 4k'";
    let broken = "--filter=error error-pread=EIO error-pread-rate=100% error-file=run/used";
    let Some(sandbox) = recorded(broken, commands) else { return };
    let text = |off: u64| format!("read {off}+4096 got EIO: it failed");
    let expected: Vec<_> = [(0, MIB), (1, MIB), (2, 2 * MIB)]
        .into_iter()
        .map(|(id, off)| json!({"code": "f2", "level": "error", "id": id, "off": off, "len": 4096, "text": text(off)}))
        .collect();
    assert_eq!(found(&sandbox, "error-reply"), expected);
    let mut again = found(&sandbox, "retry");
    let text = again[0].as_object_mut().unwrap().remove("text").unwrap();
    let expected =
        json!({"code": "f2", "level": "warn", "id": 1, "other": 0, "off": MIB, "len": 4096});
    assert_eq!(again, [expected], "the third is of another range");
    let (span, rest) = text
        .as_str()
        .unwrap()
        .strip_prefix("read 1048576+4096 again ")
        .unwrap()
        .split_once(' ')
        .unwrap();
    assert!(span.ends_with('s'), "{span}");
    assert_eq!(
        rest,
        "after #0 got EIO: it was asked again, the same, within a second of its failure"
    );
    let failed = super::check(&sandbox, "--findings").ends_with(1);
    assert!(failed.stdout.contains("finding f2 error error-reply  #0 at "), "{failed}");
}

#[test]
fn requests_that_a_client_lets_overlap_in_flight_are_found() {
    let commands = "-c 'aio_read -q 1M 64k' -c 'aio_write -q -P 2 1056k 64k' -c 'aio_write -q -P 3 2M 4k' -c aio_flush";
    let Some(sandbox) = recorded("--filter=delay rdelay=1", commands) else { return };
    let text = "write 1081344+65536 while #0 read 1048576+65536: it overlaps one in flight, and one of them modifies: \
                NBD and real disks leave the order open";
    let expected = json!({"code": "f3", "level": "warn", "id": 1, "other": 0, "off": 1_081_344, "len": 65536, "text": text});
    assert_eq!(found(&sandbox, "overlap"), [expected]);
    super::check(&sandbox, "--fail-on warn").ends_with(1);
}
