//! Replays on images: each option, what it leaves on the disk, and what programs and people are told of it.
//!
//! What an image must hold is worked out here from the list of writes, never taken from the program. Invariant: every
//! recording is of [`CLIENT`], whose requests have the same ids each time.

/// Images that are not as they were: where a replay stops, and how it goes on.
mod diverged;
/// The schedule, and that nothing is done.
mod dry_run;
/// Data that the trace does not have.
mod fill;
/// One object a replay, field by field.
mod json;
/// How much of the recorded order is kept, and how many requests are under way.
mod order;
/// Larger disks, block devices, and around the page cache.
mod other_disks;
/// The files that a replay leaves behind, and those that it must not touch.
mod outputs;
/// Images that do not answer.
mod silent;
/// When requests go, and how late they may be.
mod timing;
/// Where a replay is to stop.
mod until;
/// Options that make no sense, and what is said of them.
mod usage;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Finished, Sandbox};

const SIZE: u64 = 4 << 20;

/// Two clients, one after the other, with a mark between them.
const CLIENT: &str = r#"
io() { qemu-io -f raw -t writeback "$@" "$BLKREPLAY_URI"; }
io -c 'aio_write -q -P 1 0 64k' -c 'aio_write -q -P 2 32k 64k' -c 'aio_write -q -P 3 1M 4k' -c aio_flush \
    -c 'read -q 0 64k' -c flush -c 'write -q -P 9 2M 4k' -c 'read -q 3M 8k'
blkreplay mark half
io -c 'write -q -P 4 128k 4k' -c 'discard -q 512k 64k' -c 'read -q 128k 4k' -c 'read -q 3200k 4k'
"#;

/// What changes the disk: id, offset, length, and the byte that is there afterwards.
const CHANGES: [(u64, u64, u64, u8); 6] = [
    (0, 0, 64 << 10, 1),
    (1, 32 << 10, 64 << 10, 2),
    (2, 1 << 20, 4 << 10, 3),
    (5, 2 << 20, 4 << 10, 9),
    (8, 128 << 10, 4 << 10, 4),
    (9, 512 << 10, 64 << 10, 0),
];

/// How many requests there are: a closing qemu-io flushes.
const REQUESTS: u64 = 13;

/// Reads of what was written: what is there depends on the data of writes.
const READS_OF_WRITES: [u64; 2] = [3, 10];

/// Reads of what nobody wrote: what is there depends on the image.
const READS_OF_IMAGE: [u64; 2] = [6, 11];

/// Bytes that the overlay takes: overlapping ones once.
const WRITTEN_BYTES: u64 = (96 + 4 + 4 + 4) << 10;

/// Records the client with `options`, and keeps the image as it was: `before.img`.
#[track_caller]
fn recorded_with(options: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.solid("before.img", 70, SIZE);
    sandbox.copy("before.img", "disk.img");
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let client = sandbox
        .script("client.sh", &CLIENT.replace("blkreplay mark", &format!("'{program}' mark")));
    let record = format!("record disk.img -o t.blkr --write {options} -- {client}");
    sandbox.blkreplay(&record).finish().succeeds();
    assert!(
        sandbox.read("disk.img") == image_after(&sandbox, "before.img", u64::MAX),
        "the client did as it was told"
    );
    sandbox
}

#[track_caller]
fn recorded() -> Sandbox {
    recorded_with("")
}

/// What the image `base` holds when the requests with ids below `id` have been done.
fn image_after(sandbox: &Sandbox, base: &str, id: u64) -> Vec<u8> {
    let mut image = sandbox.read(base);
    for (_, offset, length, byte) in CHANGES.into_iter().filter(|(one, ..)| *one < id) {
        let [start, end] = [offset, offset + length].map(|place| usize::try_from(place).unwrap());
        image[start..end].fill(byte);
    }
    image
}

/// Asserts what a file holds, without printing megabytes.
#[track_caller]
fn assert_holds(sandbox: &Sandbox, name: &str, expected: &[u8]) {
    let found = sandbox.read(name);
    assert_eq!(found.len(), expected.len(), "{name}");
    let first = found.iter().zip(expected).position(|(one, other)| one != other);
    assert_eq!(first, None, "{name} differs there");
}

/// The one object that `--json` prints.
#[track_caller]
fn json(finished: &Finished) -> Value {
    let lines: Vec<&str> = finished.stdout.lines().collect();
    let [line] = lines[..] else { panic!("one line was expected: {finished}") };
    let object: Value = serde_json::from_str(line).unwrap();
    assert_eq!(object["schema"], "blkreplay.replay/1");
    object
}

/// The events of a trace, as `print --events --json` tells them.
#[track_caller]
fn events(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let printed = sandbox.blkreplay(&format!("print {name} --events --json")).finish().succeeds();
    printed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where a request was issued.
fn issue_of(events: &[Value], id: u64) -> &Value {
    let found = events.iter().find(|event| event["kind"] == "issue" && event["id"] == id);
    found.unwrap_or_else(|| panic!("no #{id}"))
}

/// A step: what was issued in it, and what was released, in order, and how.
type Step = (BTreeSet<String>, Vec<String>);

/// The steps of a trace, without its times.
fn steps(events: &[Value]) -> Vec<Step> {
    let mut steps = vec![Step::default()];
    for event in events {
        let field = |name: &str| event[name].to_string();
        let last = steps.last_mut().unwrap();
        match event["kind"].as_str().unwrap() {
            "issue" => {
                let told =
                    ["id", "dev", "op", "off", "len", "flags", "payload"].map(field).join(" ");
                if last.1.is_empty() {
                    last.0.insert(told);
                } else {
                    steps.push((BTreeSet::from([told]), Vec::new()));
                }
            }
            "block" => last.1.push(["id", "op", "result", "payload"].map(field).join(" ")),
            _ => {}
        }
    }
    steps
}

/// The keys of an object, in no order.
fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}
