//! Whether a client may use extended headers: as it could when it was recorded, whatever this version offers.

use blkreplay_fixtures::bytes;
use blkreplay_fixtures::patch::Parts;

use crate::clients::extended::{connects, require_qemu};
use crate::clients::live::{record, replay};
use crate::support::Sandbox;
use crate::trace::Trace;

const OFFERED: &str = ",\"extended_headers\":true";

fn recorded(sandbox: &Sandbox) -> (Trace, String) {
    require_qemu(sandbox);
    sandbox.blank("disk.img", 1 << 20);
    let lines =
        "-c 'write -P 1 0 64k' -c 'read -P 1 0 64k' -c 'write -z 128k 64k' -c 'discard 0 4k'";
    let client = sandbox.script(
        "client.sh",
        &format!("qemu-io -t writeback -f raw {lines} \"$BLKREPLAY_URI\" >said"),
    );
    (record(sandbox, "", &client), client)
}

/// Makes `t.blkr` a trace of a version that offered no extended headers.
fn forget_offer(sandbox: &Sandbox) {
    let mut parts = Parts::of(&sandbox.read("t.blkr"));
    let metadata = String::from_utf8(parts.metadata).unwrap();
    assert_eq!(metadata.matches(OFFERED).count(), 1, "{metadata}");
    parts.metadata = metadata.replace(OFFERED, "").into_bytes();
    sandbox.write("t.blkr", &parts.bytes());
}

/// Whether the connections of `t2.blkr` have extended headers.
fn extended(sandbox: &Sandbox) -> Vec<bool> {
    let connects = connects(sandbox, "t2.blkr");
    connects.iter().map(|connect| connect["extended_headers"] == true).collect()
}

#[test]
fn a_client_that_was_offered_extended_headers_is_offered_them_again() {
    let sandbox = Sandbox::new();
    let (trace, client) = recorded(&sandbox);
    replay(&sandbox, "disk.img -o t2.blkr", &client).repeats(&trace);
    assert_eq!(extended(&sandbox), [true]);
    let again = Parts::of(&sandbox.read("t2.blkr")).metadata;
    assert!(String::from_utf8(again).unwrap().contains(OFFERED), "a replay says what it offered");
}

#[test]
fn a_client_that_was_recorded_without_extended_headers_is_not_offered_them() {
    let sandbox = Sandbox::new();
    let (trace, client) = recorded(&sandbox);
    forget_offer(&sandbox);
    replay(&sandbox, "disk.img -o t2.blkr", &client).repeats(&trace);
    assert_eq!(extended(&sandbox), [false]);
    let again = Parts::of(&sandbox.read("t2.blkr")).metadata;
    assert!(!String::from_utf8(again).unwrap().contains("extended_headers"));
}

#[test]
fn disks_of_which_some_were_offered_with_extended_headers_are_refused_with_the_way_out() {
    let sandbox = Sandbox::new();
    let (_, client) = recorded(&sandbox);
    sandbox.write("old.blkr", &bytes("native/operations.blkr"));
    sandbox.blkreplay("merge t.blkr old.blkr -o both.blkr").finish().succeeds();
    sandbox.blank("other.img", 16 << 20);
    sandbox.remove("said");
    sandbox
        .blkreplay(&format!(
            "replay both.blkr disk.img other.img --any-image --no-verify -- {client}"
        ))
        .finish()
        .ends_with(2)
        .says(&["extended headers", "hint: blkreplay slice"]);
    assert!(!sandbox.path("said").exists(), "the client was not started");
}
